//! Text from a recording must not become markup.

/// `text` with the five characters that mean something in HTML replaced by their names.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_markup_survives() {
        assert_eq!(escaped("<b a='\"'>&</b>"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;&lt;/b&gt;");
        assert_eq!(escaped("shop/web-1 · ≤"), "shop/web-1 · ≤");
    }
}
