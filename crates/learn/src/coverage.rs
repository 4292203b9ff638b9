//! Which of a few hundred categories samples fall into: bits, with those marked that were seen just once.

use serde::{Deserialize, Serialize};

use crate::unseen::surprise;

/// 64-bit words of one [`Marks`].
pub const MARK_WORDS: usize = 5;

/// The categories of one sample, a bit each.
pub type Marks = [u64; MARK_WORDS];

/// The categories that samples of two generations fell into. 128 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Coverage {
    samples: u32,
    older_samples: u32,
    seen: Marks,
    once: Marks,
    older: Marks,
}

impl Coverage {
    /// Learns a sample.
    #[inline]
    pub fn learn(&mut self, marks: &Marks) {
        for ((seen, once), &mark) in self.seen.iter_mut().zip(&mut self.once).zip(marks) {
            *once = *once & !mark | mark & !*seen;
            *seen |= mark;
        }
        self.samples = self.samples.saturating_add(1);
    }

    /// Learns a sample like one of this generation that was learned more than once.
    #[inline]
    pub fn repeat(&mut self) {
        self.samples = self.samples.saturating_add(1);
    }

    /// How many samples are remembered.
    #[must_use]
    pub fn samples(&self) -> u32 {
        self.samples.saturating_add(self.older_samples)
    }

    /// The categories that samples fell into.
    #[must_use]
    pub fn known(&self) -> Marks {
        std::array::from_fn(|at| self.seen[at] | self.older[at])
    }

    /// The categories of a sample that no sample before fell into.
    #[must_use]
    #[inline]
    pub fn unknown(&self, marks: &Marks) -> Marks {
        std::array::from_fn(|at| marks[at] & !self.seen[at] & !self.older[at])
    }

    /// The surprise in nats of a new category within `words`; see [`surprise`]. What was seen just once lets others like it be
    /// expected: the less natural the new one (`allowance`), the less.
    #[must_use]
    pub fn surprise(&self, words: std::ops::Range<usize>, allowance: f32) -> f32 {
        let count = |of: &dyn Fn(usize) -> u64| words.clone().map(|at| of(at).count_ones()).sum();
        let distinct = count(&|at| self.seen[at] | self.older[at]);
        let once: u32 = count(&|at| self.once[at] & !self.older[at]);
        surprise(self.samples(), distinct, 0, allowance + once as f32 * allowance.max(0.0).sqrt())
    }

    /// Both together, as if all samples had been one's own.
    #[must_use]
    pub fn merged(&self, other: &Coverage) -> Coverage {
        let known = |of: &Coverage, at: usize| of.seen[at] | of.older[at];
        Coverage {
            samples: self.samples.saturating_add(other.samples),
            older_samples: self.older_samples.saturating_add(other.older_samples),
            seen: std::array::from_fn(|at| self.seen[at] | other.seen[at]),
            once: std::array::from_fn(|at| self.once[at] & !known(other, at) | other.once[at] & !known(self, at)),
            older: std::array::from_fn(|at| self.older[at] | other.older[at]),
        }
    }

    /// A generation ends: what it did not see is forgotten with the next one.
    pub fn age(&mut self) {
        *self = Coverage { older: self.seen, older_samples: self.samples, ..Coverage::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(bits: &[usize]) -> Marks {
        let mut marks = Marks::default();
        bits.iter().for_each(|bit| marks[bit / 64] |= 1 << (bit % 64));
        marks
    }

    #[test]
    fn a_category_is_unknown_until_a_sample_falls_into_it() {
        let mut coverage = Coverage::default();
        coverage.learn(&marks(&[1, 70]));
        assert_eq!(coverage.unknown(&marks(&[1, 2, 70])), marks(&[2]));
    }

    #[test]
    fn what_was_seen_once_makes_the_new_less_surprising() {
        let mut coverage = Coverage::default();
        (0..500).for_each(|_| coverage.learn(&marks(&[1])));
        let closed = coverage.surprise(0..1, 0.1);
        coverage.learn(&marks(&[1, 9]));
        assert!(coverage.surprise(0..1, 0.1) < closed - 1.0);
        coverage.learn(&marks(&[9]));
        assert!(coverage.surprise(0..1, 0.1) > closed - 0.5, "seen twice");
    }

    #[test]
    fn what_two_generations_did_not_see_is_forgotten() {
        let mut coverage = Coverage::default();
        coverage.learn(&marks(&[3]));
        coverage.age();
        coverage.learn(&marks(&[4]));
        assert_eq!(coverage.unknown(&marks(&[3, 4])), marks(&[]));
        coverage.age();
        assert_eq!(coverage.unknown(&marks(&[3, 4])), marks(&[3]));
    }

    #[test]
    fn merged_is_as_if_all_samples_had_been_ones_own() {
        let (mut a, mut b, mut both) = (Coverage::default(), Coverage::default(), Coverage::default());
        for (n, bits) in [&[1, 2][..], &[1], &[3, 2], &[4]].into_iter().enumerate() {
            [&mut a, &mut b][n % 2].learn(&marks(bits));
            both.learn(&marks(bits));
        }
        assert_eq!(a.merged(&b), both);
    }
}
