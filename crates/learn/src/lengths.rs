//! How long things are, and how surprising a longer one is.

use serde::{Deserialize, Serialize};

use crate::moments::Moments;

/// Mean, spread and maximum of lengths. 56 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lengths {
    moments: Moments,
    longest: u32,
    older_longest: u32,
    samples: u32,
}

/// Samples after which a length counts half.
const HALF_LIFE: f64 = 2000.0;

impl Default for Lengths {
    fn default() -> Self {
        Lengths { moments: Moments::new(HALF_LIFE), longest: 0, older_longest: 0, samples: 0 }
    }
}

impl Lengths {
    /// Learns a length.
    #[inline]
    pub fn learn(&mut self, length: u32) {
        self.moments.update(f64::from(length));
        self.longest = self.longest.max(length);
        self.samples = self.samples.saturating_add(1);
    }

    /// The longest of two generations.
    #[must_use]
    pub fn longest(&self) -> u32 {
        self.longest.max(self.older_longest)
    }

    /// The surprise in nats of a length: 0 up to the longest seen; beyond it what Chebyshev's inequality allows, and never more
    /// than so many samples can say.
    #[must_use]
    pub fn surprise(&self, length: u32) -> f32 {
        if length <= self.longest() || self.samples == 0 {
            return 0.0;
        }
        let (mean, spread) = (self.moments.mean, self.moments.variance.max(0.0).sqrt());
        let deviation = (f64::from(length) - mean) / (spread + 0.5 + mean.abs() / 20.0);
        let most = f64::from(self.samples).ln_1p() + 2.0;
        // Lengths have lighter tails than the heaviest that Chebyshev's square allows for.
        (2.6 * deviation.max(1.0).ln()).min(most) as f32
    }

    /// A generation ends: its longest is forgotten with the next one.
    pub fn age(&mut self) {
        (self.older_longest, self.longest) = (self.longest, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_longer_than_ever_is_surprising_and_a_little_longer_is_not() {
        let mut lengths = Lengths::default();
        (0..1000).for_each(|n| lengths.learn(6 + n % 5));
        assert!(lengths.surprise(10).abs() < f32::EPSILON);
        assert!(lengths.surprise(11) < 3.0);
        assert!(lengths.surprise(200) > 8.0);
    }

    #[test]
    fn few_samples_cannot_say_much() {
        let mut lengths = Lengths::default();
        lengths.learn(3);
        assert!(lengths.surprise(100_000) < 3.0);
    }
}
