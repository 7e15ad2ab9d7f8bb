//! The drain rules as a table: a pod in a few words, and the verdict.

use expect_test::expect;

use super::*;
use crate::cluster::{NodeBirth, PodBirth, WorkloadKey};
use crate::labels::LabelSelector;
use crate::pod::PodSpec;
use crate::workload::{CountOrPercent, DisruptionBudgetObject, DisruptionRule};

const NOW: SimTime = SimTime(100_000_000);

/// One row of the table: a replicated pod of `shop` three hours old, changed by the words of `text`.
struct Row {
    cluster: Cluster,
    spec: PodSpec,
    controller: Option<(&'static str, bool, u32)>,
    age: SimDuration,
    deleted_ago: Option<SimDuration>,
    rules: DrainRules,
    budgets: Vec<(&'static str, i64)>,
}

impl Row {
    fn read(text: &str) -> Row {
        let mut row = Row {
            cluster: Cluster::default(),
            spec: PodSpec { namespace: "shop".into(), ..PodSpec::default() },
            controller: Some(("ReplicaSet", true, 1)),
            age: SimDuration::from_hours(3),
            deleted_ago: None,
            rules: DrainRules::default(),
            budgets: Vec::new(),
        };
        for word in text.split(", ").filter(|word| !word.is_empty()) {
            row.apply(word);
        }
        row
    }

    fn annotate(&mut self, key: &str, value: &str) {
        self.spec.annotations.insert(key.into(), value.into());
    }

    fn apply(&mut self, word: &str) {
        let (name, value) = word.split_once(' ').unwrap_or((word, ""));
        match (name, value) {
            ("mirror", _) => self.spec.is_mirror = true,
            ("bare", _) => self.controller = None,
            ("of", kind) => {
                let known = ["Job", "StatefulSet", "ReplicationController", "DaemonSet"];
                let other = ["Game.example.dev", "DaemonSet.example.dev"];
                let kind = known.into_iter().chain(other).find(|one| *one == kind);
                self.controller = Some((kind.expect("a known kind"), true, 1));
            }
            ("orphan", _) => self.controller.as_mut().expect("a controller").1 = false,
            ("safe", value) => self.annotate(SAFE_TO_EVICT, value),
            ("says-daemon-set", _) => self.annotate(DAEMON_SET_POD, "true"),
            ("volume", name) => self.spec.local_volumes.push(name.into()),
            ("safe-volumes", names) => {
                let names = names.replace(';', ",").replace('_', " ");
                self.annotate(SAFE_TO_EVICT_LOCAL_VOLUMES, &names);
            }
            ("system", _) => self.spec.namespace = "kube-system".into(),
            ("age", age) => self.age = SimDuration::parse(age).expect("a duration"),
            ("grace", grace) => {
                self.spec.termination_grace = SimDuration::parse(grace).expect("a duration");
            }
            ("deleted", ago) => {
                self.deleted_ago = Some(SimDuration::parse(ago).expect("a duration"));
            }
            ("budget", left) => self.budgets.push(("shop", left.parse().expect("a number"))),
            ("system-budget", left) => {
                self.budgets.push(("kube-system", left.parse().expect("a number")));
            }
            ("min-replicas", least) => {
                self.rules.min_replica_count = least.parse().expect("a number");
            }
            ("allow-custom", _) => self.rules.skip_nodes_with_custom_controller_pods = false,
            ("allow-local", _) => self.rules.skip_nodes_with_local_storage = false,
            ("allow-system", _) => self.rules.skip_nodes_with_system_pods = false,
            _ => panic!("unknown word {word:?}"),
        }
    }

    fn verdict(mut self) -> DrainVerdict {
        let shape = self.cluster.intern_shape(&self.spec);
        let controller = self.controller.map(|(kind, exists, replicas)| {
            let key = WorkloadKey {
                kind: kind.into(),
                namespace: self.spec.namespace.clone(),
                name: "web".into(),
            };
            let id = self.cluster.intern_workload(key);
            self.cluster.update_workload(id, |one| {
                one.exists = exists;
                one.replicas = replicas;
            });
            id
        });
        let birth =
            PodBirth { name: "web-1".into(), shape, controller, created_at: NOW - self.age };
        let pod = self.cluster.add_pod(birth);
        let node = self.cluster.add_node(NodeBirth { name: "n".into(), ..NodeBirth::default() });
        self.cluster.bind(pod, node, NOW - self.age);
        self.cluster.set_deletion(pod, self.deleted_ago.map(|ago| NOW - ago));
        for (index, (namespace, left)) in self.budgets.iter().enumerate() {
            self.cluster.add_budget(DisruptionBudgetObject {
                namespace: (*namespace).into(),
                name: format!("b{index}"),
                selector: Some(LabelSelector::default()),
                rule: DisruptionRule::MinAvailable(CountOrPercent::Count(1)),
                disruptions_allowed: Some(*left),
                disrupted_pods: std::collections::BTreeSet::new(),
            });
        }
        judge(&self.cluster, pod, &self.rules, NOW)
    }
}

#[test]
fn the_first_of_twelve_rules_that_decides_wins() {
    let rows = [
        "",
        "mirror, bare",
        "bare, deleted 60s, grace 30s",
        "bare, deleted 61s, grace 30s",
        "bare, deleted 31s, grace 0s",
        "orphan, safe true",
        "of Job, orphan",
        "of DaemonSet, orphan",
        "of Game.example.dev, orphan",
        "min-replicas 2",
        "min-replicas 1",
        "of StatefulSet, min-replicas 2",
        "of Job, min-replicas 2",
        "of ReplicationController, min-replicas 2",
        "orphan, allow-custom",
        "of DaemonSet, safe false",
        "of DaemonSet.example.dev, orphan",
        "bare, says-daemon-set",
        "bare, safe true, volume data, budget 0",
        "bare, safe on-completion, budget 0",
        "bare, safe yes",
        "bare, allow-custom",
        "of Game.example.dev",
        "of Game.example.dev, allow-custom",
        "system, age 30m",
        "system, age 1h",
        "system, age 3601s, safe false, volume data",
        "system, age 30m, system-budget 1",
        "system, age 30m, system-budget 0",
        "system, age 30m, budget 1",
        "system, age 30m, allow-system",
        "safe false",
        "volume data",
        "volume data, allow-local",
        "volume data, safe-volumes data",
        "volume h, safe-volumes e;_h",
        "volume e, volume h, safe-volumes e;h",
        "volume e, volume h, safe-volumes e",
        "budget 1",
        "budget 0",
        "budget 1, budget 0",
        "system-budget 0",
    ];
    let table: String =
        rows.iter().map(|row| format!("{row:<45} {:?}\n", Row::read(row).verdict())).collect();
    expect![[r#"
                                                      Move
        mirror, bare                                  Skip
        bare, deleted 60s, grace 30s                  Blocked(NotReplicated)
        bare, deleted 61s, grace 30s                  Skip
        bare, deleted 31s, grace 0s                   Skip
        orphan, safe true                             Blocked(ControllerNotFound)
        of Job, orphan                                Blocked(ControllerNotFound)
        of DaemonSet, orphan                          Blocked(ControllerNotFound)
        of Game.example.dev, orphan                   Blocked(NotReplicated)
        min-replicas 2                                Blocked(MinReplicasReached)
        min-replicas 1                                Move
        of StatefulSet, min-replicas 2                Move
        of Job, min-replicas 2                        Move
        of ReplicationController, min-replicas 2      Blocked(MinReplicasReached)
        orphan, allow-custom                          Move
        of DaemonSet, safe false                      DaemonSet
        of DaemonSet.example.dev, orphan              DaemonSet
        bare, says-daemon-set                         DaemonSet
        bare, safe true, volume data, budget 0        Move
        bare, safe on-completion, budget 0            AwaitCompletion
        bare, safe yes                                Blocked(NotReplicated)
        bare, allow-custom                            Blocked(NotReplicated)
        of Game.example.dev                           Blocked(NotReplicated)
        of Game.example.dev, allow-custom             Move
        system, age 30m                               Blocked(UnmovableKubeSystemPod)
        system, age 1h                                Blocked(UnmovableKubeSystemPod)
        system, age 3601s, safe false, volume data    Move
        system, age 30m, system-budget 1              Move
        system, age 30m, system-budget 0              Blocked(NotEnoughPdb)
        system, age 30m, budget 1                     Blocked(UnmovableKubeSystemPod)
        system, age 30m, allow-system                 Move
        safe false                                    Blocked(NotSafeToEvictAnnotation)
        volume data                                   Blocked(LocalStorageRequested)
        volume data, allow-local                      Move
        volume data, safe-volumes data                Move
        volume h, safe-volumes e;_h                   Blocked(LocalStorageRequested)
        volume e, volume h, safe-volumes e;h          Move
        volume e, volume h, safe-volumes e            Blocked(LocalStorageRequested)
        budget 1                                      Move
        budget 0                                      Blocked(NotEnoughPdb)
        budget 1, budget 0                            Blocked(NotEnoughPdb)
        system-budget 0                               Move
    "#]]
    .assert_eq(&table);
}

#[test]
fn pods_of_one_budget_can_go_while_one_disruption_is_left_but_not_at_one_time() {
    let mut cluster = Cluster::default();
    let spec = PodSpec { namespace: "shop".into(), ..PodSpec::default() };
    let shape = cluster.intern_shape(&spec);
    let pods: Vec<PodId> = ["a", "b"]
        .map(|name| PodBirth { name: name.into(), shape, controller: None, created_at: NOW })
        .map(|birth| cluster.add_pod(birth))
        .into();
    let budget = cluster.add_budget(DisruptionBudgetObject {
        namespace: "shop".into(),
        name: "b".into(),
        selector: Some(LabelSelector::default()),
        rule: DisruptionRule::MaxUnavailable(CountOrPercent::Count(1)),
        disruptions_allowed: Some(1),
        disrupted_pods: std::collections::BTreeSet::new(),
    });
    let mut fork = cluster.fork();
    assert!(!use_budgets(&mut fork, &pods));
    assert_eq!(fork.budgets().map(|(_, one)| one.disruptions_allowed).collect::<Vec<_>>(), [-1]);
    drop(fork);
    assert!(use_budgets(&mut cluster, &pods[..1]));
    assert_eq!(
        cluster.budgets().next().map(|(id, one)| (id, one.disruptions_allowed)),
        Some((budget, 0))
    );
}

#[test]
fn a_verdict_holds_until_the_pod_is_old_enough() {
    let mut row = Row::read("system, age 30m");
    let shape = row.cluster.intern_shape(&row.spec);
    let birth = PodBirth { name: "p".into(), shape, controller: None, created_at: NOW - row.age };
    let pod = row.cluster.add_pod(birth);
    let until = judged_until(&row.cluster, pod, &row.rules, NOW).expect("it will grow older");
    assert_eq!(until, NOW + SimDuration::from_mins(30) + SimDuration(1));
    assert_eq!(judged_until(&row.cluster, pod, &row.rules, until), None);
}
