//! Where the pods of nodes that go could go: searched without any of the planner's cleverness.
//!
//! What `pods` asks of every decision goes by the same drain rules as the strategies, and asks about
//! one pod at a time; this reads the rules anew and places all pods at once, which may take long.

use plimsoll_core::ids::{NodeId, PodId};
use plimsoll_core::{Cluster, Fork, Pod, PodSpec, SimDuration, SimTime};

use super::Violation;
use crate::action::Action;
use crate::settings::Settings;
use crate::taints::TO_BE_DELETED;

/// The search for places gives up after so many tries: it is exponential in the worst case, and
/// nodes with so many choices almost always have one that is found early.
const TRIES_MAX: u32 = 20_000;
/// A pod that should have been gone for so long counts nowhere, as upstream has it.
const LONG_TERMINATING_AFTER: SimDuration = SimDuration::from_secs(30);
const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
const DAEMON_SET_POD: &str = "cluster-autoscaler.kubernetes.io/daemonset-pod";

/// What the search for other places came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// No pod has to move.
    NoneNeeded,
    /// Every pod has one.
    Found,
    /// There was too much to try, or the order in which pods move may matter.
    Unknown,
}

/// The nodes that a list of actions begins to delete: those that get the taint of their deletion.
#[must_use]
pub fn nodes_that_start_to_go(cluster: &Cluster, actions: &[Action]) -> Vec<NodeId> {
    let mut nodes = Vec::new();
    for action in actions {
        let Action::SetTaints { node, taints, .. } = action else { continue };
        let begins = taints.iter().any(|taint| taint.key == TO_BE_DELETED);
        if begins && !is_going(cluster, *node) {
            nodes.push(*node);
        }
    }
    nodes
}

/// Holds nodes that start to go against the cluster as it is: no pod on them forbids it, and all
/// pods that must move have a place on other nodes at the same time.
///
/// The search looks at the real cluster: what the planner had to reckon with on top (pods that wait
/// for nodes on their way, other nodes that are not needed) leaves it less room, never more. So a
/// place that the planner found must be found here too. Pods whose rules look at other pods depend
/// on the order in which pods move; where they find no place, nothing is known.
///
/// # Errors
/// [`Violation::MustStay`] or [`Violation::NowhereToGo`] for the first node.
pub fn check_places(
    cluster: &mut Fork<'_>,
    settings: &Settings,
    nodes: &[NodeId],
    now: SimTime,
) -> Result<Places, Violation> {
    let mut pods: Vec<PodId> = Vec::new();
    for node in nodes {
        for pod in pods_that_count(cluster, settings, *node, now) {
            if let Some(reason) = must_stay(cluster, settings, pod, now) {
                let node = cluster.node_name(*node).to_owned();
                return Err(Violation::MustStay { node, pod: cluster.pod_full_name(pod), reason });
            }
            pods.push(pod);
        }
    }
    if pods.is_empty() {
        return Ok(Places::NoneNeeded);
    }
    let mut trial = cluster.fork();
    forget_expendable_pods(&mut trial, settings);
    for pod in &pods {
        trial.unbind(*pod);
    }
    let places: Vec<NodeId> = trial
        .nodes()
        .map(|(id, _)| id)
        .filter(|id| !nodes.contains(id) && !is_going(&trial, *id))
        .collect();
    let mut search = Search { places: &places, tries: 0 };
    if search.place_all(&mut trial, &pods, now) {
        return Ok(Places::Found);
    }
    let looks_beyond = |pod: &PodId| trial.looks_beyond_nodes(trial.pod(*pod).shape);
    if search.tries >= TRIES_MAX || pods.iter().any(looks_beyond) {
        return Ok(Places::Unknown);
    }
    let names: Vec<String> = pods.iter().map(|pod| trial.pod_full_name(*pod)).collect();
    let node = nodes.first().map_or("", |node| trial.node_name(*node)).to_owned();
    Err(Violation::NowhereToGo { node, pods: names.join(", ") })
}

