//! What every source file must look like, beyond what rustfmt and clippy see.

use super::Finding;

/// The longest file, in lines: what one person can hold in mind as one concept. Past it a file
/// holds two concepts and is split between them.
const FILE_LINES_MAX: usize = 1200;

/// Names that say nothing about what a file holds; whatever it is deserves its own word.
const EMPTY_NAMES: [&str; 8] =
    ["common", "helper", "helpers", "manager", "misc", "util", "utils", "types"];

/// Marks of unfinished work: it is an issue, or it is done now. Spelled apart, as this file is
/// checked too.
const UNFINISHED_MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// A wait that makes tests slow, then flaky.
const SLEEP_CALL: &str = concat!("thread::", "sleep");

/// Endings of the files that people write by hand and read in diffs.
const TEXT_ENDINGS: [&str; 7] = [".json", ".md", ".rs", ".sh", ".toml", ".yaml", ".yml"];

/// Whether the file at `path` (from the root) is text that the rules of this module are for.
#[must_use]
pub fn is_text(path: &str) -> bool {
    path == ".ci/run" || TEXT_ENDINGS.iter().any(|ending| path.ends_with(ending))
}

/// Checks the text of a Rust file; `path` from the root.
#[must_use]
pub fn check_rust(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        findings.push(Finding::new(path, "wants a first line //! that says what the file holds"));
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        findings.push(Finding::new(
            path,
            format!("has {lines} lines, more than {FILE_LINES_MAX}: split it by concept"),
        ));
    }
    if let Some(name) = EMPTY_NAMES.iter().find(|name| path.ends_with(&format!("/{name}.rs"))) {
        findings.push(Finding::new(path, format!("{name} says nothing about what it holds")));
    }
    for (index, line) in text.lines().enumerate() {
        if let Some(problem) = find_problem(path, line) {
            findings.push(Finding::new(format!("{path}:{}", index + 1), problem));
        }
    }
    findings
}

fn find_problem(path: &str, line: &str) -> Option<String> {
    let code = line.trim_start();
    if code.starts_with("#[ignore") {
        return Some("a test that is not run proves nothing: fix or delete it".to_owned());
    }
    if code.starts_with("#[should_panic") && !code.starts_with("#[should_panic(expected") {
        return Some("any panic would do: say which one is expected".to_owned());
    }
    if path.starts_with("crates/") && line.contains(SLEEP_CALL) {
        return Some(format!("{SLEEP_CALL}: wait for the event itself"));
    }
    line.split(|c: char| !c.is_alphanumeric())
        .find(|word| UNFINISHED_MARKS.contains(word))
        .map(|mark| format!("{mark}: file an issue, or do it now"))
}

/// Checks any text file: no blanks at the end of a line, a line break at the end of the file.
#[must_use]
pub fn check_text(path: &str, text: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = text
        .split('\n')
        .enumerate()
        .filter(|(_, line)| line.ends_with([' ', '\t', '\r']))
        .map(|(index, _)| Finding::new(format!("{path}:{}", index + 1), "blanks at its end"))
        .collect();
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(Finding::new(path, "wants a line break at its end"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(path: &str, text: &str, expect: &Expect) {
        let mut findings = check_text(path, text);
        findings.extend(check_rust(path, text));
        let shown: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
        expect.assert_eq(&shown);
    }

    #[test]
    fn a_documented_file_passes() {
        check(
            "crates/core/src/lib.rs",
            "//! What it holds.\n#[should_panic(expected = \"why\")]\nfn todo_list() {}\n",
            &expect![""],
        );
    }

    #[test]
    fn a_file_says_first_what_it_holds_and_has_a_name() {
        check(
            "crates/core/src/utils.rs",
            "fn main() {}\n",
            &expect![[r"
                crates/core/src/utils.rs: wants a first line //! that says what the file holds
                crates/core/src/utils.rs: utils says nothing about what it holds
            "]],
        );
    }

    #[test]
    fn tests_are_run_and_panic_for_a_reason() {
        check(
            "crates/core/tests/it.rs",
            "//! Doc.\n    #[ignore = \"slow\"]\n#[should_panic]\n#[ignore]\n",
            &expect![[r"
                crates/core/tests/it.rs:2: a test that is not run proves nothing: fix or delete it
                crates/core/tests/it.rs:3: any panic would do: say which one is expected
                crates/core/tests/it.rs:4: a test that is not run proves nothing: fix or delete it
            "]],
        );
    }

    #[test]
    fn nothing_sleeps_and_nothing_is_left_for_later() {
        let text = format!(
            "//! Doc.\nstd::{SLEEP_CALL}(second);\n// {}(me): later\n",
            UNFINISHED_MARKS[0]
        );
        let findings = check_rust("crates/sim/src/lib.rs", &text);
        let places: Vec<&str> = findings.iter().map(|finding| finding.place.as_str()).collect();
        assert_eq!(places, ["crates/sim/src/lib.rs:2", "crates/sim/src/lib.rs:3"]);
    }

    #[test]
    fn a_file_of_more_lines_than_one_concept_needs_is_found() {
        let longest = "//!\n".repeat(FILE_LINES_MAX);
        assert_eq!(check_rust("crates/core/src/a.rs", &longest), []);
        let findings = check_rust("crates/core/src/a.rs", &(longest + "//!\n"));
        assert_eq!(findings.len(), 1);
    }

    #[test]
    fn blanks_at_the_end_of_a_line_and_a_cut_last_line_are_found() {
        check(
            "crates/core/src/a.rs",
            "//! Doc. \n\t\n// end",
            &expect![[r"
                crates/core/src/a.rs:1: blanks at its end
                crates/core/src/a.rs:2: blanks at its end
                crates/core/src/a.rs: wants a line break at its end
            "]],
        );
    }

    #[test]
    fn only_files_that_people_write_are_text() {
        let paths = [".ci/run", "README.md", "crates/cli/tests/help.trycmd", "LICENSE", "x.db"];
        assert_eq!(paths.map(is_text), [true, true, false, false, false]);
    }
}
