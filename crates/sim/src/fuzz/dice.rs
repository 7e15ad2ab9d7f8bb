//! What a generator throws: chances, ranges, choices.

use crate::random::Stream;

/// A stream of chance for one purpose, in the words of a generator.
#[derive(Clone, Debug)]
pub struct Dice(Stream);

impl Dice {
    /// The dice of a purpose under a seed.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Dice {
        Dice(Stream::new(seed, purpose))
    }

    /// True in so many of a hundred throws.
    pub fn percent(&mut self, chance: u32) -> bool {
        self.0.below(100) < chance as usize
    }

    /// A number from `least` to `most`, both included; `least` where `most` is below it.
    pub fn between(&mut self, least: u32, most: u32) -> u32 {
        let span = most.saturating_sub(least) as usize + 1;
        least + u32::try_from(self.0.below(span)).expect("below a span of 32 bits")
    }

    /// One of several.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.0.below(choices.len())]
    }

    /// One of several, if there is any.
    pub fn pick_any<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        if choices.is_empty() { None } else { Some(self.pick(choices)) }
    }
}
