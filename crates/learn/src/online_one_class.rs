//! A one-class SVM that follows a stream: the kernel by random Fourier features (Rahimi, Recht: Random features for large-scale
//! kernel machines, NIPS 2007), the hyperplane by stochastic gradient descent with an exponential memory (Kivinen, Smola,
//! Williamson: Online learning with kernels, IEEE Transactions on Signal Processing 2004).

use crate::random::Random;
use crate::rows::MAX_FEATURES;
use crate::sound::serde_if_sound;
use serde::{Deserialize, Serialize};

const MAX_WAVES: usize = 4_096;
/// Larger numbers are taken for this one.
const LARGEST: f32 = 1e6;

/// How an [`OnlineOneClass`] learns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OnlineOneClassSettings {
    /// The share of rows that lies outside in the long run (0.0001 to 0.5).
    pub nu: f64,
    /// Of the kernel `exp(-gamma |x - y|^2)`; a positive number, as there is nothing to take a scale from.
    pub gamma: f64,
    /// Random waves that stand for the kernel (1 to 4,096): its error is about one over their root.
    pub waves: usize,
    /// Rows that are remembered: what is older weighs 1/e.
    pub memory: f64,
    /// The same rows, settings and seed give the same decisions.
    pub seed: u64,
}

impl Default for OnlineOneClassSettings {
    fn default() -> Self {
        OnlineOneClassSettings { nu: 0.05, gamma: 0.5, waves: 128, memory: 5_000.0, seed: 1 }
    }
}

/// Approximates [`crate::OneClassSvm`] in constant memory and time: `waves * (width + 2)` numbers.
///
/// Minimises `|w|^2 / 2 - rho + mean(max(0, rho - w z(x))) / nu` over the stream, where `z` are cosines of random directions.
/// Decisions have a scale of their own (rho is at most 1). Missing values (NaN) count as 0: centre and scale features.
///
/// ```
/// use lapwing_learn::{OnlineOneClass, OnlineOneClassSettings};
/// let mut online = OnlineOneClass::new(2, &OnlineOneClassSettings::default());
/// for i in 0..5_000 {
///     online.decide_then_learn(&[(i as f32).cos(), (i as f32).sin()]);
/// }
/// assert!(online.decision(&[4.0, 0.0]) < 0.0 && online.decision(&[4.0, 0.0]) < online.decision(&[0.0, 1.0]));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct OnlineOneClass {
    width: usize,
    nu: f64,
    memory: f64,
    /// Feature after feature, a direction's component for each wave, in turns (2 pi) a unit.
    directions: Vec<f32>,
    phases: Vec<f32>,
    weights: Vec<f32>,
    rho: f64,
    seen: u64,
    /// The waves of the row that is looked at; kept to save the allocation.
    #[serde(skip)]
    waves: Vec<f32>,
}

serde_if_sound!(OnlineOneClass, "an online one-class SVM");

impl OnlineOneClass {
    /// For rows of `width` values (1 to [`MAX_FEATURES`]).
    #[must_use]
    pub fn new(width: usize, settings: &OnlineOneClassSettings) -> Self {
        let (width, waves) = (width.clamp(1, MAX_FEATURES), settings.waves.clamp(1, MAX_WAVES));
        let gamma = if settings.gamma > 0.0 { settings.gamma.min(1e6) } else { 0.5 };
        let spread = (2.0 * gamma).sqrt() / std::f64::consts::TAU;
        let mut random = Random::new(settings.seed);
        let directions = (0..width * waves).map(|_| (random.normal() * spread) as f32).collect();
        let phases = (0..waves).map(|_| random.unit() as f32).collect();
        let nu = if settings.nu > 0.0 { settings.nu.clamp(1e-4, 0.5) } else { 0.05 };
        let memory = if settings.memory.is_finite() { settings.memory.clamp(10.0, 1e9) } else { 1e9 };
        OnlineOneClass { width, nu, memory, directions, phases, weights: vec![0.0; waves], rho: 0.0, seen: 0, waves: vec![] }
    }

    /// The decision value of a row: positive within, negative outside.
    #[must_use]
    pub fn decision(&self, row: &[f32]) -> f32 {
        let mut waves = Vec::new();
        self.transform(row, &mut waves);
        (self.project(&waves) - self.rho) as f32
    }

    /// Decides about a row by what was seen before, then learns it.
    pub fn decide_then_learn(&mut self, row: &[f32]) -> f32 {
        let mut waves = std::mem::take(&mut self.waves);
        self.transform(row, &mut waves);
        let decision = self.project(&waves) - self.rho;
        self.descend(decision, &waves);
        self.waves = waves;
        decision as f32
    }

