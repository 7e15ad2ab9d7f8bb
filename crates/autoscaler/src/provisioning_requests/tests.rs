//! Provisioning requests: what is tried when, what is said, what is held.

use expect_test::expect;
use plimsoll_core::capacity::{CapacityObject, PodSet, PodTemplateObject};
use plimsoll_core::condition::Conditions;

use super::*;
use crate::action::Outcome;
use crate::fixture::{Fixture, pod_spec};
use crate::scale_down::UnremovableReason;
use crate::scale_up::ScaleUpResult;
use crate::{ClusterAutoscaler, NodeAutoscaler};

const ON: (&str, &str) = ("enable-provisioning-requests", "true");
/// Where nothing is said of nodes.
const QUIET: (&str, &str) = ("scale-down-enabled", "false");

/// A stage with one node of 4 cores and a template `worker` of 2.
fn stage() -> Fixture {
    let mut fixture = Fixture::default();
    fixture.group("workers", 0, 5, "4", "16Gi");
    fixture.node("n1", "workers");
    let id = NamespacedName { namespace: "shop".to_owned(), name: "worker".to_owned() };
    let template = PodTemplateObject { id, generation: 1, spec: pod_spec("2", "1Gi") };
    fixture.cluster.put_capacity(CapacityObject::PodTemplate(Box::new(template)));
    fixture
}

fn request(name: &str, class: &str, count: u32, created_at: SimTime) -> ProvisioningRequestObject {
    ProvisioningRequestObject {
        id: NamespacedName { namespace: "shop".to_owned(), name: name.to_owned() },
        uid: String::new(),
        created_at: Some(created_at),
        class: class.to_owned(),
        parameters: std::collections::BTreeMap::new(),
        pod_sets: vec![PodSet { pod_template: "worker".to_owned(), count }],
        conditions: Conditions::default(),
    }
}

fn ask(fixture: &mut Fixture, name: &str, class: &str, count: u32) {
    let one = request(name, class, count, fixture.now);
    fixture.cluster.put_capacity(CapacityObject::Request(one));
}

/// One loop `seconds` later, with what follows at once.
fn step(fixture: &mut Fixture, seconds: i64, autoscaler: &mut ClusterAutoscaler) -> String {
    let mut text = fixture.after(seconds, autoscaler);
    let actions = autoscaler.resume(&fixture.cluster, fixture.now);
    let more = crate::Decision { actions, ..Default::default() };
    let more = fixture.describe(&more);
    if !more.is_empty() {
        text = format!("{text}\nthen {more}");
    }
    text
}

