//! Requests: counts, selectors, alternatives, constraints, limits.

use serde_json::json;

use super::*;

/// Source: `allocator_testing.go`, "multiple-devices" and the search order of `allocateOne`.
#[test]
fn devices_are_taken_in_the_order_of_pools_slices_and_devices() {
    let part = |name: &str, devices: Value| {
        let pool = json!({"name": "p", "generation": 1, "resourceSliceCount": 2});
        slice(name, &json!({"nodeName": "n1", "pool": pool, "devices": devices}))
    };
    let lab = Lab::with_gpus(&[
        slice("z", &json!({"nodeName": "n1", "devices": [gpu("z0", "x")]})),
        part("b", json!([gpu("b1", "x"), gpu("b0", "x")])),
        part("a", json!([gpu("a0", "x")])),
        claim("three", &json!([exactly("r", &json!({"count": 3}))])),
        claim("five", &json!([exactly("r", &json!({"count": 5}))])),
    ]);
    assert_eq!(lab.answer("three", "n1"), "r=p/a0 r=p/b1 r=p/b0");
    assert_eq!(lab.answer("five", "n1"), "cannot allocate all claims");
    assert_eq!(lab.answer("three", "n2"), "cannot allocate all claims");
}

#[test]
fn an_earlier_request_gives_a_device_back_that_a_later_one_needs() {
    let lab = Lab::with_gpus(&[
        local(&json!([gpu("d0", "h100"), gpu("d1", "a100")])),
        claim(
            "both",
            &json!([
                exactly("any", &json!({})),
                exactly("h", &json!({"selectors": of_model("h100")})),
            ]),
        ),
        claim("two-h", &json!([exactly("h", &json!({"selectors": of_model("h100"), "count": 2}))])),
    ]);
    assert_eq!(lab.answer("both", "n1"), "any=p/d1 h=p/d0");
    assert_eq!(lab.answer("two-h", "n1"), "cannot allocate all claims");
}

/// Source: `allocator_testing.go`, "all-devices-*".
#[test]
fn all_means_every_device_selected_and_at_least_one() {
    let all = |model: &str| {
        json!([exactly("r", &json!({"allocationMode": "All", "selectors": of_model(model)}))])
    };
    let lab = Lab::with_gpus(&[
        local(&json!([gpu("d0", "a"), gpu("d1", "b"), gpu("d2", "b"), gpu("d3", "c")])),
        held("holder", &["d3"]),
        claim("b", &all("b")),
        claim("c", &all("c")),
        claim("none", &all("none")),
    ]);
    assert_eq!(lab.answer("b", "n1"), "r=p/d1 r=p/d2");
    assert_eq!(lab.answer("c", "n1"), "cannot allocate all claims", "one of them is held");
    assert_eq!(lab.answer("none", "n1"), "cannot allocate all claims");
}

/// Source: `allocator_testing.go`, "prioritized-list-*"; `computeScore` of the plugin.
#[test]
fn the_first_alternative_that_can_be_had_is_given_and_scores_by_its_place() {
    let request = json!([{"name": "r", "firstAvailable": [
        alternative("best", &json!({"selectors": of_model("h100")})),
        alternative("two", &json!({"count": 2})),
        alternative("one", &json!({})),
    ]}]);
    let lab = Lab::with_gpus(&[
        slice("h", &json!({"nodeName": "n1", "devices": [gpu("d0", "a100"), gpu("d1", "h100")]})),
        slice("a", &json!({"nodeName": "n2", "devices": [gpu("d0", "a100")]})),
        claim("c", &request),
    ]);
    assert_eq!(lab.answer("c", "n1"), "r/best=h/d1");
    assert_eq!(lab.answer("c", "n2"), "r/one=a/d0");
    let scores: Vec<i64> = ["n1", "n2"]
        .map(|node| lab.filter(lab.pod("c"), node).expect("the pod fits").score)
        .to_vec();
    assert_eq!(scores, [8, 6]);
    let mut normal = scores;
    plugin::normalise(&mut normal);
    assert_eq!(normal, [100, 75]);
}

#[test]
fn an_alternative_is_dropped_when_what_comes_later_needs_its_devices() {
    let lab = Lab::with_gpus(&[
        local(&json!([gpu("d0", "h100"), gpu("d1", "h100"), gpu("d2", "a100")])),
        claim(
            "c",
            &json!([
                {"name": "r", "firstAvailable": [
                    alternative("two", &json!({"count": 2, "selectors": of_model("h100")})),
                    alternative("one", &json!({"selectors": of_model("a100")})),
                ]},
                exactly("s", &json!({"selectors": of_model("h100")})),
            ]),
        ),
    ]);
    assert_eq!(lab.answer("c", "n1"), "r/one=p/d2 s=p/d0");
}

