//! From the gate to the release: claims of pods, extended resources, deallocation.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

/// Two pods that share claim `c`, on one device of `n1`.
fn shared() -> Lab {
    Lab::new(&[
        class("gpu"),
        node("n1", "a"),
        node("n2", "b"),
        local(&json!([gpu("d0", "x")])),
        claim("c", &json!([exactly("r", &json!({}))])),
        claim("other", &json!([exactly("r", &json!({}))])),
        pod("first", &json!([{"name": "c", "resourceClaimName": "c"}])),
        pod("second", &json!([{"name": "c", "resourceClaimName": "c"}])),
        pod("rival", &json!([{"name": "c", "resourceClaimName": "other"}])),
    ])
}

/// Source: `Reserve`, `Unreserve`, and the resourceclaim controller.
#[test]
fn a_shared_claim_is_freed_by_its_last_user() {
    let mut lab = shared();
    let empty = digest(&lab.devices);
    let first = lab.bind("first", "n1");
    assert_eq!(lab.answer("second", "n1"), "r=p/d0", "the same device");
    assert_eq!(lab.answer("second", "n2"), "resourceclaim not available on the node");
    assert_eq!(lab.answer("rival", "n1"), "cannot allocate all claims");
    let one_user = digest(&lab.devices);
    let second = lab.bind("second", "n1");
    let pods = ["first", "second"].map(|name| lab.pod(name).clone());
    let two_users = digest(&lab.devices);
    let left = lab.devices.release(&pods[0].spec, Lab::identity(&pods[0]));
    assert_eq!(lab.answer("rival", "n1"), "cannot allocate all claims", "one user is left");
    let freed = lab.devices.release(&pods[1].spec, Lab::identity(&pods[1]));
    assert_eq!(lab.answer("rival", "n1"), "r=p/d0");
    let again = lab.devices.release(&pods[1].spec, Lab::identity(&pods[1]));
    assert!(again.is_nothing(), "who is no user frees nothing");
    lab.devices.undo(freed);
    lab.devices.undo(left);
    assert_eq!(digest(&lab.devices), two_users);
    lab.devices.undo(second);
    assert_eq!(digest(&lab.devices), one_user);
    lab.devices.undo(first);
    assert_eq!(digest(&lab.devices), empty);
    assert_eq!(lab.answer("rival", "n1"), "r=p/d0");
}

fn template_pod(name: &str, status: &Value) -> Value {
    let mut pod = pod(name, &json!([{"name": "g", "resourceClaimTemplateName": "t"}]));
    pod["status"] = json!({"phase": "Pending", "resourceClaimStatuses": status});
    pod
}

fn owned(name: &str, owner: &str) -> Value {
    let mut claim = claim(name, &json!([exactly("r", &json!({}))]));
    claim["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Pod",
        "name": owner, "uid": format!("uid-{owner}"), "controller": true}]);
    claim
}

/// Source: `foreachPodResourceClaim`, `resourceclaim.Name`, `resourceclaim.IsForPod`.
#[test]
fn a_pod_waits_at_the_gate_for_claims_that_are_not_there_for_it() {
    let mut going = claim("going", &json!([exactly("r", &json!({}))]));
    going["metadata"]["deletionTimestamp"] = json!("2026-01-05T06:00:00Z");
    let lab = Lab::new(&[
        class("gpu"),
        owned("mine", "made"),
        going,
        pod("missing", &json!([{"name": "c", "resourceClaimName": "nosuch"}])),
        pod("leaving", &json!([{"name": "c", "resourceClaimName": "going"}])),
        template_pod("waiting", &json!([])),
        template_pod("without", &json!([{"name": "g"}])),
        template_pod("made", &json!([{"name": "g", "resourceClaimName": "mine"}])),
        template_pod("thief", &json!([{"name": "g", "resourceClaimName": "mine"}])),
    ]);
    let gate = |name: &str| {
        let refusal = lab.devices.gate(&lab.pod(name).spec);
        refusal.map_or_else(String::new, |refusal| refusal.to_string())
    };
    assert_eq!(gate("missing"), "could not find ResourceClaim \"default/nosuch\"");
    assert_eq!(gate("leaving"), "resourceclaim \"going\" is being deleted");
    assert_eq!(gate("waiting"), "pod \"default/waiting\": ResourceClaim not created yet");
    assert_eq!(gate("without"), "", "no claim was needed");
    assert_eq!(gate("made"), "");
    assert_eq!(
        gate("thief"),
        "ResourceClaim default/mine was not created for Pod default/thief (Pod is not owner)"
    );
}

