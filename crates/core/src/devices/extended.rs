//! Extended resources that devices stand for: containers ask for a number, nodes without the
//! resource give devices of a class.
//!
//! Source: `extendeddynamicresources.go` of the plugin, `extendedresourcecache`.

use std::collections::BTreeMap;

use super::Devices;
use super::claim::{ClaimSpec, DeviceClassObject, DeviceCount, DeviceQuery, DeviceRequest, Wanted};
use super::pools::{NodeView, covers};
use super::slice::Reach;
use crate::pod::PodSpec;

/// Every class has a resource name of its own under this prefix.
///
/// Source: `resource.k8s.io/v1.ResourceDeviceClassPrefix`.
const CLASS_PREFIX: &str = "deviceclass.resource.kubernetes.io/";

/// Which class stands for which resource.
#[derive(Clone, Debug, Default)]
pub(super) struct ExtendedResources {
    /// Class by resource name, both given by classes.
    named: BTreeMap<String, String>,
    /// The names of all classes, sorted.
    classes: Vec<String>,
}

impl ExtendedResources {
    /// Of several classes with the same resource the newest counts, of equally old ones the first
    /// by name.
    pub(super) fn of<'a>(
        classes: impl Iterator<Item = &'a DeviceClassObject>,
    ) -> ExtendedResources {
        let mut named: BTreeMap<&str, &DeviceClassObject> = BTreeMap::new();
        let mut names = Vec::new();
        for class in classes {
            names.push(class.name.clone());
            let Some(resource) = class.extended_resource_name.as_deref() else { continue };
            let is_preferred = named.get(resource).is_none_or(|known| {
                (class.created_at, &known.name) > (known.created_at, &class.name)
            });
            if is_preferred {
                named.insert(resource, class);
            }
        }
        names.sort_unstable();
        let named =
            named.into_iter().map(|(resource, class)| (resource.into(), class.name.clone()));
        ExtendedResources { named: named.collect(), classes: names }
    }

    pub(super) fn class_of(&self, resource: &str) -> Option<&str> {
        if self.classes.is_empty() {
            return None;
        }
        if let Some(class) = self.named.get(resource) {
            return Some(class);
        }
        let class = resource.strip_prefix(CLASS_PREFIX)?;
        let index = self.classes.binary_search_by(|one| one.as_str().cmp(class)).ok()?;
        Some(&self.classes[index])
    }
}

/// Whether containers may ask for such a resource although Kubernetes itself does not know it:
/// the name has a domain that is not Kubernetes' own.
///
/// Source: `v1helper.IsExtendedResourceName`, and `IsDRAExtendedResourceName` for the names that
/// every device class has.
#[must_use]
pub fn is_extended_resource_name(name: &str) -> bool {
    let has_foreign_domain = name.contains('/') && !name.contains("kubernetes.io/");
    (has_foreign_domain && !name.starts_with("requests.")) || name.starts_with(CLASS_PREFIX)
}

impl Devices {
    /// How many devices of the class that stands for an extended resource a node reaches, and how
    /// many of those are held: NodeResourcesFit scores by these where a profile makes it look at the
    /// resource and the node has none of its own. Zeros when no class stands for the resource.
    ///
    /// Source: `calculateDRAResourceTotals` of NodeResourcesFit, which counts the devices of old
    /// generations too.
    #[must_use]
    pub fn extended_resource_totals(&self, node: &NodeView<'_>, resource: &str) -> (i64, i64) {
        let class = self.extended.class_of(resource).and_then(|class| self.classes.get(class));
        let Some(class) = class else { return (0, 0) };
        let (mut all, mut held) = (0, 0);
        for slice in self.inventory.slices_for(node) {
            for one in &slice.devices {
                let reach = one.device.reach.as_ref();
                if slice.reach == Reach::PerDevice
                    && !reach.is_some_and(|reach| covers(reach, node))
                {
                    continue;
                }
                let selected = class.selectors.iter().try_fold(true, |so_far, selector| {
                    Ok::<bool, String>(so_far && self.selectors.selects(*selector, one.kind)?)
                });
                match selected {
                    Ok(true) => {
                        all += 1;
                        held += i64::from(self.uses.of(one.id).is_in_use());
                    }
                    Ok(false) => {}
                    // An expression that fails says nothing about the node.
                    Err(_) => return (0, 0),
                }
            }
        }
        (all, held)
    }
}

/// The claim that a pod's containers make by asking for these resources, on a node that gives them
/// by devices.
pub(super) fn claim_spec(pod: &PodSpec, resources: &[(&str, &str)]) -> ClaimSpec {
    let mut requests: Vec<DeviceRequest> = Vec::new();
    for (resource, class) in resources {
        let by_container = pod.extended_resource_requests.get(*resource);
        requests.extend(by_container.into_iter().flatten().map(|one| {
            let query = DeviceQuery {
                device_class_name: (*class).to_owned(),
                selectors: Vec::new(),
                count: DeviceCount::Exactly(one.count),
                admin_access: false,
                tolerations: Vec::new(),
                capacity: BTreeMap::new(),
            };
            DeviceRequest { name: one.request.clone(), wanted: Wanted::Exactly(query) }
        }));
    }
    requests.sort_by(|left, right| left.name.cmp(&right.name));
    ClaimSpec { requests, constraints: Vec::new() }
}
