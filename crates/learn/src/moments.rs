//! Exponentially weighted mean and variance (Finch: Incremental calculation of weighted mean and variance, 2009).

use serde::{Deserialize, Serialize};

/// Mean and variance in which a value's weight halves every so many steps. While young it weighs all values alike, so that
/// the first value is not believed more than the second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moments {
    /// Weight of a new value once the past is long.
    rate: f64,
    pub(crate) mean: f64,
    pub(crate) variance: f64,
    pub(crate) steps: u64,
}

impl Moments {
    pub(crate) fn new(half_life: f64) -> Self {
        let half_life = if half_life.is_finite() { half_life.max(1.0) } else { 100.0 };
        Moments { rate: -(-std::f64::consts::LN_2 / half_life).exp_m1(), mean: 0.0, variance: 0.0, steps: 0 }
    }

    /// The number of equally weighted values that would be as informative.
    pub(crate) fn effective(&self) -> f64 {
        (self.steps as f64).min(2.0 / self.rate - 1.0)
    }

    #[inline]
    pub(crate) fn update(&mut self, x: f64) {
        self.steps = self.steps.saturating_add(1);
        let rate = self.rate.max(1.0 / self.steps as f64);
        self.blend(x, 1.0 - rate);
    }

    /// The same value `times` times, in closed form.
    pub(crate) fn update_times(&mut self, x: f64, times: u64) {
        // Up to this step the weight of a new value is one over the number of values.
        let young_until = (1.0 / self.rate) as u64;
        let young = times.min(young_until.saturating_sub(self.steps));
        if young > 0 {
            self.blend(x, self.steps as f64 / (self.steps + young) as f64);
            self.steps += young;
        }
        let rest = times - young;
        if rest > 0 {
            // The first value ever has weight one, whatever the half-life.
            let remains = if self.steps == 0 { 0.0 } else { ((rest as f64) * (-self.rate).ln_1p()).exp() };
            self.blend(x, remains);
            self.steps = self.steps.saturating_add(rest);
        }
    }

    /// Mixes the past, at weight `remains`, with the constant `x`.
    #[inline]
    fn blend(&mut self, x: f64, remains: f64) {
        let difference = x - self.mean;
        self.mean += (1.0 - remains) * difference;
        self.variance = remains * (self.variance + (1.0 - remains) * difference * difference);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn young_moments_are_the_plain_mean_and_variance() {
        let mut moments = Moments::new(100.0);
        [1.0, 2.0, 3.0, 6.0].iter().for_each(|&x| moments.update(x));
        assert!((moments.mean - 3.0).abs() < 1e-12 && (moments.variance - 3.5).abs() < 1e-12, "{moments:?}");
        assert!((moments.effective() - 4.0).abs() < 1e-12);
    }

    #[test]
    fn a_value_loses_half_its_weight_in_a_half_life() {
        let mut moments = Moments::new(10.0);
        moments.update_times(0.0, 1_000);
        moments.update_times(8.0, 10);
        assert!((moments.mean - 4.0).abs() < 1e-9, "{moments:?}");
    }

    #[test]
    fn many_at_once_are_the_same_as_one_by_one() {
        for (before, times) in [(0, 1), (0, 7), (3, 200), (40, 5), (500, 1), (500, 3_000)] {
            let mut one = Moments::new(20.0);
            (0..before).for_each(|i| one.update(f64::from(i % 7)));
            let mut other = one;
            (0..times).for_each(|_| one.update(2.5));
            other.update_times(2.5, times);
            assert!((one.mean - other.mean).abs() < 1e-9 && (one.variance - other.variance).abs() < 1e-9, "{one:?} {other:?}");
            assert_eq!(one.steps, other.steps);
        }
    }
}
