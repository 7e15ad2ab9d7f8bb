//! A short run holds, and a broken rule is found.

use super::*;

#[test]
fn forty_seeds_hold_under_every_strategy() {
    let options = FuzzOptions { seeds: 0..40, steps: 120, strategies: STRATEGIES.to_vec() };
    let report = run(&options, &|| {});
    assert!(report.failures.is_empty(), "{}", report.to_text());
    assert_eq!(report.coverage.runs, 80);
}
