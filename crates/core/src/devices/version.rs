//! Semantic versions, as device attributes and selectors use them.

use std::cmp::Ordering;

/// A version by semver.org 2.0.0. Build metadata plays no part in comparisons.
///
/// Source: `github.com/blang/semver/v4`, which upstream parses and compares with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
    /// The third number.
    pub patch: u64,
    /// As it was written: an attribute constraint compares versions letter by letter.
    pub text: String,
    prerelease: Vec<Identifier>,
}

/// One part of a pre-release. Numbers come before words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Identifier {
    Number(u64),
    Word(String),
}

impl Version {
    /// Reads `major.minor.patch[-prerelease][+build]`; `None` when the text is not of that form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Version> {
        let (rest, build) = match text.split_once('+') {
            Some((rest, build)) => (rest, Some(build)),
            None => (text, None),
        };
        if build.is_some_and(|build| !build.split('.').all(is_word)) {
            return None;
        }
        let (core, prerelease) = match rest.split_once('-') {
            Some((core, prerelease)) => (core, Some(prerelease)),
            None => (rest, None),
        };
        let mut numbers = core.split('.').map(number);
        let (major, minor, patch) = (numbers.next()??, numbers.next()??, numbers.next()??);
        if numbers.next().is_some() {
            return None;
        }
        let prerelease = match prerelease {
            Some(list) => list.split('.').map(identifier).collect::<Option<Vec<_>>>()?,
            None => Vec::new(),
        };
        Some(Version { major, minor, patch, text: text.to_owned(), prerelease })
    }

    /// Reads a version that may begin with `v`, leave out minor and patch, or have leading zeros.
    ///
    /// Source: `semver(string, bool)` of the Kubernetes CEL libraries.
    #[must_use]
    pub fn parse_normalised(text: &str) -> Option<Version> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let core_end = text.find(['-', '+']).unwrap_or(text.len());
        let (core, suffix) = text.split_at(core_end);
        let mut numbers: Vec<String> = Vec::new();
        for part in core.split('.') {
            let trimmed = part.trim_start_matches('0');
            numbers.push(if trimmed.is_empty() && !part.is_empty() { "0" } else { trimmed }.into());
        }
        // A short version must be nothing but numbers: upstream pads only those.
        if numbers.len() < 3 {
            if !suffix.is_empty() {
                return None;
            }
            numbers.resize(3, "0".to_owned());
        }
        Version::parse(&format!("{}{suffix}", numbers.join(".")))
    }

    /// How the two compare in precedence.
    #[must_use]
    pub fn compare(&self, other: &Version) -> Ordering {
        let numbers = |one: &Version| (one.major, one.minor, one.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| {
            match (self.prerelease.is_empty(), other.prerelease.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => self.prerelease.cmp(&other.prerelease),
            }
        })
    }
}

fn is_word(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A number without leading zeros.
fn number(part: &str) -> Option<u64> {
    let plain = part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (part.len() > 1 && part.starts_with('0')) { None } else { part.parse().ok() }
}

fn identifier(part: &str) -> Option<Identifier> {
    if part.bytes().all(|byte| byte.is_ascii_digit()) {
        return number(part).map(Identifier::Number);
    }
    is_word(part).then(|| Identifier::Word(part.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_by_the_precedence_of_semver_org() {
        // Source: semver.org 2.0.0, item 11.
        let ordered = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.2.0",
            "1.10.0",
            "2.0.0",
        ];
        for pair in ordered.windows(2) {
            let [left, right] = [pair[0], pair[1]].map(|one| Version::parse(one).expect(one));
            assert_eq!(left.compare(&right), Ordering::Less, "{pair:?}");
            assert_eq!(right.compare(&left), Ordering::Greater, "{pair:?}");
        }
        let [left, right] = ["1.0.0+a", "1.0.0+b"].map(|one| Version::parse(one).expect(one));
        assert_eq!(left.compare(&right), Ordering::Equal);
    }

    #[test]
    fn what_is_no_version_is_none() {
        for text in
            ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.x", "v1.2.3", "1.2.3-", "1.2.3-01", "1.2.3+"]
        {
            assert_eq!(Version::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn normalising_takes_prefixes_short_forms_and_leading_zeros() {
        for (text, plain) in
            [("v1.2.3", "1.2.3"), ("1", "1.0.0"), ("v01.02", "1.2.0"), ("0.0.007", "0.0.7")]
        {
            assert_eq!(Version::parse_normalised(text), Version::parse(plain), "{text}");
        }
        for text in ["", "v", "1.", "1.0-alpha", "x1.2.3"] {
            assert_eq!(Version::parse_normalised(text), None, "{text:?}");
        }
    }
}
