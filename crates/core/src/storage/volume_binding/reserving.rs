//! Making a decision of the filter true.

use super::{PodBindings, WantedClaim};
use crate::ids::{ClaimId, VolumeId};
use crate::labels::{NodeSelectorTerm, Operator, Requirement};
use crate::storage::{
    ClaimObject, ClaimPhase, ClaimReference, NodeView, PersistentVolumeObject, Storage,
    StorageObject, StorageUndo, VolumePhase, VolumeSource, VolumeUse, provisioning,
};

impl Storage {
    /// Gives the claims of a pod what [`super::filter`] found for them on the node: volumes are
    /// bound for good (what the volume controller does with the scheduler's choice), and claims that
    /// get a new volume are marked with the node. `None`: there was nothing to do.
    ///
    /// An ephemeral volume of a pod without claims takes its volume as `<pod>-<volume>`; a volume
    /// that would be made for it leaves no trace but its place among those attached to the node.
    ///
    /// Source: `AssumePodVolumes`, and the volume controller's `bind`.
    pub fn reserve(
        &mut self,
        uses: &VolumeUse,
        bindings: &PodBindings,
        pod_name: &str,
        node_name: &str,
    ) -> Option<StorageUndo> {
        let mut steps = Vec::new();
        for (wanted, volume) in &bindings.bound {
            let reference = match wanted {
                WantedClaim::Claim(claim) => {
                    let object = self.claim(*claim).expect("a waiting claim is there");
                    reference_to(object)
                }
                WantedClaim::Template(position) => ClaimReference {
                    namespace: uses.namespace.clone(),
                    name: format!("{pod_name}-{}", uses.template(*position).volume),
                    uid: String::new(),
                },
            };
            steps.push(self.bind_volume(*volume, reference));
            if let WantedClaim::Claim(claim) = wanted {
                steps.push(self.bind_claim(*claim, *volume));
            }
        }
        for wanted in &bindings.provisioned {
            let WantedClaim::Claim(claim) = wanted else { continue };
            let object = self.claim(*claim).expect("a waiting claim is there");
            if object.selected_node.as_deref() != Some(node_name) {
                steps.push(self.change_claim(*claim, |object| {
                    object.selected_node = Some(node_name.to_owned());
                }));
            }
        }
        (!steps.is_empty()).then(|| StorageUndo::several(steps))
    }

    /// Makes a volume for a claim that waits for one, as the provisioner of its class does on the
    /// claim's node: the volume can be reached from where the node stands by the driver's topology
    /// keys (from everywhere when there are none). `None`: the claim is bound, or there is no class.
    ///
    /// Source: `sigs.k8s.io/sig-storage-lib-external-provisioner`, `external-provisioner`.
    pub fn provision(&mut self, claim: ClaimId, node: &NodeView<'_>) -> Option<StorageUndo> {
        let known = self.known_claim(claim).filter(|known| known.volume.is_none())?;
        let class = self.known_class(known.class)?;
        let driver = self.drivers.name(class.driver.0).to_owned();
        let csi_node = self.csi_node(node.name);
        let keys = csi_node.and_then(|csi| Some(&csi.object.drivers.get(&driver)?.topology_keys));
        let segment = keys.and_then(|keys| provisioning::segment_of(keys, |key| node.label(key)));
        let terms = segment.map(|labels| {
            let requirement = |(key, value): (String, String)| Requirement {
                key,
                operator: Operator::In,
                values: vec![value],
            };
            let expressions = labels.into_iter().map(requirement).collect();
            vec![NodeSelectorTerm { expressions, fields: Vec::new() }]
        });
        let name = made_volume_name(&known.object);
        let volume = PersistentVolumeObject {
            name: name.clone(),
            class: known.object.spec.class.clone(),
            capacity: known.object.spec.request,
            access_modes: known.object.spec.access_modes,
            mode: known.object.spec.mode,
            attributes_class: known.object.spec.attributes_class.clone(),
            claim: Some(reference_to(&known.object)),
            node_affinity: terms,
            source: VolumeSource::Csi { driver, handle: name.clone() },
            phase: VolumePhase::Bound,
            ..PersistentVolumeObject::default()
        };
        let made = self.put(StorageObject::Volume(volume));
        let volume = self.find_volume(&name).expect("the volume was put there");
        let bound = self.bind_claim(claim, volume);
        Some(StorageUndo::several(vec![made, bound]))
    }

    fn bind_volume(&mut self, volume: VolumeId, claim: ClaimReference) -> StorageUndo {
        let mut object = self.volume(volume).expect("a volume that was found is there").clone();
        object.claim = Some(claim);
        object.phase = VolumePhase::Bound;
        self.put(StorageObject::Volume(object))
    }

    fn bind_claim(&mut self, claim: ClaimId, volume: VolumeId) -> StorageUndo {
        let name = self.volumes.name(volume.0).to_owned();
        self.change_claim(claim, |object| {
            object.volume_name = name;
            object.bind_completed = true;
            object.phase = ClaimPhase::Bound;
        })
    }
}

fn reference_to(claim: &ClaimObject) -> ClaimReference {
    ClaimReference {
        namespace: claim.namespace.clone(),
        name: claim.name.clone(),
        uid: claim.uid.clone(),
    }
}

/// The provisioner names volumes after the claim's uid; claims made by hand may have none.
fn made_volume_name(claim: &ClaimObject) -> String {
    if claim.uid.is_empty() {
        format!("pvc-{}-{}", claim.namespace, claim.name)
    } else {
        format!("pvc-{}", claim.uid)
    }
}
