//! A scheduler as slow and plain as it can be, written from kube-scheduler's source: every answer
//! is worked out anew from the pods and nodes themselves.

use std::collections::BTreeSet;

use plimsoll_core::PodSpec;
use plimsoll_core::ids::NodeId;
use plimsoll_core::labels::Operator;
use plimsoll_core::pod::HostPort;
use plimsoll_core::scheduling::{Judgement, Plugin, Refusal, SchedulerProfile, Verdict};
use plimsoll_core::taints::{Taint, TaintEffect};

use crate::naive_pod_affinity::AffinityFilter;
use crate::naive_scores::score_all;
use crate::naive_selectors::{any_term_matches, is_repelled, is_wanted, tolerates};
use crate::naive_snapshot::{Newcomer, NodeInfo, Snapshot, World};
use crate::naive_spread::SpreadFilter;

/// What every node says to the newcomer, and where it may go.
pub(crate) fn judge(snapshot: &Snapshot<'_>, newcomer: &Newcomer<'_>) -> Judgement {
    let gates = &newcomer.spec.scheduling_gates;
    if snapshot.is_gated(newcomer.spec) {
        let text = format!("waiting for scheduling gates: [{}]", gates.join(" "));
        let gate = Verdict::Refused(Refusal::of_pod(Plugin::SchedulingGates, text));
        let nodes = snapshot.nodes.iter().map(|node| (node.id, gate.clone())).collect();
        return Judgement { nodes, best: Vec::new(), is_gated: true };
    }
    judge_ungated(snapshot, newcomer)
}

/// The same for a pod that is tried whatever gates it has.
pub(crate) fn judge_ungated(snapshot: &Snapshot<'_>, newcomer: &Newcomer<'_>) -> Judgement {
    let profile = snapshot.profile_of(newcomer.spec);
    let refusals = refusals(snapshot, newcomer);
    let feasible: Vec<&NodeInfo<'_>> = snapshot
        .nodes
        .iter()
        .zip(&refusals)
        .filter(|(_, (_, refusal))| refusal.is_none())
        .map(|(node, _)| node)
        .collect();
    let mut scores = score_all(snapshot, &profile, newcomer, &feasible).into_iter();
    let mut nodes = Vec::new();
    for (node, refusal) in refusals {
        let verdict = match refusal {
            Some(refusal) => Verdict::Refused(refusal),
            None => {
                let scores: Vec<(Plugin, i64)> = scores.next().expect("one for each that fits");
                let weigh = |(plugin, score): &(Plugin, i64)| {
                    score * profile.weight(*plugin).expect("it has scored")
                };
                let total = scores.iter().map(weigh).sum();
                Verdict::Fits { scores, total }
            }
        };
        nodes.push((node, verdict));
    }
    let nominated = newcomer.nominated.filter(|id| feasible.iter().any(|node| node.id == *id));
    let highest = nodes.iter().map(|(_, verdict)| verdict.total()).max();
    let best = match nominated {
        Some(node) => vec![node],
        None => nodes
            .iter()
            .filter(|(_, one)| matches!(one, Verdict::Fits { .. }) && Some(one.total()) == highest)
            .map(|(node, _)| *node)
            .collect(),
    };
    Judgement { nodes, best, is_gated: false }
}

/// For each node the first refusal in the order of the profile.
pub(crate) fn refusals(
    snapshot: &Snapshot<'_>,
    newcomer: &Newcomer<'_>,
) -> Vec<(NodeId, Option<Refusal>)> {
    let profile = snapshot.profile_of(newcomer.spec);
    let has_prefilter = profile.pre_filters.contains(&Plugin::NodeAffinity);
    let names = if has_prefilter { named_nodes(newcomer.spec) } else { None };
    if names.as_ref().is_some_and(BTreeSet::is_empty) {
        let whole = Refusal::of_pod(Plugin::NodeAffinity, "pod affinity terms conflict");
        return snapshot.nodes.iter().map(|node| (node.id, Some(whole.clone()))).collect();
    }
    let filters = Filters {
        spread: SpreadFilter::new(snapshot, &profile, newcomer),
        affinity: AffinityFilter::new(snapshot, newcomer.spec),
        world: snapshot.world,
        profile,
    };
    let refusal = |node: &NodeInfo<'_>| {
        if names.as_ref().is_some_and(|names| !names.contains(node.name)) {
            let reason = "node(s) didn't satisfy plugin(s) [NodeAffinity]";
            return Some(Refusal::unresolvable(Plugin::NodeAffinity, reason));
        }
        filters.refusal_beside_rivals(newcomer, node)
    };
    snapshot.nodes.iter().map(|node| (node.id, refusal(node))).collect()
}

