//! What the strategies decided: loop by loop, and burst by burst.

use plimsoll_core::SimTime;

use super::super::clock_text::full_instant;
use super::super::model::{LoopDecision, NodeScaleDown, ReplayReport};
use super::super::money::with_thousands;
use super::super::prose::counted;
use super::super::seconds::Seconds;
use super::super::text::bursts::{agreement_text, increases_text};
use super::escape::escaped;
use super::tables::{shown_of, table};
use super::{section, swatch};

/// How many loops are listed for each strategy; all are in the JSON.
const DECISIONS_SHOWN: usize = 400;
/// How many deletions and reasons one loop lists.
const LINES_OF_A_LOOP: usize = 12;
/// How many bursts are listed for each strategy.
const BURSTS_SHOWN: usize = 500;

/// The loops that did something, folded away.
pub(super) fn decisions(reports: &[ReplayReport], labels: &[String]) -> String {
    let mut panels = String::new();
    for (index, (report, label)) in reports.iter().zip(labels).enumerate() {
        let all = &report.decisions;
        if all.is_empty() {
            continue;
        }
        let rows: String = all.iter().take(DECISIONS_SHOWN).map(decision_row).collect();
        let head = "<th>time (UTC)</th><th>what</th><th>why</th>";
        panels.push_str(&format!(
            "<div class=\"panel\"><details><summary>{}: {} that did something{}</summary>\n{}</details></div>\n",
            swatch(index, label),
            counted(all.len() as u64, "loop"),
            shown_of(DECISIONS_SHOWN, all.len(), "loops"),
            table("words", head, &rows),
        ));
    }
    if panels.is_empty() { panels } else { format!("<h2>Decisions</h2>\n{panels}") }
}

/// Recorded bursts of scale-ups beside each strategy's.
pub(super) fn bursts(reports: &[ReplayReport], labels: &[String]) -> String {
    let mut html = String::new();
    for (index, (report, label)) in reports.iter().zip(labels).enumerate() {
        let all = &report.scale_up_bursts;
        if all.is_empty() {
            continue;
        }
        let mut rows = String::new();
        for burst in all.iter().take(BURSTS_SHOWN) {
            let verdict = if burst.agrees {
                "<span class=\"yes\">same</span>"
            } else {
                "<span class=\"no\">differs</span>"
            };
            rows.push_str(&format!(
                "<tr><td class=\"when\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{verdict}</td></tr>\n",
                full_instant(burst.time),
                with_thousands(burst.pending_pods.into()),
                escaped(&increases_text(&burst.recorded)),
                escaped(&increases_text(&burst.replayed)),
            ));
        }
        let head =
            "<th>time (UTC)</th><th>pending pods</th><th>recorded</th><th>replayed</th><th></th>";
        let title = format!(
            "{} <span class=\"note\">{}{}</span>",
            swatch(index, label),
            agreement_text(all),
            shown_of(BURSTS_SHOWN, all.len(), "bursts"),
        );
        html.push_str(&section(&title, &table("words", head, &rows)));
    }
    html
}

fn decision_row(decision: &LoopDecision) -> String {
    let ups = decision
        .scale_ups
        .iter()
        .map(|up| format!("{} from {} to {}", escaped(&up.group), up.from, up.to));
    let downs = decision.scale_downs.iter().map(|down| scale_down_text(down, decision.time));
    let what: Vec<String> = ups.chain(downs).collect();
    let why: Vec<String> = decision.reasons.iter().map(|reason| escaped(reason)).collect();
    format!(
        "<tr><td class=\"when\">{}</td><td>{}</td><td>{}</td></tr>\n",
        full_instant(decision.time),
        lines(&what),
        lines(&why),
    )
}

fn scale_down_text(down: &NodeScaleDown, decided: SimTime) -> String {
    let moves = match down.moves.len() {
        0 => String::new(),
        count => {
            let names = escaped(&down.moves.join(", "));
            let count = counted(count as u64, "pod");
            format!(", <span title=\"{names}\">{count} moved</span>")
        }
    };
    let gone = down.removed_at.map_or_else(
        || ", not gone by the end".to_owned(),
        |gone| format!(", gone after {}", Seconds::from(gone - decided).to_short_text()),
    );
    format!(
        "{} of {} taken away: {}{moves}{gone}",
        escaped(&down.node),
        escaped(&down.group),
        escaped(&down.reason)
    )
}

/// One below the other, cut off with a count.
fn lines(all: &[String]) -> String {
    let mut html = all.iter().take(LINES_OF_A_LOOP).cloned().collect::<Vec<_>>().join("<br>");
    if let Some(more) = all.len().checked_sub(LINES_OF_A_LOOP).filter(|more| *more > 0) {
        html.push_str(&format!(
            "<br><span class=\"note\">and {} more</span>",
            with_thousands(more as i128)
        ));
    }
    html
}
