//! Paragraphs broken into lines.

/// `text` in lines of at most `width` characters, each after the first indented by `indent` spaces,
/// appended to `first` (which is put before the first line as it is). A longer word stays whole.
#[must_use]
pub fn wrapped(first: &str, text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut line_is_empty = true;
    for word in text.split_whitespace() {
        let needed = line.chars().count() + usize::from(!line_is_empty) + word.chars().count();
        if needed > width && !line_is_empty {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            line_is_empty = true;
        }
        if !line_is_empty {
            line.push(' ');
        }
        line.push_str(word);
        line_is_empty = false;
    }
    if !line_is_empty {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_and_later_lines_are_indented() {
        assert_eq!(
            wrapped("- ", "a paragraph of extraordinarilylong words", 14, 2),
            ["- a paragraph", "  of", "  extraordinarilylong", "  words"]
        );
        assert!(wrapped("- ", "  ", 10, 2).is_empty());
    }
}
