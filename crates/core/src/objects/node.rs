//! Nodes, and the templates of new ones.

use serde_json::Value;

use super::fields::{self, Fields, Read};
use super::images;
use super::metadata::{Metadata, Scope};
use super::pod_requests::{self, Amounts};
use super::selectors;
use crate::node::{NodeObject, NodeSpec, Readiness};
use crate::pod::ResourceMap;

/// Reads a v1 Node.
pub(super) fn read(object: Fields<'_>) -> Read<NodeObject> {
    let metadata = Metadata::read(object, Scope::Cluster)?;
    let provider_id = object.inside("spec", |spec| spec.or_default("providerID", fields::text))?;
    let spec = NodeSpec { labels: metadata.labels, ..read_spec(object)? };
    Ok(NodeObject {
        name: metadata.name,
        uid: metadata.uid,
        created_at: metadata.created_at,
        provider_id: provider_id.unwrap_or_default(),
        spec,
        annotations: metadata.annotations,
        readiness: object.inside("status", read_readiness)?.unwrap_or_default(),
    })
}

/// Reads the size and the taints of a node or of a template, without its labels.
pub(super) fn read_spec(object: Fields<'_>) -> Read<NodeSpec> {
    let (taints, unschedulable) = object
        .inside("spec", |spec| {
            let taints = selectors::taints(spec, "taints")?;
            Ok((taints, spec.or_default("unschedulable", fields::flag)?))
        })?
        .unwrap_or_default();
    let status = object.inside("status", read_status)?.unwrap_or_default();
    Ok(NodeSpec { taints, unschedulable, ..status })
}

/// What the `status` says of the machine.
fn read_status(status: Fields<'_>) -> Read<NodeSpec> {
    let capacity = status.optional("capacity", read_amounts)?;
    let allocatable = status.or_default("allocatable", read_amounts)?;
    let mut declared_features = status.items("declaredFeatures", fields::text)?;
    declared_features.sort_unstable();
    declared_features.dedup();
    Ok(NodeSpec {
        // A hand-written template that gives only what pods may use has no more than that.
        capacity: capacity.unwrap_or_else(|| allocatable.clone()),
        allocatable,
        images: images::of_node(status)?,
        declared_features,
        ..NodeSpec::default()
    })
}

fn read_amounts(value: &Value) -> Read<ResourceMap> {
    let amounts: Amounts =
        pod_requests::read_amounts(Fields::of(value)?, pod_requests::accept_name)?;
    Ok(pod_requests::resource_map(&amounts))
}

/// What the conditions say, by Cluster Autoscaler's rule: Ready is there and neither False nor
/// Unknown, DiskPressure and NetworkUnavailable are not True.
///
/// Source: `k8s.io/autoscaler/cluster-autoscaler/utils/kubernetes.GetReadinessState`.
fn read_readiness(status: Fields<'_>) -> Read<Readiness> {
    let mut readiness = Readiness::default();
    let mut found = false;
    let mut refused = false;
    let mut suspended = None;
    status.items("conditions", |value| {
        let condition = Fields::of(value)?;
        let kind = condition.required("type", fields::text)?;
        let status = condition.required("status", fields::text)?;
        match kind.as_str() {
            "Ready" => {
                found = true;
                refused |= status == "False" || status == "Unknown";
            }
            "DiskPressure" | "NetworkUnavailable" => refused |= status == "True",
            // Upstream looks at the first one only.
            "Suspended" => {
                suspended.get_or_insert(status == "True");
                return Ok(());
            }
            _ => return Ok(()),
        }
        let since = condition.optional("lastTransitionTime", fields::time)?;
        readiness.since = readiness.since.max(since);
        Ok(())
    })?;
    readiness.ready = found && !refused;
    readiness.is_suspended = suspended == Some(true);
    Ok(readiness)
}
