//! Limits of the whole cluster.

use plimsoll_core::Cluster;

use super::Violation;
use crate::action::Action;
use crate::scale_up::limits::Quotas;
use crate::settings::Settings;

/// Holds increases against the limits of the whole cluster: `max-nodes-total`, `cores-total`,
/// `memory-total`, `gpu-total`, counted over the Nodes that there are.
///
/// Upstream counts more: machines on their way too, as long as their request is open and their group
/// is not in back-off. Machines that no request explains (asked for before the autoscaler began, or
/// of a group that has failed) count nowhere until they are Nodes, so that upstream, and we with it,
/// may exceed a limit by those. For `max-nodes-total` only ready Nodes count, as upstream's does.
/// Increases that bring a group to its minimum are held by upstream against the group's own size
/// and are not to be given here.
///
/// # Errors
/// The first limit that an increase would exceed.
pub fn check_limits(
    cluster: &Cluster,
    settings: &Settings,
    actions: &[Action],
) -> Result<(), Violation> {
    let mut quotas = Quotas::new(cluster, settings);
    let is_ready = |node: &&plimsoll_core::Node| node.ready && !node.unschedulable;
    let ready = cluster.nodes().filter(|(id, _)| cluster.node_taints(*id).is_empty());
    let ready = ready.map(|(_, node)| node).filter(is_ready).count();
    let mut nodes = i64::try_from(ready).unwrap_or(i64::MAX);
    let most = i64::from(settings.max_nodes_total);
    for action in actions {
        let Action::IncreaseSize { group, delta } = action else { continue };
        nodes += i64::from(*delta);
        if most > 0 && nodes > most {
            return Err(Violation::QuotaExceeded { resource: "nodes".to_owned() });
        }
        let template = &cluster.group(*group).spec.template;
        let demand = quotas.demand(template);
        if quotas.allowed(&demand, *delta) < *delta {
            let resource = quotas.exceeded_by(&demand).first().map_or("cpu or memory", |one| one);
            return Err(Violation::QuotaExceeded { resource: resource.to_owned() });
        }
        quotas.take(&demand, *delta);
    }
    Ok(())
}
