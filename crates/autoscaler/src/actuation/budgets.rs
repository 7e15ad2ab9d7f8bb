//! How many deletions may be in progress.

use crate::settings::Settings;

/// How many of `empty` empty nodes and of `drains` nodes with pods may start now, when so many are in
/// progress: empty ones first, then drains from what is left.
#[must_use]
pub fn crop_to_budgets(
    settings: &Settings,
    in_progress: (usize, usize),
    empty: usize,
    drains: usize,
) -> (usize, usize) {
    let size = |flag: u32| usize::try_from(flag).expect("usize is at least 32 bits wide");
    let (empty_now, drains_now) = in_progress;
    let all = size(settings.max_scale_down_parallelism).saturating_sub(empty_now + drains_now);
    let for_drains = size(settings.max_drain_parallelism).saturating_sub(drains_now);
    let empty = empty.min(all);
    (empty, drains.min(for_drains).min(all - empty))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_nodes_go_first_and_drains_take_what_is_left() {
        let settings = Settings {
            max_scale_down_parallelism: 5,
            max_drain_parallelism: 2,
            ..Settings::default()
        };
        for (in_progress, empty, drains, expected) in [
            ((0, 0), 9, 9, (5, 0)),
            ((0, 0), 3, 9, (3, 2)),
            ((0, 0), 4, 9, (4, 1)),
            ((2, 1), 0, 9, (0, 1)),
            ((0, 2), 1, 9, (1, 0)),
            ((6, 2), 9, 9, (0, 0)),
        ] {
            assert_eq!(crop_to_budgets(&settings, in_progress, empty, drains), expected);
        }
    }
}