#[test]
fn a_claim_made_for_a_pod_goes_with_it() {
    let mut lab = Lab::new(&[
        class("gpu"),
        node("n1", "a"),
        local(&json!([gpu("d0", "x")])),
        owned("mine", "made"),
        template_pod("made", &json!([{"name": "g", "resourceClaimName": "mine"}])),
        json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate",
            "metadata": {"name": "t"},
            "spec": {"spec": {"devices": {"requests": [exactly("r", &json!({}))]}}}}),
    ]);
    lab.bind("made", "n1");
    let pod = lab.pod("made").clone();
    let before = digest(&lab.devices);
    let undo = lab.devices.release(&pod.spec, Lab::identity(&pod));
    assert!(lab.devices.claim("default", "mine").is_none());
    lab.devices.undo(undo);
    assert_eq!(digest(&lab.devices), before);
    let made = lab.devices.add_claim_from_template("default", "t", Lab::identity(&pod), "another");
    let claim = lab.devices.claim("default", "another").expect("it was made");
    assert!(claim.is_controlled_by("uid-made"));
    assert_eq!(claim.spec.requests.len(), 1);
    lab.devices.undo(made.expect("there is such a template"));
    assert!(lab.devices.claim("default", "another").is_none());
    let none = lab.devices.add_claim_from_template("default", "u", Lab::identity(&pod), "x");
    assert!(none.is_none());
}

#[test]
fn a_class_that_is_not_there_refuses_the_pod_as_a_whole() {
    let mut exact = exactly("r", &json!({}));
    exact["exactly"]["deviceClassName"] = json!("nosuch");
    let mut listed = alternative("b", &json!({}));
    listed["deviceClassName"] = json!("nosuch");
    let lab = Lab::with_gpus(&[
        claim("exact", &json!([exact])),
        claim(
            "listed",
            &json!([{"name": "r", "firstAvailable": [alternative("a", &json!({})), listed]}]),
        ),
    ]);
    let refusal = |name: &str| lab.cycle(lab.pod(name)).expect_err("refused").to_string();
    assert_eq!(refusal("exact"), "request r: device class nosuch does not exist");
    assert_eq!(refusal("listed"), "request r/b: device class nosuch does not exist");
}

/// A device class for `example.com/gpu`, and a pod whose containers ask for such.
fn extended(pod_spec: &Value) -> Lab {
    let mut of_class = class("gpu");
    of_class["spec"]["extendedResourceName"] = json!("example.com/gpu");
    let mut plugin_node = node("n2", "b");
    plugin_node["status"]["allocatable"]["example.com/gpu"] = json!("4");
    let devices: Vec<Value> = (0..6).map(|number| gpu(&format!("d{number}"), "x")).collect();
    Lab::new(&[
        of_class,
        node("n1", "a"),
        plugin_node,
        node("n3", "c"),
        local(&json!(devices)),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "uid": "uid-p"},
            "spec": pod_spec}),
    ])
}

fn container(name: &str, resource: &str, count: &str) -> Value {
    json!({"name": name, "image": "app", "resources": {
        "limits": {"cpu": "1", resource: count}, "requests": {"cpu": "1", resource: count}}})
}

