//! `plimsoll history gaps`: the times when nobody watched.

use plimsoll_history::Gap;
use plimsoll_replay::report::{API_VERSION, Seconds};
use serde_json::{Value, json};

use super::AsOf;
use crate::exit::Outcome;
use crate::output;
use crate::tables::{Side, lay_out};

pub(super) fn run(arguments: &AsOf) -> anyhow::Result<Outcome> {
    let (history, at) = arguments.open()?;
    let begun: Vec<Gap> = history.gaps().iter().filter(|gap| gap.from <= at).copied().collect();
    if arguments.json {
        let document =
            json!({"apiVersion": API_VERSION, "kind": "HistoryGaps", "gaps": json(&begun)});
        output::print_json(&document)?;
    } else if begun.is_empty() {
        output::print(&format!("no gaps until {at}\n"))?;
    } else {
        output::print(&text(&begun))?;
    }
    Ok(Outcome::Success)
}

/// The gaps for programs.
pub(super) fn json(gaps: &[Gap]) -> Value {
    let entries =
        gaps.iter().map(|gap| json!({"from": gap.from.to_string(), "to": gap.to.to_string()}));
    Value::Array(entries.collect())
}

fn text(gaps: &[Gap]) -> String {
    let rows = gaps
        .iter()
        .map(|gap| {
            let length = Seconds::from(gap.to - gap.from).to_short_text();
            vec![gap.from.to_string(), gap.to.to_string(), length]
        })
        .collect();
    lay_out(&[("from", Side::Left), ("to", Side::Left), ("length", Side::Right)], rows)
}

#[cfg(test)]
mod tests {
    use plimsoll_core::SimTime;

    use super::*;

    #[test]
    fn gaps_are_told_with_their_length() {
        let gaps = [Gap { from: SimTime(0), to: SimTime(90_000) }];
        assert_eq!(
            text(&gaps),
            "  from                  to                    length\n  \
             1970-01-01T00:00:00Z  1970-01-01T00:01:30Z     90s\n"
        );
        assert_eq!(
            json(&gaps).to_string(),
            r#"[{"from":"1970-01-01T00:00:00Z","to":"1970-01-01T00:01:30Z"}]"#
        );
    }
}
