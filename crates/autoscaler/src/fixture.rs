//! Clusters in a few lines, for the tests of this crate.

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll_core::ids::{GroupId, NodeId, PodId};
use plimsoll_core::node_group::{BootDelay, Instance, InstanceError, InstanceState};
use plimsoll_core::taints::{Taint, TaintEffect};
use plimsoll_core::workload::WorkloadKind;
use plimsoll_core::{
    Cluster, NodeBirth, NodeGroupSpec, NodeSpec, PodBirth, PodSpec, ResourceMap, SimDuration,
    SimTime, WorkloadKey,
};

use crate::action::{Action, Outcome};
use crate::finding::{About, Finding};
use crate::settings::{SettingValue, Settings};
use crate::{ClusterAutoscaler, Decision, NodeAutoscaler, Subject};

/// A cluster and the instant that its builders take for now. Everything that is there at the start
/// is an hour old.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) cluster: Cluster,
    pub(crate) now: SimTime,
}

const START: SimTime = SimTime(1_767_592_800_000);

impl Default for Fixture {
    fn default() -> Fixture {
        Fixture { cluster: Cluster::default(), now: START }
    }
}

/// `4` or `500m` cores in milli-cores; `16Gi` or `512Mi` in bytes.
fn amount(text: &str) -> i64 {
    let units = [("Gi", 1 << 30), ("Mi", 1 << 20), ("m", 1)];
    let suffixed = units.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, *scale)));
    let (number, scale) = suffixed.unwrap_or((text, 1000));
    number.parse::<i64>().expect("a number") * scale
}

pub(crate) fn resources(cpu: &str, memory: &str) -> ResourceMap {
    [("cpu".to_owned(), amount(cpu)), ("memory".to_owned(), amount(memory))].into()
}

pub(crate) fn pod_spec(cpu: &str, memory: &str) -> PodSpec {
    PodSpec {
        namespace: "shop".into(),
        requests: resources(cpu, memory),
        first_container_requests: (amount(cpu), amount(memory)),
        scoring_cpu_milli: amount(cpu),
        scoring_memory_bytes: amount(memory),
        scheduler_name: "default-scheduler".into(),
        preempts: true,
        ..PodSpec::default()
    }
}

impl Fixture {
    /// Settings by flag.
    #[expect(clippy::unused_self, reason = "read beside the fixture's other builders")]
    pub(crate) fn settings(&self, flags: &[(&str, &str)]) -> Settings {
        let value = |text: &str| SettingValue::Text(text.to_owned());
        let map: BTreeMap<String, SettingValue> =
            flags.iter().map(|(key, text)| ((*key).to_owned(), value(text))).collect();
        Settings::from_map(&map).expect("the flags are good")
    }

    /// A group whose nodes have all their capacity allocatable and hold 110 pods.
    pub(crate) fn group(
        &mut self,
        name: &str,
        min: u32,
        max: u32,
        cpu: &str,
        memory: &str,
    ) -> GroupId {
        self.group_with(name, min, max, cpu, memory, |_| {})
    }

    pub(crate) fn group_with(
        &mut self,
        name: &str,
        min: u32,
        max: u32,
        cpu: &str,
        memory: &str,
        edit: impl FnOnce(&mut NodeGroupSpec),
    ) -> GroupId {
        let mut size = resources(cpu, memory);
        size.insert("pods".into(), 110);
        let labels = [("pool".to_owned(), name.to_owned())].into();
        let template =
            NodeSpec { labels, capacity: size.clone(), allocatable: size, ..NodeSpec::default() };
        let mut spec = NodeGroupSpec {
            name: name.into(),
            min_size: min,
            max_size: max,
            boot_delay: BootDelay::default(),
            template,
            ..NodeGroupSpec::default()
        };
        edit(&mut spec);
        self.cluster.add_group(spec)
    }

    /// A ready node of a group, for an hour; the target and the machines grow with it.
    pub(crate) fn node(&mut self, name: &str, group: &str) -> NodeId {
        let group = self.cluster.find_group(group).expect("the group is there");
        let hour_ago = self.now - SimDuration::from_hours(1);
        let target = self.cluster.group(group).target_size;
        self.cluster.set_target_size(group, target + 1);
        self.machine(group, name, InstanceState::Running, None);
        self.register(name, group, hour_ago)
    }

