//! Money in a report: micro-dollars in integers, a decimal string at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// An amount of US dollars in millionths, or a price per hour in millionths of a dollar.
///
/// Written as a decimal string with two to six digits after the point: `18.42`, `0.214`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroUsd(pub i64);

/// A text that is not an amount of money.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is not an amount of dollars such as 18.42, with at most six digits after the point")]
pub struct MoneyError(pub String);

/// What running nodes have cost so far: the integral of a price per hour over time, exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CostMeter {
    microusd_ms: i128,
}

const MICROS_PER_DOLLAR: i64 = 1_000_000;
const MICROS_PER_CENT: i128 = 10_000;
const MS_PER_HOUR: i128 = 3_600_000;

impl CostMeter {
    /// Adds `duration_ms` milliseconds at `price_microusd_per_hour`.
    pub fn charge(&mut self, price_microusd_per_hour: i64, duration_ms: i64) {
        self.microusd_ms += i128::from(price_microusd_per_hour) * i128::from(duration_ms);
    }

    /// Adds an integral that was summed elsewhere, in micro-dollars per hour × milliseconds.
    pub fn charge_integral(&mut self, microusd_per_hour_ms: i128) {
        self.microusd_ms += microusd_per_hour_ms;
    }

    /// The cost in whole cents, half a cent rounded up (away from zero).
    ///
    /// An amount beyond 9 million million dollars is given as the largest that fits.
    #[must_use]
    pub fn to_cents(self) -> MicroUsd {
        let cent = MS_PER_HOUR * MICROS_PER_CENT;
        let cents = (self.microusd_ms.abs() + cent / 2) / cent * self.microusd_ms.signum();
        MicroUsd(i64::try_from(cents * MICROS_PER_CENT).unwrap_or(i64::MAX))
    }
}

impl MicroUsd {
    /// With a dollar sign, whole cents and separated thousands, for people: `$1,234.50`, `-$0.02`.
    #[must_use]
    pub fn to_dollars_text(self) -> String {
        let cents = (i128::from(self.0.abs()) + MICROS_PER_CENT / 2) / MICROS_PER_CENT;
        let sign = if self.0 < 0 && cents > 0 { "-" } else { "" };
        format!("{sign}${}.{:02}", with_thousands(cents / 100), cents % 100)
    }
}

/// `number` with a comma between groups of three digits: `1,234,567`.
#[must_use]
pub fn with_thousands(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        let fraction = format!("{:06}", micros % MICROS_PER_DOLLAR.unsigned_abs());
        let significant = fraction.trim_end_matches('0').len().max(2);
        write!(
            f,
            "{sign}{}.{}",
            micros / MICROS_PER_DOLLAR.unsigned_abs(),
            &fraction[..significant]
        )
    }
}

impl FromStr for MicroUsd {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<MicroUsd, MoneyError> {
        parse(text).map(MicroUsd).ok_or_else(|| MoneyError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<i64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
    let digits_only = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits_only(whole) || !digits_only(fraction) || fraction.len() > 6 {
        return None;
    }
    let dollars: i64 = whole.parse().ok()?;
    let micros: i64 = format!("{fraction:0<6}").parse().ok()?;
    Some(sign * dollars.checked_mul(MICROS_PER_DOLLAR)?.checked_add(micros)?)
}

impl Serialize for MicroUsd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MicroUsd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MicroUsd, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_keeps_cents_and_only_the_further_digits_it_has() {
        for (micros, text) in [
            (0, "0.00"),
            (18_420_000, "18.42"),
            (214_000, "0.214"),
            (-1, "-0.000001"),
            (-2_500_000, "-2.50"),
        ] {
            assert_eq!(MicroUsd(micros).to_string(), text);
            assert_eq!(text.parse(), Ok(MicroUsd(micros)));
        }
        assert_eq!("7".parse(), Ok(MicroUsd(7_000_000)));
    }

    #[test]
    fn a_text_that_is_no_amount_is_refused_by_name() {
        for text in ["", "$1", "1,000", "1.", ".5", "1.0000001", "1e3", "99999999999999"] {
            let error = text.parse::<MicroUsd>().expect_err(text);
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn half_a_cent_is_rounded_up_once_at_the_end() {
        let mut meter = CostMeter::default();
        for _ in 0..3 {
            meter.charge(5_000, 1_200_000);
        }
        assert_eq!(meter.to_cents(), MicroUsd(10_000), "three thirds of half a cent");
        meter.charge(-1, 3_600_000);
        assert_eq!(meter.to_cents(), MicroUsd(0), "a millionth below half a cent");
    }

    #[test]
    fn people_see_thousands_and_whole_cents() {
        assert_eq!(MicroUsd(1_234_567_895_000).to_dollars_text(), "$1,234,567.90");
        assert_eq!(MicroUsd(-19_999).to_dollars_text(), "-$0.02");
        assert_eq!(MicroUsd(-1).to_dollars_text(), "$0.00");
        assert_eq!(with_thousands(-1_000), "-1,000");
    }
}
