//! What must hold for every cluster, whatever was done to it: forks leave no trace, the indexed
//! answers are those of a naive scheduler, sums are those of a recount, nobody overcommits.

mod cluster_steps;
mod comparison;
mod naive_pod_affinity;
mod naive_scheduler;
mod naive_scores;
mod naive_selectors;
mod naive_snapshot;
mod naive_spread;
mod random_nodes;
mod random_pods;
mod random_profiles;
mod stage;
mod traces;

use plimsoll_core::cluster::Cluster;
use plimsoll_core::ids::{NodeId, PodId};
use plimsoll_core::scheduling::{Backoff, PodQueue};
use plimsoll_core::{NodeBirth, NodeSpec, PodBirth, PodSpec, SimDuration, SimTime};
use proptest::prelude::*;

use cluster_steps::{ForkEnd, Step, add_pod, steps};
use comparison::{check_room, check_that_nobody_fits, compare_answers, compare_sums};
use stage::{Stage, beginning, beginning_in_many_racks};
use traces::{answers, everything, places};

/// The seed that ties are broken with.
const TIE_SEED: u64 = 7;

/// A property is seen on so many clusters, or the share of `PROPTEST_CASES` that this is of 256: a
/// debug run should take seconds, and a long search is there for the asking.
fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = (default.cases * cases).div_ceil(256);
    // A failing case is seldom readable before it has shrunk for a while.
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 20_000, ..default }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_fork_that_is_taken_back_leaves_no_trace_and_a_kept_one_leaves_all(
        beginning in beginning(),
        steps in steps(),
    ) {
        let (mut cluster, mut stage) = beginning.build();
        run_and_look_for_traces(&mut cluster, &mut stage, &steps, 0);
    }

    #[test]
    fn what_follows_a_dropped_fork_is_as_if_it_had_never_been(
        beginning in beginning(),
        steps in steps(),
    ) {
        let mut without_forks = steps.clone();
        without_forks.retain(|step| matches!(step, Step::Do(_)));
        let (mut forked, mut stage) = beginning.build();
        run(&mut forked, &mut stage, &steps, 0, &mut |_, _| {});
        let (mut plain, mut plain_stage) = beginning.build();
        run(&mut plain, &mut plain_stage, &without_forks, 0, &mut |_, _| {});
        prop_assert_eq!(places(&forked, &stage.specs), places(&plain, &stage.specs));
        prop_assert_eq!(forked.version(), plain.version());
        prop_assert_eq!(answers(&mut forked, &stage.specs), answers(&mut plain, &stage.specs));
    }

    #[test]
    fn sums_are_those_of_a_recount_after_every_step(
        beginning in beginning(),
        steps in steps(),
    ) {
        let (mut cluster, mut stage) = beginning.build();
        run(&mut cluster, &mut stage, &steps, 0, &mut |cluster, stage| compare_sums(cluster, stage));
    }

    #[test]
    fn passes_of_the_scheduler_never_overcommit_and_leave_nobody_who_fits(
        beginning in beginning(),
        arrivals in prop::collection::vec((0..100_usize, 0..3_usize), 1..60),
        backoff_seconds in 0..3_i64,
    ) {
        let (mut cluster, stage) = beginning.ungated_and_judged_by_default().build();
        let mut queue = PodQueue::new(Backoff {
            initial: SimDuration::from_secs(backoff_seconds),
            max: SimDuration::from_secs(4 * backoff_seconds),
        });
        for (second, (kind, leaving)) in (0..).zip(arrivals) {
            let now = SimTime(second * 1000);
            let shape = stage.shape(&mut cluster, kind);
            let pod = add_pod(&mut cluster, shape, Some(kind));
            queue.push(&cluster, pod, now);
            let bound = queue.pass(&mut cluster, now, TIE_SEED);
            for (pod, node) in bound {
                check_room(&cluster, &stage, pod, node);
            }
            if backoff_seconds == 0 {
                check_that_nobody_fits(&cluster, &stage);
            }
            remove_bound_pods(&mut cluster, leaving);
        }
        prop_assert_eq!(queue.len(), cluster.unbound_count());
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn indexed_answers_are_those_of_a_naive_scheduler_after_every_step(
        beginning in beginning(),
        steps in steps(),
    ) {
        let (mut cluster, mut stage) = beginning.build();
        let mut asked = 0;
        // One kind of pods is asked for at a time, so that the indexes of the others fall behind.
        run(&mut cluster, &mut stage, &steps, 0, &mut |cluster, stage| {
            asked += 1;
            compare_answers(cluster, stage, asked);
        });
        for kind in 0..stage.specs.len() {
            compare_answers(&mut cluster, &stage, kind);
        }
    }
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn indexed_answers_are_those_of_a_naive_scheduler_where_a_key_has_many_domains(
        beginning in beginning_in_many_racks(),
        steps in steps(),
    ) {
        let (mut cluster, mut stage) = beginning.build();
        let mut asked = 0;
        run(&mut cluster, &mut stage, &steps, 0, &mut |cluster, stage| {
            asked += 1;
            compare_answers(cluster, stage, asked);
        });
    }
}

