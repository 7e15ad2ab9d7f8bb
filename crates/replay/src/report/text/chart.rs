//! Nodes and pending pods over time, a line of blocks for each strategy.

use plimsoll_core::SimDuration;

use super::super::clock_text::short_instant;
use super::super::figures::NOT_RECORDED;
use super::super::model::{ReplayReport, SeriesPoint, SeriesValue};
use super::super::seconds::Seconds;
use super::super::sparkline::sparkline;

/// Wider charts are no easier to read.
const MAX_COLUMNS: usize = 96;
/// Narrower ones say nothing.
const MIN_COLUMNS: usize = 16;
/// Room at a row's end for `max 1,234,567`.
const MAX_LABEL_WIDTH: usize = 13;
/// The width of the longest of the charts' own names.
const TITLE_WIDTH: usize = 7;
/// The name of the chart of nodes.
const NODES: &str = "nodes";

/// Both charts with a time axis above them, on one scale for all strategies; nothing when there is
/// no series.
pub(super) fn lines(reports: &[ReplayReport], labels: &[String], width: usize) -> Vec<String> {
    let Some(first) = reports.first() else { return Vec::new() };
    if reports.iter().all(|report| report.series.is_empty()) {
        return Vec::new();
    }
    let label_width = match labels {
        [_] => 0,
        several => several.iter().map(|label| label.chars().count() + 1).max().unwrap_or(0),
    };
    let margin = TITLE_WIDTH + 2 + label_width;
    let columns = width.saturating_sub(margin + MAX_LABEL_WIDTH).clamp(MIN_COLUMNS, MAX_COLUMNS);
    let mut lines = vec![axis(first, margin, columns)];
    for (title, value) in CHARTS {
        let tops: Vec<i64> =
            reports.iter().map(|r| r.step_series(value).max(r.start_time, r.end_time)).collect();
        let top = tops.iter().copied().max().unwrap_or(0);
        for (index, report) in reports.iter().enumerate() {
            let label = if labels.len() > 1 { labels[index].as_str() } else { "" };
            let shown_title = if index == 0 { title } else { "" };
            if title == NODES && !report.totals.knows_machines() {
                lines.push(format!(
                    "{shown_title:<TITLE_WIDTH$}  {label:<label_width$}{NOT_RECORDED}"
                ));
                continue;
            }
            let slices =
                report.step_series(value).slices(report.start_time, report.end_time, columns);
            lines.push(format!(
                "{shown_title:<TITLE_WIDTH$}  {label:<label_width$}{}  max {}",
                sparkline(&slices, top),
                tops[index]
            ));
        }
    }
    let span = column_span_text(first.window(), columns);
    let scale = if reports.len() > 1 { ", on one scale for all strategies" } else { "" };
    lines.push(format!("{:margin$}a column is {span} and shows its maximum{scale}", ""));
    lines
}

/// What is drawn, in this order.
const CHARTS: [(&str, SeriesValue); 2] =
    [(NODES, SeriesPoint::node_count), ("pending", SeriesPoint::pending_pod_count)];

/// The first and last instant above the first and last column.
fn axis(report: &ReplayReport, margin: usize, columns: usize) -> String {
    let window = report.window();
    let (from, to) =
        (short_instant(report.start_time, window), short_instant(report.end_time, window));
    let gap = columns.saturating_sub(from.chars().count() + to.chars().count()).max(1);
    format!("{:margin$}{from}{:gap$}{to}", "", "")
}

/// How much time one of `columns` columns covers: `10m26s`, `10h46m`.
fn column_span_text(window: SimDuration, columns: usize) -> String {
    let span_ms = window.0 / i64::try_from(columns.max(1)).unwrap_or(i64::MAX);
    if span_ms < SimDuration::from_hours(1).0 {
        SimDuration::from_secs((span_ms + 500) / 1000).to_string()
    } else {
        Seconds(span_ms).to_short_text()
    }
}
