//! Pods grouped by the batch interval in which they came into being.

use plimsoll_core::{SimDuration, SimTime};

/// The names in `pods` (creation time and `ns/name`), one list for each interval of length `interval`
/// from `start` on that had some; oldest interval first, and within one by time, then by name.
///
/// An interval that is not positive makes one list of all.
#[must_use]
pub fn by_batch_interval(
    mut pods: Vec<(SimTime, String)>,
    start: SimTime,
    interval: SimDuration,
) -> Vec<Vec<String>> {
    pods.sort();
    let batch_of = |time: SimTime| match interval.0 {
        length if length > 0 => (time - start).0.div_euclid(length),
        _ => 0,
    };
    let mut batches: Vec<Vec<String>> = Vec::new();
    let mut current = None;
    for (time, pod) in pods {
        let batch = batch_of(time);
        match batches.last_mut() {
            Some(last) if current == Some(batch) => last.push(pod),
            _ => batches.push(vec![pod]),
        }
        current = Some(batch);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_one_interval_are_one_batch_and_empty_intervals_are_left_out() {
        let pod = |ms: i64, name: &str| (SimTime(ms), name.to_owned());
        let pods =
            vec![pod(30_000, "d"), pod(9_999, "a"), pod(0, "b"), pod(0, "a"), pod(10_000, "c")];
        let ten_seconds = SimDuration::from_secs(10);
        assert_eq!(
            by_batch_interval(pods.clone(), SimTime(0), ten_seconds),
            [vec!["a", "b", "a"], vec!["c"], vec!["d"]]
        );
        assert_eq!(by_batch_interval(pods, SimTime(0), SimDuration::ZERO).len(), 1);
        assert!(by_batch_interval(Vec::new(), SimTime(0), ten_seconds).is_empty());
    }
}
