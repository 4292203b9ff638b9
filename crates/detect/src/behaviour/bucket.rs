//! A leaky bucket: it fills with what matches, leaks with time, and overflows where more comes than leaks.
//!
//! The level is kept as the time at which the bucket would be empty (the generic cell rate algorithm of ITU-T I.371), so that
//! nothing has to be done while nothing happens.

use lapwing_model::Position;
use serde::{Deserialize, Serialize};

/// How a bucket fills and leaks. Times in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// What it holds; one more overflows.
    pub(super) capacity: u32,
    /// One leaves in so long.
    pub(super) leak: i64,
    /// After an overflow everything that matches belongs to it, until nothing did for so long.
    pub(super) mute: i64,
}

/// Where an event stands: the id of its origin, and its place there.
pub type Place = (u64, Position);

/// Events that a bucket remembers for the day it overflows.
const REMEMBERED: usize = 64;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Bucket {
    /// When it would be empty.
    empty_at: i64,
    /// The latest event.
    last: i64,
    /// The first event since it was last empty.
    began: i64,
    /// Events since then, also those that brought nothing new.
    count: u64,
    /// How many of them brought something new.
    fresh: u64,
    over: bool,
    /// Nothing for most: they count events only, and tell of none.
    contents: Option<Box<Contents>>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Contents {
    /// The different values in it, the oldest first.
    values: Vec<u64>,
    filled: Vec<Place>,
}

/// What an event did to a bucket.
#[derive(Debug, PartialEq)]
pub(super) enum Poured {
    /// There was room.
    Held,
    /// It overflowed: the events that had filled it.
    Over(Vec<Place>),
    /// It had overflowed before.
    Still,
}

impl Bucket {
    /// Puts one in. Where the bucket counts different values, one that is already in it adds nothing.
    pub(super) fn pour(&mut self, now: i64, value: Option<u64>, place: Option<Place>, shape: &Shape) -> Poured {
        self.pass(now, shape);
        if self.count == 0 {
            (self.began, self.last, self.empty_at) = (now, now, now);
        }
        self.count += 1;
        self.began = self.began.min(now);
        self.last = self.last.max(now);
        if self.over {
            return Poured::Still;
        }
        let known = value.is_some_and(|value| self.contents.as_ref().is_some_and(|contents| contents.values.contains(&value)));
        if !known {
            self.fresh += 1;
            if let Some(value) = value {
                self.contents.get_or_insert_default().values.push(value);
            }
            self.empty_at = self.empty_at.max(self.last).saturating_add(shape.leak);
        }
        if self.empty_at.saturating_sub(self.last) > shape.window() {
            self.over = true;
            // What it told of before is of no more use: from now on everything belongs to it.
            return Poured::Over(self.contents.take().map_or(Vec::new(), |contents| contents.filled));
        }
        if let Some(place) = place {
            let filled = &mut self.contents.get_or_insert_default().filled;
            if filled.len() < REMEMBERED {
                filled.push(place);
            }
        }
        Poured::Held
    }

    /// Takes one out: something that speaks for the innocence of the rest.
    pub(super) fn drain(&mut self, now: i64, shape: &Shape) {
        self.pass(now, shape);
        self.empty_at = self.empty_at.saturating_sub(shape.leak);
        if !self.over && self.empty_at <= self.last {
            *self = Bucket::default();
        }
    }

    /// Whether it has overflowed and is not over it yet.
    pub(super) fn is_over(&mut self, now: i64, shape: &Shape) -> bool {
        self.pass(now, shape);
        self.over
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn distinct(&self) -> u64 {
        self.fresh
    }

    pub(super) fn began(&self) -> i64 {
        self.began
    }

    /// From its first event to its latest, in nanoseconds.
    pub(super) fn span(&self) -> i64 {
        self.last.saturating_sub(self.began)
    }

    /// Lets time pass: what leaks leaves, and what has been quiet for long enough begins anew. An event somewhat older than
    /// the latest is as good as a new one; one from another time altogether (the next of two files) begins anew.
    fn pass(&mut self, now: i64, shape: &Shape) {
        if self.count == 0 {
            return;
        }
        let away = now.saturating_sub(self.last);
        let is_other_time = away < 0 && away.saturating_neg() > shape.window().max(shape.mute);
        let is_over = if self.over { away > shape.mute } else { now >= self.empty_at };
        if is_other_time || is_over {
            *self = Bucket::default();
            return;
        }
        if let Some(contents) = self.contents.as_mut().filter(|contents| !contents.values.is_empty()) {
            let level = usize::try_from(self.empty_at.saturating_sub(now.max(self.last)) / shape.leak).unwrap_or(usize::MAX);
            let gone = contents.values.len().saturating_sub(level.saturating_add(1));
            contents.values.drain(..gone);
        }
    }
}

impl Shape {
    /// In so long a full bucket becomes empty.
    pub(super) fn window(&self) -> i64 {
        self.leak.saturating_mul(i64::from(self.capacity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const SHAPE: Shape = Shape { capacity: 3, leak: 10 * SECOND, mute: 60 * SECOND };

    fn pour(bucket: &mut Bucket, second: i64, value: u64) -> Poured {
        bucket.pour(second * SECOND, Some(value), Some((1, Position { offset: 0, line: second.unsigned_abs() })), &SHAPE)
    }

    #[test]
    fn one_more_than_it_holds_overflows_and_names_those_before() {
        let mut bucket = Bucket::default();
        for second in 0..3 {
            assert_eq!(pour(&mut bucket, second, second.unsigned_abs()), Poured::Held);
        }
        let Poured::Over(before) = pour(&mut bucket, 3, 9) else { panic!("the fourth within three seconds overflows") };
        assert_eq!(before.len(), 3);
        assert_eq!(pour(&mut bucket, 4, 9), Poured::Still);
        assert_eq!((bucket.count(), bucket.began()), (5, 0));
    }

    #[test]
    fn what_comes_no_faster_than_it_leaks_never_overflows() {
        let mut bucket = Bucket::default();
        assert!((0..1000).all(|n| pour(&mut bucket, n * 10, n.unsigned_abs()) == Poured::Held));
    }

    #[test]
    fn the_same_value_again_adds_nothing_until_it_has_leaked_out() {
        let mut bucket = Bucket::default();
        assert!((0..100).all(|n| pour(&mut bucket, n / 10, n.unsigned_abs() % 3) == Poured::Held));
        assert_eq!(bucket.count(), 100);
    }

    #[test]
    fn after_a_quiet_time_an_overflow_is_a_new_one() {
        let mut bucket = Bucket::default();
        (0..10).for_each(|n| _ = pour(&mut bucket, n, n.unsigned_abs()));
        assert_eq!(pour(&mut bucket, 69, 1), Poured::Still);
        assert_eq!(pour(&mut bucket, 130, 1), Poured::Held);
        assert_eq!((bucket.count(), bucket.began()), (1, 130 * SECOND));
    }

    #[test]
    fn late_events_count_and_another_time_begins_anew() {
        let mut bucket = Bucket::default();
        for (second, value) in [(100, 1), (95, 2), (99, 3)] {
            assert_eq!(pour(&mut bucket, second, value), Poured::Held);
        }
        assert!(matches!(pour(&mut bucket, 90, 4), Poured::Over(_)));
        assert_eq!(pour(&mut bucket, 10, 5), Poured::Held, "much earlier: another file");
        assert_eq!(pour(&mut bucket, i64::MAX / SECOND, 5), Poured::Held);
        assert_eq!(bucket.pour(i64::MIN, Some(5), None, &SHAPE), Poured::Held);
    }

    #[test]
    fn what_drains_makes_room() {
        let mut bucket = Bucket::default();
        for n in 0..50 {
            assert_eq!(pour(&mut bucket, n, n.unsigned_abs()), Poured::Held);
            bucket.drain(n * SECOND, &SHAPE);
        }
    }
}
