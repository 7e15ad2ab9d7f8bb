//! A short run holds, tells the same twice, and what fails becomes small.

use expect_test::expect;

use super::trial::{Found, Trial};
use super::*;

fn short(seeds: Range<u64>) -> FuzzOptions {
    FuzzOptions { seeds, steps: 90, strategies: STRATEGIES.to_vec() }
}

#[test]
fn forty_seeds_hold_under_every_strategy() {
    let report = run(&short(0..40), &|| {});
    assert!(report.failures.is_empty(), "{}", report.to_text());
    assert_eq!(report.coverage.runs, 80);
    for check in ["nodes that go: their pods have other places", "no pod is lost with its node"] {
        assert!(report.coverage.checks.contains_key(check), "{check} was never made");
    }
}

#[test]
fn the_same_seeds_give_the_same_bytes() {
    let options = short(3..9);
    assert_eq!(run(&options, &|| {}).to_text(), run(&options, &|| {}).to_text());
}

/// Fails from the first stock-out on, as long as there is a node.
fn fails_by_a_stock_out(scenario: &FuzzScenario) -> Trial {
    let has_node = scenario.objects.iter().any(|one| one["kind"] == "Node");
    let stock_out = scenario.events.iter().find(|event| event["fault"]["stockOut"].is_object());
    let failure = stock_out.filter(|_| has_node).map(|event| {
        let at = event["at"].as_str().expect("events have instants");
        let after = Some(SimDuration::parse(at).expect("and these are durations"));
        Found { check: "no stock-outs", after, message: "one".to_owned() }
    });
    Trial { failure, ..Trial::default() }
}

#[test]
fn what_fails_becomes_small() {
    let mut seeds = (0..100).map(|seed| scenario(seed, 200));
    let large = seeds.find(|one| fails_by_a_stock_out(one).failure.is_some());
    let large = large.expect("stock-outs are common");
    let (small, found) = shrink::shrink(&large, "no stock-outs", &fails_by_a_stock_out);
    let after = found.expect("it still fails").after.expect("stock-outs have their instant");
    assert!(after < small.duration && small.duration <= after + SimDuration::from_secs(1));
    let kinds: Vec<&str> = small.objects.iter().filter_map(|one| one["kind"].as_str()).collect();
    assert_eq!((kinds, small.events.len(), small.flags.len()), (vec!["Node"], 1, 0));
}

#[test]
fn a_failure_says_how_to_see_it_again() {
    let failure = |seed: u64| Failure {
        seed,
        strategy: "threshold".to_owned(),
        check: "no node is overbooked".to_owned(),
        at: Some("1m30s".to_owned()),
        message: "g1-2".to_owned(),
        command: format!("plimsoll sim fuzz --seeds {seed}..{} --steps 90", seed + 1),
        scenario: None,
        shrunk: Some(Shrunk {
            duration: ["15m".to_owned(), "1m31s".to_owned()],
            objects: [31, 4],
            events: [9, 1],
            flags: [12, 0],
        }),
    };
    let report = FuzzReport {
        first_seed: 0,
        end_seed: 10,
        steps: 90,
        strategies: vec!["threshold".to_owned()],
        failures: vec![failure(4), failure(7)],
        ..FuzzReport::default()
    };
    let text = report.to_text();
    let told = text.split_once("2 runs fail").map_or("", |(_, told)| told);
    expect![[r#"
        :

        FAILED: no node is overbooked (threshold, seed 4)
          +1m30s: g1-2
          again: plimsoll sim fuzz --seeds 4..5 --steps 90
          smallest: 1m31s of 15m, 4 of 31 objects, 1 of 9 events, 0 of 12 flags
          1 more, of seeds 7
    "#]]
    .assert_eq(told);
}
