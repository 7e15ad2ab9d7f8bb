//! What people see of the sample reports.

use expect_test::expect;

use super::super::sample::{empty, scale_ups, workday, workday_of_a_trace};
use super::render;

#[test]
fn one_strategy_reads_without_a_comparison() {
    expect![[r#"
        workday.yaml · 12h0m of 2 node groups, 14 deployments and 1 job · 2026-01-05 06:00 to
          18:00 UTC · seed 1
        strategy cluster-autoscaler

        cost                 $18.42
        node-hours             86.1
        pods created            412
        pods scheduled          412
        never scheduled           0
        pod wait, p50            0s
        pod wait, p90           64s
        pod wait, p99          131s
        pod wait, max          214s
        pod waits in all      2h32m
        scale-ups                14
        scale-downs              11
        evictions                 6
        CPU utilisation      70.1 %
        memory utilisation   40.0 %

                 06:00                                                          18:00
        nodes    ▃▃▃▃▃▃▃▃▄▄▄▄▄▄▄▄▄▄████████████████████▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▃▃▃▃▃▃▃  max 19
        pending  ▁▁▁▁▁▁▁▁▄▁▁▁▁▁▁▁▁▁██▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▂▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  max 31
                 a column is 10m35s and shows its maximum

        by node group
          workers-a     $12.85, 60.1 h, peak 12
          workers-b       $5.57, 26.0 h, peak 7

        longest waits, p50/max
          shop/web               10s/214s of 40 pods
          shop/api                  0s/60s of 9 pods

        backtest, replayed under the recorded settings against what happened
          nodes over time off by 3.1 % on average, median wait off by -1.5s, 91.2 % of pods in the
          group they really ran in

        taken for granted
          - Ties between equal nodes fall by the seeded rule of the scheduler.
    "#]]
    .assert_eq(&render(&workday()[..1], 90));
}

#[test]
fn two_strategies_stand_side_by_side() {
    expect![[r#"
        workday.yaml · 12h0m of 2 node groups, 14 deployments and 1 job · 2026-01-05 06:00 to 18:00 UTC ·
          seed 1

                             cluster-autoscaler   threshold
        cost                             $18.42      $23.10    +25.4 %
        node-hours                         86.1       108.3    +25.8 %
        pods created                        412         412          =
        pods scheduled                      412         409     -0.7 %
        never scheduled                       0           3         +3
        their waits in all                   0s      14h26m    +14h26m
        pod wait, p50                        0s          0s          =
        pod wait, p90                       64s        210s   +228.1 %
        pod wait, p99                      131s        402s   +206.9 %
        pod wait, max                      214s        655s   +206.1 %
        pod waits in all                  2h32m      11h23m   +349.6 %
        scale-ups                            14          31   +121.4 %
        scale-downs                          11          29   +163.6 %
        evictions                             6          40   +566.7 %
        CPU utilisation                  70.1 %      55.7 %   -14.4 pp
        memory utilisation               40.0 %      32.5 %    -7.5 pp

        never scheduled under threshold
          shop/batch (2 pods, such as shop/batch-1): no group has nvidia.com/gpu
          shop/report-7: no group has 32 cpu

                                    06:00                                                 18:00
        nodes    cluster-autoscaler ▂▂▂▂▂▂▂▄▄▄▄▄▄▄▄▄▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▃▃▃▃▃▃  max 19
                 threshold          ▂▂▂▂▂▂▂▃▃▄▄▄▄▄▄▄▄███████████████████████▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▂  max 24
        pending  cluster-autoscaler ▁▁▁▁▁▁▁▄▁▁▁▁▁▁▁▁▇▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▂▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  max 31
                 threshold          ▁▁▁▁▁▁▁▄▄▄▂▂▂▂▂▂██▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂  max 40
                                    a column is 12m12s and shows its maximum, on one scale for all strategies

        by node group        cluster-autoscaler                  threshold
          workers-a     $12.85, 60.1 h, peak 12   $23.10, 108.3 h, peak 24
          workers-b       $5.57, 26.0 h, peak 7                          -

        longest waits, p50/max    cluster-autoscaler             threshold
          shop/web               10s/214s of 40 pods   90s/655s of 38 pods
          shop/api                  0s/60s of 9 pods                     -

        what differs
          threshold costs $4.68 (25.4 %) more than cluster-autoscaler, with 22.2 more node-hours. Its pods
          wait longer: p99 402s against 131s. It never schedules 3 pods; cluster-autoscaler schedules every
          one. It evicts 40 pods against 6. Node counts differ for 87 % of the time, most at 16:40 (20
          against 4).

        backtest, replayed under the recorded settings against what happened
          nodes over time off by 3.1 % on average, median wait off by -1.5s, 91.2 % of pods in the group
          they really ran in

        taken for granted
          - Ties between equal nodes fall by the seeded rule of the scheduler.
          - threshold: The first nodes are those of the scenario <file> & no others.
    "#]].assert_eq(&render(&workday(), 100));
}

#[test]
fn three_strategies_that_are_too_wide_are_each_held_against_the_first() {
    let mut reports = workday();
    reports.push(reports[0].clone());
    reports[2].totals.cost = None;
    let text = render(&reports, 70);
    let totals: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("cluster-autoscaler") || line.starts_with("cost"))
        .take(4)
        .collect();
    expect![[r#"
                             cluster-autoscaler   threshold
        cost                             $18.42      $23.10    +25.4 %
                             cluster-autoscaler   cluster-autoscaler #2
        cost                             $18.42               not known"#]]
    .assert_eq(&totals.join("\n"));
}

#[test]
fn bursts_of_scale_ups_stand_beside_the_recorded_ones() {
    expect![[r#"
        gardener.db · 12h0m of 0 node groups and 0 pods · 2026-01-05 06:00 to 18:00 UTC · seed 1 · scale-ups
          mode
        strategy cluster-autoscaler

        cluster-autoscaler: 1 of 2 bursts of scale-ups as recorded (50.0 %)
          at (UTC)              pending     recorded   cluster-autoscaler
          2026-01-05 06:10:00         7         a +2                 a +2      same
          2026-01-05 06:25:00        40   a +1, b +3                 b +4   differs
    "#]].assert_eq(&render(&[scale_ups()], 100));
    expect![[r#"
        gardener.db · 12h0m of 0 node groups and 0 pods · 2026-01-05
          06:00 to 18:00 UTC · seed 1 · scale-ups mode
        strategy cluster-autoscaler

        cluster-autoscaler: 1 of 2 bursts of scale-ups as recorded (50.0 %)
          2026-01-05 06:10:00 UTC, 7 pending pods: same
            recorded            a +2
          2026-01-05 06:25:00 UTC, 40 pending pods: differs
            recorded            a +1, b +3
            cluster-autoscaler  b +4
    "#]]
    .assert_eq(&render(&[scale_ups()], 60));
}

#[test]
fn a_report_in_which_nothing_happened_is_still_a_report() {
    let mut report = empty("nothing.db", "recorded");
    report.end_time = report.start_time;
    expect![[r#"
        nothing.db · 0s of 0 node groups and 0 pods · 2026-01-05 06:00 to 06:00 UTC ·
          seed 1
        strategy recorded

        cost                 not recorded
        node-hours           not recorded
        pods created                    0
        pods scheduled                  0
        never scheduled                 0
        pod wait, p50                  0s
        pod wait, p90                  0s
        pod wait, p99                  0s
        pod wait, max                  0s
        pod waits in all               0s
        scale-ups            not recorded
        scale-downs          not recorded
        evictions            not recorded
        CPU utilisation      not recorded
        memory utilisation   not recorded
    "#]]
    .assert_eq(&render(&[report], 80));
    assert_eq!(render(&[], 80), "");
}

#[test]
fn the_same_reports_give_the_same_text() {
    assert_eq!(render(&workday(), 97), render(&workday(), 97));
}

#[test]
fn what_was_not_recorded_is_said_and_never_compared() {
    expect![[r#"
        workday.yaml · 12h0m of 2 node groups, 14 deployments and 1 job · 2026-01-05 06:00 to 18:00 UTC ·
          seed 1

                                 recorded   cluster-autoscaler              threshold
        cost                 not recorded               $18.42                 $23.10      +25.4 %
        node-hours           not recorded                 86.1                  108.3      +25.8 %
        pods created                  412                  412          =         412            =
        pods scheduled                412                  412          =         409       -0.7 %
        never scheduled                 0                    0          =           3           +3
        their waits in all             0s                   0s          =      14h26m      +14h26m
        pod wait, p50                  0s                   0s          =          0s            =
        pod wait, p90                 20s                  64s   +220.0 %        210s     +950.0 %
        pod wait, p99                 60s                 131s   +118.3 %        402s     +570.0 %
        pod wait, max                 90s                 214s   +137.8 %        655s     +627.8 %
        pod waits in all            50m0s                2h32m   +204.0 %      11h23m   +1,266.7 %
        scale-ups            not recorded                   14                     31     +121.4 %
        scale-downs          not recorded                   11                     29     +163.6 %
        evictions            not recorded                    6                     40     +566.7 %
        CPU utilisation      not recorded               70.1 %                 55.7 %     -14.4 pp
        memory utilisation   not recorded               40.0 %                 32.5 %      -7.5 pp

        never scheduled under threshold
          shop/batch (2 pods, such as shop/batch-1): no group has nvidia.com/gpu
          shop/report-7: no group has 32 cpu

                                    06:00                                                 18:00
        nodes    recorded           not recorded
                 cluster-autoscaler ▂▂▂▂▂▂▂▄▄▄▄▄▄▄▄▄▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▃▃▃▃▃▃  max 19
                 threshold          ▂▂▂▂▂▂▂▃▃▄▄▄▄▄▄▄▄███████████████████████▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▂  max 24
        pending  recorded           ▁▁▁▁▁▁▁▄▁▁▁▁▁▁▁▁▇▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▂▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  max 31
                 cluster-autoscaler ▁▁▁▁▁▁▁▄▁▁▁▁▁▁▁▁▇▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▂▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  max 31
                 threshold          ▁▁▁▁▁▁▁▄▄▄▂▂▂▂▂▂██▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂  max 40
                                    a column is 12m12s and shows its maximum, on one scale for all strategies

        by node group   recorded        cluster-autoscaler                  threshold
          workers-a            -   $12.85, 60.1 h, peak 12   $23.10, 108.3 h, peak 24
          workers-b            -     $5.57, 26.0 h, peak 7                          -

        longest waits, p50/max              recorded    cluster-autoscaler             threshold
          shop/web               10s/214s of 40 pods   10s/214s of 40 pods   90s/655s of 38 pods
          shop/api                  0s/60s of 9 pods      0s/60s of 9 pods                     -

        what differs
          recorded tells of no nodes and no cost; cluster-autoscaler runs 86.1 node-hours for $18.42. Its
          pods wait longer: p99 131s against 60s under recorded.
          threshold costs $4.68 (25.4 %) more than cluster-autoscaler, with 22.2 more node-hours. Its pods
          wait longer: p99 402s against 60s under recorded. It never schedules 3 pods; recorded schedules
          every one. It evicts 40 pods against 6 under cluster-autoscaler. Node counts differ for 87 % of
          the time, most at 16:40 (20 against 4 under cluster-autoscaler).

        backtest, replayed under the recorded settings against what happened
          nodes over time off by 3.1 % on average, median wait off by -1.5s, 91.2 % of pods in the group
          they really ran in

        taken for granted
          - Ties between equal nodes fall by the seeded rule of the scheduler.
          - threshold: The first nodes are those of the scenario <file> & no others.
    "#]]
    .assert_eq(&render(&workday_of_a_trace(), 100));
}
