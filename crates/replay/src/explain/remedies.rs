//! What can be done about what held a pod or node, where something is known to help.

use plimsoll_core::{SimDuration, SimTime};

use super::{Step, span};
use crate::report::ReplayReport;
use crate::report::explanations::{NodeLife, PodLife};

/// A wait of which more than this part was the boot of a node is a matter of boots.
const MOSTLY: i64 = 2;
/// A node that was held for less than this needs no remedy.
const WORTH_A_REMEDY: SimDuration = SimDuration::from_mins(1);

/// Gathers remedies, each once.
#[derive(Default)]
struct Remedies(Vec<String>);

impl Remedies {
    fn add(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.0.contains(&text) {
            self.0.push(text);
        }
    }
}

/// What could have spared a pod its wait.
pub(super) fn of_pod(
    report: &ReplayReport,
    pod: &PodLife,
    waiting: &[Step],
    boot: Option<(SimTime, SimTime)>,
) -> Vec<String> {
    let mut remedies = Remedies::default();
    for step in waiting {
        match step.code.as_str() {
            "unschedulable" => about_groups(report, pod, step, &mut remedies),
            "SchedulingGated" => {
                remedies.add("Whoever set its scheduling gates has to remove them.");
            }
            "tooNew" if step.until.is_some_and(|until| until - step.time >= WORTH_A_REMEDY) => {
                remedies.add("Lower new-pod-scale-up-delay, or the pod's own annotation pod-scale-up-delay.");
            }
            "expendable" => remedies.add(
                "Give it a priority at or above expendable-pods-priority-cutoff, and it causes scale-ups.",
            ),
            "leftOver" if step.until.is_some() => remedies.add(
                "A limit cut the scale-up short: look at maxSize, max-nodes-per-scaleup, max-nodes-total, cores-total and memory-total.",
            ),
            _ => {}
        }
    }
    if pod.bound.is_none() && pod.would_fit.as_ref().is_some_and(Vec::is_empty) {
        let reasons = report.never_scheduled.iter();
        let mut why =
            reasons.filter(|one| one.pods.contains(&pod.name)).map(|one| one.reason.as_str());
        let why = why.next_back().map_or_else(String::new, |why| format!(" ({why})"));
        remedies.add(format!(
            "No group's machines can hold it{why}: it has to ask for less, or a group of other machines is needed."
        ));
    }
    if let Some((from, ready)) = boot {
        let waited = pod.bound.unwrap_or_default().0 - pod.created.unwrap_or_default().0;
        if (ready - from).0 * MOSTLY > waited {
            remedies.add(format!(
                "Most of the wait, {}, was the boot of a machine: only room that is kept free, or machines that boot sooner, would spare it.",
                span(from, ready)
            ));
        }
    }
    remedies.0
}

/// What the groups said that would have held the pod.
fn about_groups(report: &ReplayReport, pod: &PodLife, step: &Step, remedies: &mut Remedies) {
    if step.text.contains("max-nodes-total") {
        remedies.add("Raise max-nodes-total.");
    }
    let would_fit = pod.would_fit.iter().flatten();
    for group in would_fit {
        let Some(said) = step.groups.get(group) else { continue };
        if said.starts_with("max node group size reached") {
            let groups = report.start.node_groups.iter();
            let max = groups.filter(|one| one.name == *group).map(|one| one.max_size).next_back();
            let max = max.map_or_else(String::new, |max| format!(" (it is {max})"));
            remedies
                .add(format!("Raise maxSize of {group}{max}: its machines would hold the pod."));
        } else if said.starts_with("in backoff") {
            remedies.add(format!(
                "Group {group} would hold it, but the cloud had failed it: see what its machines died of, or offer a second group of another type or zone."
            ));
        } else if said.starts_with("exceeded quota") {
            remedies.add(format!("Raise the limit that keeps {group} from growing: {said}."));
        } else if said.starts_with("not ready") {
            remedies.add(format!(
                "Group {group} would hold it, but too many of its nodes are missing or not ready."
            ));
        }
    }
}

