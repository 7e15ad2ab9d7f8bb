//! A chart of one quantity over time, a step line for each strategy, as inline SVG.

use plimsoll_core::SimDuration;

use super::super::clock_text::{formatted, short_instant};
use super::super::model::{ReplayReport, SeriesValue};
use super::super::money::{MicroUsd, with_thousands};
use super::super::step_series::{Slice, StepSeries, slice_boundary};
use super::axis::{time_ticks, value_ticks};
use super::escape::escaped;
use super::step_path::{Curve, Plot, curve, tenths};

/// The chart's size and margins, in pixels of its own scale.
const WIDTH: i64 = 1080;
const HEIGHT: i64 = 230;
const LEFT: i64 = 62;
const RIGHT: i64 = 24;
const UPPER: i64 = 12;
const LOWER: i64 = 28;
/// The width of a letter below a tick, in tenths of a pixel.
const TICK_LETTER_TENTHS: i64 = 72;
/// Into how many bands the hover texts divide the window.
const BANDS: usize = 180;
/// With more strategies than this, filled areas would blend into a colour of none.
const MAX_FILLED: usize = 1;
/// What the lines are where there are more changes than pixels.
const DENSE_NOTE: &str = "; lines: mean, shaded: lowest to highest";
/// Prices are not told apart below a cent.
const CENT_MICROUSD: i64 = 10_000;

/// What one chart shows.
pub(super) struct Chart {
    /// Its heading.
    pub(super) title: &'static str,
    /// What the heading leaves open.
    pub(super) note: &'static str,
    /// The quantity.
    pub(super) value: SeriesValue,
    /// A second quantity of the same unit with its name, drawn dashed.
    pub(super) second: Option<(&'static str, SeriesValue)>,
    /// Whether the quantity is money in micro-dollars.
    pub(super) is_money: bool,
    /// Whether it is about machines, which not every recording tells of.
    pub(super) needs_machines: bool,
}

impl Chart {
    /// The chart with its heading; empty when no report has a series.
    pub(super) fn render(&self, reports: &[ReplayReport], labels: &[String]) -> String {
        let Some(first) = reports.first().filter(|_| reports.iter().any(|r| !r.series.is_empty()))
        else {
            return String::new();
        };
        let lines: Vec<Option<Line>> = reports.iter().map(|report| self.line(report)).collect();
        let max = lines.iter().flatten().map(|line| line.max(first)).max().unwrap_or(0);
        let ticks = value_ticks(max, if self.is_money { CENT_MICROUSD } else { 1 });
        let plot = Plot {
            left: LEFT * 10,
            upper: UPPER * 10,
            width: (WIDTH - LEFT - RIGHT) * 10,
            height: (HEIGHT - UPPER - LOWER) * 10,
            from: first.start_time,
            to: first.end_time,
            top: ticks.last().copied().unwrap_or(1),
        };
        let curves: Vec<Option<Curves>> =
            lines.iter().map(|line| line.as_ref().map(|line| line.curves(&plot))).collect();
        let dense = curves.iter().flatten().any(|curves| curves.main.range.is_some());
        format!(
            "<figure><figcaption><h3>{}</h3><span class=\"note\">{}{}</span></figcaption>\n\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{} over time\">\n{}{}{}{}</svg></figure>\n",
            self.title,
            self.note,
            if dense { DENSE_NOTE } else { "" },
            self.title,
            self.value_axis(&plot, &ticks),
            time_axis(&plot),
            drawn(&curves, &plot),
            self.bands(&lines, labels, &plot),
        )
    }

    /// The lines of a report; `None` where it knows nothing of the quantity.
    fn line(&self, report: &ReplayReport) -> Option<Line> {
        if self.needs_machines && !report.totals.knows_machines() {
            return None;
        }
        let second = self.second.map(|(_, value)| report.step_series(value));
        Some(Line { main: report.step_series(self.value), second })
    }

    fn value_axis(&self, plot: &Plot, ticks: &[i64]) -> String {
        let mut svg = String::new();
        for &tick in ticks {
            let y = tenths(plot.y(tick));
            let (left, right) = (tenths(plot.left), tenths(plot.left + plot.width));
            svg.push_str(&format!(
                "<path class=\"grid\" d=\"M{left} {y}H{right}\"/>\
                 <text class=\"tick\" x=\"{}\" y=\"{y}\" dy=\".32em\" text-anchor=\"end\">{}</text>\n",
                tenths(plot.left - 80),
                self.text(tick),
            ));
        }
        svg
    }

    fn text(&self, value: i64) -> String {
        if self.is_money { MicroUsd(value).to_dollars_text() } else { with_thousands(value.into()) }
    }

