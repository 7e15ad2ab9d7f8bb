//! Upstream's table, the fallback to other nodes, and both ways of packing held against each other.

use expect_test::expect;
use plimsoll_core::devices::NodeDevices;
use plimsoll_core::ids::NodeId;
use plimsoll_core::labels::{LabelSelector, Labels, Operator, Requirement};
use plimsoll_core::pod::{HostPort, TopologySpreadConstraint};
use plimsoll_core::pod_affinity::PodAffinityTerm;
use plimsoll_core::{NodeBirth, NodeSpec, PodSpec};

use super::*;
use crate::fixture::{Fixture, pod_spec, resources};

const HOSTNAME: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

fn sized(cpu: &str, memory: &str, pods: i64, zone: &str) -> NodeSpec {
    let mut size = resources(cpu, memory);
    size.insert("pods".to_owned(), pods);
    NodeSpec {
        labels: Labels::from([(ZONE.to_owned(), zone.to_owned())]),
        capacity: size.clone(),
        allocatable: size,
        ..NodeSpec::default()
    }
}

fn new_node(cpu: &str, memory: &str) -> NodeSpec {
    sized(cpu, memory, 10, "zone-mars")
}

fn template(cluster: &mut Cluster, spec: NodeSpec) -> Template {
    Template::new(cluster, spec, Labels::new(), NodeDevices::default())
}

fn estimatee(cpu: &str, memory: &str) -> PodSpec {
    let labels = Labels::from([("app".to_owned(), "estimatee".to_owned())]);
    PodSpec { labels, ..pod_spec(cpu, memory) }
}

fn estimatees() -> LabelSelector {
    let (key, values) = ("app".to_owned(), vec!["estimatee".to_owned()]);
    LabelSelector { requirements: vec![Requirement { key, operator: Operator::In, values }] }
}

fn spread(spec: PodSpec, key: &str, max_skew: i64, min_domains: i64) -> PodSpec {
    let constraint = TopologySpreadConstraint {
        max_skew,
        topology_key: key.to_owned(),
        hard: true,
        selector: Some(estimatees()),
        min_domains: Some(min_domains),
        honor_affinity: true,
        honor_taints: false,
    };
    PodSpec { topology_spread: vec![constraint], ..spec }
}

fn alone(mut spec: PodSpec) -> PodSpec {
    spec.pod_affinity.required_anti = vec![PodAffinityTerm {
        topology_key: HOSTNAME.to_owned(),
        selector: Some(estimatees()),
        namespaces: [spec.namespace.clone()].into(),
        ..PodAffinityTerm::default()
    }];
    spec
}

/// A cluster with upstream's old node in another zone, and groups of pending pods.
fn stage(groups: &[(usize, PodSpec)]) -> (Fixture, Vec<PodGroup>) {
    let mut fixture = Fixture::default();
    let mut spec = sized("100m", "100Mi", 10, "zone-jupiter");
    spec.labels.insert(HOSTNAME.to_owned(), "oldnode".to_owned());
    let name = "oldnode".to_owned();
    fixture.cluster.add_node(NodeBirth { name, spec, ready: true, ..NodeBirth::default() });
    let groups = groups.iter().enumerate().map(|(number, (count, spec))| {
        let pods = fixture.pending(&format!("owner-{number}"), *count, spec);
        PodGroup { shape: fixture.cluster.pod(pods[0]).shape, pods }
    });
    let groups = groups.collect();
    (fixture, groups)
}

fn estimated(groups: &[(usize, PodSpec)], new_node: NodeSpec, limit: i64) -> (u32, Vec<usize>) {
    estimated_by(estimate, groups, new_node, limit)
}

