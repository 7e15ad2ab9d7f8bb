//! Which groups are alike, and how new nodes are shared out among them. Source: the tests of
//! `processors/nodegroupset`.

use plimsoll_autoscaler::Settings;
use plimsoll_autoscaler::scale_up::balance::{are_similar, share_out};
use plimsoll_autoscaler::scale_up::template::{DaemonPod, Template};
use plimsoll_core::devices::NodeDevices;
use plimsoll_core::ids::GroupId;
use plimsoll_core::{Cluster, Labels, NodeSpec, PodSpec, ResourceMap};

const KIB: i64 = 1 << 10;

/// A node of one core, and what its DaemonSets ask for: (cpu, memory).
#[derive(Clone, Debug)]
struct Sample {
    spec: NodeSpec,
    daemons: Vec<(i64, i64)>,
}

/// Keys and values.
type LabelList<'a> = &'a [(&'a str, &'a str)];

fn amounts(cpu_milli: i64, memory: i64) -> ResourceMap {
    let own = |(name, amount): (&str, i64)| (name.to_owned(), amount);
    [("cpu", cpu_milli), ("memory", memory)].map(own).into()
}

fn sample(memory: i64) -> Sample {
    let mut size = amounts(1000, memory);
    size.insert("pods".to_owned(), 100);
    let spec = NodeSpec { capacity: size.clone(), allocatable: size, ..NodeSpec::default() };
    Sample { spec, daemons: Vec::new() }
}

fn changed(memory: i64, change: impl FnOnce(&mut Sample)) -> Sample {
    let mut sample = sample(memory);
    change(&mut sample);
    sample
}

fn labelled(labels: LabelList<'_>) -> Sample {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    changed(2000, |node| node.spec.labels = labels.iter().map(own).collect())
}

fn template(cluster: &mut Cluster, sample: Sample) -> Template {
    let daemons = sample.daemons.iter().map(|(cpu, memory)| {
        let spec = PodSpec { requests: amounts(*cpu, *memory), ..PodSpec::default() };
        DaemonPod { shape: cluster.intern_shape(&spec), controller: None }
    });
    let daemons = daemons.collect();
    let mut template = Template::new(cluster, sample.spec, Labels::new(), NodeDevices::default());
    template.daemons = daemons;
    template
}

/// Both ways round.
fn check(settings: &Settings, name: &str, one: &Sample, other: &Sample, expected: bool) {
    let mut cluster = Cluster::default();
    let [one, other] = [one, other].map(|sample| template(&mut cluster, sample.clone()));
    assert_eq!(are_similar(&cluster, settings, &one, &other), expected, "{name}");
    assert_eq!(are_similar(&cluster, settings, &other, &one), expected, "{name}, turned round");
}

