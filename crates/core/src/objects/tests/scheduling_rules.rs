//! What pods and nodes say about scheduling beyond room: rules about other pods, images, features,
//! and what an API server refuses of them.

use expect_test::expect;

use super::*;
use crate::labels::{LabelSelector, Operator, Requirement};
use crate::pod_affinity::PodAffinityTerm;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// A pod `shop/web` with labels, one container, and these fields of its spec.
fn labelled(labels: &Value, fields: &Value) -> Value {
    let mut document = pod_document(&json!({"containers": [{"name": "a"}]}));
    for (name, value) in fields.as_object().expect("fields") {
        document["spec"][name] = value.clone();
    }
    document["metadata"]["labels"] = labels.clone();
    document
}

fn read_pod(document: &Value) -> PodObject {
    match parse(document) {
        Ok(Object::Pod(pod)) => pod,
        other => panic!("expected a pod, found {other:?}"),
    }
}

/// A requirement as text: `app In [web]`.
fn shown(selector: Option<&LabelSelector>) -> String {
    let one = |one: &Requirement| format!("{} {:?} {:?}", one.key, one.operator, one.values);
    match selector {
        None => "nothing".to_owned(),
        Some(selector) => selector.requirements.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

/// The selector of the only required affinity term of a pod.
fn term_selector(document: &Value) -> String {
    let pod = read_pod(document);
    let [term] = pod.spec.pod_affinity.required.as_slice() else { panic!("one term") };
    shown(term.selector.as_ref())
}

fn affinity_to(term: &Value) -> Value {
    json!({"affinity": {"podAffinity": {REQUIRED: [term]}}})
}

/// The error about a pod with these fields, or that it is accepted.
fn verdict(fields: &Value) -> String {
    match parse(&labelled(&json!({"app": "web", "tier": "front"}), fields)) {
        Ok(_) => format!("accepted: {fields}\n"),
        Err(error) => format!("{error}\n"),
    }
}

#[test]
fn rules_about_other_pods_are_read_with_their_weights() {
    let near = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "db"}}});
    let far = json!({"topologyKey": "host", "labelSelector": {}, "namespaceSelector": {}});
    let fields = json!({"affinity": {
        "podAffinity": {REQUIRED: [near], PREFERRED: [{"weight": 7, "podAffinityTerm": far}]},
        "podAntiAffinity": {REQUIRED: [far], PREFERRED: [{"weight": 100, "podAffinityTerm": near}]},
    }});
    let rules = read_pod(&labelled(&json!({}), &fields)).spec.pod_affinity;
    let db = Requirement {
        key: "app".to_owned(),
        operator: Operator::In,
        values: vec!["db".to_owned()],
    };
    let near = PodAffinityTerm {
        selector: Some(LabelSelector { requirements: vec![db] }),
        namespaces: ["shop".to_owned()].into(),
        namespace_selector: None,
        topology_key: "zone".to_owned(),
    };
    let far = PodAffinityTerm {
        selector: Some(LabelSelector::default()),
        namespaces: [].into(),
        namespace_selector: Some(LabelSelector::default()),
        topology_key: "host".to_owned(),
    };
    assert_eq!(rules.required.as_slice(), std::slice::from_ref(&near));
    assert_eq!(rules.preferred, [(7, far.clone())]);
    assert_eq!(rules.required_anti, [far]);
    assert_eq!(rules.preferred_anti, [(100, near)]);
}

#[test]
fn a_term_means_its_own_namespace_only_where_it_says_nothing_about_namespaces() {
    for (extra, namespaces) in [
        (json!({}), &["shop"][..]),
        (json!({"namespaces": [], "namespaceSelector": null}), &["shop"]),
        (json!({"namespaces": ["b", "a"]}), &["a", "b"]),
        (json!({"namespaceSelector": {}}), &[]),
        (json!({"namespaces": ["a"], "namespaceSelector": {}}), &["a"]),
    ] {
        let mut term = json!({"topologyKey": "zone"});
        term.as_object_mut().expect("fields").extend(extra.as_object().expect("fields").clone());
        let pod = read_pod(&labelled(&json!({}), &affinity_to(&term)));
        let read = &pod.spec.pod_affinity.required[0];
        assert_eq!(read.namespaces.iter().collect::<Vec<_>>(), namespaces, "{extra}");
        assert_eq!(read.selector, None, "no selector selects nothing");
    }
}

