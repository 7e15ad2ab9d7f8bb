//! Drawn scenarios are valid, differ, and are the same for the same seed.

use std::collections::BTreeSet;

use plimsoll_core::objects::{Origin, Snapshot};

use super::*;

const HOUR: SimDuration = SimDuration::from_hours(1);

fn read(scenario: &FuzzScenario) -> Snapshot {
    let values = scenario.documents().into_iter().map(|document| (document, Origin::default()));
    match Snapshot::from_values(values) {
        Ok((snapshot, _)) => snapshot,
        Err(error) => panic!("seed {}: {error}", scenario.seed),
    }
}

#[test]
fn what_is_drawn_is_a_scenario_that_users_could_have_written() {
    for seed in 0..300 {
        let snapshot = read(&FuzzScenario::draw(seed, HOUR));
        assert!(!snapshot.groups.is_empty(), "seed {seed}");
        assert!(snapshot.scenario.is_some(), "seed {seed}");
    }
}

#[test]
fn the_same_seed_draws_the_same_and_another_seed_draws_something_else() {
    let drawn: Vec<FuzzScenario> = (0..20).map(|seed| FuzzScenario::draw(seed, HOUR)).collect();
    for (seed, scenario) in (0..).zip(&drawn) {
        assert_eq!(*scenario, FuzzScenario::draw(seed, HOUR));
        assert!(drawn.iter().filter(|other| other.objects == scenario.objects).count() == 1);
    }
}

#[test]
fn every_fault_and_every_kind_of_object_is_met() {
    let mut faults = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for seed in 0..200 {
        let scenario = FuzzScenario::draw(seed, HOUR);
        faults.extend(scenario.faults().map(str::to_owned));
        kinds.extend(scenario.objects.iter().map(|one| one["kind"].to_string()));
    }
    let text = format!("{faults:?}\n{kinds:?}");
    expect_test::expect![[r#"
        {"launchFailure", "lazyNodes", "neverRegister", "providerDown", "slowRegistration", "spotReclaim", "stockOut"}
        {"\"DaemonSet\"", "\"Deployment\"", "\"Job\"", "\"Node\"", "\"NodeGroup\"", "\"Pod\"", "\"PodDisruptionBudget\"", "\"PriorityClass\"", "\"ReplicaSet\"", "\"StatefulSet\"", "\"StorageClass\""}"#]]
    .assert_eq(&text);
}
