//! What scale-down does in a loop whose scale-up the cloud refuses.
//!
//! Upstream asks for its increases before it looks at nodes to remove: a scale-up that was carried out
//! puts scale-down into cooldown, one that was refused does not. Here a loop is decided as a whole and
//! carried out afterwards. So where it makes a difference scale-down is planned for both answers.
//!
//! Source: `RunOnce` in `core/static_autoscaler.go` of release 1.36.

use plimsoll_core::{Fork, SimTime};

use super::report::LoopReport;
use crate::action::Action;
use crate::loop_context::LoopContext;
use crate::scale_down::{ScaleDown, ScaleDownOutcome};

/// Scale-down as it goes on if the loop's scale-up is refused. Where only one of several balanced
/// groups is refused, the others count as not enlarged in this loop.
#[derive(Clone, Debug)]
pub(super) struct IfRefused {
    scale_down: ScaleDown,
    outcome: ScaleDownOutcome,
    /// What was decided for the case that the scale-up is carried out.
    withheld: Vec<Action>,
}

/// What is left to be done after a refusal, in place of what was decided.
#[derive(Clone, Debug, Default)]
pub(super) struct AfterRefusal {
    actions: Vec<Action>,
    withheld: Vec<Action>,
}

impl IfRefused {
    /// Plans for a refusal; `None` where scale-down would do nothing then that it does not do anyway.
    /// `context` is as if nothing had been asked for. The fork is as it was when this returns.
    pub(super) fn plan(
        scale_down: &ScaleDown,
        fork: &mut Fork<'_>,
        context: &LoopContext<'_>,
        now: SimTime,
    ) -> Option<IfRefused> {
        if !scale_down.may_start(context, now) {
            return None;
        }
        let mut scale_down = scale_down.clone();
        let outcome = scale_down.plan_and_start(fork, context, now);
        let differs = !outcome.started.is_empty();
        differs.then_some(IfRefused { scale_down, outcome, withheld: Vec::new() })
    }

    /// Notes what is decided for the case that the scale-up is carried out.
    pub(super) fn withhold(&mut self, actions: &[Action]) {
        self.withheld.extend_from_slice(actions);
    }

    /// The refusal has come: gives the scale-down half as it is now, and what is left to be done.
    pub(super) fn happen(self, report: &mut LoopReport) -> (ScaleDown, AfterRefusal) {
        report.scale_down = self.outcome.result;
        report.started = self.outcome.started;
        let after = AfterRefusal { actions: self.outcome.actions, withheld: self.withheld };
        (self.scale_down, after)
    }
}

impl AfterRefusal {
    /// Whether an action that was decided is still to be carried out.
    pub(super) fn still_wants(&self, action: &Action) -> bool {
        !self.withheld.contains(action)
    }

    /// What is to be done instead, once.
    pub(super) fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }
}

#[cfg(test)]
mod tests {
    use crate::cluster_autoscaler::ClusterAutoscaler;
    use crate::fixture::{Fixture, pod_spec};
    use crate::taints::TO_BE_DELETED;
    use crate::{Action, NodeAutoscaler, Outcome};
    use expect_test::expect;
    use plimsoll_core::ids::GroupId;
    use plimsoll_core::{PodSpec, SimDuration};

    /// Lives through the loop of this instant in a cloud that refuses to enlarge one group.
    fn live_through(
        fixture: &mut Fixture,
        autoscaler: &mut ClusterAutoscaler,
        refused: &str,
    ) -> String {
        let decision = autoscaler.decide(&mut fixture.cluster.fork(), fixture.now);
        let mut lines = Vec::new();
        let mut carry_out = |action: &Action, autoscaler: &mut ClusterAutoscaler| {
            let name = |group: GroupId| fixture.cluster.group(group).spec.name.clone();
            let is_refused =
                matches!(action, Action::IncreaseSize { group, .. } if name(*group) == refused);
            let answer = if is_refused { " (refused)" } else { "" };
            match action {
                Action::IncreaseSize { group, delta } => {
                    lines.push(format!("{} +{delta}{answer}", name(*group)));
                }
                Action::SetTaints { node, taints, .. } => {
                    let is_marked = taints.iter().any(|taint| taint.key == TO_BE_DELETED);
                    let what = if is_marked { "goes" } else { "is a candidate" };
                    lines.push(format!("{} {what}", fixture.cluster.node_name(*node)));
                }
                _ => {}
            }
            let outcome = if is_refused {
                Outcome::Refused("no quota".to_owned())
            } else {
                fixture.carry_out(action);
                Outcome::Done
            };
            autoscaler.observe(action, &outcome, &fixture.cluster, fixture.now);
        };
        for action in &decision.actions {
            if autoscaler.still_wants(action) {
                carry_out(action, autoscaler);
            }
        }
        for action in autoscaler.after_refusal.take() {
            carry_out(&action, autoscaler);
        }
        let report = autoscaler.last_loop().expect("a loop ran");
        let results = (report.scale_up.result.as_str(), report.scale_down.as_str());
        let is_productive = autoscaler.was_productive();
        format!("{}; {}, {}, productive: {is_productive}\n", lines.join(", "), results.0, results.1)
    }

    #[test]
    fn a_scale_up_that_is_refused_does_not_keep_nodes_from_going_in_the_same_loop() {
        let mut told = String::new();
        for (refused, delay) in [("", "10m"), ("full", "10m"), ("", "0s"), ("full", "0s")] {
            let mut fixture = Fixture::default();
            fixture.group("idle", 0, 3, "4", "16Gi");
            fixture.node("spare", "idle");
            fixture.group("full", 0, 3, "4", "16Gi");
            let flags = [("scale-down-delay-after-add", delay)];
            let mut autoscaler = fixture.autoscaler(&flags);
            for _ in 0..10 {
                fixture.after(60, &mut autoscaler);
            }
            let node_selector = [("pool".to_owned(), "full".to_owned())].into();
            fixture.pending("web", 1, &PodSpec { node_selector, ..pod_spec("2", "1Gi") });
            fixture.now += SimDuration::from_mins(2);
            told.push_str(&format!(
                "{delay}: {}",
                live_through(&mut fixture, &mut autoscaler, refused)
            ));
        }
        expect![[r#"
            10m: full +1; Successful, InCooldown, productive: true
            10m: full +1 (refused), spare goes; Error, NodeDeleteStarted, productive: true
            0s: full +1, spare goes; Successful, NodeDeleteStarted, productive: true
            0s: full +1 (refused), spare goes; Error, NodeDeleteStarted, productive: true
        "#]]
        .assert_eq(&told);
    }

    #[test]
    fn a_refused_repair_of_a_minimum_size_takes_nothing_from_pods_that_were_helped() {
        let mut fixture = Fixture::default();
        fixture.group("small", 1, 3, "1", "1Gi");
        fixture.group("full", 0, 3, "4", "16Gi");
        fixture.pending("web", 1, &pod_spec("2", "1Gi"));
        let flags = [("enforce-node-group-min-size", "true")];
        let mut autoscaler = fixture.autoscaler(&flags);
        expect![[r#"
            full +1, small +1 (refused); Error, InCooldown, productive: true
        "#]]
        .assert_eq(&live_through(&mut fixture, &mut autoscaler, "small"));
        let outcomes = &autoscaler.last_loop().expect("a loop ran").outcomes;
        let outcomes: Vec<&str> = outcomes.iter().map(|(_, outcome)| outcome.as_str()).collect();
        assert_eq!(outcomes, ["triggeredScaleUp"]);
    }
}
