//! Flags of Cluster Autoscaler drawn at random: every one that decides anything.

use plimsoll_autoscaler::settings::{FlagEffect, flag_effect};
use plimsoll_core::SimDuration;
use plimsoll_sim::FuzzScenario;
use plimsoll_sim::fuzz::Dice;
use serde_json::{Map, Value, json};

/// What values a flag is drawn from.
enum Values {
    /// True or false.
    Switch,
    /// One of these, as text.
    Of(&'static [&'static str]),
    /// One of these lists.
    Lists(&'static [&'static [&'static str]]),
}

/// A flag, and in how many of a hundred scenarios it is given at all.
struct Row(&'static str, u32, Values);

const SHORT_TIMES: Values = Values::Of(&["0s", "10s", "30s", "1m", "2m", "5m"]);
const LONG_TIMES: Values = Values::Of(&["20s", "1m", "2m", "5m", "15m", "1h"]);
const RATIOS: Values = Values::Of(&["0", "0.1", "0.3", "0.5", "0.8", "1"]);
const COUNTS: Values = Values::Of(&["0", "1", "2", "3", "5", "20"]);

/// Every flag that changes decisions; a test holds that none is missing. Rows of flags that this
/// release accepts at their default only are passed over.
static ROWS: &[Row] = &[
    Row("scan-interval", 40, Values::Of(&["5s", "10s", "10s", "15s", "30s", "1m", "7s"])),
    Row("frequent-loops-enabled", 50, Values::Switch),
    Row("allowed-scheduler-names", 3, Values::Lists(&[&["default-scheduler"], &["another"]])),
    Row("bypassed-scheduler-names", 8, Values::Lists(&[&["default-scheduler"], &["another"]])),
    Row("new-pod-scale-up-delay", 15, SHORT_TIMES),
    Row("expendable-pods-priority-cutoff", 15, Values::Of(&["-1000", "-10", "0", "5000"])),
    Row("scale-up-from-zero", 10, Values::Switch),
    Row(
        "expander",
        70,
        Values::Of(&[
            "random",
            "most-pods",
            "least-waste",
            "least-nodes",
            "price",
            "priority",
            "least-nodes,random",
            "most-pods,least-waste",
            "price,random",
            "priority,least-nodes,most-pods",
        ]),
    ),
    Row("max-nodes-total", 15, Values::Of(&["0", "1", "3", "6", "10"])),
    Row("cores-total", 12, Values::Of(&["0:4", "0:16", "2:32", "8:100", "0:0"])),
    Row("memory-total", 12, Values::Of(&["0:8", "0:64", "4:128", "16:400"])),
    Row("gpu-total", 8, Values::Lists(&[&["nvidia-t4:0:2"], &["nvidia-t4:0:0", "other:1:2"]])),
    Row("max-nodes-per-scaleup", 10, Values::Of(&["1", "2", "5", "1000"])),
    Row("balance-similar-node-groups", 50, Values::Switch),
    Row("balancing-ignore-label", 8, Values::Lists(&[&["disk"], &["pool", "disk"]])),
    Row("balancing-label", 6, Values::Lists(&[&["pool"]])),
    Row("memory-difference-ratio", 5, RATIOS),
    Row("max-free-difference-ratio", 5, RATIOS),
    Row("max-allocatable-difference-ratio", 5, RATIOS),
    Row("enforce-node-group-min-size", 40, Values::Switch),
    Row("force-ds", 15, Values::Switch),
    Row("scale-from-unschedulable", 10, Values::Switch),
    Row("node-info-cache-expire-time", 5, LONG_TIMES),
    Row("startup-taint", 10, Values::Lists(&[&["startup.example.com/agent"]])),
    Row("ignore-taint", 4, Values::Lists(&[&["maintenance"]])),
    Row("startup-taint-prefix", 5, Values::Lists(&[&["startup.example.com/"]])),
    Row("status-taint", 5, Values::Lists(&[&["maintenance"]])),
    Row("max-node-provision-time", 35, LONG_TIMES),
    Row("max-node-startup-time", 20, LONG_TIMES),
    Row("ok-total-unready-count", 15, COUNTS),
    Row("max-total-unready-percentage", 10, Values::Of(&["0", "10", "45", "100"])),
    Row("initial-node-group-backoff-duration", 20, SHORT_TIMES),
    Row("max-node-group-backoff-duration", 15, LONG_TIMES),
    Row("node-group-backoff-reset-timeout", 10, LONG_TIMES),
    Row("force-delete-unregistered-nodes", 15, Values::Switch),
    Row("scale-down-enabled", 4, Values::Switch),
    Row("scale-down-unready-enabled", 8, Values::Switch),
    Row("scale-down-utilization-threshold", 30, RATIOS),
    Row("scale-down-gpu-utilization-threshold", 8, RATIOS),
    Row("scale-down-unneeded-time", 70, SHORT_TIMES),
    Row("scale-down-unready-time", 40, SHORT_TIMES),
    Row("scale-down-delay-after-add", 60, SHORT_TIMES),
    Row("scale-down-delay-after-delete", 20, SHORT_TIMES),
    Row("scale-down-delay-after-failure", 20, SHORT_TIMES),
    Row("scale-down-delay-type-local", 15, Values::Switch),
    Row("scale-down-non-empty-candidates-count", 12, Values::Of(&["-1", "0", "1", "3", "30"])),
    Row("scale-down-candidates-pool-ratio", 8, RATIOS),
    Row("scale-down-candidates-pool-min-count", 8, COUNTS),
    Row("unremovable-node-recheck-timeout", 25, SHORT_TIMES),
    Row("max-scale-down-parallelism", 15, Values::Of(&["1", "2", "5", "10"])),
    Row("max-drain-parallelism", 25, Values::Of(&["1", "2", "5"])),
    Row("max-bulk-soft-taint-count", 15, COUNTS),
    Row("max-graceful-termination-sec", 10, Values::Of(&["0", "30", "600"])),
    Row("max-pod-eviction-time", 20, SHORT_TIMES),
    Row("drain-priority-config", 8, Values::Of(&["0:30", "-10:10,0:60,1000:120"])),
    Row("node-delete-delay-after-taint", 20, Values::Of(&["0s", "5s", "17s", "1m"])),
    Row("node-deletion-delay-timeout", 5, SHORT_TIMES),
    Row("node-deletion-batcher-interval", 15, Values::Of(&["0s", "10s", "45s"])),
    Row("node-deletion-candidate-ttl", 8, SHORT_TIMES),
    Row("cordon-node-before-terminating", 20, Values::Switch),
    Row("daemonset-eviction-for-empty-nodes", 15, Values::Switch),
    Row("daemonset-eviction-for-occupied-nodes", 10, Values::Switch),
    Row("skip-nodes-with-system-pods", 20, Values::Switch),
    Row("skip-nodes-with-local-storage", 20, Values::Switch),
    Row("skip-nodes-with-custom-controller-pods", 10, Values::Switch),
    Row("blocking-system-pod-distruption-timeout", 10, LONG_TIMES),
    Row("ignore-daemonsets-utilization", 15, Values::Switch),
    Row("ignore-mirror-pods-utilization", 8, Values::Switch),
    Row("min-replica-count", 8, Values::Of(&["0", "1", "3"])),
    // Features that are new, or that a later release may play.
    Row("salvo-scale-up", 20, Values::Switch),
    Row("salvo-scale-up-budget", 10, SHORT_TIMES),
    Row("parallel-scale-up", 20, Values::Switch),
    Row("emit-per-nodegroup-metrics", 5, Values::Switch),
    Row("fastpath-binpacking-enabled", 20, Values::Switch),
    Row("scaleup-simulation-for-skipped-node-groups-enabled", 20, Values::Switch),
    Row("enable-proactive-scaleup", 20, Values::Switch),
    Row("pod-injection-limit", 10, Values::Of(&["0", "5", "100"])),
    Row("enable-provisioning-requests", 10, Values::Switch),
    Row("check-capacity-batch-processing", 10, Values::Switch),
    Row("capacity-buffer-controller-enabled", 10, Values::Switch),
    Row("capacity-buffer-pod-injection-enabled", 10, Values::Switch),
    Row("capacity-buffer-pod-dry-run-enabled", 5, Values::Switch),
    Row("check-capacity-processor-instance", 3, Values::Of(&["", "second"])),
    Row("check-capacity-provisioning-request-max-batch-size", 5, COUNTS),
    Row("provisioning-request-initial-backoff-time", 5, SHORT_TIMES),
    Row("provisioning-request-max-backoff-time", 5, LONG_TIMES),
    Row("plimsoll-enforce-min-size-on-live-nodes", 20, Values::Switch),
    Row("enable-dynamic-resource-allocation", 10, Values::Switch),
    Row("enable-csi-node-aware-scheduling", 10, Values::Switch),
];

/// The scan interval and all flags of a seed. Three scenarios of ten change a few flags only, so that
/// defaults are met as well.
pub(super) fn draw(seed: u64) -> (SimDuration, Map<String, Value>) {
    let mut dice = Dice::new(seed, "fuzz/flags");
    let is_plain = dice.percent(30);
    let mut flags = Map::new();
    for Row(name, percent, values) in ROWS {
        // Every row is thrown for, so that a new one changes nothing about the others.
        let mut dice = Dice::new(seed, &format!("fuzz/flags/{name}"));
        let percent = if is_plain { percent / 5 } else { *percent };
        if !dice.percent(percent) || !decides(name) {
            continue;
        }
        let value = match values {
            Values::Switch => json!(dice.percent(50)),
            Values::Of(values) => json!(*dice.pick(values)),
            Values::Lists(lists) => json!(*dice.pick(lists)),
        };
        flags.insert((*name).to_owned(), value);
    }
    // Upstream does not start with these together.
    if flags.contains_key("drain-priority-config") {
        flags.remove("max-graceful-termination-sec");
    }
    if let Some(allowed) = flags.get("allowed-scheduler-names")
        && flags.get("bypassed-scheduler-names").is_some_and(|bypassed| bypassed != allowed)
    {
        flags.remove("bypassed-scheduler-names");
    }
    let text = flags.get("scan-interval").and_then(Value::as_str).unwrap_or("10s");
    (SimDuration::parse(text).expect("the table holds durations"), flags)
}

/// Takes back what does not go with the scenario: choosing by a price that a group does not have.
pub(super) fn suit(scenario: &mut FuzzScenario) {
    let chain = scenario.flags.get("expander").and_then(Value::as_str).unwrap_or_default();
    if chain.split(',').any(|one| one == "price") && !scenario.has_all_prices() {
        scenario.flags.remove("expander");
    }
    if chain_has(scenario, "priority") {
        scenario.objects.push(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "cluster-autoscaler-priority-expander", "namespace": "kube-system",
            },
            "data": {"priorities": "10:\n- .*\n20:\n- g[13]\n30:\n- g[2]\n"},
        }));
    }
}

fn chain_has(scenario: &FuzzScenario, expander: &str) -> bool {
    let chain = scenario.flags.get("expander").and_then(Value::as_str).unwrap_or_default();
    chain.split(',').any(|one| one == expander)
}

fn decides(name: &str) -> bool {
    matches!(flag_effect(name), Some(FlagEffect::Decides))
}

#[cfg(test)]
mod tests {
    use plimsoll_autoscaler::settings::flag_names;

    use super::*;

    #[test]
    fn every_flag_that_decides_is_drawn() {
        let missing: Vec<&str> = flag_names()
            .filter(|name| decides(name) && !ROWS.iter().any(|row| row.0 == *name))
            .collect();
        assert!(missing.is_empty(), "give each a row of values in ROWS: {missing:?}");
    }

    #[test]
    fn what_is_drawn_are_settings() {
        for seed in 0..500 {
            let flags = draw(seed).1.into_iter().collect();
            if let Err(error) = crate::strategy::settings_of(&flags) {
                panic!("seed {seed}: {error}");
            }
        }
    }
}
