//! Which option is taken. Source: the tests of `expander/{mostpods,waste,leastnodes,price,priority,
//! random,factory}`.

use std::sync::Arc;

use plimsoll_autoscaler::Settings;
use plimsoll_autoscaler::scale_up::ExpansionOption;
use plimsoll_autoscaler::scale_up::expander::{Choice, Chooser};
use plimsoll_autoscaler::scale_up::template::Template;
use plimsoll_autoscaler::settings::{Expander, Priorities};
use plimsoll_core::devices::NodeDevices;
use plimsoll_core::ids::{PodId, ShapeId};
use plimsoll_core::{
    Cluster, Labels, NodeGroupSpec, NodeSpec, PodBirth, PodSpec, ResourceMap, SimTime,
};

const MIB: i64 = 1 << 20;

/// One way to help pods: a group, its nodes' size, how many of them for which pods (cpu, memory).
#[derive(Clone, Copy, Debug)]
struct Offer<'a> {
    group: &'a str,
    size: (i64, i64),
    price_microusd: Option<i64>,
    nodes: u32,
    pods: &'a [(i64, i64)],
}

const OFFER: Offer<'_> =
    Offer { group: "", size: (1000, 1000), price_microusd: None, nodes: 1, pods: &[] };

fn amounts((cpu_milli, memory): (i64, i64)) -> ResourceMap {
    let own = |(name, amount): (&str, i64)| (name.to_owned(), amount);
    [("cpu", cpu_milli), ("memory", memory)].map(own).into()
}

fn add_pod(cluster: &mut Cluster, requests: (i64, i64)) -> PodId {
    let spec = PodSpec { requests: amounts(requests), ..PodSpec::default() };
    let shape: ShapeId = cluster.intern_shape(&spec);
    let (name, created_at) = ("pod".into(), SimTime(0));
    cluster.add_pod(PodBirth { name, shape, controller: None, created_at })
}

fn option_of(cluster: &mut Cluster, offer: &Offer<'_>) -> ExpansionOption {
    let group = cluster.add_group(NodeGroupSpec {
        name: offer.group.to_owned(),
        price_microusd_per_hour: offer.price_microusd,
        max_size: 1000,
        ..NodeGroupSpec::default()
    });
    let size = amounts(offer.size);
    let spec = NodeSpec { capacity: size.clone(), allocatable: size, ..NodeSpec::default() };
    let template = Template::new(cluster, spec, Labels::new(), NodeDevices::default());
    ExpansionOption {
        group,
        similar: Vec::new(),
        nodes: offer.nodes,
        pods: offer.pods.iter().map(|requests| add_pod(cluster, *requests)).collect(),
        template: Arc::new(template),
        score: None,
    }
}

/// What a chain makes of the offers, and the score of each.
fn choose(chooser: &Chooser<'_>, offers: &[Offer<'_>]) -> (Choice, Vec<Option<f64>>) {
    let mut cluster = Cluster::default();
    let mut options: Vec<ExpansionOption> =
        offers.iter().map(|offer| option_of(&mut cluster, offer)).collect();
    let choice = chooser.choose(&cluster, &mut options);
    (choice, options.iter().map(|option| option.score).collect())
}

