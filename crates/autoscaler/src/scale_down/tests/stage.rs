//! A little world for tests: a cluster from a few lines of text, loops on the grid of the scan
//! interval, actions carried out at once, and everything that happens written down.

use std::fmt::Write as _;

use plimsoll_core::ids::{NodeId, PodId};
use plimsoll_core::labels::{LabelSelector, Operator, Requirement};
use plimsoll_core::node::NodeSpec;
use plimsoll_core::node_group::{Instance, InstanceState, NodeGroupOptions, NodeGroupSpec};
use plimsoll_core::pod::PodSpec;
use plimsoll_core::workload::{CountOrPercent, DisruptionBudgetObject, DisruptionRule};
use plimsoll_core::{Cluster, NodeBirth, PodBirth, SimDuration, SimTime, WorkloadKey};

use crate::registry::Registry;
use crate::scale_down::{ScaleDown, ScaleDownOutcome};
use crate::taints::{DELETION_CANDIDATE, TO_BE_DELETED};
use crate::{Action, LoopContext, Outcome, Settings};

/// One gibibyte.
const GIB: i64 = 1 << 30;

/// The world. Times in its log are seconds since its start.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) settings: Settings,
    pub(crate) scale_down: ScaleDown,
    pub(crate) last_scale_up: SimTime,
    pub(crate) last: Option<ScaleDownOutcome>,
    pub(crate) log: String,
    pub(crate) now: SimTime,
    /// Leave loops out that the last one said would find nothing.
    pub(crate) skips_idle_loops: bool,
    pub(crate) loops_run: u32,
    /// Nodes that cannot be tainted.
    pub(crate) untaintable: Vec<&'static str>,
    /// Evicted pods stay until somebody removes them.
    pub(crate) pods_linger: bool,
    pub(crate) tells_reasons: bool,
    registry: Registry,
    next_loop: SimTime,
    idle: Option<(SimTime, u64)>,
    remade: u32,
}