#[test]
fn label_keys_are_merged_once_and_only_for_labels_that_the_pod_has() {
    let labels = json!({"app": "web", "hash": "new", "tenant": "a"});
    let term = json!({
        "topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}},
        "matchLabelKeys": ["hash", "missing"], "mismatchLabelKeys": ["tenant"],
    });
    let mut document = labelled(&labels, &affinity_to(&term));
    let expected = r#"app In ["web"], hash In ["new"], tenant NotIn ["a"]"#;
    assert_eq!(term_selector(&document), expected);
    defaulting::apply_defaults(&mut document);
    let once = document.clone();
    defaulting::apply_defaults(&mut document);
    assert_eq!(document, once);
    assert_eq!(term_selector(&document), expected);
}

#[test]
fn a_pod_from_an_api_server_has_its_keys_merged_with_the_labels_it_then_had() {
    let term = json!({
        "topologyKey": "zone", "matchLabelKeys": ["hash"], "mismatchLabelKeys": ["tenant"],
        "labelSelector": {"matchExpressions": [
            {"key": "hash", "operator": "In", "values": ["old"]},
            {"key": "tenant", "operator": "NotIn", "values": ["then"]}]},
    });
    let labels = json!({"hash": "new", "tenant": "now"});
    let mut document = labelled(&labels, &affinity_to(&term));
    document["metadata"]["uid"] = json!("7");
    assert_eq!(term_selector(&document), r#"hash In ["old"], tenant NotIn ["then"]"#);
    // In a manifest the same is a selector of its own beside the keys.
    document["metadata"]["uid"] = json!("");
    assert_eq!(
        error(&document),
        "Pod shop/web: spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]\
         .matchLabelKeys[0]: Invalid value: \"hash\": exists in both matchLabelKeys and labelSelector"
    );
}

#[test]
fn mismatched_keys_may_be_selected_by_as_well() {
    let term = json!({
        "topologyKey": "zone", "mismatchLabelKeys": ["tenant"],
        "labelSelector": {"matchExpressions": [{"key": "tenant", "operator": "Exists"}]},
    });
    assert_eq!(
        term_selector(&labelled(&json!({"tenant": "a"}), &affinity_to(&term))),
        r#"tenant Exists [], tenant NotIn ["a"]"#
    );
}

#[test]
fn label_keys_of_a_template_are_merged_with_the_templates_labels() {
    let document = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web", "version": "3"}},
            "spec": {"containers": [{"name": "a"}], "affinity": {"podAntiAffinity": {PREFERRED: [
                {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {},
                 "matchLabelKeys": ["version", "pod-template-hash"]}}]}}}}},
    });
    let Ok(Object::Workload(workload)) = parse(&document) else { panic!("expected a workload") };
    let template = workload.template.expect("a template");
    let (_, term) = &template.pod_affinity.preferred_anti[0];
    assert_eq!(shown(term.selector.as_ref()), r#"version In ["3"]"#);
    assert_eq!(term.namespaces.iter().collect::<Vec<_>>(), ["shop"]);
}

