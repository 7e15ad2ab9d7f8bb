//! Which nodes are unneeded: the loop's simulation, and what is remembered from loop to loop.

use plimsoll_core::drain::DrainRules;
use plimsoll_core::ids::{GroupId, NodeId};
use plimsoll_core::{Cluster, Fork, SimDuration, SimTime};

use super::candidates::{Candidates, Eligibility, is_disabled_by_annotation};
use super::cooldown::Cooldowns;
use super::findings::Findings;
use super::simulation::{Simulation, Trial};
use super::taint_facts::TaintFactsCache;
use super::unneeded::{UnneededNode, UnneededNodes};
use super::unremovable::{
    Outlook, Remembered, Surroundings, UnremovableMemory, UnremovableReason, last_look_before,
};
use super::utilization::UtilizationReader;
use super::words::NodeWord;
use crate::loop_context::LoopContext;
use crate::settings::Settings;

/// The planner. See the module's text.
#[derive(Clone, Debug)]
pub(super) struct Planner {
    pub(super) rules: DrainRules,
    pub(super) unneeded: UnneededNodes,
    pub(super) candidates: Candidates,
    pub(super) utilization: UtilizationReader,
    pub(super) taints: TaintFactsCache,
    pub(super) findings: Findings,
    pub(super) simulation: Simulation,
    memory: UnremovableMemory,
    found: Vec<UnneededNode>,
    /// How many of those belong to groups that go as a whole: no limit counts them.
    found_atomic: usize,
    parallelism: usize,
    unneeded_time: SimDuration,
    recheck_timeout: SimDuration,
    scan_interval: SimDuration,
    /// The shortest time between two loops so far; the unneeded time before there were two.
    update_interval_min: SimDuration,
    last: Option<LastLoop>,
    /// Loops since the last one that ended before scale-down.
    passes: i64,
}

/// What the next loop must know of this one.
#[derive(Clone, Copy, Debug)]
struct LastLoop {
    at: SimTime,
    number: u64,
    surroundings: Surroundings,
    /// The next loop would do the same, time aside.
    is_settled: bool,
    /// The driver was told that it may leave loops out.
    promised_idleness: bool,
}

impl Planner {
    pub(super) fn new(settings: &Settings) -> Planner {
        Planner {
            rules: settings.drain_rules(),
            unneeded: UnneededNodes::default(),
            candidates: Candidates::default(),
            utilization: UtilizationReader::new(settings),
            taints: TaintFactsCache::default(),
            findings: Findings::default(),
            simulation: Simulation::default(),
            memory: UnremovableMemory::default(),
            found: Vec::new(),
            found_atomic: 0,
            parallelism: usize::try_from(settings.max_scale_down_parallelism)
                .expect("usize is at least 32 bits wide"),
            unneeded_time: settings.scale_down_unneeded_time,
            recheck_timeout: settings.unremovable_node_recheck_timeout,
            scan_interval: settings.scan_interval,
            update_interval_min: settings.scale_down_unneeded_time,
            last: None,
            passes: 0,
        }
    }

    /// Plans one loop: brings the unneeded nodes and what is remembered up to date. The fork is as
    /// it was when this returns. Gives the nodes that were simulated and have to stay.
    pub(super) fn plan(
        &mut self,
        fork: &mut Fork<'_>,
        context: &LoopContext<'_>,
        cooldowns: &Cooldowns,
        is_going: &impl Fn(NodeId) -> bool,
        now: SimTime,
    ) -> Vec<(NodeId, UnremovableReason)> {
        self.catch_up(fork, now);
        if let Some(last) = self.last {
            self.update_interval_min = self.update_interval_min.min(now - last.at);
        }
        self.memory.forget_expired(fork, now);
        self.findings.clear();
        let with = Eligibility {
            context,
            cooldowns,
            memory: &self.memory,
            unneeded: &self.unneeded,
            utilization: &mut self.utilization,
            taints: &mut self.taints,
            findings: &mut self.findings,
            now,
        };
        self.candidates.choose(fork, &self.rules, with, is_going);
        // Nothing is moved in a loop without candidates.
        let destinations = if self.candidates.eligible.is_empty() { &[] } else { context.nodes };
        self.simulation.begin(destinations, is_going);
        self.look_ahead(fork, context, is_going, now);
        let unremovable = self.simulate(fork, context, now);
        let looked_at = self.found.len() + unremovable.len();
        for node in &self.candidates.eligible[looked_at..] {
            self.findings.words.note(*node, fork.node(*node).serial, NodeWord::NotLookedAt);
        }
        let counted = self.found.len() - self.found_atomic;
        let limit_was_hit = counted >= self.limit(self.found.len())
            || counted >= self.limit(self.unneeded.list().len());
        self.unneeded.update(&mut self.found);
        self.end_loop(fork.version(), context.fork_is_bare, limit_was_hit, now);
        unremovable
    }

