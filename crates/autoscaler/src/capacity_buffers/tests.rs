//! Capacity buffers: how many chunks, what becomes of them, what is said.

use expect_test::expect;
use plimsoll_core::capacity::{CapacityObject, PodTemplateObject, ScalableRef};
use plimsoll_core::condition::Conditions;
use plimsoll_core::labels::{LabelSelector, Operator, Requirement};
use plimsoll_core::quantity::Quantity;
use plimsoll_core::workload::WorkloadKind;
use plimsoll_core::{ResourceMap, SimDuration};

use super::*;
use crate::fixture::{Fixture, pod_spec};

const ON: [(&str, &str); 2] = [
    ("capacity-buffer-controller-enabled", "true"),
    ("capacity-buffer-pod-injection-enabled", "true"),
];

fn id(name: &str) -> NamespacedName {
    NamespacedName { namespace: "shop".to_owned(), name: name.to_owned() }
}

fn buffer(name: &str) -> CapacityBufferObject {
    CapacityBufferObject {
        id: id(name),
        created_at: None,
        provisioning_strategy: ACTIVE_CAPACITY.to_owned(),
        pod_template: None,
        scalable: None,
        replicas: None,
        percentage: None,
        limits: None,
        status: CapacityBufferStatus::default(),
    }
}

fn template(fixture: &mut Fixture, name: &str, spec: PodSpec) {
    let template = PodTemplateObject { id: id(name), generation: 1, spec };
    fixture.cluster.put_capacity(CapacityObject::PodTemplate(Box::new(template)));
}

/// A buffer of so many chunks, each like the template.
fn chunks(fixture: &mut Fixture, name: &str, template: &str, replicas: u32) {
    let one = CapacityBufferObject {
        pod_template: Some(template.to_owned()),
        replicas: Some(replicas),
        ..buffer(name)
    };
    fixture.cluster.put_capacity(CapacityObject::Buffer(one));
}

fn limits(amounts: &[(&str, &str)]) -> Option<BTreeMap<String, Quantity>> {
    let quantity = |text: &str| Quantity::parse(text).expect("a quantity");
    Some(amounts.iter().map(|(name, text)| ((*name).to_owned(), quantity(text))).collect())
}

