//! Which pods are alike. Source: `core/scaleup/equivalence/groups_test.go`.

use plimsoll_autoscaler::scale_up::equivalence;
use plimsoll_core::Cluster;
use plimsoll_core::ids::PodId;
use serde_json::{Value, json};

use crate::stage::{cluster_of, owned, pod};

/// The names of pods by group, groups in order.
fn groups(pods: &[Value]) -> Vec<Vec<String>> {
    let cluster: Cluster = cluster_of(pods);
    let ids: Vec<PodId> = cluster.pods().map(|(id, _)| id).collect();
    let name = |id: &PodId| cluster.pod(*id).name.to_string();
    let groups = equivalence::build(&cluster, &ids);
    groups.iter().map(|group| group.pods.iter().map(name).collect()).collect()
}

fn of(controller: &str, name: &str, cpu: &str) -> Value {
    owned(pod(name, cpu, ""), "ReplicationController", controller)
}

fn with_volume(mut pod: Value, name: &str, source: &Value) -> Value {
    let mut volume = source.clone();
    volume["name"] = json!(name);
    pod["spec"]["volumes"] = json!([volume]);
    pod
}

/// `TestGroupSchedulablePodsForNode`: names of projected volumes, which are drawn, tell no pods apart;
/// that of a flexVolume, on which nothing depends, does.
#[test]
fn pods_of_a_controller_are_alike_by_labels_and_spec() {
    let token = json!({"projected": {"sources": [{"serviceAccountToken": {"path": "path"}}]}});
    let flex = json!({"flexVolume": {"driver": "testDriver"}});
    let rows = [
        pod("p1", "1500m", ""),
        of("rc1", "p2-1", "3"),
        of("rc1", "p2-2", "3"),
        of("rc2", "p3-1", "100m"),
        of("rc2", "p3-2", "100m"),
        with_volume(of("rc3", "p4-1", "100m"), "kube-api-access-nz94b", &token),
        with_volume(of("rc3", "p4-2", "100m"), "kube-api-access-mo25i", &token),
        with_volume(of("rc4", "p5-1", "100m"), "volume-nz94b", &flex),
        with_volume(of("rc4", "p5-2", "100m"), "volume-mo25i", &flex),
    ];
    let expected: [&[&str]; 6] =
        [&["p1"], &["p2-1", "p2-2"], &["p3-1", "p3-2"], &["p4-1", "p4-2"], &["p5-1"], &["p5-2"]];
    assert_eq!(groups(&rows), expected);
}

/// `PodSpecSemanticallyEqual` in `utils/utils.go`.
#[test]
fn pods_differ_by_whatever_their_specs_say_apart_from_what_each_has_for_itself() {
    let token = json!({"name": "token-1", "projected": {"sources": []}});
    let alike = [
        ("/spec/hostname", json!("db-0")),
        ("/spec/containers/0/env", json!([{"name": "INDEX", "value": "0"}])),
        ("/spec/nodeSelector", json!({})),
        ("/spec/containers/0/resources/requests", json!({"cpu": "1000m"})),
        ("/spec/volumes", json!([token])),
    ];
    let different = [
        ("/spec/subdomain", json!("db")),
        ("/spec/serviceAccountName", json!("robot")),
        ("/spec/containers/0/args", json!(["--index=0"])),
        ("/spec/containers/0/resources/limits", json!({"cpu": "2"})),
        ("/spec/containers/0/volumeMounts", json!([{"name": "token-1", "mountPath": "/t"}])),
        ("/spec/volumes", json!([{"name": "v", "configMap": {"name": "c"}}])),
        ("/spec/volumes", json!([{"name": "v", "configMap": {"name": "d"}}])),
    ];
    let with = |(path, value): &(&str, Value)| {
        let mut pod = of("rc", "other", "1");
        let (parent, field) = path.rsplit_once('/').expect("a path");
        pod.pointer_mut(parent).expect("it is there")[field] = value.clone();
        groups(&[of("rc", "one", "1"), pod]).len()
    };
    for case in &alike {
        assert_eq!(with(case), 1, "{}", case.0);
    }
    for case in &different {
        assert_eq!(with(case), 2, "{}", case.0);
    }
    // A mount of a projected volume is not compared either.
    let mut pod = of("rc", "other", "1");
    pod["spec"]["volumes"] = json!([token]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "token-1", "mountPath": "/t"}]);
    assert_eq!(groups(&[of("rc", "one", "1"), pod]).len(), 1);
}

/// `TestEquivalenceGroupSizeLimiting`: from the eleventh on, pods of one controller stand alone, even
/// those that are like each other.
#[test]
fn a_controller_has_at_most_ten_groups() {
    let labelled = |number: usize, label: usize| {
        let mut pod = of("rc", &format!("p{number}"), "3");
        pod["metadata"]["labels"] = json!({"uniqueLabel": format!("l{label}")});
        pod
    };
    let mut rows: Vec<Value> = (0..11).map(|number| labelled(number, number)).collect();
    assert_eq!(groups(&rows).len(), 11);
    rows.push(labelled(11, 10));
    assert_eq!(groups(&rows).len(), 12, "another like the eleventh");
    rows.push(labelled(12, 9));
    assert_eq!(groups(&rows).len(), 12, "another like the tenth");
}

/// `TestEquivalenceGroupIgnoresDaemonSets`.
#[test]
fn pods_of_a_daemon_set_stand_alone() {
    let rows = ["p1", "p2"].map(|name| owned(pod(name, "3", ""), "DaemonSet", "ds"));
    assert_eq!(groups(&rows).len(), 2);
}