    /// A Node for a machine that is there.
    pub(crate) fn register(&mut self, name: &str, group: GroupId, since: SimTime) -> NodeId {
        let mut spec = self.cluster.group(group).spec.template.clone();
        spec.labels.insert("kubernetes.io/hostname".into(), name.into());
        self.cluster.add_node(NodeBirth {
            name: name.into(),
            provider_id: name.into(),
            spec,
            group: Some(group),
            created_at: since,
            ready: true,
            ready_since: since,
            ..NodeBirth::default()
        })
    }

    /// A machine that the cloud lists.
    pub(crate) fn machine(
        &mut self,
        group: GroupId,
        id: &str,
        state: InstanceState,
        error: Option<&str>,
    ) {
        let instance = Instance {
            id: Arc::from(id),
            state,
            error: error.map(|code| InstanceError {
                out_of_resources: true,
                code: code.to_owned(),
                message: "none left".to_owned(),
            }),
            created_at: None,
        };
        self.cluster.update_instances(group, |list| list.push(instance));
    }

    pub(crate) fn taint(&mut self, node: NodeId, key: &str) {
        let mut taints = self.cluster.node_taints(node).to_vec();
        let (key, value) = (key.to_owned(), String::new());
        taints.push(Taint { key, value, effect: TaintEffect::NoSchedule });
        self.cluster.set_taints(node, &taints);
    }

    /// `count` pods of one ReplicaSet, an hour old, that the scheduler has found unschedulable.
    pub(crate) fn pending(&mut self, owner: &str, count: usize, spec: &PodSpec) -> Vec<PodId> {
        let key = WorkloadKey::new(WorkloadKind::ReplicaSet, &spec.namespace, owner);
        let controller = self.cluster.intern_workload(key);
        let replicas = u32::try_from(count).expect("few");
        self.cluster.update_workload(controller, |one| {
            one.exists = true;
            one.replicas = replicas;
        });
        let shape = self.cluster.intern_shape(spec);
        let created_at = self.now - SimDuration::from_hours(1);
        (1..=count)
            .map(|number| {
                let name = format!("{owner}-{number}").into();
                let controller = Some(controller);
                let birth = PodBirth { name, shape, controller, created_at };
                let pod = self.cluster.add_pod(birth);
                self.cluster.mark_unschedulable(pod, true);
                pod
            })
            .collect()
    }

    /// The same, bound to a node.
    pub(crate) fn running(
        &mut self,
        owner: &str,
        count: usize,
        spec: &PodSpec,
        node: NodeId,
    ) -> Vec<PodId> {
        let pods = self.pending(owner, count, spec);
        let since = self.now - SimDuration::from_hours(1);
        pods.iter().for_each(|pod| self.cluster.bind(*pod, node, since));
        pods
    }

    /// A DaemonSet whose pods would run on every node they tolerate and select.
    pub(crate) fn daemon_set(&mut self, name: &str, spec: &PodSpec) {
        let key = WorkloadKey::new(WorkloadKind::DaemonSet, &spec.namespace, name);
        let workload = self.cluster.intern_workload(key);
        let shape = self.cluster.intern_shape(spec);
        self.cluster.update_workload(workload, |one| {
            one.exists = true;
            one.shape = Some(shape);
        });
    }

    /// An autoscaler that has run for long, with these flags.
    pub(crate) fn autoscaler(&self, flags: &[(&str, &str)]) -> ClusterAutoscaler {
        let mut autoscaler = ClusterAutoscaler::new(self.settings(flags), 1);
        let past =
            crate::cluster_autoscaler::StartState { past_first_loop: true, ..Default::default() };
        autoscaler.restore(&self.cluster, &past);
        autoscaler
    }

    /// One loop at `now`. Increases are carried out: the machines are there at once, being created.
    pub(crate) fn decide(&mut self, strategy: &mut impl NodeAutoscaler) -> Decision {
        let decision = strategy.decide(&mut self.cluster.fork(), self.now);
        for action in &decision.actions {
            self.carry_out(action);
            strategy.observe(action, &Outcome::Done, &self.cluster, self.now);
        }
        decision
    }

    /// Passes `seconds` and runs a loop.
    pub(crate) fn after(&mut self, seconds: i64, strategy: &mut impl NodeAutoscaler) -> String {
        self.now += SimDuration::from_secs(seconds);
        let decision = self.decide(strategy);
        self.describe(&decision)
    }

