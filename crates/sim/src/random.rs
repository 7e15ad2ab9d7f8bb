//! Randomness in streams: one generator a purpose, all drawn from one seed, so that a new use of
//! chance does not reshuffle the others.

use rand_distr::{Distribution, LogNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use plimsoll_core::SimDuration;
use plimsoll_core::node_group::BootDelay;

/// The 99th percentile of the standard normal distribution.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

/// A stream of random numbers for one purpose.
#[derive(Clone, Debug)]
pub struct Stream(Xoshiro256PlusPlus);

impl Stream {
    /// The stream of `purpose` under `seed`; the same two give the same numbers on any machine.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Stream {
        // FNV-1a over the purpose, so that streams do not depend on the order of their making.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for byte in purpose.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Stream(Xoshiro256PlusPlus::seed_from_u64(hash))
    }

    /// A boot delay, in whole seconds: the median as given, one in a hundred above the 99th
    /// percentile, by a log-normal distribution.
    pub fn boot_delay(&mut self, delay: BootDelay) -> SimDuration {
        if delay.p99 <= delay.p50 || delay.p50 <= SimDuration::ZERO {
            return delay.p50;
        }
        let sigma = (delay.p99.as_secs_f64() / delay.p50.as_secs_f64()).ln() / NORMAL_P99;
        let Ok(distribution) = LogNormal::new(delay.p50.as_secs_f64().ln(), sigma) else {
            return delay.p50;
        };
        #[expect(clippy::cast_possible_truncation, reason = "a delay of whole seconds fits")]
        let seconds = distribution.sample(&mut self.0).round() as i64;
        SimDuration::from_secs(seconds.max(1))
    }

    /// A number below `bound`, which must be more than 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let drawn = self.0.next_u64() % u64::try_from(bound).expect("a length fits");
        usize::try_from(drawn).expect("below a length")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_its_seed_and_purpose_only() {
        let draw = |seed, purpose| Stream::new(seed, purpose).below(1_000_000);
        assert_eq!(draw(1, "boot/a"), draw(1, "boot/a"));
        assert_ne!(draw(1, "boot/a"), draw(1, "boot/b"));
        assert_ne!(draw(1, "boot/a"), draw(2, "boot/a"));
    }

    #[test]
    fn boot_delays_have_the_median_and_the_tail_that_were_asked_for() {
        let delay = BootDelay { p50: SimDuration::from_secs(60), p99: SimDuration::from_secs(240) };
        let mut stream = Stream::new(7, "boot");
        let mut seconds: Vec<i64> =
            (0..10_000).map(|_| stream.boot_delay(delay).0 / 1000).collect();
        seconds.sort_unstable();
        assert!((58..=62).contains(&seconds[5_000]), "median {}", seconds[5_000]);
        assert!((220..=260).contains(&seconds[9_900]), "p99 {}", seconds[9_900]);
    }

    #[test]
    fn equal_percentiles_leave_nothing_to_chance() {
        let delay = BootDelay { p50: SimDuration::from_secs(90), p99: SimDuration::from_secs(90) };
        assert_eq!(Stream::new(1, "boot").boot_delay(delay), SimDuration::from_secs(90));
    }
}
