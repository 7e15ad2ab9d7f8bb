//! A step function as the path of an SVG.

use plimsoll_core::SimTime;

use super::super::step_series::{StepSeries, slice_boundary};

/// The rectangle in which a chart draws: a window of time across, 0 to `top` upwards. All lengths
/// are in tenths of a pixel, so that a coordinate is exact in print.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plot {
    /// The left edge.
    pub(super) left: i64,
    /// The upper edge.
    pub(super) upper: i64,
    /// The width.
    pub(super) width: i64,
    /// The height.
    pub(super) height: i64,
    /// The instant at the left edge.
    pub(super) from: SimTime,
    /// The instant at the right edge.
    pub(super) to: SimTime,
    /// The value at the upper edge, above 0.
    pub(super) top: i64,
}

impl Plot {
    /// Where `time` lies across.
    pub(super) fn x(&self, time: SimTime) -> i64 {
        let span = i128::from((self.to - self.from).0).max(1);
        let offset = i128::from((time - self.from).0) * i128::from(self.width) / span;
        self.left + i64::try_from(offset).unwrap_or(self.width).clamp(0, self.width)
    }

    /// Where `value` lies upwards.
    pub(super) fn y(&self, value: i64) -> i64 {
        self.y_of_ratio(value.into(), 1)
    }

    /// Where `numerator / denominator` lies upwards; at the bottom when `denominator` is 0.
    fn y_of_ratio(&self, numerator: i128, denominator: i64) -> i64 {
        let scale = i128::from(denominator) * i128::from(self.top.max(1));
        let offset = if scale == 0 { 0 } else { numerator * i128::from(self.height) / scale };
        let offset = i64::try_from(offset).unwrap_or(self.height).clamp(0, self.height);
        self.upper + self.height - offset
    }

    /// The left edge of a column of pixels.
    fn column_x(&self, column: usize) -> i64 {
        self.left + i64::try_from(column).unwrap_or(0) * 10
    }
}

/// How a step function is drawn.
pub(super) struct Curve {
    /// The line: the function itself or, where it changes more often than there are pixels, its mean
    /// over each column of pixels.
    pub(super) line: String,
    /// Where the line is a mean: the area between the lowest and the highest value of each column, so
    /// that no peak is lost.
    pub(super) range: Option<String>,
}

/// Draws `series` in `plot`.
pub(super) fn curve(series: &StepSeries, plot: &Plot) -> Curve {
    let columns = usize::try_from(plot.width / 10).unwrap_or(1).max(1);
    let inside =
        series.changes().iter().filter(|change| change.0 > plot.from && change.0 < plot.to);
    if inside.clone().count() > columns {
        return Curve {
            line: mean_line(series, plot, columns),
            range: Some(range_area(series, plot, columns)),
        };
    }
    let mut pen = Pen::at(plot.left, plot.y(series.value_at(plot.from)));
    for &(time, value) in inside {
        pen.step(plot.x(time), plot.y(value));
    }
    Curve { line: pen.finish(plot.left + plot.width), range: None }
}

/// The mean of each column over its time.
fn mean_line(series: &StepSeries, plot: &Plot, columns: usize) -> String {
    let mut pen: Option<Pen> = None;
    for column in 0..columns {
        let from = slice_boundary(plot.from, plot.to, column, columns);
        let to = slice_boundary(plot.from, plot.to, column + 1, columns);
        let y = plot.y_of_ratio(series.integral(from, to), (to - from).0);
        match &mut pen {
            Some(pen) => pen.step(plot.column_x(column), y),
            None => pen = Some(Pen::at(plot.left, y)),
        }
    }
    pen.map_or_else(String::new, |pen| pen.finish(plot.left + plot.width))
}

/// The outline of what lies between each column's extremes.
fn range_area(series: &StepSeries, plot: &Plot, columns: usize) -> String {
    let slices = series.slices(plot.from, plot.to, columns);
    let highest = slices.first().map_or(0, |slice| slice.max);
    let mut pen = Pen::at(plot.left, plot.y(highest));
    for (column, slice) in slices.iter().enumerate() {
        pen.step(plot.column_x(column), plot.y(slice.max));
    }
    pen.across(plot.left + plot.width);
    for (column, slice) in slices.iter().enumerate().rev() {
        pen.step(plot.column_x(column + 1), plot.y(slice.min));
    }
    pen.finish(plot.left) + "Z"
}

/// A path that only runs across and upwards.
struct Pen {
    path: String,
    y: i64,
}

impl Pen {
    fn at(x: i64, y: i64) -> Pen {
        Pen { path: format!("M{} {}", tenths(x), tenths(y)), y }
    }

    fn across(&mut self, x: i64) {
        self.path.push_str(&format!("H{}", tenths(x)));
    }

    fn finish(mut self, x: i64) -> String {
        self.across(x);
        self.path
    }

    fn step(&mut self, x: i64, y: i64) {
        if y != self.y {
            self.path.push_str(&format!("H{}V{}", tenths(x), tenths(y)));
            self.y = y;
        }
    }
}

/// A length in tenths of a pixel as pixels.
pub(super) fn tenths(length: i64) -> String {
    match (length / 10, (length % 10).abs()) {
        (pixels, 0) => pixels.to_string(),
        (pixels, tenth) => format!("{pixels}.{tenth}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(seconds: i64, columns: i64) -> Plot {
        let to = SimTime(seconds * 1000);
        let (left, upper, from) = (0, 0, SimTime(0));
        Plot { left, upper, width: columns * 10, height: 100, from, to, top: 10 }
    }

    fn drawn(changes: &[(i64, i64)], plot: &Plot) -> Curve {
        let changes = changes.iter().map(|&(second, value)| (SimTime(second * 1000), value));
        curve(&StepSeries::new(changes), plot)
    }

    #[test]
    fn few_changes_are_drawn_where_they_are() {
        let curve = drawn(&[(0, 2), (5, 10), (7, 10)], &plot(10, 20));
        assert_eq!(curve.line, "M0 8H10V0H20");
        assert!(curve.range.is_none());
    }

    #[test]
    fn of_many_changes_in_a_column_the_mean_and_the_extremes_remain() {
        let changes: Vec<(i64, i64)> =
            (0..1000).map(|second| (second, if second == 777 { 10 } else { second % 2 })).collect();
        let curve = drawn(&changes, &plot(1000, 4));
        assert_eq!(curve.line, "M0 9.5H4");
        assert_eq!(curve.range.as_deref(), Some("M0 9H3V0H4H4V10H0Z"));
    }

    #[test]
    fn nothing_one_point_and_no_time_are_flat_lines() {
        assert_eq!(drawn(&[], &plot(10, 20)).line, "M0 10H20");
        assert_eq!(drawn(&[(0, 5)], &plot(10, 20)).line, "M0 5H20");
        assert_eq!(drawn(&[(0, 5)], &plot(0, 20)).line, "M0 5H20");
    }
}
