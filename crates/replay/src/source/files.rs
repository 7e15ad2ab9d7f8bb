//! Snapshot and scenario files: YAML documents or JSON.

use std::fs;
use std::io;
use std::path::Path;

use plimsoll_core::objects::{
    FieldPath, ObjectError, Origin, PathStep, Snapshot, SnapshotError, SnapshotWarning,
};
use serde_json::Value;
use thiserror::Error;

use super::document::{self, Format, SyntaxError};
use super::location;

/// Why a file gives no snapshot. Prints on one line that names the file, the line and the field.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The file cannot be read.
    #[error("{file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds something else than text.
    #[error("{file}: expected YAML or JSON, found something that is not UTF-8 text")]
    NotText {
        /// The file.
        file: String,
    },
    /// The file holds something else than flags of the autoscaler.
    #[error(
        "{file}: expected one AutoscalerSettings document, or a map of Cluster Autoscaler's flags"
    )]
    NotSettings {
        /// The file.
        file: String,
    },
    /// The file holds more than the configuration of one scheduler.
    #[error("{file}: expected one KubeSchedulerConfiguration, found {found} documents")]
    NotOneSchedulerConfiguration {
        /// The file.
        file: String,
        /// How many documents it has.
        found: usize,
    },
    /// There is no object in the file.
    #[error("{file}: expected Kubernetes objects or Plimsoll's own, found none")]
    Empty {
        /// The file.
        file: String,
    },
    /// The text is neither YAML nor JSON, or has a key twice.
    #[error("{file}{}: {message}", position(*line, *column))]
    Syntax {
        /// The file.
        file: String,
        /// The line, from 1, if it is known.
        line: Option<u64>,
        /// The column, from 1, if it is known.
        column: Option<u64>,
        /// What is wrong there.
        message: String,
    },
    /// An object that cannot be taken.
    #[error("{file}{}: {error}", position(*line, None))]
    Object {
        /// The file.
        file: String,
        /// The line of the field, from 1, if it could be found.
        line: Option<u64>,
        /// The object, the field and what was expected.
        error: Box<ObjectError>,
    },
}

fn position(line: Option<u64>, column: Option<u64>) -> String {
    let shown = |number: Option<u64>| number.map(|one| format!(":{one}")).unwrap_or_default();
    shown(line) + &shown(column)
}

/// Reads the snapshot or scenario in a file, and what its reader should know about it.
///
/// A file whose name ends in `.json` is JSON, one in `.yaml` or `.yml` is YAML; any other is JSON
/// when it begins with a brace.
///
/// # Errors
/// [`SourceError`] for the first thing that is wrong.
pub fn load(path: &Path) -> Result<(Snapshot, Vec<SnapshotWarning>), SourceError> {
    load_text(&path.display().to_string(), &read_text(path)?)
}

/// Reads a file that must be text.
///
/// # Errors
/// [`SourceError::Read`] and [`SourceError::NotText`].
pub fn read_text(path: &Path) -> Result<String, SourceError> {
    let file = path.display().to_string();
    let bytes =
        fs::read(path).map_err(|source| SourceError::Read { file: file.clone(), source })?;
    String::from_utf8(bytes).map_err(|_| SourceError::NotText { file })
}

/// Reads the snapshot or scenario in `text`, which stands in `file`.
///
/// # Errors
/// As [`load`].
pub fn load_text(file: &str, text: &str) -> Result<(Snapshot, Vec<SnapshotWarning>), SourceError> {
    let values = documents(file, text)?;
    let sources = values
        .into_iter()
        .enumerate()
        .map(|(document, value)| (value, Origin { document, path: FieldPath::default() }));
    Snapshot::from_values(sources).map_err(|error| locate(file, text, error))
}

/// The documents in `text`, which stands in `file`, as they are: lists are not taken apart.
///
/// # Errors
/// [`SourceError::Syntax`], and [`SourceError::Empty`] when there is none.
pub fn documents(file: &str, text: &str) -> Result<Vec<Value>, SourceError> {
    // Some editors put it at the beginning of a text.
    const BYTE_ORDER_MARK: char = '\u{feff}';
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let empty = || SourceError::Empty { file: file.to_owned() };
    if text.trim().is_empty() {
        return Err(empty());
    }
    let values = document::read(text, format_of(file, text)).map_err(
        |SyntaxError { position, message }| SourceError::Syntax {
            file: file.to_owned(),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            message,
        },
    )?;
    if values.is_empty() { Err(empty()) } else { Ok(values) }
}

fn format_of(file: &str, text: &str) -> Format {
    let extension = Path::new(file).extension().and_then(|one| one.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("json") => Format::Json,
        Some("yaml" | "yml") => Format::Yaml,
        _ if text.trim_start().starts_with('{') => Format::Json,
        _ => Format::Yaml,
    }
}

