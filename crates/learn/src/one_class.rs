//! One-class SVM with the RBF kernel (Schoelkopf, Platt, Shawe-Taylor, Smola, Williamson: Estimating the support of a
//! high-dimensional distribution, Neural Computation 2001).

mod kernel;
mod smo;

use crate::random::Random;
use crate::rows::{MAX_FEATURES, Rows, Unfit};
use crate::sound::serde_if_sound;
use kernel::{LANES, Points, value_or};
use serde::{Deserialize, Serialize};

const MAX_SAMPLE: usize = 20_000;

/// How fast the kernel `exp(-gamma |x - y|^2)` falls with distance.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum Gamma {
    /// One over features times the variance of all values: what scikit-learn calls `scale`.
    #[default]
    Scale,
    /// One over features: `auto`.
    Auto,
    /// This (positive) number.
    Value(f64),
}

/// How a [`OneClassSvm`] is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OneClassSettings {
    /// At most this share of the training rows lies outside, at least this share are support vectors (0.0001 to 1).
    pub nu: f64,
    /// The kernel's width.
    pub gamma: Gamma,
    /// How far from optimal training may stop.
    pub tolerance: f64,
    /// At most so many rows are trained on (1 to 20,000), a seeded choice where there are more. Memory while training is up to
    /// 128 MiB, time grows with its square.
    pub sample: usize,
    /// Of the choice.
    pub seed: u64,
}

impl Default for OneClassSettings {
    fn default() -> Self {
        OneClassSettings { nu: 0.05, gamma: Gamma::Scale, tolerance: 1e-3, sample: 5_000, seed: 1 }
    }
}

/// A trained one-class SVM. Decision values and rho are libsvm's (weights add up to `nu` times the rows).
///
/// Features should be of comparable size. A missing value (NaN) counts as the feature's mean; infinities as 1e15.
///
/// ```
/// use lapwing_learn::{OneClassSettings, OneClassSvm, Rows};
/// let ring: Vec<f32> = (0..500).flat_map(|i| [(i as f32).cos(), (i as f32).sin()]).collect();
/// let svm = OneClassSvm::fit(Rows::new(&ring, 2), &OneClassSettings::default()).unwrap();
/// assert!(svm.decision(&[3.0, 0.0]) < 0.0 && svm.decision(&[3.0, 0.0]) < svm.decision(&[0.0, 1.0]));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct OneClassSvm {
    support: Points,
    /// The weight of each support vector; 0 where the last block is filled up.
    weights: Vec<f32>,
    means: Vec<f32>,
    gamma: f64,
    rho: f64,
    converged: bool,
}

serde_if_sound!(OneClassSvm, "a one-class SVM");

impl OneClassSvm {
    /// Trains on `rows`.
    ///
    /// # Errors
    /// Where there are no rows, or rows of more than [`MAX_FEATURES`] values.
    pub fn fit(rows: Rows<'_>, settings: &OneClassSettings) -> Result<Self, Unfit> {
        rows.check()?;
        let (width, means) = (rows.width(), means(rows));
        let values = sample(rows, settings, &means);
        let gamma = gamma(&values, width, settings.gamma);
        let nu = if settings.nu.is_nan() { 0.05 } else { settings.nu.clamp(1e-4, 1.0) };
        let solution = smo::solve(&values, width, gamma, nu, settings.tolerance.max(1e-9));
        let is_support = |&at: &usize| solution.alpha[at] > 0.0;
        let chosen: Vec<usize> = (0..solution.alpha.len()).filter(is_support).collect();
        let support: Vec<f32> = chosen.iter().flat_map(|&at| &values[at * width..(at + 1) * width]).copied().collect();
        let support = Points::new(&support, width);
        let mut weights: Vec<f32> = chosen.iter().map(|&at| solution.alpha[at] as f32).collect();
        weights.resize(support.padded_count(), 0.0);
        Ok(OneClassSvm { support, weights, means, gamma, rho: solution.rho, converged: solution.converged })
    }

