//! Quantiles of a stream in a few kilobytes, most exact at both ends: the merging t-digest (Dunning, Ertl: Computing extremely
//! accurate quantiles using t-digests, arXiv 1902.04023, 2019) with scale function k1, and with forgetting.
//!
//! Our own rather than the crate `datasketches`: that one cannot forget, and does not serialise what is not yet merged.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

/// Values are merged so many at a time.
const BUFFER: usize = 256;

/// Larger values are taken for this.
pub(crate) const HUGE: f64 = 1e100;

/// A sketch of the distribution of a stream's values. At most about `accuracy` centroids of 16 bytes and 256 values not yet
/// merged. Deterministic: the same values in the same order give the same sketch.
///
/// ```
/// let mut digest = lapwing_learn::TDigest::new(100.0);
/// for i in 0..10_000 {
///     digest.observe(f64::from(i));
/// }
/// digest.settle();
/// assert!((digest.quantile(0.5) - 5_000.0).abs() < 50.0);
/// assert!((digest.quantile(0.999) - 9_990.0).abs() < 3.0);
/// assert!((digest.share_below(2_500.0) - 0.25).abs() < 0.005);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TDigest {
    accuracy: f64,
    /// What remains of a value's weight at the next one.
    remains: f64,
    centroids: Vec<Centroid>,
    buffer: Vec<f64>,
    least: f64,
    greatest: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Centroid {
    mean: f64,
    weight: f64,
}

impl TDigest {
    /// A sketch with at most about `accuracy` (20 to 1,000; 100 is usual) centroids: the error of a quantile `q` is below
    /// about `3 sqrt(q (1 - q)) / accuracy`.
    #[must_use]
    pub fn new(accuracy: f64) -> TDigest {
        let accuracy = if accuracy.is_finite() { accuracy.clamp(20.0, 1_000.0) } else { 100.0 };
        TDigest {
            accuracy,
            remains: 1.0,
            centroids: Vec::new(),
            buffer: Vec::new(),
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
        }
    }

    /// The same, in which a value's weight halves every `half_life` values (at least 1).
    #[must_use]
    pub fn fading(accuracy: f64, half_life: f64) -> TDigest {
        let remains = if half_life.is_finite() { (-std::f64::consts::LN_2 / half_life.max(1.0)).exp() } else { 1.0 };
        TDigest { remains, ..TDigest::new(accuracy) }
    }

    /// Learns a value; one that is not finite is ignored.
    #[inline]
    pub fn observe(&mut self, x: f64) {
        if x.is_finite() {
            // Differences and means of what is kept must stay finite.
            self.buffer.push(x.clamp(-HUGE, HUGE));
            if self.buffer.len() >= BUFFER {
                self.settle();
            }
        }
    }

    /// Merges what was learnt last, so that questions cost little; they are answered without it as well.
    pub fn settle(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let mut new = std::mem::take(&mut self.buffer);
        new.sort_unstable_by(f64::total_cmp);
        self.fade(self.remains.powi(new.len() as i32));
        if let [least, .., greatest] | [least @ greatest] = new.as_slice() {
            self.least = self.least.min(*least);
            self.greatest = self.greatest.max(*greatest);
        }
        let merged = merge(&self.centroids, new.iter().map(|&mean| Centroid { mean, weight: 1.0 }));
        self.centroids = compress(merged, self.accuracy);
        new.clear();
        self.buffer = new;
    }

    /// Everything so far counts less; the ends move towards what is still remembered.
    fn fade(&mut self, remains: f64) {
        if remains >= 1.0 {
            return;
        }
        if let (Some(first), Some(last)) = (self.centroids.first(), self.centroids.last()) {
            self.least = first.mean - (first.mean - self.least) * remains;
            self.greatest = last.mean + (self.greatest - last.mean) * remains;
        }
        self.centroids.iter_mut().for_each(|centroid| centroid.weight *= remains);
    }