/// Source: `filterExtendedResources`.
#[test]
fn extended_resources_are_given_by_devices_where_the_node_has_none() {
    for resource in ["example.com/gpu", "deviceclass.resource.kubernetes.io/gpu"] {
        let mut lab = extended(&json!({"containers": [container("main", resource, "2")]}));
        assert_eq!(lab.devices.extended_resource_class(resource), Some("gpu"));
        let given = "container-0-request-1=p/d0 container-0-request-1=p/d1";
        assert_eq!(lab.answer("p", "n1"), given);
        assert_eq!(lab.answer("p", "n3"), "cannot allocate all claims");
        let before = digest(&lab.devices);
        let undo = lab.bind("p", "n1");
        let made = lab.devices.claim("default", "p-extended-resources").expect("it was made");
        assert!(made.is_for_extended_resources && made.is_controlled_by("uid-p"));
        lab.devices.undo(undo);
        assert_eq!(digest(&lab.devices), before);
        lab.bind("p", "n1");
        let pod = lab.pod("p").clone();
        lab.devices.release(&pod.spec, Lab::identity(&pod));
        assert!(lab.devices.claim("default", "p-extended-resources").is_none());
    }
    let lab = extended(&json!({"containers": [container("main", "example.com/gpu", "2")]}));
    let on_plugin_node = lab.filter(lab.pod("p"), "n2").expect("NodeResourcesFit judges there");
    assert_eq!(on_plugin_node, NodeAllocation::default());
    assert_eq!(lab.devices.extended_resource_class("example.com/tpu"), None);
}

/// Source: `calculateDRAResourceTotals`.
#[test]
fn devices_that_stand_for_a_resource_are_counted_for_scores() {
    let mut lab = extended(&json!({"containers": [container("main", "example.com/gpu", "2")]}));
    let totals = |lab: &Lab, name: &str, resource: &str| {
        let view = NodeView { name, label: &|_| None, allocatable: &|_| None };
        lab.devices.extended_resource_totals(&view, resource)
    };
    assert_eq!(totals(&lab, "n1", "example.com/gpu"), (6, 0));
    lab.bind("p", "n1");
    assert_eq!(totals(&lab, "n1", "example.com/gpu"), (6, 2));
    assert_eq!(totals(&lab, "n3", "example.com/gpu"), (0, 0));
    assert_eq!(totals(&lab, "n1", "example.com/tpu"), (0, 0));
}

/// Source: `createRequestsAndMappings`.
#[test]
fn init_containers_use_the_devices_of_those_that_run_later() {
    let mut sidecar = container("sidecar", "example.com/gpu", "1");
    sidecar["restartPolicy"] = json!("Always");
    let lab = extended(&json!({
        "initContainers": [
            container("setup", "example.com/gpu", "2"),
            container("large", "example.com/gpu", "4"),
            sidecar,
        ],
        "containers": [container("main", "example.com/gpu", "2")],
    }));
    // One device beyond the three that the sidecar and the main container have.
    assert_eq!(
        lab.answer("p", "n1"),
        "container-1-request-1=p/d0 container-2-request-1=p/d1 container-3-request-1=p/d2 \
         container-3-request-1=p/d3"
    );
}

#[test]
fn a_resource_that_nothing_provides_is_refused() {
    let mut lab = extended(&json!({"containers": [
        container("main", "example.com/gpu", "1"), container("other", "example.com/tpu", "1")]}));
    assert_eq!(lab.answer("p", "n1"), "cannot fit resource");
    lab = extended(&json!({"containers": [container("main", "example.com/tpu", "1")]}));
    assert_eq!(lab.answer("p", "n1"), "nothing wanted", "no class stands for it");
}

/// Source: `updateResourceName2class`.
#[test]
fn of_two_classes_for_a_resource_the_newer_counts() {
    let class_at = |name: &str, created_at: &str| {
        let mut class = class(name);
        class["metadata"]["creationTimestamp"] = json!(created_at);
        class["spec"]["extendedResourceName"] = json!("example.com/gpu");
        class
    };
    let (early, late) = ("2026-01-05T05:00:00Z", "2026-01-05T06:00:00Z");
    for (classes, chosen) in [
        ([class_at("a", early), class_at("b", late)], "b"),
        ([class_at("b", late), class_at("a", late)], "a"),
        ([class_at("a", late), class_at("b", early)], "a"),
    ] {
        let lab = Lab::new(&classes);
        assert_eq!(lab.devices.extended_resource_class("example.com/gpu"), Some(chosen));
    }
}

