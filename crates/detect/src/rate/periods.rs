//! The periods that events are counted in, and those of them that are over.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Their lengths in minutes.
pub(super) const PERIODS: [i64; 3] = [1, 10, 60];

/// Places in [`PERIODS`].
pub(super) const MINUTE: usize = 0;
pub(super) const TEN_MINUTES: usize = 1;
pub(super) const HOUR: usize = 2;

/// The periods that were open from their beginning and are over: those that series learn.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Closed {
    /// How many of each length.
    pub(super) count: [u32; PERIODS.len()],
    /// The newest hours among them, by their number since 1970.
    hours: VecDeque<i64>,
}

/// Five weeks, beyond which a season forgets.
const HOURS: usize = 5 * 7 * 24;

impl Closed {
    pub(super) fn push(&mut self, at: usize, period: i64) {
        self.count[at] = self.count[at].saturating_add(1);
        if at == HOUR {
            if self.hours.len() == HOURS {
                self.hours.pop_front();
            }
            self.hours.push_back(period);
        }
    }

    /// The hours after the first `learnt` and before the last `count[HOUR] - until`.
    pub(super) fn hours(&self, learnt: u32, until: u32) -> impl Iterator<Item = i64> {
        let back = |count: u32| self.hours.len().saturating_sub(self.count[HOUR].saturating_sub(count) as usize);
        self.hours.range(back(learnt).min(back(until))..back(until)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_that_a_series_missed_are_those_between_what_it_learnt_and_now() {
        let mut closed = Closed::default();
        (100..110).for_each(|hour| closed.push(HOUR, hour));
        assert_eq!(closed.hours(7, 9).collect::<Vec<_>>(), [107, 108]);
        assert_eq!(closed.hours(10, 10).count(), 0);
        (110..3000).for_each(|hour| closed.push(HOUR, hour));
        assert_eq!(closed.hours(3, closed.count[HOUR]).count(), HOURS, "what is older than five weeks is forgotten");
    }
}
