//! The code map in ARCHITECTURE.md names exactly the crates there are.

use super::Finding;

/// Compares the headings of the code map with the member crates.
///
/// A crate's section has the heading `` ### `crates/<name>` `` (or `` ### `xtask` ``); crates to come are
/// named in running text, without a heading. `members` are paths from the root.
#[must_use]
pub fn check_code_map(architecture: &str, members: &[String]) -> Vec<Finding> {
    let mapped: Vec<&str> = architecture.lines().filter_map(parse_heading).collect();
    let missing = members.iter().filter(|member| !mapped.contains(&member.as_str()));
    let invented = mapped.iter().filter(|path| !members.iter().any(|member| member == *path));
    missing
        .map(|member| {
            Finding::new("ARCHITECTURE.md", format!("the code map has no heading ### `{member}`"))
        })
        .chain(invented.map(|path| {
            Finding::new("ARCHITECTURE.md", format!("the code map has {path}, which is no crate"))
        }))
        .collect()
}

fn parse_heading(line: &str) -> Option<&str> {
    let path = line.strip_prefix("### `")?.strip_suffix('`')?;
    (path == "xtask" || path.starts_with("crates/")).then_some(path)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_crate_without_section_and_a_section_without_crate_are_found() {
        let map = "# Code map\n### `crates/core`\ntext\n### `crates/ghost`\n### Words\n";
        let findings = check_code_map(map, &["crates/core".to_owned(), "xtask".to_owned()]);
        let shown: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
        expect![[r"
            ARCHITECTURE.md: the code map has no heading ### `xtask`
            ARCHITECTURE.md: the code map has crates/ghost, which is no crate
        "]]
        .assert_eq(&shown);
    }

    #[test]
    fn a_map_of_all_crates_passes() {
        let map = "### `crates/core`\n### `xtask`\n";
        assert_eq!(check_code_map(map, &["crates/core".to_owned(), "xtask".to_owned()]), []);
    }
}