    /// How many rows it has learned.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    fn transform(&self, row: &[f32], waves: &mut Vec<f32>) {
        waves.clear();
        waves.extend_from_slice(&self.phases);
        for (directions, &value) in self.directions.chunks_exact(self.phases.len()).zip(row) {
            let value = if value.is_nan() { 0.0 } else { value.clamp(-LARGEST, LARGEST) };
            waves.iter_mut().zip(directions).for_each(|(wave, &direction)| *wave += direction * value);
        }
        let scale = (2.0 / waves.len() as f32).sqrt();
        waves.iter_mut().for_each(|wave| *wave = scale * cosine_of_turns(*wave));
    }

    fn project(&self, waves: &[f32]) -> f64 {
        let mut sums = [0f32; 8];
        let (weights, weights_left) = self.weights.as_chunks::<8>();
        let (waves, waves_left) = waves.as_chunks::<8>();
        for (weights, waves) in weights.iter().zip(waves) {
            for k in 0..8 {
                sums[k] += weights[k] * waves[k];
            }
        }
        let left: f32 = weights_left.iter().zip(waves_left).map(|(weight, wave)| weight * wave).sum();
        f64::from(sums.iter().sum::<f32>() + left)
    }

    /// One step down the gradient; steps shrink as 1 / seen until they are as small as the memory is long.
    fn descend(&mut self, decision: f64, waves: &[f32]) {
        self.seen = self.seen.saturating_add(1);
        let rate = (1.0 / self.seen as f64).max(1.0 / self.memory);
        let is_outside = decision <= 0.0;
        let pull = if is_outside { rate / self.nu } else { 0.0 };
        // A step never makes more of a row than the row itself: with a small nu the first ones would.
        let (keep, pull) = ((1.0 - rate) as f32, pull.min(0.5) as f32);
        self.weights.iter_mut().zip(waves).for_each(|(weight, &wave)| *weight = keep * *weight + pull * wave);
        // Offsets move on a finer scale than weights: the share outside is what they steer.
        let rise = 0.1 * rate.sqrt();
        self.rho = (self.rho + rise * (self.nu - f64::from(u8::from(is_outside)))).clamp(0.0, 2.0);
    }

    fn is_sound(&self) -> bool {
        let waves = self.phases.len();
        (1..=MAX_FEATURES).contains(&self.width)
            && (1..=MAX_WAVES).contains(&waves)
            && self.weights.len() == waves
            && self.directions.len() == waves * self.width
            && self.directions.iter().chain(&self.phases).chain(&self.weights).all(|value| value.is_finite())
            && [self.nu, self.memory, self.rho].iter().all(|value| value.is_finite())
            && self.nu > 0.0
            && self.memory >= 1.0
    }
}

/// `cos(2 pi t)`, exact to 2e-5: what matters of an approximation of an approximation. Branchless.
#[inline(always)]
fn cosine_of_turns(t: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
    // Past this, a turn is lost in rounding anyway.
    let t = t.clamp(-4e6, 4e6);
    let part = t - ((t + SHIFT) - SHIFT);
    let square = part * part;
    let high = -85.456_81 + square * (60.244_64 + square * (-26.426_26 + square * (7.903_536 - square * 1.714_391)));
    1.0 + square * (-19.739_208 + square * (64.939_39 + square * high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(random: &mut Random, radius: f64) -> [f32; 2] {
        let angle = std::f64::consts::TAU * random.unit();
        let radius = radius + 0.1 * random.normal();
        [(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]
    }

    fn learned(rows: usize, nu: f64, radius: f64) -> (OnlineOneClass, Random) {
        let settings = OnlineOneClassSettings { nu, gamma: 2.0, ..Default::default() };
        let (mut online, mut random) = (OnlineOneClass::new(2, &settings), Random::new(9));
        (0..rows).for_each(|_| _ = online.decide_then_learn(&ring(&mut random, radius)));
        (online, random)
    }

    #[test]
    fn the_cosine_is_as_exact_as_it_says() {
        for i in -30_000..30_000 {
            let t = i as f32 / 10_000.0;
            let exact = (std::f64::consts::TAU * f64::from(t)).cos();
            assert!((f64::from(cosine_of_turns(t)) - exact).abs() < 2e-5, "{t} {} {exact}", cosine_of_turns(t));
        }
        assert!([f32::MAX, f32::MIN].iter().all(|&t| cosine_of_turns(t).abs() <= 1.001));
    }

    #[test]
    fn the_share_outside_becomes_nu() {
        for nu in [0.02, 0.1, 0.3] {
            let (mut online, mut random) = learned(20_000, nu, 1.0);
            let outside = (0..20_000).filter(|_| online.decide_then_learn(&ring(&mut random, 1.0)) < 0.0).count();
            let share = outside as f64 / 20_000.0;
            assert!((share / nu - 1.0).abs() < 0.25, "{nu}: {share}");
        }
    }

    #[test]
    fn what_is_far_from_the_stream_is_outside_and_a_drift_is_followed() {
        let (mut online, mut random) = learned(20_000, 0.05, 1.0);
        assert!(online.decision(&[0.0, 0.0]) < 0.0 && online.decision(&[2.5, 0.0]) < 0.0);
        let inside = (0..1_000).filter(|_| online.decision(&ring(&mut random, 1.0)) > 0.0).count();
        assert!(inside > 850, "{inside}");
        (0..40_000).for_each(|_| _ = online.decide_then_learn(&ring(&mut random, 2.5)));
        assert!(online.decision(&[1.0, 0.0]) < 0.0);
        let inside = (0..1_000).filter(|_| online.decision(&ring(&mut random, 2.5)) > 0.0).count();
        assert!(inside > 850, "{inside}");
    }

    #[test]
    fn odd_rows_give_numbers_and_a_round_trip_continues_exactly() {
        let (mut online, mut random) = learned(500, 0.05, 1.0);
        for row in [&[][..], &[f32::NAN, f32::INFINITY], &[f32::MAX, f32::MIN, 1.0]] {
            assert!(online.decide_then_learn(row).is_finite());
        }
        let mut back: OnlineOneClass = postcard::from_bytes(&postcard::to_allocvec(&online).unwrap()).unwrap();
        for _ in 0..100 {
            let row = ring(&mut random, 1.0);
            assert_eq!(online.decide_then_learn(&row).to_bits(), back.decide_then_learn(&row).to_bits());
        }
    }
}
