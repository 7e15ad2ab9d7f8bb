//! One decision as of an instant, with everything that was found on the way; nothing is done.
//!
//! The strategy is the one that replays and lives; what it would have remembered from earlier loops
//! is told by the snapshot's AutoscalerState.

mod bound;
mod cost;
mod found;
mod model;
mod what_if;

pub use model::{
    BlockedNode, CostPerHour, ExpansionOption, NodeUtilization, PendingPod, Plan, ScaleDown,
    ScaleUp, SkippedGroup, TargetDecrease,
};
pub use what_if::{Change, ChangeError, GroupField, make as make_changes};

use std::collections::BTreeMap;

use plimsoll_autoscaler::cluster_autoscaler::{MissingPrice, StartState};
use plimsoll_autoscaler::invariants::{self, Violation};
use plimsoll_autoscaler::settings::{SettingError, Settings};
use plimsoll_autoscaler::{
    Action, ClusterAutoscaler, Decision, NodeAutoscaler, Outcome, Threshold, ThresholdSettings,
};
use plimsoll_core::objects::{AutoscalerState, Snapshot};
use plimsoll_core::scheduling::SchedulerProfiles;
use plimsoll_core::{Cluster, SimTime};
use serde_json::Value;
use thiserror::Error;

use crate::priorities::priorities_of;
use crate::strategy::{Strategy, settings_of};

/// What is asked.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// Who decides.
    pub strategy: Strategy,
    /// Flags that take the place of the snapshot's own.
    pub settings: BTreeMap<String, Value>,
    /// The loop's instant; `None`: the newest time in the snapshot.
    pub at: Option<SimTime>,
    /// The seed of what upstream leaves to chance.
    pub seed: u64,
}

/// Why there is no plan.
#[derive(Debug, Error)]
pub enum PlanError {
    /// Nobody decides anything under this strategy.
    #[error("strategy {0} decides nothing; a plan needs cluster-autoscaler or threshold")]
    NothingDecided(Strategy),
    /// The snapshot has no NodeGroup.
    #[error("it has no NodeGroup, so there is nothing to scale")]
    NoGroups,
    /// No object carries a time.
    #[error("no object in it carries a time; say with --at when the loop runs")]
    NoTime,
    /// The state of before is later than the loop.
    #[error("AutoscalerState: {what} is at {time}, after the loop at {at}")]
    LaterState {
        /// The field.
        what: &'static str,
        /// What it says.
        time: SimTime,
        /// The loop.
        at: SimTime,
    },
    /// The state of before names a group that is not there.
    #[error("AutoscalerState: {field} names group {group:?}, which is not there")]
    UnknownGroup {
        /// The field.
        field: &'static str,
        /// The name.
        group: String,
    },
    /// A flag that cannot be used.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A price that the strategy needs.
    #[error(transparent)]
    Price(#[from] MissingPrice),
    /// The decision must not be carried out: a defect of the strategy.
    #[error("strategy {strategy} would break a rule: {violation}")]
    Invariant {
        /// The strategy.
        strategy: Strategy,
        /// What it would have done.
        violation: Violation,
    },
}

/// Runs the loop that is asked for.
///
/// # Errors
/// See [`PlanError`].
pub fn plan(snapshot: &Snapshot, options: &PlanOptions) -> Result<Plan, PlanError> {
    let stage = Stage::of(snapshot, options)?;
    let mut cluster = Cluster::from_snapshot(snapshot, &SchedulerProfiles::default());
    match options.strategy {
        Strategy::ClusterAutoscaler => stage.ask_cluster_autoscaler(&mut cluster, options.seed),
        Strategy::Threshold => stage.ask_threshold(&mut cluster, options.seed),
        Strategy::Recorded => Err(PlanError::NothingDecided(options.strategy)),
    }
}

/// What the loop runs on besides the cluster.
struct Stage {
    strategy: Strategy,
    settings: Settings,
    /// The loops, the one that is asked for last.
    loops: Vec<SimTime>,
    state: AutoscalerState,
}

impl Stage {
    fn of(snapshot: &Snapshot, options: &PlanOptions) -> Result<Stage, PlanError> {
        if snapshot.groups.is_empty() {
            return Err(PlanError::NoGroups);
        }
        let at = options.at.or_else(|| snapshot.at()).ok_or(PlanError::NoTime)?;
        let mut flags = snapshot.settings.clone().unwrap_or_default();
        flags.extend(options.settings.clone());
        let mut settings = settings_of(&flags)?;
        let (priorities, problem) = priorities_of(&snapshot.others);
        settings.priorities = priorities;
        settings.priorities_problem = problem;
        let state = snapshot.state.clone().unwrap_or_default();
        check_times(&state, at)?;
        let mut loops = state.loops.clone();
        if loops.last() != Some(&at) {
            loops.push(at);
        }
        Ok(Stage { strategy: options.strategy, settings, loops, state })
    }

