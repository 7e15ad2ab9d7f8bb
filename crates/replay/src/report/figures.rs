//! The totals of a report as a list of named figures, and how two of them differ.

use serde::{Serialize, Serializer};

use super::model::Totals;
use super::money::{MicroUsd, with_thousands};
use super::rounding::{NODE_HOURS_DIGITS, RATIO_DIGITS, rounded};
use super::seconds::Seconds;

/// One total that strategies are compared by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// Its path in the JSON of a report's `totals`, such as `pendingSeconds.p99`.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Its value; `None` when the report does not know it.
    pub amount: Option<Amount>,
    /// What to say where it does not.
    missing: &'static str,
}

impl Figure {
    /// The value for people, or why there is none.
    #[must_use]
    pub fn to_text(self) -> String {
        self.amount.map_or_else(|| self.missing.to_owned(), Amount::to_text)
    }
}

/// Of machines of which a recording says nothing.
pub(super) const NOT_RECORDED: &str = "not recorded";
/// The cost of machines without a price.
const NOT_KNOWN: &str = "not known";

/// A value with its unit, or the difference of two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// US dollars.
    Money(MicroUsd),
    /// Node-hours.
    NodeHours(f64),
    /// A number of things.
    Count(i64),
    /// A span of time.
    Wait(Seconds),
    /// A fraction of 1.
    Ratio(f64),
}

/// Every total of a report, in the order in which they are shown.
#[must_use]
pub fn figures(totals: &Totals) -> Vec<Figure> {
    let machines = totals.knows_machines();
    let figure =
        |name, title, amount| Figure { name, title, amount: Some(amount), missing: NOT_RECORDED };
    let of_machines = |name, title, amount: Amount| Figure {
        name,
        title,
        amount: machines.then_some(amount),
        missing: NOT_RECORDED,
    };
    let waits = totals.pending_seconds;
    let missing = if machines { NOT_KNOWN } else { NOT_RECORDED };
    vec![
        Figure { name: "cost", title: "cost", amount: totals.cost.map(Amount::Money), missing },
        of_machines("nodeHours", "node-hours", Amount::NodeHours(totals.node_hours)),
        figure("podsCreated", "pods created", count(totals.pods_created)),
        figure("podsScheduled", "pods scheduled", count(totals.pods_scheduled)),
        figure("podsNeverScheduled", "never scheduled", count(totals.pods_never_scheduled)),
        figure(
            "stillPendingSeconds",
            "their waits in all",
            Amount::Wait(totals.still_pending_seconds),
        ),
        figure("pendingSeconds.p50", "pod wait, p50", Amount::Wait(waits.p50)),
        figure("pendingSeconds.p90", "pod wait, p90", Amount::Wait(waits.p90)),
        figure("pendingSeconds.p99", "pod wait, p99", Amount::Wait(waits.p99)),
        figure("pendingSeconds.max", "pod wait, max", Amount::Wait(waits.max)),
        figure("pendingSeconds.sum", "pod waits in all", Amount::Wait(waits.sum)),
        of_machines("scaleUps", "scale-ups", count(totals.scale_ups)),
        of_machines("scaleDowns", "scale-downs", count(totals.scale_downs)),
        of_machines("evictions", "evictions", count(totals.evictions)),
        of_machines("cpuUtilization", "CPU utilisation", Amount::Ratio(totals.cpu_utilization)),
        of_machines(
            "memoryUtilization",
            "memory utilisation",
            Amount::Ratio(totals.memory_utilization),
        ),
    ]
}

/// The place of the report that the others are held against in one figure: the first that has it.
#[must_use]
pub fn base_of(amounts: &[Option<Amount>]) -> Option<usize> {
    amounts.iter().position(Option::is_some)
}

fn count(value: u64) -> Amount {
    Amount::Count(i64::try_from(value).unwrap_or(i64::MAX))
}

impl Amount {
    /// For people: `$18.42`, `86.1`, `1,204`, `131s`, `61.2 %`.
    #[must_use]
    pub fn to_text(self) -> String {
        match self {
            Amount::Money(money) => money.to_dollars_text(),
            Amount::NodeHours(hours) => one_digit(hours),
            Amount::Count(count) => with_thousands(count.into()),
            Amount::Wait(wait) => wait.to_short_text(),
            Amount::Ratio(ratio) => format!("{} %", one_digit(ratio * 100.0)),
        }
    }