    /// Adds what another sketch has learnt.
    pub fn merge(&mut self, other: &TDigest) {
        self.settle();
        let mut other = other.clone();
        other.settle();
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
        self.centroids = compress(merge(&self.centroids, other.centroids.into_iter()), self.accuracy);
    }

    /// How many values it stands for; less than were seen where it forgets.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.centroids.iter().map(|centroid| centroid.weight).sum::<f64>() + self.buffer.len() as f64
    }

    /// The value below which a share `q` (0 to 1) of the values lies; 0 where there are none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        if !self.buffer.is_empty() {
            return self.settled().quantile(q);
        }
        if self.centroids.is_empty() || q.is_nan() {
            return 0.0;
        }
        let wanted = q.clamp(0.0, 1.0) * self.weight();
        let (mut before, mut value) = (0.0, self.least);
        for (rank, next) in self.points() {
            if wanted <= rank {
                let part = if rank > before { (wanted - before) / (rank - before) } else { 1.0 };
                return value + part * (next - value);
            }
            (before, value) = (rank, next);
        }
        self.greatest
    }

    /// The share of the values that lie below `x`; 0 where there are none.
    #[must_use]
    pub fn share_below(&self, x: f64) -> f64 {
        if !self.buffer.is_empty() {
            return self.settled().share_below(x);
        }
        self.settled_share_below(x)
    }

    /// The same of the values that are merged; cheap.
    pub(crate) fn settled_share_below(&self, x: f64) -> f64 {
        let weight: f64 = self.centroids.iter().map(|centroid| centroid.weight).sum();
        if weight <= 0.0 || x.is_nan() || x <= self.least {
            return 0.0;
        }
        if x > self.greatest {
            return 1.0;
        }
        let (mut before, mut value) = (0.0, self.least);
        for (rank, next) in self.points() {
            if x <= next {
                // The difference is above 0, as `x` is above the value before.
                return (before + (rank - before) * (x - value) / (next - value)) / weight;
            }
            (before, value) = (rank, next);
        }
        1.0
    }

    /// Rank and value of each centroid's middle, and of the greatest value. Both never fall.
    fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let mut end = 0.0;
        let middles = self.centroids.iter().map(move |centroid| {
            end += centroid.weight;
            (end - centroid.weight / 2.0, centroid.mean.clamp(self.least, self.greatest))
        });
        middles.chain(std::iter::once_with(|| (self.weight(), self.greatest)))
    }

    fn settled(&self) -> TDigest {
        let mut settled = self.clone();
        settled.settle();
        settled
    }
}

fn merge(old: &[Centroid], new: impl Iterator<Item = Centroid>) -> Vec<Centroid> {
    let mut all: Vec<Centroid> = old.iter().copied().chain(new).collect();
    // Two sorted runs, which the stable sort merges in linear time.
    all.sort_by(|a, b| a.mean.total_cmp(&b.mean));
    all
}