/// `TestIdenticalNodesSimilar`, `TestNodesSimilarVariousRequirements`: the second node has another
/// amount of something as its capacity, or allocatable.
#[test]
fn capacities_are_equal_and_allocatable_amounts_nearly() {
    type Amounts<'a> = &'a [(&'a str, i64)];
    let rows: [(&str, Amounts<'_>, Amounts<'_>, bool); 6] = [
        ("the same", &[], &[], true),
        ("another capacity of cpu", &[("cpu", 1001)], &[], false),
        ("slightly less cpu allocatable", &[], &[("cpu", 999)], true),
        ("just within 5 %", &[], &[("cpu", 950)], true),
        ("much less cpu allocatable", &[], &[("cpu", 500)], false),
        ("a GPU", &[("nvidia.com/gpu", 1)], &[("nvidia.com/gpu", 1)], false),
    ];
    let own = |(name, amount): &(&str, i64)| ((*name).to_owned(), *amount);
    for (name, capacity, allocatable, expected) in rows {
        let other = changed(2000, |node| {
            node.spec.capacity.extend(capacity.iter().map(own));
            node.spec.allocatable.extend(allocatable.iter().map(own));
        });
        check(&Settings::default(), name, &sample(2000), &other, expected);
    }
}

/// `TestNodesSimilarVariousRequirementsAndPods`.
#[test]
fn what_daemon_sets_leave_is_compared_too() {
    let busy = || changed(2000, |node| node.daemons = vec![(500, 1000)]);
    let smaller = changed(2000, |node| node.spec.allocatable.extend(amounts(500, 1000)));
    let alike = changed(2000, |node| {
        node.spec.allocatable.extend(amounts(999, 2000));
        node.daemons = vec![(501, 1001)];
    });
    let settings = Settings::default();
    check(&settings, "less allocatable, as much free", &busy(), &smaller, false);
    check(&settings, "the same pods", &busy(), &busy(), true);
    check(&settings, "nearly as much allocatable, nearly the same pods", &busy(), &alike, true);
    check(&settings, "as much allocatable, other pods", &busy(), &sample(2000), false);
}

/// `TestNodesSimilarVariousMemoryRequirements` and the two `...LargeMemoryRequirements...`: machines
/// of one type differ a little from zone to zone.
#[test]
fn capacities_of_memory_may_differ_by_one_and_a_half_percent() {
    let only_capacity =
        |memory: i64| changed(1000, |node| node.spec.capacity.extend(amounts(1000, memory)));
    for (name, one, other, expected) in [
        ("within", sample(1000), only_capacity(986), true),
        ("beyond", sample(1000), only_capacity(984), false),
        ("m5.xlarge in two zones", sample(16_116_152 * KIB), sample(15_944_120 * KIB), true),
        ("2 % more than m5.xlarge", sample(16_116_152 * KIB), sample(16_438_475 * KIB), false),
        ("m5.16xlarge in two zones", sample(259_970_052 * KIB), sample(257_217_528 * KIB), true),
        ("2 % more than m5.16xlarge", sample(259_970_052 * KIB), sample(265_169_453 * KIB), false),
    ] {
        check(&Settings::default(), name, &one, &other, expected);
    }
}

/// `TestNodesSimilarVariousLabels`.
#[test]
fn labels_are_equal_but_for_places_and_those_that_a_flag_names() {
    let settings = Settings {
        balancing_ignore_label: vec!["example.com/ready".into()],
        ..Settings::default()
    };
    let ready = "beta.kubernetes.io/fluentd-ds-ready";
    let zone = "failure-domain.beta.kubernetes.io/zone";
    let host = "kubernetes.io/hostname";
    let rows: [(&str, LabelList<'_>, LabelList<'_>, bool); 7] = [
        ("one lacks a label", &[("character", "winnie the pooh")], &[], false),
        ("the same label", &[("character", "winnie")], &[("character", "winnie")], true),
        ("host names", &[(host, "node1")], &[(host, "node2")], true),
        ("zones", &[(zone, "mars-olympus-mons1-b")], &[(zone, "us-houston1-a")], true),
        ("fluentd, two values", &[(ready, "true")], &[(ready, "false")], true),
        ("fluentd, one value", &[(ready, "true")], &[], true),
        ("by flag", &[("example.com/ready", "true")], &[("example.com/ready", "false")], true),
    ];
    for (name, one, other, expected) in rows {
        let with =
            |more: &[(&str, &str)]| labelled(&[&[("test-label", "test-value")], more].concat());
        check(&settings, name, &with(one), &with(other), expected);
    }
}

/// `TestNodeLabelComparison` in `label_nodegroups_test.go`.
#[test]
fn with_balancing_labels_nothing_else_counts() {
    let (machine, arch) = ("node.kubernetes.io/instance-type", "kubernetes.io/arch");
    let settings =
        Settings { balancing_label: vec![machine.into(), arch.into()], ..Settings::default() };
    let both = [(machine, "m5.4xlarge"), (arch, "amd64")];
    let rows: [(&str, LabelList<'_>, LabelList<'_>, bool); 8] = [
        ("both match", &both, &both, true),
        ("one does not", &both, &[(machine, "m5.4xlarge"), (arch, "i386")], false),
        (
            "others are not looked at",
            &[both[0], both[1], ("zone", "eu-west1")],
            &[both[0], both[1], ("zone", "eu-west2")],
            true,
        ),
        ("none is set", &[], &[], false),
        ("the second lacks one", &both, &[(arch, "amd64")], false),
        ("the first lacks one", &[(arch, "amd64")], &both, false),
        ("both are empty", &[(machine, ""), (arch, "")], &[(machine, ""), (arch, "")], true),
        ("one is empty", &[(machine, ""), both[1]], &[(machine, ""), both[1]], true),
    ];
    for (name, one, other, expected) in rows {
        check(&settings, name, &labelled(one), &labelled(other), expected);
    }
    let larger = changed(4000, |node| node.spec.labels = labelled(&both).spec.labels);
    check(&settings, "a node of twice the size", &labelled(&both), &larger, true);
}

/// `TestFindSimilarNodeGroups` and `TestFindSimilarNodeGroupsCustomLabels`: of three groups the first
/// two are alike. Which groups are asked at all is in the tables of the orchestrator.
#[test]
fn of_three_groups_the_larger_one_stands_alone() {
    let ready = |value: &'static str| {
        changed(1000, |node| {
            drop(node.spec.labels.insert("example.com/ready".into(), value.into()));
        })
    };
    let large = changed(2000, |node| {
        node.spec.capacity.extend(amounts(2000, 2000));
        node.spec.allocatable.extend(amounts(2000, 2000));
    });
    let ignores = Settings {
        balancing_ignore_label: vec!["example.com/ready".into()],
        ..Settings::default()
    };
    for (settings, one, two) in [
        (Settings::default(), sample(1000), sample(1000)),
        (ignores, ready("true"), ready("false")),
    ] {
        check(&settings, "ng1 and ng2", &one, &two, true);
        check(&settings, "ng1 and ng3", &one, &large, false);
        check(&settings, "ng2 and ng3", &two, &large, false);
    }
    check(&Settings::default(), "without the flag", &ready("true"), &ready("false"), false);
}

/// Its name, the groups as `NAME=SIZE/MAX`, how many nodes are new, and the sizes of those that grow.
type ShareRow<'a> = (&'a str, &'a str, u32, &'a str);

