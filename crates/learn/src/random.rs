//! A small seeded generator whose state is saved with what it drives: the same seed gives the same model on every machine.

use crate::mix::mix;
use serde::{Deserialize, Serialize};

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014). Not for secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(mix(seed, 1))
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0, 0)
    }

    /// In [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// In 0..n, and 0 for n = 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f64) as usize
    }

    /// Standard normal (Box and Muller, 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// `take` different numbers of 0..n, in random order; all of them where there are fewer.
    pub(crate) fn choose(&mut self, n: usize, take: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..n as u32).collect();
        for at in 0..take.min(n) {
            let other = at + self.below(n - at);
            all.swap(at, other);
        }
        all.truncate(take);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn chooses_different_numbers_and_every_number_equally_often() {
        let mut random = Random::new(1);
        let mut counts = [0u32; 20];
        for _ in 0..10_000 {
            let mut chosen = random.choose(20, 5);
            chosen.iter().for_each(|&at| counts[at as usize] += 1);
            chosen.sort_unstable();
            chosen.dedup();
            assert_eq!(chosen.len(), 5);
        }
        assert!(counts.iter().all(|&n| (2_300..2_700).contains(&n)), "{counts:?}");
        assert_eq!(random.choose(3, 9).len(), 3);
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let mut random = Random::new(2);
        let drawn: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
        let mean = drawn.iter().sum::<f64>() / 20_000.0;
        let variance = drawn.iter().map(|x| x * x).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