type Pack = fn(&mut Fork<'_>, &[&PodGroup], &Template, NodeLimit, SimTime) -> Estimate;

fn estimated_by(
    pack: Pack,
    groups: &[(usize, PodSpec)],
    new_node: NodeSpec,
    limit: i64,
) -> (u32, Vec<usize>) {
    let (mut fixture, groups) = stage(groups);
    let limit = NodeLimit::default().and(limit);
    let template = template(&mut fixture.cluster, new_node);
    let before = fixture.cluster.digest();
    let groups_by_ref: Vec<&PodGroup> = groups.iter().collect();
    let now = fixture.now;
    let found = pack(&mut fixture.cluster.fork(), &groups_by_ref, &template, limit, now);
    assert_eq!(fixture.cluster.digest(), before, "an estimate leaves no trace");
    let of_group =
        |group: &PodGroup| group.pods.iter().filter(|pod| found.pods.contains(pod)).count();
    (found.nodes, groups.iter().map(of_group).collect())
}

/// Source: `TestMinLimit`, and `TestThresholdBasedLimiter` in `estimator/threshold_based_limiter_test.go`
/// as far as it counts nodes: there is no limit on time.
#[test]
fn of_several_limits_of_nodes_the_least_holds() {
    const NONE: usize = usize::MAX;
    let rows: [(&str, &[i64], usize); 9] = [
        ("none is given", &[], NONE),
        ("neither is set", &[0, 0], NONE),
        ("one is set", &[0, 10], 10),
        ("both are set", &[5, 10], 5),
        ("one is negative", &[-10, 10], 0),
        ("negative and not set", &[-10, 0], 0),
        ("both are negative", &[-10, -10], 0),
        ("one of them is -1", &[-1, 10], 0),
        ("nodes up to the limit", &[3], 3),
    ];
    for (name, limits, expected) in rows {
        for limits in [limits.to_vec(), limits.iter().rev().copied().collect()] {
            let limit = limits.iter().fold(NodeLimit::default(), |limit, one| limit.and(*one));
            let permitted = (0..20).take_while(|nodes| limit.permits(*nodes)).count();
            assert_eq!(permitted, expected.min(20), "{name}: {limits:?}");
        }
    }
}

/// Source: `TestPodPriorityProcessor` in `estimator/decreasing_pod_orderer_test.go`. The node has 4
/// milli-CPU and 600 bytes.
#[test]
fn pods_that_take_more_of_a_node_go_first() {
    let pods = [estimatee("1m", "1"), estimatee("2m", "1"), estimatee("2m", "100")];
    let rows: [(&str, &[usize], &[usize]); 4] = [
        ("a single one", &[0], &[0]),
        ("in order", &[2, 1, 0], &[2, 1, 0]),
        ("in disorder", &[0, 2, 1], &[2, 1, 0]),
        ("none", &[], &[]),
    ];
    for (name, given, expected) in rows {
        let groups: Vec<(usize, PodSpec)> =
            given.iter().map(|number| (1, pods[*number].clone())).collect();
        let (mut fixture, groups) = stage(&groups);
        let template = template(&mut fixture.cluster, sized("4m", "600", 10, "zone-sun"));
        let groups: Vec<&PodGroup> = groups.iter().collect();
        let ordered = in_order(&fixture.cluster, &groups, &template);
        let requests = |group: &PodGroup| fixture.cluster.cpu_and_memory(group.shape);
        let found: Vec<(i64, i64)> = ordered.iter().map(|group| requests(group)).collect();
        let expected: Vec<(i64, i64)> = expected
            .iter()
            .map(|number| (pods[*number].requests["cpu"], pods[*number].requests["memory"]))
            .collect();
        assert_eq!(found, expected, "{name}");
    }
}

/// Source: `TestBinpackingEstimate` in `estimator/binpacking_estimator_test.go`.
#[test]
fn estimates_are_those_of_upstreams_table() {
    let with_port = |mut spec: PodSpec| {
        let (ip, protocol) = ("0.0.0.0".to_owned(), "TCP".to_owned());
        spec.host_ports = vec![HostPort { ip, protocol, port: 5555 }];
        spec
    };
    let high = || (10, estimatee("500m", "1000"));
    let cases = [
        ("room alone", "1000m", "2000", 0, vec![(10, estimatee("350m", "1000"))]),
        ("pods per node", "10", "20000", 0, vec![(20, estimatee("10m", "100"))]),
        ("host ports", "1", "5000", 0, vec![(8, with_port(estimatee("200m", "1000")))]),
        ("limit", "1", "5000", 5, vec![(20, estimatee("500m", "1000"))]),
        ("large pods first", "1", "5000", 5, vec![(10, estimatee("50m", "1000")), high()]),
        (
            "by hostname",
            "1",
            "5000",
            0,
            vec![(8, spread(estimatee("200m", "200"), HOSTNAME, 2, 1))],
        ),
        ("by zone", "1", "5000", 0, vec![(8, spread(estimatee("20m", "100"), ZONE, 2, 1))]),
        (
            "too few hosts",
            "1",
            "5000",
            0,
            vec![(12, spread(estimatee("20m", "100"), HOSTNAME, 1, 3))],
        ),
    ];
    let mut report = String::new();
    for (name, cpu, memory, limit, groups) in cases {
        // Sizes of nodes are in Mi as in upstream's table; of pods in bytes.
        let bytes = |spec: &mut PodSpec| {
            let memory = spec.requests.get_mut("memory").expect("a request");
            *memory /= 1000;
        };
        let mut groups = groups;
        groups.iter_mut().for_each(|(_, spec)| bytes(spec));
        let (nodes, pods) = estimated(&groups, new_node(cpu, &format!("{memory}Mi")), limit);
        report.push_str(&format!("{name}: {nodes} nodes, pods {pods:?}\n"));
    }
    expect![[r#"
        room alone: 5 nodes, pods [10]
        pods per node: 2 nodes, pods [20]
        host ports: 8 nodes, pods [8]
        limit: 5 nodes, pods [10]
        large pods first: 5 nodes, pods [0, 10]
        by hostname: 4 nodes, pods [8]
        by zone: 1 nodes, pods [2]
        too few hosts: 3 nodes, pods [12]
    "#]]
    .assert_eq(&report);
}

/// Upstream counts nodes that were there among those that got a pod.
#[test]
fn pods_spread_by_hostname_fall_back_on_any_node_before_another_is_added() {
    let mut groups = vec![(3, spread(estimatee("60m", "1Mi"), HOSTNAME, 1, 1))];
    assert_eq!(
        estimated(&groups, new_node("1", "1Gi"), 0),
        (2, vec![3]),
        "one goes to the old node"
    );
    groups[0].1.requests.insert("cpu".to_owned(), 600);
    assert_eq!(
        estimated(&groups, new_node("1", "1Gi"), 0),
        (3, vec![3]),
        "no room is no unevenness"
    );
}

#[test]
fn one_pod_a_node_takes_a_node_for_every_pod() {
    let groups = [(30, alone(estimatee("50m", "1Mi"))), (10, alone(estimatee("95m", "2Mi")))];
    assert_eq!(estimated(&groups, new_node("1", "1Gi"), 0), (40, vec![30, 10]));
    assert_eq!(estimated(&groups, new_node("1", "1Gi"), 12), (12, vec![2, 10]));
}

/// Source: `tryFastPath` and `determineBestPEGToFastpath` in `estimator/binpacking_estimator.go`.
#[test]
fn the_fast_path_packs_the_pods_that_save_most_last_and_one_node_of_them() {
    let with_port = |mut spec: PodSpec| {
        let (ip, protocol) = ("0.0.0.0".to_owned(), "TCP".to_owned());
        spec.host_ports = vec![HostPort { ip, protocol, port: 5555 }];
        spec
    };
    let big = || (20, estimatee("600m", "1Mi"));
    let small = || (10, estimatee("300m", "1Mi"));
    let idle = |mut spec: PodSpec| {
        // What later containers ask for takes room, but does not count for the choice.
        spec.first_container_requests = (0, 0);
        spec
    };
    let cases = [
        ("one kind", 0, vec![(10, estimatee("350m", "1Mi"))]),
        ("small pods fill no gaps", 0, vec![big(), small()]),
        ("other containers", 0, vec![(20, idle(big().1)), small()]),
        ("limit", 12, vec![big(), small()]),
        ("host ports", 0, vec![(8, with_port(estimatee("200m", "1Mi")))]),
        ("one a node", 3, vec![(8, alone(estimatee("200m", "1Mi"))), small()]),
        ("spread", 0, vec![(8, spread(estimatee("200m", "1Mi"), HOSTNAME, 2, 1))]),
        ("too large", 0, vec![(3, estimatee("1100m", "1Mi"))]),
    ];
    let mut report = String::new();
    for (name, limit, groups) in cases {
        let plain = estimated(&groups, new_node("1", "1Gi"), limit);
        let fast = estimated_by(estimate_by_fast_path, &groups, new_node("1", "1Gi"), limit);
        report.push_str(&format!("{name}: {plain:?}, fast path {fast:?}\n"));
    }
    expect![[r#"
        one kind: (5, [10]), fast path (5, [10])
        small pods fill no gaps: (20, [20, 10]), fast path (23, [20, 10])
        other containers: (20, [20, 10]), fast path (20, [20, 10])
        limit: (12, [12, 10]), fast path (12, [9, 10])
        host ports: (8, [8]), fast path (8, [8])
        one a node: (3, [0, 9]), fast path (3, [0, 9])
        spread: (4, [8]), fast path (4, [8])
        too large: (0, [0]), fast path (0, [0])
    "#]]
    .assert_eq(&report);
}

/// A small generator of numbers: what is packed must not rest on chance.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[test]
fn packing_by_numbers_and_on_a_fork_come_to_the_same() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for case in 0..300 {
        let count = 1 + numbers.below(6);
        let groups: Vec<(usize, PodSpec)> = (0..count)
            .map(|_| {
                let cpu = format!("{}m", 10 + numbers.below(12) * 60);
                let memory = format!("{}Mi", 1 + numbers.below(9) * 40);
                let pods = usize::try_from(1 + numbers.below(40)).expect("few");
                (pods, estimatee(&cpu, &memory))
            })
            .collect();
        let limit = i64::try_from(numbers.below(12)).expect("few") - 1;
        let (mut fixture, groups) = stage(&groups);
        let template = template(&mut fixture.cluster, new_node("1", "512Mi"));
        if numbers.below(2) == 0 {
            fixture.cluster.remove_node(NodeId(0));
        }
        let now = fixture.now;
        let limit = NodeLimit::default().and(limit);
        let mut fork = fixture.cluster.fork();
        let groups: Vec<&PodGroup> = groups.iter().collect();
        let plain = Order { groups: in_order(&fork, &groups, &template), multiplies_last: false };
        let fast = in_fast_path_order(&fork, &groups, &template);
        assert!(fast.multiplies_last);
        for order in [plain, fast] {
            assert!(only_room_matters(&fork, &order.groups));
            let by_numbers = by_room::pack(&mut fork, &order, &template, limit, now);
            let on_fork = on_fork::pack(&mut fork, &order, &template, limit, now);
            assert_eq!(by_numbers, on_fork, "case {case}, fast path: {}", order.multiplies_last);
        }
    }
}
