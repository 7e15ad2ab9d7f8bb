//! Configurations, and what is read from them.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;
use crate::scheduling::profile::FitStrategy;

/// A configuration with these fields beside its type.
fn configuration(fields: &Value) -> Value {
    let mut document = json!({"apiVersion": SCHEDULER_CONFIGURATION_API_VERSION, "kind": KIND});
    for (name, value) in fields.as_object().expect("fields") {
        document[name] = value.clone();
    }
    document
}

fn profiles(fields: &Value) -> SchedulerProfiles {
    match read_scheduler_configuration(&configuration(fields)) {
        Ok(profiles) => profiles,
        Err(error) => panic!("{error}"),
    }
}

/// The only profile, with these `plugins`.
fn with_plugins(plugins: &Value) -> SchedulerProfile {
    profiles(&json!({"profiles": [{"plugins": plugins}]})).profiles.remove(0)
}

/// The only profile, with these `args` of a plugin.
fn with_arguments(plugin: &str, arguments: &Value) -> SchedulerProfile {
    let settings = json!([{"name": plugin, "args": arguments}]);
    profiles(&json!({"profiles": [{"pluginConfig": settings}]})).profiles.remove(0)
}

/// The lists in which a profile differs from the default one.
fn difference(profile: &SchedulerProfile) -> String {
    let lists = |profile: &SchedulerProfile| {
        let names = |plugins: &[Plugin]| {
            plugins.iter().map(|plugin| plugin.name().to_owned()).collect::<Vec<_>>()
        };
        let scores = profile.scores.iter();
        [
            ("preEnqueue", names(&profile.pre_enqueue)),
            ("preFilter", names(&profile.pre_filters)),
            ("filter", names(&profile.filters)),
            ("postFilter", names(&profile.post_filters)),
            ("preScore", names(&profile.pre_scores)),
            ("score", scores.map(|(plugin, weight)| format!("{plugin}({weight})")).collect()),
        ]
    };
    let mut shown = String::new();
    let default = SchedulerProfile::default();
    for ((point, list), (_, usual)) in lists(profile).into_iter().zip(lists(&default)) {
        if list != usual {
            let names = if list.is_empty() { "nothing".to_owned() } else { list.join(" ") };
            shown.push_str(&format!("{point}: {names}\n"));
        }
    }
    shown
}

fn check(plugins: &Value, expected: &Expect) {
    expected.assert_eq(&difference(&with_plugins(plugins)));
}

/// The errors about these fields, one a line.
fn errors(table: &[Value]) -> String {
    let error = |fields: &Value| match read_scheduler_configuration(&configuration(fields)) {
        Ok(_) => format!("accepted: {fields}\n"),
        Err(error) => format!("{error}\n"),
    };
    table.iter().map(error).collect()
}

#[test]
fn an_empty_configuration_is_the_default() {
    let default = SchedulerProfiles::default();
    for fields in [
        json!({}),
        json!({"profiles": []}),
        json!({"profiles": [{}]}),
        json!({"profiles": [{"schedulerName": "default-scheduler", "plugins": {}}]}),
        json!({"profiles": [{"plugins": {"score": {"enabled": null}}, "pluginConfig": [
            {"name": "NodeResourcesFit"}, {"name": "InterPodAffinity", "args": {}},
            {"name": "NodeAffinity", "args": {"kind": "NodeAffinityArgs",
             "apiVersion": "kubescheduler.config.k8s.io/v1"}},
            {"name": "DynamicResources", "args": {}}, {"name": "VolumeBinding", "args": {}},
            {"name": "DefaultPreemption", "args": {}}, {"name": "PodTopologySpread", "args": {}},
            {"name": "NodeResourcesBalancedAllocation", "args": {}},
            {"name": "SomebodyElses", "args": {"anything": 1}},
            {"name": "NodeName", "args": {"anything": 1}}]}]}),
        json!({"parallelism": 4, "leaderElection": {"leaderElect": false, "leaseDuration": "15s"},
               "clientConnection": {"kubeconfig": "/etc/k", "qps": 50.5, "burst": 100},
               "enableProfiling": true, "delayCacheUntilActive": false, "extenders": []}),
    ] {
        assert_eq!(profiles(&fields), default, "{fields}");
    }
}