#[test]
fn wrong_rules_about_other_pods_are_refused() {
    let base = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}});
    let term = |change: Value| {
        let mut term = base.clone();
        term.as_object_mut().expect("fields").extend(change.as_object().expect("fields").clone());
        verdict(&affinity_to(&term))
    };
    let weighted = |weight: Value| {
        let preferred = json!([{"weight": weight, "podAffinityTerm": base}]);
        verdict(&json!({"affinity": {"podAntiAffinity": {PREFERRED: preferred}}}))
    };
    let expression = |operator: &str, values: Value| {
        term(json!({"labelSelector": {"matchExpressions": [
            {"key": "k", "operator": operator, "values": values}]}}))
    };
    let lines = [
        term(json!({"topologyKey": ""})),
        term(json!({"topologyKey": null})),
        term(json!({"topologyKey": "a b"})),
        term(json!({"namespaces": ["Shop"]})),
        term(json!({"namespaces": ["a.b"]})),
        term(json!({"labelSelector": null, "matchLabelKeys": ["app"]})),
        term(json!({"labelSelector": null, "mismatchLabelKeys": ["app"]})),
        term(json!({"matchLabelKeys": ["-"]})),
        term(json!({"matchLabelKeys": ["app"]})),
        term(json!({"matchLabelKeys": ["tier"], "mismatchLabelKeys": ["tier"]})),
        term(json!({"matchLabelKeys": ["missing"], "mismatchLabelKeys": ["missing"]})),
        term(json!({"namespaceSelector": {"matchLabels": {"team": "a b"}}})),
        term(json!({"labelSelector": {"matchLabels": {"": "web"}}})),
        expression("Gt", json!(["1"])),
        expression("In", json!([])),
        expression("DoesNotExist", json!(["v"])),
        expression("NotIn", json!(["v", "-"])),
        weighted(json!(0)),
        weighted(json!(101)),
        weighted(json!("1")),
    ];
    let shown: String =
        lines.concat().replace("requiredDuringSchedulingIgnoredDuringExecution", "required");
    expect![[r#"
        Pod shop/web: spec.affinity.podAffinity.required[0].topologyKey: Required value: can not be empty
        Pod shop/web: spec.affinity.podAffinity.required[0].topologyKey: Required value: can not be empty
        Pod shop/web: spec.affinity.podAffinity.required[0].topologyKey: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        Pod shop/web: spec.affinity.podAffinity.required[0].namespaces[0]: Invalid value: "Shop": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
        Pod shop/web: spec.affinity.podAffinity.required[0].namespaces[0]: Invalid value: "a.b": must not contain dots
        Pod shop/web: spec.affinity.podAffinity.required[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set
        Pod shop/web: spec.affinity.podAffinity.required[0].mismatchLabelKeys: Forbidden: must not be specified when labelSelector is not set
        Pod shop/web: spec.affinity.podAffinity.required[0].matchLabelKeys[0]: Invalid value: "-": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        Pod shop/web: spec.affinity.podAffinity.required[0].matchLabelKeys[0]: Invalid value: "app": exists in both matchLabelKeys and labelSelector
        Pod shop/web: spec.affinity.podAffinity.required[0].matchLabelKeys[0]: Invalid value: "tier": exists in both matchLabelKeys and labelSelector
        Pod shop/web: spec.affinity.podAffinity.required[0].matchLabelKeys[0]: Invalid value: "missing": exists in both matchLabelKeys and mismatchLabelKeys
        Pod shop/web: spec.affinity.podAffinity.required[0].namespaceSelector.matchLabels: Invalid value: "a b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
        Pod shop/web: spec.affinity.podAffinity.required[0].labelSelector.matchLabels: Invalid value: "": name part must be non-empty
        Pod shop/web: spec.affinity.podAffinity.required[0].labelSelector.matchExpressions[0].operator: Invalid value: "Gt": not a valid selector operator
        Pod shop/web: spec.affinity.podAffinity.required[0].labelSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'
        Pod shop/web: spec.affinity.podAffinity.required[0].labelSelector.matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'
        Pod shop/web: spec.affinity.podAffinity.required[0].labelSelector.matchExpressions[0].values[1]: Invalid value: "-": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
        Pod shop/web: spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100
        Pod shop/web: spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100
        Pod shop/web: spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: expected a whole number, found "1"
    "#]]
    .assert_eq(&shown);
}

#[test]
fn wrong_spread_rules_are_refused() {
    let base = json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                      "labelSelector": {"matchLabels": {"app": "web"}}});
    let rules = |rules: &[Value]| verdict(&json!({"topologySpreadConstraints": rules}));
    let rule = |change: Value| {
        let mut rule = base.clone();
        rule.as_object_mut().expect("fields").extend(change.as_object().expect("fields").clone());
        rules(&[rule])
    };
    let shown = [
        rule(json!({"maxSkew": -1})),
        rule(json!({"maxSkew": null})),
        rule(json!({"topologyKey": ""})),
        rule(json!({"whenUnsatisfiable": "Wait"})),
        rule(json!({"whenUnsatisfiable": null})),
        rule(json!({"minDomains": 0})),
        rule(json!({"minDomains": 2, "whenUnsatisfiable": "ScheduleAnyway"})),
        rule(json!({"nodeAffinityPolicy": "Maybe"})),
        rule(json!({"nodeTaintsPolicy": "honor"})),
        rule(json!({"matchLabelKeys": ["app"]})),
        rule(json!({"matchLabelKeys": ["tier"], "labelSelector": null})),
        rule(json!({"labelSelector": {"matchLabels": {"app": "web!"}}})),
        rules(&[base.clone(), base.clone()]),
    ];
    expect![[r#"
        Pod shop/web: spec.topologySpreadConstraints[0].maxSkew: Invalid value: -1: must be greater than zero
        Pod shop/web: spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero
        Pod shop/web: spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty
        Pod shop/web: spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Wait": supported values: "DoNotSchedule", "ScheduleAnyway"
        Pod shop/web: spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "": supported values: "DoNotSchedule", "ScheduleAnyway"
        Pod shop/web: spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater than zero
        Pod shop/web: spec.topologySpreadConstraints[0].minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway
        Pod shop/web: spec.topologySpreadConstraints[0].nodeAffinityPolicy: Unsupported value: "Maybe": supported values: "Honor", "Ignore"
        Pod shop/web: spec.topologySpreadConstraints[0].nodeTaintsPolicy: Unsupported value: "honor": supported values: "Honor", "Ignore"
        Pod shop/web: spec.topologySpreadConstraints[0].matchLabelKeys[0]: Invalid value: "app": exists in both matchLabelKeys and labelSelector
        Pod shop/web: spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set
        Pod shop/web: spec.topologySpreadConstraints[0].labelSelector.matchLabels: Invalid value: "web!": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
        Pod shop/web: spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{zone, DoNotSchedule}"
    "#]]
    .assert_eq(&shown.concat());
}

#[test]
fn wrong_rules_about_nodes_are_refused() {
    let required = |terms: Value| {
        verdict(&json!({"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}}))
    };
    let field = |key: &str, operator: &str, values: Value| {
        required(json!([{"matchFields": [{"key": key, "operator": operator, "values": values}]}]))
    };
    let expression =
        json!({"matchExpressions": [{"key": "k", "operator": "In", "values": ["a b"]}]});
    let preferred = |weight: i64| {
        verdict(&json!({"affinity": {"nodeAffinity": {PREFERRED: [
            {"weight": weight, "preference": expression}]}}}))
    };
    let toleration = |toleration: Value| verdict(&json!({"tolerations": [toleration]}));
    let lines = [
        required(json!([])),
        required(json!([expression])),
        // A preferred term with such a value merely never matches.
        preferred(1),
        preferred(0),
        field("metadata.uid", "In", json!(["u"])),
        field("metadata.name", "Exists", json!([])),
        field("metadata.name", "In", json!(["a", "b"])),
        field("metadata.name", "In", json!(["A"])),
        verdict(&json!({"nodeSelector": {"disk": "fast!"}})),
        toleration(json!({"key": "a/b/c", "operator": "Exists"})),
        toleration(json!({"key": "k", "operator": "Exists", "value": "v"})),
        toleration(json!({"key": "k", "value": "a b"})),
        toleration(json!({"key": "k", "operator": "Gt", "value": "1"})),
        toleration(json!({"key": "k", "operator": "Exists", "tolerationSeconds": 5})),
        toleration(json!({"key": "k", "operator": "Exists", "effect": "NoExecute",
                          "tolerationSeconds": 5})),
    ];
    let shown: String =
        lines.concat().replace("requiredDuringSchedulingIgnoredDuringExecution", "required");
    expect![[r#"
        Pod shop/web: spec.affinity.nodeAffinity.required.nodeSelectorTerms: Required value: must have at least one node selector term
        Pod shop/web: spec.affinity.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values[0]: Invalid value: "a b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
        accepted: {"affinity":{"nodeAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"preference":{"matchExpressions":[{"key":"k","operator":"In","values":["a b"]}]},"weight":1}]}}}
        Pod shop/web: spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100
        Pod shop/web: spec.affinity.nodeAffinity.required.nodeSelectorTerms[0].matchFields[0].key: Invalid value: "metadata.uid": not a valid field selector key
        Pod shop/web: spec.affinity.nodeAffinity.required.nodeSelectorTerms[0].matchFields[0].operator: Invalid value: "Exists": not a valid selector operator
        Pod shop/web: spec.affinity.nodeAffinity.required.nodeSelectorTerms[0].matchFields[0].values: Required value: must be only one value when `operator` is 'In' or 'NotIn' for node field selector
        Pod shop/web: spec.affinity.nodeAffinity.required.nodeSelectorTerms[0].matchFields[0].values[0]: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        Pod shop/web: spec.nodeSelector: Invalid value: "fast!": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
        Pod shop/web: spec.tolerations[0].key: Invalid value: "a/b/c": a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')
        Pod shop/web: spec.tolerations[0].operator: Invalid value: "v": value must be empty when `operator` is 'Exists'
        Pod shop/web: spec.tolerations[0].operator: Invalid value: "a b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
        Pod shop/web: spec.tolerations[0].operator: Unsupported value: "Gt": supported values: "Equal", "Exists", "Lt", "Gt"
        Pod shop/web: spec.tolerations[0].effect: Invalid value: "": effect must be 'NoExecute' when `tolerationSeconds` is set
        accepted: {"tolerations":[{"effect":"NoExecute","key":"k","operator":"Exists","tolerationSeconds":5}]}
    "#]]
    .assert_eq(&shown);
}

#[test]
fn gates_and_ports_are_there_once() {
    let ports = |ports: Value| {
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 1, "hostPort": 80}]},
                              {"name": "b", "ports": ports}]})
    };
    let port = |ip: &str, protocol: &str| {
        ports(json!([{"containerPort": 2, "hostPort": 80, "hostIP": ip, "protocol": protocol}]))
    };
    let shown = [
        verdict(&json!({"schedulingGates": [{"name": "a.io/b"}, {"name": "c"}, {"name": "c"}]})),
        verdict(&json!({"schedulingGates": [{"name": "a b"}]})),
        verdict(&json!({"schedulingGates": [{"name": "a"}], "nodeName": "n1"})),
        verdict(&port("", "TCP")),
        verdict(&port("10.0.0.1", "TCP")),
        verdict(&port("", "UDP")),
        verdict(&json!({"hostNetwork": true, "hostUsers": false})),
    ];
    expect![[r#"
        Pod shop/web: spec.schedulingGates[2]: Duplicate value: "c"
        Pod shop/web: spec.schedulingGates[0]: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        Pod shop/web: spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared
        Pod shop/web: spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//80"
        accepted: {"containers":[{"name":"a","ports":[{"containerPort":1,"hostPort":80}]},{"name":"b","ports":[{"containerPort":2,"hostIP":"10.0.0.1","hostPort":80,"protocol":"TCP"}]}]}
        accepted: {"containers":[{"name":"a","ports":[{"containerPort":1,"hostPort":80}]},{"name":"b","ports":[{"containerPort":2,"hostIP":"","hostPort":80,"protocol":"UDP"}]}]}
        Pod shop/web: spec.hostNetwork: Forbidden: when `hostUsers` is false
    "#]]
    .assert_eq(&shown.concat());
}

#[test]
fn taints_of_a_node_are_unlike_and_well_formed() {
    let error_of = |taints: Value| {
        error(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"},
                      "spec": {"taints": taints}}))
    };
    let taint = json!({"key": "k", "value": "v", "effect": "NoSchedule"});
    let shown = [
        error_of(json!([taint, {"key": "k", "effect": "NoSchedule"}])),
        error_of(json!([{"key": "k"}])),
        error_of(json!([{"key": "", "effect": "NoSchedule"}])),
        error_of(json!([{"key": "k", "value": "a b", "effect": "NoSchedule"}])),
    ];
    expect![[r#"
        Node n: spec.taints[1]: Duplicate value: "k:NoSchedule": taints must be unique by key and effect pair
        Node n: spec.taints[0].effect: Required value
        Node n: spec.taints[0].key: Invalid value: "": name part must be non-empty
        Node n: spec.taints[0].value: Invalid value: "a b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"#]].assert_eq(&shown.join("\n"));
}

#[test]
fn images_count_as_often_as_they_are_used() {
    let spec = json!({
        "initContainers": [{"name": "i", "image": "busybox"}],
        "containers": [{"name": "a", "image": "r.io:5000/web:2"}, {"name": "b", "image": "busybox"},
                       {"name": "c"}],
        "volumes": [{"name": "v", "image": {"reference": "model@sha256:1"}}],
    });
    let spec = pod(&spec).spec;
    let expected = ["busybox:latest", "r.io:5000/web:2", "busybox:latest", "model@sha256:1"];
    assert_eq!(spec.images, expected);
    assert_eq!(spec.image_container_count, 4);
}

#[test]
fn a_rule_that_restarts_the_whole_pod_needs_a_node_that_can() {
    let rules = json!([{"action": "RestartAllContainers", "exitCodes": {}}]);
    let one = |name: &str, rules: &Value| json!({"name": name, "restartPolicyRules": rules});
    for (spec, features) in [
        (json!({"containers": [one("a", &rules)]}), &["RestartAllContainersOnContainerExits"][..]),
        (
            json!({"containers": [{"name": "a"}], "initContainers": [one("i", &rules)]}),
            &["RestartAllContainersOnContainerExits"],
        ),
        (json!({"containers": [one("a", &json!([{"action": "Restart"}]))]}), &[]),
    ] {
        assert_eq!(pod(&spec).spec.required_node_features, features, "{spec}");
    }
}

#[test]
fn a_node_says_what_it_has_and_can() {
    let document = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
        "status": {"declaredFeatures": ["B", "A"], "images": [
            {"names": ["web:2", "web@sha256:1"], "sizeBytes": 1000}, {"names": []}]},
    });
    let Ok(Object::Node(node)) = parse(&document) else { panic!("expected a node") };
    assert_eq!(node.spec.declared_features, ["A", "B"]);
    let names = vec!["web:2".to_owned(), "web@sha256:1".to_owned()];
    let nameless = crate::node::NodeImage::default();
    assert_eq!(node.spec.images, [crate::node::NodeImage { names, size_bytes: 1000 }, nameless]);
}

#[test]
fn services_and_namespaces_are_read() {
    let documents = [
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
               "spec": {"selector": {"app": "web"}}}),
        json!({"apiVersion": "v1", "kind": "Service",
               "metadata": {"name": "headless", "namespace": "shop"}}),
        json!({"apiVersion": "v1", "kind": "Namespace",
               "metadata": {"name": "shop", "labels": {"team": "a"}}}),
    ];
    let values = documents.into_iter().map(|one| (one, Origin::default()));
    let (snapshot, warnings) = Snapshot::from_values(values).expect("all is well");
    assert_eq!(warnings, []);
    expect![[r#"
        (
            [
                ServiceObject {
                    namespace: "default",
                    name: "web",
                    selector: {
                        "app": "web",
                    },
                },
                ServiceObject {
                    namespace: "shop",
                    name: "headless",
                    selector: {},
                },
            ],
            [
                NamespaceObject {
                    name: "shop",
                    labels: {
                        "kubernetes.io/metadata.name": "shop",
                        "team": "a",
                    },
                },
            ],
        )
    "#]]
    .assert_debug_eq(&(snapshot.services, snapshot.namespaces));
}