    /// The decision value of a row: positive within the support, negative outside, in units of the training rows' weights.
    /// What a short row does not have is missing.
    #[must_use]
    pub fn decision(&self, row: &[f32]) -> f32 {
        let mut point = [0f32; MAX_FEATURES];
        for (at, &mean) in self.means.iter().enumerate() {
            point[at] = value_or(row.get(at).copied().unwrap_or(f32::NAN), mean);
        }
        let point = &point[..self.means.len()];
        let mut sum = 0f64;
        let (weights, _) = self.weights.as_chunks::<LANES>();
        let mut kernels = [0f32; LANES * 16];
        let blocks = self.support.lanes.chunks(kernels.len() * self.support.width);
        for (block, weights) in blocks.zip(weights.chunks(16)) {
            kernel::kernels_of(block, point, self.gamma as f32, &mut kernels);
            let mut sums = [0f32; LANES];
            for (weights, kernels) in weights.iter().zip(kernels.as_chunks::<LANES>().0) {
                for k in 0..LANES {
                    sums[k] += weights[k] * kernels[k];
                }
            }
            sum += f64::from(sums.iter().sum::<f32>());
        }
        (sum - self.rho) as f32
    }

    /// The decision values of all rows, put into `decisions` (emptied before).
    pub fn decisions(&self, rows: Rows<'_>, decisions: &mut Vec<f32>) {
        decisions.clear();
        decisions.extend(rows.iter().map(|row| self.decision(row)));
    }

    /// The offset: what a point's weighted kernels must reach to be within.
    #[must_use]
    pub fn rho(&self) -> f64 {
        self.rho
    }

    /// The kernel's gamma, as it was chosen.
    #[must_use]
    pub fn gamma(&self) -> f64 {
        self.gamma
    }

    /// How many support vectors it has.
    #[must_use]
    pub fn support_vectors(&self) -> usize {
        self.support.count
    }

    /// Whether training reached its tolerance (it stops after 100,000 steps).
    #[must_use]
    pub fn converged(&self) -> bool {
        self.converged
    }

    fn is_sound(&self) -> bool {
        self.support.is_sound()
            && self.support.width == self.means.len()
            && self.means.len() <= MAX_FEATURES
            && self.weights.len() == self.support.padded_count()
            && self.weights.iter().chain(&self.means).all(|value| value.is_finite())
            && self.gamma.is_finite()
            && self.rho.is_finite()
    }
}

/// Of each feature, of what is not missing.
fn means(rows: Rows<'_>) -> Vec<f32> {
    let mut sums = vec![(0f64, 0u64); rows.width()];
    for row in rows.iter() {
        for (sum, &value) in sums.iter_mut().zip(row).filter(|(_, value)| !value.is_nan()) {
            *sum = (sum.0 + f64::from(value_or(value, 0.0)), sum.1 + 1);
        }
    }
    sums.iter().map(|(sum, count)| (sum / (*count).max(1) as f64) as f32).collect()
}

/// The rows that are trained on, one after another, in their order.
fn sample(rows: Rows<'_>, settings: &OneClassSettings, means: &[f32]) -> Vec<f32> {
    let most = settings.sample.clamp(1, MAX_SAMPLE);
    let mut chosen: Vec<u32> = (0..rows.len().min(most) as u32).collect();
    if rows.len() > most {
        chosen = Random::new(settings.seed).choose(rows.len(), most);
        chosen.sort_unstable();
    }
    let filled = |row: &[f32]| row.iter().zip(means).map(|(&value, &mean)| value_or(value, mean)).collect::<Vec<_>>();
    chosen.iter().filter_map(|&at| rows.get(at as usize)).flat_map(filled).collect()
}

fn gamma(values: &[f32], width: usize, gamma: Gamma) -> f64 {
    let auto = 1.0 / width as f64;
    let chosen = match gamma {
        Gamma::Auto => auto,
        Gamma::Value(value) => value,
        Gamma::Scale => {
            let (count, mut mean, mut variance) = (values.len() as f64, 0.0, 0.0);
            values.iter().for_each(|&x| mean += f64::from(x) / count);
            values.iter().for_each(|&x| variance += (f64::from(x) - mean) * (f64::from(x) - mean) / count);
            // Values that are all equal: any width does, and scikit-learn takes this one.
            if variance > 0.0 { auto / variance } else { 1.0 }
        }
    };
    if chosen.is_finite() && chosen > 0.0 { chosen.clamp(1e-30, 1e30) } else { auto }
}

#[cfg(test)]
mod tests;
