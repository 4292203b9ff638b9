//! When templates come last in a session: what usually comes later is not missed yet.

use std::collections::{BTreeMap, BTreeSet};

use lapwing_learn::Delays;
use serde::{Deserialize, Serialize, Serializer};

/// What comes this late, seldom comes later.
const LATE: f64 = 0.99;
/// Quantiles are of the past; some more time is granted.
const GRACE: f64 = 1.25;

/// How long after the beginning of a session templates came last. What is still to come is found without looking at all of them.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "BTreeMap<u64, Delays>")]
pub(super) struct Late {
    delays: BTreeMap<u64, Delays>,
    /// Templates by how late they come, in milliseconds.
    by_delay: BTreeSet<(u64, u64)>,
}

impl Late {
    /// A template came last so many milliseconds after the beginning of its session; of further ones than `most` nothing is learned.
    pub(super) fn learn(&mut self, template: u64, delay: u64, most: usize) {
        if self.delays.len() >= most && !self.delays.contains_key(&template) {
            return;
        }
        let delays = self.delays.entry(template).or_default();
        let before = delays.quantile(LATE);
        delays.observe(delay);
        let now = delays.quantile(LATE);
        if before != now {
            before.map(|before| self.by_delay.remove(&(before, template)));
            self.by_delay.extend(now.map(|now| (now, template)));
        }
    }

    /// The templates that may still come to a session so many milliseconds after its beginning, in order.
    pub(super) fn after(&self, age: u64) -> Vec<u64> {
        let age = age as f64;
        let from = (age / GRACE) as u64;
        // A log without times has no delays, and all there is of its sessions.
        let late = self.by_delay.range((from.max(2), 0)..).filter(|(delay, _)| *delay as f64 * GRACE > age);
        let mut templates: Vec<u64> = late.map(|(_, template)| *template).collect();
        templates.sort_unstable();
        templates
    }
}

impl From<BTreeMap<u64, Delays>> for Late {
    fn from(delays: BTreeMap<u64, Delays>) -> Late {
        let by_delay = delays.iter().filter_map(|(template, delays)| Some((delays.quantile(LATE)?, *template))).collect();
        Late { delays, by_delay }
    }
}

impl Serialize for Late {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.delays.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_late_may_still_come_until_it_is_later_than_usual_and_a_little() {
        let mut late = Late::default();
        for n in 0..300 {
            late.learn(7, 100_000 + n % 3, 100);
            late.learn(3, 20_000, 100);
            late.learn(5, 0, 100);
        }
        assert_eq!(late.after(0), [3, 7], "what comes at once, or in a log without times, does not come late");
        assert_eq!(late.after(60_000), [7]);
        assert!(late.after(200_000).is_empty());
        let bytes = postcard::to_stdvec(&late).expect("plain data");
        let back: Late = postcard::from_bytes(&bytes).expect("its own bytes");
        assert_eq!(back.after(60_000), [7]);
        assert_eq!(back.by_delay, late.by_delay);
    }

    #[test]
    fn no_more_templates_than_asked_for_are_remembered_each_once() {
        let mut late = Late::default();
        (0..10_000_u64).for_each(|n| late.learn(n % 500, n * n % 99_991, 64));
        assert_eq!((late.delays.len(), late.by_delay.len()), (64, 64));
    }
}
