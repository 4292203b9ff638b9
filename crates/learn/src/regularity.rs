//! How regularly a source speaks, and how unlikely so long a silence is.
//!
//! Gaps between arrivals are kept as an exponentially weighted mean and variance. A silence's probability is that of a gamma
//! renewal process (Cox: Renewal Theory, 1962) of that shape whose scale is known from the gaps seen: the predictive distribution
//! is an F distribution, heavier than the gamma's own tail where the past is short. Times are nanoseconds.

use crate::moments::Moments;
use crate::special::ln_incomplete_beta;
use serde::{Deserialize, Serialize};

const SECOND: i64 = 1_000_000_000;
/// Gaps needed before a silence is judged.
const NEEDED: u64 = 20;
/// So many late arrivals in a row mean that the clock went back, not that lines are unsorted.
const LATE_IN_A_ROW: u8 = 64;
/// A gap longer than the mean plus so many deviations is learnt as that.
const CLIP: f64 = 6.0;

/// Inter-arrival statistics of one source or entity. 64 bytes, O(1) per arrival.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Regularity {
    /// Gaps in seconds.
    gaps: Moments,
    /// Arrivals closer than this are one arrival: the resolution of the clock, and what makes bursts harmless.
    resolution: i64,
    /// The arrival from which the next gap counts.
    from: i64,
    newest: i64,
    started: bool,
    late: u8,
}

impl Regularity {
    /// Gaps lose half their weight in `half_life` gaps; arrivals within `resolution` nanoseconds (at least 1 ms; 1 s is
    /// usual, as many logs know only seconds) count as one.
    #[must_use]
    pub fn new(half_life: f64, resolution: i64) -> Self {
        let resolution = resolution.clamp(SECOND / 1_000, 86_400 * SECOND);
        Regularity { gaps: Moments::new(half_life), resolution, from: 0, newest: 0, started: false, late: 0 }
    }

    /// Learns an arrival. Late arrivals are no gap; after many in a row it starts anew from there, keeping what it learnt.
    #[inline]
    pub fn observe(&mut self, at: i64) {
        let at = at.clamp(i64::MIN / 4, i64::MAX / 4);
        if !self.started {
            (self.started, self.from, self.newest) = (true, at, at);
        }
        if at < self.newest {
            self.observe_late(at);
            return;
        }
        (self.newest, self.late) = (at, 0);
        let gap = at.saturating_sub(self.from);
        if gap >= self.resolution {
            self.from = at;
            self.learn(gap as f64 / SECOND as f64);
        }
    }

    fn observe_late(&mut self, at: i64) {
        // Within the resolution nothing was said about the order.
        if self.newest.saturating_sub(at) < self.resolution {
            return;
        }
        self.late = self.late.saturating_add(1);
        if self.late >= LATE_IN_A_ROW {
            (self.from, self.newest, self.late) = (at, at, 0);
        }
    }

    fn learn(&mut self, gap: f64) {
        let longest = if self.is_known() { self.gaps.mean + CLIP * self.variance().sqrt() } else { f64::INFINITY };
        self.gaps.update(gap.min(longest));
    }

