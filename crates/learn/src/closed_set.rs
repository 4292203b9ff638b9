//! The few values that something takes, as long as they are few.

use serde::{Deserialize, Serialize};

use crate::unseen::surprise;

/// Hashes of the values seen, with how often. Where there are more than its capacity the set is open: it then remembers none of
/// them until a generation ends. 16 bytes a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedSet {
    values: Vec<Counted>,
    capacity: u16,
    open: bool,
    samples: u32,
    older_samples: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Counted {
    value: u64,
    /// In this generation and the one before.
    count: u32,
    older: u32,
}

impl ClosedSet {
    /// A set that is closed up to `capacity` values.
    #[must_use]
    pub fn new(capacity: u16) -> ClosedSet {
        ClosedSet { values: Vec::new(), capacity, open: false, samples: 0, older_samples: 0 }
    }

    /// Learns a value. Answers how often it was seen in this generation; 0 where the set is open.
    #[inline]
    pub fn learn(&mut self, value: u64) -> u32 {
        self.samples = self.samples.saturating_add(1);
        if self.open {
            return 0;
        }
        if let Some(counted) = self.values.iter_mut().find(|counted| counted.value == value) {
            counted.count = counted.count.saturating_add(1);
            return counted.count;
        }
        if self.values.len() >= usize::from(self.capacity) {
            self.open = true;
            self.values = Vec::new();
            return 0;
        }
        self.values.push(Counted { value, count: 1, older: 0 });
        1
    }

    /// Learns a value that was learned in this generation before, whichever it is.
    #[inline]
    pub fn repeat(&mut self) {
        self.samples = self.samples.saturating_add(1);
    }

    /// Whether this is one of the values; everything is, where the set is open.
    #[must_use]
    #[inline]
    pub fn has(&self, value: u64) -> bool {
        self.open || self.values.iter().any(|counted| counted.value == value)
    }

    /// How often a value is remembered; 0 where it is not or the set is open.
    #[must_use]
    pub fn count(&self, value: u64) -> u32 {
        let found = self.values.iter().find(|counted| counted.value == value);
        found.map_or(0, |counted| counted.count.saturating_add(counted.older))
    }

    /// Whether there were more values than fit.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// How many values there are; 0 where the set is open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The values, in no order; none where the set is open.
    pub fn values(&self) -> impl Iterator<Item = u64> + '_ {
        self.values.iter().map(|counted| counted.value)
    }

    /// Whether no value is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many samples are remembered.
    #[must_use]
    pub fn samples(&self) -> u32 {
        self.samples.saturating_add(self.older_samples)
    }

    /// The surprise in nats of a value that is none of them; 0 where the set is open. See [`surprise`].
    #[must_use]
    pub fn surprise(&self, allowance: f32) -> f32 {
        if self.open {
            return 0.0;
        }
        let once = self.values.iter().filter(|counted| counted.count + counted.older == 1).count() as u32;
        surprise(self.samples(), self.values.len() as u32, once, allowance)
    }

    /// A generation ends: values that it did not see are forgotten, and an open set may be found closed again.
    pub fn age(&mut self) {
        self.values.retain(|counted| counted.count > 0);
        for counted in &mut self.values {
            (counted.older, counted.count) = (counted.count, 0);
        }
        self.older_samples = if self.open { 0 } else { self.samples };
        (self.samples, self.open) = (0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_outside_a_small_set_seen_often_is_surprising() {
        let mut set = ClosedSet::new(8);
        for n in 0..300 {
            set.learn(n % 2);
        }
        assert!(set.has(1) && !set.has(2));
        assert!(set.surprise(0.0) > 10.0);
    }

    #[test]
    fn a_set_of_many_values_says_nothing() {
        let mut set = ClosedSet::new(8);
        for n in 0..300 {
            set.learn(n);
        }
        assert!(set.is_open() && set.has(1000));
        assert!(set.surprise(0.0).abs() < f32::EPSILON);
        assert_eq!(set.values.capacity(), 0, "an open set keeps no values");
    }

    #[test]
    fn values_that_age_are_forgotten_and_an_open_set_may_close() {
        let mut set = ClosedSet::new(2);
        for n in 0..3 {
            set.learn(n);
        }
        set.age();
        assert_eq!((set.learn(5), set.learn(5), set.is_open()), (1, 2, false));
        set.age();
        assert!(set.has(5));
        set.age();
        assert!(!set.has(5));
    }
}