/// The statuses of all buffers after one loop's injection, and how many pods were made up.
fn statuses(fixture: &mut Fixture, flags: &[(&str, &str)]) -> String {
    let settings = fixture.settings(flags);
    let mut buffers = CapacityBuffers::default();
    let (mut fakes, mut actions) = (FakePods::default(), Vec::new());
    let mut fork = fixture.cluster.fork();
    buffers.inject(&mut fork, &settings, &mut fakes, &mut actions, fixture.now);
    let lines = buffers.statuses().enumerate().map(|(number, (id, status))| {
        let is_its =
            |pod: &plimsoll_core::ids::PodId| fakes.origin(*pod) == Some(Origin::Buffer(number));
        let count = fakes.iter().filter(is_its).count();
        let conditions = status.conditions.0.iter().map(|one| {
            format!("\n  {}={} {} {:?}", one.kind, one.status.as_str(), one.reason, one.message)
        });
        let conditions: String = conditions.collect();
        format!("{}: {:?} chunks, {count} pods{conditions}", id.name, status.replicas)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The cases of `TestGetBufferNumberOfPods` and `TestPodTemplateBufferTranslator`.
#[test]
fn the_least_of_replicas_percentage_and_limits_counts() {
    let mut fixture = Fixture::default();
    fixture.group("workers", 0, 9, "4", "16Gi");
    template(&mut fixture, "small", pod_spec("500m", "1Gi"));
    template(
        &mut fixture,
        "empty",
        PodSpec { requests: ResourceMap::new(), ..pod_spec("1", "1Gi") },
    );
    let of = |name, template: &str| CapacityBufferObject {
        pod_template: Some(template.to_owned()),
        ..buffer(name)
    };
    let cases = [
        CapacityBufferObject { replicas: Some(5), ..of("a-replicas", "small") },
        CapacityBufferObject { replicas: Some(0), ..of("b-none", "small") },
        CapacityBufferObject { limits: limits(&[("cpu", "1750m")]), ..of("c-limit", "small") },
        CapacityBufferObject {
            limits: limits(&[("cpu", "10"), ("memory", "2.5Gi"), ("example.com/gpu", "1")]),
            replicas: Some(7),
            ..of("d-both", "small")
        },
        CapacityBufferObject { limits: limits(&[("cpu", "200m")]), ..of("e-too-small", "small") },
        CapacityBufferObject { limits: limits(&[("cpu", "2")]), ..of("f-no-requests", "empty") },
        CapacityBufferObject { percentage: Some(50), ..of("g-no-count", "small") },
        CapacityBufferObject { replicas: Some(2), ..of("h-no-template", "missing") },
        CapacityBufferObject {
            provisioning_strategy: "example.com/other".to_owned(),
            replicas: Some(2),
            ..of("i-other", "small")
        },
    ];
    for case in cases {
        fixture.cluster.put_capacity(CapacityObject::Buffer(case));
    }
    expect![[r#"
        a-replicas: Some(5) chunks, 5 pods
          ReadyForProvisioning=True AttributesSetSuccessfully "ready"
          LimitedByQuotas=False ResourceQuotasAllocated ""
          Provisioning=True FakePodsInjected ""
        b-none: Some(0) chunks, 0 pods
          ReadyForProvisioning=True AttributesSetSuccessfully "ready"
          LimitedByQuotas=False ResourceQuotasAllocated ""
          Provisioning=False BufferIsEmpty "CapacityBuffer has zero replicas"
        c-limit: Some(3) chunks, 3 pods
          ReadyForProvisioning=True AttributesSetSuccessfully "ready"
          LimitedByQuotas=False ResourceQuotasAllocated ""
          Provisioning=True FakePodsInjected ""
        d-both: Some(2) chunks, 2 pods
          ReadyForProvisioning=True AttributesSetSuccessfully "ready"
          LimitedByQuotas=False ResourceQuotasAllocated ""
          Provisioning=True FakePodsInjected ""
        e-too-small: Some(0) chunks, 0 pods
          ReadyForProvisioning=True AttributesSetSuccessfully "ready"
          LimitedByQuotas=False ResourceQuotasAllocated ""
          Provisioning=False BufferIsEmpty "CapacityBuffer has zero replicas"
        f-no-requests: None chunks, 0 pods
          ReadyForProvisioning=False error "Buffer not ready for provisioning: couldn't get number of replicas for buffer: resources in configured limits not found in the pod template"
        g-no-count: None chunks, 0 pods
          ReadyForProvisioning=False error "Buffer not ready for provisioning: couldn't get number of replicas for buffer: replicas, percentage and limits are not defined"
        h-no-template: None chunks, 0 pods
          ReadyForProvisioning=False error "Buffer not ready for provisioning: capacity buffer client can't get pod template: podtemplates \"missing\" not found"
        i-other: None chunks, 0 pods"#]].assert_eq(&statuses(&mut fixture, &ON));
}

/// The cases of `TestScalableObjectsTranslator`.
#[test]
fn a_buffer_of_a_scalable_object_is_like_its_newest_pod_or_its_template() {
    let mut fixture = Fixture::default();
    fixture.group("workers", 0, 9, "4", "16Gi");
    let node = fixture.node("n1", "workers");
    let mut set = |name: &str, kind, replicas: u32, live: usize| {
        let spec = PodSpec {
            labels: [("app".to_owned(), name.to_owned())].into(),
            ..pod_spec("100m", "1Mi")
        };
        if live > 0 {
            fixture.running(name, live, &spec, node);
        }
        let key = WorkloadKey::new(kind, "shop", name);
        let workload = fixture.cluster.intern_workload(key);
        let shape = fixture.cluster.intern_shape(&spec);
        fixture.cluster.update_workload(workload, |one| {
            one.exists = true;
            one.replicas = replicas;
            one.shape = Some(shape);
            one.selector = Some(LabelSelector {
                requirements: vec![Requirement {
                    key: "app".to_owned(),
                    operator: Operator::In,
                    values: vec![name.to_owned()],
                }],
            });
        });
    };
    set("live", WorkloadKind::Deployment, 20, 10);
    set("planned", WorkloadKind::ReplicaSet, 30, 0);
    set("job", WorkloadKind::Job, 8, 0);
    let of = |name: &str, group: &str, kind: &str, object: &str| CapacityBufferObject {
        percentage: Some(25),
        scalable: Some(ScalableRef {
            api_group: group.to_owned(),
            kind: kind.to_owned(),
            name: object.to_owned(),
        }),
        ..buffer(name)
    };
    let cases = [
        of("a-pods-there-are", "apps", "Deployment", "live"),
        of("b-pods-it-wants", "apps", "ReplicaSet", "planned"),
        of("c-parallelism", "batch", "Job", "job"),
        of("d-missing", "apps", "StatefulSet", "nobody"),
        of("e-unknown", "example.com", "Thing", "x"),
        CapacityBufferObject { replicas: Some(2), ..of("f-fixed", "apps", "Deployment", "live") },
    ];
    for case in cases {
        fixture.cluster.put_capacity(CapacityObject::Buffer(case));
    }
    expect![[r#"
        a-pods-there-are: Some(2) chunks, 2 pods
          ReadyForProvisioning=True AttributesSetSuccessfully "ready"
          LimitedByQuotas=False ResourceQuotasAllocated ""
          Provisioning=True FakePodsInjected ""
        b-pods-it-wants: Some(7) chunks, 7 pods
          ReadyForProvisioning=True AttributesSetSuccessfully "ready"
          LimitedByQuotas=False ResourceQuotasAllocated ""
          Provisioning=True FakePodsInjected ""
        c-parallelism: Some(2) chunks, 2 pods
          ReadyForProvisioning=True AttributesSetSuccessfully "ready"
          LimitedByQuotas=False ResourceQuotasAllocated ""
          Provisioning=True FakePodsInjected ""
        d-missing: None chunks, 0 pods
          ReadyForProvisioning=False error "Buffer not ready for provisioning: failed to resolve live pod: failed to get scale object: failed to get scale sub resource: statefulsets.apps \"nobody\" not found, failed to resolve scalable object: failed to get Deployment: failed to get StatefulSet: statefulset.apps \"nobody\" not found"
        e-unknown: None chunks, 0 pods
          ReadyForProvisioning=False error "Buffer not ready for provisioning: failed to resolve live pod: failed to get scale object: no matches for kind \"Thing\" in group \"example.com\", failed to resolve scalable object: kind example.com/Thing is not supported to use pod template"
        f-fixed: Some(2) chunks, 2 pods
          ReadyForProvisioning=True AttributesSetSuccessfully "ready"
          LimitedByQuotas=False ResourceQuotasAllocated ""
          Provisioning=True FakePodsInjected """#]].assert_eq(&statuses(&mut fixture, &ON));
}

/// The cases of `TestPodListProcessor`: without the controller, the status is somebody else's.
#[test]
fn the_status_of_another_controller_is_taken_at_its_word() {
    let mut fixture = Fixture::default();
    fixture.group("workers", 0, 9, "4", "16Gi");
    template(&mut fixture, "t", pod_spec("1", "1Gi"));
    let condition = |kind: &str, holds: bool| Condition {
        kind: kind.to_owned(),
        status: if holds { ConditionStatus::True } else { ConditionStatus::False },
        reason: String::new(),
        message: String::new(),
        changed_at: SimTime(0),
    };
    let status = |conditions: Vec<Condition>| CapacityBufferStatus {
        pod_template: Some("t".to_owned()),
        pod_template_generation: Some(1),
        replicas: Some(3),
        provisioning_strategy: Some(ACTIVE_CAPACITY.to_owned()),
        conditions: Conditions(conditions),
    };
    let ready = || status(vec![condition(READY, true)]);
    let provisioning =
        |is_ready| status(vec![condition(READY, is_ready), condition(PROVISIONING, true)]);
    let cases = [
        ("a-ready", ready()),
        ("b-no-longer-ready", provisioning(false)),
        ("c-provisioning", provisioning(true)),
        ("d-neither", status(vec![condition(READY, false)])),
        ("e-empty", CapacityBufferStatus { replicas: Some(0), ..ready() }),
        ("f-outdated", CapacityBufferStatus { pod_template_generation: Some(2), ..ready() }),
        ("g-no-template", CapacityBufferStatus { pod_template: Some("x".to_owned()), ..ready() }),
        (
            "h-other",
            CapacityBufferStatus { provisioning_strategy: Some("x".to_owned()), ..ready() },
        ),
        ("i-none", CapacityBufferStatus { provisioning_strategy: None, ..ready() }),
    ];
    for (name, status) in cases {
        let one = CapacityBufferObject { status, ..buffer(name) };
        fixture.cluster.put_capacity(CapacityObject::Buffer(one));
    }
    expect![[r#"
        a-ready: Some(3) chunks, 3 pods
          ReadyForProvisioning=True  ""
          Provisioning=True FakePodsInjected ""
        b-no-longer-ready: Some(3) chunks, 0 pods
          ReadyForProvisioning=False  ""
          Provisioning=False NotReadyForProvisioning "CapacityBuffer is not ready for provisioning"
        c-provisioning: Some(3) chunks, 3 pods
          ReadyForProvisioning=True  ""
          Provisioning=True FakePodsInjected ""
        d-neither: Some(3) chunks, 0 pods
          ReadyForProvisioning=False  ""
        e-empty: Some(0) chunks, 0 pods
          ReadyForProvisioning=True  ""
          Provisioning=False BufferIsEmpty "CapacityBuffer has zero replicas"
        f-outdated: Some(3) chunks, 0 pods
          ReadyForProvisioning=True  ""
        g-no-template: Some(3) chunks, 0 pods
          ReadyForProvisioning=True  ""
          Provisioning=False FailedToGetPodTemplate "failed to get pod template with error: capacity buffer client can't get pod template: podtemplates \"x\" not found"
        h-other: Some(3) chunks, 0 pods
          ReadyForProvisioning=True  ""
        i-none: Some(3) chunks, 0 pods
          ReadyForProvisioning=True  """#]].assert_eq(&statuses(&mut fixture, &ON[1..]));
}

#[test]
fn chunks_hold_the_room_they_fit_in_and_make_room_where_they_do_not() {
    let mut fixture = Fixture::default();
    fixture.group("workers", 0, 9, "4", "16Gi");
    fixture.node("n1", "workers");
    template(&mut fixture, "chunk", pod_spec("2", "1Gi"));
    chunks(&mut fixture, "spare", "chunk", 3);
    let mut autoscaler = fixture.autoscaler(&ON);
    expect![[r#"
        CapacityBuffer shop/spare: ReadyForProvisioning=True AttributesSetSuccessfully: ready
        CapacityBuffer shop/spare: LimitedByQuotas=False ResourceQuotasAllocated
        CapacityBuffer shop/spare: Provisioning=True FakePodsInjected
        workers +1
        why workers: Scale-up: setting group workers size to 2 instead of 1 (max: 9)
        why CapacityBuffer shop/spare: capacity buffer 1 fake pods triggered scale-up: [{workers 1->2 (max: 9)}]"#]].assert_eq(&fixture.after(10, &mut autoscaler));
    assert_eq!(fixture.after(10, &mut autoscaler), "", "the third fits on the node that comes");
    let waiting = fixture.pending("web", 2, &pod_spec("2", "1Gi"));
    let decision = fixture.after(10, &mut autoscaler);
    expect![[r#"
        workers +1
        why workers: Scale-up: setting group workers size to 3 instead of 2 (max: 9)
        why CapacityBuffer shop/spare: capacity buffer 1 fake pods triggered scale-up: [{workers 2->3 (max: 9)}]"#]].assert_eq(&decision);
    let outcomes = &autoscaler.last_loop().expect("a loop has run").outcomes;
    let fits = |pod: &plimsoll_core::ids::PodId| (*pod, PodOutcome::FitsExisting);
    assert_eq!(*outcomes, waiting.iter().map(fits).collect::<Vec<_>>(), "real pods go first");
}

#[test]
fn chunks_that_no_group_helps_are_told_of_their_buffer() {
    let mut fixture = Fixture::default();
    fixture.group("workers", 0, 9, "1", "16Gi");
    template(&mut fixture, "chunk", pod_spec("2", "1Gi"));
    chunks(&mut fixture, "spare", "chunk", 2);
    let mut autoscaler = fixture.autoscaler(&ON);
    expect![[r#"
        CapacityBuffer shop/spare: ReadyForProvisioning=True AttributesSetSuccessfully: ready
        CapacityBuffer shop/spare: LimitedByQuotas=False ResourceQuotasAllocated
        CapacityBuffer shop/spare: Provisioning=True FakePodsInjected
        why CapacityBuffer shop/spare: capacity buffer 2 fake pods didn't trigger scale-up: 1 Insufficient cpu,1 Insufficient cpu"#]].assert_eq(&fixture.after(10, &mut autoscaler));
    assert_eq!(fixture.after(10, &mut autoscaler), "", "it is no news any more");
}

#[test]
fn nodes_stay_as_long_as_chunks_have_no_other_place() {
    let mut fixture = Fixture::default();
    fixture.group("workers", 0, 9, "4", "16Gi");
    for name in ["n1", "n2"] {
        fixture.node(name, "workers");
    }
    template(&mut fixture, "chunk", pod_spec("1", "1Gi"));
    let unneeded = |fixture: &mut Fixture, replicas: u32| {
        chunks(fixture, "spare", "chunk", replicas);
        let mut autoscaler = fixture.autoscaler(&ON);
        fixture.now += SimDuration::from_secs(10);
        fixture.decide(&mut autoscaler);
        let unneeded = autoscaler.scale_down().unneeded();
        unneeded.iter().map(|one| one.node.index()).collect::<Vec<_>>()
    };
    assert_eq!(unneeded(&mut fixture, 0), [0, 1], "nobody needs them");
    assert_eq!(unneeded(&mut fixture, 1).len(), 1, "one holds the chunk, the other goes");
    assert_eq!(unneeded(&mut fixture, 8), [0; 0], "both are full");
}

#[test]
fn chunks_keep_their_places_from_loop_to_loop() {
    let mut fixture = Fixture::default();
    fixture.group("workers", 0, 9, "4", "16Gi");
    for name in ["n1", "n2", "n3"] {
        fixture.node(name, "workers");
    }
    template(&mut fixture, "chunk", pod_spec("3", "1Gi"));
    chunks(&mut fixture, "spare", "chunk", 1);
    let mut autoscaler = fixture.autoscaler(&ON);
    let mut since = Vec::new();
    for _ in 0..4 {
        fixture.after(10, &mut autoscaler);
        let unneeded = autoscaler.scale_down().unneeded();
        since.push(unneeded.iter().map(|one| (one.node, one.since)).collect::<Vec<_>>());
    }
    assert_eq!(since[0].len(), 2);
    assert!(
        since.iter().all(|one| *one == since[0]),
        "the same nodes are unneeded since: {since:?}"
    );
}
