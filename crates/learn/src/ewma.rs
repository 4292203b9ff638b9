//! The exponentially weighted mean and variance of any series (Finch: Incremental calculation of weighted mean and variance, 2009).

use serde::{Deserialize, Serialize};

use crate::moments::Moments;

/// Mean and standard deviation in which a value's weight halves every so many values; while young it weighs all alike.
/// 32 bytes, O(1) per value. For counts see [`Baseline`](crate::Baseline), which knows their distribution.
///
/// ```
/// let mut load = lapwing_learn::Ewma::new(10.0);
/// for x in [2.0, 4.0, 3.0, 3.0] {
///     load.observe(x);
/// }
/// assert_eq!(load.mean(), 3.0);
/// assert!(load.deviations(6.0) > 4.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ewma(Moments);

impl Ewma {
    /// A past in which a value's weight halves every `half_life` values (at least 1).
    #[must_use]
    pub fn new(half_life: f64) -> Ewma {
        Ewma(Moments::new(half_life))
    }

    /// Learns a value; one that is not finite is ignored.
    #[inline]
    pub fn observe(&mut self, x: f64) {
        if x.is_finite() {
            self.0.update(x);
        }
    }

    /// The mean; 0 before the first value.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.0.mean
    }

    /// The standard deviation; 0 before the second value.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        self.0.variance.max(0.0).sqrt()
    }

    /// By how many standard deviations `x` is above the mean (negative: below). 0 where that is not known: before the second
    /// value, or while all were equal and so is `x`; infinite where all were equal and `x` is not.
    #[must_use]
    pub fn deviations(&self, x: f64) -> f64 {
        let difference = x - self.mean();
        if self.0.steps < 2 || difference == 0.0 || x.is_nan() { 0.0 } else { difference / self.deviation() }
    }

    /// How many values it has seen.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.0.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_a_new_level_within_a_few_half_lives() {
        let mut ewma = Ewma::new(20.0);
        (0..500).for_each(|i| ewma.observe(f64::from(i % 3)));
        assert!((ewma.mean() - 1.0).abs() < 0.1 && (ewma.deviation() - 0.816).abs() < 0.05, "{ewma:?}");
        (0..200).for_each(|_| ewma.observe(50.0));
        assert!((ewma.mean() - 50.0).abs() < 0.1);
    }

    #[test]
    fn odd_values_and_an_empty_past_do_no_harm() {
        let mut ewma = Ewma::new(f64::NAN);
        assert_eq!((ewma.mean(), ewma.deviations(3.0), ewma.seen()), (0.0, 0.0, 0));
        [1.0, f64::NAN, f64::INFINITY, 1.0].iter().for_each(|&x| ewma.observe(x));
        assert_eq!((ewma.seen(), ewma.deviations(1.0), ewma.deviations(2.0)), (2, 0.0, f64::INFINITY));
    }
}
