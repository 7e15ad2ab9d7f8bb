//! YAML as `sigs.k8s.io/yaml` writes it: keys in the order of the alphabet, lists not indented,
//! texts quoted only where they would be read as something else, long ones folded.
//!
//! Source: `go.yaml.in/yaml/v2`, its `encode.go`, `resolve.go` and `emitterc.go`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// After this column a line is folded at the next space.
const WIDTH: usize = 80;
/// How much deeper each level is.
const INDENT: usize = 2;

/// A document, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Yaml {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Yaml>),
    /// A map.
    Map(BTreeMap<&'static str, Yaml>),
}

impl Yaml {
    /// A map of these.
    #[must_use]
    pub fn map<const N: usize>(entries: [(&'static str, Yaml); N]) -> Yaml {
        Yaml::Map(entries.into())
    }

    /// The whole document, with a line break at its end.
    #[must_use]
    pub fn document(&self) -> String {
        let mut out = String::new();
        match self {
            Yaml::Map(map) if !map.is_empty() => write_map(&mut out, map, 0, false),
            Yaml::List(list) if !list.is_empty() => write_list(&mut out, list, 0),
            scalar => {
                write_scalar(&mut out, scalar, 0);
                out.push('\n');
            }
        }
        out
    }
}

/// Writes a map's lines; the first one follows a list's dash where `in_list`.
fn write_map(out: &mut String, map: &BTreeMap<&'static str, Yaml>, indent: usize, in_list: bool) {
    for (position, (key, value)) in map.iter().enumerate() {
        if position > 0 || !in_list {
            push_spaces(out, indent);
        }
        out.push_str(key);
        out.push(':');
        match value {
            Yaml::Map(inner) if !inner.is_empty() => {
                out.push('\n');
                write_map(out, inner, indent + INDENT, false);
            }
            Yaml::List(inner) if !inner.is_empty() => {
                out.push('\n');
                write_list(out, inner, indent);
            }
            scalar => {
                out.push(' ');
                write_scalar(out, scalar, indent + INDENT);
                end_line(out, scalar);
            }
        }
    }
}

fn write_list(out: &mut String, list: &[Yaml], indent: usize) {
    for item in list {
        push_spaces(out, indent);
        out.push_str("- ");
        match item {
            Yaml::Map(inner) if !inner.is_empty() => {
                write_map(out, inner, indent + INDENT, true);
            }
            scalar => {
                write_scalar(out, scalar, indent + INDENT);
                end_line(out, scalar);
            }
        }
    }
}

/// A block of lines that keeps its last line break has ended its line already.
fn end_line(out: &mut String, value: &Yaml) {
    let ended = matches!(value, Yaml::Text(text) if is_block(text) && text.ends_with('\n'));
    if !ended {
        out.push('\n');
    }
}

fn write_scalar(out: &mut String, value: &Yaml, indent: usize) {
    match value {
        Yaml::Null => out.push_str("null"),
        Yaml::Int(number) => write!(out, "{number}").expect("writing to a string cannot fail"),
        Yaml::Text(text) => write_text(out, text, indent),
        Yaml::List(_) => out.push_str("[]"),
        Yaml::Map(_) => out.push_str("{}"),
    }
}

fn push_spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

fn write_text(out: &mut String, text: &str, indent: usize) {
    if is_block(text) {
        write_block(out, text, indent);
    } else if text.contains('\n') || has_special(text) || reads_as_something_else(text) {
        let mut folded = Folded::new(out, indent);
        folded.quote('"');
        folded.write(text, push_escaped);
        folded.quote('"');
    } else if is_plain(text) {
        Folded::new(out, indent).write(text, String::push);
    } else {
        let mut folded = Folded::new(out, indent);
        folded.quote('\'');
        folded.write(text, |out, c| {
            out.push(c);
            if c == '\'' {
                out.push(c);
            }
        });
        folded.quote('\'');
    }
}

/// Writes words, and breaks lines at single spaces once they are long.
struct Folded<'a> {
    out: &'a mut String,
    indent: usize,
    column: usize,
}

impl Folded<'_> {
    fn new(out: &mut String, indent: usize) -> Folded<'_> {
        let line = out.rfind('\n').map_or(0, |at| at + 1);
        let column = out[line..].chars().count();
        Folded { out, indent, column }
    }

    fn quote(&mut self, mark: char) {
        self.out.push(mark);
        self.column += 1;
    }

    fn write(&mut self, text: &str, mut push: impl FnMut(&mut String, char)) {
        let mut after_space = false;
        let mut chars = text.chars().enumerate().peekable();
        while let Some((position, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            let breaks = c == ' '
                && !after_space
                && self.column > WIDTH
                && position > 0
                && next.is_some_and(|next| next != ' ');
            after_space = c == ' ';
            if breaks {
                self.out.push('\n');
                push_spaces(self.out, self.indent);
                self.column = self.indent;
                continue;
            }
            let before = self.out.len();
            push(self.out, c);
            self.column += self.out[before..].chars().count();
        }
    }
}

/// Whether a text is written as a block of lines.
fn is_block(text: &str) -> bool {
    text.contains('\n') && !text.ends_with(' ') && !text.contains(" \n") && !has_special(text)
}

fn write_block(out: &mut String, text: &str, indent: usize) {
    out.push('|');
    if text.starts_with([' ', '\n']) {
        write!(out, "{INDENT}").expect("writing to a string cannot fail");
    }
    let body = text.strip_suffix('\n');
    match body {
        None => out.push('-'),
        Some(body) if body.is_empty() || body.ends_with('\n') => out.push('+'),
        Some(_) => {}
    }
    for line in body.unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            push_spaces(out, indent);
            out.push_str(line);
        }
    }
    if body.is_some() {
        out.push('\n');
    }
}