/// Finds the line that an object's error is about.
fn locate(file: &str, text: &str, refused: SnapshotError) -> SourceError {
    let path: Vec<PathStep> =
        refused.origin.path.0.iter().chain(&refused.error.path.0).cloned().collect();
    let line = location::line_of(text, refused.origin.document, &path);
    SourceError::Object { file: file.to_owned(), line, error: refused.error }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const GROUP: &str = "\
apiVersion: plimsoll.dev/v1alpha1
kind: NodeGroup
metadata: {name: workers}
spec:
  minSize: 1
  maxSize: 3
  template:
    status:
      allocatable: {cpu: 2, memory: 1.5e9, pods: 10}
";

    fn check_error(file: &str, text: &str, expected: &Expect) {
        let error = load_text(file, text).expect_err("the text is wrong");
        expected.assert_eq(&error.to_string());
    }

    #[test]
    fn documents_become_a_snapshot() {
        let text = format!(
            "{GROUP}---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  nodeName: gone\n  \
             containers: [{{name: a}}]\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n"
        );
        let (snapshot, warnings) = load_text("x.yaml", &text).expect("a valid snapshot");
        let shown: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        expect![[r#"
            groups ["workers"] {"cpu": 2000, "memory": 1500000000, "pods": 10}
            pods ["p"]
            v1 Secret: 1 kept and ignored: this kind is not known
            Pod default/p: bound to node "gone", which is not there: it takes part in nothing
        "#]]
        .assert_eq(&format!(
            "groups {:?} {:?}\npods {:?}\n{}\n",
            snapshot.groups.iter().map(|group| &group.name).collect::<Vec<_>>(),
            snapshot.groups[0].template.capacity,
            snapshot.pods.iter().map(|pod| &pod.name).collect::<Vec<_>>(),
            shown.join("\n"),
        ));
    }

    #[test]
    fn the_bundled_examples_are_read_without_a_warning() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let mut paths: Vec<_> = fs::read_dir(folder)
            .expect("the examples are there")
            .map(|entry| entry.expect("an entry can be read").path())
            .filter(|path| path.extension().is_some_and(|one| one == "yaml"))
            .collect();
        paths.sort();
        assert_ne!(paths.len(), 0);
        for path in paths {
            let (snapshot, warnings) = load(&path).expect("an example is valid");
            assert_eq!(warnings, [], "{}", path.display());
            assert!(!snapshot.groups.is_empty(), "{}", path.display());
        }
    }

    #[test]
    fn a_wrong_field_is_named_with_its_line() {
        let text = format!("# first\n---\n{GROUP}").replace("maxSize: 3", "maxSize: many");
        check_error(
            "examples/x.yaml",
            &text,
            &expect![[
                r#"examples/x.yaml:8: NodeGroup workers: spec.maxSize: expected a whole number, found "many""#
            ]],
        );
    }

    #[test]
    fn an_item_of_a_json_list_is_named_with_its_line() {
        let text = r#"{"kind": "List", "apiVersion": "v1", "items": [
  {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}},
  {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop", "name": "web"},
   "spec": {"containers": [{"name": "a",
     "resources": {"requests": {"cpu": "1.2.3"}}}]}}
]}"#;
        check_error(
            "x.json",
            text,
            &expect![[
                r#"x.json:5: Pod shop/web: spec.containers[0].resources.requests.cpu: "1.2.3" is not a quantity such as 500m or 2Gi"#
            ]],
        );
    }

    #[test]
    fn broken_text_is_named_with_its_place() {
        check_error(
            "x.yaml",
            "a: [1\nb: 2\n",
            &expect!["x.yaml:2:2: illegal placement of ':' indicator"],
        );
        check_error(
            "x.yaml",
            "a: 1\nb: 2\na: 3\n",
            &expect![[r#"x.yaml:3:1: key "a" is there twice"#]],
        );
        check_error(
            "x.json",
            "{\"a\": 1,\n\"a\": 2}",
            &expect![[r#"x.json:2:3: key "a" is there twice"#]],
        );
    }

    #[test]
    fn a_file_without_objects_is_refused() {
        for text in ["", "\n \n", "---\n# nothing\n---\n", "\u{feff}"] {
            check_error(
                "x.yaml",
                text,
                &expect!["x.yaml: expected Kubernetes objects or Plimsoll's own, found none"],
            );
        }
    }

    #[test]
    fn a_file_that_is_no_text_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.db");
        fs::write(&path, [0x53, 0xff, 0x00]).expect("the file can be written");
        assert!(matches!(load(&path), Err(SourceError::NotText { .. })));
        assert!(matches!(load(&folder.path().join("none.yaml")), Err(SourceError::Read { .. })));
    }
}
