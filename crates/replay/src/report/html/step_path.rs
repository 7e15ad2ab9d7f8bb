//! A step function as the path of an SVG.

use plimsoll_core::SimTime;

use super::super::step_series::StepSeries;

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
        let value = i128::from(value.clamp(0, self.top));
        let offset = value * i128::from(self.height) / i128::from(self.top.max(1));
        self.upper + self.height - i64::try_from(offset).unwrap_or(self.height)
    }
}

/// The path of `series` in `plot`. Where there are more changes than pixels, each column of pixels
/// shows the lowest and the highest value that fall in it, so no peak is lost.
pub(super) fn step_path(series: &StepSeries, plot: &Plot) -> String {
    let start = plot.y(series.value_at(plot.from));
    let mut pen = Pen { path: format!("M{} {}", tenths(plot.left), tenths(start)), y: start };
    let columns = usize::try_from(plot.width / 10).unwrap_or(1).max(1);
    let inside =
        series.changes().iter().filter(|change| change.0 > plot.from && change.0 < plot.to);
    if inside.clone().count() <= columns {
        for &(time, value) in inside {
            pen.step(plot.x(time), plot.y(value));
        }
    } else {
        for (column, slice) in series.slices(plot.from, plot.to, columns).iter().enumerate() {
            let x = plot.left + i64::try_from(column).unwrap_or(0) * 10 + 5;
            for value in [slice.first, slice.min, slice.max, slice.last] {
                pen.step(x, plot.y(value));
            }
        }
    }
    pen.path.push_str(&format!("H{}", tenths(plot.left + plot.width)));
    pen.path
}

/// A path that only runs across and upwards.
struct Pen {
    path: String,
    y: i64,
}

impl Pen {
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

    fn path(changes: &[(i64, i64)], plot: &Plot) -> String {
        let changes = changes.iter().map(|&(second, value)| (SimTime(second * 1000), value));
        step_path(&StepSeries::new(changes), plot)
    }

    #[test]
    fn few_changes_are_drawn_where_they_are() {
        assert_eq!(path(&[(0, 2), (5, 10), (7, 10)], &plot(10, 20)), "M0 8H10V0H20");
    }

    #[test]
    fn of_many_changes_in_a_column_the_extremes_remain() {
        let changes: Vec<(i64, i64)> =
            (0..1000).map(|second| (second, if second == 777 { 10 } else { second % 2 })).collect();
        let path = path(&changes, &plot(1000, 4));
        assert_eq!(path, "M0 10H0.5V9H1.5V10H1.5V9H2.5V10H2.5V9H3.5V10H3.5V0H3.5V9H4");
    }

    #[test]
    fn nothing_one_point_and_no_time_are_flat_lines() {
        assert_eq!(path(&[], &plot(10, 20)), "M0 10H20");
        assert_eq!(path(&[(0, 5)], &plot(10, 20)), "M0 5H20");
        assert_eq!(path(&[(0, 5)], &plot(0, 20)), "M0 5H20");
    }
}
