//! How long pods waited: sum, percentiles, maximum.

use plimsoll_core::SimDuration;
use serde::{Deserialize, Serialize};

use super::seconds::Seconds;

/// Waiting times of pods that were bound, from creation to binding, in seconds.
///
/// Percentiles are by nearest rank: the p-th is the smallest wait that at least p % of the pods did
/// not exceed. It is always a wait that a pod really had, so nothing is interpolated. Without pods
/// all are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingSeconds {
    /// All waits together.
    pub sum: Seconds,
    /// The median.
    pub p50: Seconds,
    /// The 90th percentile.
    pub p90: Seconds,
    /// The 99th percentile.
    pub p99: Seconds,
    /// The longest wait.
    pub max: Seconds,
}

impl PendingSeconds {
    /// Sums up `waits`; their order does not matter.
    #[must_use]
    pub fn of(waits: &[SimDuration]) -> PendingSeconds {
        let mut sorted = waits.to_vec();
        sorted.sort_unstable();
        let percentile = |percent| Seconds(nearest_rank(&sorted, percent).unwrap_or_default().0);
        PendingSeconds {
            sum: Seconds(sorted.iter().fold(0, |sum: i64, wait| sum.saturating_add(wait.0))),
            p50: percentile(50),
            p90: percentile(90),
            p99: percentile(99),
            max: percentile(100),
        }
    }
}

/// The `percent`-th percentile (1 to 100) of ascending `sorted` by nearest rank; `None` when empty.
#[must_use]
pub fn nearest_rank(sorted: &[SimDuration], percent: usize) -> Option<SimDuration> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).or(sorted.last()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(seconds: impl IntoIterator<Item = i64>) -> Vec<SimDuration> {
        seconds.into_iter().map(SimDuration::from_secs).collect()
    }

    #[test]
    fn nobody_waiting_is_all_zero() {
        assert_eq!(PendingSeconds::of(&[]), PendingSeconds::default());
    }

    #[test]
    fn one_wait_is_every_percentile() {
        let pending = PendingSeconds::of(&[SimDuration(1_250)]);
        let wait = Seconds(1_250);
        assert_eq!(
            pending,
            PendingSeconds { sum: wait, p50: wait, p90: wait, p99: wait, max: wait }
        );
    }

    #[test]
    fn a_percentile_is_a_wait_that_a_pod_had() {
        let pending = PendingSeconds::of(&waits((1..=200).rev()));
        let seconds = [pending.p50, pending.p90, pending.p99, pending.max].map(|s| s.0 / 1000);
        assert_eq!(seconds, [100, 180, 198, 200]);
        assert_eq!(nearest_rank(&waits([1, 2, 3]), 50), Some(SimDuration::from_secs(2)));
        assert_eq!(nearest_rank(&waits([1, 2]), 50), Some(SimDuration::from_secs(1)));
    }
}
