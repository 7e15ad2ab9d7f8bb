//! Pods that controllers have yet to make.

use expect_test::expect;
use plimsoll_core::ids::{NodeId, PodId, WorkloadId};
use plimsoll_core::workload::WorkloadKind;
use plimsoll_core::{Fork, PodBirth, PodSpec, SimDuration, Workload, WorkloadKey};

use super::*;
use crate::fixture::{Fixture, pod_spec};
use crate::pending::PodOutcome;

const ON: (&str, &str) = ("enable-proactive-scaleup", "true");

/// A controller and `counts` pods of it: bound, unschedulable, gated, not looked at.
fn controller(
    fixture: &mut Fixture,
    (kind, name): (WorkloadKind, &str),
    counts: [usize; 4],
    edit: impl FnOnce(&mut Workload),
) -> WorkloadId {
    let id = fixture.cluster.intern_workload(WorkloadKey::new(kind, "shop", name));
    fixture.cluster.update_workload(id, |one| {
        one.exists = true;
        edit(one);
    });
    let node = fixture.cluster.nodes().next().map(|(id, _)| id);
    for (state, count) in counts.into_iter().enumerate() {
        for number in 0..count {
            let mut spec = pod_spec("100m", "1Mi");
            if state == 2 {
                spec.scheduling_gates = vec!["later".to_owned()];
            }
            let pod = own_pod(fixture, id, &format!("{name}-{state}-{number}"), &spec, 60);
            match (state, node) {
                (0, Some(node)) => fixture.cluster.bind(pod, node, fixture.now),
                (1, _) => fixture.cluster.mark_unschedulable(pod, true),
                _ => {}
            }
        }
    }
    id
}

fn own_pod(
    fixture: &mut Fixture,
    controller: WorkloadId,
    name: &str,
    spec: &PodSpec,
    age_secs: i64,
) -> PodId {
    let shape = fixture.cluster.intern_shape(spec);
    let created_at = fixture.now - SimDuration::from_secs(age_secs);
    let birth = PodBirth { name: name.into(), shape, controller: Some(controller), created_at };
    fixture.cluster.add_pod(birth)
}

fn made_up(fixture: &mut Fixture) -> Vec<String> {
    let settings = fixture.settings(&[ON]);
    let mut fork = fixture.cluster.fork();
    let mut fakes = FakePods::default();
    proactive::inject(&mut fork, &settings, &mut fakes);
    names(&fork, fakes.iter())
}

fn names(fork: &Fork<'_>, pods: impl Iterator<Item = PodId>) -> Vec<String> {
    pods.map(|pod| fork.pod(pod).name.to_string()).collect()
}

fn stage() -> (Fixture, NodeId) {
    let mut fixture = Fixture::default();
    fixture.group("workers", 0, 20, "4", "16Gi");
    let node = fixture.node("n1", "workers");
    (fixture, node)
}

