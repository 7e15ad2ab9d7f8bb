//! Slices, classes, claims, templates, and what pods say of claims.
//!
//! Source of the refusals: `k8s.io/kubernetes/pkg/apis/resource/validation`.

use expect_test::expect;

use super::*;
use crate::pod::{ClaimSource, MadeClaim};

fn document(kind: &str, spec: &Value) -> Value {
    json!({"apiVersion": "resource.k8s.io/v1", "kind": kind, "metadata": {"name": "x"},
        "spec": spec})
}

/// A claim with one request whose `exactly` is this, over a class.
fn exactly(query: &Value) -> Value {
    let mut query = query.clone();
    if query.get("deviceClassName").is_none() {
        query["deviceClassName"] = json!("gpu");
    }
    requests(&json!([{"name": "r", "exactly": query}]))
}

fn requests(requests: &Value) -> Value {
    document("ResourceClaim", &json!({"devices": {"requests": requests}}))
}

fn slice(changes: &Value) -> Value {
    let mut spec = json!({"driver": "d.example.com", "nodeName": "n",
        "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}});
    for (field, value) in changes.as_object().expect("changes of fields") {
        spec[field] = value.clone();
    }
    document("ResourceSlice", &spec)
}

fn device(fields: &Value) -> Value {
    let mut device = fields.clone();
    device["name"] = json!("d");
    slice(&json!({"devices": [device]}))
}

/// A device whose capacity of 10 is shared by this policy.
fn policy(policy: &Value) -> Value {
    device(&json!({"allowMultipleAllocations": true,
        "capacity": {"memory": {"value": "10", "requestPolicy": policy}}}))
}

fn errors(documents: &[Value]) -> String {
    let lines: Vec<String> = documents.iter().map(error).collect();
    lines.join("\n")
}

#[test]
fn claims_that_the_api_server_refuses_are_refused_with_their_field() {
    let cel = |expression: &str| json!({"selectors": [{"cel": {"expression": expression}}]});
    let two = json!([{"name": "r", "exactly": {"deviceClassName": "gpu"}},
        {"name": "r", "exactly": {"deviceClassName": "gpu"}}]);
    let both = json!([{"name": "r", "exactly": {"deviceClassName": "gpu"},
        "firstAvailable": [{"name": "a", "deviceClassName": "gpu"}]}]);
    let constrained = |constraint: Value| {
        document(
            "ResourceClaim",
            &json!({"devices": {
            "requests": [{"name": "r", "exactly": {"deviceClassName": "gpu"}}],
            "constraints": [constraint]}}),
        )
    };
    let many: Vec<Value> = (0..9)
        .map(|number| json!({"name": format!("a{number}"), "deviceClassName": "gpu"}))
        .collect();
    expect![[r#"
        ResourceClaim default/x: spec.devices.requests[0].exactly.selectors[0].cel.expression: Invalid value: "device.driver ==": compilation failed: ERROR: <input>:1:17: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}
        ResourceClaim default/x: spec.devices.requests[0].exactly.selectors[0].cel.expression: Invalid value: "device.driver": must evaluate to bool or the unknown type, not string
        ResourceClaim default/x: spec.devices.requests[0].exactly.selectors[0].cel.expression: Invalid value: "device.nosuch": compilation failed: ERROR: <input>:1:7: undefined field 'nosuch'
        ResourceClaim default/x: spec.devices.requests[0].exactly.selectors[0].cel: Required value
        ResourceClaim default/x: spec.devices.requests[0].exactly.count: Invalid value: -1: must be greater than zero
        ResourceClaim default/x: spec.devices.requests[0].exactly.count: Invalid value: 1: must not be specified when allocationMode is 'All'
        ResourceClaim default/x: spec.devices.requests[0].exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount"
        ResourceClaim default/x: spec.devices.requests[0].exactly.deviceClassName: Required value
        ResourceClaim default/x: spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: "x": must be empty for operator `Exists`
        ResourceClaim default/x: spec.devices.requests[0].exactly.tolerations[0].operator: Unsupported value: "Like": supported values: "Equal", "Exists"
        ResourceClaim default/x: spec.devices.requests[0].exactly.capacity.requests.memory: "much" is not a quantity such as 500m or 2Gi
        ResourceClaim default/x: spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required
        ResourceClaim default/x: spec.devices.requests[0].name: Invalid value: "R": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
        ResourceClaim default/x: spec.devices.requests[1]: Duplicate value: "r"
        ResourceClaim default/x: spec.devices.requests[0]: Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set
        ResourceClaim default/x: spec.devices.requests[0].firstAvailable: Too many: 9: must have at most 8 items
        ResourceClaim default/x: spec.devices.constraints[0]: Required value: exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set
        ResourceClaim default/x: spec.devices.constraints[0].matchAttribute: Invalid value: "numa": a fully qualified name must be a domain and a name separated by a slash
        ResourceClaim default/x: spec.devices.constraints[0].requests[0]: Invalid value: "other": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"#]].assert_eq(&errors(&[
        exactly(&cel("device.driver ==")),
        exactly(&cel("device.driver")),
        exactly(&cel("device.nosuch")),
        exactly(&json!({"selectors": [{}]})),
        exactly(&json!({"count": -1})),
        exactly(&json!({"count": 1, "allocationMode": "All"})),
        exactly(&json!({"allocationMode": "Some"})),
        exactly(&json!({"deviceClassName": ""})),
        exactly(&json!({"tolerations": [{"operator": "Exists", "value": "x"}]})),
        exactly(&json!({"tolerations": [{"operator": "Like"}]})),
        exactly(&json!({"capacity": {"requests": {"memory": "much"}}})),
        requests(&json!([{"name": "r"}])),
        requests(&json!([{"name": "R", "exactly": {"deviceClassName": "gpu"}}])),
        requests(&two),
        requests(&both),
        requests(&json!([{"name": "r", "firstAvailable": many}])),
        constrained(json!({})),
        constrained(json!({"matchAttribute": "numa"})),
        constrained(json!({"matchAttribute": "a/b", "requests": ["other"]})),
    ]));
}

