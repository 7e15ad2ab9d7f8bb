//! `plimsoll history snapshot`: the cluster as of an instant.

use std::collections::BTreeMap;

use plimsoll_core::SimTime;
use plimsoll_history::{Change, History};
use plimsoll_replay::report::Seconds;
use plimsoll_replay::report::money::with_thousands;
use serde_json::Value;

use super::AsOf;
use crate::exit::Outcome;
use crate::output;
use crate::tables::{Side, lay_out};

/// Rows of the table of nodes; a longer one is read with a program, from the JSON.
const NODES_SHOWN: usize = 40;
/// Rows of the table of pods that wait.
const PENDING_PODS_SHOWN: usize = 20;
/// The label of nodes that names their group.
const NODE_GROUP_LABEL: &str = "/metadata/labels/plimsoll.dev~1node-group";

pub(super) fn run(arguments: &AsOf) -> anyhow::Result<Outcome> {
    let (history, at) = arguments.open()?;
    let changes = history.snapshot_at(at)?;
    if arguments.json {
        print_list(&history, &changes)?;
        return Ok(Outcome::Success);
    }
    let mut objects = Vec::new();
    for change in &changes {
        // The others are only counted.
        if matches!(&*change.object.kind, "NodeGroup" | "Node" | "Pod") {
            objects.push(history.object_json(change)?);
        }
    }
    let view = View::of(&objects);
    let mut sections = vec![heading(&history, &changes, at)];
    sections.extend([view.groups(), view.nodes(), view.pods(), view.pending_pods(at)]);
    sections.retain(|section| !section.is_empty());
    output::print(&sections.join("\n"))?;
    Ok(Outcome::Success)
}

/// Prints a snapshot file: a `List` of whole objects, one at a time in memory.
fn print_list(history: &History, changes: &[Change]) -> anyhow::Result<()> {
    let mut items = Vec::with_capacity(changes.len());
    for change in changes {
        items.push(history.object_json(change)?);
    }
    output::print_with(&mut |out| {
        out.write_all(b"{\n\"apiVersion\": \"v1\",\n\"kind\": \"List\",\n\"items\": [")?;
        for (place, item) in items.iter().enumerate() {
            out.write_all(if place == 0 { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut *out, item)?;
        }
        out.write_all(b"\n]\n}\n")
    })
}

fn heading(history: &History, changes: &[Change], at: SimTime) -> String {
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for change in changes {
        *kinds.entry(&change.object.kind).or_default() += 1;
    }
    let kinds: Vec<String> =
        kinds.iter().map(|(kind, count)| format!("{kind} {}", number(*count))).collect();
    let info = history.info();
    let offset = Seconds::from(at - info.start).to_short_text();
    let kinds = if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") };
    format!("{} as of {at}, {offset} after the start of the recording\n  {kinds}\n", info.cluster)
}

/// The objects that the tables are about, and how many pods each node has.
struct View<'a> {
    groups: Vec<&'a Value>,
    nodes: Vec<&'a Value>,
    pods: Vec<&'a Value>,
    pods_by_node: BTreeMap<&'a str, u64>,
}

