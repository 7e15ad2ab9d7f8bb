//! A strategy that is looked at while it decides.
//!
//! It runs every loop, asks twice, and holds each answer against the invariants that the driver does not
//! hold it against already. It takes no part: what it decides is what the strategy decides.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use plimsoll_autoscaler::invariants::{self, Places, Retries, Unregistered, Violation};
use plimsoll_autoscaler::{
    Action, ClusterAutoscaler, Decision, Finding, NodeAutoscaler, Outcome, Settings, Threshold,
    ThresholdSettings,
};
use plimsoll_core::ids::{BudgetId, GroupId};
use plimsoll_core::{Cluster, Fork, SimDuration, SimTime};

use super::Coverage;
use super::trial::Found;
use super::world_state::WorldState;
use crate::Strategy;

/// What was seen in one run.
#[derive(Debug)]
pub(super) struct Findings {
    start: SimTime,
    pub(super) coverage: Coverage,
    /// The first thing that must not be; what comes after may follow from it.
    pub(super) failure: Option<Found>,
}

impl Findings {
    pub(super) fn new(start: SimTime) -> Findings {
        Findings { start, coverage: Coverage::default(), failure: None }
    }

    pub(super) fn count(&mut self, check: &str) {
        add(&mut self.coverage.checks, check);
    }

    /// Counts a check, and keeps what it found if it is the first.
    pub(super) fn note(&mut self, check: &'static str, at: SimTime, wrong: Option<String>) {
        self.count(check);
        if let (None, Some(message)) = (&self.failure, wrong) {
            self.failure = Some(Found { check, after: Some(at - self.start), message });
        }
    }

    fn hold(&mut self, check: &'static str, at: SimTime, result: Result<(), Violation>) {
        self.note(check, at, result.err().map(|violation| violation.to_string()));
    }
}

fn add(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(counts.insert(name.to_owned(), 1)),
    }
}

/// A strategy that can be asked twice.
#[derive(Clone, Debug)]
enum Subject {
    ClusterAutoscaler(Box<ClusterAutoscaler>),
    Threshold(Box<Threshold>),
}

impl Subject {
    fn as_dyn(&mut self) -> &mut dyn NodeAutoscaler {
        match self {
            Subject::ClusterAutoscaler(one) => one.as_mut(),
            Subject::Threshold(one) => one.as_mut(),
        }
    }

    fn peek(&self) -> &dyn NodeAutoscaler {
        match self {
            Subject::ClusterAutoscaler(one) => one.as_ref(),
            Subject::Threshold(one) => one.as_ref(),
        }
    }
}

/// The strategy and whoever looks at it.
#[derive(Debug)]
pub(super) struct Watched {
    subject: Subject,
    settings: Settings,
    /// From loop to loop. A loop between those of this grid promises nothing.
    scan_interval: SimDuration,
    findings: Rc<RefCell<Findings>>,
    world: WorldState,
    retries: Retries,
    unregistered: Unregistered,
    /// The version of the cluster in which loops before this instant would decide nothing.
    idle: Option<(u64, SimTime)>,
    /// What budgets allowed when evictions were last asked for, less what was evicted since.
    allowed: BTreeMap<BudgetId, i64>,
    /// The budgets over each pod that is to be evicted, by the pod's serial.
    covered: BTreeMap<u64, Vec<BudgetId>>,
}

impl Watched {
    /// A fresh strategy under watch.
    pub(super) fn new(
        strategy: Strategy,
        settings: &Settings,
        seed: u64,
        findings: Rc<RefCell<Findings>>,
        has_backoff: bool,
    ) -> Watched {
        let subject = match strategy {
            Strategy::Threshold => {
                let settings = ThresholdSettings { seed, ..ThresholdSettings::default() };
                Subject::Threshold(Box::new(Threshold::new(settings)))
            }
            Strategy::Recorded | Strategy::ClusterAutoscaler => {
                Subject::ClusterAutoscaler(Box::new(ClusterAutoscaler::new(settings.clone(), seed)))
            }
        };
        let scan_interval = settings.scan_interval;
        // The threshold rule knows no flags: it goes by their defaults.
        let settings = match subject {
            Subject::ClusterAutoscaler(_) => settings.clone(),
            Subject::Threshold(_) => Settings::default(),
        };
        Watched {
            subject,
            retries: Retries::new(&settings),
            unregistered: Unregistered::new(&settings),
            settings,
            scan_interval,
            findings,
            world: WorldState::new(has_backoff),
            idle: None,
            allowed: BTreeMap::new(),
            covered: BTreeMap::new(),
        }
    }

