//! Kubernetes quantities (`500m`, `2Gi`, `1e3`) in exact integers.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::iter::Sum;
use std::ops::{Add, Sub};

use thiserror::Error;

/// Nanos in one unit: upstream keeps nine decimal places.
const NANOS_PER_UNIT: i128 = 1_000_000_000;
/// Nanos in a thousandth of a unit.
const NANOS_PER_MILLI: i128 = 1_000_000;
/// Upstream cuts binary quantities (`Ki` ... `Ei`) at 2^63 − 1 units.
const MAX_BINARY_NANOS: i128 = i64::MAX as i128 * NANOS_PER_UNIT;
/// Decimal quantities are cut at 10^29 units: far beyond any machine, and sums of them still fit
/// the 127 bits.
const MAX_DECIMAL_NANOS: i128 = 100_000_000_000_000_000_000_000_000_000_000_000_000;
/// Below this many units a binary quantity prints in decimal, as upstream does.
const SMALLEST_BINARY_UNITS: i128 = 1024;

/// An amount of something: exact down to a billionth, equal and ordered by value (`1000m` is `1`).
///
/// Source: `k8s.io/apimachinery/pkg/api/resource.Quantity`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    nanos: i128,
    format: QuantityFormat,
}

/// How a quantity was written, and is printed again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuantityFormat {
    /// Powers of ten with suffixes: `n u m k M G T P E`.
    #[default]
    DecimalSi,
    /// Powers of two with suffixes: `Ki Mi Gi Ti Pi Ei`.
    BinarySi,
    /// Powers of ten as exponents: `1e3`.
    DecimalExponent,
}

/// Why a text is not a quantity.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is not a quantity such as 500m or 2Gi")]
pub struct QuantityError(pub String);

impl Quantity {
    /// Nothing.
    pub const ZERO: Quantity = Quantity { nanos: 0, format: QuantityFormat::DecimalSi };

    /// Reads a quantity: sign, decimals, then one of the suffixes `n u m k M G T P E`,
    /// `Ki Mi Gi Ti Pi Ei`, or a decimal exponent. What is finer than a billionth is rounded away
    /// from zero; what is larger than can be held is cut.
    ///
    /// # Errors
    /// [`QuantityError`] when `text` is not one.
    pub fn parse(text: &str) -> Result<Quantity, QuantityError> {
        parse_quantity(text).ok_or_else(|| QuantityError(text.to_owned()))
    }

    /// So many thousandths, printed in decimal.
    #[must_use]
    pub fn from_milli(milli: i64) -> Quantity {
        Quantity { nanos: i128::from(milli) * NANOS_PER_MILLI, format: QuantityFormat::DecimalSi }
    }

    /// So many units, printed in powers of two: for bytes.
    #[must_use]
    pub fn from_bytes(bytes: i64) -> Quantity {
        Quantity { nanos: i128::from(bytes) * NANOS_PER_UNIT, format: QuantityFormat::BinarySi }
    }

    /// Whole units, rounded away from zero; cut at the ends of `i64`.
    #[must_use]
    pub fn ceil_units(self) -> i64 {
        saturate(divide_away_from_zero(self.nanos, NANOS_PER_UNIT))
    }

    /// Thousandths of a unit, rounded away from zero; cut at the ends of `i64`.
    #[must_use]
    pub fn ceil_milli(self) -> i64 {
        saturate(divide_away_from_zero(self.nanos, NANOS_PER_MILLI))
    }

    /// So many units, printed in decimal.
    #[must_use]
    pub fn from_units(units: i64) -> Quantity {
        Quantity { nanos: i128::from(units) * NANOS_PER_UNIT, format: QuantityFormat::DecimalSi }
    }

    /// The amount as a floating-point number, for expressions that ask for one.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the nearest number is what is asked for")]
    pub fn approximate(self) -> f64 {
        self.nanos as f64 / NANOS_PER_UNIT as f64
    }

    /// The amount in whole units, if it is a whole number that fits.
    #[must_use]
    pub fn whole_units(self) -> Option<i64> {
        if self.is_whole() { i64::try_from(self.nanos / NANOS_PER_UNIT).ok() } else { None }
    }

