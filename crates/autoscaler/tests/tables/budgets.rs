//! How many deletions may start. Source: `core/scaledown/budgets/budgets_test.go`.

use plimsoll_autoscaler::Settings;
use plimsoll_autoscaler::actuation::{Bucket, GroupSize, crop_to_budgets};
use plimsoll_core::ids::{GroupId, NodeId};

/// `(group, target, registered)` of atomic groups.
type Sizes<'a> = &'a [(&'a str, usize, usize)];

/// Its name, the deletions in progress (of empty nodes, with a drain), the nodes that are empty and
/// those to drain, the sizes of groups that have other nodes too, and which go.
type Row<'a> = (&'a str, (usize, usize), &'a str, &'a str, Sizes<'a>, &'a str);

/// `a4` for the first four nodes of group `a`, `B3` for three nodes of the atomic group `B`.
fn nodes(words: &str, first: u32) -> Vec<(NodeId, GroupId)> {
    let mut nodes = Vec::new();
    for word in words.split_whitespace() {
        let (group, count) = word.split_at(1);
        for number in 0..count.parse::<u32>().expect("a number") {
            nodes.push((NodeId(first + number), group_named(group)));
        }
    }
    nodes
}

fn group_named(name: &str) -> GroupId {
    GroupId(u32::from(name.as_bytes()[0]))
}

/// The buckets in the same words; those that go in one batch with its size behind a stroke.
fn words(buckets: &[Bucket]) -> String {
    let word = |bucket: &Bucket| {
        let name = char::from_u32(bucket.group.0).expect("groups are letters");
        let batch = bucket.batch_size.map_or(String::new(), |size| format!("/{size}"));
        format!("{name}{}{batch}", bucket.nodes.len())
    };
    buckets.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Capital letters are atomic groups. Their size is all their nodes, unless `sizes` says otherwise.
fn crop(
    limits: (u32, u32),
    in_progress: (usize, usize),
    empty: &str,
    drains: &str,
    sizes: Sizes<'_>,
) -> (Vec<Bucket>, Vec<Bucket>) {
    let settings = Settings {
        max_scale_down_parallelism: limits.0,
        max_drain_parallelism: limits.1,
        ..Settings::default()
    };
    let (empty, drains) = (nodes(empty, 0), nodes(drains, 100));
    let size_of = |group: GroupId| {
        let all = empty.iter().chain(&drains).filter(|(_, one)| *one == group).count();
        let said = sizes.iter().find(|(name, _, _)| group_named(name) == group);
        let (target, registered) = said.map_or((all, all), |(_, target, nodes)| (*target, *nodes));
        let is_atomic = char::from_u32(group.0).is_some_and(char::is_uppercase);
        GroupSize { is_atomic, target, registered }
    };
    crop_to_budgets(&settings, in_progress, &empty, &drains, &size_of)
}

fn both((empty, drains): &(Vec<Bucket>, Vec<Bucket>)) -> String {
    format!("{} | {}", words(empty), words(drains))
}

/// Ten deletions at most, five of them with a drain. Batches are not looked at.
fn check(rows: &[Row<'_>]) {
    let mut wrong = Vec::new();
    for (name, in_progress, empty, drains, sizes, expected) in rows {
        let mut found = crop((10, 5), *in_progress, empty, drains, sizes);
        for bucket in found.0.iter_mut().chain(&mut found.1) {
            bucket.batch_size = None;
        }
        let found = both(&found);
        if found != *expected {
            wrong.push(format!("{name}: {found}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `TestCropNodesToBudgets`, "Empty nodes only".
#[test]
fn empty_nodes_within_the_budget_of_all() {
    check(&[
        ("no nodes", (0, 0), "", "", &[], " | "),
        ("within the limit", (0, 0), "a10", "", &[], "a10 | "),
        ("more than the limit", (0, 0), "a11", "", &[], "a10 | "),
        ("an atomic group above the limit", (0, 0), "A11", "", &[], "A11 | "),
        ("ordinary and atomic", (0, 0), "a8 A3", "", &[], "A3 a7 | "),
        ("two atomic groups", (0, 0), "a3 A8 B3", "", &[], "A8 a2 | "),
        ("in progress, within the limit", (1, 1), "a8", "", &[], "a8 | "),
        ("in progress, above the limit", (1, 1), "a10", "", &[], "a8 | "),
        ("in progress, atomic above the limit", (3, 3), "A8", "", &[], "A8 | "),
        ("nothing left", (5, 5), "a10", "", &[], " | "),
        ("nothing left for an atomic group", (5, 5), "A3", "", &[], " | "),
        ("less than nothing left", (50, 50), "a10", "", &[], " | "),
    ]);
}

/// `TestCropNodesToBudgets`, "Drain nodes only".
#[test]
fn drains_within_both_budgets() {
    check(&[
        ("within the limit", (0, 0), "", "a5", &[], " | a5"),
        ("two groups", (0, 0), "", "a5 b5", &[], " | a5"),
        ("more than the limit", (0, 0), "", "a6", &[], " | a5"),
        ("an atomic group above the limit", (0, 0), "", "A8", &[], " | A8"),
        ("ordinary and atomic", (0, 0), "", "a3 A3", &[], " | A3 a2"),
        ("two atomic groups", (0, 0), "", "a3 A3 B4", &[], " | A3 a2"),
        ("in progress, within the limit", (1, 2), "", "a3", &[], " | a3"),
        ("in progress, above the limit", (1, 2), "", "a5", &[], " | a3"),
        ("in progress, atomic above the limit", (1, 2), "", "A4", &[], " | A4"),
        ("no drain left", (1, 5), "", "a5", &[], " | "),
        ("no drain left for an atomic group", (1, 5), "", "A4", &[], " | "),
        ("less than no drain left", (1, 50), "", "a5", &[], " | "),
        ("the limit of all is smaller", (7, 1), "", "a4", &[], " | a2"),
        ("nothing of all left", (10, 0), "", "a4", &[], " | "),
        ("less than nothing of all left", (50, 0), "", "a4", &[], " | "),
    ]);
}

/// `TestCropNodesToBudgets`, "Empty and drain nodes together", with nothing in progress.
#[test]
fn empty_nodes_and_drains_within_both_budgets() {
    check(&[
        ("within the limits", (0, 0), "a5", "b5", &[], "a5 | b5"),
        ("atomic groups within the limits", (0, 0), "A3", "B4", &[], "A3 | B4"),
        ("above the limit of all", (0, 0), "a8", "b8", &[], "a8 | b2"),
        ("atomic groups above the limit of all", (0, 0), "A8", "B4", &[], "A8 | "),
        ("one atomic group within the limit of all", (0, 0), "A5", "A3", &[], "A5 | A3"),
        ("one atomic group above the limit of all", (0, 0), "A8", "A3", &[], "A8 | A3"),
        ("one atomic group above the limit of drains", (0, 0), "A2", "A6", &[], "A2 | A6"),
        ("not all that registered", (0, 0), "A2", "A2", &[("A", 8, 8)], " | "),
        ("all that registered", (0, 0), "A2", "A2", &[("A", 8, 4)], "A2 | A2"),
        ("atomic groups above the limit of drains", (0, 0), "A4", "B8", &[], "A4 | "),
        ("ordinary ones beside them", (0, 0), "a5 A3", "B8", &[], "A3 a5 | "),
        ("one atomic group leaves nothing", (0, 0), "a5 A8", "A3", &[], "A8 | A3"),
        ("only one may be too large", (0, 0), "a5 A5 B8", "B3 A3", &[], "A5 a2 | A3"),
        ("the first that is too large", (0, 0), "A3 B2 C11", "B2", &[], "A3 B2 | B2"),
        ("an atomic drain goes before empty nodes", (0, 0), "a5", "A8", &[], "a2 | A8"),
        ("above the limit of drains", (0, 0), "a2", "b8", &[], "a2 | b5"),
    ]);
}

/// `TestCropNodesToBudgets`, "Empty and drain nodes together", with deletions in progress.
#[test]
fn what_is_in_progress_counts_against_both_budgets() {
    check(&[
        ("nothing of all left", (10, 0), "a5", "b5", &[], " | "),
        ("nothing of all left, atomic", (10, 0), "A4", "B3", &[], " | "),
        ("nothing of all left, one atomic group", (10, 0), "A4", "A4", &[], " | "),
        ("less than nothing of all left", (50, 0), "a5", "b5", &[], " | "),
        ("no drain left", (0, 5), "a5", "b5", &[], "a5 | "),
        ("no drain left, atomic", (0, 5), "A4", "B3", &[], "A4 | "),
        ("less than no drain left", (0, 9), "a5", "b5", &[], "a1 | "),
        ("room for empty nodes only", (5, 3), "a5", "b2", &[], "a2 | "),
        ("room for one of each", (5, 3), "a1", "b2", &[], "a1 | b1"),
        ("above the limit of drains", (1, 3), "a4", "b5", &[], "a4 | b2"),
        ("room for an empty atomic group only", (5, 2), "A4", "B3", &[], "A4 | "),
        ("room for one atomic group", (5, 2), "A2", "A1", &[], "A2 | A1"),
        ("one atomic group above the limit of all", (5, 2), "A6", "A2", &[], "A6 | A2"),
        ("one atomic group above the limit of drains", (2, 2), "A1", "A4", &[], "A1 | A4"),
        ("of all kinds the empty atomic group", (5, 2), "a4 A4", "b4 B3", &[], "A4 | "),
        ("of all kinds the one atomic group", (5, 2), "a4 A2", "b4 A2", &[], "A2 | A2"),
        ("what the atomic group leaves", (2, 2), "a4 A2", "b4 A2", &[], "A2 a2 | A2"),
    ]);
}

/// Upstream puts nodes into buckets by group before it crops them.
#[test]
fn one_group_is_used_up_before_the_next() {
    assert_eq!(both(&crop((3, 1), (0, 0), "a1 b1 a2 b2", "", &[])), "a3 | ");
    assert_eq!(both(&crop((5, 1), (0, 0), "a2 b2 c2", "", &[])), "a2 b2 c1 | ");
}

#[test]
fn behind_an_atomic_group_without_a_budget_smaller_ones_wait_too() {
    for (limits, in_progress, empty, drains, expected) in [
        ((10, 5), (0, 0), "A4 B12 C1 c9", "", "A4/4 c6 | "),
        ((10, 2), (0, 2), "", "A3 B1 b1", " | "),
        ((10, 1), (0, 1), "A2 b3", "A2", "b3 | "),
    ] {
        assert_eq!(both(&crop(limits, in_progress, empty, drains, &[])), expected);
    }
}

#[test]
fn a_part_of_an_atomic_group_does_not_go() {
    for (sizes, empty, drains, expected) in [
        // Neither as many as were asked for nor as many as registered.
        ((5, 5), "A3", "", " | "),
        ((5, 5), "A2", "A2", " | "),
        ((5, 5), "", "A4", " | "),
        // All that registered; the machine that never did is not waited for.
        ((5, 4), "A4", "", "A4/4 | "),
        ((5, 4), "", "A4", " | A4/4"),
        // With drains beside empty nodes it is waited for all the same.
        ((5, 4), "A2", "A2", "A2/5 | A2/5"),
    ] {
        let sizes = [("A", sizes.0, sizes.1)];
        let found = both(&crop((10, 10), (0, 0), empty, drains, &sizes));
        assert_eq!(found, expected, "{empty} | {drains}");
    }
}
