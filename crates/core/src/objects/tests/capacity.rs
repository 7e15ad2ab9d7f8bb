//! Pod templates, capacity buffers and provisioning requests, as they are read.

use serde_json::{Value, json};

use super::super::*;
use crate::capacity::{CapacityBufferObject, ProvisioningRequestObject};
use crate::condition::ConditionStatus;

fn buffer(spec: &Value) -> Result<CapacityBufferObject, String> {
    buffer_of_version("autoscaling.x-k8s.io/v1beta1", spec)
}

fn buffer_of_version(version: &str, spec: &Value) -> Result<CapacityBufferObject, String> {
    let document = json!({"apiVersion": version, "kind": "CapacityBuffer",
        "metadata": {"name": "spare", "namespace": "shop"}, "spec": spec});
    match parse(&document).map_err(|error| error.to_string())? {
        Object::Capacity(CapacityObject::Buffer(one)) => Ok(one),
        other => panic!("expected a CapacityBuffer, found {other:?}"),
    }
}

#[test]
fn a_buffer_says_the_same_in_either_version() {
    let spec = json!({"podTemplateRef": {"name": "chunk"}, "replicas": 2});
    let older = buffer_of_version("autoscaling.x-k8s.io/v1alpha1", &spec).expect("a buffer");
    assert_eq!(older, buffer(&spec).expect("a buffer"));
}

fn request(spec: &Value, status: &Value) -> Result<ProvisioningRequestObject, String> {
    let document = json!({"apiVersion": "autoscaling.x-k8s.io/v1", "kind": "ProvisioningRequest",
        "metadata": {"name": "train", "creationTimestamp": "2026-01-05T10:00:00Z"},
        "spec": spec, "status": status});
    match parse(&document).map_err(|error| error.to_string())? {
        Object::Capacity(CapacityObject::Request(one)) => Ok(one),
        other => panic!("expected a ProvisioningRequest, found {other:?}"),
    }
}

#[test]
fn a_pod_template_is_defaulted_like_a_pod_of_its_namespace() {
    let document = json!({"apiVersion": "v1", "kind": "PodTemplate",
        "metadata": {"name": "worker", "namespace": "shop", "generation": 3},
        "template": {"metadata": {"labels": {"app": "train"}}, "spec": {"containers": [
            {"name": "main", "image": "main", "resources": {"limits": {"cpu": "2"}}}]}}});
    let Ok(Object::Capacity(CapacityObject::PodTemplate(template))) = parse(&document) else {
        panic!("it is a PodTemplate")
    };
    assert_eq!(template.generation, 3);
    assert_eq!(template.spec.namespace, "shop");
    assert_eq!(template.spec.requests["cpu"], 2000);
    assert_eq!(template.spec.labels["app"], "train");
    assert_eq!(template.spec.scheduler_name, "default-scheduler");
}

#[test]
fn a_buffer_says_what_one_chunk_is_and_how_many_there_are() {
    let one = buffer(&json!({"podTemplateRef": {"name": "worker"}, "limits": {"cpu": "1500m"}}));
    let one = one.expect("it is good");
    assert_eq!(one.provisioning_strategy, "buffer.x-k8s.io/active-capacity");
    assert_eq!(one.pod_template.as_deref(), Some("worker"));
    assert_eq!(one.limits.expect("it has limits")["cpu"].ceil_milli(), 1500);
    let scalable = json!({"apiGroup": "apps", "kind": "Deployment", "name": "web"});
    let one = buffer(&json!({"scalableRef": scalable, "percentage": 20})).expect("it is good");
    assert_eq!(one.percentage, Some(20));
    assert_eq!(one.scalable.expect("it is there").kind, "Deployment");
}

