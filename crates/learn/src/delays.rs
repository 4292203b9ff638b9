//! How long something usually takes: a histogram of durations in quarters of a doubling.

use serde::{Deserialize, Serialize};

/// Durations from a millisecond to some hundred years, each bucket a quarter of a doubling wide (19 % at most).
///
/// A quantile is right to within its bucket. Memory: one `u32` for each bucket up to the longest duration seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delays {
    buckets: Vec<u32>,
    total: u64,
}

const PER_DOUBLING: u32 = 4;
/// Durations beyond it are counted with it; of no log is a session longer.
const MOST_BUCKETS: usize = 44 * PER_DOUBLING as usize;

impl Delays {
    /// Counts a duration, in milliseconds.
    pub fn observe(&mut self, millis: u64) {
        let bucket = bucket(millis).min(MOST_BUCKETS - 1);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] = self.buckets[bucket].saturating_add(1);
        self.total += 1;
    }

    /// How many durations were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// A duration, in milliseconds, that at least this share (0 to 1) of those counted do not exceed; none where none were.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let mut left = (share * self.total as f64).ceil().max(1.0) as u64;
        let at = self.buckets.iter().position(|&count| {
            let reached = u64::from(count) >= left;
            left = left.saturating_sub(u64::from(count));
            reached
        });
        at.map(upper)
    }

    /// Forgets half of what was counted.
    pub fn fade(&mut self) {
        self.buckets.iter_mut().for_each(|count| *count /= 2);
        self.total = self.buckets.iter().map(|&count| u64::from(count)).sum();
    }
}

/// The bucket of a duration: four for each power of two.
fn bucket(millis: u64) -> usize {
    let millis = millis.max(1);
    let doublings = millis.ilog2();
    let within = if doublings >= 2 { (millis >> (doublings - 2)) & 3 } else { (millis << (2 - doublings)) & 3 };
    (doublings * PER_DOUBLING) as usize + within as usize
}

/// The longest duration of a bucket.
fn upper(bucket: usize) -> u64 {
    let (doublings, within) = (bucket as u32 / PER_DOUBLING, u64::from(bucket as u32 % PER_DOUBLING));
    ((5 + within) << doublings) / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_right_to_within_a_fifth() {
        let mut delays = Delays::default();
        (1..=10_000).for_each(|n| delays.observe(n * 100));
        for share in [0.01, 0.5, 0.99] {
            let exact = share * 1_000_000.0;
            let found = delays.quantile(share).expect("something was counted") as f64;
            assert!((exact..exact * 1.26).contains(&found), "{share}: {found} for {exact}");
        }
    }

    #[test]
    fn nothing_counted_has_no_quantile_and_absurd_durations_do_no_harm() {
        assert_eq!(Delays::default().quantile(0.5), None);
        let mut delays = Delays::default();
        [0, 1, u64::MAX].into_iter().for_each(|n| delays.observe(n));
        assert!(delays.quantile(0.1).is_some_and(|low| low <= 2));
        assert!(delays.quantile(1.0).is_some_and(|high| high > 1 << 40));
        delays.fade();
        assert_eq!((delays.total(), delays.quantile(0.5)), (1, Some(1)));
    }
}
