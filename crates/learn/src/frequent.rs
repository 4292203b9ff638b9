//! Which things come most often, in fixed memory: Misra and Gries' counters (Finding repeated elements, Science of Computer
//! Programming 2, 1982), decreased by the median in bulk (Anderson, Bevin, Lang, Liberty, Rhodes, Thaler: A high-performance
//! algorithm for identifying frequent items in data streams, IMC 2017).

use serde::{Deserialize, Serialize};

/// The most frequent of a stream of 64-bit hashes. Everything that makes up more than `2 / capacity` of the stream is among them.
/// 12 bytes a counter.
///
/// ```
/// let mut frequent = lapwing_learn::Frequent::new(64);
/// (0..10_000_u64).for_each(|i| frequent.add(if i % 3 == 0 { 7 } else { 1_000 + i }));
/// let top = frequent.top(1)[0];
/// assert_eq!(top.hash, 7);
/// assert!(top.least <= 3_334 && top.most >= 3_334);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frequent {
    capacity: u32,
    /// Sorted by hash.
    counters: Vec<(u64, u32)>,
    /// How much was taken from every counter so far: by so much a count may be too low.
    taken: u64,
    total: u64,
}

/// A thing and the bounds of how often it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrequentItem {
    pub hash: u64,
    pub least: u64,
    pub most: u64,
}

impl Frequent {
    /// At most `capacity` (8 to 65,536) counters.
    #[must_use]
    pub fn new(capacity: usize) -> Frequent {
        Frequent { capacity: capacity.clamp(8, 1 << 16) as u32, counters: Vec::new(), taken: 0, total: 0 }
    }

    /// Counts a thing. O(log capacity) for one that is known, amortised O(capacity) moves of 16 bytes for a new one.
    pub fn add(&mut self, hash: u64) {
        self.total = self.total.saturating_add(1);
        match self.counters.binary_search_by_key(&hash, |counter| counter.0) {
            Ok(at) => self.counters[at].1 = self.counters[at].1.saturating_add(1),
            Err(at) => {
                self.counters.insert(at, (hash, 1));
                if self.counters.len() > self.capacity as usize {
                    self.purge();
                }
            }
        }
    }

    /// Takes the median from every counter, which frees half of them.
    fn purge(&mut self) {
        let mut counts: Vec<u32> = self.counters.iter().map(|counter| counter.1).collect();
        let middle = counts.len() / 2;
        let median = *counts.select_nth_unstable(middle).1;
        self.taken = self.taken.saturating_add(u64::from(median));
        self.counters.retain_mut(|counter| {
            counter.1 = counter.1.saturating_sub(median);
            counter.1 > 0
        });
    }

    /// The most frequent ones, the most frequent first; equal ones by hash.
    #[must_use]
    pub fn top(&self, count: usize) -> Vec<FrequentItem> {
        let mut all = self.counters.clone();
        all.sort_unstable_by_key(|&(hash, count)| (std::cmp::Reverse(count), hash));
        all.truncate(count);
        all.into_iter().map(|(hash, count)| self.item(hash, count)).collect()
    }

    /// The bounds of how often a thing came.
    #[must_use]
    pub fn get(&self, hash: u64) -> FrequentItem {
        let found = self.counters.binary_search_by_key(&hash, |counter| counter.0);
        self.item(hash, found.map_or(0, |at| self.counters[at].1))
    }

    /// How many things were counted in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    fn item(&self, hash: u64, count: u32) -> FrequentItem {
        FrequentItem { hash, least: u64::from(count), most: u64::from(count).saturating_add(self.taken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::mix;

    #[test]
    fn bounds_hold_and_everything_frequent_is_found() {
        let mut frequent = Frequent::new(100);
        let mut truth = std::collections::BTreeMap::<u64, u64>::new();
        for i in 0..100_000_u64 {
            // Zipf-like: a thing of rank r with a share of about 1 / r.
            let rank = (100_000.0_f64.powf((mix(i, 1) >> 11) as f64 / (1u64 << 53) as f64)) as u64;
            frequent.add(rank);
            *truth.entry(rank).or_default() += 1;
        }
        for (&rank, &count) in &truth {
            let item = frequent.get(rank);
            assert!(item.least <= count && count <= item.most, "{item:?} of {count}");
            assert!(item.least > 0 || count <= 2_000, "{rank} with {count} is missing");
        }
        let top: Vec<u64> = frequent.top(5).iter().map(|item| item.hash).collect();
        assert_eq!(top, [1, 2, 3, 4, 5]);
        assert!(frequent.counters.len() <= 100);
    }

    #[test]
    fn a_flood_of_new_things_does_not_drive_out_the_frequent_one() {
        let mut frequent = Frequent::new(16);
        (0..200_000_u64).for_each(|i| frequent.add(if i % 4 == 0 { 1 } else { mix(i, 0) }));
        assert_eq!(frequent.top(1)[0].hash, 1);
        assert_eq!(frequent.total(), 200_000);
    }

    #[test]
    fn continues_exactly_after_a_round_trip() {
        let mut frequent = Frequent::new(32);
        (0..5_000).for_each(|i| frequent.add(mix(i, 0) % 90));
        let mut back: Frequent = postcard::from_bytes(&postcard::to_allocvec(&frequent).unwrap()).unwrap();
        (0..500).for_each(|i| (frequent.add(mix(i, 1) % 90), back.add(mix(i, 1) % 90)).0);
        assert_eq!(frequent, back);
    }
}