    /// Whether this is less than nothing.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// Whether this is nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether this is a whole number of units.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.nanos % NANOS_PER_UNIT == 0
    }

    /// How it prints.
    #[must_use]
    pub fn format(self) -> QuantityFormat {
        self.format
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nanos.hash(state);
    }
}

/// The sum keeps the format of the first part, unless that is zero: as upstream.
impl Add for Quantity {
    type Output = Quantity;
    fn add(self, other: Quantity) -> Quantity {
        let format = if self.nanos == 0 { other.format } else { self.format };
        let nanos = self.nanos.saturating_add(other.nanos);
        Quantity { nanos: nanos.clamp(-MAX_DECIMAL_NANOS, MAX_DECIMAL_NANOS), format }
    }
}

/// The difference keeps the format of the first part, unless that is zero: as upstream.
impl Sub for Quantity {
    type Output = Quantity;
    fn sub(self, other: Quantity) -> Quantity {
        self + Quantity { nanos: -other.nanos, format: other.format }
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Quantity>>(parts: I) -> Quantity {
        parts.fold(Quantity::ZERO, Add::add)
    }
}

/// Canonical: no fraction, the largest suffix that keeps the number whole. A binary quantity that
/// is no whole number of units, or below 1024, prints in decimal, so that nothing is lost.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = self.nanos / NANOS_PER_UNIT;
        let binary = self.format == QuantityFormat::BinarySi
            && self.is_whole()
            && units.abs() >= SMALLEST_BINARY_UNITS
            && self.nanos.abs() <= MAX_BINARY_NANOS;
        if binary {
            return print_binary(units, f);
        }
        print_decimal(self.nanos, self.format == QuantityFormat::DecimalExponent, f)
    }
}

/// The decimal suffixes with their powers of ten.
const DECIMAL_SUFFIXES: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
/// The binary suffixes, each 1024 times the one before.
const BINARY_SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

fn print_binary(mut units: i128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut step = 0;
    while units % 1024 == 0 && step + 1 < BINARY_SUFFIXES.len() {
        units /= 1024;
        step += 1;
    }
    write!(f, "{units}{}", BINARY_SUFFIXES[step])
}

fn print_decimal(nanos: i128, as_exponent: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if nanos == 0 {
        return f.write_str("0");
    }
    let (mut mantissa, mut step) = (nanos, 0);
    while mantissa % 1000 == 0 && step + 1 < DECIMAL_SUFFIXES.len() {
        mantissa /= 1000;
        step += 1;
    }
    let (suffix, exponent) = DECIMAL_SUFFIXES[step];
    match as_exponent && exponent != 0 {
        true => write!(f, "{mantissa}e{exponent}"),
        false => write!(f, "{mantissa}{suffix}"),
    }
}

fn divide_away_from_zero(nanos: i128, unit: i128) -> i128 {
    let whole = nanos / unit;
    if nanos % unit == 0 { whole } else { whole + nanos.signum() }
}

fn saturate(value: i128) -> i64 {
    let bounded = value.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    i64::try_from(bounded).expect("the value was clamped to the range of i64")
}

fn parse_quantity(text: &str) -> Option<Quantity> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let number_end =
        unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(number_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let scale = Scale::parse(suffix)?;
    let magnitude = scale.nanos(whole, fraction).min(scale.limit_nanos());
    let nanos = if negative { -magnitude } else { magnitude };
    Some(Quantity { nanos, format: scale.format() })
}

/// What a suffix multiplies with.
enum Scale {
    /// A power of ten by suffix.
    Decimal(i32),
    /// A power of ten by exponent.
    Exponent(i32),
    /// Units in one of the binary suffix.
    Binary(i128),
}

