//! Numbers and instants as Go prints them, where upstream's output has them.

use plimsoll_core::{SimDuration, SimTime};

/// A float as Go's `%v` and Prometheus' exposition print it: as few digits as tell it from its
/// neighbours, with an exponent from a million on and below a ten-thousandth.
#[must_use]
pub fn go_float(value: f64) -> String {
    const EXPONENT_FROM: i32 = 6;
    const EXPONENT_BELOW: i32 = -4;
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a small number");
    // Go prints larger numbers in full as long as their digits end before the point; not with the
    // shortest form, where the limit is fixed.
    if (EXPONENT_BELOW..EXPONENT_FROM).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// An instant in the form of the status ConfigMap: `2026-01-05 06:00:00.25 +0000 UTC`.
#[must_use]
pub fn go_time(at: SimTime) -> String {
    let text = at.to_string();
    let text = text.strip_suffix('Z').unwrap_or(&text);
    format!("{} +0000 UTC", text.replacen('T', " ", 1))
}

/// A span of time as Go prints it: from a minute on the seconds are told even where there are none, and
/// from an hour on the minutes.
#[must_use]
pub fn go_duration(span: SimDuration) -> String {
    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;
    let millis = span.0.unsigned_abs();
    if millis < MINUTE {
        return span.to_string();
    }
    let sign = if span.0 < 0 { "-" } else { "" };
    let hours = if millis < HOUR { String::new() } else { format!("{}h", millis / HOUR) };
    let minutes = millis % HOUR / MINUTE;
    let (seconds, fraction) = (millis % MINUTE / 1000, millis % 1000);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:03}") };
    format!("{sign}{hours}{minutes}m{seconds}{}s", fraction.trim_end_matches('0'))
}

/// An instant as Kubernetes' objects hold it: RFC 3339 in whole seconds.
#[must_use]
pub fn rfc3339_seconds(at: SimTime) -> String {
    const MILLIS: i64 = 1000;
    SimTime(at.as_seconds() * MILLIS).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected: what Go 1.26 prints.
    #[test]
    fn spans_are_printed_as_go_prints_them() {
        for (millis, expected) in [
            (0, "0s"),
            (250, "250ms"),
            (1_500, "1.5s"),
            (59_999, "59.999s"),
            (60_000, "1m0s"),
            (121_000, "2m1s"),
            (900_050, "15m0.05s"),
            (3_600_000, "1h0m0s"),
            (5_400_000, "1h30m0s"),
            (90_061_000, "25h1m1s"),
            (-180_000, "-3m0s"),
        ] {
            assert_eq!(go_duration(SimDuration(millis)), expected);
        }
    }

    /// Expected: what Go 1.26 prints.
    #[test]
    fn floats_are_printed_as_go_prints_them() {
        for (value, expected) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.5, "0.5"),
            (1.0 / 3.0, "0.3333333333333333"),
            (1e6, "1e+06"),
            (123_456.0, "123456"),
            (1_234_567.0, "1.234567e+06"),
            (17_179_869_184.0, "1.7179869184e+10"),
            (100_000.0, "100000"),
            (1e20, "1e+20"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (123_456.7, "123456.7"),
            (999_999.0, "999999"),
            (1_767_592_800.0, "1.7675928e+09"),
        ] {
            assert_eq!(go_float(value), expected);
        }
    }

    #[test]
    fn instants_keep_their_milliseconds_in_the_status_alone() {
        let at = SimTime(1_767_592_800_250);
        assert_eq!(go_time(at), "2026-01-05 06:00:00.25 +0000 UTC");
        assert_eq!(rfc3339_seconds(at), "2026-01-05T06:00:00Z");
        assert_eq!(go_time(SimTime(1_767_592_800_000)), "2026-01-05 06:00:00 +0000 UTC");
    }
}