    /// Works out whether anybody would look again at each remembered node, where that is plain, so that
    /// no loop has to run only to find the same; what a look would find is up to [`Self::simulate`].
    /// Says of each what holds it, in words that depend on nothing but this loop: when the loop comes
    /// that forgets it, that one may be left out.
    fn look_ahead(
        &mut self,
        fork: &Fork<'_>,
        context: &LoopContext<'_>,
        is_going: &impl Fn(NodeId) -> bool,
        now: SimTime,
    ) {
        let words = &mut self.findings.words;
        for one in self.memory.entries_mut() {
            one.outlook = Outlook::Unknown;
            let Some(group) = fork.node(one.node).group else { continue };
            let deleted_until = self.taints.of(fork, one.node).being_deleted_until(now);
            if let Some(end) = deleted_until {
                self.candidates.holds_until = self.candidates.holds_until.min(end);
            }
            let goes = is_going(one.node);
            let is_plain = is_plain(context, one.node)
                && !is_disabled_by_annotation(fork, one.node)
                && !goes
                && deleted_until.is_none();
            if !is_plain && !words.are_told {
                continue;
            }
            if context.targets[group.index()] <= fork.group(group).spec.min_size {
                if is_plain {
                    one.outlook = Outlook::Nothing;
                }
                continue;
            }
            let found = self.utilization.read(fork, one.node, now);
            let reason = match found {
                None => Some(UnremovableReason::UnexpectedError),
                Some((_, is_above)) => is_above.then_some(UnremovableReason::NotUnderutilized),
            };
            if self.candidates.is_open(group) && !goes {
                let word = reason.map_or_else(|| one.word(fork), |one| NodeWord::Stays(one, None));
                words.note(one.node, one.serial, word);
            }
            if is_plain && reason.is_some() {
                one.outlook = Outlook::Nothing;
            } else if is_plain && one.is_still_stuck(fork) {
                one.outlook = Outlook::Same;
            }
        }
    }

    fn simulate(
        &mut self,
        fork: &mut Fork<'_>,
        context: &LoopContext<'_>,
        now: SimTime,
    ) -> Vec<(NodeId, UnremovableReason)> {
        let settings = context.settings;
        let limit = self.limit(self.unneeded.list().len());
        let is_atomic: Vec<bool> = (0..fork.group_count())
            .map(|index| settings.of_group(&fork.group(GroupId::at(index)).spec).is_atomic)
            .collect();
        let mut unremovable = Vec::new();
        let mut away = fork.fork();
        self.found.clear();
        self.found_atomic = 0;
        for (place, node) in self.candidates.eligible.iter().copied().enumerate() {
            if self.found.len() - self.found_atomic >= limit {
                break;
            }
            let (reason, stuck) = match self.simulation.take_away(&mut away, node, &self.rules, now)
            {
                Trial::Removable { first_moved, is_risky, awaits_completion } => {
                    let moved = first_moved..self.simulation.moved.len();
                    let group = away.node(node).group;
                    let goes_as_a_whole = group.is_some_and(|group| is_atomic[group.index()]);
                    self.found_atomic += usize::from(goes_as_a_whole);
                    self.found.push(UnneededNode {
                        node,
                        serial: away.node(node).serial,
                        since: now,
                        needs_drain: !moved.is_empty(),
                        is_risky,
                        awaits_completion,
                        moved,
                    });
                    continue;
                }
                Trial::Blocked(pod, reason) => {
                    (UnremovableReason::BlockedByPod(pod, reason), Some(pod))
                }
                Trial::NoPlace(stuck) => (UnremovableReason::NoPlaceToMovePods, stuck),
            };
            let holds =
                self.simulation.node_holds_until == SimTime::MAX && !self.simulation.used_hints;
            let comes_last = is_plain(context, node) && self.candidates.is_occupied(place);
            let remembered = Remembered {
                node,
                serial: away.node(node).serial,
                until: now + self.recheck_timeout,
                reason,
                loop_number: self.simulation.hints.loop_number(),
                surroundings: holds.then_some((away.version(), self.simulation.trace)),
                stuck: stuck.map(|pod| (pod, away.pod(pod).serial)),
                outlook: if comes_last { Outlook::Same } else { Outlook::Unknown },
            };
            self.findings.unremovable(node, reason);
            self.findings.words.note(node, remembered.serial, remembered.word(&away));
            self.memory.add(remembered);
            unremovable.push((node, reason));
        }
        // A node with a pod to move that was not unneeded is looked at after all that are.
        for one in self.memory.entries_mut().iter_mut().filter(|one| one.outlook == Outlook::Same) {
            if !self.simulation.stays_stuck(&mut away, one, &self.rules, now) {
                one.outlook = Outlook::Unknown;
            }
        }
        unremovable
    }

