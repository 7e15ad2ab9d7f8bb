//! All four plugins at once: what a pod's profile asks of its volumes.

use super::volume_binding::{self, PodBindings, PodClaims};
use super::volume_restrictions::{self, Restrictions};
use super::volume_zone::{self, ZonedVolumes};
use super::{NodeView, Storage, VolumeUse, node_volume_limits};
use crate::scheduling::Refusal;
use crate::scheduling::profile::Plugin;

/// What the plugins have found out about a pod before they look at nodes. It holds until the
/// storage changes, or pods come and go; see [`Restrictions`] for trials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumePlan {
    /// VolumeRestrictions', when it has a say.
    pub restrictions: Option<Restrictions>,
    /// Whether NodeVolumeLimits has a say.
    pub limits: bool,
    /// VolumeBinding's, when it has a say.
    pub claims: Option<PodClaims>,
    /// VolumeZone's, when it has a say.
    pub zoned: Option<ZonedVolumes>,
}

impl VolumePlan {
    /// Whether none of the plugins has anything to say about any node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == VolumePlan::default()
    }
}

impl Storage {
    /// Asks the plugins among a profile's PreFilters, in their order, about a pod as a whole.
    ///
    /// # Errors
    /// The first that refuses.
    pub fn plan(&self, uses: &VolumeUse, pre_filters: &[Plugin]) -> Result<VolumePlan, Refusal> {
        let mut plan = VolumePlan::default();
        for plugin in pre_filters {
            match plugin {
                Plugin::VolumeRestrictions => {
                    plan.restrictions = volume_restrictions::pre_filter(self, uses)?;
                }
                Plugin::NodeVolumeLimits => plan.limits = node_volume_limits::applies(self, uses),
                Plugin::VolumeBinding => plan.claims = volume_binding::pre_filter(self, uses)?,
                Plugin::VolumeZone => plan.zoned = volume_zone::pre_filter(self, uses)?,
                _ => {}
            }
        }
        Ok(plan)
    }

    /// Why one of the plugins refuses a node; `None` when it does not, has no say, or is none of
    /// the four.
    #[must_use]
    pub fn refusal(
        &self,
        uses: &VolumeUse,
        plan: &VolumePlan,
        plugin: Plugin,
        node: &NodeView<'_>,
    ) -> Option<Refusal> {
        match plugin {
            Plugin::VolumeRestrictions => {
                volume_restrictions::filter(self, plan.restrictions.as_ref()?, node.name).err()
            }
            Plugin::NodeVolumeLimits if plan.limits => {
                node_volume_limits::filter(self, uses, node.name).err()
            }
            Plugin::VolumeBinding => {
                volume_binding::filter(self, uses, plan.claims.as_ref()?, node).err()
            }
            Plugin::VolumeZone => volume_zone::filter(self, plan.zoned.as_ref()?, node).err(),
            _ => None,
        }
    }

    /// What the pod's waiting claims get on a node that it fits on, for [`Storage::reserve`].
    #[must_use]
    pub fn bindings(
        &self,
        uses: &VolumeUse,
        plan: &VolumePlan,
        node: &NodeView<'_>,
    ) -> PodBindings {
        let found =
            plan.claims.as_ref().map(|claims| volume_binding::filter(self, uses, claims, node));
        found.and_then(Result::ok).unwrap_or_default()
    }
}