/// The names that the required terms narrow the nodes down to: PreFilter of NodeAffinity.
fn named_nodes(spec: &PodSpec) -> Option<BTreeSet<&str>> {
    let terms = spec.required_node_terms.as_ref().filter(|terms| !terms.is_empty())?;
    let mut all = BTreeSet::new();
    for term in terms {
        let lists = term.fields.iter().filter(|field| field.operator == Operator::In);
        let lists: Vec<BTreeSet<&str>> =
            lists.map(|field| field.values.iter().map(String::as_str).collect()).collect();
        let (first, others) = lists.split_first()?;
        let in_all = first.iter().filter(|name| others.iter().all(|one| one.contains(*name)));
        all.extend(in_all);
    }
    Some(all)
}

/// The filters of a profile, ready for one newcomer.
struct Filters<'a> {
    profile: SchedulerProfile,
    world: &'a World,
    spread: SpreadFilter,
    affinity: Option<AffinityFilter>,
}

impl Filters<'_> {
    /// A node must do with the pods that room was made for there, and without them.
    ///
    /// Source: `RunFilterPluginsWithNominatedPods`.
    fn refusal_beside_rivals(
        &self,
        newcomer: &Newcomer<'_>,
        node: &NodeInfo<'_>,
    ) -> Option<Refusal> {
        let mut crowded = node.clone();
        let mut spread = self.spread.clone();
        let mut affinity = self.affinity.clone();
        for (_, rival) in newcomer.rivals.iter().filter(|(there, _)| *there == node.id) {
            crowded.pods.push(*rival);
            spread.add(newcomer.spec, *rival, node);
            if let Some(affinity) = &mut affinity {
                affinity.add(newcomer.spec, *rival, node, self.world);
            }
        }
        let first = self.refusal(newcomer.spec, &crowded, &spread, affinity.as_ref());
        first.or_else(|| self.refusal(newcomer.spec, node, &self.spread, self.affinity.as_ref()))
    }

    fn refusal(
        &self,
        spec: &PodSpec,
        node: &NodeInfo<'_>,
        spread: &SpreadFilter,
        affinity: Option<&AffinityFilter>,
    ) -> Option<Refusal> {
        self.profile.filters.iter().find_map(|plugin| match plugin {
            Plugin::NodeUnschedulable => cordon_refusal(spec, node),
            Plugin::TaintToleration => is_repelled(spec, node).then(|| {
                Refusal::unresolvable(Plugin::TaintToleration, "node(s) had untolerated taint(s)")
            }),
            Plugin::NodeAffinity => node_affinity_refusal(&self.profile, spec, node),
            Plugin::NodePorts => port_refusal(spec, node),
            Plugin::NodeResourcesFit => room_refusal(&self.profile, spec, node),
            Plugin::PodTopologySpread => spread.refusal(spec, node),
            Plugin::InterPodAffinity => affinity?.refusal(spec, node, self.world),
            Plugin::NodeDeclaredFeatures => features_refusal(spec, node),
            _ => None,
        })
    }
}

fn cordon_refusal(spec: &PodSpec, node: &NodeInfo<'_>) -> Option<Refusal> {
    let cordon = Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        value: String::new(),
        effect: TaintEffect::NoSchedule,
    };
    (node.is_cordoned && !tolerates(&spec.tolerations, &cordon))
        .then(|| Refusal::unresolvable(Plugin::NodeUnschedulable, "node(s) were unschedulable"))
}

