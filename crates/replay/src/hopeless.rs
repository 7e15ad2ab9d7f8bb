//! Why pods were never scheduled: which group would take them, and what the others lack.

use std::collections::BTreeMap;

use plimsoll_autoscaler::{Reason, Subject};
use plimsoll_core::SimTime;
use plimsoll_core::cluster::{Cluster, NodeBirth};
use plimsoll_core::devices::NodeDevices;
use plimsoll_core::ids::{GroupId, ShapeId};
use plimsoll_core::scheduling::Refusal;

use crate::view::quantity;

/// What Cluster Autoscaler says of a pod that no group was enlarged for, before the groups' reasons.
const NOT_TRIGGERED: &str = "pod didn't trigger scale-up: ";
/// What it says of a pod that a group was enlarged for.
const TRIGGERED: &str = "pod triggered scale-up";
/// What it says of a pod that is left for a later loop, before the reason.
const WAITS: &str = "waits: ";
/// What it says of a group that it did not consider, before the reason.
const SKIPPED: &str = "skipped: ";

/// Finds reasons. What a shape lacks is found once; what was said of a pod is its own.
#[derive(Debug)]
pub struct Reasons<'a> {
    by_shape: BTreeMap<ShapeId, Verdict>,
    loops: &'a [(SimTime, Vec<Reason>)],
    /// Gathered from the loops when it is first asked for: mostly nobody asks.
    said: Option<Said<'a>>,
}

/// What keeps pods of one shape off.
#[derive(Clone, Debug)]
enum Verdict {
    /// This, whatever a strategy does.
    Final(String),
    /// Nothing: these groups would take them and are not at their maximum.
    WouldFit(Vec<GroupId>),
}

/// The last that a strategy said of each pod and of each group.
#[derive(Debug, Default)]
struct Said<'a> {
    of_pods: BTreeMap<&'a str, &'a str>,
    of_groups: BTreeMap<&'a str, &'a str>,
}

impl<'a> Reasons<'a> {
    /// Of a replay in which a strategy said this, oldest first.
    #[must_use]
    pub fn of_replay(loops: &'a [(SimTime, Vec<Reason>)]) -> Reasons<'a> {
        Reasons { by_shape: BTreeMap::new(), loops, said: None }
    }

    /// What kept the pod `namespace/name` of this shape from ever being scheduled, in a few words.
    pub fn of(&mut self, cluster: &mut Cluster, shape: ShapeId, pod: &str) -> String {
        let verdict = self.by_shape.entry(shape).or_insert_with(|| verdict(cluster, shape));
        match verdict {
            Verdict::Final(reason) => reason.clone(),
            Verdict::WouldFit(groups) => {
                let names: Vec<&str> =
                    groups.iter().map(|id| cluster.group(*id).spec.name.as_str()).collect();
                let said = self.said.get_or_insert_with(|| Said::in_loops(self.loops));
                format!("it would fit {}, {}", names.join(", "), said.why_not(pod, &names))
            }
        }
    }
}

impl<'a> Said<'a> {
    fn in_loops(loops: &'a [(SimTime, Vec<Reason>)]) -> Said<'a> {
        let mut said = Said::default();
        for reason in loops.iter().flat_map(|(_, reasons)| reasons) {
            match &reason.subject {
                Subject::Pod(name) => said.of_pods.insert(name, &reason.text),
                Subject::Group(name) => said.of_groups.insert(name, &reason.text),
                Subject::Node(_) | Subject::Object(_) | Subject::Cluster => continue,
            };
        }
        said
    }

    /// Why none of the groups that a pod fits took it.
    fn why_not(&self, pod: &str, groups: &[&str]) -> String {
        let were = if groups.len() == 1 { "was" } else { "were" };
        let Some(text) = self.of_pods.get(pod) else {
            return format!("which {were} not enlarged in time");
        };
        if text.starts_with(TRIGGERED) {
            return "but no node that was asked for took it in time".to_owned();
        }
        let why = match text.strip_prefix(NOT_TRIGGERED) {
            Some(why) => self.why_skipped(groups).unwrap_or_else(|| why.to_owned()),
            None => text.strip_prefix(WAITS).unwrap_or(text).to_owned(),
        };
        format!("which {were} not enlarged: {why}")
    }

    /// Why groups were not considered, each reason once.
    fn why_skipped(&self, groups: &[&str]) -> Option<String> {
        let texts = groups.iter().filter_map(|group| self.of_groups.get(group));
        let mut whys: Vec<&str> = texts.filter_map(|text| text.strip_prefix(SKIPPED)).collect();
        whys.sort_unstable();
        whys.dedup();
        (!whys.is_empty()).then(|| whys.join("; "))
    }
}

fn verdict(cluster: &mut Cluster, shape: ShapeId) -> Verdict {
    let spec = cluster.shape(shape);
    if !spec.scheduling_gates.is_empty() {
        let gates = spec.scheduling_gates.join(", ");
        return Verdict::Final(format!("held by scheduling gate {gates}"));
    }
    let groups: Vec<GroupId> = cluster.groups().map(|(id, _)| id).collect();
    if groups.is_empty() {
        return Verdict::Final("there is no node group".to_owned());
    }
    let refusals: Vec<(GroupId, Option<Refusal>)> =
        groups.iter().map(|id| (*id, refusal_of_empty_node(cluster, shape, *id))).collect();
    let takers = refusals.iter().filter(|one| one.1.is_none()).map(|one| one.0);
    let takers: Vec<GroupId> = takers.collect();
    if takers.is_empty() {
        return Verdict::Final(why_none_fits(cluster, shape, &refusals));
    }
    let is_full = |id: &GroupId| cluster.group(*id).target_size >= cluster.group(*id).spec.max_size;
    let open: Vec<GroupId> = takers.iter().copied().filter(|id| !is_full(id)).collect();
    if open.is_empty() {
        let names: Vec<&str> =
            takers.iter().map(|id| cluster.group(*id).spec.name.as_str()).collect();
        return Verdict::Final(format!("{} at maximum size", names.join(", ")));
    }
    Verdict::WouldFit(open)
}

/// What an empty new node of a group says to a pod.
pub(crate) fn refusal_of_empty_node(
    cluster: &mut Cluster,
    shape: ShapeId,
    group: GroupId,
) -> Option<Refusal> {
    let spec = std::sync::Arc::clone(&cluster.group(group).spec);
    let mut fork = cluster.fork();
    let name = format!("{}-template", spec.name);
    fork.give_devices(&NodeDevices::of_slices(&spec.template_slices), &name);
    let node = fork.add_node(NodeBirth {
        name,
        spec: spec.template.clone(),
        group: Some(group),
        ready: true,
        ..NodeBirth::default()
    });
    fork.refusal(shape, node)
}

fn why_none_fits(
    cluster: &Cluster,
    shape: ShapeId,
    refusals: &[(GroupId, Option<Refusal>)],
) -> String {
    let spec = cluster.shape(shape);
    // What every single group lacks explains the most in the fewest words.
    let lacking = spec.requests.iter().find(|(name, amount)| {
        refusals.iter().all(|(group, _)| {
            let template = &cluster.group(*group).spec.template;
            template.allocatable.get(*name).copied().unwrap_or(0) < **amount
        })
    });
    if let Some((name, amount)) = lacking {
        return format!("no group has {} {name}", quantity(name, *amount));
    }
    let parts: Vec<String> = refusals
        .iter()
        .filter_map(|(group, refusal)| {
            Some(format!("{}: {}", cluster.group(*group).spec.name, refusal.as_ref()?))
        })
        .collect();
    format!("fits no group ({})", parts.join("; "))
}

#[cfg(test)]
mod tests {
    use plimsoll_core::PodSpec;
    use plimsoll_core::node::NodeSpec;
    use plimsoll_core::node_group::NodeGroupSpec;