    /// `self - base`; `None` when their units differ.
    #[must_use]
    pub fn minus(self, base: Amount) -> Option<Amount> {
        match (self, base) {
            (Amount::Money(a), Amount::Money(b)) => {
                Some(Amount::Money(MicroUsd(a.0.saturating_sub(b.0))))
            }
            (Amount::NodeHours(a), Amount::NodeHours(b)) => {
                Some(Amount::NodeHours(rounded(a - b, NODE_HOURS_DIGITS)))
            }
            (Amount::Count(a), Amount::Count(b)) => Some(Amount::Count(a.saturating_sub(b))),
            (Amount::Wait(a), Amount::Wait(b)) => {
                Some(Amount::Wait(Seconds(a.0.saturating_sub(b.0))))
            }
            (Amount::Ratio(a), Amount::Ratio(b)) => {
                Some(Amount::Ratio(rounded(a - b, RATIO_DIGITS)))
            }
            _ => None,
        }
    }

    /// How far `self` is from `base`, in percent of `base` rounded to one digit; `None` when `base` is
    /// 0 or of another unit.
    #[must_use]
    pub fn percent_over(self, base: Amount) -> Option<f64> {
        let (difference, base) = (self.minus(base)?.as_f64(), base.as_f64());
        (base != 0.0).then(|| rounded(difference / base * 100.0, 1))
    }

    /// The difference from `base` for a table: `+25.4 %`, points for ratios, the plain difference
    /// where there is no percentage, and `=` where there is none.
    #[must_use]
    pub fn difference_text(self, base: Amount) -> String {
        let Some(difference) = self.minus(base) else { return String::new() };
        let sign = if difference.is_negative() { "" } else { "+" };
        match (difference, self.percent_over(base)) {
            (difference, _) if difference.is_zero() => "=".to_owned(),
            (Amount::Ratio(ratio), _) => format!("{sign}{} pp", one_digit(ratio * 100.0)),
            (_, Some(percent)) => format!("{sign}{} %", one_digit(percent)),
            (difference, None) => format!("{sign}{}", difference.to_text()),
        }
    }

    /// Whether it is 0.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.as_f64() == 0.0
    }

    /// Whether it is below 0.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.as_f64() < 0.0
    }

    #[expect(clippy::cast_precision_loss, reason = "only signs and percentages come of it")]
    fn as_f64(self) -> f64 {
        match self {
            Amount::Money(money) => money.0 as f64 / 1e6,
            Amount::NodeHours(number) | Amount::Ratio(number) => number,
            Amount::Count(count) => count as f64,
            Amount::Wait(wait) => wait.as_f64(),
        }
    }
}

/// A number with one digit after the point and separated thousands: `1,234.5`.
fn one_digit(number: f64) -> String {
    let text = format!("{:.1}", rounded(number, 1));
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let grouped = digits.parse().map_or_else(|_| digits.to_owned(), with_thousands);
    format!("{sign}{grouped}.{fraction}")
}

/// Money as a decimal string, everything else as a number; spans of time in seconds.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Amount::Money(money) => money.serialize(serializer),
            Amount::NodeHours(number) | Amount::Ratio(number) => serializer.serialize_f64(*number),
            Amount::Count(count) => serializer.serialize_i64(*count),
            Amount::Wait(wait) => wait.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_read_as_people_say_them() {
        let money = |cents: i64| Amount::Money(MicroUsd(cents * 10_000));
        for (amount, base, text) in [
            (money(2310), money(1842), "+25.4 %"),
            (money(1842), money(1842), "="),
            (money(500), money(0), "+$5.00"),
            (Amount::Ratio(0.55), Amount::Ratio(0.61), "-6.0 pp"),
            (Amount::Count(29), Amount::Count(11), "+163.6 %"),
            (Amount::Count(2), Amount::Count(0), "+2"),
            (Amount::Wait(Seconds(0)), Amount::Wait(Seconds(5_000)), "-100.0 %"),
            (Amount::NodeHours(3_000_000.04), Amount::NodeHours(1.0), "+299,999,904.0 %"),
            (Amount::Count(1), money(1), ""),
        ] {
            assert_eq!(amount.difference_text(base), text);
        }
    }
}