#[test]
fn capacity_that_is_there_is_found_and_held_for_ten_minutes() {
    let mut fixture = stage();
    ask(&mut fixture, "train", CHECK_CAPACITY, 2);
    let mut autoscaler = fixture.autoscaler(&[ON, ("max-bulk-soft-taint-count", "0")]);
    expect![[r#"
        ProvisioningRequest shop/train: Accepted=True Accepted: ProvisioningRequest is accepted by ClusterAutoscaler
        ProvisioningRequest shop/train: Provisioned=True CapacityIsFound: Capacity is found in the cluster
        why n1: unneeded"#]].assert_eq(&step(&mut fixture, 10, &mut autoscaler));
    let report = autoscaler.last_loop().expect("a loop has run");
    assert_eq!(report.scale_up.result, ScaleUpResult::Successful);
    assert_eq!(step(&mut fixture, 10, &mut autoscaler), "");
    ask(&mut fixture, "second", CHECK_CAPACITY, 1);
    expect![[r#"
        ProvisioningRequest shop/second: Accepted=True Accepted: ProvisioningRequest is accepted by ClusterAutoscaler
        ProvisioningRequest shop/second: Provisioned=False CapacityIsNotFound: Capacity is not found, CA will try to find it later."#]].assert_eq(&step(&mut fixture, 10, &mut autoscaler));
    let stays = autoscaler.scale_down().unneeded();
    assert!(stays.is_empty(), "what is held keeps its node");
    expect![[r#"
        ProvisioningRequest shop/train: BookingExpired=True CapacityReservationTimeExpired: Capacity reservation time is expired
        ProvisioningRequest shop/second: Accepted=True Accepted: ProvisioningRequest is accepted by ClusterAutoscaler
        ProvisioningRequest shop/second: Provisioned=True CapacityIsFound: Capacity is found in the cluster
        why n1: unneeded"#]].assert_eq(&step(&mut fixture, 581, &mut autoscaler));
    expect!["why n1: BlockedByPod: shop/second-0-0 (NotReplicated)"].assert_eq(&step(
        &mut fixture,
        60,
        &mut autoscaler,
    ));
}

#[test]
fn what_is_held_blocks_its_node() {
    let mut fixture = stage();
    let mut one = request("train", CHECK_CAPACITY, 1, fixture.now);
    one.conditions.replace(Condition {
        kind: PROVISIONED.to_owned(),
        status: ConditionStatus::True,
        reason: String::new(),
        message: String::new(),
        changed_at: fixture.now,
    });
    fixture.cluster.put_capacity(CapacityObject::Request(one));
    let flags = [ON, ("scale-down-utilization-threshold", "0.9")];
    let mut autoscaler = fixture.autoscaler(&flags);
    autoscaler.keep_findings();
    step(&mut fixture, 10, &mut autoscaler);
    let stays = autoscaler.scale_down().unremovable();
    let [(_, UnremovableReason::BlockedByPod(_, why))] = stays.as_slice() else {
        panic!("expected one node blocked by a pod, found {stays:?}")
    };
    assert_eq!(why.as_str(), "NotReplicated");
    step(&mut fixture, 601, &mut autoscaler);
    step(&mut fixture, 10, &mut autoscaler);
    assert_eq!(autoscaler.scale_down().unneeded().len(), 1, "the booking has expired");
}

/// `TestIsAvailableForProvisioning` and `TestProvisioningRequestPodsInjector`.
#[test]
fn capacity_that_is_not_found_is_looked_for_again_ever_later() {
    let mut fixture = stage();
    ask(&mut fixture, "large", CHECK_CAPACITY, 3);
    let mut autoscaler = fixture.autoscaler(&[ON, QUIET]);
    let mut tried = Vec::new();
    let start = fixture.now;
    for _ in 0..400 {
        if step(&mut fixture, 10, &mut autoscaler).contains("Provisioned=False") {
            tried.push((fixture.now - start).0 / 1000);
        }
    }
    // One minute, then two, four, eight, and never more than ten; a wait is over once it has passed.
    assert_eq!(tried, [10, 80, 210, 460, 950, 1560, 2170, 2780, 3390, 4000]);
}

#[test]
fn a_request_that_gives_up_fails() {
    let mut fixture = stage();
    let mut one = request("once", CHECK_CAPACITY, 3, fixture.now);
    one.parameters.insert("noRetry".to_owned(), "true".to_owned());
    fixture.cluster.put_capacity(CapacityObject::Request(one));
    let mut autoscaler = fixture.autoscaler(&[ON, QUIET]);
    expect![[r#"
        ProvisioningRequest shop/once: Accepted=True Accepted: ProvisioningRequest is accepted by ClusterAutoscaler
        ProvisioningRequest shop/once: Failed=True CapacityIsNotFound: CA could not find requested capacity"#]].assert_eq(&step(&mut fixture, 10, &mut autoscaler));
    assert!(!step(&mut fixture, 100, &mut autoscaler).contains("ProvisioningRequest"));
}

#[test]
fn a_request_whose_template_is_missing_fails_and_the_next_is_served() {
    let mut fixture = stage();
    let mut one = request("a", CHECK_CAPACITY, 1, fixture.now);
    let more =
        ["worker", "gone", "lost"].map(|name| PodSet { pod_template: name.to_owned(), count: 1 });
    one.pod_sets = more.to_vec();
    fixture.cluster.put_capacity(CapacityObject::Request(one));
    ask(&mut fixture, "b", CHECK_CAPACITY, 1);
    let mut autoscaler = fixture.autoscaler(&[ON, QUIET]);
    expect![[r#"
        ProvisioningRequest shop/a: Failed=True FailedToCreatePods: missing pod templates, 3 pod templates were referenced, 2 templates were missing: gone,lost
        ProvisioningRequest shop/b: Accepted=True Accepted: ProvisioningRequest is accepted by ClusterAutoscaler
        ProvisioningRequest shop/b: Provisioned=True CapacityIsFound: Capacity is found in the cluster"#]].assert_eq(&step(&mut fixture, 10, &mut autoscaler));
}

#[test]
fn a_best_effort_request_scales_up_for_all_pods_or_none() {
    let mut fixture = stage();
    ask(&mut fixture, "gang", BEST_EFFORT_ATOMIC, 6);
    let mut autoscaler = fixture.autoscaler(&[ON, QUIET]);
    expect![[r#"
        ProvisioningRequest shop/gang: Accepted=True Accepted: ProvisioningRequest is accepted by ClusterAutoscaler
        workers +2
        why workers: Scale-up: setting group workers size to 3 instead of 1 (max: 5)
        then ProvisioningRequest shop/gang: Provisioned=True CapacityIsProvisioned: Capacity is found in the cluster"#]].assert_eq(&step(&mut fixture, 10, &mut autoscaler));
    let report = autoscaler.last_loop().expect("a loop has run");
    assert!(report.outcomes.is_empty(), "pods of requests are not told of");
    let mut fixture = stage();
    ask(&mut fixture, "too-large", BEST_EFFORT_ATOMIC, 12);
    let mut autoscaler = fixture.autoscaler(&[ON, QUIET]);
    expect![[r#"
        ProvisioningRequest shop/too-large: Accepted=True Accepted: ProvisioningRequest is accepted by ClusterAutoscaler
        ProvisioningRequest shop/too-large: Provisioned=False CapacityIsNotFound: Capacity is not found, CA will try to find it later."#]].assert_eq(&step(&mut fixture, 10, &mut autoscaler));
    let mut fixture = stage();
    ask(&mut fixture, "small", BEST_EFFORT_ATOMIC, 2);
    let mut autoscaler = fixture.autoscaler(&[ON, QUIET]);
    expect![[r#"
        ProvisioningRequest shop/small: Accepted=True Accepted: ProvisioningRequest is accepted by ClusterAutoscaler
        ProvisioningRequest shop/small: Provisioned=True CapacityIsFound: Capacity is found in the cluster"#]].assert_eq(&step(&mut fixture, 10, &mut autoscaler));
}

#[test]
fn limits_hold_back_a_best_effort_request_as_a_whole() {
    for (flag, value) in
        [("max-nodes-total", "2"), ("cores-total", "0:8"), ("max-nodes-per-scaleup", "1")]
    {
        let mut fixture = stage();
        ask(&mut fixture, "gang", BEST_EFFORT_ATOMIC, 6);
        let mut autoscaler = fixture.autoscaler(&[ON, QUIET, (flag, value)]);
        let text = step(&mut fixture, 10, &mut autoscaler);
        assert!(!text.contains('+') && text.contains("Provisioned=False"), "{flag}: {text}");
    }
}

#[test]
fn a_refused_increase_leaves_its_request_unprovisioned() {
    let mut fixture = stage();
    ask(&mut fixture, "gang", BEST_EFFORT_ATOMIC, 6);
    let mut autoscaler = fixture.autoscaler(&[ON, QUIET]);
    fixture.now += SimDuration::from_secs(10);
    let decision = autoscaler.decide(&mut fixture.cluster.fork(), fixture.now);
    for action in &decision.actions {
        let outcome = match action {
            Action::IncreaseSize { .. } => Outcome::Refused("no".to_owned()),
            _ => Outcome::Done,
        };
        autoscaler.observe(action, &outcome, &fixture.cluster, fixture.now);
    }
    let actions = autoscaler.resume(&fixture.cluster, fixture.now);
    let text = fixture.describe(&crate::Decision { actions, ..Default::default() });
    assert_eq!(
        text,
        "ProvisioningRequest shop/gang: Provisioned=False CapacityIsNotFound: Capacity is not \
         found, CA will try to find it later."
    );
}

#[test]
fn one_request_is_served_a_loop_and_several_in_a_batch() {
    let served = |flags: &[(&str, &str)]| {
        let mut fixture = stage();
        for name in ["a", "b", "c"] {
            ask(&mut fixture, name, CHECK_CAPACITY, 1);
        }
        let mut autoscaler = fixture.autoscaler(flags);
        let mut loops = Vec::new();
        for _ in 0..3 {
            let text = step(&mut fixture, 10, &mut autoscaler);
            let names = ["a", "b", "c"]
                .iter()
                .filter(|name| text.contains(&format!("shop/{name}: Provisioned")));
            loops.push(names.copied().collect::<String>());
        }
        loops.join(" ")
    };
    let batch = ("check-capacity-batch-processing", "true");
    assert_eq!(served(&[ON]), "a b c");
    assert_eq!(served(&[ON, batch]), "abc  ");
    let most = ("check-capacity-provisioning-request-max-batch-size", "2");
    assert_eq!(served(&[ON, batch, most]), "ab c ");
}

#[test]
fn in_a_batch_what_the_first_takes_the_next_cannot_have() {
    let mut fixture = stage();
    ask(&mut fixture, "a", CHECK_CAPACITY, 2);
    fixture.now += SimDuration::from_secs(1);
    ask(&mut fixture, "b", CHECK_CAPACITY, 1);
    let mut autoscaler =
        fixture.autoscaler(&[ON, QUIET, ("check-capacity-batch-processing", "true")]);
    expect![[r#"
        ProvisioningRequest shop/a: Accepted=True Accepted: ProvisioningRequest is accepted by ClusterAutoscaler
        ProvisioningRequest shop/b: Accepted=True Accepted: ProvisioningRequest is accepted by ClusterAutoscaler
        ProvisioningRequest shop/a: Provisioned=True CapacityIsFound: Capacity is found in the cluster
        ProvisioningRequest shop/b: Provisioned=False CapacityIsNotFound: Capacity is not found, CA will try to find it later."#]].assert_eq(&step(&mut fixture, 10, &mut autoscaler));
}

#[test]
fn pods_that_consume_a_request_do_not_scale_up_themselves() {
    let mut fixture = stage();
    for key in CONSUMES {
        let mut spec = pod_spec("4", "1Gi");
        spec.annotations.insert(key.to_owned(), "train".to_owned());
        fixture.pending(&key[..4], 1, &spec);
    }
    let text = |flags: &[(&str, &str)]| {
        let mut autoscaler = fixture.autoscaler(flags);
        let decision = autoscaler.decide(&mut fixture.cluster.clone().fork(), fixture.now);
        fixture.describe(&decision)
    };
    expect!["why shop/clus-1: Unschedulable pod didn't trigger scale-up, because it's consuming ProvisioningRequest shop/train"].assert_eq(&text(&[ON]));
    assert!(text(&[]).starts_with("workers +1"), "without the feature they are pods like others");
}

/// `TestWrapperScaleUp`.
#[test]
fn pods_and_requests_take_turns() {
    let mut fixture = stage();
    let waiting = fixture.pending("web", 1, &pod_spec("9", "1Gi"));
    ask(&mut fixture, "a", BEST_EFFORT_ATOMIC, 4);
    ask(&mut fixture, "b", CHECK_CAPACITY, 1);
    let mut autoscaler = fixture.autoscaler(&[ON, QUIET]);
    let mut story = String::new();
    for _ in 0..4 {
        let text = step(&mut fixture, 10, &mut autoscaler);
        let outcome = autoscaler.last_loop().expect("a loop has run").outcomes[..].first().copied();
        let (pod, outcome) = outcome.expect("the pod waits");
        assert_eq!(pod, waiting[0]);
        let provisioned = text.lines().filter(|line| line.contains("Provisioned="));
        let told: Vec<&str> = std::iter::once(outcome.as_str()).chain(provisioned).collect();
        story.push_str(&format!("web {}\n", told.join("; ")));
    }
    expect![[r#"
        web unschedulable
        web notReached; then ProvisioningRequest shop/a: Provisioned=True CapacityIsProvisioned: Capacity is found in the cluster
        web unschedulable
        web notReached; ProvisioningRequest shop/b: Provisioned=False CapacityIsNotFound: Capacity is not found, CA will try to find it later.
    "#]].assert_eq(&story);
}

/// The cases of `TestSupportedProvisioningClasses`.
#[test]
fn requests_are_served_by_the_instance_that_they_name() {
    let served = |class: &str, wanted: &str, own: &str| {
        let mut one = request("r", class, 1, SimTime(0));
        if !wanted.is_empty() {
            one.parameters.insert(PROCESSOR_INSTANCE.to_owned(), wanted.to_owned());
        }
        let settings =
            Settings { check_capacity_processor_instance: own.to_owned(), ..Settings::default() };
        is_served(&one, &settings)
    };
    assert!(served(CHECK_CAPACITY, "", ""));
    assert!(served(CHECK_CAPACITY, "i", "i"));
    assert!(served("i-check-capacity.autoscaling.x-k8s.io", "", "i-"));
    assert!(served(BEST_EFFORT_ATOMIC, "", ""));
    assert!(!served(CHECK_CAPACITY, "i", ""));
    assert!(!served(CHECK_CAPACITY, "", "i"));
    assert!(!served(CHECK_CAPACITY, "j", "i"));
    assert!(!served("i-check-capacity.autoscaling.x-k8s.io", "i-", "i-"));
    assert!(!served(BEST_EFFORT_ATOMIC, "", "i"));
    assert!(!served("queued-provisioning.gke.io", "", ""));
}

/// `TestRefresh`: what was not provisioned in a week has failed, and a week after its end it goes.
#[test]
fn requests_age() {
    let mut fixture = stage();
    ask(&mut fixture, "large", CHECK_CAPACITY, 3);
    let mut autoscaler = fixture.autoscaler(&[ON, QUIET]);
    step(&mut fixture, 10, &mut autoscaler);
    let week = 7 * 24 * 3600;
    expect!["ProvisioningRequest shop/large: Failed=True Expired: ProvisioningRequest is expired"]
        .assert_eq(&step(&mut fixture, week, &mut autoscaler));
    expect!["ProvisioningRequest shop/large is deleted"].assert_eq(&step(
        &mut fixture,
        week,
        &mut autoscaler,
    ));
    assert_eq!(step(&mut fixture, 10, &mut autoscaler), "");
}

#[test]
fn nothing_is_looked_at_while_the_flag_is_off() {
    let mut fixture = stage();
    ask(&mut fixture, "train", CHECK_CAPACITY, 2);
    let mut autoscaler = fixture.autoscaler(&[QUIET]);
    assert_eq!(step(&mut fixture, 10, &mut autoscaler), "");
}
