//! Traces of numbers become Kubernetes objects.

use std::fs;

use expect_test::expect;
use plimsoll_core::SimTime;
use plimsoll_history::import::{Format, ImportOptions};

use crate::{check_json, import, options};

#[test]
fn dlrm_instances_become_pods_of_replica_sets() {
    let imported = import(Format::Dlrm, &["dlrm.csv"], &options("dlrm.yaml"));
    expect![[r#"
        +0 AutoscalerSettings default
        +0 Deployment app-0 replicas=2
        +0 Namespace dlrm phase="Active"
        +0 NodeGroup cn targetSize=0
        +0 NodeGroup hn targetSize=0
        +0 Pod instance-0 phase="Running"
        +0 Pod instance-1 phase="Running"
        +0 ReplicaSet app-0 replicas=1
        +0 ReplicaSet app-0-2 replicas=1
        +60.5 Deployment app-0 replicas=3
        +60.5 ReplicaSet app-0-2 replicas=2
        +60.5 Pod instance-2 phase="Pending"
        +90.5 Pod instance-2 phase="Running"
        +3600 ReplicaSet app-0-2 replicas=1
        +3600 ReplicaSet app-0-3 replicas=1
        +3600 Pod instance-2 gone
        +3600 Pod instance-3 phase="Pending"
        +3600 Pod instance-3 phase="Running"
        +3660 Deployment app-1 replicas=1
        +3660 ReplicaSet app-1 replicas=1
        +3660 Pod instance-4 phase="Pending"
        +3661 Deployment app-1 replicas=0
        +3661 ReplicaSet app-1 replicas=0
        +3661 Pod instance-4 phase="Running"
        +3661 Pod instance-4 gone
        +7200 Deployment app-0 replicas=2
        +7200 ReplicaSet app-0-2 replicas=0
        +7200 Pod instance-1 gone"#]]
    .assert_eq(&imported.rows());
    let start = imported.history.start();
    check_json(
        &imported.object("Pod", "instance-0", start),
        &expect![[r#"
        {
          "apiVersion": "v1",
          "kind": "Pod",
          "metadata": {
            "creationTimestamp": "2025-01-01T00:00:00Z",
            "labels": {
              "app": "app-0",
              "pod-template-hash": "app-0"
            },
            "name": "instance-0",
            "namespace": "dlrm",
            "ownerReferences": [
              {
                "apiVersion": "apps/v1",
                "blockOwnerDeletion": true,
                "controller": true,
                "kind": "ReplicaSet",
                "name": "app-0",
                "uid": "replicaset-dlrm-app-0"
              }
            ],
            "uid": "pod-dlrm-instance-0"
          },
          "spec": {
            "containers": [
              {
                "image": "trace.invalid/workload:recorded",
                "imagePullPolicy": "IfNotPresent",
                "name": "main",
                "resources": {
                  "limits": {
                    "cap.plimsoll.dev/app-0": "2",
                    "cpu": "12",
                    "ephemeral-storage": "800Gi",
                    "memory": "120Gi",
                    "nvidia.com/gpu": "1",
                    "plimsoll.dev/rdma": "25"
                  },
                  "requests": {
                    "cap.plimsoll.dev/app-0": "2",
                    "cpu": "12",
                    "ephemeral-storage": "600Gi",
                    "memory": "120Gi",
                    "nvidia.com/gpu": "1",
                    "plimsoll.dev/rdma": "25"
                  }
                },
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File"
              }
            ],
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": true,
            "nodeSelector": {
              "plimsoll.dev/role": "HN"
            },
            "preemptionPolicy": "PreemptLowerPriority",
            "priority": 0,
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "serviceAccount": "default",
            "serviceAccountName": "default",
            "terminationGracePeriodSeconds": 30,
            "tolerations": [
              {
                "effect": "NoExecute",
                "key": "node.kubernetes.io/not-ready",
                "operator": "Exists",
                "tolerationSeconds": 300
              },
              {
                "effect": "NoExecute",
                "key": "node.kubernetes.io/unreachable",
                "operator": "Exists",
                "tolerationSeconds": 300
              }
            ]
          },
          "status": {
            "conditions": [
              {
                "lastTransitionTime": "2025-01-01T00:00:00Z",
                "status": "True",
                "type": "PodScheduled"
              }
            ],
            "phase": "Running",
            "startTime": "2025-01-01T00:00:00Z"
          }
        }"#]],
    );
    let end = imported.history.end();
    let allocatable = "/spec/template/status/allocatable";
    let group = imported.object("NodeGroup", "hn", end);
    check_json(
        group.pointer(allocatable).expect("a template"),
        &expect![[r#"
            {
              "cap.plimsoll.dev/app-0": "4",
              "cpu": "96",
              "ephemeral-storage": "8Ti",
              "memory": "960Gi",
              "nvidia.com/gpu": "8",
              "plimsoll.dev/rdma": "200",
              "pods": "250"
            }"#]],
    );
    let later = imported.object("ReplicaSet", "app-0-3", end);
    check_json(
        &later["spec"]["template"]["spec"]["containers"][0]["resources"],
        &expect![[r#"
        {
          "limits": {
            "cap.plimsoll.dev/app-0": "1",
            "cpu": "12",
            "ephemeral-storage": "800Gi",
            "memory": "120Gi",
            "nvidia.com/gpu": "1",
            "plimsoll.dev/rdma": "25"
          },
          "requests": {
            "cap.plimsoll.dev/app-0": "1",
            "cpu": "12",
            "ephemeral-storage": "600Gi",
            "memory": "120Gi",
            "nvidia.com/gpu": "1",
            "plimsoll.dev/rdma": "25"
          }
        }"#]],
    );
    expect!["5 instances of 2 apps in 4 shapes; time 0 of the trace is 2025-01-01T00:00:00Z"]
        .assert_eq(&imported.summary.notes.join("\n"));
}

#[test]
fn surf_rows_become_jobs_that_run_as_long_as_recorded() {
    let imported = import(Format::Surf, &["surf.csv"], &options("surf.yaml"));
    expect![[r#"
        +0 Namespace surf phase="Active"
        +0 NodeGroup lisa-16 targetSize=0
        +1 Job job-101
        +1 Pod job-101-0 phase="Pending"
        +1 Pod job-101-0 phase="Running"
        +1 Job job-102
        +1 Pod job-102-0 phase="Pending"
        +1 Pod job-102-0 phase="Running"
        +8.5 Pod job-102-0 gone
        +8.5 Job job-102 gone
        +61 Job job-103
        +61 Pod job-103-0 phase="Pending"
        +61 Pod job-103-0 phase="Running"
        +121 Pod job-103-0 gone
        +121 Job job-103 gone
        +1195 Pod job-101-0 gone
        +1195 Job job-101 gone"#]]
    .assert_eq(&imported.rows());
    let running = SimTime(imported.history.start().0 + 1_000);
    check_json(
        &imported.object("Pod", "job-102-0", running)["metadata"],
        &expect![[r#"
        {
          "annotations": {
            "plimsoll.dev/run-for": "7.5s"
          },
          "creationTimestamp": "2022-10-01T00:00:00Z",
          "name": "job-102-0",
          "namespace": "surf",
          "ownerReferences": [
            {
              "apiVersion": "batch/v1",
              "blockOwnerDeletion": true,
              "controller": true,
              "kind": "Job",
              "name": "job-102",
              "uid": "job-surf-job-102"
            }
          ],
          "uid": "pod-surf-job-102-0"
        }"#]],
    );
    check_json(
        &imported.object("Job", "job-102", running)["metadata"],
        &expect![[r#"
        {
          "creationTimestamp": "2022-10-01T00:00:00Z",
          "name": "job-102",
          "namespace": "surf",
          "uid": "job-surf-job-102"
        }"#]],
    );
}

#[test]
fn compressed_and_inflated_loads_keep_their_shape() {
    let options =
        ImportOptions { compress: Some(10.0), inflate: Some(1.5), ..options("surf.yaml") };
    let imported = import(Format::Surf, &["surf.csv"], &options);
    let rows = imported.rows();
    let pods: Vec<&str> = rows.lines().filter(|line| line.contains(" Pod ")).collect();
    expect![[r#"
        +0.1 Pod job-101-0 phase="Pending"
        +0.1 Pod job-101-0 phase="Running"
        +0.1 Pod job-102-0 phase="Pending"
        +0.1 Pod job-102-0 phase="Running"
        +0.1 Pod job-102-x1-0 phase="Pending"
        +0.1 Pod job-102-x1-0 phase="Running"
        +0.85 Pod job-102-0 gone
        +0.85 Pod job-102-x1-0 gone
        +6.1 Pod job-103-0 phase="Pending"
        +6.1 Pod job-103-0 phase="Running"
        +12.1 Pod job-103-0 gone
        +119.5 Pod job-101-0 gone"#]]
    .assert_eq(&pods.join("\n"));
}

#[test]
fn openb_nodes_become_groups_and_shares_of_gpus_a_resource() {
    let imported = import(Format::Openb, &["openb-pods.csv", "openb-nodes.csv"], &options(""));
    expect![[r#"
        +0 Namespace openb phase="Active"
        +0 NodeGroup cpu-32c-256gi targetSize=0
        +0 NodeGroup g2-8-96c-384gi targetSize=0
        +0 PriorityClass best-effort
        +0 PriorityClass burstable
        +0 PriorityClass guaranteed
        +0 PriorityClass latency-sensitive
        +10 Pod pod-a phase="Pending"
        +12 Pod pod-a phase="Running"
        +20 Pod pod-b phase="Pending"
        +20 Pod pod-b phase="Running"
        +30 Pod pod-c phase="Pending"
        +80 Pod pod-b gone
        +90 Pod pod-c gone
        +4000 Pod pod-a gone"#]]
    .assert_eq(&imported.rows());
    let time = SimTime(imported.history.start().0 + 20_000);
    check_json(
        &imported.object("Pod", "pod-b", time)["spec"],
        &expect![[r#"
        {
          "affinity": {
            "nodeAffinity": {
              "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                  {
                    "matchExpressions": [
                      {
                        "key": "plimsoll.dev/gpu-model",
                        "operator": "In",
                        "values": [
                          "G2",
                          "T4"
                        ]
                      }
                    ]
                  }
                ]
              }
            }
          },
          "containers": [
            {
              "image": "trace.invalid/workload:recorded",
              "imagePullPolicy": "IfNotPresent",
              "name": "main",
              "resources": {
                "limits": {
                  "plimsoll.dev/gpu-milli": "920"
                },
                "requests": {
                  "cpu": "6500m",
                  "memory": "12000Mi",
                  "plimsoll.dev/gpu-milli": "920"
                }
              },
              "terminationMessagePath": "/dev/termination-log",
              "terminationMessagePolicy": "File"
            }
          ],
          "dnsPolicy": "ClusterFirst",
          "enableServiceLinks": true,
          "preemptionPolicy": "PreemptLowerPriority",
          "priority": 1000,
          "priorityClassName": "best-effort",
          "restartPolicy": "Always",
          "schedulerName": "default-scheduler",
          "securityContext": {},
          "serviceAccount": "default",
          "serviceAccountName": "default",
          "terminationGracePeriodSeconds": 30,
          "tolerations": [
            {
              "effect": "NoExecute",
              "key": "node.kubernetes.io/not-ready",
              "operator": "Exists",
              "tolerationSeconds": 300
            },
            {
              "effect": "NoExecute",
              "key": "node.kubernetes.io/unreachable",
              "operator": "Exists",
              "tolerationSeconds": 300
            }
          ]
        }"#]],
    );
    check_json(
        &imported.object("NodeGroup", "g2-8-96c-384gi", time),
        &expect![[r#"
        {
          "apiVersion": "plimsoll.dev/v1alpha1",
          "kind": "NodeGroup",
          "metadata": {
            "name": "g2-8-96c-384gi"
          },
          "spec": {
            "instanceType": "g2-8-96c-384gi",
            "maxSize": 1,
            "minSize": 0,
            "template": {
              "metadata": {
                "labels": {
                  "kubernetes.io/arch": "amd64",
                  "kubernetes.io/os": "linux",
                  "node.kubernetes.io/instance-type": "g2-8-96c-384gi",
                  "plimsoll.dev/gpu-model": "G2",
                  "plimsoll.dev/node-group": "g2-8-96c-384gi"
                }
              },
              "spec": {},
              "status": {
                "allocatable": {
                  "cpu": "96",
                  "memory": "384Gi",
                  "nvidia.com/gpu": "8",
                  "plimsoll.dev/gpu-milli": "8000",
                  "pods": "110"
                },
                "capacity": {
                  "cpu": "96",
                  "memory": "384Gi",
                  "nvidia.com/gpu": "8",
                  "plimsoll.dev/gpu-milli": "8000",
                  "pods": "110"
                }
              }
            }
          },
          "status": {
            "targetSize": 0
          }
        }"#]],
    );
    let other_way =
        import(Format::Openb, &["openb-nodes.csv", "openb-pods.csv"], &options("openb.yaml"));
    assert!(other_way.rows().contains("NodeGroup t4-2"));
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let one = import(Format::Dlrm, &["dlrm.csv"], &options("dlrm.yaml"));
    let other = import(Format::Dlrm, &["dlrm.csv"], &options("dlrm.yaml"));
    assert_eq!(fs::read(&one.path).expect("readable"), fs::read(&other.path).expect("readable"));
}