    /// Asks a twin the same on the same cluster, and holds the cluster against what it was.
    fn decide_twice(&mut self, cluster: &mut Fork<'_>, now: SimTime) -> Decision {
        let mut twin = self.subject.clone();
        let before = (cluster.digest(), cluster.version());
        let decision = self.subject.as_dyn().decide(&mut cluster.fork(), now);
        let after = (cluster.digest(), cluster.version());
        let mut findings = self.findings.borrow_mut();
        let trace = (before != after).then(|| format!("{before:?} became {after:?}"));
        findings.note("a fork leaves no trace", now, trace);
        let again = twin.as_dyn().decide(&mut cluster.fork(), now);
        let same = decision.actions == again.actions
            && decision.reasons == again.reasons
            && decision.idle_until == again.idle_until;
        let differs = (!same).then(|| format!("{decision:?}, and asked again {again:?}"));
        findings.note("the same state twice gives the same decision", now, differs);
        decision
    }

    /// A loop that would have been left out must have decided nothing.
    fn hold_promise(&mut self, version: u64, decision: &Decision, now: SimTime) {
        let mut findings = self.findings.borrow_mut();
        let skipped = self.idle.is_some_and(|(of, until)| of == version && now < until);
        if skipped {
            let acts = !decision.actions.is_empty();
            let wrong = acts.then(|| format!("a loop left out decides {:?}", decision.actions));
            findings.note("loops left out decide nothing", now, wrong);
        }
        // A promise holds until its end, whatever loops in between promise.
        if !skipped {
            let is_on_grid = (now - findings.start).0 % self.scan_interval.0 == 0;
            let until = decision.idle_until.filter(|_| is_on_grid);
            self.idle = until.map(|until| (version, until));
        }
    }

    fn hold_decision(&mut self, cluster: &mut Fork<'_>, decision: &Decision, now: SimTime) {
        let mut findings = self.findings.borrow_mut();
        let actions = &decision.actions;
        let Subject::ClusterAutoscaler(strategy) = &self.subject else { return };
        let retries = self.retries.check(cluster, actions, now);
        findings.hold("a group that fails is left alone", now, retries);
        let unregistered = self.unregistered.check(cluster, actions, now);
        findings.hold("a machine that never registers is replaced", now, unregistered);
        for group in (0..cluster.group_count()).map(GroupId::at) {
            let upcoming = strategy.registry().upcoming(group, now);
            let counted = self.unregistered.check_upcoming(cluster, group, upcoming, now);
            findings.hold("a machine that never registers is not counted", now, counted);
        }
        let starts = invariants::nodes_that_start_to_go(cluster, actions);
        if starts.is_empty() {
            return;
        }
        match invariants::check_places(cluster, &self.settings, &starts, now) {
            Ok(places) => {
                let found = match places {
                    Places::NoneNeeded => "nodes that go: nothing has to move",
                    Places::Found => "nodes that go: their pods have other places",
                    Places::Unknown => "nodes that go: too much to try",
                };
                findings.note(found, now, None);
            }
            Err(violation) => {
                let wrong = Some(violation.to_string());
                findings.note("nodes that go: their pods have other places", now, wrong);
            }
        }
    }

    /// Remembers what budgets allow before pods are evicted.
    fn note_evictions(&mut self, cluster: &Cluster, actions: &[Action]) {
        self.covered.clear();
        self.allowed = cluster.budgets().map(|(id, one)| (id, one.disruptions_allowed)).collect();
        for action in actions {
            let Action::Evict { pod, serial } = action else { continue };
            let waits = cluster.find_pod(*pod).is_none_or(|one| {
                one.serial != *serial || one.node.is_none() || one.deletion_at.is_some()
            });
            if !waits {
                let budgets = cluster.budgets_of(*pod).map(|(id, _)| id).collect();
                self.covered.insert(*serial, budgets);
            }
        }
    }

