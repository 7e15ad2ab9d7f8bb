//! Fractions of integers, rounded once, so that a report's bytes do not hang on how sums were
//! ordered.

/// Digits after the point of the report's ratios (utilisation, errors, agreement).
pub const RATIO_DIGITS: u32 = 4;
/// Digits after the point of node-hours.
pub const NODE_HOURS_DIGITS: u32 = 3;
/// Milliseconds in an hour.
const MS_PER_HOUR: i128 = 3_600_000;

/// `numerator / denominator` rounded half away from zero to `digits` digits (at most 12);
/// 0 where `denominator` is 0.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "the quotient is already rounded to few digits")]
pub fn rounded_ratio(numerator: i128, denominator: i128, digits: u32) -> f64 {
    if denominator == 0 {
        return 0.0;
    }
    let scale = 10_i128.pow(digits.min(12));
    let scaled = numerator.saturating_mul(scale);
    let (absolute, divisor) = (scaled.abs(), denominator.abs());
    let quotient = absolute / divisor + i128::from(absolute % divisor >= divisor - divisor / 2);
    let sign = scaled.signum() * denominator.signum();
    (quotient * sign) as f64 / scale as f64
}

/// `value` rounded half away from zero to `digits` digits (at most 12); 0 where it is not finite.
#[must_use]
pub fn rounded(value: f64, digits: u32) -> f64 {
    if !value.is_finite() {
        return 0.0;
    }
    let scale = 10_f64.powi(i32::try_from(digits.min(12)).unwrap_or(12));
    let rounded = (value * scale).round() / scale;
    // The sum turns a negative zero into zero, which would be written as `-0.0`.
    rounded + 0.0
}

/// Node-hours of `node_ms` (nodes × milliseconds), rounded to [`NODE_HOURS_DIGITS`].
#[must_use]
pub fn node_hours(node_ms: i128) -> f64 {
    rounded_ratio(node_ms, MS_PER_HOUR, NODE_HOURS_DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_rounded_half_away_from_zero() {
        let cases =
            [((1, 3, 4), 0.3333), ((2, 3, 4), 0.6667), ((1, 8, 2), 0.13), ((-1, 8, 2), -0.13)];
        for ((numerator, denominator, digits), expected) in cases {
            assert_eq!(rounded_ratio(numerator, denominator, digits), expected);
        }
        assert_eq!(rounded_ratio(5, 0, 2), 0.0);
        assert_eq!(rounded_ratio(3, -2, 0), -2.0);
    }

    #[test]
    fn what_is_no_number_becomes_zero_and_zero_has_no_sign() {
        assert_eq!(rounded(f64::NAN, 2), 0.0);
        assert!(rounded(-0.0001, 2).is_sign_positive());
        assert_eq!(rounded(0.125, 2), 0.13);
    }

    #[test]
    fn ninety_minutes_of_one_node_are_one_and_a_half_node_hours() {
        assert_eq!(node_hours(5_400_000), 1.5);
    }
}
