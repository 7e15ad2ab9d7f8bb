//! Devices in use: shares of capacity, partitions, administrators, taints.

use serde_json::json;

use super::*;

/// Source: `allocator_testing.go`, "admin-access-*".
#[test]
fn administrators_get_devices_in_use_and_hold_nothing() {
    let lab = Lab::with_gpus(&[
        local(&json!([gpu("d0", "x"), gpu("d1", "x")])),
        held("holder", &["d0", "d1"]),
        claim("plain", &json!([exactly("r", &json!({}))])),
        claim("admin", &json!([exactly("r", &json!({"adminAccess": true, "count": 2}))])),
        claim("three", &json!([exactly("r", &json!({"adminAccess": true, "count": 3}))])),
        claim(
            "all",
            &json!([exactly("r", &json!({"adminAccess": true, "allocationMode": "All"}))]),
        ),
    ]);
    assert_eq!(lab.answer("plain", "n1"), "cannot allocate all claims");
    assert_eq!(lab.answer("admin", "n1"), "r=p/d0(admin) r=p/d1(admin)");
    assert_eq!(lab.answer("three", "n1"), "cannot allocate all claims", "once a claim");
    assert_eq!(lab.answer("all", "n1"), "r=p/d0(admin) r=p/d1(admin)");
    let mut lab = Lab::with_gpus(&[
        local(&json!([gpu("d0", "x")])),
        claim("admin", &json!([exactly("r", &json!({"adminAccess": true}))])),
        claim("plain", &json!([exactly("r", &json!({}))])),
    ]);
    lab.bind("admin", "n1");
    assert_eq!(lab.answer("plain", "n1"), "r=p/d0");
}

/// Source: `taintPreventsAllocation`, `resourceclaim.ToleratesTaint`.
#[test]
fn taints_keep_devices_from_requests_that_do_not_tolerate_them() {
    let tainted = |name: &str, effect: &str| json!({"name": name, "taints": [{"key": "health", "value": "bad", "effect": effect}]});
    let tolerating = |name: &str, toleration: Value| {
        claim(name, &json!([exactly("r", &json!({"count": 2, "tolerations": [toleration]}))]))
    };
    let lab = Lab::with_gpus(&[
        local(&json!([
            tainted("no-sched", "NoSchedule"),
            tainted("no-exec", "NoExecute"),
            tainted("none", "None")
        ])),
        claim("plain", &json!([exactly("r", &json!({}))])),
        claim("two", &json!([exactly("r", &json!({"count": 2}))])),
        tolerating("any", json!({"operator": "Exists"})),
        tolerating("value", json!({"key": "health", "value": "bad"})),
        tolerating("other-value", json!({"key": "health", "operator": "Equal", "value": "ok"})),
        tolerating(
            "one-effect",
            json!({"key": "health", "operator": "Exists", "effect": "NoExecute"}),
        ),
    ]);
    assert_eq!(lab.answer("plain", "n1"), "r=p/none");
    assert_eq!(lab.answer("two", "n1"), "cannot allocate all claims");
    assert_eq!(lab.answer("any", "n1"), "r=p/no-sched r=p/no-exec");
    assert_eq!(lab.answer("value", "n1"), "r=p/no-sched r=p/no-exec");
    assert_eq!(lab.answer("other-value", "n1"), "cannot allocate all claims");
    assert_eq!(lab.answer("one-effect", "n1"), "r=p/no-exec r=p/none");
}

/// A network card whose bandwidth can be had in parts.
fn card(policy: &Value) -> Value {
    json!({"name": "card", "allowMultipleAllocations": true,
        "capacity": {"bandwidth": {"value": "10", "requestPolicy": policy}}})
}

fn bandwidth(name: &str, amount: Option<&str>) -> Value {
    let query = match amount {
        Some(amount) => json!({"capacity": {"requests": {"bandwidth": amount}}}),
        None => json!({}),
    };
    claim(name, &json!([exactly("r", &query)]))
}

/// Source: `allocator_testing.go`, "consumable-capacity-*".
#[test]
fn shares_of_a_device_add_up_to_its_capacity() {
    let policy = json!({"default": "3", "validRange": {"min": "1", "step": "2"}});
    let mut lab = Lab::with_gpus(&[
        local(&json!([card(&policy)])),
        bandwidth("six", Some("6")),
        bandwidth("default", None),
        bandwidth("one", Some("1")),
        bandwidth("twenty", Some("20")),
    ]);
    assert_eq!(lab.answer("six", "n1"), "r=p/card[bandwidth=7]", "1 + 3 × 2");
    assert_eq!(lab.answer("twenty", "n1"), "cannot allocate all claims");
    let undo = lab.bind("six", "n1");
    assert_eq!(lab.answer("default", "n1"), "r=p/card[bandwidth=3]");
    lab.bind("default", "n1");
    assert_eq!(lab.answer("one", "n1"), "cannot allocate all claims", "all 10 are held");
    assert!(!undo.is_nothing());
}

#[test]
fn one_pods_requests_share_a_device_as_well() {
    let requests = json!([
        exactly("a", &json!({"capacity": {"requests": {"bandwidth": "6"}}})),
        exactly("b", &json!({"capacity": {"requests": {"bandwidth": "4"}}})),
    ]);
    let mut too_much = requests.clone();
    too_much[1]["exactly"]["capacity"]["requests"]["bandwidth"] = json!("5");
    let unknown = json!([exactly("r", &json!({"capacity": {"requests": {"memory": "1"}}}))]);
    let lab = Lab::with_gpus(&[
        local(&json!([card(&json!({}))])),
        claim("fits", &requests),
        claim("too-much", &too_much),
        claim("unknown", &unknown),
        claim("whole", &json!([exactly("r", &json!({}))])),
    ]);
    assert_eq!(lab.answer("fits", "n1"), "a=p/card[bandwidth=6] b=p/card[bandwidth=4]");
    assert_eq!(lab.answer("too-much", "n1"), "cannot allocate all claims");
    assert_eq!(lab.answer("unknown", "n1"), "cannot allocate all claims", "no such capacity");
    assert_eq!(lab.answer("whole", "n1"), "r=p/card[bandwidth=10]", "no default: all of it");
}

