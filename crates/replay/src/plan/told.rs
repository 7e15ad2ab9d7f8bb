//! What Cluster Autoscaler would tell around the loop that a plan runs: its status, its metrics and
//! its events.

use plimsoll_autoscaler::status::{self, Event};
use plimsoll_autoscaler::{Action, ClusterAutoscaler, NodeAutoscaler, Outcome};
use plimsoll_core::Cluster;
use plimsoll_core::objects::Snapshot;
use plimsoll_core::scheduling::SchedulerProfiles;

use super::{PlanError, PlanOptions, Stage, start_state};
use crate::strategy::Strategy;

/// The words of one loop, given that everything goes as it decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The ConfigMap `kube-system/cluster-autoscaler-status`, as YAML.
    pub status: String,
    /// The metrics in Prometheus' text format.
    pub metrics: String,
    /// The events, in order.
    pub events: Vec<Event>,
}

/// Runs the loop that is asked for, takes it that the clouds do as they are told (but where the
/// snapshot says that they refuse), and gives what would be told.
///
/// # Errors
/// See [`PlanError`]; other strategies than `cluster-autoscaler` tell nothing.
pub fn told(snapshot: &Snapshot, options: &PlanOptions) -> Result<Told, PlanError> {
    if options.strategy != Strategy::ClusterAutoscaler {
        return Err(PlanError::NothingTold(options.strategy));
    }
    let stage = Stage::of(snapshot, options)?;
    let mut cluster = Cluster::from_snapshot(snapshot, &SchedulerProfiles::default());
    let mut autoscaler = ClusterAutoscaler::new(stage.settings.clone(), options.seed);
    autoscaler.check_prices(&cluster)?;
    autoscaler.restore(&cluster, &start_state(&stage.state, &cluster)?);
    autoscaler.record_status();
    let (last, earlier) = stage.loops.split_last().expect("there is a loop");
    for at in earlier {
        autoscaler.decide(&mut cluster.fork(), *at);
    }
    let decision = autoscaler.decide(&mut cluster.fork(), *last);
    stage.check(&cluster, &decision)?;
    for action in &decision.actions {
        if !autoscaler.still_wants(action) {
            continue;
        }
        let outcome = stage.outcome(&cluster, action);
        if outcome == Outcome::Done {
            carry_out(&mut cluster, action);
        }
        autoscaler.observe(action, &outcome, &cluster, *last);
    }
    Ok(Told {
        status: status::config_map(&autoscaler, &cluster, *last),
        metrics: status::metrics(&autoscaler, &cluster),
        events: status::events(&autoscaler).to_vec(),
    })
}

/// What the loop itself sees of its actions: targets change at once.
fn carry_out(cluster: &mut Cluster, action: &Action) {
    let (group, target) = match action {
        Action::IncreaseSize { group, delta } => {
            (*group, cluster.group(*group).target_size.saturating_add(*delta))
        }
        Action::DecreaseTarget { group, by } => {
            (*group, cluster.group(*group).target_size.saturating_sub(*by))
        }
        _ => return,
    };
    cluster.set_target_size(group, target);
}
