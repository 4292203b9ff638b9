//! How many different values: exact up to 32, then a HyperLogLog sketch of 256 bytes with the martingale estimator
//! (Flajolet, Fusy, Gandouet, Meunier: HyperLogLog, AofA 2007; Ting: Streamed approximate counting of distinct elements, KDD
//! 2014), whose estimate is kept as values arrive and costs nothing to read. Standard error 0.83 / sqrt(256) = 5.2 %.

use crate::mix::mix;
use serde::{Deserialize, Deserializer, Serialize};

const EXACT: usize = 32;
const REGISTERS: usize = 256;

/// A counter of different 64-bit hashes; 24 bytes, plus 32 to 256 once it has some values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Distinct(Form);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Form {
    Few(Vec<u64>),
    Many(Box<Sketch>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
struct Sketch {
    estimate: f64,
    /// The sum of 2^-register: divided by their number, the chance that a new value changes the sketch.
    open: f64,
    /// Per register the longest run of leading zeros plus one.
    registers: [u8; REGISTERS],
}

#[derive(Serialize, Deserialize)]
struct Saved {
    registers: Vec<u8>,
    estimate: f64,
    open: f64,
}

impl From<Sketch> for Saved {
    fn from(Sketch { estimate, open, registers }: Sketch) -> Saved {
        Saved { registers: registers.to_vec(), estimate, open }
    }
}

impl From<Saved> for Sketch {
    /// A damaged state with too few registers begins anew.
    fn from(Saved { registers, estimate, open }: Saved) -> Sketch {
        match registers.try_into() {
            Ok(registers) => Sketch { estimate, open, registers },
            Err(_) => Sketch::of(&[]),
        }
    }
}

impl Default for Distinct {
    fn default() -> Self {
        Distinct(Form::Few(Vec::new()))
    }
}

impl Distinct {
    /// No values yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value by its hash; true if this changed the count (certainly new; beyond 32 values a new one may go unnoticed).
    #[inline]
    pub fn insert(&mut self, hash: u64) -> bool {
        match &mut self.0 {
            Form::Many(sketch) => sketch.insert(hash),
            Form::Few(hashes) if hashes.contains(&hash) => false,
            Form::Few(hashes) if hashes.len() < EXACT => {
                hashes.push(hash);
                true
            }
            Form::Few(hashes) => {
                let mut sketch = Sketch::of(hashes);
                let changed = sketch.insert(hash);
                self.0 = Form::Many(Box::new(sketch));
                changed
            }
        }
    }

    /// How many different values there were: exact up to 32, an estimate beyond.
    #[inline]
    #[must_use]
    pub fn count(&self) -> f64 {
        match &self.0 {
            Form::Few(hashes) => hashes.len() as f64,
            Form::Many(sketch) => sketch.estimate,
        }
    }

    /// Whether the count is exact.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        matches!(self.0, Form::Few(_))
    }
}

impl Sketch {
    /// A sketch of values whose number is known.
    fn of(hashes: &[u64]) -> Sketch {
        let mut sketch = Sketch { registers: [0; REGISTERS], estimate: 0.0, open: REGISTERS as f64 };
        for &hash in hashes {
            sketch.insert(hash);
        }
        sketch.estimate = hashes.len() as f64;
        sketch
    }

    #[inline]
    fn insert(&mut self, hash: u64) -> bool {
        let hash = mix(hash, 0);
        let rank = ((hash << 8) | 0x80).leading_zeros() as u8 + 1;
        let register = &mut self.registers[(hash >> 56) as usize];
        if rank <= *register {
            return false;
        }
        self.estimate += REGISTERS as f64 / self.open;
        self.open += power(rank) - power(*register);
        *register = rank;
        true
    }
}

/// 2^-rank, exactly.
fn power(rank: u8) -> f64 {
    1.0 / (1u64 << rank.min(63)) as f64
}

/// Different values over a sliding window: two generations, of which the older one fades out.
///
/// The count is that of the current generation plus the share of the rest that has not yet left (assuming that it leaves
/// evenly); right after a generation ends it is exactly the count of a whole window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecentDistinct {
    #[serde(deserialize_with = "sound_window")]
    window: i64,
    /// Start of the current generation, nanoseconds.
    start: i64,
    current: Distinct,
    /// The current generation and the one before together.
    both: Distinct,
}

fn window_in_range(window: i64) -> i64 {
    window.clamp(1_000_000_000, 366 * 86_400 * 1_000_000_000)
}

/// Divisors are checked even in a saved state.
fn sound_window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    i64::deserialize(deserializer).map(window_in_range)
}

impl RecentDistinct {
    /// An empty counter over a window of that many nanoseconds (at least 1 s, at most a year).
    #[must_use]
    pub fn new(window: i64) -> Self {
        RecentDistinct { window: window_in_range(window), start: i64::MIN / 4, current: Distinct::new(), both: Distinct::new() }
    }

