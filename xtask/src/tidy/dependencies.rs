//! Which crate may depend on which: the edges inside the workspace, and third-party crates.

use anyhow::{Context, bail};
use serde_json::Value;

use super::Finding;

/// What each crate of the workspace may depend on inside it (ARCHITECTURE.md draws the picture).
///
/// Normal, build and test dependencies alike: a test that needs a strategy and a world lives where
/// they are joined. Crates that do not exist yet have their row, so that they are born in shape.
const ALLOWED_EDGES: &[(&str, &[&str])] = &[
    ("plimsoll-core", &[]),
    ("plimsoll-autoscaler", &["plimsoll-core"]),
    ("plimsoll-forecast", &["plimsoll-core"]),
    ("plimsoll-sim", &["plimsoll-core"]),
    ("plimsoll-history", &["plimsoll-core"]),
    ("plimsoll-kubeio", &["plimsoll-core"]),
    ("plimsoll-providers", &["plimsoll-core", "plimsoll-sim"]),
    ("plimsoll-apiserver", &["plimsoll-core", "plimsoll-kubeio", "plimsoll-sim"]),
    (
        "plimsoll-replay",
        &[
            "plimsoll-apiserver",
            "plimsoll-autoscaler",
            "plimsoll-core",
            "plimsoll-forecast",
            "plimsoll-history",
            "plimsoll-kubeio",
            "plimsoll-providers",
            "plimsoll-sim",
        ],
    ),
    (
        "plimsoll-live",
        &[
            "plimsoll-autoscaler",
            "plimsoll-core",
            "plimsoll-forecast",
            "plimsoll-history",
            "plimsoll-kubeio",
            "plimsoll-providers",
        ],
    ),
    (
        "plimsoll-server",
        &[
            "plimsoll-autoscaler",
            "plimsoll-core",
            "plimsoll-forecast",
            "plimsoll-history",
            "plimsoll-live",
            "plimsoll-replay",
        ],
    ),
    (
        "plimsoll-cli",
        &[
            "plimsoll-apiserver",
            "plimsoll-autoscaler",
            "plimsoll-core",
            "plimsoll-forecast",
            "plimsoll-history",
            "plimsoll-kubeio",
            "plimsoll-live",
            "plimsoll-providers",
            "plimsoll-replay",
            "plimsoll-server",
            "plimsoll-sim",
        ],
    ),
    // The chores may look at every library, but not at the program.
    (
        "xtask",
        &[
            "plimsoll-apiserver",
            "plimsoll-autoscaler",
            "plimsoll-core",
            "plimsoll-forecast",
            "plimsoll-history",
            "plimsoll-kubeio",
            "plimsoll-live",
            "plimsoll-providers",
            "plimsoll-replay",
            "plimsoll-server",
            "plimsoll-sim",
        ],
    ),
];

/// The crates that compute and never act.
const PURE_CRATES: [&str; 4] =
    ["plimsoll-autoscaler", "plimsoll-core", "plimsoll-forecast", "plimsoll-sim"];

/// What a pure crate may not depend on, not even in its tests: what these crates are for is
/// exactly what a pure crate does not do.
const FORBIDDEN_IN_PURE: &[(&str, &str)] = &[
    ("async-trait", "a pure crate has no async"),
    ("axum", "a pure crate has no sockets"),
    ("futures", "a pure crate has no async"),
    ("hyper", "a pure crate has no sockets"),
    ("kube", "a pure crate does not know the Kubernetes API"),
    ("rand", "a pure crate draws from its own seeded streams"),
    ("rayon", "a pure crate has no threads; whoever joins crates runs them in parallel"),
    ("reqwest", "a pure crate has no sockets"),
    ("tokio", "a pure crate has no async"),
    ("tonic", "a pure crate has no sockets"),
    ("tracing", "a pure crate returns reasons as data; its caller logs"),
    ("tracing-subscriber", "a pure crate returns reasons as data; its caller logs"),
];

/// Third-party crates that have one home.
struct Home {
    /// The name of the third-party crate; with a trailing `*`, every name that starts so.
    name: &'static str,
    /// The crates of the workspace that may depend on it.
    crates: &'static [&'static str],
    /// Whether tests elsewhere may use it.
    in_tests: bool,
    reason: &'static str,
}

