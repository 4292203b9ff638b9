//! Scalable Bloom filter (Almeida, Baquero, Preguiça, Hutchison: Scalable Bloom Filters, Information Processing Letters
//! 101, 2007): a set of hashes that answers "seen before?" with a bounded rate of wrong "yes" and no wrong "no".
//!
//! It grows by slices, each twice as large as the one before with half its rate of false positives, so that the whole stays
//! under the rate asked for. Beyond the paper it ages: at the largest number of slices the oldest is dropped for a new one,
//! and what is still in use is carried over, so memory is bounded and only what was not seen for long is forgotten.

use crate::mix::mix;
use fastbloom::BloomFilter;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How large and how exact a [`ScalableBloom`] is. Values outside the stated ranges are moved into them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BloomSettings {
    /// Items the first slice holds (64 to 2^26). The default of 100,000 at 1 % takes 135 KiB.
    pub items: u64,
    /// The share of new items that is taken for known, over all slices together (1e-9 to 0.5).
    pub false_positive_rate: f64,
    /// Slices before it ages (1 to 12); each is twice as large as the one before.
    pub slices: u32,
}

impl Default for BloomSettings {
    fn default() -> Self {
        BloomSettings { items: 100_000, false_positive_rate: 0.01, slices: 4 }
    }
}

impl BloomSettings {
    fn moved_into_range(self) -> Self {
        let rate = if self.false_positive_rate.is_nan() { 0.01 } else { self.false_positive_rate };
        BloomSettings {
            items: self.items.clamp(64, 1 << 26),
            false_positive_rate: rate.clamp(1e-9, 0.5),
            slices: self.slices.clamp(1, 12),
        }
    }

    /// Slice number `number` from 0: a rate series with ratio 1/2 that sums to the whole rate, sizes that double.
    fn slice(&self, number: u64) -> Slice {
        let growth = number.min(u64::from(self.slices) - 1) as i32;
        let items = self.items << growth;
        let rate = if self.slices == 1 { self.false_positive_rate } else { self.false_positive_rate * 0.5f64.powi(growth + 1) };
        // A fixed seed: the filter's own hasher is not used (items come hashed), but its state is part of what is saved.
        let filter = BloomFilter::with_false_pos(rate).seed(&0).expected_items(items as usize);
        Slice { filter, number, items: 0, capacity: items }
    }
}

/// A bounded set of 64-bit hashes: remembers hundreds of thousands in little memory, forgets the oldest.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
pub struct ScalableBloom {
    settings: BloomSettings,
    /// The oldest first, never empty.
    slices: Vec<Slice>,
    dropped: u64,
    /// Items that were added or found since there was a new slice, by their low bits: most items come again soon.
    #[serde(skip)]
    latest: Latest,
}

/// What the slices need not be asked of. None of the items is 0.
#[derive(Clone, Default)]
struct Latest(Vec<u64>);

impl Latest {
    const PLACES: usize = 1024;

    /// Whether the item was here already; it is afterwards.
    #[inline]
    fn replace(&mut self, hash: u64) -> bool {
        if self.0.is_empty() {
            self.0.resize(Self::PLACES, 0);
        }
        let place = &mut self.0[hash as usize % Self::PLACES];
        std::mem::replace(place, hash) == hash && hash != 0
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Slice {
    filter: BloomFilter,
    /// Counts all slices there have ever been; salts the hash, so that slices err independently.
    number: u64,
    items: u64,
    capacity: u64,
}

impl Slice {
    #[inline]
    fn contains(&self, hash: u64) -> bool {
        self.filter.contains_hash(mix(hash, self.number))
    }

    #[inline]
    fn insert(&mut self, hash: u64) {
        self.filter.insert_hash(mix(hash, self.number));
        self.items += 1;
    }
}

impl ScalableBloom {
    /// An empty filter with its first slice.
    #[must_use]
    pub fn new(settings: BloomSettings) -> Self {
        let settings = settings.moved_into_range();
        ScalableBloom { settings, slices: vec![settings.slice(0)], dropped: 0, latest: Latest::default() }
    }

    /// Adds an item; true if it was new (a false positive says false of a new item, never the other way round).
    #[inline]
    pub fn insert(&mut self, hash: u64) -> bool {
        if self.latest.replace(hash) {
            return false;
        }
        let full = self.slices.len() >= self.settings.slices as usize;
        match self.slices.iter().rposition(|slice| slice.contains(hash)) {
            // Seen only in the slice that is dropped next: carry it over, or what is common would one day be new again.
            Some(0) if full && self.slices.len() > 1 => {
                self.add(hash);
                false
            }
            Some(_) => false,
            None => {
                self.add(hash);
                true
            }
        }
    }

    /// Whether the item was probably seen before.
    #[must_use]
    pub fn contains(&self, hash: u64) -> bool {
        self.slices.iter().rev().any(|slice| slice.contains(hash))
    }

    /// How many items the slices hold; an item that was carried over from the oldest slice counts twice until that is dropped.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.slices.iter().map(|slice| slice.items).sum()
    }

    /// Whether nothing was ever added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory in its bits.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slices.iter().map(|slice| slice.filter.num_bits() / 8).sum()
    }

    /// How many slices it has now.
    #[must_use]
    pub fn slices(&self) -> usize {
        self.slices.len()
    }