    /// Adds a value by its hash at a time in nanoseconds; true if this changed the count. Values older than two windows are ignored.
    #[inline]
    pub fn insert(&mut self, at: i64, hash: u64) -> bool {
        let at = at.clamp(i64::MIN / 4, i64::MAX / 4);
        let since = at.saturating_sub(self.start);
        if since < 0 {
            return since >= -self.window && self.both.insert(hash);
        }
        if since >= self.window {
            self.turn(at, since);
        }
        let current = self.current.insert(hash);
        self.both.insert(hash) || current
    }

    /// How many different values the window that ends at `now` held.
    #[inline]
    #[must_use]
    pub fn count(&self, now: i64) -> f64 {
        let since = now.clamp(i64::MIN / 4, i64::MAX / 4).saturating_sub(self.start).max(0) as f64 / self.window as f64;
        let current = self.current.count();
        match since {
            ..1.0 => current + (self.both.count() - current).max(0.0) * (1.0 - since),
            ..2.0 => current * (2.0 - since),
            _ => 0.0,
        }
    }

    fn turn(&mut self, at: i64, since: i64) {
        let ended = std::mem::take(&mut self.current);
        self.both = if since < 2 * self.window { ended } else { Distinct::new() };
        self.start = at - at.rem_euclid(self.window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn is_exact_for_few_values() {
        let mut distinct = Distinct::new();
        for i in 0..32 {
            assert!(distinct.insert(i));
            assert!(!distinct.insert(i));
            assert_eq!(distinct.count(), (i + 1) as f64);
        }
        assert!(distinct.is_exact());
    }

    #[test]
    fn stays_within_four_standard_errors_for_many_values() {
        let (mut distinct, mut squares, mut trials) = (Distinct::new(), 0.0, 0);
        for trial in 0..50u64 {
            distinct = Distinct::new();
            for i in 0..20_000u64 {
                distinct.insert(mix(i, trial + 9));
                if [33, 50, 300, 2_000, 19_999].contains(&i) {
                    let error = distinct.count() / (i + 1) as f64 - 1.0;
                    assert!(error.abs() < 0.22, "{} instead of {}", distinct.count(), i + 1);
                    squares += error * error;
                    trials += 1;
                }
            }
        }
        let error = (squares / f64::from(trials)).sqrt();
        assert!(error < 0.052, "{error}");
        assert!(!distinct.is_exact());
    }

    #[test]
    fn repetition_and_order_of_structured_hashes_change_little() {
        let mut distinct = Distinct::new();
        for round in 0..20u64 {
            (0..1_000).for_each(|i| _ = distinct.insert((round + i) % 1_000));
        }
        assert!((800.0..1_200.0).contains(&distinct.count()), "{}", distinct.count());
    }

    #[test]
    fn a_sliding_window_follows_a_change_of_level() {
        let mut recent = RecentDistinct::new(60 * SECOND);
        // 10 values at first, then one.
        for second in 0..300 {
            let value = if second < 120 { second % 10 } else { 0 };
            recent.insert(second * SECOND, value as u64);
            let count = recent.count(second * SECOND);
            match second {
                10..120 => assert!((9.5..=10.0).contains(&count), "{count} at {second}"),
                120..180 => assert!((1.0..=10.0).contains(&count), "{count} at {second}"),
                240.. => assert_eq!(count, 1.0, "at {second}"),
                _ => {}
            }
        }
        assert_eq!(recent.count(1_000 * SECOND), 0.0);
    }

    #[test]
    fn late_values_count_while_a_window_covers_them() {
        let mut recent = RecentDistinct::new(60 * SECOND);
        recent.insert(600 * SECOND, 1);
        assert!(recent.insert(590 * SECOND, 2));
        assert!(!recent.insert(400 * SECOND, 3));
        assert_eq!(recent.count(600 * SECOND), 2.0);
        recent.insert(i64::MAX, 4);
        recent.insert(i64::MIN, 5);
        assert_eq!(recent.count(i64::MAX), 1.0);
    }

    #[test]
    fn continues_exactly_after_a_round_trip() {
        let mut recent = RecentDistinct::new(60 * SECOND);
        (0..500).for_each(|i| _ = recent.insert(i * SECOND, mix(i as u64 % 90, 0)));
        let bytes = postcard::to_allocvec(&recent).unwrap();
        let mut back: RecentDistinct = postcard::from_bytes(&bytes).unwrap();
        for i in 500..2_000 {
            assert_eq!(recent.insert(i * SECOND, mix(i as u64, 0)), back.insert(i * SECOND, mix(i as u64, 0)));
        }
        assert_eq!(recent, back);
    }
}