/// Holds deletions of nodes against the pods that are on them now: none of them is lost that
/// should have been moved.
///
/// # Errors
/// The first pod that would go down with its node.
pub fn check_pods_left(
    cluster: &Cluster,
    settings: &Settings,
    actions: &[Action],
    now: SimTime,
) -> Result<(), Violation> {
    for action in actions {
        let Action::DeleteNode { node, .. } = action else { continue };
        let left = pods_that_count(cluster, settings, *node, now);
        // What was asked to go has been moved already: its controller has made another.
        if let Some(pod) = left.into_iter().find(|pod| cluster.pod(*pod).deletion_at.is_none()) {
            let (node, pod) = (cluster.node_name(*node).to_owned(), cluster.pod_full_name(pod));
            return Err(Violation::PodLost { node, pod });
        }
    }
    Ok(())
}

/// The search for a place for each of several pods, all ways.
struct Search<'a> {
    places: &'a [NodeId],
    tries: u32,
}

impl Search<'_> {
    fn place_all(&mut self, trial: &mut Cluster, pods: &[PodId], now: SimTime) -> bool {
        let Some((pod, rest)) = pods.split_first() else { return true };
        let shape = trial.pod(*pod).shape;
        for place in self.places {
            if self.tries >= TRIES_MAX {
                return false;
            }
            self.tries += 1;
            if trial.refusal(shape, *place).is_some() {
                continue;
            }
            trial.bind(*pod, *place, now);
            if self.place_all(trial, rest, now) {
                return true;
            }
            trial.unbind(*pod);
        }
        false
    }
}

/// Pods of a priority below the cut-off count nowhere, as upstream does not even see them.
fn forget_expendable_pods(trial: &mut Fork<'_>, settings: &Settings) {
    let expendable: Vec<PodId> = trial
        .pods()
        .filter(|(_, pod)| pod.node.is_some() && is_expendable(trial.shape(pod.shape), settings))
        .map(|(id, _)| id)
        .collect();
    for pod in expendable {
        trial.unbind(pod);
    }
}

fn is_expendable(spec: &PodSpec, settings: &Settings) -> bool {
    spec.priority < settings.expendable_pods_priority_cutoff
}

fn is_going(cluster: &Cluster, node: NodeId) -> bool {
    cluster.node_taints(node).iter().any(|taint| taint.key == TO_BE_DELETED)
}

/// The pods of a node whose loss would matter.
fn pods_that_count(
    cluster: &Cluster,
    settings: &Settings,
    node: NodeId,
    now: SimTime,
) -> Vec<PodId> {
    let Some(node) = cluster.find_node(node) else { return Vec::new() };
    let counts = |pod: &Pod| {
        let spec = cluster.shape(pod.shape);
        let controller = pod.controller.map(|one| cluster.workload(one).key.kind.as_str());
        let is_daemon = controller == Some("DaemonSet")
            || spec.annotations.get(DAEMON_SET_POD).is_some_and(|value| value == "true");
        let is_over = pod
            .deletion_at
            .is_some_and(|at| at + spec.termination_grace + LONG_TERMINATING_AFTER < now);
        !spec.is_mirror && !is_daemon && !is_over && !is_expendable(spec, settings)
    };
    node.pods.iter().copied().filter(|pod| counts(cluster.pod(*pod))).collect()
}

/// Why a pod must not be moved, by what it says itself and by its budgets.
///
/// A pod that says that it is safe to evict, and one of kube-system that is old enough, is not asked
/// for its budgets when a drain is decided: upstream's rules are such. The budgets hold it when it
/// is to be evicted.
fn must_stay(
    cluster: &Cluster,
    settings: &Settings,
    pod: PodId,
    now: SimTime,
) -> Option<&'static str> {
    let state = cluster.pod(pod);
    let spec = cluster.shape(state.shape);
    match spec.annotations.get(SAFE_TO_EVICT).map(String::as_str) {
        Some("true") => return None,
        Some("on-completion") => return Some("BlockedByOnCompletionPod"),
        _ => {}
    }
    if state.controller.is_none() && settings.skip_nodes_with_custom_controller_pods {
        return Some("NotReplicated");
    }
    let mut budgets = cluster.budgets_of(pod);
    let is_system = spec.namespace == "kube-system" && settings.skip_nodes_with_system_pods;
    if is_system && budgets.next().is_none() {
        let is_old = state.created_at + settings.blocking_system_pod_disruption_timeout < now;
        return (!is_old).then_some("UnmovableKubeSystemPod");
    }
    if spec.annotations.get(SAFE_TO_EVICT).is_some_and(|value| value == "false") {
        return Some("NotSafeToEvictAnnotation");
    }
    let exhausted = cluster.budgets_of(pod).any(|(_, budget)| budget.disruptions_allowed < 1);
    exhausted.then_some("NotEnoughPdb")
}