/// The cases of `TestTargetCountInjectionPodListProcessor`.
#[test]
fn what_controllers_have_yet_to_make_is_made_up() {
    let (mut fixture, _) = stage();
    let replica_set = (WorkloadKind::ReplicaSet, "rs");
    controller(&mut fixture, replica_set, [1, 2, 0, 0], |one| one.replicas = 5);
    controller(&mut fixture, (WorkloadKind::Job, "job"), [1, 2, 0, 0], |one| {
        one.replicas = 10;
        one.completions = Some(10);
    });
    let parallel = (WorkloadKind::StatefulSet, "parallel");
    controller(&mut fixture, parallel, [1, 2, 1, 0], |one| {
        one.replicas = 10;
        one.is_parallel = true;
    });
    let sequential = (WorkloadKind::StatefulSet, "sequential");
    controller(&mut fixture, sequential, [1, 2, 0, 0], |one| one.replicas = 10);
    let daemons = (WorkloadKind::Deployment, "above");
    controller(&mut fixture, daemons, [1, 2, 0, 0], |one| one.replicas = 10);
    expect![[r#"
        rs-0-0-copy-1
        rs-0-0-copy-2
        job-0-0-copy-1
        job-0-0-copy-2
        job-0-0-copy-3
        job-0-0-copy-4
        job-0-0-copy-5
        job-0-0-copy-6
        job-0-0-copy-7
        parallel-0-0-copy-1
        parallel-0-0-copy-2
        parallel-0-0-copy-3
        parallel-0-0-copy-4
        parallel-0-0-copy-5
        parallel-0-0-copy-6"#]]
    .assert_eq(&made_up(&mut fixture).join("\n"));
}

/// `TestGroupPods`: "no pods", "unable to retrieve a controller", and pods nobody has looked at.
#[test]
fn without_a_pod_to_go_by_nothing_is_made_up() {
    let (mut fixture, _) = stage();
    let of = |name| (WorkloadKind::ReplicaSet, name);
    controller(&mut fixture, of("none"), [0, 0, 0, 0], |one| one.replicas = 5);
    controller(&mut fixture, of("unseen"), [0, 0, 0, 2], |one| one.replicas = 5);
    controller(&mut fixture, of("gone"), [1, 1, 0, 0], |one| {
        one.exists = false;
        one.replicas = 5;
    });
    controller(&mut fixture, of("full"), [3, 2, 0, 0], |one| one.replicas = 5);
    assert_eq!(made_up(&mut fixture), [""; 0]);
}

/// `TestGroupPods`: "newest pod as a sample".
#[test]
fn the_newest_pod_is_the_sample() {
    let (mut fixture, node) = stage();
    let set = (WorkloadKind::ReplicaSet, "rs");
    let id = controller(&mut fixture, set, [0, 1, 0, 0], |one| one.replicas = 4);
    let spec = pod_spec("100m", "1Mi");
    for (name, age) in [("newer", 10), ("older", 20)] {
        let pod = own_pod(&mut fixture, id, name, &spec, age);
        fixture.cluster.bind(pod, node, fixture.now);
    }
    assert_eq!(made_up(&mut fixture), ["newer-copy-1"]);
}

/// The cases of `TestDesiredReplicasFromJob`, after one pod of the Job.
#[test]
fn a_job_wants_what_it_may_run_and_has_not_seen_succeed() {
    for (parallelism, completions, succeeded, more) in [
        (10, Some(5), 0, 4),
        (10, Some(5), 2, 2),
        (5, Some(10), 0, 4),
        (5, Some(10), 7, 2),
        (5, Some(10), 10, 0),
        (10, None, 0, 9),
        (10, None, 2, 0),
        (0, None, 0, 0),
    ] {
        let (mut fixture, _) = stage();
        controller(&mut fixture, (WorkloadKind::Job, "job"), [1, 0, 0, 0], |one| {
            one.replicas = parallelism;
            one.completions = completions;
            one.succeeded = succeeded;
        });
        let what = (parallelism, completions, succeeded);
        assert_eq!(made_up(&mut fixture).len(), more, "{what:?}");
    }
}

/// The cases of `TestEnforceInjectedPodsLimitProcessor`.
#[test]
fn made_up_pods_fill_what_real_ones_leave_of_the_limit() {
    for (real, fake, limit, left) in [
        (0, 5, 10, 5),
        (0, 15, 10, 10),
        (11, 5, 10, 0),
        (10, 5, 10, 0),
        (3, 10, 10, 7),
        (3, 4, 10, 4),
    ] {
        let (mut fixture, _) = stage();
        let set = (WorkloadKind::ReplicaSet, "rs");
        controller(&mut fixture, set, [0, real, 0, 0], |one| one.replicas = 1);
        let spec = pod_spec("100m", "1Mi");
        let mut fork = fixture.cluster.fork();
        let shape = fork.intern_shape(&spec);
        let mut to_help: Vec<PodId> = fork.unbound_pods().collect();
        let mut fakes = FakePods::default();
        for number in 0..fake {
            let name = format!("copy-{number}").into();
            let birth = PodBirth { name, shape, controller: None, created_at: fixture.now };
            to_help.push(fakes.add(&mut fork, birth, Origin::Controller));
        }
        fakes.enforce_limit(&mut to_help, limit);
        assert_eq!(to_help.len(), real + left, "{real} real, {fake} fake, at most {limit}");
        assert!(to_help.iter().take(real).all(|pod| fakes.origin(*pod).is_none()));
    }
}

#[test]
fn a_scale_up_counts_pods_to_come_and_tells_of_none_of_them() {
    let mut fixture = Fixture::default();
    fixture.group("workers", 0, 20, "4", "16Gi");
    let waiting = fixture.pending("web", 2, &pod_spec("2", "1Gi"));
    let key = WorkloadKey::new(WorkloadKind::ReplicaSet, "shop", "web");
    let set = fixture.cluster.find_workload(&key).expect("it was made");
    fixture.cluster.update_workload(set, |one| one.replicas = 6);
    let told = |fixture: &mut Fixture, flags: &[(&str, &str)]| {
        let mut autoscaler = fixture.autoscaler(flags);
        let decision = autoscaler.decide_on(fixture);
        let report = autoscaler.last_loop().expect("a loop has run").clone();
        assert_eq!(
            report.outcomes,
            waiting.iter().map(|pod| (*pod, PodOutcome::TriggeredScaleUp)).collect::<Vec<_>>()
        );
        assert!(report.scale_up.options.iter().all(|one| one.pods == waiting));
        decision
    };
    assert!(told(&mut fixture, &[]).starts_with("workers +1\n"));
    expect![[r#"
        workers +3
        why workers: Scale-up: setting group workers size to 3 instead of 0 (max: 20)
        why shop/web-1: pod triggered scale-up: [{workers 0->3 (max: 20)}]
        why shop/web-2: pod triggered scale-up: [{workers 0->3 (max: 20)}]"#]]
    .assert_eq(&told(&mut fixture, &[ON]));
    assert!(told(&mut fixture, &[ON, ("pod-injection-limit", "4")]).starts_with("workers +2\n"));
}

/// Upstream files the back-off under a name that nobody looks up.
#[test]
fn pods_to_come_that_nothing_helps_are_made_up_again_in_the_next_loop() {
    let mut fixture = Fixture::default();
    let group = fixture.group("workers", 0, 1, "4", "16Gi");
    fixture.pending("web", 1, &pod_spec("4", "1Gi"));
    let key = WorkloadKey::new(WorkloadKind::ReplicaSet, "shop", "web");
    let set = fixture.cluster.find_workload(&key).expect("it was made");
    fixture.cluster.update_workload(set, |one| one.replicas = 3);
    let mut autoscaler = fixture.autoscaler(&[ON]);
    assert!(fixture.after(10, &mut autoscaler).starts_with("workers +1\n"));
    assert!(!fixture.after(10, &mut autoscaler).contains('+'));
    let mut spec = plimsoll_core::NodeGroupSpec::clone(&fixture.cluster.group(group).spec);
    spec.max_size = 5;
    fixture.cluster.set_group_spec(group, spec);
    assert!(fixture.after(10, &mut autoscaler).starts_with("workers +2\n"));
}

#[test]
fn made_up_pods_leave_room_to_real_ones_of_their_priority() {
    let (mut fixture, node) = stage();
    let set = (WorkloadKind::ReplicaSet, "rs");
    let id = controller(&mut fixture, set, [0, 0, 0, 0], |one| one.replicas = 2);
    let large = own_pod(&mut fixture, id, "large", &pod_spec("3", "1Gi"), 3600);
    fixture.cluster.bind(large, node, fixture.now);
    fixture.node("n2", "workers");
    let small = fixture.pending("other", 1, &pod_spec("2", "1Gi"));
    let mut autoscaler = fixture.autoscaler(&[ON]);
    let decision = fixture.decide(&mut autoscaler);
    let outcomes = &autoscaler.last_loop().expect("a loop has run").outcomes;
    assert_eq!(outcomes[..], [(small[0], PodOutcome::FitsExisting)]);
    assert!(fixture.describe(&decision).starts_with("workers +1\n"), "the large one to come");
}

impl crate::ClusterAutoscaler {
    /// A decision in words that is not carried out.
    fn decide_on(&mut self, fixture: &mut Fixture) -> String {
        use crate::NodeAutoscaler;
        let decision = self.decide(&mut fixture.cluster.fork(), fixture.now);
        fixture.describe(&decision)
    }
}
