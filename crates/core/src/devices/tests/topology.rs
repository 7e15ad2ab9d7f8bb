//! Which nodes reach which pools, and pools that are being written or are wrong.

use serde_json::json;

use super::*;

fn one(name: &str) -> Value {
    claim(name, &json!([exactly("r", &json!({}))]))
}

fn in_zone(zone: &str) -> Value {
    json!({"nodeSelectorTerms": [{"matchExpressions": [
        {"key": "zone", "operator": "In", "values": [zone]}]}]})
}

/// Source: `NodeMatches`, `createNodeSelector`.
#[test]
fn pools_in_the_network_are_reached_by_selection() {
    let devices = json!([gpu("d0", "x")]);
    for (reach, on_n1, on_n2, selector) in [
        (json!({"allNodes": true}), true, true, None),
        (json!({"nodeSelector": in_zone("b")}), false, true, Some("zone")),
        (json!({"nodeName": "n1"}), true, false, Some("metadata.name")),
    ] {
        let mut spec = reach.clone();
        spec["devices"] = devices.clone();
        let mut lab = Lab::with_gpus(&[slice("net", &spec), one("c")]);
        let fits = |node: &str| lab.answer("c", node) == "r=net/d0";
        assert_eq!((fits("n1"), fits("n2")), (on_n1, on_n2), "{reach}");
        lab.bind("c", if on_n1 { "n1" } else { "n2" });
        let claim = lab.devices.claim("default", "c").expect("the claim is there");
        let terms = claim.status.allocation.as_ref().expect("allocated").node_selector.as_ref();
        let keys: Option<&str> = terms.map(|terms| {
            terms[0].fields.iter().chain(&terms[0].expressions).next().expect("a rule").key.as_str()
        });
        assert_eq!(keys, selector, "{reach}");
    }
}

#[test]
fn devices_can_say_for_themselves_which_nodes_reach_them() {
    let device = |name: &str, reach: Value| {
        let mut device = reach;
        device["name"] = json!(name);
        device
    };
    let lab = Lab::with_gpus(&[
        slice(
            "net",
            &json!({"perDeviceNodeSelection": true, "devices": [
                device("of-n1", json!({"nodeName": "n1"})),
                device("of-b", json!({"nodeSelector": in_zone("b")})),
                device("of-all", json!({"allNodes": true})),
            ]}),
        ),
        claim("two", &json!([exactly("r", &json!({"count": 2}))])),
        claim("all", &json!([exactly("r", &json!({"allocationMode": "All"}))])),
        claim("three", &json!([exactly("r", &json!({"count": 3}))])),
    ]);
    assert_eq!(lab.answer("two", "n1"), "r=net/of-n1 r=net/of-all");
    assert_eq!(lab.answer("all", "n2"), "r=net/of-b r=net/of-all");
    assert_eq!(lab.answer("three", "n1"), "cannot allocate all claims");
}

#[test]
fn a_device_that_binds_to_its_node_ties_the_claim_to_it() {
    let mut lab = Lab::with_gpus(&[
        slice("net", &json!({"allNodes": true, "devices": [{"name": "d0", "bindsToNode": true}]})),
        one("c"),
    ]);
    lab.bind("c", "n2");
    assert_eq!(lab.answer("c", "n1"), "resourceclaim not available on the node");
    assert_eq!(lab.answer("c", "n2"), "r=net/d0");
}

fn part(name: &str, generation: i64, count: i64, spec: Value) -> Value {
    let mut spec = spec;
    spec["pool"] = json!({"name": "p", "generation": generation, "resourceSliceCount": count});
    slice(name, &spec)
}

fn on(node: &str, device: &str) -> Value {
    json!({"nodeName": node, "devices": [gpu(device, "x")]})
}