    use super::*;

    fn group(cluster: &mut Cluster, name: &str, cpu_milli: i64, size: u32) {
        let allocatable: plimsoll_core::pod::ResourceMap =
            [("cpu".to_owned(), cpu_milli), ("pods".to_owned(), 110)].into();
        let template = NodeSpec { allocatable, ..NodeSpec::default() };
        cluster.add_group(NodeGroupSpec {
            name: name.to_owned(),
            max_size: 5,
            target_size: Some(size),
            template,
            ..NodeGroupSpec::default()
        });
    }

    fn shape(cluster: &mut Cluster, cpu_milli: i64) -> ShapeId {
        let requests = [("cpu".to_owned(), cpu_milli)].into();
        cluster.intern_shape(&PodSpec { requests, ..PodSpec::default() })
    }

    fn said(subject: Subject, text: &str) -> (SimTime, Vec<Reason>) {
        (SimTime(0), vec![Reason { subject, text: text.to_owned() }])
    }

    fn pod(name: &str) -> Subject {
        Subject::Pod(name.to_owned())
    }

    #[test]
    fn a_pod_too_large_or_without_room_is_told_so_whatever_a_strategy_said() {
        let mut cluster = Cluster::default();
        group(&mut cluster, "full", 4000, 5);
        let said = [said(pod("shop/a"), "waits: the scale-up failed")];
        let mut reasons = Reasons::of_replay(&said);
        let (huge, fitting) = (shape(&mut cluster, 32_000), shape(&mut cluster, 1000));
        assert_eq!(reasons.of(&mut cluster, huge, "shop/a"), "no group has 32 cpu");
        assert_eq!(reasons.of(&mut cluster, fitting, "shop/a"), "full at maximum size");
    }

    #[test]
    fn a_pod_that_would_fit_is_told_what_the_strategy_said_last() {
        let mut cluster = Cluster::default();
        group(&mut cluster, "cn", 4000, 1);
        group(&mut cluster, "full", 4000, 5);
        let quota = "exceeded quota: \"cluster-wide\", resources: cpu";
        let group_said = Subject::Group("cn".to_owned());
        let not_triggered = format!("{NOT_TRIGGERED}2 Insufficient cpu");
        let loops = [
            said(pod("shop/b"), "waits: another group would help"),
            said(pod("shop/b"), &not_triggered),
            said(group_said, &format!("{SKIPPED}{quota}")),
            said(pod("shop/c"), &format!("{TRIGGERED}: [{{cn 0->1 (max: 5)}}]")),
            said(pod("shop/d"), "waits: the scale-up failed"),
        ];
        let mut reasons = Reasons::of_replay(&loops);
        let fitting = shape(&mut cluster, 1000);
        let mut told = String::new();
        for name in ["shop/a", "shop/b", "shop/c", "shop/d"] {
            told.push_str(&format!("{name}: {}\n", reasons.of(&mut cluster, fitting, name)));
        }
        expect_test::expect![[r#"
            shop/a: it would fit cn, which was not enlarged in time
            shop/b: it would fit cn, which was not enlarged: exceeded quota: "cluster-wide", resources: cpu
            shop/c: it would fit cn, but no node that was asked for took it in time
            shop/d: it would fit cn, which was not enlarged: the scale-up failed
        "#]]
        .assert_eq(&told);
        let mut reasons = Reasons::of_replay(&loops[..2]);
        assert_eq!(
            reasons.of(&mut cluster, fitting, "shop/b"),
            "it would fit cn, which was not enlarged: 2 Insufficient cpu"
        );
    }
}