    /// What the loop that comes `seconds` later tells, one finding a line.
    pub(crate) fn told(&mut self, seconds: i64, strategy: &mut impl NodeAutoscaler) -> String {
        let start = self.now;
        self.after(seconds, strategy);
        let pod = |serial: &u64| {
            let found = self.cluster.pods().find(|(_, pod)| pod.serial == *serial);
            found.map_or("?".to_owned(), |(_, pod)| pod.name.to_string())
        };
        let line = |finding: Finding| {
            let about = match &finding.about {
                About::Pods(serials) => serials.iter().map(pod).collect::<Vec<_>>().join(" "),
                About::Node(serial) => {
                    let found = self.cluster.nodes().find(|(_, node)| node.serial == *serial);
                    found.map_or("?".to_owned(), |(_, node)| node.name.to_string())
                }
                About::Group(group) => format!("group {}", self.cluster.group(*group).spec.name),
                About::Cluster => "cluster".to_owned(),
            };
            let until =
                finding.until.map_or_else(String::new, |at| format!(" until +{}", at - start));
            let groups: Vec<String> = finding
                .word
                .groups
                .iter()
                .map(|(group, said)| format!("\n  {group}: {said}"))
                .collect();
            let (code, text) = (finding.word.code, finding.word.text);
            format!("{about}: {code}: {text}{until}{}", groups.concat())
        };
        let lines: Vec<String> = strategy.take_findings().into_iter().map(line).collect();
        lines.join("\n")
    }

    pub(crate) fn carry_out(&mut self, action: &Action) {
        match action {
            Action::IncreaseSize { group, delta } => {
                let group = *group;
                let target = self.cluster.group(group).target_size;
                self.cluster.set_target_size(group, target + delta);
                for _ in 0..*delta {
                    let name = &self.cluster.group(group).spec.name;
                    let id = format!("{name}-i{}", self.cluster.group(group).instances.len());
                    self.machine(group, &id, InstanceState::Creating, None);
                }
            }
            Action::DecreaseTarget { group, by } => {
                let target = self.cluster.group(*group).target_size;
                self.cluster.set_target_size(*group, target - by);
            }
            Action::DeleteInstances { group, ids, .. } => {
                let target = self.cluster.group(*group).target_size;
                let count = u32::try_from(ids.len()).expect("few");
                self.cluster.set_target_size(*group, target - count);
                self.cluster
                    .update_instances(*group, |list| list.retain(|one| !ids.contains(&one.id)));
            }
            Action::SetTaints { node, taints, unschedulable } => {
                self.cluster.set_taints(*node, taints);
                self.cluster.set_unschedulable(*node, *unschedulable);
            }
            Action::DeleteNode { .. }
            | Action::Evict { .. }
            | Action::GiveUpScaleDown { .. }
            | Action::SetCondition { .. }
            | Action::DeleteObject { .. } => {}
        }
    }

    /// A decision in words: actions, then reasons, one a line.
    pub(crate) fn describe(&self, decision: &Decision) -> String {
        let group = |id: &GroupId| &self.cluster.group(*id).spec.name;
        let mut lines: Vec<String> = decision
            .actions
            .iter()
            .map(|action| match action {
                Action::IncreaseSize { group: id, delta } => format!("{} +{delta}", group(id)),
                Action::DecreaseTarget { group: id, by } => format!("{} target -{by}", group(id)),
                Action::DeleteInstances { group: id, ids, reason } => {
                    format!("{} deletes {}: {reason}", group(id), ids.join(", "))
                }
                Action::SetTaints { node, taints, .. } => {
                    let keys: Vec<&str> = taints.iter().map(|taint| &*taint.key).collect();
                    format!("{} taints [{}]", self.cluster.node_name(*node), keys.join(", "))
                }
                Action::DeleteNode { node, .. } => {
                    format!("{} goes", self.cluster.node_name(*node))
                }
                Action::Evict { pod, .. } => format!("evict {}", self.cluster.pod_full_name(*pod)),
                Action::SetCondition { object, condition } => format!(
                    "{object}: {}={} {}{}{}",
                    condition.kind,
                    condition.status.as_str(),
                    condition.reason,
                    if condition.message.is_empty() { "" } else { ": " },
                    condition.message
                ),
                Action::DeleteObject { object } => format!("{object} is deleted"),
                Action::GiveUpScaleDown { node, reason } => {
                    format!("{} stays: {reason}", self.cluster.node_name(*node))
                }
            })
            .collect();
        lines.extend(decision.reasons.iter().map(|reason| {
            let subject = match &reason.subject {
                Subject::Pod(name)
                | Subject::Node(name)
                | Subject::Group(name)
                | Subject::Object(name) => name,
                Subject::Cluster => "cluster",
            };
            format!("why {subject}: {}", reason.text)
        }));
        lines.join("\n")
    }
}
