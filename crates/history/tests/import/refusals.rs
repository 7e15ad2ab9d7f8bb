//! Bad input is refused with one line that says where, and nothing is written.

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect;
use plimsoll_history::import::{Format, ImportOptions, run};

use crate::{examples, options};

/// Imports a changed copy of a sample and returns the error, without the folder.
fn refusal(format: Format, sample: &str, from: &str, to: &str, groups: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = folder.path().join("x.db");
    let text = fs::read_to_string(examples().join("traces").join(sample)).expect("readable");
    assert!(text.contains(from), "{sample} has no {from:?}");
    let file = folder.path().join(sample);
    fs::write(&file, text.replacen(from, to, 1)).expect("writable");
    let error = run(format, &[file], &options(groups), &output, &mut |_| {});
    let left: Vec<_> = fs::read_dir(folder.path()).expect("readable").collect();
    assert_eq!(left.len(), 1, "nothing is written: {left:?}");
    let error = error.expect_err("bad input").to_string();
    let error = error.replace(&examples().display().to_string(), "EXAMPLES");
    error.replace(&folder.path().display().to_string(), "DIR")
}

#[test]
fn a_bad_row_is_named_with_its_line_and_column() {
    let dlrm = |from: &str, to: &str| refusal(Format::Dlrm, "dlrm.csv", from, to, "dlrm.yaml");
    let surf = |from: &str, to: &str| refusal(Format::Surf, "surf.csv", from, to, "surf.yaml");
    let all_rows = "101,1664582400000,1194000,16,100000\n102,1664582400000,7500,16,100000\n\
                    103,1664582460000,60000,16,64500\n";
    let refusals = [
        dlrm("cpu_limit,", ""),
        dlrm("rdma_limit,", "rdma,"),
        dlrm("320.0,320.0", "320.0GiB,320.0"),
        dlrm("90.5", "30.5"),
        dlrm("3660,3661,3661", "3660,3661,3660"),
        dlrm("instance_1,", "instance_0,"),
        dlrm(",-1,", ",0,"),
        dlrm("HN", "XN"),
        surf("1194000", "-1194000"),
        surf("1664582460000", "1664582460000000000"),
        surf("103,", ","),
        surf("16,64500", "16"),
        surf(all_rows, ""),
    ];
    expect![[r#"
        DIR/dlrm.csv:1: column cpu_limit is missing
        DIR/dlrm.csv:1: column rdma_limit is missing
        DIR/dlrm.csv:3: column memory_request: "320.0GiB" is not a number of at least 0
        DIR/dlrm.csv:4: column scheduled_time: "30.5" is before creation_time
        DIR/dlrm.csv:6: column deletion_time: "3660" is before the instance was created or scheduled
        DIR/dlrm.csv:3: column instance_sn: "instance_0" names an instance for the second time
        DIR/dlrm.csv:3: column max_instance_per_node: "0" is neither -1 (no limit) nor a number from 1 to 1000
        EXAMPLES/groups/dlrm.yaml: no group's template has the label plimsoll.dev/role: XN
        DIR/surf.csv:2: column duration_ms: "-1194000" is below 0
        DIR/surf.csv:4: column submission_time_ms: "1664582460000000000" is after the year 9999
        DIR/surf.csv:4: column id: "" is empty
        DIR/surf.csv:4: 4 fields, but the first line names 5 columns
        DIR/surf.csv:1: no rows follow the first line"#]].assert_eq(&refusals.join("\n"));
}

#[test]
fn bad_documents_are_named_with_their_place() {
    let yaml = |from: &str, to: &str| refusal(Format::Objects, "objects-1.yaml", from, to, "");
    let json = |from: &str, to: &str| refusal(Format::Objects, "objects-2.json", from, to, "");
    let gardener = |from: &str, to: &str| refusal(Format::Gardener, "gardener.json", from, to, "");
    let refusals = [
        yaml("name: n1,", "nam: n1,"),
        yaml("items:", "items: ["),
        json("\"items\": [", "\"items\": "),
        json("2026-01-05T06:00:00Z", "yesterday"),
        json("\"creationTimestamp\": \"2026-01-05T06:00:00Z\"", "\"x\": 1"),
        gardener("\"MinSize\": 1", "\"MinSize\": 4"),
        gardener("2026-01-05T08:00:00+01:00", "08:00"),
        gardener("\"PoolName\": \"pool\"", "\"PoolName\": \"other\""),
        gardener("\"Name\": \"old\", ", ""),
    ];
    expect![[r#"
        DIR/objects-1.yaml: not a Kubernetes object: Node: metadata.name is missing or no text
        DIR/objects-1.yaml:4: not YAML: "-" is only valid inside a block at line 4, column 1
        DIR/objects-2.json:10: not JSON: expected `,` or `}` at line 10 column 3
        DIR/objects-2.json: not a Kubernetes object: Pod web-2: metadata.creationTimestamp: "yesterday" is not an RFC 3339 time such as 2026-01-05T06:00:00Z
        DIR/objects-2.json: holds no time, such as a creationTimestamp, that says when it was made
        DIR/gardener.json: node group pool-z1: MinSize is above MaxSize
        DIR/gardener.json: Scenarios[0].Nodes[0].CreationTimestamp is wrong: "08:00" is not an RFC 3339 time such as 2026-01-05T06:00:00Z
        DIR/gardener.json: node group pool-z1: no recorded node shows its template
        DIR/gardener.json: Scenarios[0].ScheduledPods[0].Name is missing or no text"#]].assert_eq(&refusals.join("\n"));
}

#[test]
fn a_bad_group_is_named_with_its_field() {
    let text = fs::read_to_string(examples().join("groups/surf.yaml")).expect("readable");
    let refuse = |from: &str, to: &str| {
        assert!(text.contains(from), "no {from:?}");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let groups = folder.path().join("groups.yaml");
        fs::write(&groups, text.replacen(from, to, 1)).expect("writable");
        let options = ImportOptions { groups: Some(groups), ..ImportOptions::default() };
        let files = [examples().join("traces/surf.csv")];
        let output = folder.path().join("x.db");
        let error = run(Format::Surf, &files, &options, &output, &mut |_| {});
        let error = error.expect_err("a bad group").to_string();
        error.replace(&folder.path().display().to_string(), "DIR")
    };
    let settings = |fields: &str| {
        format!("\n---\napiVersion: plimsoll.dev/v1alpha1\nkind: AutoscalerSettings\n{fields}")
    };
    let refusals = [
        refuse("  template:", "  other:"),
        refuse("minSize: 0", "minSize: 2000"),
        refuse("maxSize: 1000", "maxSize: many"),
        refuse("  maxSize: 1000\n", ""),
        refuse("120s", "2 minutes"),
        refuse("\"1.13\"", "\"1,13\""),
        refuse("memory: 124Gi", "memory: 124 GB"),
        refuse("capacityType: on-demand", "capacityType: reserved"),
        refuse("name: lisa-16", "title: lisa-16"),
        refuse("kind: NodeGroup", "kind: Group"),
        refuse("spec:", "spec: {"),
        refuse("kubernetes.io/os: linux", "plimsoll.dev/node-group: x"),
        refuse("status: {targetSize: 0}", &settings("spec: [1]")),
        refuse("status: {targetSize: 0}", &settings("metadata: {}\nspec: {}")),
        refuse("status: {targetSize: 0}", &settings("spec: {}").repeat(2)),
    ];
    expect![[r#"
        DIR/groups.yaml:4: node group lisa-16: spec.template is missing
        DIR/groups.yaml:4: node group lisa-16: spec.minSize 2000 is above spec.maxSize 1000
        DIR/groups.yaml:4: node group lisa-16: spec.maxSize: "many" is not a whole number of at least 0
        DIR/groups.yaml:4: node group lisa-16: spec.maxSize is missing
        DIR/groups.yaml:4: node group lisa-16: spec.bootDelay: "2 minutes" is not a duration such as 90s, 10m or 1h30m
        DIR/groups.yaml:4: node group lisa-16: spec.pricePerHour: "1,13" is not a price in USD such as "0.214"
        DIR/groups.yaml:4: node group lisa-16: spec.template.status.allocatable.memory: "124 GB" is not a quantity such as 16, 500m or 64Gi
        DIR/groups.yaml:4: node group lisa-16: spec.capacityType: "reserved" is neither on-demand nor spot
        DIR/groups.yaml:4: node group without metadata.name
        DIR/groups.yaml:4: expected apiVersion plimsoll.dev/v1alpha1 and kind NodeGroup or AutoscalerSettings, found "plimsoll.dev/v1alpha1" and "Group"
        DIR/groups.yaml:9: not YAML: while parsing a flow mapping, did not find expected ',' or '}' at line 9, column 10
        DIR/groups.yaml:4: node group lisa-16: spec.template.metadata.labels.plimsoll.dev/node-group names another group, x
        DIR/groups.yaml:29: AutoscalerSettings: spec is not a mapping of flags to values
        DIR/groups.yaml:29: AutoscalerSettings without metadata.name
        DIR/groups.yaml:33: there are two AutoscalerSettings"#]].assert_eq(&refusals.join("\n"));
}

#[test]
fn arguments_that_do_not_fit_are_refused_before_anything_is_read() {
    let refuse = |format: &str, files: usize, options: &ImportOptions| {
        let files = vec![PathBuf::from("missing.csv"); files];
        let format = Format::parse(format).map_err(|error| error.to_string());
        let output = Path::new("never-written.db");
        format.and_then(|format| {
            run(format, &files, options, output, &mut |_| {})
                .map(|_| ())
                .map_err(|error| error.to_string())
        })
    };
    let numbers = |compress, inflate| ImportOptions { compress, inflate, ..options("surf.yaml") };
    let refusals = [
        refuse("csv", 1, &options("")),
        refuse("dlrm", 1, &options("")),
        refuse("openb", 1, &options("")),
        refuse("surf", 1, &numbers(Some(0.0), None)),
        refuse("surf", 1, &numbers(None, Some(f64::NAN))),
        refuse("objects", 1, &numbers(Some(2.0), None)),
        refuse("gardener", 1, &options("surf.yaml")),
        refuse("surf", 1, &options("surf.yaml")),
    ]
    .map(|result| result.expect_err("bad arguments"));
    expect![[r#"
        unknown format "csv"; known are dlrm, surf, openb, gardener, objects
        dlrm names no machines: --groups is needed, for example examples/groups/dlrm.yaml
        openb needs two files, the CSV of pods and the CSV of nodes; 1 files were given
        --compress must be a number above 0, not 0
        --inflate must be a number above 0, not NaN
        --compress makes no sense for objects
        gardener scenarios bring their own node groups
        missing.csv: could not read: No such file or directory (os error 2)"#]]
    .assert_eq(&refusals.join("\n"));
}
