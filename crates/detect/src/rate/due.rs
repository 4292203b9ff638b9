//! Which series are asked about a period that is over.

use lapwing_learn::Lru;
use serde::{Deserialize, Serialize};

use super::periods::{MINUTE, PERIODS};
use super::series::Series;

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