#[test]
fn an_index_that_the_log_has_left_behind_is_built_anew() {
    let allocatable = [("cpu", 4000), ("memory", 1 << 33), ("pods", 10)];
    let spec = NodeSpec { allocatable: random_nodes::amounts(&allocatable), ..NodeSpec::default() };
    let mut cluster = Cluster::default();
    for name in ["n0", "n1"] {
        let (name, spec) = (name.to_owned(), spec.clone());
        cluster.add_node(NodeBirth { name, spec, ..NodeBirth::default() });
    }
    let mut shape = |cpu| {
        let requests = random_nodes::amounts(&[("cpu", cpu)]);
        cluster.intern_shape(&PodSpec { requests, ..PodSpec::default() })
    };
    let (small, whole) = (shape(100), shape(3950));
    assert_eq!(cluster.count_fits(whole), 2);
    let (name, created_at) = ("p".into(), SimTime(0));
    let pod = cluster.add_pod(PodBirth { name, shape: small, controller: None, created_at });
    // The log keeps some 8,192 changes; these are more, and the last of them stays.
    for _ in 0..5_000 {
        cluster.bind(pod, NodeId(1), SimTime(0));
        assert_eq!(cluster.count_fits(small), 2);
        cluster.unbind(pod);
        assert_eq!(cluster.count_fits(small), 2);
    }
    cluster.bind(pod, NodeId(0), SimTime(0));
    assert_eq!(cluster.count_fits(whole), 1);
    assert_eq!(cluster.best_node(whole, None, TIE_SEED), Some(NodeId(1)));
}

/// Carries out the steps.
fn run(
    cluster: &mut Cluster,
    stage: &mut Stage,
    steps: &[Step],
    depth: u32,
    after_each: &mut dyn FnMut(&mut Cluster, &Stage),
) {
    for step in steps {
        match step {
            Step::Do(change) => change.apply(cluster, stage, depth > 0),
            Step::Fork(inside, end) => {
                let before = stage.clone();
                let mut fork = cluster.fork();
                run(&mut fork, stage, inside, depth + 1, after_each);
                if *end == ForkEnd::Commit && depth > 0 {
                    fork.commit();
                } else {
                    *stage = before.clone();
                    if *end == ForkEnd::Revert {
                        fork.revert();
                        after_each(&mut fork, stage);
                        run(&mut fork, stage, inside, depth + 1, after_each);
                        *stage = before;
                    }
                    drop(fork);
                }
            }
        }
        after_each(cluster, stage);
    }
}

/// Carries out the steps, and sees around every fork that it kept or lost what it should.
fn run_and_look_for_traces(cluster: &mut Cluster, stage: &mut Stage, steps: &[Step], depth: u32) {
    for step in steps {
        let Step::Fork(inside, end) = step else {
            run(cluster, stage, std::slice::from_ref(step), depth, &mut |_, _| {});
            continue;
        };
        let specs = stage.specs.clone();
        let stage_before = stage.clone();
        let before = everything(cluster, &specs);
        let mut fork = cluster.fork();
        run_and_look_for_traces(&mut fork, stage, inside, depth + 1);
        let within = everything(&mut fork, &specs);
        let kept = *end == ForkEnd::Commit && depth > 0;
        if kept {
            fork.commit();
        } else {
            *stage = stage_before;
            if *end == ForkEnd::Revert {
                fork.revert();
                assert_eq!(everything(&mut fork, &specs), before);
                run_and_look_for_traces(&mut fork, &mut stage.clone(), inside, depth + 1);
            }
            drop(fork);
        }
        assert_eq!(everything(cluster, &specs), if kept { within } else { before });
    }
}

/// The oldest `count` bound pods go.
fn remove_bound_pods(cluster: &mut Cluster, count: usize) {
    let bound: Vec<PodId> = cluster
        .pods()
        .filter(|(_, pod)| pod.node.is_some())
        .map(|(id, _)| id)
        .take(count)
        .collect();
    for pod in bound {
        cluster.remove_pod(pod);
    }
}