/// The groups of the best offers, in a cluster of so many nodes.
fn best(chain: &[Expander], nodes: usize, offers: &[Offer<'_>]) -> String {
    let settings = Settings { expander: chain.to_vec(), ..Settings::default() };
    let chooser = Chooser { settings: &settings, registered_count: nodes, draw: 0 };
    groups_of(&choose(&chooser, offers).0, offers)
}

fn groups_of(choice: &Choice, offers: &[Offer<'_>]) -> String {
    let names: Vec<&str> = choice.best.iter().map(|index| offers[*index].group).collect();
    names.join(" ")
}

/// `TestMostPods`.
#[test]
fn most_pods_keeps_the_options_that_help_most() {
    let none = Offer { group: "none", ..OFFER };
    let one = Offer { group: "one", pods: &[(1, 1)], ..OFFER };
    let another = Offer { group: "another", pods: &[(1, 1)], ..OFFER };
    for (offers, expected) in
        [(&[none][..], "none"), (&[none, one], "one"), (&[none, one, another], "one another")]
    {
        assert_eq!(best(&[Expander::MostPods], 1, offers), expected);
    }
}

/// `TestLeastWaste`: pods of 500 m and 1000 MiB, nodes for 16 of them.
#[test]
fn least_waste_adds_the_shares_that_stay_unused() {
    const POD: (i64, i64) = (500, 1000 * MIB);
    let balanced = Offer { group: "balanced", size: (16 * POD.0, 16 * POD.1), ..OFFER };
    let with_pod = |group, size| Offer { group, size, pods: &[POD], ..OFFER };
    let helping = with_pod("balanced", balanced.size);
    let highmem = with_pod("highmem", (16 * POD.0, 32 * POD.1));
    let lowcpu = with_pod("lowcpu", (8 * POD.0, 16 * POD.1));
    for (offers, expected) in [
        (&[balanced][..], "balanced"),
        (&[helping], "balanced"),
        (&[helping, highmem], "balanced"),
        (&[helping, highmem, lowcpu], "lowcpu"),
    ] {
        assert_eq!(best(&[Expander::LeastWaste], 1, offers), expected);
    }
}

/// `TestLeastNodes`: options by their numbers of nodes.
#[test]
fn least_nodes_keeps_the_options_with_the_fewest_nodes_but_some() {
    let names = ["0", "1", "2", "3", "4", "5", "6"];
    let rows: [(&str, &[u32], &str); 7] = [
        ("none", &[], ""),
        ("none with nodes", &[0], ""),
        ("one", &[2], "0"),
        ("two, not equal", &[2, 1], "1"),
        ("three, two of them equal", &[6, 2, 2], "1 2"),
        ("three, all equal", &[8, 8, 8], "0 1 2"),
        ("seven, one without nodes, three equal", &[23, 0, 5, 8, 5, 5, 22], "2 4 5"),
    ];
    for (name, nodes, expected) in rows {
        let offers: Vec<Offer<'_>> = nodes
            .iter()
            .zip(names)
            .map(|(nodes, group)| Offer { group, nodes: *nodes, ..OFFER })
            .collect();
        assert_eq!(best(&[Expander::LeastNodes], 1, &offers), expected, "{name}");
    }
}

/// What upstream's table takes for one unit of price: with it, its pods of a core and of half a core
/// cost the 20 and 10 that it says.
const fn units(count: i64) -> Option<i64> {
    // A core costs 33,174 micro-dollars an hour.
    Some(count * 33_174 / 20)
}

/// `TestPriceExpander`: nodes of one core and of four. Here prices of pods are fixed, prices of nodes
/// are in the same relation to them, and the preferred size follows from the number of nodes: 2 cores
/// for 3 of them, 4 cores for 7. There are no groups that have yet to be made.
#[test]
fn price_weighs_cost_against_the_preferred_size() {
    const BOTH: &[(i64, i64)] = &[(1000, 0), (500, 0)];
    const FIRST: &[(i64, i64)] = &[(1000, 0)];
    let small = |price, nodes, pods| Offer {
        group: "ng1",
        size: (1000, 1000),
        price_microusd: price,
        nodes,
        pods,
    };
    let large = |price, nodes, pods| Offer {
        group: "ng2",
        size: (4000, 1000),
        price_microusd: price,
        nodes,
        pods,
    };
    for (name, cluster_size, offers, expected) in [
        ("the first is cheaper", 3, [small(units(20), 2, BOTH), large(units(200), 1, BOTH)], "ng1"),
        (
            "the first is cheaper, the second preferred",
            7,
            [small(units(50), 2, BOTH), large(units(200), 1, BOTH)],
            "ng2",
        ),
        (
            "preference fades with the number of new nodes",
            7,
            [small(units(20), 80, BOTH), large(units(200), 40, BOTH)],
            "ng1",
        ),
        (
            "the second is cheaper",
            3,
            [small(units(200), 2, BOTH), large(units(100), 1, BOTH)],
            "ng2",
        ),
        (
            "the second helps more pods",
            3,
            [small(units(200), 2, FIRST), large(units(200), 1, BOTH)],
            "ng2",
        ),
        ("nothing has a price", 3, [small(None, 2, FIRST), large(None, 1, BOTH)], ""),
    ] {
        assert_eq!(best(&[Expander::Price], cluster_size, &offers), expected, "{name}");
    }
}

/// `TestPreferredNode`, seen from which of equally priced nodes is taken.
#[test]
fn price_prefers_larger_nodes_in_larger_clusters() {
    let names = ["1", "2", "4", "8", "16", "32", "64"];
    let offers = names.map(|group| Offer {
        group,
        size: (group.parse::<i64>().expect("cores") * 1000, 1000),
        price_microusd: Some(50_000),
        pods: &[(500, 500)],
        ..OFFER
    });
    for (nodes, expected) in
        [(1, "1"), (3, "2"), (9, "4"), (27, "8"), (81, "16"), (243, "32"), (500, "32")]
    {
        assert_eq!(best(&[Expander::Price], nodes, &offers), expected, "{nodes} nodes");
    }
}

/// `TestSimpleNodeUnfitness`: a node of half or twice the preferred size is twice as unfit.
#[test]
fn price_counts_too_small_and_too_large_alike() {
    let offer = |cores: i64| Offer {
        size: (cores * 1000, 1000),
        price_microusd: Some(50_000),
        pods: &[(500, 500)],
        ..OFFER
    };
    let settings = Settings { expander: vec![Expander::Price], ..Settings::default() };
    for (cluster_size, fit, unfit) in [(1, 1, 2), (3, 2, 1), (3, 2, 4)] {
        let chooser = Chooser { settings: &settings, registered_count: cluster_size, draw: 0 };
        let (_, scores) = choose(&chooser, &[offer(fit), offer(unfit)]);
        let [fit, unfit] = [scores[0], scores[1]].map(|score| score.expect("it has a price"));
        assert!((unfit - 2.0 * fit).abs() < 1e-12, "{fit} {unfit}");
    }
}

type Levels<'a> = &'a [(i64, &'a [&'a str])];

const LEVELS: Levels<'_> = &[
    (5, &[r".*t2\.micro.*"]),
    (10, &[r".*t2\.large.*", r".*t3\.large.*"]),
    (50, &[r".*m4\.4xlarge.*"]),
];
const ONE_LEVEL: Levels<'_> = &[(10, &[r".*t2\.large.*"])];
const NO_MATCH: Levels<'_> = &[(5, &[r".*t\.micro.*"]), (10, &[r".*t\.large.*"])];
const WILDCARD: Levels<'_> = &[(5, &[".*"]), (10, &[r".t2\.large.*"])];