/// What would have let a node go sooner, or come at all.
pub(super) fn of_node(report: &ReplayReport, node: &NodeLife, steps: &[Step]) -> Vec<String> {
    let mut remedies = Remedies::default();
    if node.never_registered && node.gone.is_some() {
        let text = if steps.last().is_some_and(|step| step.code == "NeverRegistered") {
            "The machine ran, and its kubelet never joined: look at its boot log, network and credentials."
        } else {
            "The cloud could not make it: look at stock and quotas, or offer a second group of another type or zone."
        };
        remedies.add(text);
    }
    for step in steps {
        let held = step.until.map_or(SimDuration::ZERO, |until| until - step.time);
        if held < WORTH_A_REMEDY {
            continue;
        }
        match step.code.as_str() {
            "BlockedByPod" => remedies.add(about_pod(&step.text)),
            "NodeGroupMinSizeReached" => {
                let group = node.group.as_deref().unwrap_or("its group");
                remedies.add(format!("Lower minSize of {group}, if so many nodes need not stay."));
            }
            "MinimalResourceLimitExceeded" => {
                remedies.add("Lower the minimum in cores-total, memory-total or gpu-total.");
            }
            "InCooldown" => remedies.add(format!(
                "Unneeded for long enough, it still waited {} because {}: shorten that delay.",
                span(step.time, step.time + held),
                step.text
            )),
            "ScaleDownDisabledAnnotation" => {
                remedies.add("Remove its annotation cluster-autoscaler.kubernetes.io/scale-down-disabled.");
            }
            "ScaleDownUnreadyDisabled" => remedies.add("Set scale-down-unready-enabled: true."),
            "AwaitsBudget" => remedies.add(
                "Raise max-scale-down-parallelism and max-drain-parallelism, and more nodes go at a time.",
            ),
            "ScaleDownDisabled" => remedies.add("Set scale-down-enabled: true."),
            _ => {}
        }
    }
    if report.explanations.cluster.iter().any(|entry| {
        report.explanations.word(entry).is_some_and(|word| word.code == "ScaleDownDisabled")
    }) {
        remedies.add("Scale-down is disabled: set scale-down-enabled: true.");
    }
    remedies.0
}

/// What lets a pod be moved that blocks its node. The text is `pod NAME (REASON...)`.
fn about_pod(text: &str) -> String {
    let Some((pod, why)) = text.split_once(" (") else { return format!("Move {text}.") };
    let why = why.trim_end_matches(')');
    match why.split(':').next().unwrap_or(why) {
        "NotEnoughPdb" => {
            let budget =
                why.split_once(": ").map_or("Its PDB allows 0 disruptions", |(_, text)| text);
            format!("{budget}: run one more replica of {pod}'s owner, or let the budget allow one.")
        }
        "NotReplicated" => format!(
            "No controller would make {pod} anew: give it one, or annotate it cluster-autoscaler.kubernetes.io/safe-to-evict: \"true\"."
        ),
        "LocalStorageRequested" => format!(
            "Data of {pod} on the node would be lost: name the volumes in its annotation cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes, or set skip-nodes-with-local-storage: false."
        ),
        "UnmovableKubeSystemPod" => format!(
            "{pod} is of kube-system: give it a PodDisruptionBudget, or set skip-nodes-with-system-pods: false."
        ),
        "NotSafeToEvictAnnotation" => {
            format!("{pod} says safe-to-evict: \"false\"; remove that annotation if it may move.")
        }
        "MinReplicasReached" => format!(
            "The owner of {pod} has fewer replicas than min-replica-count: run more, or lower that flag."
        ),
        "ControllerNotFound" => {
            format!(
                "The controller that {pod} names does not exist: delete the pod, or give it an owner."
            )
        }
        other => format!("{pod} blocks it: {other}."),
    }
}