fn node_affinity_refusal(
    profile: &SchedulerProfile,
    spec: &PodSpec,
    node: &NodeInfo<'_>,
) -> Option<Refusal> {
    let added = &profile.arguments.added_affinity.required;
    let reason = if added.as_ref().is_some_and(|terms| !any_term_matches(terms, node)) {
        "node(s) didn't match scheduler-enforced node affinity"
    } else if !is_wanted(spec, node) {
        "node(s) didn't match Pod's node affinity/selector"
    } else {
        return None;
    };
    Some(Refusal::unresolvable(Plugin::NodeAffinity, reason))
}

fn port_refusal(spec: &PodSpec, node: &NodeInfo<'_>) -> Option<Refusal> {
    node.pods.iter().any(|pod| ports_conflict(spec, pod.spec)).then(|| {
        let reason = "node(s) didn't have free ports for the requested pod ports";
        Refusal::new(Plugin::NodePorts, reason)
    })
}

/// Whether both pods want one port of one address.
pub(crate) fn ports_conflict(one: &PodSpec, other: &PodSpec) -> bool {
    let conflict = |left: &HostPort, right: &HostPort| {
        let everywhere = left.ip == "0.0.0.0" || right.ip == "0.0.0.0";
        (left.port, &left.protocol) == (right.port, &right.protocol)
            && (everywhere || left.ip == right.ip)
    };
    one.host_ports.iter().any(|left| other.host_ports.iter().any(|right| conflict(left, right)))
}

fn room_refusal(
    profile: &SchedulerProfile,
    spec: &PodSpec,
    node: &NodeInfo<'_>,
) -> Option<Refusal> {
    let mut reasons = Vec::new();
    let mut is_too_large = false;
    if i64::try_from(node.pods.len() + 1).expect("pods are few") > node.allocatable("pods") {
        reasons.push("Too many pods".into());
    }
    for name in in_order_of_reasons(spec) {
        let asked = spec.requests[name];
        if is_ignored(profile, name) || node.requested(name) + asked <= node.allocatable(name) {
            continue;
        }
        reasons.push(format!("Insufficient {name}").into());
        is_too_large |= asked > node.allocatable(name);
    }
    let (plugin, of_whole_pod) = (Plugin::NodeResourcesFit, false);
    let refusal = Refusal { plugin, reasons, resolvable: !is_too_large, of_whole_pod };
    (!refusal.reasons.is_empty()).then_some(refusal)
}

/// The resources that a pod asks for: the three of Kubernetes' own, then the others by name.
fn in_order_of_reasons(spec: &PodSpec) -> Vec<&String> {
    let asked = || spec.requests.iter().filter(|(_, amount)| **amount > 0).map(|(name, _)| name);
    let own = ["cpu", "memory", "ephemeral-storage"];
    let mut names: Vec<&String> =
        own.iter().filter_map(|name| asked().find(|asked| asked == name)).collect();
    names.extend(asked().filter(|name| !own.contains(&name.as_str())));
    names
}

fn is_ignored(profile: &SchedulerProfile, resource: &str) -> bool {
    let Some((domain, _)) = resource.split_once('/') else { return false };
    let arguments = &profile.arguments.fit;
    let listed = |list: &[String], name: &str| list.iter().any(|one| one == name);
    !resource.contains("kubernetes.io/")
        && (listed(&arguments.ignored_resources, resource)
            || listed(&arguments.ignored_resource_groups, domain))
}

fn features_refusal(spec: &PodSpec, node: &NodeInfo<'_>) -> Option<Refusal> {
    let lacks = spec.required_node_features.iter().any(|one| !node.features.contains(one));
    lacks.then(|| {
        let reason = "node(s) didn't match Pod's required features";
        Refusal::unresolvable(Plugin::NodeDeclaredFeatures, reason)
    })
}
