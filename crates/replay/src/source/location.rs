//! On which line of a text a field is.
//!
//! Only errors ask, so the text is read a second time, slowly, and reading without errors pays
//! nothing.

use std::fmt;

use plimsoll_core::objects::PathStep;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::document;

/// The line, from 1, of the field at `path` in the document of this number, from 0; of the deepest
/// field on the way when it is not there. `None` when the text has no such document.
///
/// JSON is read as YAML, which it is.
pub(super) fn line_of(text: &str, document: usize, path: &[PathStep]) -> Option<u64> {
    let options = document::yaml_options();
    let trees: Vec<Spanned<Tree>> = serde_saphyr::from_multiple_with_options(text, options).ok()?;
    let root = trees.get(document)?;
    let mut line = root.referenced.line();
    let mut node = &root.value;
    for step in path {
        let next = match (step, node) {
            (PathStep::Field(name), Tree::Map(entries)) => entries
                .iter()
                .find(|(key, _)| key.value == *name)
                .map(|(key, value)| (key.referenced.line(), value)),
            (PathStep::Item(index), Tree::List(items)) => {
                items.get(*index).map(|item| (item.referenced.line(), item))
            }
            _ => None,
        };
        let Some((next_line, value)) = next else { break };
        line = next_line;
        node = &value.value;
    }
    Some(line)
}

/// The shape of a document, without its values.
enum Tree {
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
    List(Vec<Spanned<Tree>>),
    Leaf,
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Tree::Leaf)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Tree::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(steps: &[&str]) -> Vec<PathStep> {
        let step = |step: &&str| match step.parse() {
            Ok(index) => PathStep::Item(index),
            Err(_) => PathStep::Field((*step).to_owned()),
        };
        steps.iter().map(step).collect()
    }

    const TEXT: &str = "\
# a comment
kind: A
spec:
  size: 1
---
# nothing
---
kind: B
spec:
  list:
  - {x: 1,
     y: 2}
  - x: 3
    deep:
      deeper: many
";

    #[test]
    fn a_field_is_found_by_its_path() {
        for (document, steps, line) in [
            (0, &[][..], 2),
            (0, &["spec"], 3),
            (0, &["spec", "size"], 4),
            (1, &["kind"], 8),
            (1, &["spec", "list", "0", "y"], 12),
            (1, &["spec", "list", "1"], 13),
            (1, &["spec", "list", "1", "deep", "deeper"], 15),
        ] {
            assert_eq!(line_of(TEXT, document, &path(steps)), Some(line), "{document} {steps:?}");
        }
    }

    #[test]
    fn a_missing_field_is_looked_for_as_deep_as_it_goes() {
        assert_eq!(line_of(TEXT, 0, &path(&["spec", "other", "more"])), Some(3));
        assert_eq!(line_of(TEXT, 0, &path(&["spec", "0"])), Some(3));
        assert_eq!(line_of(TEXT, 7, &path(&["spec"])), None);
    }

    #[test]
    fn json_is_found_too() {
        let text =
            "{\n\t\"kind\": \"List\",\n\t\"items\": [\n\t\t{\"a\": 1},\n\t\t{\"b\": 2}\n\t]\n}\n";
        assert_eq!(line_of(text, 0, &path(&["items", "1", "b"])), Some(5));
    }
}