    /// Whether enough gaps (20) were seen to judge a silence.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.gaps.steps >= NEEDED
    }

    /// How many gaps it has seen.
    #[must_use]
    pub fn gaps(&self) -> u64 {
        self.gaps.steps
    }

    /// The newest arrival, from which a silence is counted.
    #[must_use]
    pub fn newest(&self) -> Option<i64> {
        self.started.then_some(self.newest)
    }

    /// The mean gap in nanoseconds; `None` before enough gaps were seen.
    #[must_use]
    pub fn expected_gap(&self) -> Option<i64> {
        self.is_known().then_some((self.gaps.mean * SECOND as f64) as i64)
    }

    /// The standard deviation of the gaps in nanoseconds; `None` before enough gaps were seen.
    #[must_use]
    pub fn deviation(&self) -> Option<i64> {
        self.is_known().then_some((self.variance().sqrt() * SECOND as f64) as i64)
    }

    /// The probability of a gap at least this long (nanoseconds), in (0, 1]; 1 before enough gaps were seen.
    #[must_use]
    pub fn quiet_probability(&self, gap: i64) -> f64 {
        if !self.is_known() || gap <= 0 {
            return 1.0;
        }
        let (mean, seen) = (self.gaps.mean, self.gaps.effective());
        // Capped: no past makes a source more regular than an hundredth of its gap.
        let shape = (mean * mean / self.variance()).clamp(1e-3, 1e4);
        let ratio = gap as f64 / SECOND as f64 / (seen * mean);
        ln_incomplete_beta(1.0 / (1.0 + ratio), ratio / (1.0 + ratio), seen * shape, shape).exp().clamp(f64::MIN_POSITIVE, 1.0)
    }

    /// Never below what the resolution hides and a twentieth of the mean: a metronome may be late by that much.
    fn variance(&self) -> f64 {
        let resolution = self.resolution as f64 / SECOND as f64;
        let least = (resolution * resolution / 12.0).max(self.gaps.mean * self.gaps.mean / 400.0);
        self.gaps.variance.max(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::mix;

    const START: i64 = 1_750_000_000 * SECOND;

    fn heartbeat(every: i64, beats: i64) -> Regularity {
        let mut regularity = Regularity::new(200.0, SECOND);
        (0..=beats).for_each(|i| regularity.observe(START + i * every * SECOND));
        regularity
    }

    /// Arrivals at random, on average every `mean` seconds.
    fn random(mean: f64, arrivals: u64) -> Regularity {
        let mut regularity = Regularity::new(200.0, SECOND);
        let mut at = START;
        for i in 0..arrivals {
            let uniform = ((mix(i, 3) >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
            at += (-uniform.ln() * mean * SECOND as f64) as i64;
            regularity.observe(at);
        }
        regularity
    }

    #[test]
    fn judges_nothing_before_twenty_gaps() {
        let young = heartbeat(10, 19);
        assert_eq!((young.expected_gap(), young.quiet_probability(i64::MAX)), (None, 1.0));
        assert_eq!(heartbeat(10, 20).expected_gap(), Some(10 * SECOND));
    }

    #[test]
    fn a_missing_heartbeat_is_noticed_soon() {
        let regularity = heartbeat(60, 100);
        assert!(regularity.quiet_probability(62 * SECOND) > 0.05);
        assert!(regularity.quiet_probability(90 * SECOND) < 1e-6, "{}", regularity.quiet_probability(90 * SECOND));
        assert!(regularity.quiet_probability(i64::MAX) > 0.0);
    }

    #[test]
    fn random_traffic_is_given_more_time() {
        let regularity = random(60.0, 2_000);
        let quiet = |gaps: f64| regularity.quiet_probability((gaps * 60.0 * SECOND as f64) as i64);
        assert!((0.25..0.5).contains(&quiet(1.0)), "{}", quiet(1.0));
        assert!((2e-3..2e-2).contains(&quiet(5.0)), "{}", quiet(5.0));
        assert!(quiet(20.0) < 1e-6, "{}", quiet(20.0));
    }

    #[test]
    fn a_fast_source_is_judged_in_seconds_not_in_lines() {
        let mut regularity = Regularity::new(200.0, SECOND);
        (0..1_000_000i64).for_each(|i| regularity.observe(START + i * SECOND / 1_000));
        assert_eq!(regularity.gaps(), 999);
        assert!(regularity.quiet_probability(10 * SECOND) < 1e-9);
    }

    #[test]
    fn one_outage_does_not_teach_itself_away() {
        let mut regularity = heartbeat(60, 200);
        let back = START + (200 * 60 + 86_400) * SECOND;
        (0..5).for_each(|i| regularity.observe(back + i * 60 * SECOND));
        assert!(regularity.expected_gap() < Some(61 * SECOND));
        assert!(regularity.quiet_probability(3_600 * SECOND) < 1e-6);
    }

    #[test]
    fn unsorted_times_are_no_gaps_and_a_clock_set_back_is_followed() {
        let mut regularity = heartbeat(10, 100);
        let (gaps, newest) = (regularity.gaps(), regularity.newest());
        (0..20).for_each(|i| regularity.observe(START + i * SECOND));
        assert_eq!((regularity.gaps(), regularity.newest()), (gaps, newest));
        regularity.observe(i64::MAX);
        (101..400).for_each(|i| regularity.observe(START + i * 10 * SECOND));
        assert_eq!(regularity.newest(), Some(START + 399 * 10 * SECOND));
        assert!((9 * SECOND..12 * SECOND).contains(&regularity.expected_gap().unwrap()), "{regularity:?}");
    }

    #[test]
    fn continues_exactly_after_a_round_trip() {
        let mut regularity = random(5.0, 300);
        let mut back: Regularity = postcard::from_bytes(&postcard::to_allocvec(&regularity).unwrap()).unwrap();
        (0..99).for_each(|i| (regularity.observe(START + i * i * SECOND), back.observe(START + i * i * SECOND)).0);
        assert_eq!(regularity, back);
    }
}
