//! Recorded clusters: Gardener scenarios and the output of kubectl.

use std::fs;

use expect_test::expect;
use plimsoll_core::SimTime;
use plimsoll_history::History;
use plimsoll_history::import::{Format, run};

use crate::{check_json, import, options};

#[test]
fn a_gardener_scenario_is_told_as_it_was_when_the_autoscaler_decided() {
    let imported = import(Format::Gardener, &["gardener.json"], &options(""));
    expect![[r#"
        +0 AutoscalerSettings default
        +0 MachineDeployment pool-z1 replicas=1
        +0 Node n1
        +0 NodeGroup pool-z1 targetSize=1
        +0 Pod new phase="Pending"
        +0 Pod old phase="Running" nodeName="n1"
        +0 WorkerPool pool
        +1 Pod late phase="Pending"
        +1 Pod lost phase="Pending"
        +2.001 Event new.e1 reason="TriggeredScaleUp"
        +2.001 MachineDeployment pool-z1 replicas=2
        +2.001 NodeGroup pool-z1 targetSize=2
        +82 Node n2
        +82 Pod late phase="Running" nodeName="n2""#]]
    .assert_eq(&imported.rows());
    let decision = SimTime::parse("2026-01-05T12:00:10Z").expect("a time");
    check_json(
        &imported.object("NodeGroup", "pool-z1", decision),
        &expect![[r#"
            {
              "apiVersion": "plimsoll.dev/v1alpha1",
              "kind": "NodeGroup",
              "metadata": {
                "annotations": {
                  "plimsoll.dev/recorded-CreationTimestamp": "2026-01-05T12:00:11Z"
                },
                "name": "pool-z1"
              },
              "spec": {
                "instanceType": "large",
                "maxSize": 3,
                "minSize": 1,
                "template": {
                  "metadata": {
                    "labels": {
                      "plimsoll.dev/node-group": "pool-z1",
                      "topology.kubernetes.io/zone": "zone-1",
                      "worker.gardener.cloud/pool": "pool"
                    }
                  },
                  "spec": {
                    "taints": [
                      {
                        "effect": "NoSchedule",
                        "key": "dedicated",
                        "value": "shop"
                      }
                    ]
                  },
                  "status": {
                    "allocatable": {
                      "cpu": "3920m",
                      "memory": "15Gi",
                      "pods": "110"
                    },
                    "capacity": {
                      "cpu": "4",
                      "memory": "16Gi",
                      "pods": "110"
                    }
                  }
                },
                "zone": "zone-1"
              },
              "status": {
                "targetSize": 1
              }
            }"#]],
    );
    check_json(
        &imported.object("AutoscalerSettings", "default", decision),
        &expect![[r#"
        {
          "apiVersion": "plimsoll.dev/v1alpha1",
          "kind": "AutoscalerSettings",
          "metadata": {
            "name": "default"
          },
          "spec": {
            "expander": "least-waste",
            "max-nodes-total": 10,
            "scan-interval": "10s"
          }
        }"#]],
    );
    check_json(
        &imported.object("MachineDeployment", "pool-z1", decision),
        &expect![[r#"
        {
          "apiVersion": "machine.sapcloud.io/v1alpha1",
          "kind": "MachineDeployment",
          "metadata": {
            "annotations": {
              "plimsoll.dev/recorded-CreationTimestamp": "2026-01-05T12:00:11Z"
            },
            "generation": 9,
            "name": "pool-z1"
          },
          "spec": {
            "machineType": "large",
            "poolName": "pool",
            "replicas": 1,
            "zone": "zone-1"
          }
        }"#]],
    );
    check_json(
        &imported.object("WorkerPool", "pool", decision),
        &expect![[r#"
        {
          "apiVersion": "plimsoll.dev/v1alpha1",
          "kind": "WorkerPool",
          "metadata": {
            "name": "pool"
          },
          "spec": {
            "architecture": "amd64",
            "machineType": "large",
            "maximum": 3,
            "minimum": 1,
            "shootGeneration": 7,
            "zones": [
              "zone-1",
              "zone-2"
            ]
          }
        }"#]],
    );
    check_json(
        &imported.object("Node", "n1", decision),
        &expect![[r#"
        {
          "apiVersion": "v1",
          "kind": "Node",
          "metadata": {
            "annotations": {
              "plimsoll.dev/recorded-AllocatableVolumes": "26"
            },
            "creationTimestamp": "2026-01-05T07:00:00Z",
            "labels": {
              "kubernetes.io/hostname": "n1",
              "plimsoll.dev/node-group": "pool-z1",
              "topology.kubernetes.io/zone": "zone-1",
              "worker.gardener.cloud/pool": "pool"
            },
            "name": "n1",
            "uid": "node-n1"
          },
          "spec": {
            "providerID": "example://n1",
            "taints": [
              {
                "effect": "NoSchedule",
                "key": "dedicated",
                "value": "shop"
              },
              {
                "effect": "NoExecute",
                "key": "node.kubernetes.io/unreachable"
              }
            ]
          },
          "status": {
            "allocatable": {
              "cpu": "3920m",
              "memory": "15Gi",
              "pods": "110"
            },
            "capacity": {
              "cpu": "4",
              "memory": "16Gi",
              "pods": "110"
            },
            "conditions": [
              {
                "lastTransitionTime": "2026-01-05T07:00:00Z",
                "status": "True",
                "type": "Ready"
              }
            ]
          }
        }"#]],
    );
    expect!["sample at 2026-01-05T12:00:10Z: 2 nodes, 3 scheduled pods (1 of them on unknown nodes, kept pending), 1 unscheduled pods, 1 scale-up events"].assert_eq(&imported.summary.notes.join("\n"));
}

#[test]
fn kubectl_output_is_a_snapshot_and_what_is_missing_later_is_gone() {
    // Given in the wrong order: the times in the files decide.
    let files = ["objects-2.json", "objects-1.yaml"];
    let imported = import(Format::Objects, &files, &options(""));
    expect![[r#"
        +0 Node n1
        +0 Pod web-1 phase="Running" nodeName="n1"
        +0 Pod web-2 phase="Pending"
        +1200 Node n1 gone
        +1200 Pod web-1 gone
        +1200 Pod web-2 gone
        +1200 Pod web-2 phase="Pending""#]]
    .assert_eq(&imported.rows());
    expect![[r#"
        objects-1.yaml: 3 objects, taken as observed at 2026-01-05T05:40:00Z, the newest time in it
        objects-2.json: 1 objects, taken as observed at 2026-01-05T06:00:00Z, the newest time in it"#]].assert_eq(&imported.summary.notes.join("\n"));
    let pod = imported.object("Pod", "web-1", imported.history.start());
    check_json(
        &pod["spec"],
        &expect![[r#"
        {
          "containers": [
            {
              "name": "main",
              "resources": {
                "requests": {
                  "cpu": "500m"
                }
              }
            }
          ],
          "nodeName": "n1"
        }"#]],
    );
}

#[test]
fn machine_deployments_are_node_groups_too() {
    let text = r#"
apiVersion: v1
kind: List
items:
- apiVersion: machine.sapcloud.io/v1alpha1
  kind: MachineDeployment
  metadata: {name: pool-z1, namespace: shoot--p--s, creationTimestamp: "2026-01-05T05:00:00Z"}
  spec:
    replicas: 2
    template:
      spec:
        class: {kind: MachineClass, name: pool-z1-abc}
        nodeTemplate:
          metadata: {labels: {worker.gardener.cloud/pool: pool}}
          spec: {taints: [{key: dedicated, value: shop, effect: NoSchedule}]}
- apiVersion: machine.sapcloud.io/v1alpha1
  kind: MachineDeployment
  metadata: {name: pool-z2, namespace: shoot--p--s}
- apiVersion: machine.sapcloud.io/v1alpha1
  kind: MachineClass
  metadata: {name: pool-z1-abc, namespace: shoot--p--s}
  nodeTemplate:
    capacity: {cpu: "4", memory: 16Gi}
    instanceType: large
    region: region-1
    zone: zone-1
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: cluster-autoscaler, namespace: shoot--p--s}
  spec:
    template:
      spec:
        containers:
        - name: main
          command: [./cluster-autoscaler, "--nodes=1:5:shoot--p--s.pool-z1"]
"#;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, output) = (folder.path().join("x.yaml"), folder.path().join("x.db"));
    fs::write(&file, text).expect("writable");
    let summary = run(Format::Objects, &[file], &options(""), &output, &mut |_| {})
        .expect("a valid snapshot");
    expect![[r#"
        machine deployment pool-z2 is no node group: neither its annotations nor --nodes of a cluster-autoscaler Deployment give its sizes
        x.yaml: 5 objects, taken as observed at 2026-01-05T05:00:00Z, the newest time in it"#]].assert_eq(&summary.notes.join("\n"));
    let history = History::open(&output).expect("a whole history");
    let snapshot = history.snapshot_at(history.start()).expect("readable");
    let group = snapshot.iter().find(|change| &*change.object.kind == "NodeGroup");
    let group = history.object_json(group.expect("a node group")).expect("readable");
    check_json(
        &group,
        &expect![[r#"
        {
          "apiVersion": "plimsoll.dev/v1alpha1",
          "kind": "NodeGroup",
          "metadata": {
            "name": "pool-z1"
          },
          "spec": {
            "instanceType": "large",
            "maxSize": 5,
            "minSize": 1,
            "template": {
              "metadata": {
                "labels": {
                  "node.kubernetes.io/instance-type": "large",
                  "plimsoll.dev/node-group": "pool-z1",
                  "topology.kubernetes.io/region": "region-1",
                  "topology.kubernetes.io/zone": "zone-1",
                  "worker.gardener.cloud/pool": "pool"
                }
              },
              "spec": {
                "taints": [
                  {
                    "effect": "NoSchedule",
                    "key": "dedicated",
                    "value": "shop"
                  }
                ]
              },
              "status": {
                "allocatable": {
                  "cpu": "4",
                  "memory": "16Gi"
                },
                "capacity": {
                  "cpu": "4",
                  "memory": "16Gi"
                }
              }
            },
            "zone": "zone-1"
          },
          "status": {
            "targetSize": 2
          }
        }"#]],
    );
}
