//! The claims that a controller makes for pods which name a template.

use std::sync::Arc;

use super::Cluster;
use crate::devices::PodIdentity;
use crate::ids::PodId;
use crate::pod::{ClaimSource, MadeClaim, PodSpec};

impl Cluster {
    /// Makes the claims that a new pod waits for, and lets the pod refer to them. A template that is
    /// not there leaves its pod waiting.
    ///
    /// Source: `k8s.io/kubernetes/pkg/controller/resourceclaim`, which draws the ends of the names by
    /// chance; here it is the pod's serial number, which is its uid as well where the file gave none.
    ///
    /// # Panics
    /// On a fork, which would not take it back, and for a pod that has a node.
    pub fn make_claims(&mut self, pod: PodId) {
        assert!(!self.is_fork(), "claims are not made on a fork");
        let one = self.pod(pod);
        assert!(one.node.is_none(), "pod {} has a node already", one.name);
        let waits = |source: &ClaimSource| {
            matches!(source, ClaimSource::Template { made: MadeClaim::NotYet, .. })
        };
        let (shape, controller, serial) = (one.shape, one.controller, one.serial);
        let spec = Arc::clone(self.catalog.shape(shape));
        if !spec.resource_claims.iter().any(|claim| waits(&claim.source)) {
            return;
        }
        let name = Arc::clone(&one.name);
        let uid = match self.pods.uid(pod) {
            "" => format!("pod-{serial}"),
            known => known.to_owned(),
        };
        let mut spec = PodSpec::clone(&spec);
        for claim in &mut spec.resource_claims {
            let ClaimSource::Template { template, made, pod_name, pod_uid } = &mut claim.source
            else {
                continue;
            };
            if *made != MadeClaim::NotYet {
                continue;
            }
            let claim_name = format!("{name}-{}-{serial}", claim.name);
            let identity = PodIdentity { name: &name, uid: &uid };
            let undo = self.devices.add_claim_from_template(
                &spec.namespace,
                template,
                identity,
                &claim_name,
            );
            if let Some(undo) = undo {
                self.note_devices_undo(undo);
                *made = MadeClaim::Claim(claim_name);
                name.as_ref().clone_into(pod_name);
                pod_uid.clone_from(&uid);
            }
        }
        let own = self.intern_shape(&spec);
        self.pods.change_shape(pod, own, controller);
        self.note_uid(pod, &uid);
        self.changed();
    }
}
