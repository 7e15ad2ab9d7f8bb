//! `plimsoll history events`: what Kubernetes said was happening.

use std::ops::ControlFlow;

use plimsoll_history::HistoryError;
use serde_json::{Value, json};

use super::{Between, Span};
use crate::exit::Outcome;
use crate::output;
use crate::tables::{Side, lay_out};

pub(super) fn run(arguments: &Between) -> anyhow::Result<Outcome> {
    let span = arguments.open()?;
    let events = read(&span)?;
    if arguments.json {
        output::print_json(&json!({"apiVersion": "v1", "kind": "List", "items": events}))?;
    } else if events.is_empty() {
        output::print(&format!("no events, {}\n", span.text()))?;
    } else {
        output::print(&text(&events))?;
    }
    Ok(Outcome::Success)
}

/// Every event as often as it was seen in another state: Kubernetes counts repetitions up.
fn read(span: &Span) -> Result<Vec<Value>, HistoryError> {
    let mut events = Vec::new();
    let mut unreadable = None;
    span.history.visit_changes(span.from_exclusive, span.to_inclusive, &mut |change| {
        if &*change.object.kind != "Event" || change.version.is_none() {
            return ControlFlow::Continue(());
        }
        match span.history.object_json(&change) {
            Ok(event) => {
                events.push(event);
                ControlFlow::Continue(())
            }
            Err(error) => {
                unreadable = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    unreadable.map_or(Ok(events), Err)
}

fn text(events: &[Value]) -> String {
    let rows = events
        .iter()
        .map(|event| {
            vec![time(event), first_text(event, &["/reason"]), object(event), message(event)]
        })
        .collect();
    let columns = [
        ("time", Side::Left),
        ("reason", Side::Left),
        ("object", Side::Left),
        ("message", Side::Left),
    ];
    lay_out(&columns, rows)
}

fn time(event: &Value) -> String {
    let places = ["/lastTimestamp", "/series/lastObservedTime", "/eventTime", "/firstTimestamp"];
    first_text(event, &places)
}

/// `Pod shop/web-1`: `v1` says `involvedObject`, `events.k8s.io/v1` says `regarding`.
fn object(event: &Value) -> String {
    let part = |field: &str| {
        first_text(event, &[&format!("/involvedObject/{field}"), &format!("/regarding/{field}")])
    };
    let (kind, namespace, name) = (part("kind"), part("namespace"), part("name"));
    if namespace.is_empty() {
        format!("{kind} {name}")
    } else {
        format!("{kind} {namespace}/{name}")
    }
}

/// The message on one line.
fn message(event: &Value) -> String {
    first_text(event, &["/message", "/note"]).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first of these fields that holds a text; empty where none does.
fn first_text(event: &Value, places: &[&str]) -> String {
    let texts = places.iter().filter_map(|place| event.pointer(place)?.as_str());
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_both_api_versions_are_one_line_each() {
        let events = [
            json!({
                "lastTimestamp": "2026-01-05T12:00:10Z", "reason": "TriggeredScaleUp",
                "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web-1"},
                "message": "pod triggered\nscale-up",
            }),
            json!({
                "eventTime": "2026-01-05T12:01:00Z", "lastTimestamp": null, "reason": "NodeReady",
                "regarding": {"kind": "Node", "name": "n1"}, "note": "is ready",
            }),
        ];
        let text = text(&events);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>(),
            [
                "2026-01-05T12:00:10Z",
                "TriggeredScaleUp",
                "Pod",
                "shop/web-1",
                "pod",
                "triggered",
                "scale-up"
            ]
        );
        assert_eq!(
            lines[2].split_whitespace().collect::<Vec<_>>(),
            ["2026-01-05T12:01:00Z", "NodeReady", "Node", "n1", "is", "ready"]
        );
        assert_eq!(lines.len(), 3);
    }
}
