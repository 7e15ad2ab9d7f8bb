//! What upstream leaves to chance is drawn from the seed and the loop's instant: the same run twice
//! decides the same, and so does one in which loops are left out.

use plimsoll_core::SimTime;

/// A number that depends on the seed, the loop's instant and how many loops there were at this
/// instant before, evenly spread.
#[must_use]
pub fn draw(seed: u64, now: SimTime, turn: u64) -> u64 {
    // SplitMix64, jumped to the loop. Instants are milliseconds, and loops of one instant are few.
    let place = now.0.cast_unsigned().wrapping_add(turn << 48);
    let state = seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
