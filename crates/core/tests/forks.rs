//! What a fork could not take back is refused on it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use plimsoll_core::cluster::{Cluster, PodBirth, WorkloadKey};
use plimsoll_core::node_group::NodeGroupSpec;
use plimsoll_core::workload::{
    CountOrPercent, DisruptionBudgetObject, DisruptionRule, WorkloadKind,
};
use plimsoll_core::{PodSpec, SimTime};

fn budget() -> DisruptionBudgetObject {
    DisruptionBudgetObject {
        namespace: "shop".into(),
        name: "web".into(),
        selector: None,
        rule: DisruptionRule::MinAvailable(CountOrPercent::Count(1)),
        disruptions_allowed: None,
        disrupted_pods: std::collections::BTreeSet::new(),
    }
}

#[test]
fn a_fork_refuses_what_it_could_not_take_back() {
    let mut cluster = Cluster::default();
    let group = cluster.add_group(NodeGroupSpec::default());
    let known = cluster.add_budget(budget());
    let key = WorkloadKey::new(WorkloadKind::ReplicaSet, "shop", "web");
    let set = cluster.intern_workload(key);
    let shape = cluster.intern_shape(&PodSpec::default());
    let created_at = SimTime::default();
    let pod =
        cluster.add_pod(PodBirth { name: "web-1".into(), shape, controller: None, created_at });
    type Change = Box<dyn Fn(&mut Cluster)>;
    let changes: [(&str, Change); 8] = [
        ("add_group", Box::new(|one| assert_eq!(one.add_group(NodeGroupSpec::default()).0, 1))),
        ("set_target_size", Box::new(move |one| one.set_target_size(group, 1))),
        ("update_instances", Box::new(move |one| one.update_instances(group, Vec::clear))),
        (
            "set_group_spec",
            Box::new(move |one| one.set_group_spec(group, NodeGroupSpec::default())),
        ),
        ("add_budget", Box::new(|one| assert_eq!(one.add_budget(budget()).0, 1))),
        ("remove_budget", Box::new(move |one| one.remove_budget(known))),
        ("update_workload", Box::new(move |one| one.update_workload(set, |_| {}))),
        ("set_nominated", Box::new(move |one| one.set_nominated(pod, None))),
    ];
    for (name, change) in changes {
        let refused = catch_unwind(AssertUnwindSafe(|| change(&mut cluster.fork())));
        assert!(refused.is_err(), "{name} was done on a fork");
        change(&mut cluster);
    }
}
