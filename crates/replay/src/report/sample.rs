//! Small made-up reports for the tests of this module.

use std::collections::BTreeMap;

use plimsoll_core::{SimDuration, SimTime};

use super::explanations::Explanations;
use super::model::{
    API_VERSION, Backtest, GroupScaleUp, GroupTotals, LoopDecision, NeverScheduled, NodeScaleDown,
    OwnerWaits, REPLAY_REPORT_KIND, ReplayMode, ReplayReport, ScaleUpBurst, SeriesPoint, Totals,
};
use super::money::MicroUsd;
use super::pending::PendingSeconds;
use super::seconds::Seconds;
use super::snapshot::{ClusterSnapshot, SnapshotNode, SnapshotNodeGroup, SnapshotTaint};

/// A working day under two strategies.
pub(super) fn workday() -> Vec<ReplayReport> {
    vec![cluster_autoscaler(), threshold()]
}

/// A working day of which nobody recorded the nodes, and what two strategies make of it.
pub(super) fn workday_of_a_trace() -> Vec<ReplayReport> {
    let mut recorded = cluster_autoscaler();
    recorded.strategy = "recorded".to_owned();
    let pending_seconds = pending(3_000, 0, 20, 60, 90);
    let counts = recorded.totals;
    recorded.totals = Totals {
        pods_created: counts.pods_created,
        pods_scheduled: counts.pods_scheduled,
        pending_seconds,
        ..Totals::default()
    };
    recorded.groups.clear();
    recorded.backtest = None;
    for point in &mut recorded.series {
        *point = SeriesPoint { nodes: 0, ready_nodes: 0, cost_per_hour: None, ..*point };
    }
    vec![recorded, cluster_autoscaler(), threshold()]
}

/// Two recorded bursts of scale-ups, of which one is repeated.
pub(super) fn scale_ups() -> ReplayReport {
    let groups = |list: &[(&str, u32)]| {
        list.iter().map(|(group, nodes)| ((*group).to_owned(), *nodes)).collect::<BTreeMap<_, _>>()
    };
    let mut report = empty("gardener.db", "cluster-autoscaler");
    report.mode = ReplayMode::ScaleUps;
    report.scale_up_bursts = vec![
        ScaleUpBurst::new(at(10), 7, groups(&[("a", 2)]), groups(&[("a", 2), ("b", 0)])),
        ScaleUpBurst::new(at(25), 40, groups(&[("a", 1), ("b", 3)]), groups(&[("b", 4)])),
    ];
    report
}

/// A report in which nothing is.
pub(super) fn empty(source: &str, strategy: &str) -> ReplayReport {
    ReplayReport {
        api_version: API_VERSION.to_owned(),
        kind: REPLAY_REPORT_KIND.to_owned(),
        source: source.to_owned(),
        strategy: strategy.to_owned(),
        mode: ReplayMode::Timeline,
        seed: 1,
        workloads: BTreeMap::new(),
        start_time: at(0),
        end_time: at(12 * 60),
        batch_interval: SimDuration::from_secs(10),
        start: ClusterSnapshot::default(),
        end: ClusterSnapshot::default(),
        scaled_up_node_groups: BTreeMap::new(),
        scaled_up_nodes: Vec::new(),
        deployed_pods: Vec::new(),
        totals: Totals::default(),
        groups: Vec::new(),
        series: Vec::new(),
        decisions: Vec::new(),
        never_scheduled: Vec::new(),
        waits_by_owner: Vec::new(),
        scale_up_bursts: Vec::new(),
        backtest: None,
        assumptions: Vec::new(),
        explanations: Explanations::default(),
    }
}

/// That many minutes after six on a Monday.
fn at(minutes: i64) -> SimTime {
    SimTime(1_767_592_800_000) + SimDuration::from_mins(minutes)
}

fn dollars(cents: i64) -> Option<MicroUsd> {
    Some(MicroUsd(cents * 10_000))
}

fn pending(sum: i64, p50: i64, p90: i64, p99: i64, max: i64) -> PendingSeconds {
    let seconds = |seconds: i64| Seconds(seconds * 1000);
    PendingSeconds {
        sum: seconds(sum),
        p50: seconds(p50),
        p90: seconds(p90),
        p99: seconds(p99),
        max: seconds(max),
    }
}

/// One point for each `(minute, nodes, ready nodes, pending pods)`, at 21.4 cents per node-hour.
fn series(points: &[(i64, u32, u32, u32)]) -> Vec<SeriesPoint> {
    let point = |&(minute, nodes, ready_nodes, pending_pods): &(i64, u32, u32, u32)| SeriesPoint {
        time: at(minute),
        nodes,
        ready_nodes,
        pending_pods,
        cost_per_hour: Some(MicroUsd(i64::from(nodes) * 214_000)),
    };
    points.iter().map(point).collect()
}

fn owner(name: &str, pods: u64, waits: PendingSeconds) -> OwnerWaits {
    OwnerWaits {
        owner: name.to_owned(),
        pods_scheduled: pods,
        pods_never_scheduled: 0,
        pending_seconds: waits,
    }
}

fn group(name: &str, node_hours: f64, cents: i64, peak_nodes: u64) -> GroupTotals {
    GroupTotals {
        group: name.to_owned(),
        node_hours,
        cost: dollars(cents),
        peak_nodes,
        scale_ups: 7,
        scale_downs: 5,
    }
}