impl Stage {
    /// A world of `lines`, one thing each:
    /// * `group NAME MIN` with a maximum of 1,000; the target is the number of its nodes; then words:
    ///   `atomic`, `unneeded=S`, `unready=S`, `threshold=N`, `ignores-daemons`;
    /// * `node NAME GROUP CPU` in milli-CPU (`-` for no group), with 16 GiB; then words: `cordoned`,
    ///   `unready`, `gpu=N`, `taint=AGE_S`, `kept`, `delayed`, `listed` (the cloud lists its machine);
    /// * `pod NAME NODE CPU` of a ReplicaSet (`-`: pending); then words: `bare`, `daemon`, `mirror`,
    ///   `app=LABEL`, `safe=VALUE`, `gpu=N`, `only=NODE`, `priority=N`, `grace=S`;
    /// * `budget APP LEFT`.
    pub(crate) fn new(settings: Settings, lines: &str) -> Stage {
        let mut stage = Stage {
            cluster: Cluster::default(),
            scale_down: ScaleDown::new(&settings),
            last_scale_up: SimTime::default() - SimDuration::from_hours(1),
            last: None,
            log: String::new(),
            now: SimTime::default(),
            skips_idle_loops: false,
            loops_run: 0,
            untaintable: Vec::new(),
            pods_linger: false,
            tells_reasons: false,
            registry: Registry::new(&settings),
            next_loop: SimTime::default(),
            idle: None,
            remade: 0,
            settings,
        };
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            stage.add(line);
        }
        stage
    }

    /// Adds what one line says.
    pub(crate) fn add(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "group" => {
                let min_size = words[2].parse().expect("a minimum");
                let name = words[1].to_owned();
                let autoscaling_options = group_options(&words[3..]);
                let rest = NodeGroupSpec { autoscaling_options, ..Default::default() };
                let spec = NodeGroupSpec { name, min_size, max_size: 1000, ..rest };
                self.cluster.add_group(spec);
            }
            "node" => self.add_node(&words[1..]),
            "pod" => self.add_pod(&words[1..]),
            "budget" => {
                let requirement = Requirement {
                    key: "app".to_owned(),
                    operator: Operator::In,
                    values: vec![words[1].to_owned()],
                };
                self.cluster.add_budget(DisruptionBudgetObject {
                    namespace: "shop".into(),
                    name: words[1].to_owned(),
                    selector: Some(LabelSelector { requirements: vec![requirement] }),
                    rule: DisruptionRule::MaxUnavailable(CountOrPercent::Count(1)),
                    disruptions_allowed: Some(words[2].parse().expect("a number")),
                    disrupted_pods: std::collections::BTreeSet::new(),
                });
            }
            other => panic!("unknown thing {other:?}"),
        }
        self.cluster.match_budgets();
    }

    fn add_node(&mut self, words: &[&str]) {
        let group = self.cluster.find_group(words[1]);
        let cpu_milli: i64 = words[2].parse().expect("milli-CPU");
        let mut spec = NodeSpec::default();
        spec.labels.insert("kubernetes.io/hostname".into(), words[0].into());
        spec.allocatable =
            [("cpu", cpu_milli), ("memory", 16 * GIB), ("pods", 110)].map(own).into();
        let mut birth =
            NodeBirth { name: words[0].into(), group, ready: true, ..Default::default() };
        let mut is_listed = false;
        for word in &words[3..] {
            match word.split_once('=').unwrap_or((word, "")) {
                ("cordoned", _) => spec.unschedulable = true,
                ("unready", _) => birth.ready = false,
                ("gpu", count) => {
                    let count = count.parse().expect("a number");
                    spec.allocatable.insert("nvidia.com/gpu".into(), count);
                }
                ("taint", age) => {
                    let age: i64 = age.parse().expect("seconds");
                    spec.taints.push(plimsoll_core::taints::Taint {
                        key: TO_BE_DELETED.into(),
                        value: (-age).to_string(),
                        effect: plimsoll_core::taints::TaintEffect::NoSchedule,
                    });
                }
                ("listed", _) => is_listed = true,
                ("kept", _) => {
                    let key = "cluster-autoscaler.kubernetes.io/scale-down-disabled";
                    birth.annotations.insert(key.into(), "true".into());
                }
                ("delayed", _) => {
                    let key = "delay-deletion.cluster-autoscaler.kubernetes.io/backup";
                    birth.annotations.insert(key.into(), String::new());
                }
                (other, _) => panic!("unknown word {other:?}"),
            }
        }
        spec.capacity = spec.allocatable.clone();
        birth.spec = spec;
        // Old enough not to be starting up.
        birth.created_at = SimTime::default() - SimDuration::from_hours(2);
        if let Some(group) = group.filter(|_| is_listed) {
            birth.provider_id = words[0].into();
            let (id, state) = (words[0].into(), InstanceState::Running);
            let machine = Instance { id, state, error: None, created_at: None };
            self.cluster.update_instances(group, |list| list.push(machine));
        }
        self.cluster.add_node(birth);
        if let Some(group) = group {
            let size = self.cluster.group(group).target_size;
            self.cluster.set_target_size(group, size + 1);
        }
    }

    fn add_pod(&mut self, words: &[&str]) {
        let mut spec = PodSpec { namespace: "shop".into(), ..PodSpec::default() };
        spec.requests = [("cpu", words[2].parse().expect("milli-CPU"))].map(own).into();
        let mut kind = Some("ReplicaSet");
        for word in &words[3..] {
            match word.split_once('=').unwrap_or((word, "")) {
                ("bare", _) => kind = None,
                ("daemon", _) => kind = Some("DaemonSet"),
                ("mirror", _) => spec.is_mirror = true,
                ("app", label) => {
                    spec.labels.insert("app".into(), label.into());
                }
                ("safe", value) => {
                    spec.annotations
                        .insert(plimsoll_core::drain::SAFE_TO_EVICT.into(), value.into());
                }
                ("gpu", count) => {
                    let count = count.parse().expect("a number");
                    spec.requests.insert("nvidia.com/gpu".into(), count);
                }
                ("only", node) => {
                    spec.node_selector.insert("kubernetes.io/hostname".into(), node.into());
                }
                ("priority", priority) => spec.priority = priority.parse().expect("a number"),
                ("grace", seconds) => {
                    let seconds = seconds.parse().expect("seconds");
                    spec.termination_grace = SimDuration::from_secs(seconds);
                }
                (other, _) => panic!("unknown word {other:?}"),
            }
        }
        let shape = self.cluster.intern_shape(&spec);
        let controller = kind.map(|kind| {
            let key =
                WorkloadKey { kind: kind.into(), namespace: "shop".into(), name: "owner".into() };
            let id = self.cluster.intern_workload(key);
            self.cluster.update_workload(id, |one| one.exists = true);
            id
        });
        let created_at = self.now;
        let birth = PodBirth { name: words[0].into(), shape, controller, created_at };
        let pod = self.cluster.add_pod(birth);
        if words[1] != "-" {
            let node = self.node(words[1]);
            self.cluster.bind(pod, node, self.now);
        }
    }

    pub(crate) fn node(&self, name: &str) -> NodeId {
        let found = self.cluster.nodes().find(|(_, node)| &*node.name == name);
        found.expect("the node is there").0
    }

    pub(crate) fn pod(&self, name: &str) -> PodId {
        let found = self.cluster.pods().find(|(_, pod)| &*pod.name == name);
        found.expect("the pod is there").0
    }

    /// Plays loops and everything in between, up to but without this second.
    pub(crate) fn run_until(&mut self, second: i64) {
        let end = SimTime(second * 1000);
        while let Some(instant) = self.next_instant().filter(|instant| *instant < end) {
            self.now = instant;
            self.resume();
            self.place_pending();
            if self.next_loop == instant {
                self.next_loop += self.settings.scan_interval;
                let version = self.cluster.version();
                let is_idle = self.idle.is_some_and(|(until, at)| instant < until && at == version);
                if !(self.skips_idle_loops && is_idle) {
                    self.run_loop();
                }
            }
        }
        self.now = end;
    }

    fn next_instant(&self) -> Option<SimTime> {
        let resumes = self.scale_down.next_resume().map(|at| at.max(self.now));
        [Some(self.next_loop), resumes].into_iter().flatten().min()
    }

    /// One loop, now. Pending pods are tried where they fit, as the whole autoscaler does.
    pub(crate) fn run_loop(&mut self) {
        self.loops_run += 1;
        self.registry.update(&self.cluster, &self.settings, self.now);
        let targets: Vec<u32> = self.cluster.groups().map(|(_, group)| group.target_size).collect();
        let times = vec![self.last_scale_up; targets.len()];
        let fork_is_bare = self.cluster.unbound_count() == 0;
        let context = LoopContext {
            settings: &self.settings,
            nodes: self.registry.nodes(),
            upcoming: &[],
            classes: self.registry.classes(),
            targets: &targets,
            fork_is_bare,
            last_scale_up: self.last_scale_up,
            last_scale_up_of: &times,
            scale_down_disabled: false,
            loop_number: 0,
            seed: 0,
        };
        let mut fork = self.cluster.fork();
        let pending: Vec<PodId> = fork.unbound_pods().collect();
        for pod in pending {
            let shape = fork.pod(pod).shape;
            if let Some(node) = fork.first_fit(shape, NodeId(0)) {
                fork.bind(pod, node, self.now);
            }
        }
        let outcome = self.scale_down.plan_and_start(&mut fork, &context, self.now);
        drop(fork);
        if self.tells_reasons {
            for reason in &outcome.reasons {
                self.write(&format!("{reason}"));
            }
        }
        for action in &outcome.actions {
            self.carry_out(action);
        }
        // Actions change the version, so the promise is about the cluster as it is now.
        self.idle = outcome.idle_until.map(|until| (until, self.cluster.version()));
        self.last = Some(outcome);
        self.resume();
        self.place_pending();
    }

    fn resume(&mut self) {
        loop {
            let actions = self.scale_down.resume(&self.cluster, self.now);
            if actions.is_empty() {
                return;
            }
            for action in &actions {
                self.carry_out(action);
            }
        }
    }

    fn place_pending(&mut self) {
        let pending: Vec<PodId> = self.cluster.unbound_pods().collect();
        for pod in pending {
            let state = self.cluster.pod(pod);
            let (shape, controller) = (state.shape, state.controller);
            if let Some(node) = self.cluster.best_node(shape, controller, 0) {
                self.cluster.bind(pod, node, self.now);
            }
        }
    }

    fn carry_out(&mut self, action: &Action) {
        let outcome = match action {
            Action::SetTaints { node, taints, unschedulable } => {
                self.set_taints(*node, taints, *unschedulable)
            }
            Action::Evict { pod, serial } => self.evict(*pod, *serial),
            Action::DeleteNode { node, cause, decided_at } => {
                let name = self.cluster.node_name(*node).to_owned();
                let decided = (self.now - *decided_at).0 / 1000;
                self.write(&format!("{name} deleted ({}, decided {decided}s ago)", cause.as_str()));
                self.delete_node(*node);
                Outcome::Done
            }
            Action::GiveUpScaleDown { node, reason } => {
                let name = self.cluster.node_name(*node).to_owned();
                self.write(&format!("{name} given up: {reason}"));
                Outcome::Done
            }
            other => panic!("scale-down does not ask for {other:?}"),
        };
        self.scale_down.observe(action, &outcome, &self.cluster, self.now);
    }

    fn set_taints(
        &mut self,
        node: NodeId,
        taints: &[plimsoll_core::taints::Taint],
        unschedulable: bool,
    ) -> Outcome {
        let name = self.cluster.node_name(node).to_owned();
        if self.untaintable.contains(&name.as_str()) {
            self.write(&format!("{name} cannot be tainted"));
            return Outcome::Refused("conflict".into());
        }
        let has =
            |list: &[plimsoll_core::taints::Taint], key: &str| list.iter().any(|t| t.key == key);
        for (key, word) in [(TO_BE_DELETED, "marked"), (DELETION_CANDIDATE, "soft")] {
            match (has(self.cluster.node_taints(node), key), has(taints, key)) {
                (false, true) => self.write(&format!("{name} {word}")),
                (true, false) => self.write(&format!("{name} not {word}")),
                _ => {}
            }
        }
        self.cluster.set_taints(node, taints);
        self.cluster.set_unschedulable(node, unschedulable);
        Outcome::Done
    }

    fn evict(&mut self, pod: PodId, serial: u64) -> Outcome {
        assert_eq!(self.cluster.pod(pod).serial, serial, "only pods that are there are evicted");
        let name = self.cluster.pod(pod).name.to_string();
        let budgets: Vec<_> = self
            .cluster
            .budgets_of(pod)
            .map(|(id, budget)| (id, budget.disruptions_allowed))
            .collect();
        if budgets.iter().any(|(_, left)| *left < 1) {
            self.write(&format!("{name} eviction refused"));
            return Outcome::Refused("disruption budget".into());
        }
        self.write(&format!("{name} evicted"));
        for (budget, _) in budgets {
            self.cluster.use_budget(budget, 1);
        }
        if self.pods_linger {
            self.cluster.set_deletion(pod, Some(self.now));
        } else {
            self.remove_pod(pod);
        }
        Outcome::Done
    }

    /// Removes a pod; a ReplicaSet's is made anew.
    pub(crate) fn remove_pod(&mut self, pod: PodId) {
        let gone = self.cluster.remove_pod(pod);
        let is_remade =
            gone.controller.is_some_and(|one| self.cluster.workload(one).key.kind == "ReplicaSet");
        if is_remade {
            self.remade += 1;
            self.cluster.add_pod(PodBirth {
                name: format!("remade-{}", self.remade).into(),
                shape: gone.shape,
                controller: gone.controller,
                created_at: self.now,
            });
        }
    }

    /// Takes a node away with all that is on it.
    pub(crate) fn delete_node(&mut self, node: NodeId) {
        for pod in self.cluster.node(node).pods.clone() {
            self.cluster.remove_pod(pod);
        }
        if let Some(group) = self.cluster.node(node).group {
            let size = self.cluster.group(group).target_size;
            self.cluster.set_target_size(group, size - 1);
        }
        self.cluster.remove_node(node);
    }

    fn write(&mut self, line: &str) {
        writeln!(self.log, "{}s {line}", self.now.0 / 1000).expect("strings take everything");
    }

    /// What the last loop found, one line each.
    pub(crate) fn findings(&self) -> String {
        let last = self.last.as_ref().expect("a loop was run");
        let mut text = format!("{}\n", last.result.as_str());
        for one in &last.started {
            let names = |pods: &[PodId]| {
                pods.iter().map(|pod| self.cluster.pod(*pod).name.to_string()).collect::<Vec<_>>()
            };
            let node = self.cluster.node_name(one.node);
            let moves = names(&one.moves).join(" ");
            writeln!(text, "starts {node} {} [{moves}]", one.cause.as_str()).expect("text");
        }
        for one in self.scale_down.unneeded() {
            let since = one.since.0 / 1000;
            writeln!(text, "unneeded {} since {since}s", self.cluster.node_name(one.node))
                .expect("text");
        }
        for (node, reason) in self.scale_down.unremovable() {
            let pod = reason
                .blocking_pod()
                .map(|(pod, why)| format!(" {} {why}", self.cluster.pod(pod).name));
            let node = self.cluster.node_name(node);
            writeln!(text, "stays {node} {reason}{}", pod.unwrap_or_default()).expect("text");
        }
        text
    }
}

