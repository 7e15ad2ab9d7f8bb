//! What happens when.

use expect_test::expect;
use plimsoll_core::{SimDuration, SimTime};

use super::stage::{Stage, at_once};
use crate::Settings;

const PAIR: &str = "
    group a 1
    node a1 a 4000
    node a2 a 4000
    pod web a1 3000
";
const DRAINED: &str = "
    group a 0
    node a1 a 4000
    node x - 9000
    pod one a1 100 app=web
    pod two a1 100
";

fn secs(count: i64) -> SimDuration {
    SimDuration::from_secs(count)
}

#[test]
fn an_empty_node_goes_after_more_than_the_unneeded_time_and_the_delay() {
    let mut stage = Stage::new(Settings::default(), PAIR);
    stage.run_until(1000);
    expect![[r#"
        0s a2 soft
        610s a2 marked
        615s a2 deleted (empty, decided 5s ago)
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn a_drained_node_goes_in_the_instant_of_its_evictions() {
    let settings = Settings { scale_down_unneeded_time: secs(60), ..Settings::default() };
    let mut stage = Stage::new(settings, DRAINED);
    stage.run_until(200);
    expect![[r#"
        0s a1 soft
        70s a1 marked
        75s one evicted
        75s two evicted
        75s a1 deleted (underutilized, decided 5s ago)
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn refused_evictions_are_retried_and_given_up_without_a_cooldown() {
    let settings = Settings { max_pod_eviction_time: secs(25), ..at_once() };
    let mut stage = Stage::new(settings, &format!("{DRAINED}\n budget web 1"));
    stage.run_loop();
    // Somebody else uses the budget between the last look and the eviction of the second.
    stage.add("pod three a1 100 app=web");
    stage.run_until(60);
    expect![[r#"
        0s a1 marked
        0s a1 soft
        5s one evicted
        5s two evicted
        5s three eviction refused
        15s three eviction refused
        25s three eviction refused
        35s a1 not marked
        35s a1 given up: failed to evict shop/three
        40s a1 not soft
    "#]]
    .assert_eq(&stage.log);
    assert_eq!(stage.scale_down.last_failure(), None);
}

#[test]
fn a_node_is_looked_at_again_before_it_is_drained() {
    let mut stage = Stage::new(at_once(), DRAINED);
    stage.run_loop();
    stage.add("budget web 0");
    stage.run_until(10);
    expect![[r#"
        0s a1 marked
        0s a1 soft
        5s a1 not marked
        5s a1 given up: NotEnoughPdb: shop/one
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn an_empty_node_that_gets_a_pod_stays() {
    let mut stage = Stage::new(at_once(), PAIR);
    stage.run_loop();
    stage.add("pod late a2 100");
    stage.run_until(10);
    expect![[r#"
        0s a2 marked
        0s a2 soft
        5s a2 not marked
        5s a2 given up: node is not empty: shop/late
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn a_cooldown_ends_exactly_at_its_time() {
    let settings = Settings { scale_down_delay_after_add: secs(30), ..at_once() };
    let mut stage = Stage::new(settings, PAIR);
    stage.last_scale_up = SimTime::default();
    stage.run_until(40);
    expect![[r#"
        0s a2 soft
        30s a2 marked
        35s a2 deleted (empty, decided 5s ago)
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn the_delay_after_a_deletion_counts_from_the_deciding_loop() {
    let settings = Settings {
        scale_down_delay_after_delete: secs(30),
        max_scale_down_parallelism: 1,
        ..at_once()
    };
    let mut stage = Stage::new(settings, "group a 0\n node a1 a 4000\n node a2 a 4000");
    stage.run_until(60);
    expect![[r#"
        0s a1 marked
        0s a1 soft
        0s a2 soft
        5s a1 deleted (empty, decided 5s ago)
        30s a2 marked
        35s a2 deleted (empty, decided 5s ago)
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn a_node_without_a_place_for_its_pods_is_remembered_even_if_it_becomes_empty() {
    let settings = Settings { scale_down_unneeded_time: secs(3600), ..Settings::default() };
    let mut stage = Stage::new(settings, "group a 0\n node a1 a 4000\n node a2 a 4000");
    stage.add("pod low a1 1000 only=a1");
    stage.add("pod high a2 3000");
    stage.tells_reasons = true;
    stage.run_until(65);
    for name in ["low", "high"] {
        let pod = stage.pod(name);
        stage.cluster.remove_pod(pod);
    }
    stage.run_until(400);
    expect![[r#"
        0s node a1: NoPlaceToMovePods
        70s node a2: unneeded
        70s a2 soft
        300s node a1: unneeded
        300s a1 soft
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn soft_taints_are_taken_off_before_others_are_put_on_and_few_at_a_time() {
    let settings = Settings {
        scale_down_unneeded_time: secs(3600),
        max_bulk_soft_taint_count: 2,
        ..Settings::default()
    };
    let mut stage = Stage::new(settings, "group a 0");
    for index in 1..=4 {
        stage.add(&format!("node a{index} a 4000"));
    }
    stage.run_until(15);
    stage.add("pod one a1 3000");
    stage.add("pod two a3 3000");
    stage.add("node a5 a 4000");
    stage.run_until(60);
    expect![[r#"
        0s a1 soft
        0s a2 soft
        10s a3 soft
        10s a4 soft
        20s a1 not soft
        20s a3 not soft
        30s a5 soft
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn one_node_is_drained_at_a_time() {
    let mut stage = Stage::new(
        at_once(),
        "
        group a 0
        node a1 a 4000
        node a2 a 4000
        node x - 9000
        pod one a1 100
        pod two a2 100
        ",
    );
    stage.run_until(60);
    expect![[r#"
        0s a1 marked
        0s a1 soft
        0s a2 soft
        5s one evicted
        5s a1 deleted (underutilized, decided 5s ago)
        10s a2 marked
        15s two evicted
        15s a2 deleted (underutilized, decided 5s ago)
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn a_node_that_cannot_be_tainted_takes_the_others_back_and_starts_the_cooldown() {
    let settings = Settings { scale_down_delay_after_failure: secs(25), ..at_once() };
    let mut stage =
        Stage::new(settings, "group a 0\n node a1 a 4000\n node a2 a 4000\n node a3 a 4000");
    stage.untaintable = vec!["a2"];
    stage.run_until(25);
    stage.untaintable.clear();
    stage.run_until(40);
    expect![[r#"
        0s a1 marked
        0s a1 soft
        0s a2 cannot be tainted
        0s a3 marked
        0s a3 soft
        0s a1 not marked
        0s a1 given up: another node could not be tainted
        0s a3 not marked
        0s a3 given up: another node could not be tainted
        10s a2 cannot be tainted
        20s a2 cannot be tainted
        30s a1 marked
        30s a2 marked
        30s a2 soft
        30s a3 marked
        35s a1 deleted (empty, decided 5s ago)
        35s a2 deleted (empty, decided 5s ago)
        35s a3 deleted (empty, decided 5s ago)
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn local_delays_keep_only_their_own_group_and_reset_its_times() {
    let settings = Settings {
        scale_down_delay_type_local: true,
        scale_down_delay_after_add: secs(20),
        scale_down_delay_after_delete: secs(40),
        scale_down_unneeded_time: secs(10),
        max_scale_down_parallelism: 1,
        ..Settings::default()
    };
    let mut stage = Stage::new(settings, "group a 0\n group b 0");
    for line in ["node a1 a 4000", "node a2 a 4000", "node b1 b 4000"] {
        stage.add(line);
    }
    stage.last_scale_up = SimTime::default();
    stage.run_until(140);
    expect![[r#"
        20s a1 soft
        20s a2 soft
        40s a1 marked
        45s a1 deleted (empty, decided 5s ago)
        50s a2 not soft
        50s b1 soft
        70s b1 marked
        75s b1 deleted (empty, decided 5s ago)
        90s a2 soft
        110s a2 marked
        115s a2 deleted (empty, decided 5s ago)
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn a_delay_annotation_is_waited_for_up_to_its_time_out() {
    let settings = Settings { node_deletion_delay_timeout: secs(12), ..at_once() };
    let mut stage = Stage::new(settings, "group a 0\n node a1 a 4000 delayed");
    stage.run_until(60);
    expect![[r#"
        0s a1 marked
        0s a1 soft
        20s a1 deleted (empty, decided 20s ago)
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn a_batch_of_a_group_goes_together() {
    let settings = Settings {
        node_deletion_batcher_interval: secs(12),
        max_scale_down_parallelism: 2,
        ..at_once()
    };
    let mut stage = Stage::new(settings, "group a 0");
    stage.add("node a1 a 4000");
    stage.run_until(5);
    stage.add("node a2 a 4000");
    stage.run_until(60);
    expect![[r#"
        0s a1 marked
        0s a1 soft
        10s a2 marked
        10s a2 soft
        17s a1 deleted (empty, decided 17s ago)
        17s a2 deleted (empty, decided 7s ago)
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn pods_that_do_not_vanish_are_waited_for() {
    let settings = Settings { max_graceful_termination: secs(0), ..at_once() };
    let mut stage = Stage::new(settings.clone(), DRAINED);
    stage.pods_linger = true;
    stage.run_until(12);
    for name in ["one", "two"] {
        let pod = stage.pod(name);
        stage.remove_pod(pod);
    }
    stage.run_until(20);
    expect![[r#"
        0s a1 marked
        0s a1 soft
        5s one evicted
        5s two evicted
        15s a1 deleted (underutilized, decided 15s ago)
    "#]]
    .assert_eq(&stage.log);
    let mut stage = Stage::new(settings, DRAINED);
    stage.pods_linger = true;
    stage.run_until(37);
    expect![[r#"
        0s a1 marked
        0s a1 soft
        5s one evicted
        5s two evicted
        35s a1 not marked
        35s a1 given up: pods remaining after timeout
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn pods_of_low_priority_are_evicted_first_where_that_is_asked_for() {
    let settings =
        Settings { drain_priority_config: vec![(0, secs(10)), (1000, secs(10))], ..at_once() };
    let mut stage = Stage::new(settings, "group a 0\n node a1 a 4000\n node x - 9000");
    for line in ["pod high a1 100 priority=5000", "pod low a1 100", "pod lowest a1 100 priority=-5"]
    {
        stage.add(line);
    }
    stage.pods_linger = true;
    stage.run_until(8);
    for name in ["low", "lowest"] {
        let pod = stage.pod(name);
        stage.remove_pod(pod);
    }
    stage.run_until(12);
    expect![[r#"
        0s a1 marked
        0s a1 soft
        5s low evicted
        5s lowest evicted
        10s high evicted
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn a_node_that_goes_by_other_means_ends_its_deletion() {
    let mut stage = Stage::new(at_once(), PAIR);
    stage.run_until(3);
    let node = stage.node("a2");
    stage.delete_node(node);
    stage.add("node a3 a 4000");
    assert_eq!(stage.node("a3"), node, "the id is used again");
    stage.run_until(20);
    expect![[r#"
        0s a2 marked
        0s a2 soft
        10s a3 marked
        10s a3 soft
        15s a3 deleted (empty, decided 5s ago)
    "#]]
    .assert_eq(&stage.log);
}

#[test]
fn a_fresh_autoscaler_takes_left_over_taints_off() {
    let stage =
        Stage::new(at_once(), "group a 0\n node a1 a 4000 taint=10 cordoned\n node a2 a 4000");
    let actions = crate::actuation::clean_up_taints(&stage.cluster, &stage.settings);
    let expected = crate::Action::SetTaints {
        node: stage.node("a1"),
        taints: Vec::new(),
        unschedulable: false,
    };
    assert_eq!(actions, [expected]);
}