/// A claim on a device that has to be got ready, with what its driver says.
fn binding(conditions: &Value, allocated_at: &str) -> Lab {
    let mut claim = claim("c", &json!([exactly("r", &json!({}))]));
    claim["status"] = json!({
        "allocation": {"allocationTimestamp": allocated_at, "devices": {"results": [
            {"request": "r", "driver": "gpu.example.com", "pool": "p", "device": "d0",
                "bindingConditions": ["ready"], "bindingFailureConditions": ["failed"]}]}},
        "devices": [{"driver": "gpu.example.com", "pool": "p", "device": "d0",
            "conditions": conditions}],
    });
    Lab::with_gpus(&[local(&json!([gpu("d0", "x"), gpu("d1", "x")])), claim])
}

/// Source: `isClaimReadyForBinding`, `isClaimTimeout`, `PostFilter`.
#[test]
fn a_device_that_was_not_got_ready_is_given_up() {
    let (long_ago, just_now) = ("1970-01-12T13:00:00Z", "1970-01-12T13:46:00Z");
    let is_true = |name: &str| json!([{"type": name, "status": "True"}]);
    let refused = "resourceclaim not available on the node";
    for (conditions, since, answer) in [
        (json!([]), just_now, "r=p/d0"),
        (json!([]), long_ago, refused),
        (is_true("ready"), long_ago, "r=p/d0"),
        (is_true("failed"), just_now, refused),
    ] {
        assert_eq!(binding(&conditions, since).answer("c", "n1"), answer, "{conditions} {since}");
    }
    let mut lab = binding(&is_true("failed"), just_now);
    let pod = lab.pod("c").clone();
    let cycle = lab.cycle(&pod).expect("every node is asked");
    let refusal = lab.filter(&pod, "n1").expect_err("refused");
    let unavailable: BTreeSet<usize> = refusal.unavailable_claims.into_iter().collect();
    let after = lab.devices.post_filter(Lab::identity(&pod), cycle.as_ref(), &unavailable);
    assert_eq!(after.message, "deallocation of ResourceClaim completed");
    lab.devices.deallocate(after.deallocate.expect("nobody uses the claim"));
    assert_eq!(lab.answer("c", "n1"), "r=p/d0", "it is searched anew");
}

#[test]
fn what_post_filter_says_depends_on_what_the_pod_wants() {
    let mut lab = shared();
    lab.bind("first", "n1");
    let pod = lab.pod("second").clone();
    let cycle = lab.cycle(&pod).expect("every node is asked");
    let say = |cycle: Option<&DeviceCycle>, unavailable: &[usize]| {
        let unavailable = unavailable.iter().copied().collect();
        let after = lab.devices.post_filter(Lab::identity(&pod), cycle, &unavailable);
        (after.message, after.deallocate.is_some())
    };
    assert_eq!(say(None, &[]), ("no new claims to deallocate", false));
    assert_eq!(say(cycle.as_ref(), &[]), ("still not schedulable", false));
    assert_eq!(say(cycle.as_ref(), &[0]), ("still not schedulable", false), "somebody uses it");
}

#[test]
fn a_cluster_without_devices_asks_nothing() {
    let lab = Lab::new(&[node("n1", "a"), pod("p", &json!([]))]);
    assert!(lab.devices.is_empty());
    assert!(matches!(lab.cycle(lab.pod("p")), Ok(None)));
    assert_eq!(lab.devices.gate(&lab.pod("p").spec), None);
}

/// Source: `computeScore`, and `Score`, which knows a node only if it allocates there.
#[test]
fn claims_that_have_devices_score_only_beside_ones_that_get_some() {
    let request = json!([{"name": "r", "firstAvailable": [alternative("a", &json!({}))]}]);
    let mut had = claim("had", &request);
    had["status"] = json!({"allocation": {"devices": {"results": [
        {"request": "r/a", "driver": "gpu.example.com", "pool": "p", "device": "d0"}]}}});
    let lab = Lab::new(&[
        class("gpu"),
        node("n1", "a"),
        local(&json!([gpu("d0", "x"), gpu("d1", "x")])),
        had,
        claim("new", &request),
        pod("alone", &json!([{"name": "c", "resourceClaimName": "had"}])),
        pod(
            "both",
            &json!([{"name": "c", "resourceClaimName": "had"},
            {"name": "d", "resourceClaimName": "new"}]),
        ),
    ]);
    let score = |name: &str| lab.filter(lab.pod(name), "n1").expect("the pod fits").score;
    assert_eq!((score("alone"), score("both")), (0, 16));
}
