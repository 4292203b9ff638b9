//! A series' own past: what count is usual per step, and how unlikely a count is given that past.
//!
//! The past is an exponentially weighted mean and variance (see `moments.rs`); a count's tail probability is that of its [`Forecast`].
//! The robust variant learns from clipped values (Huber: Robust estimation of a location parameter, 1964), so one burst does not
//! teach itself away.

use crate::forecast::Forecast;
use crate::moments::Moments;
use serde::{Deserialize, Serialize};

/// Steps before values are clipped: earlier the deviation is not known.
const WARM: u64 = 8;

/// Mean and deviation of a series of counts (or other non-negative numbers) over regular steps. 40 bytes, O(1) per step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    moments: Moments,
    /// Values above the mean plus this many deviations are learnt as that; infinite: learnt as they are.
    clip: f64,
}

impl Baseline {
    /// A past in which a step's weight halves every `half_life` steps (at least 1).
    #[must_use]
    pub fn new(half_life: f64) -> Self {
        Baseline { moments: Moments::new(half_life), clip: f64::INFINITY }
    }

    /// The same, but a value more than `clip` deviations (3 is usual) above the mean is learnt as if it were just that.
    #[must_use]
    pub fn robust(half_life: f64, clip: f64) -> Self {
        Baseline { moments: Moments::new(half_life), clip: if clip.is_nan() { 3.0 } else { clip.max(1.0) } }
    }

    /// Learns the value of the next step. Values that are not finite are ignored.
    #[inline]
    pub fn observe(&mut self, x: f64) {
        if x.is_finite() {
            self.moments.update(self.clipped(x));
        }
    }

    /// Learns the same value for many steps at the cost of one (a thing that was not seen for a day had zero all day).
    pub fn observe_times(&mut self, x: f64, times: u64) {
        if x.is_finite() {
            self.moments.update_times(self.clipped(x), times);
        }
    }

    /// The mean: what the next step is expected to be. 0 before the first step.
    #[inline]
    #[must_use]
    pub fn expected(&self) -> f64 {
        self.moments.mean
    }

