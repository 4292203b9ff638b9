//! How often something new appears: a smoothed share of events that were new, with a Beta prior (Laplace's rule of succession;
//! Gelman et al., Bayesian Data Analysis, 2.1). At first everything is new and nothing new is a surprise.

use serde::{Deserialize, Serialize};

/// The prior is worth two events, one of them new.
const PRIOR_NEW: f64 = 1.0;
const PRIOR_KNOWN: f64 = 1.0;

/// The share of new among the recent events. 32 bytes, O(1) per event.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NoveltyRate {
    /// What remains of an event's weight at the next one.
    remains: f64,
    new: f64,
    events: f64,
    seen: u64,
}

impl NoveltyRate {
    /// An event's weight halves every `half_life` events (at least 1; 10,000 is usual).
    #[must_use]
    pub fn new(half_life: f64) -> Self {
        let half_life = if half_life.is_finite() { half_life.max(1.0) } else { 10_000.0 };
        NoveltyRate { remains: (-std::f64::consts::LN_2 / half_life).exp(), new: 0.0, events: 0.0, seen: 0 }
    }

    /// Learns whether an event was new. Ask [`NoveltyRate::surprise_bits`] before.
    #[inline]
    pub fn observe(&mut self, was_new: bool) {
        self.new = self.new * self.remains + f64::from(u8::from(was_new));
        self.events = self.events * self.remains + 1.0;
        self.seen = self.seen.saturating_add(1);
    }

    /// The share of events that are new, in (0, 1): the mean of the posterior.
    #[inline]
    #[must_use]
    pub fn share(&self) -> f64 {
        (self.new + PRIOR_NEW) / (self.events + PRIOR_NEW + PRIOR_KNOWN)
    }

    /// One event in so many is new (at least 1).
    #[must_use]
    pub fn one_in(&self) -> f64 {
        1.0 / self.share()
    }

    /// How surprising a new event is, -log2 of the share: 10 bits is one in a thousand.
    #[must_use]
    pub fn surprise_bits(&self) -> f64 {
        -self.share().log2()
    }

    /// How many events it has seen.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_surprise_at_first() {
        let mut rate = NoveltyRate::new(1_000.0);
        assert_eq!((rate.surprise_bits(), rate.one_in()), (1.0, 2.0));
        (0..500).for_each(|_| rate.observe(true));
        assert!(rate.surprise_bits() < 0.01);
    }

    #[test]
    fn says_one_in_how_many() {
        let mut rate = NoveltyRate::new(10_000.0);
        (0..100_000).for_each(|i| rate.observe(i % 500 == 0));
        assert!((450.0..550.0).contains(&rate.one_in()), "{}", rate.one_in());
        assert!((8.8..9.2).contains(&rate.surprise_bits()));
        assert_eq!(rate.seen(), 100_000);
    }

    #[test]
    fn a_quiet_series_becomes_the_more_surprised_the_longer_it_was_quiet() {
        let mut rate = NoveltyRate::new(10_000.0);
        let mut last = 0.0;
        for _ in 0..5 {
            (0..2_000).for_each(|_| rate.observe(false));
            assert!(rate.surprise_bits() > last);
            last = rate.surprise_bits();
        }
        assert!(last > 12.0, "{last}");
    }

    #[test]
    fn forgets_a_storm_of_novelties() {
        let mut rate = NoveltyRate::new(1_000.0);
        (0..1_000).for_each(|_| rate.observe(true));
        (0..10_000).for_each(|_| rate.observe(false));
        assert!(rate.one_in() > 400.0, "{}", rate.one_in());
    }

    #[test]
    fn continues_exactly_after_a_round_trip() {
        let mut rate = NoveltyRate::new(100.0);
        (0..500).for_each(|i| rate.observe(i % 9 == 0));
        let mut back: NoveltyRate = postcard::from_bytes(&postcard::to_allocvec(&rate).unwrap()).unwrap();
        (0..500).for_each(|i| (rate.observe(i % 7 == 0), back.observe(i % 7 == 0)).0);
        assert_eq!(rate, back);
    }
}