const HOMES: &[Home] = &[
    Home {
        name: "anyhow",
        crates: &["plimsoll-cli", "xtask"],
        in_tests: true,
        reason: "a library's errors are enums that callers can match",
    },
    Home {
        name: "aws-*",
        crates: &["plimsoll-providers"],
        in_tests: false,
        reason: "a cloud is known to its provider only",
    },
    Home {
        name: "k8s-openapi",
        crates: &["plimsoll-apiserver", "plimsoll-kubeio"],
        in_tests: false,
        reason: "Kubernetes types stay at the edge; they are slow to compile and change by release",
    },
    Home {
        name: "postgres",
        crates: &["plimsoll-history"],
        in_tests: false,
        reason: "a database is known to the history only",
    },
    Home {
        name: "rusqlite",
        crates: &["plimsoll-history"],
        in_tests: false,
        reason: "a database is known to the history only",
    },
    Home {
        name: "tokio-postgres",
        crates: &["plimsoll-history"],
        in_tests: false,
        reason: "a database is known to the history only",
    },
];

/// Crates that may not be in Cargo.lock at all, however deep.
const FORBIDDEN_IN_LOCKFILE: &[(&str, &str)] = &[
    ("aws-lc-sys", "one TLS stack, rustls with ring: this one needs minutes and a C toolchain"),
    ("openssl-sys", "one TLS stack, rustls with ring: this one needs a system library"),
];

/// When a dependency is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependencyKind {
    /// To build the crate itself.
    Normal,
    /// By its build script.
    Build,
    /// By its tests, benches and examples.
    Test,
}

/// One line of a `[dependencies]` table of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The crate of the workspace that depends.
    pub from: String,
    /// What it depends on, by its name in the registry.
    pub to: String,
    /// When it is needed.
    pub kind: DependencyKind,
    /// Whether `to` is a crate of the workspace too.
    pub inside: bool,
}

/// Reads the direct dependencies out of what `cargo metadata --no-deps` prints.
///
/// # Errors
/// Names the field that is missing or not as cargo documents it.
pub fn parse_metadata(json: &str) -> anyhow::Result<Vec<Dependency>> {
    let metadata: Value = serde_json::from_str(json).context("cargo metadata is no JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let mut dependencies = Vec::new();
    for package in packages {
        let from = package["name"].as_str().context("a package has no name")?;
        let listed = package["dependencies"]
            .as_array()
            .with_context(|| format!("package {from} has no dependencies"))?;
        for dependency in listed {
            let to = dependency["name"]
                .as_str()
                .with_context(|| format!("a dependency of {from} has no name"))?;
            let kind = match dependency["kind"].as_str() {
                None => DependencyKind::Normal,
                Some("build") => DependencyKind::Build,
                Some("dev") => DependencyKind::Test,
                Some(other) => bail!("{from} depends on {to} as {other:?}: not a known kind"),
            };
            dependencies.push(Dependency {
                from: from.to_owned(),
                to: to.to_owned(),
                kind,
                inside: dependency["path"].is_string(),
            });
        }
    }
    Ok(dependencies)
}

/// Finds the edges inside the workspace that `ALLOWED_EDGES` does not have.
#[must_use]
pub fn check_edges(dependencies: &[Dependency]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Dependency { from, to, inside, .. } in dependencies {
        if !inside {
            continue;
        }
        match ALLOWED_EDGES.iter().find(|(name, _)| name == from) {
            None => findings.push(Finding::new(
                from,
                "has no row in the table of allowed edges (xtask/src/tidy/dependencies.rs)",
            )),
            Some((_, allowed)) if !allowed.contains(&to.as_str()) => {
                findings.push(Finding::new(from, format!("may not depend on {to}")));
            }
            Some(_) => {}
        }
    }
    findings
}

/// Finds third-party dependencies outside of their home, and impure ones of pure crates.
#[must_use]
pub fn check_third_party(dependencies: &[Dependency]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Dependency { from, to, kind, inside } in dependencies {
        if *inside {
            continue;
        }
        let mut refuse = |reason: &str| {
            findings.push(Finding::new(from, format!("may not depend on {to}: {reason}")));
        };
        if PURE_CRATES.contains(&from.as_str())
            && let Some((_, reason)) = FORBIDDEN_IN_PURE.iter().find(|(name, _)| name == to)
        {
            refuse(reason);
        }
        for home in HOMES.iter().filter(|home| home.holds(to)) {
            let excused = home.in_tests && *kind == DependencyKind::Test;
            if !excused && !home.crates.contains(&from.as_str()) {
                refuse(home.reason);
            }
        }
    }
    findings
}

impl Home {
    fn holds(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == self.name,
        }
    }
}

