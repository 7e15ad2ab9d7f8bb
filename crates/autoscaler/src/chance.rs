//! What upstream leaves to chance is drawn from the seed and the number of the loop: the same run
//! twice decides the same.

/// A number that depends on the seed and the loop, evenly spread.
#[must_use]
pub fn draw(seed: u64, loop_number: u64) -> u64 {
    // SplitMix64, jumped to the loop.
    let state = seed.wrapping_add(loop_number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