fn check_shares(rows: &[ShareRow<'_>]) {
    for (name, groups, count, expected) in rows {
        let groups: Vec<(GroupId, u32, u32)> = groups
            .split_whitespace()
            .map(|word| {
                let (group, sizes) = word.split_once('=').expect("a group and its sizes");
                let (size, max) = sizes.split_once('/').expect("a size and a maximum");
                let number = |text: &str| text.parse().expect("a number");
                (GroupId(number(group)), number(size), number(max))
            })
            .collect();
        let mut grown = share_out(&groups, *count);
        grown.sort_unstable();
        let grown: Vec<String> =
            grown.iter().map(|(group, size)| format!("{}={size}", group.0)).collect();
        assert_eq!(grown.join(" "), *expected, "{name}");
    }
}

/// `TestBalanceSingleGroup`, `TestBalanceUnderMaxSize`. Upstream leaves open which of two equals gets
/// the last node; here it is the first.
#[test]
fn the_smallest_groups_grow_until_they_are_as_large_as_the_next() {
    let four = "1=1/10 2=3/10 3=5/10 4=5/10";
    check_shares(&[
        ("one group, one node", "1=1/10", 1, "1=2"),
        ("one group, four nodes", "1=1/10", 4, "1=5"),
        ("one node", four, 1, "1=2"),
        ("several nodes to one group", four, 2, "1=3"),
        ("two groups, evenly", four, 4, "1=4 2=4"),
        ("two groups, not evenly", four, 5, "1=5 2=4"),
        ("all groups, evenly", four, 10, "1=6 2=6 3=6 4=6"),
    ]);
}

/// `TestBalanceHittingMaxSize`.
#[test]
fn groups_that_are_full_are_passed_over() {
    check_shares(&[
        ("a full group alone", "1=1/1", 1, ""),
        ("the smallest is full", "1=1/1 2=1/3", 1, "2=2"),
        ("the smallest is full, and there is not enough room", "1=1/1 2=1/3", 5, "2=3"),
        ("the first becomes full before the next is reached", "2=1/3 3=3/10", 4, "2=3 3=5"),
        ("the last becomes full before the one before", "2=1/3 3=3/10 4=5/7", 9, "2=3 3=8 4=7"),
        ("more than there is room for", "2=1/3 3=3/10 4=5/7", 900, "2=3 3=10 4=7"),
        ("one is above its maximum", "2=1/3 5=6/3", 1, "2=2"),
    ]);
}