/// The names of groups after `my-asg.`, in words; gives the best ones, and the events.
fn preferred(
    priorities: Option<Levels<'_>>,
    problem: Option<&str>,
    groups: &str,
) -> (String, String) {
    let levels = priorities.map(|levels| {
        let own = |(level, patterns): &(i64, &[&str])| {
            (*level, patterns.iter().map(|pattern| (*pattern).to_owned()).collect())
        };
        Priorities::new(&levels.iter().map(own).collect::<Vec<_>>()).expect("good patterns")
    });
    let settings = Settings {
        expander: vec![Expander::Priority],
        priorities: levels,
        priorities_problem: problem.map(str::to_owned),
        ..Settings::default()
    };
    let names: Vec<String> = groups.split(' ').map(|name| format!("my-asg.{name}")).collect();
    let offers: Vec<Offer<'_>> = names.iter().map(|group| Offer { group, ..OFFER }).collect();
    let chooser = Chooser { settings: &settings, registered_count: 1, draw: 0 };
    let (choice, _) = choose(&chooser, &offers);
    let events = choice.events.iter().map(|one| format!("{} {}", one.reason, one.message));
    (groups_of(&choice, &offers).replace("my-asg.", ""), events.collect::<Vec<_>>().join("\n"))
}

/// The cases of `priority_test.go` with good priorities.
#[test]
fn priority_keeps_the_groups_of_the_highest_level_that_matches_any() {
    for (name, levels, groups, expected) in [
        ("one of one", LEVELS, "t2.large", "t2.large"),
        ("one of many", LEVELS, "t2.large m4.4xlarge", "m4.4xlarge"),
        ("a higher level than the wildcard's", WILDCARD, "t2.large t2.micro", "t2.large"),
        ("two of many", LEVELS, "t2.large t3.large t2.micro", "t2.large t3.large"),
        ("no match at all", NO_MATCH, "t2.large t3.large", "t2.large t3.large"),
        ("before the map changes", ONE_LEVEL, "t2.large t3.large m4.4xlarge", "t2.large"),
        ("after the map has changed", LEVELS, "t2.large t3.large m4.4xlarge", "m4.4xlarge"),
    ] {
        assert_eq!(preferred(Some(levels), None, groups).0, expected, "{name}");
    }
}

