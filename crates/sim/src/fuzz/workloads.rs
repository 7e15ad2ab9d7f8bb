//! Controllers of all kinds, bare pods, and what is said about them: priorities, budgets.

use serde_json::{Value, json};

use super::pod_templates::{self, PRIORITIES, PodTemplate, Purpose};
use super::{Dice, Size};

/// A controller of pods as drawn.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) kind: &'static str,
    pub(super) namespace: &'static str,
    pub(super) name: String,
    pub(super) replicas: u32,
    pub(super) template: Value,
    pub(super) cpu_milli: u32,
    pub(super) memory_mib: u32,
}

/// What is there, and the names that are taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Stage {
    pub(super) owners: Vec<Owner>,
    pub(super) bare_pods: Vec<(&'static str, String)>,
    pub(super) budgets: Vec<(&'static str, String)>,
    made: u32,
}

impl Owner {
    pub(super) fn api_version(&self) -> &'static str {
        if self.kind == "Job" { "batch/v1" } else { "apps/v1" }
    }

    /// Whether its pods name it as their controller: a Deployment's name its ReplicaSet, and a
    /// DaemonSet's come with the nodes.
    pub(super) fn has_pods_of_its_own(&self) -> bool {
        matches!(self.kind, "ReplicaSet" | "StatefulSet" | "Job")
    }

    /// The field of a `scale` event that names it, if it can be scaled.
    pub(super) fn scale_field(&self) -> Option<&'static str> {
        match self.kind {
            "Deployment" => Some("deployment"),
            "ReplicaSet" => Some("replicaSet"),
            "StatefulSet" => Some("statefulSet"),
            _ => None,
        }
    }

    pub(super) fn document(&self) -> Value {
        let selector = json!({"matchLabels": self.template["metadata"]["labels"]});
        let mut spec = json!({"template": self.template});
        match self.kind {
            "Job" => {
                spec["completions"] = json!(self.replicas);
                spec["parallelism"] = json!(self.replicas);
            }
            "DaemonSet" => spec["selector"] = selector,
            _ => {
                spec["selector"] = selector;
                spec["replicas"] = json!(self.replicas);
            }
        }
        json!({
            "apiVersion": self.api_version(), "kind": self.kind,
            "metadata": {"name": self.name, "namespace": self.namespace}, "spec": spec,
        })
    }
}

impl Stage {
    /// Draws what is there at the start.
    pub(super) fn draw(dice: &mut Dice, size: Size) -> (Stage, Vec<Value>) {
        let mut stage = Stage::default();
        let mut objects = surroundings();
        for _ in 0..dice.between(0, 5) {
            let owner = stage.draw_owner(dice, size);
            objects.push(owner.document());
            stage.owners.push(owner);
        }
        for _ in 0..dice.between(0, 2) {
            let owner = stage.draw_daemon_set(dice);
            objects.push(owner.document());
            stage.owners.push(owner);
        }
        if dice.percent(20) {
            objects.push(stage.draw_bare_pod(dice));
        }
        if dice.percent(60) {
            for _ in 0..dice.between(1, 3) {
                objects.push(stage.draw_budget(dice));
            }
        }
        (stage, objects)
    }

    /// A controller that makes pods; it is not among the owners yet.
    pub(super) fn draw_owner(&mut self, dice: &mut Dice, size: Size) -> Owner {
        let kind = *dice.pick(&[
            "ReplicaSet",
            "ReplicaSet",
            "Deployment",
            "Deployment",
            "StatefulSet",
            "Job",
            "Job",
        ]);
        let purpose = if kind == "Job" { Purpose::Job } else { Purpose::Service };
        let replicas = size.scale(*dice.pick(&[0, 1, 2, 3, 5, 8, 12]));
        self.owner(dice, kind, purpose, replicas)
    }

    fn draw_daemon_set(&mut self, dice: &mut Dice) -> Owner {
        self.owner(dice, "DaemonSet", Purpose::DaemonSet, 0)
    }

    fn owner(
        &mut self,
        dice: &mut Dice,
        kind: &'static str,
        purpose: Purpose,
        replicas: u32,
    ) -> Owner {
        let name = self.next_name("app");
        let namespace = *dice.pick(&["shop", "shop", "shop", "default", "kube-system"]);
        let PodTemplate { document, cpu_milli, memory_mib } =
            pod_templates::draw(dice, &name, purpose);
        Owner { kind, namespace, name, replicas, template: document, cpu_milli, memory_mib }
    }

    /// A pod without a controller, which waits.
    pub(super) fn draw_bare_pod(&mut self, dice: &mut Dice) -> Value {
        let name = self.next_name("bare");
        let namespace = "shop";
        let mut pod = pod_templates::draw(dice, &name, Purpose::Job).document;
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"]["name"] = json!(name);
        pod["metadata"]["namespace"] = json!(namespace);
        self.bare_pods.push((namespace, name));
        pod
    }

    /// A disruption budget over the pods of one owner, or over all of a namespace: tight, loose or
    /// allowing nothing. Several may cover a pod.
    pub(super) fn draw_budget(&mut self, dice: &mut Dice) -> Value {
        let name = self.next_name("budget");
        let owner = dice.pick_any(&self.owners).cloned();
        let namespace = owner.as_ref().map_or("shop", |owner| owner.namespace);
        let selector = match owner {
            Some(owner) if dice.percent(85) => json!({"matchLabels": {"app": owner.name}}),
            _ => json!({}),
        };
        let mut spec = json!({"selector": selector});
        match dice.between(0, 5) {
            0 => spec["maxUnavailable"] = json!(0),
            1 | 2 => spec["maxUnavailable"] = json!(1),
            3 => spec["minAvailable"] = json!(dice.between(0, 4)),
            4 => spec["minAvailable"] = json!(*dice.pick(&["50%", "90%", "100%"])),
            _ => spec["maxUnavailable"] = json!(*dice.pick(&["10%", "30%"])),
        }
        self.budgets.push((namespace, name.clone()));
        json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": name, "namespace": namespace}, "spec": spec,
        })
    }

    fn next_name(&mut self, what: &str) -> String {
        let name = format!("{what}{}", self.made);
        self.made += 1;
        name
    }
}

/// What pods refer to by name.
fn surroundings() -> Vec<Value> {
    let classes = PRIORITIES.iter().map(|(name, value)| {
        json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": value,
        })
    });
    let storage = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "standard"}, "provisioner": "disks.example.com",
        "volumeBindingMode": "WaitForFirstConsumer",
    });
    classes.chain([storage]).collect()
}
