//! The generalised Pareto distribution, to which what exceeds a high threshold tends (Pickands: Statistical inference using
//! extreme order statistics, Annals of Statistics 3, 1975).

use serde::{Deserialize, Serialize};

/// A generalised Pareto distribution of excesses from 0 up. A shape above 0 has a heavy tail, 0 is exponential, below 0 it ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pareto {
    pub shape: f64,
    pub scale: f64,
}

/// The prior of the shape: so many excesses of a slightly heavy tail. Few excesses must not promise that a tail ends.
const PRIOR_EXCESSES: f64 = 10.0;
const PRIOR_SHAPE: f64 = 0.2;

impl Pareto {
    /// The distribution that fits the excesses, sorted ascending, all finite and above 0; `None` where there are fewer than 5 or
    /// all are equal.
    ///
    /// The profile likelihood has one parameter (Grimshaw: Computing maximum likelihood estimates for the generalized Pareto
    /// distribution, Technometrics 35, 1993); rather than its maximum, which need not exist, the mean over it is taken (Zhang,
    /// Stephens: A new and efficient estimation method for the generalized Pareto distribution, Technometrics 51, 2009).
    /// O(n sqrt n).
    #[must_use]
    pub fn fit(sorted: &[f64]) -> Option<Pareto> {
        let (count, greatest) = (sorted.len(), *sorted.last()?);
        let quartile = sorted[((count as f64 / 4.0 + 0.5) as usize).clamp(1, count) - 1];
        if count < 5 || !greatest.is_finite() || sorted[0] <= 0.0 || sorted[0] >= greatest {
            return None;
        }
        let points = 20 + (count as f64).sqrt() as usize;
        let theta = |j: usize| 1.0 / greatest + (1.0 - (points as f64 / (j as f64 - 0.5)).sqrt()) / (3.0 * quartile);
        let shape = |theta: f64| sorted.iter().map(|x| (-theta * x).ln_1p()).sum::<f64>() / count as f64;
        let profile: Vec<(f64, f64)> = (1..=points)
            .map(theta)
            .filter(|theta| theta.abs() > 1e-12 / greatest)
            .map(|theta| (theta, shape(theta)))
            .map(|(theta, shape)| (theta, count as f64 * ((-theta / shape).ln() - shape - 1.0)))
            .filter(|(_, likelihood)| likelihood.is_finite())
            .collect();
        let most = profile.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
        let weights = || profile.iter().map(|point| (point.1 - most).exp());
        let mean = profile.iter().zip(weights()).map(|(point, weight)| point.0 * weight).sum::<f64>() / weights().sum::<f64>();
        let raw = shape(mean);
        // The scale goes with the raw shape; both are finite as `mean` is below 1 / greatest.
        let scale = -raw / mean;
        let count = count as f64;
        let shape = (raw * count + PRIOR_SHAPE * PRIOR_EXCESSES) / (count + PRIOR_EXCESSES);
        (shape.is_finite() && scale.is_finite() && scale > 0.0).then_some(Pareto { shape, scale })
    }

    /// P(excess > x), strictly falling and above 0 down to what a number can hold.
    ///
    /// Where the tail would end, it goes on as an exponential one from where only `1 / known` remains: so many excesses cannot
    /// know more.
    #[must_use]
    pub fn tail(&self, x: f64, known: f64) -> f64 {
        let x = x.max(0.0);
        if self.shape.abs() < 1e-9 {
            return (-x / self.scale).exp();
        }
        let leave = ((1.0 / known.max(2.0)).powf(-self.shape) - 1.0) * self.scale / self.shape;
        if self.shape > 0.0 || x <= leave {
            return (-(self.shape * x / self.scale).ln_1p() / self.shape).exp();
        }
        let rate = 1.0 / (self.scale + self.shape * leave);
        (-(x - leave) * rate).exp() / known.max(2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::mix;

    fn sample(of: Pareto, count: u64, seed: u64) -> Vec<f64> {
        let uniform = |i| ((mix(i, seed) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        let inverse = |u: f64| if of.shape == 0.0 { -u.ln() * of.scale } else { (u.powf(-of.shape) - 1.0) * of.scale / of.shape };
        let mut all: Vec<f64> = (0..count).map(|i| inverse(uniform(i))).collect();
        all.sort_unstable_by(f64::total_cmp);
        all
    }

    #[test]
    fn finds_the_distribution_that_a_sample_came_from() {
        for of in [(0.4, 2.0), (0.0, 5.0), (-0.3, 1.0), (0.9, 0.01)].map(|(shape, scale)| Pareto { shape, scale }) {
            let found = Pareto::fit(&sample(of, 4_000, 5)).unwrap();
            assert!((found.shape - of.shape).abs() < 0.08 && (found.scale / of.scale - 1.0).abs() < 0.08, "{found:?} of {of:?}");
        }
    }

    #[test]
    fn its_likelihood_is_close_to_the_greatest() {
        let sorted = sample(Pareto { shape: 0.2, scale: 1.0 }, 500, 9);
        let likelihood = |p: Pareto| {
            let one = |x: &f64| -(1.0 + 1.0 / p.shape) * (p.shape * x / p.scale).ln_1p() - p.scale.ln();
            sorted.iter().map(one).sum::<f64>()
        };
        let grid = (-20..60).flat_map(|i| (50..200).map(move |j| (f64::from(i) / 50.0 + 0.001, f64::from(j) / 100.0)));
        let best =
            grid.map(|(shape, scale)| likelihood(Pareto { shape, scale })).filter(|l| l.is_finite()).fold(f64::MIN, f64::max);
        assert!(likelihood(Pareto::fit(&sorted).unwrap()) > best - 0.5);
    }

    #[test]
    fn the_tail_falls_and_is_never_nothing() {
        for shape in [-0.45, -0.1, 0.0, 0.3, 1.2] {
            let pareto = Pareto { shape, scale: 1.0 };
            let tails: Vec<f64> = (0..400).map(|i| pareto.tail(f64::from(i) / 20.0, 100.0)).collect();
            assert!(tails.windows(2).all(|pair| pair[0] > pair[1]) && tails[399] > 0.0, "{shape}");
            assert!((tails[0] - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn too_few_or_equal_excesses_fit_nothing() {
        assert_eq!(Pareto::fit(&[]), None);
        assert_eq!(Pareto::fit(&[1.0, 2.0]), None);
        assert_eq!(Pareto::fit(&[3.0; 50]), None);
        assert!(Pareto::fit(&[1e-300, 1.0, 1.0, 1.0, 1e300]).is_none_or(|p| p.scale > 0.0));
    }
}
