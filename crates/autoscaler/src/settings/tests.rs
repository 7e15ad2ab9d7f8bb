//! Claims about how flags are read.

use super::*;
use expect_test::expect;

fn read(pairs: &[(&str, SettingValue)]) -> Result<Settings, String> {
    let map = pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    Settings::from_map(&map).map_err(|error| error.to_string())
}

fn text(value: &str) -> SettingValue {
    SettingValue::Text(value.to_owned())
}

#[test]
fn flags_are_read_under_their_upstream_names() {
    let settings = read(&[
        ("scan-interval", text("1m30s")),
        ("expander", text("priority,least-waste")),
        ("cores-total", text("4:100")),
        ("memory-total", text("0:62")),
        ("gpu-total", SettingValue::List(vec!["nvidia-t4:0:3".into()])),
        ("expendable-pods-priority-cutoff", SettingValue::Int(-5)),
        ("scale-down-utilization-threshold", text("0.3")),
        ("balance-similar-node-groups", SettingValue::Bool(true)),
        ("predicate-parallelism", SettingValue::Int(1)),
    ])
    .expect("all of them are good");
    assert_eq!(settings.scan_interval, SimDuration::from_secs(90));
    assert_eq!(settings.expander, [Expander::Priority, Expander::LeastWaste]);
    assert_eq!(settings.cores_total, Bounds { min: 4, max: 100 });
    assert_eq!(settings.memory_total_bytes.max, 62 << 30);
    assert_eq!(settings.gpu_total[0].gpu_type, "nvidia-t4");
    assert_eq!(settings.expendable_pods_priority_cutoff, -5);
    assert!(settings.balance_similar_node_groups);
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    let errors: Vec<String> = [
        ("scale-down-uneeded-time", text("1m")),
        ("scale-down-unneeded-time", SettingValue::Int(10)),
        ("max-nodes-total", SettingValue::Int(-1)),
        ("expander", text("random,price")),
        ("expander", text("cheapest")),
        ("cores-total", text("9:3")),
        ("gpu-total", text("nvidia-t4:3")),
        ("gpu-total", text("nvidia:t4:0:3")),
        ("drain-priority-config", text("")),
        ("drain-priority-config", text("0:60, 10:20")),
        ("predicate-parallelism", SettingValue::Int(0)),
        ("async-node-groups", SettingValue::Bool(true)),
        ("scan-interval", text("0s")),
    ]
    .iter()
    .map(|pair| read(std::slice::from_ref(pair)).expect_err("it is refused"))
    .collect();
    expect![[r#"
        scale-down-uneeded-time: no such setting; the nearest are scale-down-unneeded-time, scale-down-unready-time, scale-down-enabled
        scale-down-unneeded-time: expected a duration such as 90s, 10m or 1h30m, not 10
        max-nodes-total: expected a whole number, 0 or more, not -1
        expander: expected no expander after random, not "random,price"
        expander: expected expanders out of random, most-pods, least-waste, least-nodes, price, priority, not "cheapest"
        cores-total: expected MIN:MAX, two whole numbers, neither below 0 nor MIN above MAX, not "9:3"
        gpu-total: expected TYPE:MIN:MAX, once for each type of GPU, not "nvidia-t4:3"
        gpu-total: expected TYPE:MIN:MAX, once for each type of GPU, not "nvidia:t4:0:3"
        drain-priority-config: expected PRIORITY:SECONDS pairs separated by commas, not ""
        drain-priority-config: expected PRIORITY:SECONDS pairs separated by commas, not "0:60, 10:20"
        predicate-parallelism: expected a whole number, 1 or more, not 0
        async-node-groups: only the default (false) is supported, not true: node groups are not made by the autoscaler
        scan-interval: expected a duration above zero, not 0s"#]]
    .assert_eq(&errors.join("\n"));
}

/// Source: `createAutoscalingOptions` in `config/flags/flags.go`, the calls that end the program, and
/// `builder/autoscaler.go`, which reads `balancing-label` first, although its help says that the two
/// cannot be combined.
#[test]
fn flags_are_combined_as_upstream_lets_them() {
    let both = [("balancing-label", text("pool")), ("balancing-ignore-label", text("disk"))];
    let settings = read(&both).expect("upstream starts");
    assert_eq!(settings.balancing_label, ["pool"]);

    let refused =
        |pairs: &[(&str, SettingValue)]| read(pairs).expect_err("upstream does not start");
    let drain = ("drain-priority-config", text("0:60"));
    let grace = ("max-graceful-termination-sec", SettingValue::Int(600));
    let bypassed = ("bypassed-scheduler-names", text("batch,other"));
    let allowed = ("allowed-scheduler-names", text("batch"));
    assert!(read(std::slice::from_ref(&bypassed)).is_ok());
    expect![[r#"
        drain-priority-config cannot be combined with max-graceful-termination-sec
        bypassed-scheduler-names: expected only schedulers of allowed-scheduler-names, not other"#]]
    .assert_eq(&[refused(&[drain, grace]), refused(&[allowed, bypassed])].join("\n"));
}

#[test]
fn switches_and_ratios_are_read_as_go_reads_them() {
    let settings = read(&[
        ("salvo-scale-up", text("T")),
        ("scale-down-enabled", SettingValue::Int(0)),
        ("scale-down-utilization-threshold", SettingValue::Int(-1)),
        ("fastpath-binpacking-enabled", SettingValue::Bool(true)),
    ])
    .expect("all of them are good");
    assert!(settings.salvo_scale_up && !settings.scale_down_enabled);
    assert!(settings.fastpath_binpacking_enabled);
    assert!(settings.scale_down_utilization_threshold < 0.0);
}

#[test]
fn a_default_of_a_missing_feature_is_accepted() {
    assert!(read(&[("estimator", text("binpacking"))]).is_ok());
    assert!(read(&[("async-node-groups", SettingValue::Bool(false))]).is_ok());
}

#[test]
fn the_highest_priority_that_matches_a_group_counts() {
    let levels = [(50, vec!["^prod-".to_owned()]), (-3, vec![".*".to_owned()])];
    let priorities = Priorities::new(&levels).expect("both are regular expressions");
    assert_eq!(priorities.of_group("prod-a"), Some(50));
    assert_eq!(priorities.of_group("test-a"), Some(-3));
    assert!(Priorities::new(&[(1, vec!["(".to_owned()])]).is_err());
}