#[test]
fn templates_and_classes_are_held_to_the_same_rules() {
    let template = document(
        "ResourceClaimTemplate",
        &json!({"spec": {"devices": {"requests": [
        {"name": "r", "exactly": {"deviceClassName": "gpu", "count": -1}}]}}}),
    );
    let class = |spec: Value| document("DeviceClass", &spec);
    expect![[r#"
        ResourceClaimTemplate default/x: spec.spec.devices.requests[0].exactly.count: Invalid value: -1: must be greater than zero
        DeviceClass x: spec.selectors[0].cel.expression: Invalid value: "1 + 1": must evaluate to bool or the unknown type, not int
        DeviceClass x: spec.extendedResourceName: Invalid value: "gpu": must be a valid extended resource name"#]].assert_eq(&errors(&[
        template,
        class(json!({"selectors": [{"cel": {"expression": "1 + 1"}}]})),
        class(json!({"extendedResourceName": "gpu"})),
    ]));
}

#[test]
fn slices_that_the_api_server_refuses_are_refused_with_their_field() {
    let counters = json!([{"name": "set", "counters": {"memory": {"value": "1"}}}]);
    expect![[r#"
        ResourceSlice x: spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required
        ResourceSlice x: spec: Invalid value: null: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set
        ResourceSlice x: spec.allNodes: Invalid value: false: must be either unset or set to true
        ResourceSlice x: spec.nodeSelector.nodeSelectorTerms: Invalid value: 0: must have exactly one node selector term
        ResourceSlice x: spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero
        ResourceSlice x: spec.pool.generation: Invalid value: -1: must be greater than or equal to zero
        ResourceSlice x: spec.driver: Required value
        ResourceSlice x: spec.devices[1]: Duplicate value: "d"
        ResourceSlice x: spec: Invalid value: "": only one of `sharedCounters` or `devices` is allowed
        ResourceSlice x: spec.devices[0]: Required value: exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec
        ResourceSlice x: spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec
        ResourceSlice x: spec.devices[0].attributes.a: Invalid value: "": exactly one value must be specified
        ResourceSlice x: spec.devices[0].attributes.a: Invalid value: "": exactly one value must be specified
        ResourceSlice x: spec.devices[0].attributes.a.version: Invalid value: "1.2": must be a string compatible with semver.org spec 2.0.0
        ResourceSlice x: spec.devices[0].attributes.a.string: Too long: may not be more than 64 bytes
        ResourceSlice x: spec.devices[0].taints[0].effect: Unsupported value: "Never": supported values: "None", "NoSchedule", "NoExecute"
        ResourceSlice x: spec.devices[0].taints[0].effect: Required value
        ResourceSlice x: spec.devices[0].consumesCounters[0].counters: Required value
        ResourceSlice x: spec.devices[0].capacity.memory.requestPolicy: Forbidden: allowMultipleAllocations must be true
        ResourceSlice x: spec.devices[0].capacity.memory.requestPolicy.default: Required value: required when validValues is defined
        ResourceSlice x: spec.devices[0].capacity.memory.requestPolicy.validValues[1]: Invalid value: "1": values must be sorted in ascending order
        ResourceSlice x: spec.devices[0].capacity.memory.requestPolicy.validValues: Invalid value: "3": default value is not valid according to the requestPolicy
        ResourceSlice x: spec.devices[0].capacity.memory.requestPolicy.validValues[1]: Invalid value: "11": option is larger than capacity value: 10
        ResourceSlice x: spec.devices[0].capacity.memory.requestPolicy.validRange.min: Invalid value: "1": default is less than min: 2
        ResourceSlice x: spec.devices[0].capacity.memory.requestPolicy.validRange.min: Required value: required when validRange is defined
        ResourceSlice x: spec.devices[0].capacity.memory.requestPolicy.validRange.step: Invalid value: "2": value is not a multiple of a given step (2) from (1)
        ResourceSlice x: spec.devices[0].capacity.memory.requestPolicy.validRange.max: Invalid value: "11": max is larger than capacity value: 10
        ResourceSlice x: spec.devices[0].capacity.memory.requestPolicy: Forbidden: exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time"#]].assert_eq(&errors(&[
        slice(&json!({"nodeName": null})),
        slice(&json!({"allNodes": true})),
        slice(&json!({"allNodes": false})),
        slice(&json!({"nodeName": null, "nodeSelector": {"nodeSelectorTerms": []}})),
        slice(&json!({"pool": {"name": "p", "resourceSliceCount": 0}})),
        slice(&json!({"pool": {"name": "p", "generation": -1, "resourceSliceCount": 1}})),
        slice(&json!({"driver": ""})),
        slice(&json!({"devices": [{"name": "d"}, {"name": "d"}]})),
        slice(&json!({"devices": [{"name": "d"}], "sharedCounters": counters})),
        slice(
            &json!({"nodeName": null, "perDeviceNodeSelection": true, "devices": [{"name": "d"}]}),
        ),
        device(&json!({"allNodes": true})),
        device(&json!({"attributes": {"a": {}}})),
        device(&json!({"attributes": {"a": {"int": 1, "bool": true}}})),
        device(&json!({"attributes": {"a": {"version": "1.2"}}})),
        device(&json!({"attributes": {"a": {"string": "x".repeat(65)}}})),
        device(&json!({"taints": [{"key": "k", "effect": "Never"}]})),
        device(&json!({"taints": [{"key": "k"}]})),
        device(&json!({"consumesCounters": [{"counterSet": "set"}]})),
        device(&json!({"capacity": {"memory": {"value": "1", "requestPolicy": {}}}})),
        policy(&json!({"validValues": ["1"]})),
        policy(&json!({"default": "1", "validValues": ["2", "1"]})),
        policy(&json!({"default": "3", "validValues": ["1", "2"]})),
        policy(&json!({"default": "1", "validValues": ["1", "11"]})),
        policy(&json!({"default": "1", "validRange": {"min": "2"}})),
        policy(&json!({"default": "1", "validRange": {"max": "2"}})),
        policy(&json!({"default": "2", "validRange": {"min": "1", "step": "2"}})),
        policy(&json!({"default": "1", "validRange": {"min": "1", "max": "11"}})),
        policy(&json!({"default": "1", "validValues": ["1"], "validRange": {"min": "1"}})),
    ]));
}

