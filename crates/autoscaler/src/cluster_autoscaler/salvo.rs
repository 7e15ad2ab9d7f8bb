//! One scale-up after the other in a single loop.
//!
//! Source: `runScaleUpSalvo` in `core/static_autoscaler.go` of release 1.36. What a scale-up has asked
//! for is put on the fork with its pods before the next one looks, so that the next one helps others.
//! `salvo-scale-up-budget` is wall-clock time upstream; a loop takes no virtual time, so that a
//! budget above zero is never used up, and one of zero is at once.

use plimsoll_core::SimDuration;
use plimsoll_core::ids::{NodeId, PodId};
use rustc_hash::FxHashSet;

use super::execution::ScaleUpKind;
use super::{ClusterAutoscaler, Step};
use crate::chance::draw;
use crate::scale_up::orchestrator;
use crate::scale_up::{ScaleUpReport, ScaleUpResult};

impl ClusterAutoscaler {
    /// Scales up for the pods: once, or with `salvo-scale-up` until nothing more comes of it. Gives
    /// the reports in order; there is at least one.
    pub(super) fn scale_up_for(
        &mut self,
        step: &mut Step<'_, '_>,
        to_help: &[PodId],
    ) -> Vec<ScaleUpReport> {
        let mut left = to_help.to_vec();
        let mut reports: Vec<ScaleUpReport> = Vec::new();
        loop {
            let number = u64::try_from(reports.len()).expect("few");
            let report = self.scale_up_once(step, number, &left);
            step.increase(ScaleUpKind::Pods, &report.increases);
            let helped: Vec<PodId> = match report.chosen {
                Some(chosen) if report.result == ScaleUpResult::Successful => {
                    report.options[chosen].pods.clone()
                }
                _ => Vec::new(),
            };
            reports.push(report);
            // Provisioning requests are served one by one.
            let goes_on =
                self.settings.salvo_scale_up && !self.settings.enable_provisioning_requests;
            if !goes_on || helped.is_empty() {
                return reports;
            }
            let is_helped: FxHashSet<PodId> = helped.iter().copied().collect();
            left.retain(|pod| !is_helped.contains(pod));
            let is_spent = self.settings.salvo_scale_up_budget <= SimDuration::ZERO;
            if left.is_empty() || is_spent || !self.add_results(step, &reports, &helped) {
                return reports;
            }
        }
    }

    /// One scale-up, for pods or for a provisioning request.
    fn scale_up_once(
        &mut self,
        step: &mut Step<'_, '_>,
        number: u64,
        to_help: &[PodId],
    ) -> ScaleUpReport {
        let mut requests = std::mem::take(&mut self.requests);
        let mut inputs = self.scale_up_inputs(step);
        inputs.draw = draw(self.seed.wrapping_add(number), step.now, self.turn);
        let Step { fork, fakes, actions, .. } = step;
        let report = if inputs.settings.enable_provisioning_requests {
            requests.scale_up(fork, &inputs, to_help, fakes, actions)
        } else {
            orchestrator::scale_up(fork, &inputs, to_help)
        };
        self.requests = requests;
        report
    }

    /// Puts the nodes that the last scale-up has asked for on the fork, and the pods it helps on them.
    /// False when one of these does not fit, as when a limit has cut the number of nodes.
    fn add_results(
        &self,
        step: &mut Step<'_, '_>,
        reports: &[ScaleUpReport],
        helped: &[PodId],
    ) -> bool {
        let Some(last) = reports.last() else { return false };
        let (settings, now) = (&self.settings, step.now);
        let mut nodes: Vec<NodeId> = Vec::new();
        for one in &last.increases {
            let of_group =
                self.templates.of_group(step.fork, &self.registry, settings, one.group, now);
            let Some(template) = of_group else { return false };
            let base = step.fork.group(one.group).spec.name.clone();
            for number in 0..one.to - one.from {
                let name = format!("{base}-template-{number}-salvo-{}", reports.len() - 1);
                nodes.push(template.add(step.fork, &name, now));
                step.salvo_counts[one.group.index()] += 1;
            }
        }
        step.salvo_nodes.extend_from_slice(&nodes);
        step.fork_is_bare = false;
        let mut next_start = 0;
        for pod in helped {
            let shape = step.fork.pod(*pod).shape;
            let mut places = (0..nodes.len()).map(|step| (next_start + step) % nodes.len());
            let Some(place) = places.find(|place| step.fork.fits(shape, nodes[*place])) else {
                return false;
            };
            step.fork.bind_with_devices(*pod, nodes[place], now);
            next_start = place + 1;
        }
        true
    }
}
