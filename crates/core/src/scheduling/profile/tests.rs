//! The default profile, and the table of plugins.

use expect_test::expect;

use super::*;
use crate::node::HOSTNAME_LABEL;

fn names(plugins: &[Plugin]) -> String {
    plugins.iter().map(|plugin| plugin.name()).collect::<Vec<_>>().join(" ")
}

#[test]
fn without_a_configuration_the_scheduler_does_what_kube_scheduler_1_36_does() {
    let profiles = SchedulerProfiles::default();
    let profile = profiles.of("default-scheduler").expect("the default profile is there");
    assert_eq!(profiles.of("packer"), None);
    let scores: Vec<String> =
        profile.scores.iter().map(|(plugin, weight)| format!("{plugin}({weight})")).collect();
    let shown = format!(
        "preEnqueue: {}\npreFilter:  {}\nfilter:     {}\npostFilter: {}\npreScore:   {}\nscore:      {}\n",
        names(&profile.pre_enqueue),
        names(&profile.pre_filters),
        names(&profile.filters),
        names(&profile.post_filters),
        names(&profile.pre_scores),
        scores.join(" "),
    );
    // The goldens' README lists the same.
    expect![[r#"
        preEnqueue: SchedulingGates DynamicResources DefaultPreemption
        preFilter:  NodeAffinity NodePorts NodeResourcesFit VolumeRestrictions NodeVolumeLimits VolumeBinding VolumeZone PodTopologySpread InterPodAffinity DynamicResources NodeDeclaredFeatures
        filter:     NodeUnschedulable NodeName TaintToleration NodeAffinity NodePorts NodeResourcesFit VolumeRestrictions NodeVolumeLimits VolumeBinding VolumeZone PodTopologySpread InterPodAffinity DynamicResources NodeDeclaredFeatures
        postFilter: DynamicResources DefaultPreemption
        preScore:   TaintToleration NodeAffinity NodeResourcesFit VolumeBinding PodTopologySpread InterPodAffinity NodeResourcesBalancedAllocation
        score:      TaintToleration(3) NodeAffinity(2) NodeResourcesFit(1) VolumeBinding(1) PodTopologySpread(2) InterPodAffinity(2) DynamicResources(2) NodeResourcesBalancedAllocation(1) ImageLocality(1)
    "#]]
    .assert_eq(&shown);
}

#[test]
fn every_plugin_is_found_by_its_name_and_extends_some_point() {
    assert_eq!(Plugin::all().count(), DEFAULT_PLUGINS.len());
    for plugin in Plugin::all() {
        assert_eq!(Plugin::named(plugin.name()), Some(plugin));
        assert_eq!(format!("{plugin:?}"), plugin.name());
        assert!(ExtensionPoint::ALL.into_iter().any(|point| plugin.extends(point)), "{plugin}");
    }
    assert_eq!(Plugin::named("nodename"), None);
}

#[test]
fn a_profile_says_who_takes_part_and_with_which_weight() {
    let profile = SchedulerProfile::default();
    assert!(profile.has(Plugin::TaintToleration, ExtensionPoint::Filter));
    assert!(profile.has(Plugin::TaintToleration, ExtensionPoint::Score));
    assert!(!profile.has(Plugin::TaintToleration, ExtensionPoint::PreFilter));
    assert_eq!(profile.weight(Plugin::TaintToleration), Some(3));
    assert_eq!(profile.weight(Plugin::NodePorts), None);
}

#[test]
fn only_extended_resources_can_be_ignored() {
    let fit = FitArguments {
        ignored_resources: vec!["example.com/gpu".to_owned(), "cpu".to_owned()],
        ignored_resource_groups: vec!["vendor.io".to_owned()],
        ..FitArguments::default()
    };
    for (resource, ignored) in [
        ("example.com/gpu", true),
        ("example.com/fpga", false),
        ("vendor.io/a", true),
        ("vendor.io", false),
        ("cpu", false),
    ] {
        assert_eq!(fit.ignores(resource), ignored, "{resource}");
    }
}

#[test]
fn the_systems_spread_is_over_hosts_and_zones() {
    let constraints = SpreadDefaults::System.constraints();
    let shown: Vec<(&str, i64, bool)> =
        constraints.iter().map(|one| (one.topology_key.as_str(), one.max_skew, one.hard)).collect();
    let expected = [(HOSTNAME_LABEL, 3, false), ("topology.kubernetes.io/zone", 5, false)];
    assert_eq!(shown, expected);
}
