//! The names nearest to one that is unknown.

/// So many names are worth offering.
const OFFERED_NAMES: usize = 3;

/// The known names nearest to `unknown` by edit distance (letter case does not count), at most
/// three, nearest first; equally near ones in alphabetical order.
#[must_use]
pub fn nearest_names<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let unknown = unknown.to_lowercase();
    let mut ranked: Vec<(usize, &str)> =
        known.map(|name| (edit_distance(&unknown, &name.to_lowercase()), name)).collect();
    ranked.sort_unstable();
    ranked.into_iter().take(OFFERED_NAMES).map(|(_, name)| name).collect()
}

/// `message` with the names nearest to `unknown`, if there are any names.
pub(super) fn with_nearest<'a>(
    message: &str,
    unknown: &str,
    known: impl Iterator<Item = &'a str>,
) -> String {
    match nearest_names(unknown, known) {
        none if none.is_empty() => message.to_owned(),
        names => format!("{message}; nearest: {}", names.join(", ")),
    }
}

/// How many characters must be put in, taken out or replaced to make one text of the other.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, left_char) in left.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (column, right_char) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(left_char != *right_char);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_come_first() {
        let known = ["minSize", "maxSize", "zone", "template"];
        assert_eq!(nearest_names("maxsize", known.into_iter()), ["maxSize", "minSize", "zone"]);
        assert_eq!(nearest_names("", std::iter::empty()), Vec::<&str>::new());
    }

    #[test]
    fn distances_count_single_edits() {
        for (left, right, distance) in
            [("", "abc", 3), ("abc", "abc", 0), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(edit_distance(left, right), distance, "{left} {right}");
        }
    }
}
