//! Spreads a hash over all 64 bits. Callers cut their keys into parts by some of the bits, so within one part those bits
//! are constant; without mixing, a structure that looks at the same bits would use a fraction of its room.

/// The finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014), salted.
pub(crate) const fn mix(hash: u64, salt: u64) -> u64 {
    let mut z = hash.wrapping_add(salt.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::mix;

    #[test]
    fn fills_bits_that_are_constant_in_the_input() {
        let mut high = [0u32; 16];
        for i in 0..16_000u64 {
            high[(mix(0xa000_0000_0000_0000 | i, 0) >> 60) as usize] += 1;
        }
        assert!(high.iter().all(|&n| (800..1200).contains(&n)), "{high:?}");
    }
}
