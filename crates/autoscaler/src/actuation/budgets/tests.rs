//! Claims about budgets. Cases after `budgets_test.go` of release 1.36, with inputs of our own.

use super::*;

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

fn words(buckets: &[Bucket]) -> String {
    let word = |bucket: &Bucket| {
        let name = char::from_u32(bucket.group.0).expect("groups are letters");
        let batch = bucket.batch_size.map_or(String::new(), |size| format!("/{size}"));
        format!("{name}{}{batch}", bucket.nodes.len())
    };
    buckets.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Capital letters are atomic groups. Their size is all their nodes, unless `sizes` says
/// `(group, target, registered)`.
fn crop(
    limits: (u32, u32),
    in_progress: (usize, usize),
    empty: &str,
    drains: &str,
    sizes: &[(&str, usize, usize)],
) -> String {
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
    let (empty, drains) = crop_to_budgets(&settings, in_progress, &empty, &drains, &size_of);
    format!("{} | {}", words(&empty), words(&drains))
}

#[test]
fn empty_nodes_go_first_and_drains_take_what_is_left() {
    for (in_progress, empty, drains, expected) in [
        ((0, 0), "a9", "a9", "a5 | "),
        ((0, 0), "a3", "a9", "a3 | a2"),
        ((0, 0), "a4", "a9", "a4 | a1"),
        ((2, 1), "", "a9", " | a1"),
        ((0, 2), "a1", "a9", "a1 | "),
        ((6, 2), "a9", "a9", " | "),
    ] {
        assert_eq!(crop((5, 2), in_progress, empty, drains, &[]), expected);
    }
}

#[test]
fn one_group_is_used_up_before_the_next() {
    // Upstream puts nodes into buckets by group before it crops them.
    assert_eq!(crop((3, 1), (0, 0), "a1 b1 a2 b2", "", &[]), "a3 | ");
    assert_eq!(crop((5, 1), (0, 0), "a2 b2 c2", "", &[]), "a2 b2 c1 | ");
}

#[test]
fn atomic_groups_go_first_and_whole() {
    for (limits, in_progress, empty, drains, expected) in [
        // "empty&drain atomic nodes within max limits"
        ((10, 5), (0, 0), "A4", "A5", "A4/9 | A5/9"),
        ((10, 5), (0, 0), "a5 B4", "", "B4/4 a5 | "),
        // "empty regular and atomic nodes": what is left goes to single nodes.
        ((10, 5), (0, 0), "a8 B4", "", "B4/4 a6 | "),
        // "atomic nodes exceed the limit": one may, and nothing is left for others.
        ((10, 5), (0, 0), "A12 B3 c1", "", "A12/12 | "),
        // The second one may not.
        ((10, 5), (0, 0), "A4 B12 c9", "", "A4/4 c6 | "),
        // Nothing may overflow a budget that is used up.
        ((10, 5), (10, 0), "A4", "", " | "),
        // A drain budget that is too small but not used up is overflowed.
        ((10, 2), (0, 0), "", "A6 b1", " | A6/6"),
        // One that is used up is not, and smaller groups behind it have to wait as well.
        ((10, 2), (0, 2), "", "A1 b1", " | "),
        // "empty & drain atomic" where the drain budget is used up: nothing of the group goes.
        ((10, 1), (0, 1), "A2 b3", "A2", "b3 | "),
        // Single drains get what atomic drains leave.
        ((10, 5), (0, 0), "", "A3 b9", " | A3/3 b2"),
    ] {
        assert_eq!(crop(limits, in_progress, empty, drains, &[]), expected, "{empty} | {drains}");
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
        assert_eq!(crop((10, 10), (0, 0), empty, drains, &sizes), expected, "{empty} | {drains}");
    }
}
