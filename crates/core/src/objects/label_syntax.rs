//! How label keys and values and the names of namespaces and nodes are written.
//!
//! Each check gives the API server's words for the first rule that is broken.
//!
//! Source: `k8s.io/apimachinery/pkg/api/validate/content`.

use super::fields::Read;
use super::invalid::invalid;

/// The longest label key without its domain, the longest label value, the longest DNS label.
const MAX_LABEL_BYTES: usize = 63;
/// The longest DNS name.
const MAX_SUBDOMAIN_BYTES: usize = 253;
/// What a label key without its domain consists of.
const KEY_RULE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start \
     and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex \
     used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
/// What a label value consists of.
const VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric \
     characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
     'MyValue',  or 'my_value',  or '12345', regex used for validation is \
     '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
/// What a DNS name consists of.
const SUBDOMAIN_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case \
     alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character \
     (e.g. 'example.com', regex used for validation is \
     '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
/// What one part of a DNS name consists of.
const DNS_LABEL_RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric \
     characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  \
     or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// Refuses what is no label key (or other qualified name).
pub(super) fn check_key(key: &str) -> Read<()> {
    refuse(key, broken_key_rule(key))
}

/// Refuses what is no label value.
pub(super) fn check_value(value: &str) -> Read<()> {
    refuse(value, broken_value_rule(value))
}

/// Refuses what is no DNS name: nodes have such names.
pub(super) fn check_subdomain(name: &str) -> Read<()> {
    refuse(name, broken_subdomain_rule(name))
}

/// Refuses what is no single part of a DNS name: namespaces have such names.
pub(super) fn check_dns_label(name: &str) -> Read<()> {
    let broken = if name.len() > MAX_LABEL_BYTES {
        Some(too_long(MAX_LABEL_BYTES))
    } else if is_dns_label(name) {
        None
    } else if name.contains('.') && broken_subdomain_rule(name).is_none() {
        Some("must not contain dots".to_owned())
    } else {
        Some(DNS_LABEL_RULE.to_owned())
    };
    refuse(name, broken)
}

/// The rule that a label value breaks.
pub(super) fn broken_value_rule(value: &str) -> Option<String> {
    if value.len() > MAX_LABEL_BYTES {
        return Some(too_long(MAX_LABEL_BYTES));
    }
    (!value.is_empty() && !is_label_word(value)).then(|| VALUE_RULE.to_owned())
}

fn broken_key_rule(key: &str) -> Option<String> {
    let parts: Vec<&str> = key.split('/').collect();
    let name = match parts.as_slice() {
        [name] => *name,
        [prefix, name] => {
            let broken = if prefix.is_empty() {
                Some("must be non-empty".to_owned())
            } else {
                broken_subdomain_rule(prefix)
            };
            if let Some(rule) = broken {
                return Some(format!("prefix part {rule}"));
            }
            *name
        }
        _ => {
            return Some(format!(
                "a valid label key {KEY_RULE} with an optional DNS subdomain prefix and '/' (e.g. \
                 'example.com/MyName')"
            ));
        }
    };
    let broken = if name.is_empty() {
        "must be non-empty".to_owned()
    } else if name.len() > MAX_LABEL_BYTES {
        too_long(MAX_LABEL_BYTES)
    } else if is_label_word(name) {
        return None;
    } else {
        KEY_RULE.to_owned()
    };
    Some(format!("name part {broken}"))
}

fn broken_subdomain_rule(name: &str) -> Option<String> {
    if name.len() > MAX_SUBDOMAIN_BYTES {
        return Some(too_long(MAX_SUBDOMAIN_BYTES));
    }
    (!name.split('.').all(is_dns_label)).then(|| SUBDOMAIN_RULE.to_owned())
}

fn is_label_word(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    is_enclosed(text, |byte| byte.is_ascii_alphanumeric(), inner)
}

fn is_dns_label(text: &str) -> bool {
    let end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    is_enclosed(text, end, |byte| end(byte) || byte == b'-')
}

/// Whether a text is not empty, begins and ends in one kind of byte and has another in between.
fn is_enclosed(text: &str, end: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    ends.is_some_and(|(first, last)| end(*first) && end(*last))
        && bytes.iter().all(|byte| inner(*byte))
}

fn too_long(bytes: usize) -> String {
    format!("must be no more than {bytes} bytes")
}

fn refuse(text: &str, broken: Option<String>) -> Read<()> {
    broken.map_or(Ok(()), |rule| Err(invalid(text, &rule)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_keys_are_a_name_with_an_optional_domain() {
        for key in ["a", "app.kubernetes.io/name", "A_b-c.9", "x/y"] {
            assert_eq!(broken_key_rule(key), None, "{key}");
        }
        for (key, rule) in [
            ("", "name part must be non-empty"),
            ("a/", "name part must be non-empty"),
            ("/a", "prefix part must be non-empty"),
            ("-a", "name part must consist of alphanumeric characters"),
            ("a b", "name part must consist of alphanumeric characters"),
            ("A.com/x", "prefix part a lowercase RFC 1123 subdomain must consist"),
            ("a/b/c", "a valid label key must consist of alphanumeric characters"),
            (&"k".repeat(64), "name part must be no more than 63 bytes"),
        ] {
            let broken = broken_key_rule(key).unwrap_or_default();
            assert!(broken.starts_with(rule), "{key}: {broken}");
        }
    }

    #[test]
    fn label_values_may_be_empty_but_not_end_in_a_dash() {
        assert_eq!(broken_value_rule(""), None);
        assert_eq!(broken_value_rule("a-b"), None);
        assert_eq!(broken_value_rule("a-").as_deref(), Some(VALUE_RULE));
        let long = broken_value_rule(&"v".repeat(64));
        assert_eq!(long.as_deref(), Some("must be no more than 63 bytes"));
    }
}