/// Source: `allocator_testing.go`, "with-constraint*".
#[test]
fn matching_devices_share_the_value_of_an_attribute() {
    let device = |name: &str, numa: i64| json!({"name": name, "attributes": {"numa": {"int": numa}, "other.example.com/bus": {"int": 7}}});
    let two = json!([exactly("a", &json!({})), exactly("b", &json!({}))]);
    let constrained = |name: &str, constraint: Value| {
        claim_of(name, &json!({"requests": two, "constraints": [constraint]}))
    };
    let lab = Lab::with_gpus(&[
        local(&json!([device("d0", 0), device("d1", 1), device("d2", 1), {"name": "bare"}])),
        constrained("match", json!({"matchAttribute": "gpu.example.com/numa"})),
        constrained("distinct", json!({"distinctAttribute": "gpu.example.com/numa"})),
        constrained("bus", json!({"matchAttribute": "other.example.com/bus"})),
        constrained("unknown", json!({"matchAttribute": "nic.example.com/numa"})),
        constrained("one", json!({"matchAttribute": "gpu.example.com/nosuch", "requests": ["b"]})),
    ]);
    assert_eq!(lab.answer("match", "n1"), "a=p/d1 b=p/d2");
    assert_eq!(lab.answer("distinct", "n1"), "a=p/d0 b=p/d1");
    assert_eq!(lab.answer("bus", "n1"), "a=p/d0 b=p/d1");
    assert_eq!(lab.answer("unknown", "n1"), "cannot allocate all claims", "not this driver's");
    assert_eq!(lab.answer("one", "n1"), "cannot allocate all claims", "b's device lacks it");
}

/// Source: `distinctAttributeConstraint` of the upstream allocator, found by comparing with it.
#[test]
fn distinct_remembers_the_last_device_of_a_request_only() {
    let device =
        |name: &str, numa: i64| json!({"name": name, "attributes": {"numa": {"int": numa}}});
    let lab = Lab::with_gpus(&[
        local(&json!([device("d0", 0), device("d1", 1), device("d2", 0)])),
        claim_of(
            "c",
            &json!({
                "requests": [exactly("r", &json!({"count": 3}))],
                "constraints": [{"distinctAttribute": "gpu.example.com/numa"}],
            }),
        ),
    ]);
    assert_eq!(lab.answer("c", "n1"), "r=p/d0 r=p/d1 r=p/d2");
}

#[test]
fn a_constraint_can_be_about_one_alternative() {
    let device =
        |name: &str, numa: i64| json!({"name": name, "attributes": {"numa": {"int": numa}}});
    let lab = Lab::with_gpus(&[
        local(&json!([device("d0", 0), device("d1", 1)])),
        claim_of(
            "c",
            &json!({
                "requests": [
                    exactly("a", &json!({})),
                    {"name": "b", "firstAvailable": [alternative("x", &json!({})), alternative("y", &json!({}))]},
                ],
                "constraints": [{"matchAttribute": "gpu.example.com/numa", "requests": ["a", "b/x"]}],
            }),
        ),
    ]);
    assert_eq!(lab.answer("c", "n1"), "a=p/d0 b/y=p/d1");
}

/// Source: `AllocationResultsMaxSize`, `Allocate`.
#[test]
fn a_claim_gets_32_devices_at_most() {
    let many: Vec<Value> = (0..40).map(|number| gpu(&format!("d{number:02}"), "x")).collect();
    let lab = Lab::with_gpus(&[
        local(&json!(many)),
        claim("most", &json!([exactly("r", &json!({"count": 32}))])),
        claim("more", &json!([exactly("r", &json!({"count": 33}))])),
        claim("all", &json!([exactly("r", &json!({"allocationMode": "All"}))])),
        claim(
            "less",
            &json!([{"name": "r", "firstAvailable": [
            alternative("many", &json!({"count": 33})), alternative("few", &json!({}))]}]),
        ),
    ]);
    assert_eq!(lab.answer("most", "n1").split(' ').count(), 32);
    let error = "exceeds the claim limit of 32";
    assert_eq!(
        lab.answer("more", "n1"),
        format!("error: claim default/more: number of requested devices 33 {error}")
    );
    assert_eq!(
        lab.answer("all", "n1"),
        format!("error: claim default/all: number of requested devices 40 {error}")
    );
    assert_eq!(lab.answer("less", "n1"), "r/few=p/d00");
}

#[test]
fn a_selector_that_fails_ends_the_attempt() {
    let lab = Lab::with_gpus(&[
        local(&json!([{"name": "bare"}])),
        claim("c", &json!([exactly("r", &json!({"selectors": of_model("x")}))])),
    ]);
    assert_eq!(
        lab.answer("c", "n1"),
        "error: claim default/c: selector #0: CEL runtime error: No such key: model"
    );
}

/// A search through all sets of 16 out of 32 devices would not end.
#[test]
fn a_search_that_takes_too_long_is_given_up() {
    let device = |number: i64| json!({"name": format!("d{number:02}"), "attributes": {"side": {"int": number % 2}}});
    let devices: Vec<Value> = (0..40).map(device).collect();
    let requests: Vec<Value> =
        (0..22).map(|number| exactly(&format!("r{number:02}"), &json!({}))).collect();
    let lab = Lab::with_gpus(&[
        local(&json!(devices)),
        claim_of(
            "c",
            &json!({
                "requests": requests, "constraints": [{"matchAttribute": "gpu.example.com/side"}],
            }),
        ),
    ]);
    assert_eq!(lab.answer("c", "n1"), "error: node n1: timed out trying to allocate devices");
}