/// Source: `allocator_testing.go`, "obsolete-slice", "incomplete-*".
#[test]
fn only_the_newest_generation_counts_and_only_when_it_is_whole() {
    let all = |name: &str| claim(name, &json!([exactly("r", &json!({"allocationMode": "All"}))]));
    let newer = Lab::with_gpus(&[
        part("old", 1, 1, on("n1", "old")),
        part("new", 2, 1, on("n1", "new")),
        one("c"),
    ]);
    assert_eq!(newer.answer("c", "n1"), "r=p/new");
    let incomplete = Lab::with_gpus(&[part("s", 1, 2, on("n1", "d")), one("c"), all("all")]);
    assert_eq!(incomplete.answer("c", "n1"), "cannot allocate all claims");
    assert_eq!(
        incomplete.answer("all", "n1"),
        "error: claim default/all, request r: asks for all devices, but resource pool \
         gpu.example.com/p is currently being updated"
    );
    assert_eq!(incomplete.answer("all", "n2"), "cannot allocate all claims", "not its pool");
    let elsewhere = Lab::with_gpus(&[
        part("a", 1, 2, on("n1", "d0")),
        part("b", 1, 2, on("n2", "d1")),
        one("c"),
        all("all"),
    ]);
    assert_eq!(elsewhere.answer("all", "n1"), "r=p/d0", "whole, though not all of it is here");
    let obsolete = Lab::with_gpus(&[
        part("a", 1, 2, on("n1", "d0")),
        part("b", 2, 1, on("n2", "d1")),
        one("c"),
        all("all"),
    ]);
    assert_eq!(obsolete.answer("c", "n1"), "cannot allocate all claims");
    assert_eq!(obsolete.answer("all", "n1"), "cannot allocate all claims", "no error: it is old");
}

/// Source: `validateDeviceNames`, `validateDeviceCounterConsumption`.
#[test]
fn pools_that_are_wrong_are_named_when_nothing_else_does() {
    let wrong = [part("a", 1, 2, on("n1", "d")), part("b", 1, 2, on("n1", "d"))];
    let mut items = wrong.to_vec();
    items.push(one("c"));
    let lab = Lab::with_gpus(&items);
    assert_eq!(lab.answer("c", "n1"), "invalid resource pools were encountered");
    assert_eq!(lab.answer("c", "n2"), "cannot allocate all claims");
    items.push(slice("good", &on("n1", "d")));
    assert_eq!(Lab::with_gpus(&items).answer("c", "n1"), "r=good/d");
    let draws = json!({"nodeName": "n1", "devices": [{"name": "d", "consumesCounters": [
        {"counterSet": "nosuch", "counters": {"memory": {"value": "1"}}}]}]});
    let lab = Lab::with_gpus(&[slice("s", &draws), one("c")]);
    assert_eq!(lab.answer("c", "n1"), "invalid resource pools were encountered");
}

/// Source: `GatherPools`: counter sets are looked at on every node.
#[test]
fn a_pool_with_counters_that_is_wrong_is_wrong_everywhere() {
    let counters = json!([{"name": "set", "counters": {"memory": {"value": "80"}}}]);
    let draws = json!({"nodeName": "n1", "devices": [{"name": "d", "consumesCounters": [
        {"counterSet": "nosuch", "counters": {"memory": {"value": "1"}}}]}]});
    let lab = Lab::with_gpus(&[
        part("c", 1, 2, json!({"nodeName": "n1", "sharedCounters": counters})),
        part("d", 1, 2, draws),
        one("c"),
    ]);
    assert_eq!(lab.answer("c", "n2"), "invalid resource pools were encountered");
}

/// Source: `GatherPools`: pools with binding conditions come last.
#[test]
fn devices_that_are_ready_are_preferred() {
    let waiting = json!({"name": "d", "bindingConditions": ["ready"],
        "bindingFailureConditions": ["failed"]});
    let lab = Lab::with_gpus(&[
        slice("a", &json!({"nodeName": "n1", "devices": [waiting]})),
        slice("b", &on("n1", "d")),
        one("c"),
        claim("two", &json!([exactly("r", &json!({"count": 2}))])),
    ]);
    assert_eq!(lab.answer("c", "n1"), "r=b/d");
    assert_eq!(lab.answer("two", "n1"), "r=b/d r=a/d");
}

#[test]
fn a_slice_that_is_replaced_or_removed_is_forgotten() {
    let mut lab = Lab::with_gpus(&[slice("s", &on("n1", "old")), one("c")]);
    assert_eq!(lab.answer("c", "n1"), "r=s/old");
    let fresh = Lab::with_gpus(&[slice("s", &on("n2", "new"))]);
    lab.devices.add_slice(fresh.snapshot.devices.slices[0].clone());
    assert_eq!(lab.answer("c", "n1"), "cannot allocate all claims");
    assert_eq!(lab.answer("c", "n2"), "r=s/new");
    lab.devices.remove_slice("s");
    assert_eq!(lab.answer("c", "n2"), "cannot allocate all claims");
}
