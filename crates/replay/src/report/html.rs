//! The report as one HTML page that needs nothing else: no network, no script, no other file.
//!
//! Charts are inline SVG by our own code and the style is inline, so the same reports give the same
//! bytes, and the page opens from a disk or an e-mail. Everything from the recording is escaped.

mod axis;
mod chart;
mod decisions;
mod escape;
mod step_path;
mod tables;

use super::clock_text::full_instant;
use super::figures::{Amount, NOT_RECORDED};
use super::labels::labels;
use super::model::{ReplayMode, ReplayReport, SeriesPoint};
use super::money::with_thousands;
use super::prose::differences;
use super::seconds::Seconds;
use super::text::{assumptions, backtest_text, backtests, subject};
use chart::Chart;
use escape::escaped;

/// The page's style, light and dark.
const STYLE: &str = include_str!("html/style.css");
/// The style has this many colours; further strategies begin anew.
const COLOURS: usize = 8;

/// Lays out one or several reports of the same source and window as a whole HTML document. The first
/// report is the one that the others are held against.
#[must_use]
pub fn render(reports: &[ReplayReport]) -> String {
    let labels = labels(reports);
    let title = reports.first().map_or("no report", |report| report.source.as_str());
    let title = escaped(title);
    let mut body = String::new();
    if let Some(first) = reports.first() {
        body.push_str(&header(first));
        let timeline = reports.iter().any(|report| report.mode == ReplayMode::Timeline);
        if timeline {
            body.push_str(&cards(reports, &labels));
            body.push_str(&differing(reports));
            body.push_str(&charts(reports, &labels));
            body.push_str(&tables::totals(reports, &labels));
        }
        body.push_str(&decisions::bursts(reports, &labels));
        if timeline {
            body.push_str(&tables::groups(reports, &labels));
            body.push_str(&tables::never_scheduled(reports, &labels));
            body.push_str(&tables::waits(reports, &labels));
            body.push_str(&decisions::decisions(reports, &labels));
        }
        body.push_str(&backtest(reports, &labels));
        body.push_str(&taken_for_granted(reports, &labels));
    }
    let class = if reports.len() == 1 { " class=\"single\"" } else { "" };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · Plimsoll replay</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main{class}>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// The class that gives strategy `index` its colour.
fn colour_class(index: usize) -> String {
    format!("k{}", index % COLOURS)
}

/// A strategy's name with its colour beside it.
fn swatch(index: usize, label: &str) -> String {
    format!("<span class=\"swatch {}\"></span>{}", colour_class(index), escaped(label))
}

fn header(first: &ReplayReport) -> String {
    let mode = match first.mode {
        ReplayMode::Timeline => "",
        ReplayMode::ScaleUps => " · each recorded burst of scale-ups on its own",
    };
    format!(
        "<h1>{}</h1>\n<p class=\"lead\">{} of {} · {} to {} UTC · seed {}{mode}</p>\n",
        escaped(&first.source),
        Seconds::from(first.window()).to_short_text(),
        escaped(&subject(first)),
        full_instant(first.start_time),
        full_instant(first.end_time),
        first.seed,
    )
}

/// The few figures that decide, one card for each strategy.
fn cards(reports: &[ReplayReport], labels: &[String]) -> String {
    let mut html = String::from("<div class=\"cards\">\n");
    for (index, (report, label)) in reports.iter().zip(labels).enumerate() {
        let totals = &report.totals;
        let machines = totals.knows_machines();
        let unpriced = if machines { "no price" } else { NOT_RECORDED };
        let cost = totals.cost.map_or_else(|| unpriced.to_owned(), |cost| cost.to_dollars_text());
        let of_machines =
            |amount: Amount| if machines { amount.to_text() } else { NOT_RECORDED.to_owned() };
        let waits = totals.pending_seconds;
        let rows = [
            ("node-hours", of_machines(Amount::NodeHours(totals.node_hours))),
            (
                "pod wait, p50 / p99",
                format!("{} / {}", waits.p50.to_short_text(), waits.p99.to_short_text()),
            ),
            ("never scheduled", with_thousands(totals.pods_never_scheduled.into())),
            ("CPU utilisation", of_machines(Amount::Ratio(totals.cpu_utilization))),
        ];
        let list: String =
            rows.iter().map(|(title, value)| format!("<dt>{title}</dt><dd>{value}</dd>")).collect();
        html.push_str(&format!(
            "<div class=\"card {}\"><div class=\"name\">{}</div><div class=\"big\">{cost}</div>\
             <dl>{list}</dl></div>\n",
            colour_class(index),
            escaped(label),
        ));
    }
    html + "</div>\n"
}

fn differing(reports: &[ReplayReport]) -> String {
    let paragraphs: String =
        differences(reports).iter().map(|text| format!("<p>{}</p>\n", escaped(text))).collect();
    if paragraphs.is_empty() { paragraphs } else { section("What differs", &paragraphs) }
}

fn charts(reports: &[ReplayReport], labels: &[String]) -> String {
    let mut charts = vec![
        Chart {
            title: "Nodes",
            note: "paid for, those still booting included; dashed: ready",
            value: SeriesPoint::node_count,
            second: Some(("ready", SeriesPoint::ready_node_count)),
            is_money: false,
            needs_machines: true,
        },
        Chart {
            title: "Pending pods",
            note: "waiting for a node",
            value: SeriesPoint::pending_pod_count,
            second: None,
            is_money: false,
            needs_machines: false,
        },
    ];
    if reports.iter().flat_map(|report| &report.series).any(|point| point.cost_per_hour.is_some()) {
        charts.push(Chart {
            title: "Cost per hour",
            note: "US dollars, all nodes",
            value: SeriesPoint::microusd_per_hour,
            second: None,
            is_money: true,
            needs_machines: true,
        });
    }
    let drawn: String = charts.iter().map(|chart| chart.render(reports, labels)).collect();
    if drawn.is_empty() {
        return String::new();
    }
    let legend: String = labels
        .iter()
        .enumerate()
        .map(|(index, label)| format!("<span>{}</span>", swatch(index, label)))
        .collect();
    format!(
        "<h2>Over time <span class=\"note\">UTC</span></h2>\n<div class=\"legend\">{legend}</div>\n{drawn}"
    )
}

fn backtest(reports: &[ReplayReport], labels: &[String]) -> String {
    let all = backtests(reports, labels);
    let mut items = String::new();
    for (holders, backtest) in &all {
        let whose = if all.len() > 1 { format!("{}: ", holders.join(", ")) } else { String::new() };
        items.push_str(&format!("<li>{}{}</li>\n", escaped(&whose), backtest_text(backtest)));
    }
    if items.is_empty() {
        return items;
    }
    let lead = "<p class=\"lead\">The replay under the recorded settings, held against what happened: \
                how far every other figure here can be trusted.</p>\n";
    section("Backtest", &format!("{lead}<ul>\n{items}</ul>\n"))
}

fn taken_for_granted(reports: &[ReplayReport], labels: &[String]) -> String {
    let mut items = String::new();
    for (assumption, holders) in assumptions(reports, labels) {
        let whose = if holders.len() == reports.len() {
            String::new()
        } else {
            format!("{}: ", escaped(&holders.join(", ")))
        };
        items.push_str(&format!("<li>{whose}{}</li>\n", escaped(assumption)));
    }
    if items.is_empty() {
        return String::new();
    }
    section("Taken for granted", &format!("<ul>\n{items}</ul>\n"))
}

/// A heading and a panel below it.
fn section(title: &str, content: &str) -> String {
    format!("<h2>{title}</h2>\n<div class=\"panel\">\n{content}</div>\n")
}

#[cfg(test)]
mod tests;
