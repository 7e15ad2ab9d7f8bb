//! The priorities of the expander `priority`, from the ConfigMap in which upstream looks for them.

use std::collections::BTreeMap;

use plimsoll_autoscaler::settings::Priorities;
use plimsoll_core::objects::OtherObject;
use serde_json::Value;

/// The name of upstream's ConfigMap.
const CONFIG_MAP: &str = "cluster-autoscaler-priority-expander";

/// The priorities that a cluster's objects hold, and what is wrong with them. A map that cannot be
/// read counts for nothing, as upstream ignores it; the reader of a report should know.
#[must_use]
pub fn priorities_of(objects: &[OtherObject]) -> (Option<Priorities>, Option<String>) {
    let is_map = |one: &&OtherObject| one.name.kind == "ConfigMap" && one.name.name == CONFIG_MAP;
    let Some(map) = objects.iter().find(is_map) else { return (None, None) };
    match read(&map.document) {
        Ok(priorities) => (Some(priorities), None),
        Err(problem) => {
            let warning = format!("ConfigMap {CONFIG_MAP} is ignored: {problem}");
            (None, Some(warning))
        }
    }
}

fn read(document: &Value) -> Result<Priorities, String> {
    let text = document.pointer("/data/priorities").and_then(Value::as_str);
    let text = text.ok_or("data.priorities: expected text, found none")?;
    let levels: BTreeMap<i64, Vec<String>> = serde_saphyr::from_str(text)
        .map_err(|_| "data.priorities: expected a map of numbers to lists of patterns")?;
    let levels: Vec<(i64, Vec<String>)> = levels.into_iter().collect();
    Priorities::new(&levels).map_err(|error| format!("data.priorities: {error}"))
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
                "ConfigMap cluster-autoscaler-priority-expander is ignored: data.priorities: \
                 priority 10: \"(\" is not a regular expression"
            )
        );
        assert!(priorities_of(&[]).0.is_none());
    }
}