impl Scale {
    fn parse(suffix: &str) -> Option<Scale> {
        if let Some(step) = BINARY_SUFFIXES[1..].iter().position(|one| *one == suffix) {
            return Some(Scale::Binary(1024_i128 << (10 * step)));
        }
        if let Some((_, power)) = DECIMAL_SUFFIXES.iter().find(|(name, _)| *name == suffix) {
            return Some(Scale::Decimal(*power));
        }
        let digits = suffix.strip_prefix(['e', 'E'])?;
        digits.parse().ok().map(Scale::Exponent)
    }

    fn format(&self) -> QuantityFormat {
        match self {
            Scale::Decimal(_) => QuantityFormat::DecimalSi,
            Scale::Exponent(_) => QuantityFormat::DecimalExponent,
            Scale::Binary(_) => QuantityFormat::BinarySi,
        }
    }

    fn limit_nanos(&self) -> i128 {
        match self {
            Scale::Binary(_) => MAX_BINARY_NANOS,
            Scale::Decimal(_) | Scale::Exponent(_) => MAX_DECIMAL_NANOS,
        }
    }

    /// The nanos of `whole.fraction` at this scale, rounded up; `i128::MAX` when there are more.
    fn nanos(&self, whole: &str, fraction: &str) -> i128 {
        let digits = || whole.bytes().chain(fraction.bytes()).map(|byte| i128::from(byte - b'0'));
        let fraction_len = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        match self {
            Scale::Decimal(power) | Scale::Exponent(power) => {
                let length = i64::try_from(whole.len()).unwrap_or(i64::MAX) + fraction_len;
                let kept = length - fraction_len + i64::from(*power) + 9;
                decimal_shift(digits(), length, kept)
            }
            Scale::Binary(units) => binary_product(whole, fraction, *units),
        }
    }
}

/// The number made of the first `kept` of `length` digits (zeros follow when there are fewer),
/// plus one when a digit that was dropped is not zero.
fn decimal_shift(digits: impl Iterator<Item = i128>, length: i64, kept: i64) -> i128 {
    let mut value: i128 = 0;
    let mut dropped = false;
    for (position, digit) in (0_i64..).zip(digits) {
        if position < kept {
            value = value.saturating_mul(10).saturating_add(digit);
        } else {
            dropped |= digit != 0;
        }
    }
    let mut missing = kept - length;
    while missing > 0 && value > 0 && value < i128::MAX {
        value = value.saturating_mul(10);
        missing -= 1;
    }
    value.saturating_add(i128::from(dropped))
}

/// `whole.fraction` × `units` in nanos, rounded up.
fn binary_product(whole: &str, fraction: &str, units: i128) -> i128 {
    /// The first nine digits of the fraction are whole nanos per unit.
    const NANO_DIGITS: usize = 9;
    /// So many further digits times the largest suffix (2^60) still fit an `i128`; what comes after
    /// them is below a hundredth of a nano and can only round up.
    const FURTHER_DIGITS: usize = 20;

    let (nano_digits, rest) = fraction.split_at(fraction.len().min(NANO_DIGITS));
    let (further, negligible) = rest.split_at(rest.len().min(FURTHER_DIGITS));
    let exact = integer(whole).saturating_mul(units).saturating_mul(NANOS_PER_UNIT).saturating_add(
        integer(nano_digits) * power_of_ten(NANO_DIGITS - nano_digits.len()) * units,
    );
    let (product, divisor) = (integer(further) * units, power_of_ten(further.len()));
    let inexact = product % divisor != 0 || negligible.bytes().any(|digit| digit != b'0');
    exact.saturating_add(product / divisor).saturating_add(i128::from(inexact))
}

/// The number that decimal digits spell; `i128::MAX` when it is larger.
fn integer(digits: &str) -> i128 {
    digits.bytes().fold(0, |value: i128, digit| {
        value.saturating_mul(10).saturating_add(i128::from(digit - b'0'))
    })
}