#[test]
fn what_all_profiles_share_and_what_each_has_for_itself() {
    let read = profiles(&json!({
        "percentageOfNodesToScore": 40, "podInitialBackoffSeconds": 2, "podMaxBackoffSeconds": 5,
        "profiles": [
            {"schedulerName": "a"},
            {"schedulerName": "b", "percentageOfNodesToScore": 100,
             "plugins": {"score": {"disabled": [{"name": "ImageLocality"}]}}},
        ],
    }));
    let backoff = Backoff { initial: SimDuration::from_secs(2), max: SimDuration::from_secs(5) };
    assert_eq!(read.backoff, backoff);
    let a = SchedulerProfile {
        scheduler_name: "a".to_owned(),
        percentage_of_nodes_to_score: 40,
        ..SchedulerProfile::default()
    };
    assert_eq!(read.of("a"), Some(&a));
    let b = read.of("b").expect("b is there");
    assert_eq!(b.percentage_of_nodes_to_score, 100);
    assert_eq!(b.weight(Plugin::ImageLocality), None);
    assert_eq!(read.of("default-scheduler"), None);
}

#[test]
fn a_plugin_enabled_at_a_point_goes_first_there_and_takes_the_weight_given_there() {
    check(
        &json!({"filter": {"enabled": [{"name": "NodeResourcesFit"}, {"name": "NodeAffinity"}]}}),
        &expect![[r#"
            filter: NodeResourcesFit NodeAffinity NodeUnschedulable NodeName TaintToleration NodePorts VolumeRestrictions NodeVolumeLimits VolumeBinding VolumeZone PodTopologySpread InterPodAffinity DynamicResources NodeDeclaredFeatures
        "#]],
    );
    // Without a weight it is 1, whatever the default profile says.
    check(
        &json!({"score": {"enabled": [
            {"name": "TaintToleration"}, {"name": "ImageLocality", "weight": 7}]}}),
        &expect![[r#"
            score: TaintToleration(1) ImageLocality(7) NodeAffinity(2) NodeResourcesFit(1) VolumeBinding(1) PodTopologySpread(2) InterPodAffinity(2) DynamicResources(2) NodeResourcesBalancedAllocation(1)
        "#]],
    );
}

#[test]
fn a_plugin_disabled_and_enabled_at_a_point_goes_last_there() {
    check(
        &json!({"score": {
            "disabled": [{"name": "NodeResourcesFit"}, {"name": "NodeAffinity"}],
            "enabled": [{"name": "NodeResourcesFit", "weight": 3}, {"name": "NodeAffinity"}]}}),
        &expect![[r#"
            score: TaintToleration(3) VolumeBinding(1) PodTopologySpread(2) InterPodAffinity(2) DynamicResources(2) NodeResourcesBalancedAllocation(1) ImageLocality(1) NodeResourcesFit(3) NodeAffinity(1)
        "#]],
    );
}

#[test]
fn a_default_plugin_enabled_for_all_points_keeps_its_place() {
    check(
        &json!({"multiPoint": {"enabled": [
            {"name": "PodTopologySpread", "weight": 5}, {"name": "TaintToleration"}]}}),
        &expect![[r#"
            score: TaintToleration(1) NodeAffinity(2) NodeResourcesFit(1) VolumeBinding(1) PodTopologySpread(5) InterPodAffinity(2) DynamicResources(2) NodeResourcesBalancedAllocation(1) ImageLocality(1)
        "#]],
    );
}

#[test]
fn a_weight_at_the_point_comes_before_one_for_all_points() {
    check(
        &json!({"multiPoint": {"enabled": [{"name": "ImageLocality", "weight": 5}]},
                "score": {"enabled": [{"name": "ImageLocality", "weight": -2}]}}),
        &expect![[r#"
            score: ImageLocality(-2) TaintToleration(3) NodeAffinity(2) NodeResourcesFit(1) VolumeBinding(1) PodTopologySpread(2) InterPodAffinity(2) DynamicResources(2) NodeResourcesBalancedAllocation(1)
        "#]],
    );
}

#[test]
fn a_plugin_disabled_for_all_points_is_gone_unless_it_is_enabled_again() {
    check(
        &json!({"multiPoint": {"disabled": [{"name": "TaintToleration"}, {"name": "NodeName"}]}}),
        &expect![[r#"
            filter: NodeUnschedulable NodeAffinity NodePorts NodeResourcesFit VolumeRestrictions NodeVolumeLimits VolumeBinding VolumeZone PodTopologySpread InterPodAffinity DynamicResources NodeDeclaredFeatures
            preScore: NodeAffinity NodeResourcesFit VolumeBinding PodTopologySpread InterPodAffinity NodeResourcesBalancedAllocation
            score: NodeAffinity(2) NodeResourcesFit(1) VolumeBinding(1) PodTopologySpread(2) InterPodAffinity(2) DynamicResources(2) NodeResourcesBalancedAllocation(1) ImageLocality(1)
        "#]],
    );
    check(
        &json!({"multiPoint": {
            "disabled": [{"name": "TaintToleration"}],
            "enabled": [{"name": "TaintToleration", "weight": 4}]}}),
        &expect![[r#"
            filter: NodeUnschedulable NodeName NodeAffinity NodePorts NodeResourcesFit VolumeRestrictions NodeVolumeLimits VolumeBinding VolumeZone PodTopologySpread InterPodAffinity DynamicResources NodeDeclaredFeatures TaintToleration
            preScore: NodeAffinity NodeResourcesFit VolumeBinding PodTopologySpread InterPodAffinity NodeResourcesBalancedAllocation TaintToleration
            score: NodeAffinity(2) NodeResourcesFit(1) VolumeBinding(1) PodTopologySpread(2) InterPodAffinity(2) DynamicResources(2) NodeResourcesBalancedAllocation(1) ImageLocality(1) TaintToleration(4)
        "#]],
    );
    // Disabled for all points, it can still be had at one.
    check(
        &json!({"multiPoint": {"disabled": [{"name": "NodeName"}]},
                "filter": {"enabled": [{"name": "NodeName"}]}}),
        &expect![[r#"
            filter: NodeUnschedulable TaintToleration NodeAffinity NodePorts NodeResourcesFit VolumeRestrictions NodeVolumeLimits VolumeBinding VolumeZone PodTopologySpread InterPodAffinity DynamicResources NodeDeclaredFeatures NodeName
        "#]],
    );
}

#[test]
fn a_star_disables_all_but_what_is_enabled_beside_it() {
    check(
        &json!({"score": {"disabled": [{"name": "*"}],
                          "enabled": [{"name": "InterPodAffinity", "weight": 2}]}}),
        &expect![[r#"
            score: InterPodAffinity(2)
        "#]],
    );
    assert_eq!(with_plugins(&json!({"score": {"disabled": [{"name": "*"}]}})).scores, []);
    check(
        &json!({"multiPoint": {"disabled": [{"name": "*"}], "enabled": [
            {"name": "PrioritySort"}, {"name": "DefaultBinder"},
            {"name": "NodeResourcesFit", "weight": 3}, {"name": "NodeAffinity", "weight": 2}]}}),
        &expect![[r#"
            preEnqueue: nothing
            preFilter: NodeResourcesFit NodeAffinity
            filter: NodeResourcesFit NodeAffinity
            postFilter: nothing
            preScore: NodeResourcesFit NodeAffinity
            score: NodeResourcesFit(3) NodeAffinity(2)
        "#]],
    );
}

#[test]
fn a_disabled_plugin_may_be_one_that_nobody_knows() {
    let unknown = json!({"filter": {"disabled": [{"name": "SomebodyElses"}]}});
    assert_eq!(with_plugins(&unknown), SchedulerProfile::default());
}

#[test]
fn settings_of_each_plugin_are_read() {
    let arguments = |plugin, value| with_arguments(plugin, &value).arguments;
    let fit = |value| arguments("NodeResourcesFit", value).fit;
    let strategy = |value| fit(json!({"scoringStrategy": value}));
    assert_eq!(strategy(json!({"type": "MostAllocated"})).strategy, FitStrategy::MostAllocated);
    expect![[r#"
        FitArguments {
            ignored_resources: [],
            ignored_resource_groups: [],
            strategy: RequestedToCapacityRatio(
                [
                    ShapePoint {
                        utilization: 0,
                        score: 10,
                    },
                    ShapePoint {
                        utilization: 44,
                        score: 0,
                    },
                ],
            ),
            resources: [
                (
                    "example.com/gpu",
                    5,
                ),
                (
                    "cpu",
                    1,
                ),
            ],
        }
    "#]]
    .assert_debug_eq(&strategy(json!({
        "type": "RequestedToCapacityRatio",
        "resources": [{"name": "example.com/gpu", "weight": 5}, {"name": "cpu"}],
        "requestedToCapacityRatio": {"shape": [
            {"utilization": 0, "score": 10}, {"utilization": 44, "score": 0}]},
    })));
    let ignoring = fit(json!({"ignoredResources": ["a.com/x"], "ignoredResourceGroups": ["b.io"]}));
    assert!(ignoring.ignores("a.com/x") && ignoring.ignores("b.io/y"));
    let balanced = arguments(
        "NodeResourcesBalancedAllocation",
        json!({"resources": [{"name": "cpu", "weight": 1}, {"name": "ephemeral-storage"}]}),
    );
    assert_eq!(balanced.balanced_resources, ["cpu", "ephemeral-storage"]);
    let affinity = arguments(
        "InterPodAffinity",
        json!({"hardPodAffinityWeight": 0, "ignorePreferredTermsOfExistingPods": true}),
    );
    assert_eq!(affinity.pod_affinity.hard_weight, 0);
    assert!(affinity.pod_affinity.ignores_preferred_of_existing);
    let preemption = arguments("DefaultPreemption", json!({"minCandidateNodesAbsolute": 0}));
    assert_eq!(preemption.preemption.min_candidate_nodes_percentage, 10);
    assert_eq!(preemption.preemption.min_candidate_nodes_absolute, 0);
    let volumes = arguments("VolumeBinding", json!({"bindTimeoutSeconds": 30}));
    assert_eq!(volumes.volume_binding.bind_timeout, SimDuration::from_secs(30));
    let devices =
        arguments("DynamicResources", json!({"filterTimeout": "0s", "bindingTimeout": "1m"}));
    assert_eq!(devices.dynamic_resources.filter_timeout, SimDuration::ZERO);
    assert_eq!(devices.dynamic_resources.binding_timeout, SimDuration::from_mins(1));
}

#[test]
fn added_affinity_and_default_constraints_are_read() {
    let term = json!({"matchExpressions": [{"key": "pool", "operator": "In", "values": ["x"]}]});
    let added = with_arguments(
        "NodeAffinity",
        &json!({"addedAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term, {}]},
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 58, "preference": {
                "matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n"]}]}}],
        }}),
    );
    expect![[r#"
        AddedAffinity {
            required: Some(
                [
                    NodeSelectorTerm {
                        expressions: [
                            Requirement {
                                key: "pool",
                                operator: In,
                                values: [
                                    "x",
                                ],
                            },
                        ],
                        fields: [],
                    },
                    NodeSelectorTerm {
                        expressions: [],
                        fields: [],
                    },
                ],
            ),
            preferred: [
                (
                    58,
                    NodeSelectorTerm {
                        expressions: [],
                        fields: [
                            Requirement {
                                key: "metadata.name",
                                operator: NotIn,
                                values: [
                                    "n",
                                ],
                            },
                        ],
                    },
                ),
            ],
        }
    "#]]
    .assert_debug_eq(&added.arguments.added_affinity);
    let spread = with_arguments(
        "PodTopologySpread",
        &json!({"defaultingType": "List", "defaultConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]}),
    );
    expect![[r#"
        List(
            [
                TopologySpreadConstraint {
                    max_skew: 1,
                    topology_key: "zone",
                    hard: true,
                    selector: None,
                    min_domains: None,
                    honor_affinity: true,
                    honor_taints: false,
                },
            ],
        )
    "#]]
    .assert_debug_eq(&spread.arguments.spread);
}

#[test]
fn a_document_must_say_that_it_is_a_schedulers_configuration() {
    let mut shown = String::new();
    for document in [
        json!([]),
        json!({"kind": KIND}),
        json!({"apiVersion": "kubescheduler.config.k8s.io/v1beta3", "kind": KIND}),
        json!({"apiVersion": SCHEDULER_CONFIGURATION_API_VERSION, "kind": "Pod"}),
    ] {
        let error = read_scheduler_configuration(&document).expect_err("it is none");
        shown.push_str(&format!("{error}\n"));
    }
    expect![[r#"
        KubeSchedulerConfiguration: expected fields (key: value), found []
        KubeSchedulerConfiguration: apiVersion: is required, and is missing
        KubeSchedulerConfiguration: apiVersion: expected kubescheduler.config.k8s.io/v1, found "kubescheduler.config.k8s.io/v1beta3"
        KubeSchedulerConfiguration: kind: expected KubeSchedulerConfiguration, found "Pod"
    "#]]
    .assert_eq(&shown);
}

#[test]
fn a_wrong_configuration_is_refused_with_the_field() {
    let shown = errors(&[
        json!({"profile": []}),
        json!({"parallelism": 0}),
        json!({"parallelism": "many"}),
        json!({"leaderElection": {"leaderElect": "yes"}}),
        json!({"leaderElection": {"leaseDuration": "soon"}}),
        json!({"clientConnection": {"qps": "50"}}),
        json!({"enableProfiling": 1}),
        json!({"percentageOfNodesToScore": 101}),
        json!({"podInitialBackoffSeconds": 0}),
        json!({"podInitialBackoffSeconds": 20}),
        json!({"extenders": [{"urlPrefix": "http://localhost"}]}),
        json!({"profiles": [{"schedulerName": ""}]}),
        json!({"profiles": [{"schedulerName": "a"}, {}]}),
        json!({"profiles": [{"schedulerName": "a"}, {"schedulerName": "a"}]}),
        json!({"profiles": [{"percentageOfNodesToScore": -1}]}),
        json!({"profiles": [{"plugins": {"scores": {}}}]}),
        json!({"profiles": [{"pluginConfig": [{"name": "A"}, {"name": "A"}]}]}),
        json!({"profiles": [{"pluginConfig": [{"name": "EBSLimits"}]}]}),
        json!({"profiles": [{"pluginConfig": [{"name": "NodeAffinity", "arg": {}}]}]}),
    ]);
    expect![[r#"
        KubeSchedulerConfiguration: profile: unknown field; nearest: profiles, kind, apiVersion
        KubeSchedulerConfiguration: parallelism: Invalid value: 0: should be an integer value greater than zero
        KubeSchedulerConfiguration: parallelism: expected a whole number, found "many"
        KubeSchedulerConfiguration: leaderElection.leaderElect: expected true or false, found "yes"
        KubeSchedulerConfiguration: leaderElection.leaseDuration: "soon" is not a duration such as 90s, 10m or 1h30m
        KubeSchedulerConfiguration: clientConnection.qps: expected a number, found "50"
        KubeSchedulerConfiguration: enableProfiling: expected true or false, found 1
        KubeSchedulerConfiguration: percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]
        KubeSchedulerConfiguration: podInitialBackoffSeconds: Invalid value: 0: must be greater than 0
        KubeSchedulerConfiguration: podMaxBackoffSeconds: Invalid value: 10: must be greater than or equal to PodInitialBackoffSeconds
        KubeSchedulerConfiguration: extenders: Forbidden: extenders are programs of their own, which cannot be asked here
        KubeSchedulerConfiguration: profiles[0].schedulerName: Required value
        KubeSchedulerConfiguration: profiles[1].schedulerName: Required value
        KubeSchedulerConfiguration: profiles[1].schedulerName: Duplicate value: "a"
        KubeSchedulerConfiguration: profiles[0].percentageOfNodesToScore: Invalid value: -1: not in valid range [0-100]
        KubeSchedulerConfiguration: profiles[0].plugins.scores: unknown field; nearest: score, preScore, filter
        KubeSchedulerConfiguration: profiles[0].pluginConfig[1]: Duplicate value: "A"
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0]: Invalid value: "EBSLimits": was invalid in version "kubescheduler.config.k8s.io/v1" (KubeSchedulerConfiguration is version "kubescheduler.config.k8s.io/v1")
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].arg: unknown field; nearest: args, name
    "#]]
    .assert_eq(&shown);
}

#[test]
fn wrong_plugins_are_refused_with_the_field() {
    let one = |plugins: Value| json!({"profiles": [{"plugins": plugins}]});
    let sorts = |plugins: Value| json!({"profiles": [{"schedulerName": "a"}, {"schedulerName": "b", "plugins": plugins}]});
    let shown = errors(&[
        one(json!({"score": {"enable": []}})),
        one(json!({"score": {"enabled": [{"name": "ImageLocality", "wait": 1}]}})),
        one(json!({"score": {"enabled": [{"weight": 1}]}})),
        one(
            json!({"score": {"enabled": [{"name": "ImageLocality", "weight": 3_000_000_000_i64}]}}),
        ),
        one(json!({"score": {"enabled": [{"name": "ImageLocality", "weight": "3"}]}})),
        one(json!({"filter": {"enabled": [{"name": "NodeAfinity"}]}})),
        one(json!({"multiPoint": {"enabled": [{"name": "SomebodyElses"}]}})),
        one(json!({"filter": {"enabled": [{"name": "GCEPDLimits"}]}})),
        one(json!({"score": {"enabled": [{"name": "NodeName"}]}})),
        one(json!({"score": {"enabled": [{"name": "ImageLocality"}, {"name": "ImageLocality"}]}})),
        one(json!({"multiPoint": {"enabled": [{"name": "NodeName"}, {"name": "NodeName"}]}})),
        one(json!({"multiPoint": {"disabled": [{"name": "*"}]}})),
        one(json!({"multiPoint": {"disabled": [{"name": "DefaultBinder"}]}})),
        one(
            json!({"queueSort": {"enabled": [{"name": "PrioritySort"}, {"name": "PrioritySort"}]}}),
        ),
        sorts(json!({"queueSort": {"enabled": [{"name": "PrioritySort"}]}})),
    ]);
    expect![[r#"
        KubeSchedulerConfiguration: profiles[0].plugins.score.enable: unknown field; nearest: enabled, disabled
        KubeSchedulerConfiguration: profiles[0].plugins.score.enabled[0].wait: unknown field; nearest: name, weight
        KubeSchedulerConfiguration: profiles[0].plugins.score.enabled[0].name: is required, and is missing
        KubeSchedulerConfiguration: profiles[0].plugins.score.enabled[0].weight: expected a whole number of 32 bits, found 3000000000
        KubeSchedulerConfiguration: profiles[0].plugins.score.enabled[0].weight: expected a whole number, found "3"
        KubeSchedulerConfiguration: profiles[0].plugins.filter.enabled[0].name: FilterPlugin "NodeAfinity" does not exist; nearest: NodeAffinity, NodeName, NodePorts
        KubeSchedulerConfiguration: profiles[0].plugins.multiPoint.enabled[0].name: PreFilterPlugin "SomebodyElses" does not exist; nearest: NodePorts, NodeName, NodeVolumeLimits
        KubeSchedulerConfiguration: profiles[0].plugins.filter.enabled[0]: Invalid value: "GCEPDLimits": was invalid in version "kubescheduler.config.k8s.io/v1" (KubeSchedulerConfiguration is version "kubescheduler.config.k8s.io/v1")
        KubeSchedulerConfiguration: profiles[0].plugins.score.enabled[0].name: plugin "NodeName" does not extend ScorePlugin plugin
        KubeSchedulerConfiguration: profiles[0].plugins.score.enabled[1].name: plugin "ImageLocality" already registered as "ScorePlugin"
        KubeSchedulerConfiguration: profiles[0].plugins.multiPoint.enabled[0].name: plugin "NodeName" already registered as "FilterPlugin"
        KubeSchedulerConfiguration: profiles[0].plugins.queueSort: only one queue sort plugin required for profile with scheduler name "default-scheduler", but got 0
        KubeSchedulerConfiguration: profiles[0].plugins.bind: at least one bind plugin is needed for profile with scheduler name "default-scheduler"
        KubeSchedulerConfiguration: profiles[0].plugins.queueSort.Enabled: Invalid value: 2: only one queue sort plugin can be enabled
        KubeSchedulerConfiguration: profiles[1].plugins.queueSort: Invalid value: {"Disabled":[],"Enabled":[{"Name":"PrioritySort","Weight":0}]}: must be the same for all profiles
    "#]]
    .assert_eq(&shown);
}

#[test]
fn wrong_settings_are_refused_with_the_field() {
    let of = |plugin: &str, value: Value| json!({"profiles": [{"pluginConfig": [{"name": plugin, "args": value}]}]});
    let fit = |value| of("NodeResourcesFit", value);
    let strategy = |value: Value| fit(json!({"scoringStrategy": value}));
    let ratio = |shape: Value| {
        strategy(json!({"type": "RequestedToCapacityRatio",
                        "requestedToCapacityRatio": {"shape": shape}}))
    };
    let spread = |constraint: Value| {
        of(
            "PodTopologySpread",
            json!({"defaultingType": "List", "defaultConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"},
            constraint]}),
        )
    };
    let added = |requirement: Value| {
        of(
            "NodeAffinity",
            json!({"addedAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [requirement]}]}}}),
        )
    };
    let shown = errors(&[
        fit(json!({"scoring": {}})),
        fit(json!({"kind": "NodeAffinityArgs"})),
        fit(json!({"apiVersion": "v1"})),
        fit(json!({"ignoredResources": ["a b"]})),
        fit(json!({"ignoredResourceGroups": ["a.com/b"]})),
        strategy(json!({})),
        strategy(json!({"type": "Fullest"})),
        strategy(json!({"type": "LeastAllocated", "resources": [{"name": "cpu", "weight": 101}]})),
        strategy(json!({"type": "LeastAllocated", "requestedToCapacityRatio": {}})),
        strategy(json!({"type": "RequestedToCapacityRatio"})),
        ratio(json!([])),
        ratio(json!([{"utilization": 5, "score": 1}, {"utilization": 5, "score": 2}])),
        ratio(json!([{"utilization": 101, "score": 1}])),
        ratio(json!([{"utilization": 5, "score": 11}])),
        of("NodeResourcesBalancedAllocation", json!({"resources": [{"name": "cpu", "weight": 2}]})),
        of(
            "NodeResourcesBalancedAllocation",
            json!({"resources": [{"name": "cpu"}, {"name": "cpu"}]}),
        ),
        of("InterPodAffinity", json!({"hardPodAffinityWeight": 101})),
        of("DefaultPreemption", json!({"minCandidateNodesPercentage": 101})),
        of("DefaultPreemption", json!({"minCandidateNodesAbsolute": -1})),
        of(
            "DefaultPreemption",
            json!({"minCandidateNodesAbsolute": 0, "minCandidateNodesPercentage": 0}),
        ),
        of("VolumeBinding", json!({"bindTimeoutSeconds": -1})),
        of("VolumeBinding", json!({"shape": [{"utilization": 0, "score": 0}]})),
        of("DynamicResources", json!({"filterTimeout": "-1s"})),
        of("DynamicResources", json!({"bindingTimeout": "10ms"})),
        of("PodTopologySpread", json!({"defaultingType": "Own"})),
        of(
            "PodTopologySpread",
            json!({"defaultConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]}),
        ),
        spread(json!({"maxSkew": 0, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"})),
        spread(json!({"maxSkew": 1, "topologyKey": "", "whenUnsatisfiable": "DoNotSchedule"})),
        spread(json!({"maxSkew": 1, "topologyKey": "-", "whenUnsatisfiable": "DoNotSchedule"})),
        spread(json!({"maxSkew": 1, "topologyKey": "a"})),
        spread(json!({"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "Wait"})),
        spread(json!({"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule",
                      "labelSelector": {}})),
        spread(json!({"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"})),
        added(json!({"key": "k", "operator": "Is"})),
        added(json!({"key": "k", "operator": "In", "values": []})),
        added(json!({"key": "k", "operator": "Exists", "values": ["v"]})),
        added(json!({"key": "k", "operator": "Gt", "values": ["1", "2"]})),
        added(json!({"key": "k", "operator": "Lt", "values": ["many"]})),
        added(json!({"key": "", "operator": "Exists"})),
        added(json!({"key": "k", "operator": "In", "values": ["a b"]})),
        added(json!({"key": "k", "operator": "In", "value": ["a"]})),
        of(
            "NodeAffinity",
            json!({"addedAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchFields": [{"key": "metadata.name", "operator": "Exists"}]}]}}}),
        ),
        of(
            "NodeAffinity",
            json!({"addedAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchFields": [{"key": "metadata.name", "operator": "In"}]}]}}}),
        ),
    ]);
    expect![[r#"
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.scoring: unknown field; nearest: kind, apiVersion, scoringStrategy
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.kind: args for plugin NodeResourcesFit were not of type NodeResourcesFitArgs.kubescheduler.config.k8s.io, got NodeAffinityArgs.kubescheduler.config.k8s.io
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.apiVersion: expected kubescheduler.config.k8s.io/v1, found "v1"
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.ignoredResources[0]: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.ignoredResourceGroups[0]: Invalid value: "a.com/b": resource group name can't contain '/'
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.scoringStrategy.type: Unsupported value: "": supported values: "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.scoringStrategy.type: Unsupported value: "Fullest": supported values: "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.scoringStrategy.resources[0].weight: Invalid value: 101: resource weight of cpu not in valid range (0, 100]
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio: Forbidden: must be nil when type is not RequestedToCapacityRatio
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio: Required value: must be specified when type is RequestedToCapacityRatio
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio.shape: Required value: at least one point must be specified
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio.shape[1].utilization: Invalid value: 5: values must be sorted in increasing order
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio.shape[0].utilization: Invalid value: 101: not in valid range [0, 100]
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio.shape[0].score: Invalid value: 11: not in valid range [0, 10]
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.resources[0].weight: Invalid value: 2: must be 1
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.resources[1].name: Duplicate value: "cpu"
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.minCandidateNodesPercentage: Invalid value: 101: not in valid range [0, 100]
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.minCandidateNodesAbsolute: Invalid value: -1: not in valid range [0, inf)
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the same time as minCandidateNodesAbsolute
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.bindTimeoutSeconds: Invalid value: -1: invalid BindTimeoutSeconds, should not be a negative value
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.shape: Invalid value: [{"score":0,"utilization":0}]: unexpected field `shape`, remove it or turn on the feature gate StorageCapacityScoring
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.filterTimeout: Invalid value: "-1s": must be zero or positive
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.bindingTimeout: Invalid value: "10ms": must be at least 1 second
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.defaultingType: Unsupported value: "Own": supported values: "System", "List"
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.defaultingType: Invalid value: "System": when .defaultConstraints are not empty
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.defaultConstraints[1].maxSkew: Invalid value: 0: not in valid range (0, inf)
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.defaultConstraints[1].topologyKey: Required value: can not be empty
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.defaultConstraints[1].topologyKey: Invalid value: "-": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.defaultConstraints[1].whenUnsatisfiable: Required value: can not be empty
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.defaultConstraints[1].whenUnsatisfiable: Unsupported value: "Wait": supported values: "DoNotSchedule", "ScheduleAnyway"
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.defaultConstraints[1].labelSelector: Forbidden: constraint must not define a selector, as they deduced for each pod
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.defaultConstraints[1]: Duplicate value: "{zone, DoNotSchedule}"
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator: Unsupported value: "Is": supported values: "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Invalid value: ["v"]: values set must be empty for exists and does not exist
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Invalid value: ["1","2"]: for 'Gt', 'Lt' operators, exactly one value is required
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values[0]: Invalid value: "many": for 'Gt', 'Lt' operators, the value must be an integer
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key: Invalid value: "": name part must be non-empty
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values[0]: Invalid value: "a b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].value: unknown field; nearest: values, key, operator
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].operator: Unsupported value: "Exists": supported values: "In", "NotIn"
        KubeSchedulerConfiguration: profiles[0].pluginConfig[0].args.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].values: Invalid value: []: must have one element
    "#]]
    .assert_eq(&shown);
}
