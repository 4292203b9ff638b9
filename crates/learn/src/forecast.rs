//! What count is expected of a step, and how unlikely a higher or lower one is.

use serde::{Deserialize, Serialize};

use crate::special::{ln_incomplete_beta, ln_normal_tail};

/// Beyond this mean a normal approximation is as good and its cost does not grow.
pub(crate) const LARGE: f64 = 5_000.0;

/// The expected count of one step with its variance, and how many steps that knowledge rests on.
///
/// Tail probabilities are those of the gamma-Poisson (negative binomial) distribution with that mean and dispersion, widened for
/// what a short past cannot know: the predictive distribution with Jeffreys' prior (Gelman et al., Bayesian Data Analysis, 2.6
/// and 2.8).
///
/// ```
/// let usual = lapwing_learn::Forecast { mean: 4.0, variance: 4.0, steps: 1000.0 };
/// assert!(usual.rising_bits(20.0) > 25.0 && usual.rising_bits(5.0) < 2.0);
/// assert!(usual.falling_bits(0.0) > 5.0 && usual.falling_bits(4.0) < 1.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Expected count.
    pub mean: f64,
    /// Variance of the count. Taken for at least the mean: a count varies at least as Poisson does.
    pub variance: f64,
    /// Equally weighted steps it was learnt from; below 1 nothing is known and nothing surprises.
    pub steps: f64,
}

impl Forecast {
    /// How surprising a count of at least `x` is, in bits: -log2 P(X >= x). 10 is one in a thousand; exact where the probability
    /// itself would underflow.
    #[must_use]
    pub fn rising_bits(&self, x: f64) -> f64 {
        (-self.ln_at_least(x) / std::f64::consts::LN_2).max(0.0)
    }

    /// How surprising a count of at most `x` is, in bits: -log2 P(X <= x).
    #[must_use]
    pub fn falling_bits(&self, x: f64) -> f64 {
        (-self.ln_at_most(x) / std::f64::consts::LN_2).max(0.0)
    }

    pub(crate) fn ln_at_least(&self, x: f64) -> f64 {
        if self.steps < 1.0 || x.is_nan() || x <= 0.0 {
            return 0.0;
        }
        let x = x.ceil().min(1e15);
        let mean = self.mean.max(0.0) + 0.5 / self.steps;
        let variance = self.widened(mean);
        if mean > LARGE {
            return ln_normal_tail(gamma_deviations(x - 0.5, mean, variance));
        }
        let size = mean * mean / (variance - mean);
        ln_incomplete_beta(mean / (size + mean), size / (size + mean), x, size)
    }

    fn ln_at_most(&self, x: f64) -> f64 {
        if self.steps < 1.0 || self.mean.is_nan() || self.mean <= 0.0 || x.is_nan() {
            return 0.0;
        }
        let x = x.floor().clamp(0.0, 1e15);
        let variance = self.widened(self.mean);
        if self.mean > LARGE {
            return ln_normal_tail(-gamma_deviations(x + 0.5, self.mean, variance));
        }
        let size = self.mean * self.mean / (variance - self.mean);
        ln_incomplete_beta(size / (size + self.mean), self.mean / (size + self.mean), size, x + 1.0)
    }

    /// The mean itself is known to one part in `steps` only.
    fn widened(&self, mean: f64) -> f64 {
        self.variance.max(mean) * (1.0 + 1.0 / self.steps)
    }
}

/// How many standard deviations `x` lies above the middle of a gamma distribution with that mean and variance, by Wilson and
/// Hilferty's cube root (PNAS 17, 1931): the limit of the negative binomial for large counts.
fn gamma_deviations(x: f64, mean: f64, variance: f64) -> f64 {
    let shape = mean * mean / variance;
    3.0 * shape.sqrt() * ((x / mean).cbrt() - 1.0 + 1.0 / (9.0 * shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tails_together_are_certain() {
        for (mean, variance) in [(0.5, 0.5), (30.0, 90.0), (900.0, 1e5)] {
            let forecast = Forecast { mean, variance, steps: 1e9 };
            for x in [1.0, 5.0, 40.0, 700.0, 1500.0] {
                let whole = forecast.ln_at_least(x).exp() + forecast.ln_at_most(x - 1.0).exp();
                assert!((whole - 1.0).abs() < 1e-6, "{whole} at {x} of {mean}");
            }
        }
    }

    #[test]
    fn a_fall_is_the_more_surprising_the_deeper_it_is() {
        let forecast = Forecast { mean: 200.0, variance: 400.0, steps: 100.0 };
        let bits = [199.0, 150.0, 100.0, 50.0, 0.0].map(|x| forecast.falling_bits(x));
        assert!(bits.is_sorted() && bits[0] < 1.5 && bits[4] > 40.0, "{bits:?}");
        let large = Forecast { mean: 20_000.0, variance: 40_000.0, steps: 100.0 };
        assert!(large.falling_bits(19_900.0) < 3.0 && large.falling_bits(10_000.0) > 100.0);
        assert!(large.falling_bits(0.0).is_finite());
    }

    #[test]
    fn what_is_not_known_does_not_surprise() {
        let nothing = Forecast { mean: 9.0, variance: 9.0, steps: 0.0 };
        assert_eq!((nothing.rising_bits(1e9), nothing.falling_bits(0.0)), (0.0, 0.0));
        let odd = Forecast { mean: f64::NAN, variance: f64::NAN, steps: 5.0 };
        assert_eq!((odd.falling_bits(0.0), odd.rising_bits(f64::NAN)), (0.0, 0.0));
    }
}