fn power_of_ten(exponent: usize) -> i128 {
    (0..exponent).fold(1, |power, _| power * 10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).expect("a valid quantity")
    }

    #[test]
    fn quantities_print_canonically() {
        for (text, printed) in [
            ("0", "0"),
            ("-0", "0"),
            ("2", "2"),
            ("1.", "1"),
            (".5", "500m"),
            ("1.5", "1500m"),
            ("+1000", "1k"),
            ("1500000", "1500k"),
            ("100E", "100E"),
            ("2Gi", "2Gi"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("1.1Ki", "1126400m"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("12e-3", "12e-3"),
            ("1e4", "10e3"),
            ("5u", "5u"),
            ("-3m", "-3m"),
            ("0.1n", "1n"),
            ("-0.1n", "-1n"),
            ("8Ei", "9223372036854775807"),
            ("1e400", "100000000000e18"),
            ("1e-400", "1e-9"),
            ("0e400", "0"),
        ] {
            assert_eq!(quantity(text).to_string(), printed, "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_an_example() {
        for text in [
            "",
            "-",
            ".",
            "1.2.3",
            "1.1.M",
            "1+1.0M",
            "0.1mi",
            "aoeu",
            ".5i",
            "1i",
            "1e",
            "1e-",
            " 1",
            "1 ",
            "1K",
            "Ki",
            "--1",
            "1_000",
            "0x10",
            "1e1.5",
            "1e99999999999",
            "½",
        ] {
            assert!(Quantity::parse(text).is_err(), "{text:?}");
        }
        expect_test::expect![[r#""1.2.3" is not a quantity such as 500m or 2Gi"#]]
            .assert_eq(&Quantity::parse("1.2.3").expect_err("two points").to_string());
    }

    #[test]
    fn units_and_milli_round_up_and_are_cut_at_the_ends() {
        for (text, units, milli) in [
            ("1500m", 2, 1500),
            ("0.0001", 1, 1),
            ("1n", 1, 1),
            ("-1500m", -2, -1500),
            ("2Gi", 2_147_483_648, 2_147_483_648_000),
            ("8Ei", i64::MAX, i64::MAX),
            ("-100E", i64::MIN, i64::MIN),
            ("123456789012345678901234567890", i64::MAX, i64::MAX),
            ("0.30000000000000000000000000000000000000001Ki", 308, 307_201),
        ] {
            assert_eq!(
                (quantity(text).ceil_units(), quantity(text).ceil_milli()),
                (units, milli),
                "{text}"
            );
        }
    }

    #[test]
    fn equal_amounts_are_equal_however_they_are_written() {
        assert_eq!(quantity("1"), quantity("1000m"));
        assert_eq!(quantity("1Ki"), quantity("1.024k"));
        assert!(quantity("1G") < quantity("1Gi"));
        assert_eq!(
            [quantity("1Gi"), quantity("1Gi")].into_iter().sum::<Quantity>().to_string(),
            "2Gi"
        );
    }

    /// Any text of the grammar, tiny to huge.
    fn any_text() -> impl Strategy<Value = String> {
        let suffix = prop_oneof![
            proptest::sample::select(vec![
                "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"
            ])
            .prop_map(str::to_owned),
            (-30_i32..30).prop_map(|power| format!("e{power}")),
        ];
        ("[+-]?", "[0-9]{1,24}", "(\\.[0-9]{0,30})?", suffix)
            .prop_map(|(sign, whole, fraction, suffix)| format!("{sign}{whole}{fraction}{suffix}"))
    }

    proptest! {
        #[test]
        fn printing_and_reading_give_the_same_quantity(text in any_text()) {
            let first = quantity(&text);
            let printed = first.to_string();
            prop_assert_eq!(quantity(&printed), first);
            prop_assert_eq!(quantity(&printed).to_string(), printed);
        }

        #[test]
        fn order_agrees_with_the_amounts(left in -1_000_000_i64..1_000_000, right in -1_000_000_i64..1_000_000) {
            let texts = [format!("{left}m"), format!("{right}m")];
            prop_assert_eq!(quantity(&texts[0]).cmp(&quantity(&texts[1])), left.cmp(&right));
            prop_assert_eq!(quantity(&texts[0]).ceil_milli(), left);
            prop_assert_eq!(quantity(&texts[0]) + quantity(&texts[1]), Quantity::from_milli(left + right));
        }
    }
}