impl<'a> View<'a> {
    fn of(objects: &'a [Value]) -> View<'a> {
        let of_kind =
            |kind: &str| objects.iter().filter(|object| text(object, "/kind") == kind).collect();
        let pods: Vec<&Value> = of_kind("Pod");
        let mut pods_by_node = BTreeMap::new();
        for pod in &pods {
            if !is_finished(pod) {
                *pods_by_node.entry(text(pod, "/spec/nodeName")).or_default() += 1;
            }
        }
        View { groups: of_kind("NodeGroup"), nodes: of_kind("Node"), pods, pods_by_node }
    }

    fn groups(&self) -> String {
        if self.groups.is_empty() {
            return String::new();
        }
        let rows = self.groups.iter().map(|group| {
            let places = [
                "/metadata/name",
                "/status/targetSize",
                "/spec/minSize",
                "/spec/maxSize",
                "/spec/instanceType",
                "/spec/zone",
                "/spec/pricePerHour",
            ];
            places.iter().map(|place| shown(group, place)).collect()
        });
        let columns = [
            ("node group", Side::Left),
            ("target", Side::Right),
            ("min", Side::Right),
            ("max", Side::Right),
            ("instance type", Side::Left),
            ("zone", Side::Left),
            ("price/h", Side::Right),
        ];
        lay_out(&columns, rows.collect())
    }

    fn nodes(&self) -> String {
        if self.nodes.is_empty() {
            return String::new();
        }
        let rows = self.nodes.iter().take(NODES_SHOWN).map(|node| {
            let pods = self.pods_by_node.get(text(node, "/metadata/name")).copied().unwrap_or(0);
            vec![
                shown(node, "/metadata/name"),
                shown(node, NODE_GROUP_LABEL),
                readiness(node).to_owned(),
                shown(node, "/status/allocatable/cpu"),
                shown(node, "/status/allocatable/memory"),
                number(pods),
            ]
        });
        let columns = [
            ("node", Side::Left),
            ("group", Side::Left),
            ("state", Side::Left),
            ("cpu", Side::Right),
            ("memory", Side::Right),
            ("pods", Side::Right),
        ];
        lay_out(&columns, rows.collect()) + &more(self.nodes.len(), NODES_SHOWN, "nodes")
    }

    fn pods(&self) -> String {
        if self.pods.is_empty() {
            return String::new();
        }
        let mut by_namespace: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
        for pod in &self.pods {
            let counts = by_namespace.entry(text(pod, "/metadata/namespace")).or_default();
            let place = match (is_finished(pod), text(pod, "/spec/nodeName")) {
                (true, _) => 2,
                (false, "") => 1,
                (false, _) => 0,
            };
            counts[place] += 1;
        }
        let rows = by_namespace.iter().map(|(namespace, counts)| {
            let counts = counts.iter().map(|count| number(*count));
            std::iter::once((*namespace).to_owned()).chain(counts).collect()
        });
        let columns = [
            ("namespace", Side::Left),
            ("pods on nodes", Side::Right),
            ("pending", Side::Right),
            ("finished", Side::Right),
        ];
        lay_out(&columns, rows.collect())
    }

    fn pending_pods(&self, at: SimTime) -> String {
        let is_pending =
            |pod: &&&Value| !is_finished(pod) && text(pod, "/spec/nodeName").is_empty();
        let pending: Vec<&&Value> = self.pods.iter().filter(is_pending).collect();
        if pending.is_empty() {
            return String::new();
        }
        let rows = pending.iter().take(PENDING_PODS_SHOWN).map(|pod| {
            let name =
                format!("{}/{}", text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
            let created = SimTime::parse(text(pod, "/metadata/creationTimestamp")).ok();
            let age = created.map_or_else(
                || "-".to_owned(),
                |created| Seconds::from(at - created).to_short_text(),
            );
            vec![name, age]
        });
        let columns = [("pending pod", Side::Left), ("age", Side::Right)];
        lay_out(&columns, rows.collect()) + &more(pending.len(), PENDING_PODS_SHOWN, "pending pods")
    }
}

/// Whether the pod has ended and holds nothing of its node any more.
fn is_finished(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// `ready`, `not ready` or, where pods are kept off it, `cordoned`.
fn readiness(node: &Value) -> &'static str {
    if node.pointer("/spec/unschedulable").and_then(Value::as_bool) == Some(true) {
        return "cordoned";
    }
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    let is_ready = conditions.into_iter().flatten().any(|condition| {
        text(condition, "/type") == "Ready" && text(condition, "/status") == "True"
    });
    if is_ready { "ready" } else { "not ready" }
}

fn text<'a>(object: &'a Value, place: &str) -> &'a str {
    object.pointer(place).and_then(Value::as_str).unwrap_or("")
}

/// A text or a number as it is written, `-` where there is none.
fn shown(object: &Value, place: &str) -> String {
    match object.pointer(place) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// How many rows a table leaves out.
fn more(all: usize, shown: usize, what: &str) -> String {
    match all.checked_sub(shown) {
        None | Some(0) => String::new(),
        Some(more) => format!("  and {more} more {what}; --json has all\n"),
    }
}

fn number(count: u64) -> String {
    with_thousands(count.into())
}