    /// How many slices were dropped because it was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The probability that an item never added is taken for known, as full as the filter is now.
    #[must_use]
    pub fn estimated_false_positive_rate(&self) -> f64 {
        1.0 - self.slices.iter().map(|slice| 1.0 - slice.filter.expected_false_pos(slice.items as usize)).product::<f64>()
    }

    fn add(&mut self, hash: u64) {
        let newest = self.slices.len() - 1;
        if self.slices[newest].items >= self.slices[newest].capacity {
            self.next_slice();
            self.latest = Latest::default();
        }
        if let Some(newest) = self.slices.last_mut() {
            newest.insert(hash);
        }
    }

    fn next_slice(&mut self) {
        let number = self.slices.last().map_or(0, |slice| slice.number + 1);
        if self.slices.len() >= self.settings.slices as usize {
            self.slices.remove(0);
            self.dropped += 1;
        }
        self.slices.push(self.settings.slice(number));
    }
}

impl fmt::Debug for ScalableBloom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScalableBloom")
            .field("settings", &self.settings)
            .field("len", &self.len())
            .field("slices", &self.slices.len())
            .field("dropped", &self.dropped)
            .finish()
    }
}

#[derive(Deserialize)]
struct Saved {
    settings: BloomSettings,
    slices: Vec<Slice>,
    dropped: u64,
}

impl TryFrom<Saved> for ScalableBloom {
    type Error = &'static str;

    fn try_from(saved: Saved) -> Result<Self, Self::Error> {
        let sound = |slice: &Slice| {
            let Slice { filter, number, items, capacity } = slice;
            filter.num_bits() >= 64 && filter.num_hashes() <= 64 && *number < u64::MAX && items <= capacity && *capacity < 1 << 40
        };
        if saved.slices.is_empty() || !saved.slices.iter().all(sound) {
            return Err("saved bloom filter has no slice or a damaged one; start it empty");
        }
        let settings = saved.settings.moved_into_range();
        Ok(ScalableBloom { settings, slices: saved.slices, dropped: saved.dropped, latest: Latest::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(slices: u32) -> ScalableBloom {
        ScalableBloom::new(BloomSettings { items: 1_000, false_positive_rate: 0.01, slices })
    }

    /// Structured on purpose: the same high bits everywhere, as within one partition.
    fn item(i: u64) -> u64 {
        (7 << 60) | i
    }

    #[test]
    fn says_new_once() {
        let mut bloom = small(4);
        assert!(bloom.insert(item(1)));
        assert!(!bloom.insert(item(1)));
        assert!(bloom.contains(item(1)) && !bloom.contains(item(2)));
        assert_eq!(bloom.len(), 1);
    }

    #[test]
    fn keeps_the_rate_of_false_positives_while_it_grows() {
        let mut bloom = small(4);
        (0..14_000).for_each(|i| _ = bloom.insert(item(i)));
        assert!((0..14_000).all(|i| bloom.contains(item(i))));
        assert_eq!((bloom.slices(), bloom.dropped()), (4, 0));
        let wrong = (100_000..300_000).filter(|&i| bloom.contains(item(i))).count() as f64 / 200_000.0;
        assert!(wrong < 0.011, "{wrong}");
        let estimated = bloom.estimated_false_positive_rate();
        assert!((estimated - wrong).abs() < 0.002, "estimated {estimated}, measured {wrong}");
    }

    #[test]
    fn memory_is_bounded_and_what_is_in_use_is_never_forgotten() {
        let mut bloom = small(3);
        bloom.insert(item(0));
        let mut most = 0;
        for i in 1..200_000u64 {
            bloom.insert(item(i));
            if i % 100 == 0 {
                assert!(!bloom.insert(item(0)), "forgotten at {i}");
            }
            most = most.max(bloom.bytes());
        }
        assert!(bloom.dropped() > 40);
        assert!(!bloom.contains(item(1)));
        assert!(most < 3 * 4_000 * 2, "{most} bytes");
        assert!(bloom.estimated_false_positive_rate() < 0.01);
    }

    #[test]
    fn default_settings_take_the_memory_they_state() {
        let bloom = ScalableBloom::new(BloomSettings::default());
        assert!((134 * 1024..138 * 1024).contains(&bloom.bytes()), "{}", bloom.bytes());
    }

    #[test]
    fn continues_exactly_after_a_round_trip() {
        let mut bloom = small(3);
        (0..5_000).for_each(|i| _ = bloom.insert(item(i)));
        let bytes = postcard::to_allocvec(&bloom).unwrap();
        let mut back: ScalableBloom = postcard::from_bytes(&bytes).unwrap();
        for i in 4_000..30_000 {
            assert_eq!(bloom.insert(item(i)), back.insert(item(i)));
        }
        assert_eq!(postcard::to_allocvec(&bloom).unwrap(), postcard::to_allocvec(&back).unwrap());
    }

    #[test]
    fn absurd_settings_and_damaged_state_do_no_harm() {
        let mut bloom = ScalableBloom::new(BloomSettings { items: 0, false_positive_rate: f64::NAN, slices: 0 });
        (0..1_000).for_each(|i| _ = bloom.insert(item(i)));
        assert_eq!(bloom.slices(), 1);
        bloom.slices.clear();
        let bytes = postcard::to_allocvec(&bloom).unwrap();
        assert!(postcard::from_bytes::<ScalableBloom>(&bytes).is_err());
    }
}