    fn at(&self) -> SimTime {
        *self.loops.last().expect("the loop that is asked for is one")
    }

    fn ask_cluster_autoscaler(&self, cluster: &mut Cluster, seed: u64) -> Result<Plan, PlanError> {
        let mut autoscaler = ClusterAutoscaler::new(self.settings.clone(), seed);
        autoscaler.check_prices(cluster)?;
        autoscaler.restore(cluster, &start_state(&self.state, cluster)?);
        autoscaler.keep_findings();
        let (last, earlier) = self.loops.split_last().expect("there is a loop");
        for at in earlier {
            // What an earlier look decided was not done: the snapshot is as it is.
            autoscaler.decide(&mut cluster.fork(), *at);
        }
        let decision = autoscaler.decide(&mut cluster.fork(), *last);
        self.check(cluster, &decision)?;
        for action in &decision.actions {
            // After a refusal the rest of a scale-up may not be wanted any more.
            if autoscaler.still_wants(action) {
                let outcome = self.outcome(cluster, action);
                autoscaler.observe(action, &outcome, cluster, *last);
            }
        }
        let mut plan = found::plan_of(cluster, &autoscaler, self.at());
        plan.cost_per_hour = cost::per_hour(cluster, &plan, autoscaler.last_loop());
        Ok(plan)
    }

    fn ask_threshold(&self, cluster: &mut Cluster, seed: u64) -> Result<Plan, PlanError> {
        let settings = ThresholdSettings { seed, ..ThresholdSettings::default() };
        let mut threshold = Threshold::new(settings);
        let decision = threshold.decide(&mut cluster.fork(), self.at());
        self.check(cluster, &decision)?;
        let mut plan = found::plan_of_actions(cluster, self.strategy, &decision, self.at());
        plan.cost_per_hour = cost::per_hour(cluster, &plan, None);
        Ok(plan)
    }

    fn check(&self, cluster: &Cluster, decision: &Decision) -> Result<(), PlanError> {
        invariants::check(cluster, &decision.actions)
            .and_then(|()| match self.strategy {
                Strategy::ClusterAutoscaler => {
                    invariants::check_limits(cluster, &self.settings, &decision.actions)
                }
                Strategy::Threshold | Strategy::Recorded => Ok(()),
            })
            .map_err(|violation| PlanError::Invariant { strategy: self.strategy, violation })
    }

    /// What would become of an action: the clouds do as they are told, but where the snapshot says
    /// that they refuse.
    fn outcome(&self, cluster: &Cluster, action: &Action) -> Outcome {
        let Action::IncreaseSize { group, .. } = action else { return Outcome::Done };
        let refusal = self.state.cloud_errors.get(&cluster.group(*group).spec.name);
        refusal.map_or(Outcome::Done, |words| Outcome::Refused(words.clone()))
    }
}

/// A state that lies after the loop would make nonsense of every timer.
fn check_times(state: &AutoscalerState, at: SimTime) -> Result<(), PlanError> {
    let requests = state.scale_up_requests.iter().map(|one| ("scaleUpRequests", one.time));
    let failures = state.failed_scale_ups.iter().map(|one| ("failedScaleUps", one.time));
    let loops = state.loops.iter().map(|time| ("loops", *time));
    let last = [
        ("lastScaleUp", state.last_scale_up),
        ("lastScaleDownDelete", state.last_scale_down_delete),
        ("lastScaleDownFail", state.last_scale_down_fail),
    ];
    let last = last.into_iter().filter_map(|(what, time)| Some((what, time?)));
    let late = requests.chain(failures).chain(loops).chain(last).find(|(_, time)| *time > at);
    late.map_or(Ok(()), |(what, time)| Err(PlanError::LaterState { what, time, at }))
}

fn start_state(state: &AutoscalerState, cluster: &Cluster) -> Result<StartState, PlanError> {
    let group = |field: &'static str, name: &str| {
        let unknown = || PlanError::UnknownGroup { field, group: name.to_owned() };
        cluster.find_group(name).ok_or_else(unknown)
    };
    if let Some(name) = state.cloud_errors.keys().find(|name| cluster.find_group(name).is_none()) {
        return Err(PlanError::UnknownGroup { field: "cloudErrors", group: name.clone() });
    }
    let requests = state.scale_up_requests.iter();
    let requests = requests
        .map(|one| Ok((group("scaleUpRequests", &one.group)?, one.nodes, one.time)))
        .collect::<Result<_, PlanError>>()?;
    let failures = state.failed_scale_ups.iter();
    let failures = failures
        .map(|one| Ok((group("failedScaleUps", &one.group)?, one.time)))
        .collect::<Result<_, PlanError>>()?;
    Ok(StartState {
        past_first_loop: true,
        scale_up_requests: requests,
        failed_scale_ups: failures,
        last_scale_up: state.last_scale_up,
        last_scale_down_delete: state.last_scale_down_delete,
        last_scale_down_failure: state.last_scale_down_fail,
    })
}
