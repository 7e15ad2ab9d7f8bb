//! Claims about findings: each is told when it begins to hold, and holds until the next is told.

use expect_test::expect;

use super::*;
use crate::fixture::{Fixture, pod_spec};

fn telling(fixture: &Fixture, flags: &[(&str, &str)]) -> ClusterAutoscaler {
    let mut autoscaler = fixture.autoscaler(flags);
    autoscaler.tell_findings();
    autoscaler
}

#[test]
fn a_pod_is_told_each_time_that_something_else_holds_it() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 9, "4", "16Gi");
    fixture.group("full", 0, 0, "64", "256Gi");
    fixture.pending("api", 2, &pod_spec("2", "1Gi"));
    fixture.pending("huge", 1, &pod_spec("32", "1Gi"));
    let mut autoscaler = telling(&fixture, &[]);
    expect![[r#"
        huge-1: unschedulable: pod didn't trigger scale-up: 1 Insufficient cpu, 1 max node group size reached
          a: Insufficient cpu
          full: max node group size reached (0)
        api-1 api-2: triggeredScaleUp: pod triggered scale-up: [{a 0->1 (max: 9)}]
        group full: NodeGroupMinSizeReached: group full is at its minimum size of 0
        cluster: InCooldown: scale-down is in cooldown (scale-down-delay-after-add 10m) until +10m"#]]
    .assert_eq(&fixture.told(0, &mut autoscaler));
    expect!["api-1 api-2: fitsUpcoming: a node of a that is on its way has room for it"]
        .assert_eq(&fixture.told(10, &mut autoscaler));
    assert_eq!(fixture.told(10, &mut autoscaler), "", "nothing else holds them");
}

#[test]
fn a_refused_increase_is_told_of_the_pods_that_caused_it() {
    let mut fixture = Fixture::default();
    let group = fixture.group("a", 0, 9, "4", "16Gi");
    fixture.pending("api", 1, &pod_spec("2", "1Gi"));
    let mut autoscaler = telling(&fixture, &[]);
    let now = fixture.now;
    let decision = autoscaler.decide(&mut fixture.cluster.fork(), now);
    assert_eq!(decision.actions, [Action::IncreaseSize { group, delta: 1 }]);
    let refused = Outcome::Refused("quota exceeded".to_owned());
    autoscaler.observe(&decision.actions[0], &refused, &fixture.cluster, now);
    let words: Vec<String> =
        autoscaler.take_findings().into_iter().map(|one| one.word.text).collect();
    assert_eq!(words[0], "waits: the scale-up failed: quota exceeded");
}

#[test]
fn a_node_is_told_when_it_becomes_unneeded_and_when_it_no_longer_is() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 9, "4", "16Gi");
    let first = fixture.node("a-1", "a");
    let second = fixture.node("a-2", "a");
    fixture.running("busy", 1, &pod_spec("3", "1Gi"), first);
    let mut autoscaler = telling(&fixture, &[]);
    expect![[r#"
        a-1: NotUnderutilized: 75.0 % of its cpu is requested, above the threshold of 50 %
        a-2: Unneeded: nothing on it would have to move until +10m0.001s"#]]
    .assert_eq(&fixture.told(0, &mut autoscaler));
    assert_eq!(fixture.told(10, &mut autoscaler), "", "both stay what they were");
    fixture.running("lone", 1, &pod_spec("1500m", "1Gi"), second);
    expect!["a-2: NoPlaceToMovePods: pod shop/lone-1 fits on no other node"]
        .assert_eq(&fixture.told(10, &mut autoscaler));
    fixture.running("more", 1, &pod_spec("1", "1Gi"), second);
    expect!["a-2: NotUnderutilized: 62.5 % of its cpu is requested, above the threshold of 50 %"]
        .assert_eq(&fixture.told(10, &mut autoscaler));
}

#[test]
fn who_was_not_asked_to_tell_tells_nothing() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 9, "4", "16Gi");
    fixture.pending("api", 2, &pod_spec("2", "1Gi"));
    let mut autoscaler = fixture.autoscaler(&[]);
    assert_eq!(fixture.told(0, &mut autoscaler), "");
}