    /// The standard deviation of the steps.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        self.moments.variance.max(0.0).sqrt()
    }

    /// How many steps it has seen.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.moments.steps
    }

    /// P(X >= x): the probability that a step is at least this high, in (0, 1]. 1 if it has seen nothing.
    #[must_use]
    pub fn surprise(&self, x: f64) -> f64 {
        self.ln_surprise(x).exp().clamp(f64::MIN_POSITIVE, 1.0)
    }

    /// The same in bits, -log2 P(X >= x): 10 is one in a thousand, 20 one in a million; exact where the probability underflows.
    #[must_use]
    pub fn surprise_bits(&self, x: f64) -> f64 {
        (-self.ln_surprise(x) / std::f64::consts::LN_2).max(0.0)
    }

    /// What the next step is expected to hold.
    #[must_use]
    pub fn forecast(&self) -> Forecast {
        Forecast { mean: self.moments.mean, variance: self.moments.variance, steps: self.moments.effective() }
    }

    fn ln_surprise(&self, x: f64) -> f64 {
        self.forecast().ln_at_least(x)
    }

    #[inline]
    fn clipped(&self, x: f64) -> f64 {
        if self.moments.steps < WARM {
            return x;
        }
        // A mean of nothing has no deviation either; one event or the Poisson deviation is always believable.
        let deviation = self.moments.variance.max(self.moments.mean).max(1.0).sqrt();
        x.min(self.moments.mean + self.clip * deviation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::LARGE;

    fn steady(level: f64, spread: f64, steps: u32) -> Baseline {
        let mut baseline = Baseline::robust(60.0, 3.0);
        (0..steps).for_each(|i| baseline.observe(level + if i % 2 == 0 { spread } else { -spread }));
        baseline
    }

    #[test]
    fn learns_level_and_spread() {
        let baseline = steady(20.0, 5.0, 500);
        assert!((baseline.expected() - 20.0).abs() < 0.1 && (baseline.deviation() - 5.0).abs() < 0.1, "{baseline:?}");
        assert_eq!(baseline.steps(), 500);
    }

    #[test]
    fn surprise_is_the_poisson_tail_for_a_long_poisson_past() {
        let baseline = steady(4.0, 2.0, 100_000);
        // P(X >= 13) of a Poisson distribution with mean 4 is 2.7e-4; 172 effective steps widen it a little.
        let found = baseline.surprise(13.0);
        assert!((2.4e-4..4.5e-4).contains(&found), "{found}");
        assert_eq!((baseline.surprise(0.0), baseline.surprise(f64::NAN)), (1.0, 1.0));
    }

    #[test]
    fn surprise_falls_with_the_count_and_stays_a_probability() {
        for baseline in [steady(0.0, 0.0, 50), steady(3.0, 1.0, 1), steady(100.0, 90.0, 300), steady(1e6, 10.0, 300)] {
            let mut last = 1.0;
            for x in (0..200).map(|i| 1.12f64.powi(i)) {
                let p = baseline.surprise(x);
                assert!(p > 0.0 && p <= last * (1.0 + 1e-9), "{p} after {last} at {x} of {baseline:?}");
                last = p;
            }
            assert!(baseline.surprise_bits(f64::INFINITY).is_finite());
        }
    }

    #[test]
    fn exact_and_approximate_tail_meet() {
        for (spread, x) in [(0.0, 5_300.0), (400.0, 6_500.0), (2_000.0, 12_000.0), (4_000.0, 30_000.0)] {
            let (below, above) =
                (steady(LARGE - 1.0, spread, 400).surprise_bits(x), steady(LARGE + 1.0, spread, 400).surprise_bits(x));
            assert!((below - above).abs() < 0.03 * below + 0.1, "{below} and {above} bits for {x} with deviation {spread}");
        }
    }

    #[test]
    fn a_short_past_is_surprised_less_than_a_long_one() {
        let bits = |steps| steady(2.0, 1.0, steps).surprise_bits(15.0);
        assert!(bits(2) + 3.0 < bits(20) && bits(20) < bits(200), "{} {} {}", bits(2), bits(20), bits(200));
        assert_eq!(Baseline::new(60.0).surprise(1e9), 1.0);
    }

    #[test]
    fn one_burst_does_not_teach_itself_away_but_a_new_level_is_learnt() {
        let (mut robust, mut plain) = (steady(10.0, 3.0, 200), Baseline::new(60.0));
        (0..200).for_each(|i| plain.observe(10.0 + if i % 2 == 0 { 3.0 } else { -3.0 }));
        for _ in 0..3 {
            robust.observe(2_000.0);
            plain.observe(2_000.0);
        }
        assert!(robust.expected() < 12.0 && robust.surprise_bits(200.0) > 40.0, "{robust:?}");
        assert!(plain.expected() > 50.0 && plain.surprise_bits(200.0) < 10.0, "{plain:?}");
        (0..1_500).for_each(|_| robust.observe(2_000.0));
        assert!(robust.surprise_bits(2_100.0) < 10.0, "{robust:?}");
    }

    #[test]
    fn numbers_that_are_not_finite_are_ignored() {
        let mut baseline = steady(5.0, 1.0, 20);
        let before = baseline;
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].iter().for_each(|&x| baseline.observe(x));
        assert_eq!(baseline, before);
    }

    #[test]
    fn continues_exactly_after_a_round_trip() {
        let mut baseline = steady(5.0, 1.0, 77);
        let mut back: Baseline = postcard::from_bytes(&postcard::to_allocvec(&baseline).unwrap()).unwrap();
        (0..50).for_each(|i| (baseline.observe(f64::from(i)), back.observe(f64::from(i))).0);
        assert_eq!(baseline, back);
    }
}
