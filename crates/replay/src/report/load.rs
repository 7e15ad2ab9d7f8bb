//! Reading reports back from the files that `replay --json` wrote.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::json_path::path_at;
use super::model::{API_VERSION, REPLAY_REPORT_KIND, ReplayReport};

/// Why a file is no report.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not JSON, or not of a report's shape.
    #[error("{}, line {line}, {field}: {problem}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// `field totals.cost`, or `document` when it is no single field's fault.
        field: String,
        /// What was expected.
        problem: String,
    },
    /// The JSON is another kind of document, or of another version.
    #[error("{}: is {found}; expected {API_VERSION} {REPLAY_REPORT_KIND}, as `plimsoll replay --json` writes it", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it says that it is.
        found: String,
    },
    /// The file holds an empty array.
    #[error("{}: holds no report", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the reports of a file: one, or an array of several.
///
/// # Errors
/// [`LoadError`], which names the file, and the line and field where there is one.
pub fn load_reports(path: &Path) -> Result<Vec<ReplayReport>, LoadError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    parse_reports(&text, path)
}

/// Reads the reports of a text that came from `path`: one, or an array of several.
///
/// # Errors
/// As [`load_reports`].
pub fn parse_reports(text: &str, path: &Path) -> Result<Vec<ReplayReport>, LoadError> {
    check_kind(&parse_documents::<Head>(text, path)?, path)?;
    let reports: Vec<ReplayReport> = parse_documents(text, path)?;
    if reports.is_empty() {
        return Err(LoadError::Empty { path: path.to_owned() });
    }
    Ok(reports)
}

/// The array's elements, or the one document that is no array.
fn parse_documents<T: DeserializeOwned>(text: &str, path: &Path) -> Result<Vec<T>, LoadError> {
    if text.trim_start().starts_with('[') {
        parse(text, path)
    } else {
        Ok(vec![parse(text, path)?])
    }
}

fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, LoadError> {
    serde_json::from_str(text).map_err(|error| {
        let field = match path_at(text, error.line(), error.column()) {
            field if field.is_empty() => "document".to_owned(),
            field => format!("field {field}"),
        };
        let full = error.to_string();
        // The place is named already.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let problem = full.strip_suffix(&place).unwrap_or(&full).to_owned();
        LoadError::Field { path: path.to_owned(), line: error.line(), field, problem }
    })
}

/// What every document says of itself first.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a report")]
struct Head {
    api_version: Option<String>,
    kind: Option<String>,
}

/// Refuses a document of another kind by its name, before its fields are complained about.
fn check_kind(heads: &[Head], path: &Path) -> Result<(), LoadError> {
    for head in heads {
        let found = match (head.api_version.as_deref(), head.kind.as_deref()) {
            (Some(API_VERSION), Some(REPLAY_REPORT_KIND)) => continue,
            (Some(version), Some(kind)) => format!("{version} {kind}"),
            (None, Some(kind)) => format!("a {kind}"),
            (_, None) => "a document without a kind".to_owned(),
        };
        return Err(LoadError::Kind { path: path.to_owned(), found });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use expect_test::expect;

    use super::super::sample::workday;
    use super::*;

    fn refusal(text: &str) -> String {
        parse_reports(text, Path::new("a.json")).expect_err("refused").to_string()
    }

    #[test]
    fn a_report_and_an_array_of_reports_are_read_back_as_they_were() {
        let reports = workday();
        let array = serde_json::to_string_pretty(&reports).expect("a report is JSON");
        assert_eq!(parse_reports(&array, Path::new("a.json")).expect("reports"), reports);
        let one = serde_json::to_string(&reports[0]).expect("a report is JSON");
        assert_eq!(parse_reports(&one, Path::new("a.json")).expect("a report"), reports[..1]);
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("report.json");
        std::fs::write(&path, one).expect("a file");
        assert_eq!(load_reports(&path).expect("a report"), reports[..1]);
    }

    #[test]
    fn a_wrong_field_is_named_with_its_line() {
        let good = serde_json::to_string_pretty(&workday()).expect("a report is JSON");
        expect![[r#"a.json, line 80, field [0].totals.podsCreated: invalid type: string "many", expected u64"#]]
            .assert_eq(&refusal(&good.replacen("\"podsCreated\": 412", "\"podsCreated\": \"many\"", 1)));
        expect![[r#"a.json, line 79, field [0].totals.cost: "18 dollars" is not an amount of dollars such as 18.42, with at most six digits after the point"#]]
            .assert_eq(&refusal(&good.replacen("\"18.42\"", "\"18 dollars\"", 1)));
        expect!["a.json, line 96, field [0].totals: missing field `evictions`"]
            .assert_eq(&refusal(&good.replacen("\"evictions\"", "\"eviction\"", 1)));
        expect!["a.json, line 10, field [0].workloads.Deployment: EOF while parsing an object"]
            .assert_eq(&refusal(&good.lines().take(10).collect::<Vec<_>>().join("\n")));
    }

    #[test]
    fn another_kind_of_document_is_refused_by_its_name() {
        expect![[r#"a.json: is v1 List; expected plimsoll.dev/v1alpha1 ReplayReport, as `plimsoll replay --json` writes it"#]]
            .assert_eq(&refusal(r#"{"apiVersion":"v1","kind":"List","items":[]}"#));
        expect!["a.json, line 1, field [0]: invalid type: integer `3`, expected a report"]
            .assert_eq(&refusal("[3]"));
        expect!["a.json: holds no report"].assert_eq(&refusal("[]"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = load_reports(Path::new("/nowhere/report.json")).expect_err("refused");
        assert!(error.to_string().starts_with("/nowhere/report.json: cannot be read: "), "{error}");
    }
}
