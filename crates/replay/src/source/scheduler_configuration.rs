//! The file that kube-scheduler is started with.

use std::path::Path;

use plimsoll_core::objects::read_scheduler_configuration;
use plimsoll_core::scheduling::SchedulerProfiles;

use super::files::{SourceError, documents, read_text};
use super::location;

/// Reads a KubeSchedulerConfiguration, YAML or JSON, as kube-scheduler takes it.
///
/// # Errors
/// When the file cannot be read or holds anything else, and for the first field that kube-scheduler
/// would refuse to start with; that error names file, line and field.
pub fn load_scheduler_configuration(path: &Path) -> Result<SchedulerProfiles, SourceError> {
    let file = path.display().to_string();
    let text = read_text(path)?;
    let documents = documents(&file, &text)?;
    let [document] = documents.as_slice() else {
        return Err(SourceError::NotOneSchedulerConfiguration { file, found: documents.len() });
    };
    read_scheduler_configuration(document).map_err(|error| SourceError::Object {
        line: location::line_of(&text, 0, &error.path.0),
        file,
        error: Box::new(error),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: &Expect) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("scheduler.yaml");
        fs::write(&path, text).expect("the file can be written");
        let shown = match load_scheduler_configuration(&path) {
            Ok(profiles) => {
                let names = profiles.profiles.iter().map(|one| one.scheduler_name.as_str());
                names.collect::<Vec<_>>().join(", ")
            }
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown.replace(&folder.path().display().to_string(), ""));
    }

    #[test]
    fn a_configuration_is_read_and_what_is_wrong_is_named_with_its_line() {
        let head = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";
        let profiles = "profiles:\n- schedulerName: a\n- schedulerName: b\n";
        check(&format!("{head}{profiles}"), &expect!["a, b"]);
        check(
            &format!("{head}profiles:\n- plugins:\n    filter:\n      enabled: [{{name: Nope}}]\n"),
            &expect![[
                r#"/scheduler.yaml:6: KubeSchedulerConfiguration: profiles[0].plugins.filter.enabled[0].name: FilterPlugin "Nope" does not exist; nearest: NodeName, NodePorts, VolumeZone"#
            ]],
        );
        check(
            &format!("{head}---\n{head}"),
            &expect!["/scheduler.yaml: expected one KubeSchedulerConfiguration, found 2 documents"],
        );
        check(
            "apiVersion: v1\nkind: Pod\n",
            &expect![[
                r#"/scheduler.yaml:1: KubeSchedulerConfiguration: apiVersion: expected kubescheduler.config.k8s.io/v1, found "v1""#
            ]],
        );
    }
}