    /// Invisible bands that tell the values under the pointer.
    fn bands(&self, lines: &[Option<Line>], labels: &[String], plot: &Plot) -> String {
        let count = if plot.from < plot.to { BANDS } else { 1 };
        let known =
            lines.iter().zip(labels).filter_map(|(line, label)| Some((line.as_ref()?, label)));
        let slices: Vec<(SlicedLine, &String)> = known
            .map(|(line, label)| {
                let second = line.second.as_ref();
                let sliced = |series: &StepSeries| series.slices(plot.from, plot.to, count);
                let line = SlicedLine { main: sliced(&line.main), second: second.map(sliced) };
                (line, label)
            })
            .collect();
        let mut svg = String::new();
        for band in 0..count {
            let from = slice_boundary(plot.from, plot.to, band, count);
            let to = slice_boundary(plot.from, plot.to, band + 1, count);
            let mut text =
                format!("{} to {}", formatted(from, "%F %H:%M"), formatted(to, "%H:%M UTC"));
            for (line, label) in &slices {
                text.push_str(&format!("\n{label}: {}", self.range(&line.main[band])));
                if let (Some(second), Some((name, _))) = (&line.second, self.second) {
                    text.push_str(&format!(", {name} {}", self.range(&second[band])));
                }
            }
            let (x, end) = (plot.x(from), plot.x(to).max(plot.x(from) + 10));
            svg.push_str(&format!(
                "<rect class=\"band\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{}</title></rect>\n",
                tenths(x),
                tenths(plot.upper),
                tenths(end - x),
                tenths(plot.height),
                escaped(&text),
            ));
        }
        svg
    }

    fn range(&self, slice: &Slice) -> String {
        if slice.min == slice.max {
            self.text(slice.max)
        } else {
            format!("{} to {}", self.text(slice.min), self.text(slice.max))
        }
    }
}

/// One strategy's curves in bands of time.
struct SlicedLine {
    main: Vec<Slice>,
    second: Option<Vec<Slice>>,
}

/// One strategy's curves.
struct Line {
    main: StepSeries,
    second: Option<StepSeries>,
}

impl Line {
    fn curves(&self, plot: &Plot) -> Curves {
        let second = self.second.as_ref().map(|series| curve(series, plot));
        Curves { main: curve(&self.main, plot), second }
    }

    fn max(&self, report: &ReplayReport) -> i64 {
        let max = |series: &StepSeries| series.max(report.start_time, report.end_time);
        self.second.as_ref().map_or(0, max).max(max(&self.main))
    }
}

/// One strategy's curves, drawn.
struct Curves {
    main: Curve,
    second: Option<Curve>,
}

fn drawn(all: &[Option<Curves>], plot: &Plot) -> String {
    let mut svg = String::new();
    for (index, curves) in all.iter().enumerate() {
        let Some(curves) = curves else { continue };
        let colour = super::colour_class(index);
        let mut path = |class: &str, path: &str| {
            svg.push_str(&format!("<path class=\"{class} {colour}\" d=\"{path}\"/>\n"));
        };
        if let Some(range) = &curves.main.range {
            path("range", range);
        } else if all.len() <= MAX_FILLED {
            let (floor, left) = (tenths(plot.upper + plot.height), tenths(plot.left));
            path("area", &format!("{}V{floor}H{left}Z", curves.main.line));
        }
        if let Some(second) = &curves.second {
            path("curve second", &second.line);
        }
        path("curve", &curves.main.line);
    }
    svg
}

fn time_axis(plot: &Plot) -> String {
    let (ticks, step) = time_ticks(plot.from, plot.to);
    // Ticks that are days apart need no time of day.
    let day = SimDuration::from_hours(24);
    let window = if step >= day { SimDuration(i64::MAX) } else { plot.to - plot.from };
    let (floor, upper) = (plot.upper + plot.height, tenths(plot.upper));
    let mut svg = String::new();
    for tick in ticks {
        let (x, edge) = (tenths(plot.x(tick)), plot.left + plot.width);
        let text = short_instant(tick, window);
        let half_width = i64::try_from(text.len()).unwrap_or(0) * TICK_LETTER_TENTHS / 2;
        let anchor = if plot.x(tick) + half_width > edge + RIGHT * 10 { "end" } else { "middle" };
        svg.push_str(&format!(
            "<path class=\"grid\" d=\"M{x} {upper}V{}\"/>\
             <text class=\"tick\" x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>\n",
            tenths(floor + 40),
            tenths(floor + 180),
            text,
        ));
    }
    svg
}