/// Finds crates in the text of a Cargo.lock that nothing may bring in.
#[must_use]
pub fn check_lockfile(text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in text.lines() {
        let Some(name) = line.strip_prefix("name = \"").and_then(|rest| rest.strip_suffix('"'))
        else {
            continue;
        };
        if let Some((_, reason)) = FORBIDDEN_IN_LOCKFILE.iter().find(|(banned, _)| *banned == name)
        {
            findings.push(Finding::new("Cargo.lock", format!("has {name}: {reason}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// `crate -> crate` inside the workspace, `crate => crate` to third parties, `?` in tests.
    fn parse_edges(text: &str) -> Vec<Dependency> {
        text.lines()
            .map(|line| {
                let (edge, kind) = match line.strip_suffix('?') {
                    Some(edge) => (edge, DependencyKind::Test),
                    None => (line, DependencyKind::Normal),
                };
                let inside = edge.contains(" -> ");
                let (from, to) = edge
                    .split_once(if inside { " -> " } else { " => " })
                    .expect("a line of the fixture has an arrow");
                Dependency { from: from.to_owned(), to: to.to_owned(), kind, inside }
            })
            .collect()
    }

    fn check(edges: &str, expect: &Expect) {
        let dependencies = parse_edges(edges);
        let mut findings = check_edges(&dependencies);
        findings.extend(check_third_party(&dependencies));
        let shown: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
        expect.assert_eq(&shown);
    }

    #[test]
    fn strategies_and_worlds_never_see_each_other() {
        check(
            "plimsoll-autoscaler -> plimsoll-core\n\
             plimsoll-autoscaler -> plimsoll-sim\n\
             plimsoll-sim -> plimsoll-autoscaler?",
            &expect![[r"
                plimsoll-autoscaler: may not depend on plimsoll-sim
                plimsoll-sim: may not depend on plimsoll-autoscaler
            "]],
        );
    }

    #[test]
    fn nothing_depends_on_the_program_and_a_new_crate_needs_a_row() {
        check(
            "xtask -> plimsoll-cli\nplimsoll-replay -> plimsoll-sim\nplimsoll-common -> plimsoll-core",
            &expect![[r"
                xtask: may not depend on plimsoll-cli
                plimsoll-common: has no row in the table of allowed edges (xtask/src/tidy/dependencies.rs)
            "]],
        );
    }

    #[test]
    fn a_pure_crate_has_no_async_no_chance_and_no_database() {
        check(
            "plimsoll-core => jiff\n\
             plimsoll-core => tokio\n\
             plimsoll-sim => rand?\n\
             plimsoll-autoscaler => rusqlite",
            &expect![[r"
                plimsoll-core: may not depend on tokio: a pure crate has no async
                plimsoll-sim: may not depend on rand: a pure crate draws from its own seeded streams
                plimsoll-autoscaler: may not depend on rusqlite: a database is known to the history only
            "]],
        );
    }

    #[test]
    fn a_third_party_crate_stays_at_home_and_anyhow_may_visit_tests() {
        check(
            "plimsoll-history => rusqlite\n\
             plimsoll-replay => rusqlite?\n\
             plimsoll-replay => anyhow?\n\
             plimsoll-replay => anyhow\n\
             plimsoll-live => aws-config\n\
             plimsoll-kubeio => k8s-openapi\n\
             plimsoll-live => k8s-openapi",
            &expect![[r"
                plimsoll-replay: may not depend on rusqlite: a database is known to the history only
                plimsoll-replay: may not depend on anyhow: a library's errors are enums that callers can match
                plimsoll-live: may not depend on aws-config: a cloud is known to its provider only
                plimsoll-live: may not depend on k8s-openapi: Kubernetes types stay at the edge; they are slow to compile and change by release
            "]],
        );
    }

    #[test]
    fn a_second_tls_stack_is_found_however_deep() {
        let findings = check_lockfile("[[package]]\nname = \"openssl-sys\"\nversion = \"0.9.1\"\n");
        assert_eq!(findings.len(), 1);
        assert_eq!(check_lockfile("[[package]]\nname = \"openssl-probe\"\n"), []);
    }

    #[test]
    fn cargo_metadata_is_read_as_cargo_prints_it() {
        let dependencies = parse_metadata(
            r#"{"packages": [{"name": "plimsoll-sim", "dependencies": [
                {"name": "plimsoll-core", "kind": null, "path": "/work/crates/core"},
                {"name": "expect-test", "kind": "dev"}]}]}"#,
        )
        .unwrap();
        assert_eq!(
            dependencies,
            parse_edges("plimsoll-sim -> plimsoll-core\nplimsoll-sim => expect-test?")
        );

        let error = parse_metadata(r#"{"packages": [{"name": "a"}]}"#).unwrap_err();
        assert_eq!(error.to_string(), "package a has no dependencies");
    }
}
