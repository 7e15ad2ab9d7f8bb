//! What the page promises.

use expect_test::expect;
use plimsoll_core::SimDuration;

use super::super::model::{LoopDecision, SeriesPoint};
use super::super::sample::{empty, scale_ups, workday, workday_of_a_trace};
use super::render;

#[test]
fn the_page_needs_nothing_from_anywhere() {
    for page in [render(&workday()), render(&workday()[..1]), render(&[scale_ups()])] {
        for reference in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"]
        {
            assert!(!page.contains(reference), "{reference}");
        }
    }
}

#[test]
fn the_same_reports_give_the_same_page() {
    assert_eq!(render(&workday()), render(&workday()));
}

#[test]
fn names_from_a_recording_never_become_markup() {
    let mut reports = workday();
    reports[0].source = "<i>x</i>.db".to_owned();
    reports[0].strategy = "a\"><script>alert(1)</script>".to_owned();
    reports[1].never_scheduled[0].reason = "<b>".to_owned();
    reports[1].waits_by_owner[0].owner = "<u>".to_owned();
    reports[0].decisions[0].reasons[0] = "<s>".to_owned();
    reports[0].decisions[1].scale_downs[0].moves[0] = "\"<q>".to_owned();
    reports[0].groups[0].group = "<em>".to_owned();
    let page = render(&reports);
    for tag in ["<i>", "<script", "<b>", "<u>", "<s>", "<q>", "<em>", "<file>"] {
        assert!(!page.contains(tag), "{tag}");
    }
}

#[test]
fn charts_draw_each_strategy_and_tell_values_on_hover() {
    let page = render(&workday());
    assert_eq!(page.matches("<svg").count(), 3);
    let curves: Vec<&str> =
        page.lines().filter(|line| line.contains("class=\"curve k")).take(2).collect();
    expect![[r#"
        <path class="curve k0" d="M62 179.2H187.6V141.2H338.1V57.6H614.2V118.4H945.5V171.6H1056"/>
        <path class="curve k1" d="M62 179.2H193.1V171.6H227.6V133.6H358.8V19.6H724.6V50H1028.3V179.2H1056"/>"#]].assert_eq(&curves.join("\n"));
    let bands: Vec<&str> = page.lines().skip_while(|l| !l.contains("09:20 to")).take(3).collect();
    expect![[r#"
        <rect class="band" x="338.1" y="12" width="5.5" height="190"><title>2026-01-05 09:20 to 09:24 UTC
        cluster-autoscaler: 19, ready 8 to 19
        threshold: 9, ready 9</title></rect>"#]].assert_eq(&bands.join("\n"));
}

#[test]
fn a_report_without_prices_has_no_cost_chart() {
    let mut reports = workday();
    for point in reports.iter_mut().flat_map(|report| &mut report.series) {
        point.cost_per_hour = None;
    }
    assert_eq!(render(&reports).matches("<svg").count(), 2);
}

#[test]
fn an_empty_report_an_empty_window_and_no_report_are_pages() {
    let mut report = empty("nothing.db", "recorded");
    assert_eq!(render(std::slice::from_ref(&report)).matches("<svg").count(), 0);
    report.end_time = report.start_time;
    report.series = vec![SeriesPoint {
        time: report.start_time,
        nodes: 2,
        ready_nodes: 2,
        pending_pods: 0,
        cost_per_hour: None,
    }];
    assert_eq!(render(&[report]).matches("class=\"band\"").count(), 2);
    assert!(render(&[]).contains("no report"));
}

#[test]
fn long_lists_and_series_stay_small_and_say_what_they_leave_out() {
    let mut report = workday().swap_remove(0);
    let decision: LoopDecision = report.decisions[0].clone();
    report.decisions = vec![decision; 5_000];
    let start = report.start_time;
    let point = |index: u32| SeriesPoint {
        time: start + SimDuration(i64::from(index) * 400),
        nodes: index % 17,
        ready_nodes: index % 13,
        pending_pods: index % 101,
        cost_per_hour: None,
    };
    report.series = (0..100_000).map(point).collect();
    let page = render(&[report]);
    assert!(page.contains("5,000 loops that did something, the first 400 of 5,000 loops"));
    assert!(page.len() < 400_000, "{}", page.len());
}

#[test]
fn what_was_not_recorded_is_neither_drawn_nor_compared() {
    let page = render(&workday_of_a_trace());
    let nodes = page.split("<figure>").nth(1).expect("the chart of nodes");
    assert!(!nodes.contains("class=\"curve k0\"") && nodes.contains("class=\"curve k1\""));
    assert!(page.contains("<div class=\"big\">not recorded</div>"));
    let totals = page.split("<h2>").find(|part| part.starts_with("Totals"));
    let totals = totals.expect("the table of totals");
    assert!(!totals.contains("-100.0 %") && !totals.contains("$0.00"));
    assert!(totals.contains("+25.4 %"));
}
