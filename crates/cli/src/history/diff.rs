//! `plimsoll history diff`: which objects came, went or changed between two instants.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use plimsoll_history::{Change, History, HistoryError, Version};
use plimsoll_replay::report::API_VERSION;
use serde_json::{Value, json};

use super::{Between, Span, display_name, identity};
use crate::exit::Outcome;
use crate::output;

pub(super) fn run(arguments: &Between) -> anyhow::Result<Outcome> {
    let span = arguments.open()?;
    let differences = Differences::between(&span)?;
    if arguments.json {
        output::print_json(&differences.json(&span))?;
    } else {
        output::print(&differences.text(&span))?;
    }
    Ok(Outcome::Success)
}

/// How the cluster differs, each list by kind, namespace, name and uid.
struct Differences {
    added: Vec<Change>,
    removed: Vec<Change>,
    /// With the top-level fields that are not as they were.
    changed: Vec<(Change, BTreeSet<String>)>,
}

impl Differences {
    fn between(span: &Span) -> Result<Differences, HistoryError> {
        let earlier = span.history.snapshot_at(span.from_exclusive)?;
        let later = span.history.snapshot_at(span.to_inclusive)?;
        let mut differences =
            Differences { added: Vec::new(), removed: Vec::new(), changed: Vec::new() };
        let (mut old, mut new) = (earlier.into_iter().peekable(), later.into_iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return Ok(differences),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(before), Some(after)) => place(before).cmp(&place(after)),
            };
            // Both lists are in the order of `place`, so what comes first is missing in the other.
            if order.is_lt() {
                differences.removed.extend(old.next());
            } else if order.is_gt() {
                differences.added.extend(new.next());
            } else if let (Some(before), Some(after)) = (old.next(), new.next())
                && before.version != after.version
            {
                let fields = changed_fields(&span.history, &before, &after)?;
                differences.changed.push((after, fields));
            }
        }
    }

    fn text(&self, span: &Span) -> String {
        let mut lines = vec![format!(
            "{}: {} added, {} removed, {} changed",
            span.text(),
            self.added.len(),
            self.removed.len(),
            self.changed.len()
        )];
        lines.extend(self.added.iter().map(|one| format!("+ {}", display_name(&one.object))));
        lines.extend(self.removed.iter().map(|one| format!("- {}", display_name(&one.object))));
        lines.extend(self.changed.iter().map(|(one, fields)| {
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            format!("~ {}: {}", display_name(&one.object), fields.join(", "))
        }));
        lines.join("\n") + "\n"
    }

    fn json(&self, span: &Span) -> Value {
        let identities =
            |list: &[Change]| list.iter().map(|one| identity(&one.object)).collect::<Vec<_>>();
        let changed = self.changed.iter().map(|(one, fields)| {
            let mut entry = identity(&one.object);
            entry["fields"] = fields.iter().map(String::as_str).collect();
            entry
        });
        json!({
            "apiVersion": API_VERSION,
            "kind": "HistoryDiff",
            "from": span.from_exclusive.max(span.history.start()).to_string(),
            "at": span.to_inclusive.to_string(),
            "added": identities(&self.added),
            "removed": identities(&self.removed),
            "changed": changed.collect::<Vec<_>>(),
        })
    }
}

/// The place of an object in a snapshot: its order, and last which object it is.
fn place(change: &Change) -> (&str, &str, &str, &str, u32) {
    let key = &change.object;
    (&key.kind, &key.namespace, &key.name, &key.uid, change.object_id)
}

fn changed_fields(
    history: &History,
    before: &Change,
    after: &Change,
) -> Result<BTreeSet<String>, HistoryError> {
    let mut fields = BTreeSet::new();
    let (Some(old), Some(new)) = (&before.version, &after.version) else { return Ok(fields) };
    if old.meta != new.meta {
        fields.insert("metadata".to_owned());
    }
    if old.spec != new.spec {
        fields.insert("spec".to_owned());
    }
    if old.node_name != new.node_name {
        fields.insert("spec.nodeName".to_owned());
    }
    if old.rest != new.rest {
        fields.extend(changed_rest(history, old, new)?);
    }
    Ok(fields)
}

/// `status`, `data`, ...: the other top-level fields.
fn changed_rest(
    history: &History,
    old: &Version,
    new: &Version,
) -> Result<Vec<String>, HistoryError> {
    let (old, new) = (history.document(old.rest)?, history.document(new.rest)?);
    let names = |document: &Value| -> Vec<String> {
        document.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
    };
    let mut all = names(&old);
    all.extend(names(&new));
    Ok(all.into_iter().filter(|field| old.get(field) != new.get(field)).collect())
}