fn group_options(words: &[&str]) -> NodeGroupOptions {
    let mut options = NodeGroupOptions::default();
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, "0"));
        let seconds = || Some(SimDuration::from_secs(value.parse().expect("seconds")));
        match name {
            "atomic" => options.zero_or_max_node_scaling = Some(true),
            "unneeded" => options.scale_down_unneeded_time = seconds(),
            "unready" => options.scale_down_unready_time = seconds(),
            "threshold" => options.scale_down_utilization_threshold = value.parse().ok(),
            "ignores-daemons" => options.ignore_daemon_sets_utilization = Some(true),
            other => panic!("unknown word {other:?}"),
        }
    }
    options
}

fn own((name, amount): (&str, i64)) -> (String, i64) {
    (name.to_owned(), amount)
}

/// The findings of one loop at second 0.
pub(crate) fn one_loop(settings: Settings, lines: &str) -> String {
    let mut stage = Stage::new(settings, lines);
    stage.scale_down.keep_findings();
    stage.run_loop();
    stage.findings()
}

/// Settings under which one loop decides.
pub(crate) fn at_once() -> Settings {
    Settings {
        scale_down_unneeded_time: SimDuration::ZERO,
        scale_down_unready_time: SimDuration::ZERO,
        ..Settings::default()
    }
}