#[cfg(test)]
mod tests {
    use plimsoll_core::taints::{Taint, TaintEffect};
    use plimsoll_core::workload::{CountOrPercent, DisruptionBudgetObject, DisruptionRule};

    use super::*;
    use crate::action::DeletionCause;
    use crate::fixture::{Fixture, pod_spec};

    /// `n1` with three pods of 1 cpu, `n2` with as much room as is asked for.
    fn two_nodes(room_on_other: &str) -> (Fixture, NodeId) {
        let mut fixture = Fixture::default();
        fixture.group("a", 0, 9, "4", "16Gi");
        fixture.group("b", 0, 9, room_on_other, "16Gi");
        let node = fixture.node("n1", "a");
        fixture.node("n2", "b");
        fixture.running("web", 3, &pod_spec("1", "1Gi"), node);
        (fixture, node)
    }

    fn verdict(fixture: &mut Fixture, node: NodeId) -> String {
        let (settings, now) = (Settings::default(), fixture.now);
        match check_places(&mut fixture.cluster.fork(), &settings, &[node], now) {
            Ok(places) => format!("{places:?}"),
            Err(violation) => violation.to_string(),
        }
    }

    #[test]
    fn a_node_goes_only_if_all_of_its_pods_have_places_at_one_time() {
        let (mut fixture, node) = two_nodes("3");
        let digest = fixture.cluster.digest();
        assert_eq!(verdict(&mut fixture, node), "Found");
        assert_eq!(fixture.cluster.digest(), digest, "what was tried is gone");
        let (mut fixture, node) = two_nodes("2");
        assert_eq!(
            verdict(&mut fixture, node),
            "node n1 starts to go, and its pods find no other place: \
             shop/web-1, shop/web-2, shop/web-3"
        );
    }

    #[test]
    fn another_order_is_tried_before_pods_count_as_homeless() {
        let mut fixture = Fixture::default();
        for (name, cpu) in [("a", "9"), ("b", "3"), ("c", "4")] {
            fixture.group(name, 0, 9, cpu, "16Gi");
        }
        let node = fixture.node("n1", "a");
        fixture.node("n2", "b");
        fixture.node("n3", "c");
        // First fit would put the 2 on n2, and the 3 on n3, and have no room for the other 2.
        fixture.running("two", 2, &pod_spec("2", "1Gi"), node);
        fixture.running("three", 1, &pod_spec("3", "1Gi"), node);
        assert_eq!(verdict(&mut fixture, node), "Found");
    }

    #[test]
    fn a_budget_that_allows_nothing_holds_the_node() {
        let (mut fixture, node) = two_nodes("8");
        fixture.cluster.add_budget(DisruptionBudgetObject {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            selector: Some(plimsoll_core::labels::LabelSelector::default()),
            rule: DisruptionRule::MinAvailable(CountOrPercent::Count(3)),
            disruptions_allowed: Some(0),
            disrupted_pods: Default::default(),
        });
        assert_eq!(
            verdict(&mut fixture, node),
            "node n1 starts to go with pod shop/web-1, which must stay: NotEnoughPdb"
        );
    }

    #[test]
    fn a_node_that_is_deleted_takes_no_pod_with_it() {
        let (fixture, node) = two_nodes("8");
        let settings = Settings::default();
        let (cause, decided_at) = (DeletionCause::Empty, fixture.now);
        let actions = [Action::DeleteNode { node, cause, decided_at }];
        let left = check_pods_left(&fixture.cluster, &settings, &actions, fixture.now);
        assert_eq!(
            left.expect_err("three pods run there").to_string(),
            "node n1 is deleted while pod shop/web-1 runs on it"
        );
    }

    #[test]
    fn a_node_begins_to_go_with_the_taint_and_only_once() {
        let (mut fixture, node) = two_nodes("8");
        let (key, value) = (TO_BE_DELETED.to_owned(), String::new());
        let taints = vec![Taint { key, value, effect: TaintEffect::NoSchedule }];
        let actions = [Action::SetTaints { node, taints, unschedulable: true }];
        assert_eq!(nodes_that_start_to_go(&fixture.cluster, &actions), [node]);
        fixture.taint(node, TO_BE_DELETED);
        assert!(nodes_that_start_to_go(&fixture.cluster, &actions).is_empty());
    }
}
