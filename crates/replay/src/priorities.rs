//! The priorities of the expander `priority`, from the ConfigMap in which upstream looks for them.

use std::collections::BTreeMap;

use plimsoll_autoscaler::settings::Priorities;
use plimsoll_core::objects::OtherObject;
use serde_json::Value;

/// The name of upstream's ConfigMap.
const CONFIG_MAP: &str = "cluster-autoscaler-priority-expander";

/// The priorities that a cluster's objects hold, and what is wrong with them, in upstream's words as
/// far as those are its own. A map that cannot be read counts for nothing, as upstream ignores it;
/// the reader of a report should know.
#[must_use]
pub fn priorities_of(objects: &[OtherObject]) -> (Option<Priorities>, Option<String>) {
    let is_map = |one: &&OtherObject| one.name.kind == "ConfigMap" && one.name.name == CONFIG_MAP;
    let Some(map) = objects.iter().find(is_map) else { return (None, None) };
    match read(&map.document) {
        Ok(priorities) => (Some(priorities), None),
        Err(problem) => (None, Some(problem)),
    }
}

fn read(document: &Value) -> Result<Priorities, String> {
    let text = document.pointer("/data/priorities").and_then(Value::as_str);
    let text = text.ok_or(
        "Wrong configmap for priority expander, doesn't contain priorities key. Ignoring update.",
    )?;
    let wrong =
        |why: String| format!("Wrong configuration for priority expander: {why}. Ignoring update.");
    if text.is_empty() {
        return Err(wrong(format!(
            "priority configuration in {CONFIG_MAP} configmap is empty; please provide valid \
             configuration"
        )));
    }
    let levels: BTreeMap<i64, Vec<String>> = serde_saphyr::from_str(text).map_err(|_| {
        let what = "expected numbers with lists of patterns";
        wrong(format!("Can't parse YAML with priorities in the configmap: {what}"))
    })?;
    let levels: Vec<(i64, Vec<String>)> = levels.into_iter().collect();
    Priorities::new(&levels).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_core::objects::{self, Object};
    use serde_json::json;

    fn map(priorities: &str) -> OtherObject {
        let document = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": CONFIG_MAP, "namespace": "kube-system"},
            "data": {"priorities": priorities},
        });
        match objects::parse(&document) {
            Ok(Object::Other(other)) => other,
            unexpected => panic!("a ConfigMap is nothing that is played: {unexpected:?}"),
        }
    }

    #[test]
    fn the_highest_matching_priority_counts() {
        let (found, problem) = priorities_of(&[map("10:\n  - .*\n50:\n  - spot-.*\n")]);
        let found = found.expect("the map is right");
        assert_eq!(problem, None);
        assert_eq!(found.of_group("spot-a"), Some(50));
        assert_eq!(found.of_group("on-demand"), Some(10));
    }

    #[test]
    fn a_map_that_cannot_be_read_counts_for_nothing_and_is_told() {
        let (found, problem) = priorities_of(&[map("10: [\"(\"]\n")]);
        assert!(found.is_none());
        assert_eq!(
            problem.as_deref(),
            Some(
                "Wrong configuration for priority expander: Can't compile regexp rule for priority 10 \
                 and rule (: it is no regular expression. Ignoring update."
            )
        );
        assert!(priorities_of(&[]).0.is_none());
    }
}