#[test]
fn pods_name_claims_or_templates_and_containers_name_those() {
    let with = |claims: Value, used: Value| {
        pod_document(&json!({"resourceClaims": claims, "containers": [
            {"name": "main", "image": "app", "resources": {"claims": used}}]}))
    };
    let named = json!([{"name": "c", "resourceClaimName": "x"}]);
    let twice =
        json!([{"name": "c", "resourceClaimName": "x"}, {"name": "c", "resourceClaimName": "y"}]);
    let both = json!([{"name": "c", "resourceClaimName": "x", "resourceClaimTemplateName": "t"}]);
    expect![[r#"
        Pod shop/web: spec.resourceClaims[0]: Invalid value: null: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`
        Pod shop/web: spec.resourceClaims[0]: Invalid value: null: at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified
        Pod shop/web: spec.resourceClaims[1]: Duplicate value: "c"
        Pod shop/web: spec.containers[0].resources.claims[0].name: Invalid value: "other": must be one of the names in pod.spec.resourceClaims"#]].assert_eq(&errors(&[
        with(json!([{"name": "c"}]), json!([])),
        with(both, json!([])),
        with(twice, json!([])),
        with(named, json!([{"name": "other"}])),
    ]));
}

#[test]
fn a_pods_status_says_what_was_made_of_its_templates() {
    let mut document = pod_document(&json!({
        "containers": [{"name": "main", "image": "app"}],
        "resourceClaims": [
            {"name": "made", "resourceClaimTemplateName": "t"},
            {"name": "spared", "resourceClaimTemplateName": "t"},
            {"name": "waiting", "resourceClaimTemplateName": "t"},
            {"name": "shared", "resourceClaimName": "x"},
        ],
    }));
    document["status"] = json!({"resourceClaimStatuses": [
        {"name": "made", "resourceClaimName": "web-made-1"}, {"name": "spared"}]});
    let Ok(Object::Pod(pod)) = parse(&document) else { panic!("expected a pod") };
    let made: Vec<Option<&MadeClaim>> = pod
        .spec
        .resource_claims
        .iter()
        .map(|claim| match &claim.source {
            ClaimSource::Template { made, .. } => Some(made),
            ClaimSource::Claim(_) => None,
        })
        .collect();
    let claim = MadeClaim::Claim("web-made-1".to_owned());
    assert_eq!(made, [Some(&claim), Some(&MadeClaim::NotNeeded), Some(&MadeClaim::NotYet), None]);
}