/// `TestPriorityExpanderCorrecltyHandlesConfigUpdate`, its events; upstream tells of nothing matched
/// too, which no test of it looks at.
#[test]
fn priority_tells_which_groups_no_level_matches() {
    let (_, events) = preferred(Some(ONE_LEVEL), None, "t2.large t3.large m4.4xlarge");
    assert_eq!(
        events,
        "PriorityConfigMapNotMatchedGroup Priority expander: node group my-asg.t3.large not found in \
         priority expander configuration. The group won't be used.\n\
         PriorityConfigMapNotMatchedGroup Priority expander: node group my-asg.m4.4xlarge not found \
         in priority expander configuration. The group won't be used."
    );
    let (_, events) = preferred(Some(NO_MATCH), None, "t2.large");
    assert!(events.ends_with("No options filtered."), "{events}");
}

/// `TestPriorityExpanderCorrecltySkipsBadChangeConfig`. The words about the map come with it.
#[test]
fn without_good_priorities_all_options_stay() {
    let problem = "Wrong configuration for priority expander: priority configuration in \
        cluster-autoscaler-priority-expander configmap is empty; please provide valid configuration. \
        Ignoring update.";
    let (groups, events) = preferred(None, Some(problem), "t2.large t3.large m4.4xlarge");
    assert_eq!(groups, "t2.large t3.large m4.4xlarge");
    assert_eq!(events, format!("PriorityConfigMapInvalid {problem}"));
}

/// `TestRandomExpander`.
#[test]
fn random_takes_any_option_there_is() {
    let settings = Settings { expander: vec![Expander::Random], ..Settings::default() };
    let chosen = |draw, offers: &[Offer<'_>]| {
        choose(&Chooser { settings: &settings, registered_count: 1, draw }, offers).0.chosen
    };
    for draw in 0..8 {
        assert_eq!(chosen(draw, &[]), None);
        assert_eq!(chosen(draw, &[OFFER]), Some(0));
    }
    let of_two: std::collections::BTreeSet<Option<usize>> =
        (0..8).map(|draw| chosen(draw, &[OFFER, OFFER])).collect();
    assert_eq!(of_two, [Some(0), Some(1)].into(), "each of them by some draw");
}

/// `TestChainStrategy_BestOption` in `factory/chain_test.go`, with real expanders: `a` has the fewest
/// nodes, `b` helps most pods, `ab` does both.
#[test]
fn each_expander_of_a_chain_keeps_the_best_of_what_is_left() {
    const TWO: &[(i64, i64)] = &[(1, 1), (1, 1)];
    let a = Offer { group: "a", pods: &[(1, 1)], ..OFFER };
    let b = Offer { group: "b", nodes: 2, pods: TWO, ..OFFER };
    let ab = Offer { group: "ab", pods: TWO, ..OFFER };
    let chain = [Expander::LeastNodes, Expander::MostPods];
    let rows: [(&str, &[Expander], &[Offer<'_>], &str); 6] = [
        ("no filter", &[Expander::Random], &[b, a], "b a"),
        ("one filter", &chain[..1], &[ab, b], "ab"),
        ("two filters", &chain, &[ab, a, b], "ab"),
        ("the first filter decides against the second", &chain, &[a, b], "a"),
        ("several left after filters", &chain[..1], &[b, ab, a], "ab a"),
        ("one option needs no second filter", &chain, &[a], "a"),
    ];
    for (name, chain, offers, expected) in rows {
        assert_eq!(best(chain, 1, offers), expected, "{name}");
    }
}
