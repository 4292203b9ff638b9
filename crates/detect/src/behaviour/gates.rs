//! Gates: whether somebody is busy at all, found out so cheaply that everybody can be asked.
//!
//! A gate is a leaky bucket that tells nobody anything, so it may be shared: all whose keys fall on one place of a table fill the
//! same one. At worst it opens too early, and something is counted that need not be; it never opens too late.

use serde::{Deserialize, Serialize};

use super::bucket::Shape;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Gates {
    /// For each gate that was used, a table of `places`.
    tables: Vec<Vec<Level>>,
    /// A power of two.
    places: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Level {
    /// When it would be empty; [`OPEN`] once it has overflowed.
    empty_at: i64,
    last: i64,
}

const OPEN: i64 = i64::MAX;
const EMPTY: Level = Level { empty_at: i64::MIN, last: i64::MIN };

impl Gates {
    /// Takes no memory before it is used.
    pub(super) fn new(places: usize) -> Gates {
        Gates { tables: Vec::new(), places: places.next_power_of_two() }
    }

    /// Puts one into a gate; whether it is open.
    pub(super) fn pour(&mut self, gate: usize, key: u64, now: i64, shape: &Shape) -> bool {
        if self.tables.len() <= gate {
            self.tables.resize_with(gate + 1, Vec::new);
        }
        let table = &mut self.tables[gate];
        if table.is_empty() {
            *table = vec![EMPTY; self.places];
        }
        let place = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (self.places - 1);
        table[place].pour(now, shape)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// As many places as others have. Where that is another number, or what was saved is damaged, everybody begins anew.
    pub(super) fn set_places(&mut self, others: &Gates) {
        let sound = self.tables.iter().all(|table| table.is_empty() || table.len() == self.places);
        if self.places != others.places || !sound {
            *self = Gates::new(others.places);
        }
    }
}

impl Level {
    fn pour(&mut self, now: i64, shape: &Shape) -> bool {
        // What is told of late, by another source perhaps, counts as if it were now: it must not empty what others fill.
        let now = now.max(self.last);
        let is_over = if self.empty_at == OPEN { now.saturating_sub(self.last) > shape.mute } else { now >= self.empty_at };
        if is_over {
            *self = Level { empty_at: now.min(OPEN - 1), last: now };
        }
        self.last = now;
        if self.empty_at != OPEN {
            self.empty_at = self.empty_at.max(self.last).saturating_add(shape.leak).min(OPEN - 1);
            if self.empty_at.saturating_sub(self.last) > shape.window() {
                self.empty_at = OPEN;
            }
        }
        self.empty_at == OPEN
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::behaviour::bucket::{Bucket, Poured};

    const SECOND: i64 = 1_000_000_000;

    proptest! {
        /// A gate with a place of its own is a bucket; a bucket begins anew at another time, though, and a gate does not.
        #[test]
        fn a_gate_is_open_whenever_a_bucket_overflows_and_in_order_of_time_at_no_other_time(
            steps in prop::collection::vec((-30_i64..90, 1_usize..9), 1..60),
            capacity in 1_u32..6,
        ) {
            let shape = Shape { capacity, leak: 2 * SECOND, mute: 20 * SECOND };
            let (mut gates, mut bucket, mut now) = (Gates::new(64), Bucket::default(), 1_740_823_200 * SECOND);
            let sorted = steps.iter().all(|(step, _)| *step >= 0);
            for (step, times) in steps {
                now += step * SECOND;
                for _ in 0..times {
                    let over = bucket.pour(now, None, None, &shape) != Poured::Held;
                    let open = gates.pour(0, 7, now, &shape);
                    let fits = if sorted { open == over } else { open || !over };
                    prop_assert!(fits);
                }
            }
        }
    }

    #[test]
    fn late_events_of_others_do_not_close_a_gate() {
        let shape = Shape { capacity: 20, leak: SECOND, mute: 60 * SECOND };
        let mut gates = Gates::new(1);
        let opened = (0..30).filter(|n| gates.pour(0, 1, n * SECOND / 3, &shape) | gates.pour(0, 2, (n - 300) * SECOND, &shape));
        assert!(opened.count() > 5);
    }

    #[test]
    fn times_at_the_ends_of_time_open_nothing() {
        let shape = Shape { capacity: 3, leak: SECOND, mute: SECOND };
        let mut gates = Gates::new(1);
        for now in [i64::MIN, 0, i64::MAX - 1, i64::MAX] {
            assert!(!gates.pour(0, 1, now, &shape), "{now}");
        }
    }

    #[test]
    fn who_shares_a_place_opens_it_for_all_and_what_was_saved_goes_on() {
        let shape = Shape { capacity: 3, leak: SECOND, mute: SECOND };
        let mut gates = Gates::new(1);
        assert_eq!([1, 2, 3, 4].map(|key| gates.pour(0, key, 0, &shape)), [false, false, false, true]);
        let saved = postcard::to_stdvec(&gates).unwrap();
        let mut revived: Gates = postcard::from_bytes(&saved).unwrap();
        revived.set_places(&gates);
        assert!(revived.pour(0, 9, 0, &shape));
        revived.set_places(&Gates::new(2));
        assert!(!revived.pour(0, 9, 0, &shape));
    }
}
