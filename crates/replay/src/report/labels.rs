//! What the reports of one page are called.

use std::collections::BTreeMap;

use super::model::ReplayReport;

/// One name for each report: its strategy, with a number where several share it.
///
/// Two runs of one strategy (under other settings or seeds) are told apart as `threshold` and
/// `threshold #2`.
#[must_use]
pub fn labels(reports: &[ReplayReport]) -> Vec<String> {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let mut labels = Vec::with_capacity(reports.len());
    for report in reports {
        let count = seen.entry(&report.strategy).or_default();
        *count += 1;
        labels.push(match *count {
            1 => report.strategy.clone(),
            count => format!("{} #{count}", report.strategy),
        });
    }
    labels
}