#[test]
fn a_capacity_request_chooses_among_whole_devices_too() {
    let sized =
        |name: &str, memory: &str| json!({"name": name, "capacity": {"memory": {"value": memory}}});
    let lab = Lab::with_gpus(&[
        local(&json!([sized("small", "40Gi"), sized("large", "80Gi")])),
        claim("c", &json!([exactly("r", &json!({"capacity": {"requests": {"memory": "60Gi"}}}))])),
    ]);
    assert_eq!(lab.answer("c", "n1"), "r=p/large", "the device is given whole");
}

/// A pool `p` of node `n1` whose partitions draw on 80 units of memory.
fn partitions(driver: &str, name: &str, sizes: &[(&str, &str)]) -> [Value; 2] {
    let pool = json!({"name": "p", "generation": 1, "resourceSliceCount": 2});
    let devices: Vec<Value> = sizes
        .iter()
        .map(|(name, amount)| {
            json!({"name": name, "attributes": {"model": {"string": amount}}, "consumesCounters": [
                {"counterSet": "set", "counters": {"memory": {"value": amount}}}]})
        })
        .collect();
    let counters = json!([{"name": "set", "counters": {"memory": {"value": "80"}}}]);
    let base = json!({"driver": driver, "nodeName": "n1", "pool": pool});
    let with = |field: &str, value: Value| {
        let mut spec = base.clone();
        spec[field] = value;
        slice(&format!("{name}-{}", field.to_lowercase()), &spec)
    };
    [with("sharedCounters", counters), with("devices", json!(devices))]
}

/// Source: `allocator_testing.go`, "partitionable-devices-*".
#[test]
fn partitions_draw_on_common_counters() {
    let [counters, devices] = partitions(
        "gpu.example.com",
        "s",
        &[("full", "80"), ("half-0", "40"), ("half-1", "40"), ("quarter", "20")],
    );
    let want = |name: &str, models: &[&str]| {
        let requests: Vec<Value> = models
            .iter()
            .enumerate()
            .map(|(index, model)| {
                exactly(&format!("r{index}"), &json!({"selectors": of_model(model)}))
            })
            .collect();
        claim(name, &json!(requests))
    };
    let mut lab = Lab::with_gpus(&[
        counters,
        devices,
        want("full", &["80"]),
        want("halves", &["40", "40"]),
        want("too-much", &["80", "20"]),
        want("half", &["40"]),
        want("mixed", &["20", "40"]),
    ]);
    assert_eq!(lab.answer("full", "n1"), "r0=p/full");
    assert_eq!(lab.answer("halves", "n1"), "r0=p/half-0 r1=p/half-1");
    assert_eq!(lab.answer("too-much", "n1"), "cannot allocate all claims");
    lab.bind("half", "n1");
    assert_eq!(lab.answer("full", "n1"), "cannot allocate all claims");
    assert_eq!(lab.answer("mixed", "n1"), "cannot allocate all claims", "20 + 40 of 40");
    assert_eq!(lab.answer("halves", "n1"), "cannot allocate all claims");
}

#[test]
fn partitions_that_other_nodes_use_count_too() {
    let pool = json!({"name": "rack", "generation": 1, "resourceSliceCount": 2});
    let counters = json!([{"name": "set", "counters": {"memory": {"value": "80"}}}]);
    let device = |name: &str, node: &str| {
        json!({"name": name, "nodeName": node, "consumesCounters": [
            {"counterSet": "set", "counters": {"memory": {"value": "50"}}}]})
    };
    let mut lab = Lab::with_gpus(&[
        slice("c", &json!({"allNodes": true, "pool": pool, "sharedCounters": counters})),
        slice(
            "d",
            &json!({"perDeviceNodeSelection": true, "pool": pool,
            "devices": [device("one", "n1"), device("two", "n2")]}),
        ),
        claim("a", &json!([exactly("r", &json!({}))])),
        claim("b", &json!([exactly("r", &json!({}))])),
    ]);
    assert_eq!(lab.answer("b", "n2"), "r=rack/two");
    lab.bind("a", "n1");
    assert_eq!(lab.answer("b", "n2"), "cannot allocate all claims");
}

/// Source: `checkAvailableCounters`, which knows pools by bare names.
#[test]
fn pools_of_one_name_share_what_is_known_of_their_counters() {
    let [gpu_counters, gpus] = partitions("gpu.example.com", "g", &[("g0", "80")]);
    let [nic_counters, nics] = partitions("nic.example.com", "n", &[("n0", "80")]);
    let of =
        |driver: &str| json!([{"cel": {"expression": format!("device.driver == {driver:?}")}}]);
    let lab = Lab::with_gpus(&[
        gpu_counters,
        gpus,
        nic_counters,
        nics,
        claim(
            "c",
            &json!([
                exactly("g", &json!({"selectors": of("gpu.example.com")})),
                exactly("n", &json!({"selectors": of("nic.example.com")})),
            ]),
        ),
    ]);
    assert_eq!(lab.answer("c", "n1"), "cannot allocate all claims");
}