fn start() -> ClusterSnapshot {
    let node_group = |name: &str| SnapshotNodeGroup {
        name: name.to_owned(),
        min_size: 1,
        max_size: 20,
        target_size: 1,
        instance_type: Some("m5.xlarge".to_owned()),
        price_per_hour: Some(MicroUsd(214_000)),
        ..SnapshotNodeGroup::default()
    };
    let map = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    ClusterSnapshot {
        nodes: vec![SnapshotNode {
            name: "workers-a-1".to_owned(),
            group: Some("workers-a".to_owned()),
            labels: map("kubernetes.io/arch", "amd64"),
            taints: vec![SnapshotTaint {
                key: "dedicated".to_owned(),
                value: "web".to_owned(),
                effect: "NoSchedule".to_owned(),
            }],
            allocatable: map("cpu", "3920m"),
            ready: true,
            creation_timestamp: None,
        }],
        node_groups: vec![node_group("workers-a"), node_group("workers-b")],
        ..ClusterSnapshot::default()
    }
}

fn cluster_autoscaler() -> ReplayReport {
    let mut report = empty("workday.yaml", "cluster-autoscaler");
    report.start = start();
    report.workloads = BTreeMap::from([("Deployment".to_owned(), 14), ("Job".to_owned(), 1)]);
    report.totals = Totals {
        node_hours: 86.075,
        cost: dollars(1842),
        pods_created: 412,
        pods_scheduled: 412,
        pods_never_scheduled: 0,
        pending_seconds: pending(9_120, 0, 64, 131, 214),
        still_pending_seconds: Seconds(0),
        scale_ups: 14,
        scale_downs: 11,
        evictions: 6,
        cpu_utilization: 0.7013,
        memory_utilization: 0.4,
    };
    report.groups = vec![group("workers-a", 60.05, 1285, 12), group("workers-b", 26.025, 557, 7)];
    report.series = series(&[
        (0, 3, 3, 0),
        (90, 3, 3, 12),
        (91, 8, 3, 12),
        (93, 8, 8, 0),
        (200, 19, 8, 31),
        (202, 19, 19, 0),
        (400, 11, 11, 0),
        (520, 11, 11, 1),
        (521, 11, 11, 0),
        (640, 4, 4, 0),
    ]);
    report.decisions = vec![
        LoopDecision {
            time: at(91),
            scale_ups: vec![GroupScaleUp { group: "workers-a".to_owned(), from: 3, to: 8 }],
            scale_downs: Vec::new(),
            reasons: vec!["12 pods of shop/web fit no node".to_owned()],
        },
        LoopDecision {
            time: at(400),
            scale_ups: Vec::new(),
            scale_downs: vec![NodeScaleDown {
                node: "workers-a-9".to_owned(),
                group: "workers-a".to_owned(),
                reason: "underutilized".to_owned(),
                moves: vec!["shop/web-1".to_owned()],
                removed_at: Some(at(401)),
            }],
            reasons: vec!["unneeded for 10m0s".to_owned()],
        },
    ];
    report.waits_by_owner = vec![
        owner("shop/web", 40, pending(9_000, 10, 64, 131, 214)),
        owner("shop/api", 9, pending(120, 0, 9, 60, 60)),
    ];
    report.backtest = Some(Backtest {
        node_count_mape: Some(0.031),
        pending_seconds_p50_error: -1.5,
        placement_agreement: Some(0.912),
    });
    report.assumptions =
        vec!["Ties between equal nodes fall by the seeded rule of the scheduler.".to_owned()];
    report
}

fn threshold() -> ReplayReport {
    let mut report = cluster_autoscaler();
    report.strategy = "threshold".to_owned();
    report.totals = Totals {
        node_hours: 108.3,
        cost: dollars(2310),
        pods_created: 412,
        pods_scheduled: 409,
        pods_never_scheduled: 3,
        pending_seconds: pending(41_000, 0, 210, 402, 655),
        still_pending_seconds: Seconds(52_000_500),
        scale_ups: 31,
        scale_downs: 29,
        evictions: 40,
        cpu_utilization: 0.5574,
        memory_utilization: 0.325,
    };
    report.groups = vec![group("workers-a", 108.3, 2310, 24)];
    report.series = series(&[
        (0, 3, 3, 0),
        (90, 3, 3, 12),
        (95, 4, 3, 12),
        (120, 9, 9, 2),
        (200, 9, 9, 40),
        (215, 24, 24, 2),
        (480, 20, 20, 2),
        (700, 3, 3, 2),
    ]);
    let never = |owner: &str, reason: &str, pods: &[&str]| NeverScheduled {
        owner: owner.to_owned(),
        reason: reason.to_owned(),
        pods: pods.iter().map(|pod| (*pod).to_owned()).collect(),
    };
    report.never_scheduled = vec![
        never("shop/batch", "no group has nvidia.com/gpu", &["shop/batch-1", "shop/batch-2"]),
        never("shop/report", "no group has 32 cpu", &["shop/report-7"]),
    ];
    report.waits_by_owner = vec![owner("shop/web", 38, pending(40_000, 90, 210, 402, 655))];
    report
        .assumptions
        .push("The first nodes are those of the scenario <file> & no others.".to_owned());
    report
}
