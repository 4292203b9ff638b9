//! When the level of a series has shifted for good: a two-sided cumulative sum (Page: Continuous inspection schemes, Biometrika
//! 41, 1954) over deviations that are clipped, so that a single outlier is no shift (Lucas, Crosier: Robust CUSUM, Communications
//! in Statistics 11, 1982).

use serde::{Deserialize, Serialize};

use crate::moments::Moments;

/// Values before a level is known.
const WARM: u64 = 30;
/// Values after which a value counts half in the level.
const HALF_LIFE: f64 = 200.0;
/// Deviations beyond this count as this: in the sums, and in what is learnt.
const CLIP: f64 = 4.0;
/// Deviations that are no shift yet; half of the smallest shift worth finding.
const SLACK: f64 = 0.75;
/// The sum that is a shift. With this slack, normal noise reaches it once in about ten million values, a shift by three
/// deviations in five.
const BAR: f64 = 10.0;

/// Watches the level of a series for shifts. 96 bytes, O(1) per value.
///
/// ```
/// let mut level = lapwing_learn::LevelShift::new();
/// let noise = |i: u32| f64::from(i.wrapping_mul(2_654_435_761) >> 24) / 256.0;
/// assert!((0..300).all(|i| level.observe(10.0 + noise(i)).is_none()));
/// let shift = (300..400).find_map(|i| level.observe(14.0 + noise(i))).unwrap();
/// assert!((shift.from - 10.5).abs() < 0.5 && shift.to > 13.0 && shift.ago < 6, "{shift:?}");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LevelShift {
    level: Moments,
    up: Sum,
    down: Sum,
}

/// A shift that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// The level before.
    pub from: f64,
    /// The mean since the shift.
    pub to: f64,
    /// How many values ago it began.
    pub ago: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Sum {
    sum: f64,
    /// Values since the sum was last nothing, and their total.
    values: u64,
    total: f64,
}

impl Default for LevelShift {
    fn default() -> Self {
        LevelShift { level: Moments::new(HALF_LIFE), up: Sum::default(), down: Sum::default() }
    }
}

impl LevelShift {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> LevelShift {
        LevelShift::default()
    }

    /// Learns a value; answers where it makes a shift certain. It then goes on from the new level. A value that is not finite is
    /// ignored.
    pub fn observe(&mut self, x: f64) -> Option<Shift> {
        if !x.is_finite() {
            return None;
        }
        let (mean, deviation) = (self.level.mean, self.deviation());
        if self.level.steps < WARM {
            self.level.update(x);
            return None;
        }
        let z = ((x - mean) / deviation).clamp(-CLIP, CLIP);
        self.up.add(z, x);
        self.down.add(-z, x);
        let found = [self.up, self.down].into_iter().find(|sum| sum.sum >= BAR);
        let Some(sum) = found else {
            self.level.update(mean + z * deviation);
            return None;
        };
        let to = sum.total / sum.values as f64;
        let mut level = Moments::new(HALF_LIFE);
        // The new level is believed as far as it was seen; its spread is taken for that of the old one.
        level.update_times(to, sum.values);
        level.variance = deviation * deviation;
        *self = LevelShift { level, ..LevelShift::default() };
        Some(Shift { from: mean, to, ago: sum.values })
    }

    /// The level as it is known.
    #[must_use]
    pub fn level(&self) -> f64 {
        self.level.mean
    }

    /// Never nothing: a constant series may change a little.
    fn deviation(&self) -> f64 {
        self.level.variance.max(0.0).sqrt().max(self.level.mean.abs() * 1e-3).max(1e-9)
    }
}

impl Sum {
    fn add(&mut self, z: f64, x: f64) {
        self.sum += z - SLACK;
        self.values += 1;
        self.total += x;
        if self.sum <= 0.0 {
            *self = Sum::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::mix;

    fn normal(i: u64, seed: u64) -> f64 {
        let uniform = |i| ((mix(i, seed) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        (-2.0 * uniform(2 * i).ln()).sqrt() * (std::f64::consts::TAU * uniform(2 * i + 1)).cos()
    }

    #[test]
    fn noise_is_no_shift() {
        for seed in 0..5 {
            let mut level = LevelShift::new();
            assert_eq!((0..40_000).find_map(|i| level.observe(5.0 + 2.0 * normal(i, seed))), None, "seed {seed}");
        }
    }

    #[test]
    fn a_shift_either_way_is_found_with_its_beginning_and_both_levels() {
        for (seed, size) in [(1, 2.0), (2, -2.0), (3, 4.0), (4, -4.0)] {
            let mut level = LevelShift::new();
            (0..1_000).for_each(|i| assert_eq!(level.observe(normal(i, seed)), None));
            let (at, shift) = (1_000..1_100).find_map(|i| Some((i, level.observe(size + normal(i, seed))?))).unwrap();
            assert!(at < 1_025, "found {} values later", at - 1_000);
            assert!((shift.to - size).abs() < 1.0 && shift.from.abs() < 0.4, "{shift:?} of {size}");
            assert!((at + 1 - 1_000).abs_diff(shift.ago) <= 4, "{shift:?} at {at}");
            assert_eq!((1_100..3_000).find_map(|i| level.observe(size + normal(i, seed))), None, "told once");
        }
    }

    #[test]
    fn a_single_outlier_is_no_shift() {
        let mut level = LevelShift::new();
        (0..500).for_each(|i| _ = level.observe(normal(i, 9)));
        assert_eq!(level.observe(1e12), None);
        assert_eq!((500..5_000).find_map(|i| level.observe(normal(i, 9))), None);
    }

    #[test]
    fn constant_and_odd_values_do_no_harm() {
        let mut level = LevelShift::new();
        assert_eq!((0..500).find_map(|i| level.observe(if i % 9 == 0 { f64::NAN } else { 3.0 })), None);
        assert!((0..9).find_map(|_| level.observe(4.0)).is_some());
        assert!((level.level() - 4.0).abs() < 1e-9);
    }

    #[test]
    fn continues_exactly_after_a_round_trip() {
        let mut level = LevelShift::new();
        (0..222).for_each(|i| _ = level.observe(normal(i, 8)));
        let mut back: LevelShift = postcard::from_bytes(&postcard::to_allocvec(&level).unwrap()).unwrap();
        (0..500).for_each(|i| assert_eq!(level.observe(normal(i, 7) + 1.0), back.observe(normal(i, 7) + 1.0)));
    }
}
