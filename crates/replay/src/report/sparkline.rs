//! Charts of one line of text.

use super::step_series::Slice;

/// The eight heights, lowest first.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One character per slice, its height the slice's maximum against `top`.
///
/// The lowest bar means 0 and nothing else: any positive value is drawn higher, so that a single
/// pending pod beside a peak of thousands is still seen. Values above `top` are drawn as `top`.
#[must_use]
pub fn sparkline(slices: &[Slice], top: i64) -> String {
    slices.iter().map(|slice| bar(slice.max, top)).collect()
}

fn bar(value: i64, top: i64) -> char {
    if value <= 0 || top <= 0 {
        return BARS[0];
    }
    let steps = BARS.len() as i128 - 1;
    let (value, top) = (i128::from(value.min(top)), i128::from(top));
    let height = (value * steps + top - 1) / top;
    usize::try_from(height).map_or(BARS[0], |height| BARS[height.min(BARS.len() - 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slices(values: &[i64]) -> Vec<Slice> {
        values.iter().map(|&v| Slice { first: v, min: 0, max: v, last: v }).collect()
    }

    #[test]
    fn the_lowest_bar_is_zero_and_the_full_bar_is_the_top() {
        assert_eq!(sparkline(&slices(&[0, 1, 500, 1000, 2000]), 1000), "▁▂▅██");
        assert_eq!(sparkline(&slices(&[0, 1, 2, 3, 4, 5, 6, 7]), 7), "▁▂▃▄▅▆▇█");
    }

    #[test]
    fn all_equal_is_full_and_nothing_at_all_is_flat() {
        assert_eq!(sparkline(&slices(&[5, 5, 5]), 5), "███");
        assert_eq!(sparkline(&slices(&[0, 0]), 0), "▁▁");
        assert_eq!(sparkline(&[], 3), "");
    }
}
