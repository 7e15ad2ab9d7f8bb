//! Step functions of time: a value holds until the next change.

use plimsoll_core::{SimDuration, SimTime};

/// An integer step function on a closed-open span, by its changes.
///
/// Before its first change it is 0. Changes must be added in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepSeries {
    changes: Vec<(SimTime, i64)>,
}

/// What a [`StepSeries`] did within one of equal slices of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The value with which the slice began.
    pub first: i64,
    /// The lowest value in the slice.
    pub min: i64,
    /// The highest value in the slice.
    pub max: i64,
    /// The value with which the slice ended.
    pub last: i64,
}

impl StepSeries {
    /// The function with these changes; see [`StepSeries::set`].
    #[must_use]
    pub fn new(changes: impl IntoIterator<Item = (SimTime, i64)>) -> StepSeries {
        let mut series = StepSeries::default();
        for (time, value) in changes {
            series.set(time, value);
        }
        series
    }

    /// From `time` on the value is `value`. A change at the same instant replaces the earlier one; a
    /// change that lies before the last one is taken at the last one's instant.
    pub fn set(&mut self, time: SimTime, value: i64) {
        if let Some(last) = self.changes.last_mut()
            && time <= last.0
        {
            last.1 = value;
            return;
        }
        if self.changes.last().map_or(0, |last| last.1) != value || self.changes.is_empty() {
            self.changes.push((time, value));
        }
    }

    /// The changes in order of time.
    #[must_use]
    pub fn changes(&self) -> &[(SimTime, i64)] {
        &self.changes
    }

    /// The value at `time`, a change at that very instant included.
    #[must_use]
    pub fn value_at(&self, time: SimTime) -> i64 {
        match self.changes.partition_point(|change| change.0 <= time) {
            0 => 0,
            after => self.changes[after - 1].1,
        }
    }

    /// The highest value from `from` to before `to`; the value at `from` when the span is empty.
    #[must_use]
    pub fn max(&self, from: SimTime, to: SimTime) -> i64 {
        self.pieces(from, to).map(|piece| piece.1).fold(self.value_at(from), i64::max)
    }

    /// The integral from `from` to `to`, in value × milliseconds; 0 when the span is empty.
    #[must_use]
    pub fn integral(&self, from: SimTime, to: SimTime) -> i128 {
        self.pieces(from, to).map(|(span, value)| i128::from(span.0) * i128::from(value)).sum()
    }

    /// `count` slices of equal length from `from` to `to`; none when `count` is 0, and one slice for
    /// an instant when the span is empty.
    #[must_use]
    pub fn slices(&self, from: SimTime, to: SimTime, count: usize) -> Vec<Slice> {
        if count == 0 {
            return Vec::new();
        }
        if to <= from {
            let value = self.value_at(from);
            return vec![Slice { first: value, min: value, max: value, last: value }];
        }
        let mut slices = Vec::with_capacity(count);
        let mut next = self.changes.partition_point(|change| change.0 <= from);
        let mut value = self.value_at(from);
        for index in 1..=count {
            let end = slice_boundary(from, to, index, count);
            let mut slice = Slice { first: value, min: value, max: value, last: value };
            while let Some(&(_, changed)) = self.changes.get(next).filter(|c| c.0 < end) {
                // A change at the very beginning leaves the earlier value no time in this slice.
                if self.changes[next].0 == slice_boundary(from, to, index - 1, count) {
                    slice = Slice { first: changed, min: changed, max: changed, last: changed };
                }
                slice.min = slice.min.min(changed);
                slice.max = slice.max.max(changed);
                slice.last = changed;
                value = changed;
                next += 1;
            }
            slices.push(slice);
        }
        slices
    }

    /// The spans of constant value between `from` and `to`.
    fn pieces(&self, from: SimTime, to: SimTime) -> impl Iterator<Item = (SimDuration, i64)> {
        let first = self.changes.partition_point(|change| change.0 <= from);
        let before = (from, self.value_at(from));
        let inside = self.changes[first..].iter().copied().take_while(move |c| c.0 < to);
        let starts: Vec<(SimTime, i64)> = std::iter::once(before).chain(inside).collect();
        let ends: Vec<SimTime> = starts.iter().skip(1).map(|c| c.0).chain([to]).collect();
        starts
            .into_iter()
            .zip(ends)
            .map(|((start, value), end)| (end - start, value))
            .filter(|(span, _)| *span > SimDuration::ZERO)
    }
}

/// Where slice `index` of `count` begins.
#[must_use]
pub fn slice_boundary(from: SimTime, to: SimTime, index: usize, count: usize) -> SimTime {
    let span = i128::from(to.0) - i128::from(from.0);
    let offset = span * index as i128 / (count.max(1) as i128);
    SimTime(from.0.saturating_add(i64::try_from(offset).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> SimTime {
        SimTime(seconds * 1000)
    }

    fn staircase() -> StepSeries {
        StepSeries::new([(at(0), 1), (at(10), 3), (at(10), 4), (at(20), 4), (at(30), 2)])
    }

    #[test]
    fn only_real_changes_are_kept_and_the_last_of_an_instant_wins() {
        assert_eq!(staircase().changes(), [(at(0), 1), (at(10), 4), (at(30), 2)]);
    }

    #[test]
    fn a_value_holds_from_its_change_to_the_next() {
        let values = [-1, 0, 9, 10, 29, 30, 99].map(|s| staircase().value_at(at(s)));
        assert_eq!(values, [0, 1, 1, 4, 4, 2, 2]);
    }

    #[test]
    fn the_integral_weighs_values_by_their_time() {
        assert_eq!(staircase().integral(at(0), at(40)), (10 + 20 * 4 + 10 * 2) * 1000);
        assert_eq!(staircase().integral(at(5), at(15)), (5 + 5 * 4) * 1000);
        assert_eq!(staircase().integral(at(15), at(15)), 0);
        assert_eq!(StepSeries::default().integral(at(0), at(9)), 0);
    }

    #[test]
    fn the_maximum_leaves_out_what_begins_at_the_end() {
        assert_eq!(staircase().max(at(0), at(10)), 1);
        assert_eq!(staircase().max(at(0), at(11)), 4);
        assert_eq!(staircase().max(at(30), at(30)), 2);
    }

    #[test]
    fn slices_keep_the_extremes_that_fall_between_their_borders() {
        let series = StepSeries::new([(at(0), 2), (at(11), 9), (at(12), 2), (at(20), 0)]);
        assert_eq!(
            series.slices(at(0), at(40), 4),
            [
                Slice { first: 2, min: 2, max: 2, last: 2 },
                Slice { first: 2, min: 2, max: 9, last: 2 },
                Slice { first: 0, min: 0, max: 0, last: 0 },
                Slice { first: 0, min: 0, max: 0, last: 0 },
            ]
        );
    }

    #[test]
    fn an_empty_span_is_one_slice_and_no_slices_are_none() {
        assert_eq!(staircase().slices(at(10), at(10), 5).len(), 1);
        assert!(staircase().slices(at(0), at(10), 0).is_empty());
        assert_eq!(StepSeries::default().slices(at(0), at(3), 2)[1].max, 0);
    }
}