#[test]
fn what_the_api_server_would_refuse_of_a_buffer_is_refused() {
    let template = json!({"name": "worker"});
    let errors: Vec<String> = [
        json!({"podTemplateRef": template}),
        json!({"podTemplateRef": template, "scalableRef": {"kind": "Job", "name": "x"}, "replicas": 1}),
        json!({"podTemplateRef": {}, "replicas": 1}),
        json!({"podTemplateRef": template, "replicas": -1}),
        json!({"podTemplateRef": template, "limits": {"cpu": "much"}}),
        json!({"scalableRef": {"name": "x"}}),
    ]
    .iter()
    .map(|spec| buffer(spec).expect_err("it is refused"))
    .collect();
    expect_test::expect![[r#"
        CapacityBuffer shop/spare: spec: Invalid value: "object": If X is set, replicas or limits must also be set
        CapacityBuffer shop/spare: spec: Invalid value: "object": You must define either PodTemplateRef or ScalableRef, but not both
        CapacityBuffer shop/spare: spec.podTemplateRef.name: is required, and is missing
        CapacityBuffer shop/spare: spec.replicas: Invalid value: -1: should be greater than or equal to 0
        CapacityBuffer shop/spare: spec.limits.cpu: "much" is not a quantity such as 500m or 2Gi
        CapacityBuffer shop/spare: spec.scalableRef.kind: is required, and is missing"#]].assert_eq(&errors.join("\n"));
}

#[test]
fn a_request_is_read_with_how_it_stands() {
    let spec = json!({"provisioningClassName": "check-capacity.autoscaling.x-k8s.io",
        "parameters": {"noRetry": "true"},
        "podSets": [{"podTemplateRef": {"name": "worker"}, "count": 4}]});
    let condition = json!({"type": "Provisioned", "status": "False", "reason": "CapacityIsNotFound",
        "message": "", "lastTransitionTime": "2026-01-05T10:01:00Z"});
    let one = request(&spec, &json!({"conditions": [condition]})).expect("it is good");
    assert_eq!(one.id.namespace, "default");
    assert_eq!((one.pod_sets[0].count, one.parameters["noRetry"].as_str()), (4, "true"));
    assert!(one.conditions.is("Provisioned", ConditionStatus::False));
}

#[test]
fn what_the_api_server_would_refuse_of_a_request_is_refused() {
    let set = |count: i64| json!({"podTemplateRef": {"name": "worker"}, "count": count});
    let class = "check-capacity.autoscaling.x-k8s.io";
    let none = json!({});
    let condition = json!({"type": "Accepted", "status": "Maybe"});
    let twice = json!({"type": "Accepted", "status": "True"});
    let errors: Vec<String> = [
        (json!({"podSets": [set(1)]}), none.clone()),
        (json!({"provisioningClassName": class}), none.clone()),
        (json!({"provisioningClassName": class, "podSets": [set(1), set(0)]}), none.clone()),
        (json!({"provisioningClassName": class, "podSets": vec![set(1); 33]}), none.clone()),
        (json!({"provisioningClassName": class, "podSets": [{"count": 1}]}), none.clone()),
        (
            json!({"provisioningClassName": class, "podSets": [set(1)], "parameters": {"a": 1}}),
            none,
        ),
        (
            json!({"provisioningClassName": class, "podSets": [set(1)]}),
            json!({"conditions": [condition]}),
        ),
        (
            json!({"provisioningClassName": class, "podSets": [set(1)]}),
            json!({"conditions": [twice, twice]}),
        ),
    ]
    .iter()
    .map(|(spec, status)| request(spec, status).expect_err("it is refused"))
    .collect();
    expect_test::expect![[r#"
        ProvisioningRequest default/train: spec.provisioningClassName: is required, and is missing
        ProvisioningRequest default/train: spec.podSets: Required value
        ProvisioningRequest default/train: spec.podSets[1].count: Invalid value: 0: should be greater than or equal to 1
        ProvisioningRequest default/train: spec.podSets: Too many: 33: must have at most 32 items
        ProvisioningRequest default/train: spec.podSets[0].podTemplateRef: is required, and is missing
        ProvisioningRequest default/train: spec.parameters.a: expected text, found 1 (write "1")
        ProvisioningRequest default/train: status.conditions[0].status: expected one of True, False, Unknown, found "Maybe"
        ProvisioningRequest default/train: status.conditions[1].type: Duplicate value: "Accepted""#]].assert_eq(&errors.join("\n"));
}