/// Characters that only an escape can hold.
fn has_special(text: &str) -> bool {
    text.chars().any(|c| !is_printable(c))
}

/// Line breaks within a text are printable; line separators are left to escapes.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}'
        | '\u{ff00}'..='\u{fffd}')
}

fn push_escaped(out: &mut String, c: char) {
    let short = match c {
        '\0' => Some('0'),
        '\u{7}' => Some('a'),
        '\u{8}' => Some('b'),
        '\t' => Some('t'),
        '\n' => Some('n'),
        '\u{b}' => Some('v'),
        '\u{c}' => Some('f'),
        '\r' => Some('r'),
        '\u{1b}' => Some('e'),
        '"' => Some('"'),
        '\\' => Some('\\'),
        '\u{85}' => Some('N'),
        '\u{2028}' => Some('L'),
        '\u{2029}' => Some('P'),
        _ => None,
    };
    let code = u32::from(c);
    let written = match short {
        Some(letter) => write!(out, "\\{letter}"),
        None if is_printable(c) => write!(out, "{c}"),
        None if code <= 0xff => write!(out, "\\x{code:02X}"),
        None if code <= 0xffff => write!(out, "\\u{code:04X}"),
        None => write!(out, "\\U{code:08X}"),
    };
    written.expect("writing to a string cannot fail");
}

/// Whether a text without quotes is read as that text, as far as YAML's own signs go.
fn is_plain(text: &str) -> bool {
    const FIRST: &str = "#,[]{}&*!|>'\"%@`";
    if text.starts_with([' ']) || text.ends_with(' ') {
        return false;
    }
    if text.starts_with("---") || text.starts_with("...") {
        return false;
    }
    let mut before = ' ';
    let mut chars = text.chars().enumerate().peekable();
    while let Some((position, c)) = chars.next() {
        let ends_word = chars.peek().is_none_or(|(_, next)| *next == ' ');
        let is_sign = match c {
            ':' => ends_word,
            '#' if before == ' ' => true,
            '?' | '-' if position == 0 => ends_word,
            _ => position == 0 && FIRST.contains(c),
        };
        if is_sign {
            return false;
        }
        before = c;
    }
    true
}

/// Whether a text without quotes would be read as a truth value, nothing, a number or a time.
fn reads_as_something_else(text: &str) -> bool {
    const WORDS: [&str; 39] = [
        "", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "n", "N",
        "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", "~", "null", "Null",
        "NULL", ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
        "-.Inf", "-.INF",
    ];
    if WORDS.contains(&text) {
        return true;
    }
    let Some(first) = text.chars().next() else { return true };
    if first == '.' {
        return text.parse::<f64>().is_ok();
    }
    if !first.is_ascii_digit() && !matches!(first, '+' | '-') {
        return false;
    }
    let plain = text.replace('_', "");
    is_integer(&plain) || is_float(&plain) || is_timestamp(text) || is_base_60(text)
}

/// Decimal, or with one of Go's prefixes; within 64 bits, signed or not.
fn is_integer(text: &str) -> bool {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.starts_with(['+', '-']) {
        return false;
    }
    let most = if negative { 1_u64 << 63 } else { u64::MAX };
    u64::from_str_radix(digits, radix).is_ok_and(|value| value <= most)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let good_mantissa = match mantissa.split_once('.') {
        None => digits(mantissa),
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
    };
    let good_exponent = exponent
        .is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)));
    good_mantissa && good_exponent
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`: such numbers are quoted for older readers.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = match unsigned.split_once('.') {
        Some((whole, fraction)) => {
            if !fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
                return false;
            }
            whole
        }
        None => unsigned,
    };
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let good_first = first.starts_with(|c: char| c.is_ascii_digit())
        && first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let sixtieth = |part: &str| match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
        _ => false,
    };
    let mut count = 0;
    let good_rest = parts.inspect(|_| count += 1).all(sixtieth);
    good_first && good_rest && count > 0
}

/// A date, or a date and a time: with `T` and a zone, or with a space and none.
fn is_timestamp(text: &str) -> bool {
    let date_end = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let (date, time) = text.split_at(date_end);
    if !is_date(date) {
        return false;
    }
    let Some(mark) = time.chars().next() else { return true };
    let clock = &time[1..];
    if mark == ' ' {
        return is_clock(clock);
    }
    if let Some(clock) = clock.strip_suffix('Z') {
        return is_clock(clock);
    }
    let Some(zone) = clock.rfind(['+', '-']) else { return false };
    let (clock, zone) = clock.split_at(zone);
    let is_zone = zone[1..].split_once(':').is_some_and(|(hours, minutes)| {
        hours.len() == 2
            && minutes.len() == 2
            && number(hours).is_some_and(|hours| hours <= 24)
            && number(minutes).is_some_and(|minutes| minutes < 60)
    });
    is_clock(clock) && is_zone
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let (Some(year_number), Some(month), Some(day)) = (number(year), number(month), number(day))
    else {
        return false;
    };
    let is_leap = year_number % 4 == 0 && (year_number % 100 != 0 || year_number % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    year.len() == 4 && (1..=days).contains(&day)
}

fn is_clock(text: &str) -> bool {
    let (whole, fraction) =
        text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let parts: Vec<&str> = whole.split(':').collect();
    let [hour, minute, second] = parts[..] else { return false };
    let below = |text: &str, limit: u32| number(text).is_some_and(|value| value < limit);
    let good_fraction = fraction.is_none_or(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    below(hour, 24) && below(minute, 60) && below(second, 60) && good_fraction
}

/// One to four digits.
fn number(text: &str) -> Option<u32> {
    const MOST_DIGITS: usize = 4;
    let is_short = (1..=MOST_DIGITS).contains(&text.len());
    (is_short && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests;
