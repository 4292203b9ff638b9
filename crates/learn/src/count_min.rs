//! How often each of very many things came, in fixed memory, never less than the truth: the count-min sketch (Cormode,
//! Muthukrishnan: An improved data stream summary, J. Algorithms 55, 2005) with conservative update (Estan, Varghese, SIGCOMM 2002).

use serde::{Deserialize, Serialize};

use crate::mix::mix;

const ROWS: usize = 4;

/// Counts by 64-bit hash. With `width` counters in each of 4 rows a count is too high by more than `e / width` of all counts
/// with probability below 2 %; never too low. 16 bytes per unit of width.
///
/// ```
/// let mut counts = lapwing_learn::CountMin::new(1024);
/// (0..500_u64).for_each(|i| _ = counts.add(i % 50));
/// assert_eq!((counts.count(7), counts.count(99), counts.total()), (10, 0, 500));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountMin {
    /// Row after row.
    counters: Vec<u32>,
    total: u64,
}

impl CountMin {
    /// Counters for `width` (rounded up to a power of two between 16 and 2^24) in each row.
    #[must_use]
    pub fn new(width: usize) -> CountMin {
        CountMin { counters: vec![0; width.clamp(16, 1 << 24).next_power_of_two() * ROWS], total: 0 }
    }

    /// Counts a thing; answers how often it has come, this time included.
    pub fn add(&mut self, hash: u64) -> u32 {
        self.add_many(hash, 1)
    }

    /// Counts a thing so many times at once; answers how often it has come, these times included.
    pub fn add_many(&mut self, hash: u64, times: u32) -> u32 {
        self.total = self.total.saturating_add(u64::from(times));
        let places = self.places(hash);
        let known = places.iter().filter_map(|&place| self.counters.get(place)).min().copied().unwrap_or(0);
        let count = known.saturating_add(times);
        for place in places {
            // A damaged saved state may have fewer counters; it then counts less, but does no harm.
            if let Some(counter) = self.counters.get_mut(place) {
                *counter = (*counter).max(count);
            }
        }
        count
    }

    /// How often a thing came: at least this is never less than the truth (while nothing was halved).
    #[must_use]
    pub fn count(&self, hash: u64) -> u32 {
        self.places(hash).iter().filter_map(|&place| self.counters.get(place)).min().copied().unwrap_or(0)
    }

    /// How many things were counted in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Halves all counts, so that the past counts less.
    pub fn halve(&mut self) {
        self.counters.iter_mut().for_each(|counter| *counter /= 2);
        self.total /= 2;
    }

    fn places(&self, hash: u64) -> [usize; ROWS] {
        let width = (self.counters.len() / ROWS).max(1);
        std::array::from_fn(|row| row * width + mix(hash, row as u64) as usize % width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_counts_too_little_and_seldom_much_too_much() {
        let mut counts = CountMin::new(1024);
        let of = |i: u64| 1 + 20_000 / (i + 1);
        (0..20_000).for_each(|i| (0..of(i)).for_each(|_| _ = counts.add(i)));
        assert!((0..20_000).all(|i| u64::from(counts.count(i)) >= of(i)));
        let bound = (std::f64::consts::E / 1024.0 * counts.total() as f64) as u64;
        let wrong = (0..20_000).filter(|&i| u64::from(counts.count(i)) > of(i) + bound).count();
        assert!(wrong < 400, "{wrong}");
    }

    #[test]
    fn counting_many_times_at_once_is_counting_one_by_one() {
        let (mut once, mut one_by_one) = (CountMin::new(64), CountMin::new(64));
        for i in 0..200_u64 {
            once.add_many(i % 7, 3);
            (0..3).for_each(|_| _ = one_by_one.add(i % 7));
        }
        assert_eq!(once, one_by_one);
        assert_eq!(once.add_many(1, u32::MAX), u32::MAX);
    }

    #[test]
    fn halving_forgets() {
        let mut counts = CountMin::new(64);
        (0..9).for_each(|_| _ = counts.add(5));
        counts.halve();
        assert_eq!((counts.count(5), counts.total()), (4, 4));
    }

    #[test]
    fn a_damaged_or_saturated_state_does_no_harm() {
        let mut counts = CountMin { counters: vec![u32::MAX; 3], total: u64::MAX };
        assert_eq!((counts.add(1), counts.total()), (u32::MAX, u64::MAX));
        let mut empty = CountMin { counters: Vec::new(), total: 0 };
        assert_eq!(empty.add(1), 1);
    }

    #[test]
    fn continues_exactly_after_a_round_trip() {
        let mut counts = CountMin::new(128);
        (0..999).for_each(|i| _ = counts.add(i % 77));
        let back: CountMin = postcard::from_bytes(&postcard::to_allocvec(&counts).unwrap()).unwrap();
        assert_eq!(counts, back);
    }
}
