//! Which series a period that is over is asked of, and which periods those that were not asked have missed.

use std::collections::VecDeque;

use lapwing_learn::Lru;
use serde::{Deserialize, Serialize};

use super::series::{HOUR, MINUTE, PERIODS, Series};

/// The series with something in the open periods, and those that would be missed. All others hold nothing, as they usually do, and
/// are not looked at: a site has thousands of endpoints, and few of them are asked for within one minute.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Due {
    counted: [Vec<u64>; PERIODS.len()],
    missable: Vec<u64>,
}

impl Due {
    /// An event of a series was counted.
    pub(super) fn counted(&mut self, key: u64, series: &Series) {
        // The first of a longer period is the first of its minute.
        if series.counts[MINUTE] != 1 {
            return;
        }
        for (keys, count) in self.counted.iter_mut().zip(series.counts) {
            if count == 1 {
                keys.push(key);
            }
        }
    }

    /// Series may be forgotten and begin anew within one period: what is due is kept to those that there are.
    pub(super) fn bound(&mut self, series: &Lru<Series>) {
        for keys in &mut self.counted {
            if keys.len() > 2 * series.capacity() {
                keys.retain(|key| series.peek(*key).is_some());
                keys.sort_unstable();
                keys.dedup();
            }
        }
    }

    /// Whom to ask about a period that is over; one may be named twice.
    pub(super) fn take(&mut self, at: usize) -> Vec<u64> {
        let mut keys = std::mem::take(&mut self.counted[at]);
        if at != MINUTE {
            keys.extend(&self.missable);
        }
        keys
    }

    /// Only series that may fall are missed when nothing comes: those of `asked` that may.
    pub(super) fn learn(&mut self, asked: Vec<u64>, mut may_fall: impl FnMut(u64) -> bool) {
        self.missable.extend(asked);
        self.missable.sort_unstable();
        self.missable.dedup();
        self.missable.retain(|&key| may_fall(key));
    }
}

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
