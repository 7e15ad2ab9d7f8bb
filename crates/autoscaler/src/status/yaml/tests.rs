//! Texts as upstream's library writes them; every expected line is its own output.

use super::Yaml;

/// What stands after `k:`.
fn written(text: &str) -> String {
    let document = Yaml::map([("k", Yaml::Text(text.to_owned()))]).document();
    document.strip_prefix("k: ").expect("the key comes first").to_owned()
}

#[test]
fn texts_are_quoted_only_where_they_would_be_read_as_something_else() {
    for (text, expected) in [
        ("a", "a\n"),
        ("1", "\"1\"\n"),
        ("1e3", "\"1e3\"\n"),
        ("0x1f", "\"0x1f\"\n"),
        ("0x", "0x\n"),
        ("0o17", "\"0o17\"\n"),
        ("017", "\"017\"\n"),
        ("1_000", "\"1_000\"\n"),
        ("18446744073709551616", "\"18446744073709551616\"\n"),
        ("-0", "\"-0\"\n"),
        (".5", "\".5\"\n"),
        ("5.", "\"5.\"\n"),
        ("0.1.2", "0.1.2\n"),
        ("12e03", "\"12e03\"\n"),
        ("1e", "1e\n"),
        ("e5", "e5\n"),
        ("inf", "inf\n"),
        (".inf", "\".inf\"\n"),
        ("true", "\"true\"\n"),
        ("Off", "\"Off\"\n"),
        ("y", "\"y\"\n"),
        ("Null", "\"Null\"\n"),
        ("", "\"\"\n"),
        ("2026-01-05", "\"2026-01-05\"\n"),
        ("2026-01-05T06:00:00Z", "\"2026-01-05T06:00:00Z\"\n"),
        ("2026-01-05 06:00:00 +0000 UTC", "2026-01-05 06:00:00 +0000 UTC\n"),
        ("12:30", "\"12:30\"\n"),
        ("190:20:30", "\"190:20:30\"\n"),
    ] {
        assert_eq!(written(text), expected, "{text:?}");
    }
}

#[test]
fn signs_that_mean_something_to_yaml_are_quoted() {
    for (text, expected) in [
        ("-", "'-'\n"),
        ("- a", "'- a'\n"),
        ("a: b", "'a: b'\n"),
        ("a:b", "a:b\n"),
        ("a:", "'a:'\n"),
        (":a", ":a\n"),
        ("a #b", "'a #b'\n"),
        ("a#b", "a#b\n"),
        ("'q'", "'''q'''\n"),
        ("it's", "it's\n"),
        ("\"x\"", "'\"x\"'\n"),
        ("{a}", "'{a}'\n"),
        ("%a", "'%a'\n"),
        ("?", "'?'\n"),
        ("a?", "a?\n"),
        ("a,b", "a,b\n"),
        (" a", "' a'\n"),
        ("a ", "'a '\n"),
        ("---", "'---'\n"),
        ("--- a", "'--- a'\n"),
        ("o'neil: \\ back", "'o''neil: \\ back'\n"),
        ("\\n", "\\n\n"),
    ] {
        assert_eq!(written(text), expected, "{text:?}");
    }
}

#[test]
fn what_cannot_be_printed_is_escaped_and_lines_are_kept() {
    for (text, expected) in [
        ("a\tb", "\"a\\tb\"\n"),
        ("a\0b", "\"a\\0b\"\n"),
        ("a\r\nb", "\"a\\r\\nb\"\n"),
        ("😀", "\"\\U0001F600\"\n"),
        ("é", "é\n"),
        ("日本", "日本\n"),
        ("line1\nline2", "|-\n  line1\n  line2\n"),
        ("line1\nline2\n", "|\n  line1\n  line2\n"),
        (" l1\nl2", "|2-\n   l1\n  l2\n"),
        ("l1\n\nl2\n\n", "|+\n  l1\n\n  l2\n\n"),
    ] {
        assert_eq!(written(text), expected, "{text:?}");
    }
}

#[test]
fn long_texts_are_folded_after_eighty_columns() {
    let quoted = "very long text that goes on and on and on and on and on, more than eighty \
                  characters, so that we can see folding here and there: yes";
    let expected = "'very long text that goes on and on and on and on and on, more than eighty \
                    characters,\n  so that we can see folding here and there: yes'\n";
    assert_eq!(written(quoted), expected);
    let plain = vec!["word"; 23].join(" ");
    let expected = format!("{}\n  {}\n", vec!["word"; 16].join(" "), ["word"; 7].join(" "));
    assert_eq!(written(&plain), expected);
}