    /// How many removable nodes a loop looks for when so many were unneeded before: as many as could
    /// be deleted until they are ripe.
    fn limit(&self, unneeded_before: usize) -> usize {
        let buffer = self.parallelism;
        let interval = self.update_interval_min.0.max(1);
        let loops = self.unneeded_time.0.max(interval) / interval;
        let loops = usize::try_from(loops).unwrap_or(usize::MAX);
        let at_most = self.parallelism.saturating_mul(loops).saturating_add(buffer);
        (unneeded_before + self.parallelism + buffer).min(at_most)
    }

    fn end_loop(&mut self, version: u64, is_bare: bool, limit_was_hit: bool, now: SimTime) {
        let surroundings = (version, self.simulation.trace);
        let number = self.simulation.hints.loop_number();
        for one in self.memory.entries_mut() {
            // A verdict given before the loop took its last node away would be given after it
            // next time, where it may differ; and what is only tried on the fork may differ from
            // loop to loop.
            if one.loop_number == number && (one.surroundings != Some(surroundings) || !is_bare) {
                one.surroundings = None;
            }
        }
        self.last = Some(LastLoop {
            at: now,
            number,
            surroundings,
            is_settled: !limit_was_hit
                && !self.simulation.is_disturbed
                && !self.utilization.looks_at_terminating,
            promised_idleness: false,
        });
    }

    /// Until when further loops on an unchanged cluster would find the same: `None` when the next
    /// loop may find something else. Promises that loops may be left out if `None` is not given.
    pub(super) fn holds_until(&self) -> Option<SimTime> {
        let last = self.last.filter(|last| last.is_settled)?;
        let looks_again = self
            .memory
            .entries()
            .iter()
            .filter(|one| {
                one.surroundings != Some(last.surroundings) && one.outlook == Outlook::Unknown
            })
            .map(|one| one.until)
            .min();
        let ends = [
            Some(self.candidates.holds_until),
            Some(self.simulation.verdicts_hold_until),
            looks_again,
        ];
        ends.into_iter().flatten().min()
    }

    /// Notes whether the driver was told that it may leave loops out.
    pub(super) fn promise_idleness(&mut self, promised: bool) {
        if let Some(last) = &mut self.last {
            last.promised_idleness = promised;
        }
    }

    /// A loop ended before scale-down. Such loops promise nothing, so that none of them is left out.
    pub(super) fn pass(&mut self) {
        self.passes += 1;
    }

    /// Does what the loops did that were left out since the last one: they found the same, gave the
    /// same hints, and looked again at remembered nodes whose time had come.
    fn catch_up(&mut self, cluster: &Cluster, now: SimTime) {
        // What was left out came before the loops that only passed.
        let now = now - SimDuration(std::mem::take(&mut self.passes) * self.scan_interval.0);
        let Some(last) = self.last.filter(|last| last.promised_idleness) else { return };
        let skipped = ((now - last.at).0 - 1).div_euclid(self.scan_interval.0);
        let Some(count) = u64::try_from(skipped).ok().filter(|count| *count > 0) else { return };
        self.update_interval_min = self.update_interval_min.min(self.scan_interval);
        let hints = &mut self.simulation.hints;
        hints.skip_loops(count);
        let newest = hints.loop_number();
        for pod in &self.simulation.moved {
            hints.renew(*pod, last.number, newest);
        }
        for one in self.memory.entries_mut() {
            let looks_the_same = one.outlook == Outlook::Same
                || (one.outlook == Outlook::Unknown && one.surroundings == Some(last.surroundings));
            if !looks_the_same {
                continue;
            }
            let (interval, timeout) = (self.scan_interval, self.recheck_timeout);
            let Some(look) = last_look_before(now, last.at, interval, one.until, timeout) else {
                continue;
            };
            let loops = u64::try_from((look - last.at).0 / interval.0).expect("looks are later");
            one.until = look + timeout;
            for pod in cluster.find_node(one.node).map_or(&[][..], |node| node.pods.as_slice()) {
                hints.renew(*pod, one.loop_number, last.number + loops);
            }
            one.loop_number = last.number + loops;
        }
        if let Some(last) = &mut self.last {
            last.at += SimDuration(skipped * self.scan_interval.0);
        }
    }

    /// What is remembered of a node that could not go lately.
    pub(super) fn remembered(&self) -> impl Iterator<Item = (NodeId, UnremovableReason)> + '_ {
        self.memory.entries().iter().map(|one| (one.node, one.reason))
    }
}

/// Whether the next loop is surely to look at a node as this one would: what is only tried on the fork
/// may be tried elsewhere by the next loop.
fn is_plain(context: &LoopContext<'_>, node: NodeId) -> bool {
    context.fork_is_bare && context.is_ready(node) && !context.settings.scale_down_delay_type_local
}