/// Joins neighbours while a centroid spans less than one step of the scale `k1(q) = accuracy / 2π · asin(2 q - 1)`.
fn compress(sorted: Vec<Centroid>, accuracy: f64) -> Vec<Centroid> {
    let total: f64 = sorted.iter().map(|centroid| centroid.weight).sum();
    let mut joined: Vec<Centroid> = Vec::with_capacity(accuracy as usize + 2);
    let scale = |rank: f64| (2.0 * (rank / total).clamp(0.0, 1.0) - 1.0).asin() * accuracy / TAU;
    // The rank up to which the last centroid may still grow.
    let reach = |k: f64| total * ((((k + 1.0) * TAU / accuracy).min(TAU / 4.0)).sin() + 1.0) / 2.0;
    let (mut rank, mut limit) = (0.0, reach(scale(0.0)));
    for next in sorted {
        match joined.last_mut() {
            Some(last) if rank + next.weight <= limit => {
                last.weight += next.weight;
                last.mean += (next.mean - last.mean) * next.weight / last.weight;
            }
            _ => {
                limit = reach(scale(rank));
                joined.push(next);
            }
        }
        rank += next.weight;
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::mix;

    fn uniform(i: u64) -> f64 {
        (mix(i, 3) >> 11) as f64 / (1u64 << 53) as f64
    }

    #[test]
    fn quantiles_are_close_and_closest_at_the_ends() {
        let mut digest = TDigest::new(100.0);
        (0..200_000).for_each(|i| digest.observe(uniform(i)));
        for (q, error) in [(0.0, 1e-4), (0.001, 5e-4), (0.05, 3e-3), (0.5, 1e-2), (0.95, 3e-3), (0.9999, 1e-4), (1.0, 1e-4)] {
            assert!((digest.quantile(q) - q).abs() <= error, "{} instead of {q}", digest.quantile(q));
            assert!((digest.share_below(q) - q).abs() <= error, "{} below {q}", digest.share_below(q));
        }
        assert!(digest.centroids.len() <= 110, "{}", digest.centroids.len());
    }

    #[test]
    fn quantiles_and_shares_never_fall() {
        let mut digest = TDigest::fading(50.0, 500.0);
        (0..3_000).for_each(|i| digest.observe((uniform(i) * 9.0).floor().powi(3)));
        digest.settle();
        let values: Vec<f64> = (0..=1000).map(|i| digest.quantile(f64::from(i) / 1000.0)).collect();
        let shares: Vec<f64> = (-10..800).map(|i| digest.share_below(f64::from(i))).collect();
        assert!(values.is_sorted() && shares.is_sorted());
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
    }

    #[test]
    fn one_that_fades_follows_a_new_level() {
        let mut digest = TDigest::fading(100.0, 1_000.0);
        (0..20_000).for_each(|i| digest.observe(uniform(i) + 100.0));
        (0..20_000).for_each(|i| digest.observe(uniform(i)));
        assert!((digest.quantile(0.5) - 0.5).abs() < 0.05, "{}", digest.quantile(0.5));
        assert!(digest.quantile(0.999) < 1.1, "{}", digest.quantile(0.999));
        assert!(digest.weight() < 1_800.0, "{}", digest.weight());
    }

    #[test]
    fn merging_is_as_good_as_seeing_all() {
        let (mut one, mut other, mut whole) = (TDigest::new(100.0), TDigest::new(100.0), TDigest::new(100.0));
        for i in 0..50_000 {
            let x = uniform(i).powi(2);
            let half = if i % 3 == 0 { &mut one } else { &mut other };
            half.observe(x);
            whole.observe(x);
        }
        one.merge(&other);
        for q in [0.01, 0.5, 0.99, 0.999] {
            assert!((one.quantile(q) - whole.quantile(q)).abs() < 0.01, "{q}");
        }
        assert!((one.weight() - 50_000.0).abs() < 1e-6);
    }

    #[test]
    fn few_equal_and_odd_values_do_no_harm() {
        let mut digest = TDigest::new(f64::NAN);
        assert_eq!((digest.quantile(0.5), digest.share_below(1.0), digest.weight()), (0.0, 0.0, 0.0));
        [f64::NAN, f64::INFINITY, 7.0].iter().for_each(|&x| digest.observe(x));
        assert_eq!((digest.quantile(0.0), digest.quantile(1.0)), (7.0, 7.0));
        assert_eq!((digest.share_below(7.0), digest.share_below(7.1)), (0.0, 1.0));
        (0..5_000).for_each(|_| digest.observe(7.0));
        assert_eq!((digest.quantile(0.3), digest.share_below(7.0), digest.share_below(8.0)), (7.0, 0.0, 1.0));
    }

    #[test]
    fn continues_exactly_after_a_round_trip() {
        let mut digest = TDigest::fading(100.0, 300.0);
        (0..1_111).for_each(|i| digest.observe(uniform(i)));
        let mut back: TDigest = postcard::from_bytes(&postcard::to_allocvec(&digest).unwrap()).unwrap();
        (0..1_000).for_each(|i| (digest.observe(uniform(i)), back.observe(uniform(i))).0);
        assert_eq!(digest, back);
    }
}
