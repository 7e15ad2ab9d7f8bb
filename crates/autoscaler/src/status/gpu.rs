//! What metrics say of a node's GPUs.
//!
//! Source: `utils/gpu/gpu.go` of release 1.36. There the cloud knows the types of GPUs that there
//! are; here they are those that the groups' templates are labelled with.

use plimsoll_core::node::NodeSpec;
use plimsoll_core::pod::ResourceMap;
use plimsoll_core::{Cluster, Labels};

use crate::registry::{GPU_LABEL, GPU_RESOURCE};

/// Resources that are GPUs, in the order in which a node's are looked for.
const GPU_RESOURCES: [&str; 5] =
    [GPU_RESOURCE, "habana.ai/gaudi", "gpu.intel.com/xe", "amd.com/gpu", "microsoft.com/directx"];
/// The node says nothing of the type.
const GENERIC: &str = "generic";
/// No template has this type.
const NOT_LISTED: &str = "not-listed";
/// The template has GPUs, the node has none yet.
const MISSING: &str = "missing-gpu";
/// Neither has any, whatever the label says.
const UNEXPECTED_LABEL: &str = "unexpected-label";

/// The labels of one node's samples; both are empty for a node without GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GpuLabels {
    pub(super) resource: String,
    pub(super) gpu_type: String,
}

impl GpuLabels {
    /// Of a node, or a new one like a template; `template` is that of its group, where upstream asks
    /// for it.
    pub(super) fn of(
        cluster: &Cluster,
        labels: &Labels,
        capacity: &ResourceMap,
        allocatable: &ResourceMap,
        template: Option<&NodeSpec>,
    ) -> GpuLabels {
        let has = |map: &ResourceMap, name: &str| map.get(name).is_some_and(|amount| *amount != 0);
        let allocatable_gpu = GPU_RESOURCES.into_iter().find(|name| has(allocatable, name));
        let said = labels.get(GPU_LABEL);
        if said.is_none() && allocatable_gpu.is_none() {
            return GpuLabels::default();
        }
        let resource = allocatable_gpu.unwrap_or(GPU_RESOURCE);
        let said = said.map_or("", String::as_str);
        let gpu_type = if said.is_empty() && has(capacity, resource) {
            GENERIC
        } else if capacity.contains_key(resource) {
            if is_listed(cluster, said) { said } else { NOT_LISTED }
        } else if template.is_some_and(|template| template.capacity.contains_key(resource)) {
            MISSING
        } else {
            UNEXPECTED_LABEL
        };
        GpuLabels { resource: resource.to_owned(), gpu_type: gpu_type.to_owned() }
    }

    /// Of a new node of a group.
    pub(super) fn of_template(cluster: &Cluster, spec: &NodeSpec) -> GpuLabels {
        GpuLabels::of(cluster, &spec.labels, &spec.capacity, &spec.allocatable, None)
    }

    /// Whether there are GPUs at all.
    pub(super) fn any(&self) -> bool {
        !self.gpu_type.is_empty()
    }
}

fn is_listed(cluster: &Cluster, gpu_type: &str) -> bool {
    cluster.groups().any(|(_, group)| {
        group.spec.template.labels.get(GPU_LABEL).is_some_and(|one| one == gpu_type)
    })
}
