//! A bounded, seeded sample of a stream of rows, in which old rows give way to new ones.

use crate::random::Random;
use crate::rows::{MAX_FEATURES, Rows};
use crate::sound::serde_if_sound;
use serde::{Deserialize, Serialize};

/// A sample of at most `capacity` rows of a stream. Without a half-life each row of the stream is in it with the same
/// probability (Vitter: Random sampling with a reservoir, 1985); with one, that probability halves every so many rows
/// (Aggarwal: On biased reservoir sampling in the presence of stream evolution, VLDB 2006).
///
/// ```
/// use lapwing_learn::Reservoir;
/// let mut sample = Reservoir::new(1, 100, None, 7);
/// (0..10_000).for_each(|i| sample.insert(&[i as f32]));
/// assert_eq!((sample.rows().len(), sample.seen()), (100, 10_000));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Reservoir {
    width: usize,
    capacity: usize,
    /// How likely a row of a full reservoir replaces another; 0 = as likely as for any row before.
    ageing: f64,
    values: Vec<f32>,
    seen: u64,
    random: Random,
}

serde_if_sound!(Reservoir, "a reservoir");

impl Reservoir {
    /// Room for `capacity` (1 to 65,536) rows of `width` values. `half_life` is in rows; at `capacity * ln 2` and below every
    /// row is taken, so that is the least half-life there is.
    #[must_use]
    pub fn new(width: usize, capacity: usize, half_life: Option<f64>, seed: u64) -> Self {
        let (width, capacity) = (width.clamp(1, MAX_FEATURES), capacity.clamp(1, 65_536));
        let ageing = half_life.map_or(0.0, |half_life| {
            let ageing = capacity as f64 * std::f64::consts::LN_2 / half_life.max(1.0);
            if ageing.is_finite() { ageing.clamp(1e-9, 1.0) } else { 1.0 }
        });
        Reservoir { width, capacity, ageing, values: Vec::new(), seen: 0, random: Random::new(seed) }
    }

    /// Shows it one row of the stream. What a short row does not have is missing; what a long one has too much is ignored.
    pub fn insert(&mut self, row: &[f32]) {
        self.seen = self.seen.saturating_add(1);
        if self.values.len() < self.capacity * self.width {
            self.values.extend((0..self.width).map(|at| row.get(at).copied().unwrap_or(f32::NAN)));
            return;
        }
        let chance = if self.ageing > 0.0 { self.ageing } else { self.capacity as f64 / self.seen as f64 };
        if self.random.unit() >= chance {
            return;
        }
        let at = self.random.below(self.capacity) * self.width;
        for (to, at) in self.values[at..at + self.width].iter_mut().zip(0..) {
            *to = row.get::<usize>(at).copied().unwrap_or(f32::NAN);
        }
    }

    /// The rows it holds, in no order.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        Rows::new(&self.values, self.width)
    }

    /// How many rows it was shown.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    fn is_sound(&self) -> bool {
        (1..=MAX_FEATURES).contains(&self.width)
            && (1..=65_536).contains(&self.capacity)
            && (0.0..=1.0).contains(&self.ageing)
            && self.values.len().is_multiple_of(self.width)
            && self.values.len() <= self.capacity * self.width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(half_life: Option<f64>, shown: u64) -> f64 {
        let mut sample = Reservoir::new(1, 2_000, half_life, 3);
        (0..shown).for_each(|i| sample.insert(&[i as f32]));
        assert_eq!(sample.rows().len(), 2_000);
        sample.rows().iter().map(|row| f64::from(row[0])).sum::<f64>() / 2_000.0
    }

    #[test]
    fn without_a_half_life_old_and_new_rows_are_alike() {
        assert!((mean(None, 100_000) - 50_000.0).abs() < 2_500.0);
    }

    #[test]
    fn with_a_half_life_rows_are_as_old_as_it_says() {
        // The mean age of an exponential of half-life h is h / ln 2.
        let age = 100_000.0 - mean(Some(10_000.0), 100_000);
        assert!((age - 14_427.0).abs() < 1_200.0, "{age}");
    }

    #[test]
    fn short_long_and_odd_rows_are_kept_in_shape() {
        let mut sample = Reservoir::new(2, 4, Some(f64::NAN), 3);
        for i in 0..50 {
            sample.insert(&[f32::NAN, f32::INFINITY, 3.0][..i % 4]);
        }
        assert_eq!((sample.rows().len(), sample.rows().width()), (4, 2));
    }

    #[test]
    fn a_damaged_state_is_refused() {
        let mut sample = Reservoir::new(2, 4, None, 3);
        sample.insert(&[1.0, 2.0]);
        sample.values.pop();
        let bytes = postcard::to_allocvec(&sample).unwrap();
        assert!(postcard::from_bytes::<Reservoir>(&bytes).is_err());
    }
}