    fn hold_eviction(&mut self, cluster: &Cluster, serial: u64, now: SimTime) {
        let Some(budgets) = self.covered.remove(&serial) else { return };
        for budget in budgets {
            let left = self.allowed.entry(budget).or_default();
            *left -= 1;
            let wrong = (*left < 0).then(|| {
                let found = cluster.budgets().find(|(id, _)| *id == budget);
                let name = found.map_or("", |(_, one)| one.object.name.as_str()).to_owned();
                format!("budget {name} allowed no eviction more")
            });
            let mut findings = self.findings.borrow_mut();
            findings.note("evictions keep to disruption budgets", now, wrong);
        }
    }

    fn count(&self, actions: &[Action]) {
        let mut findings = self.findings.borrow_mut();
        for action in actions {
            let kind = match action {
                Action::IncreaseSize { .. } => "increases",
                Action::DecreaseTarget { .. } => "target decreases",
                Action::DeleteNode { .. } => "nodes deleted",
                Action::DeleteInstances { .. } => "machines given up",
                Action::SetTaints { .. } => "taints set",
                Action::Evict { .. } => "evictions asked for",
                Action::SetCondition { .. } => "conditions set",
                Action::DeleteObject { .. } => "objects deleted",
                Action::GiveUpScaleDown { .. } => "deletions given up",
            };
            add(&mut findings.coverage.decisions, kind);
        }
    }
}

impl NodeAutoscaler for Watched {
    fn name(&self) -> &str {
        self.subject.peek().name()
    }

    fn decide(&mut self, cluster: &mut Fork<'_>, now: SimTime) -> Decision {
        self.world.check(cluster, now, &mut self.findings.borrow_mut());
        self.retries.look(cluster, now);
        self.unregistered.look(cluster, now);
        let version = cluster.version();
        let decision = self.decide_twice(cluster, now);
        self.hold_promise(version, &decision, now);
        self.hold_decision(cluster, &decision, now);
        self.note_evictions(cluster, &decision.actions);
        self.count(&decision.actions);
        self.findings.borrow_mut().coverage.loops += 1;
        // No loop is left out.
        Decision { idle_until: None, ..decision }
    }

    fn still_wants(&mut self, action: &Action) -> bool {
        self.subject.as_dyn().still_wants(action)
    }

    fn limits(&self) -> Option<&Settings> {
        self.subject.peek().limits()
    }

    fn was_productive(&self) -> bool {
        self.subject.peek().was_productive()
    }

    fn tell_findings(&mut self) {
        self.subject.as_dyn().tell_findings();
    }

    fn take_findings(&mut self) -> Vec<Finding> {
        self.subject.as_dyn().take_findings()
    }

    fn resume(&mut self, cluster: &Cluster, now: SimTime) -> Vec<Action> {
        let actions = self.subject.as_dyn().resume(cluster, now);
        if actions.is_empty() {
            return actions;
        }
        {
            let mut findings = self.findings.borrow_mut();
            let left = invariants::check_pods_left(cluster, &self.settings, &actions, now);
            findings.hold("no pod is lost with its node", now, left);
        }
        self.note_evictions(cluster, &actions);
        self.count(&actions);
        actions
    }

    fn next_resume(&self) -> Option<SimTime> {
        self.subject.peek().next_resume()
    }

    fn observe(&mut self, action: &Action, outcome: &Outcome, cluster: &Cluster, now: SimTime) {
        self.retries.observe(action, outcome, now);
        if let (Action::Evict { serial, .. }, Outcome::Done) = (action, outcome) {
            self.hold_eviction(cluster, *serial, now);
        }
        if let Outcome::Refused(_) = outcome {
            add(&mut self.findings.borrow_mut().coverage.decisions, "refused");
        }
        self.subject.as_dyn().observe(action, outcome, cluster, now);
    }
}
