use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::rule::CorrelationKind;

use crate::plan::Plan;

/// What one group saw lately.
///
/// Two stretches of time at most: an event belongs to the nearest that it is not too far from; otherwise it begins another
/// in place of the one that was not used last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Window {
    stretches: Vec<Stretch>,
    /// The correlation held at the last event.
    held: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stretch {
    newest: i64,
    seen: Seen,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Seen {
    /// The times of the events, in order.
    Times(VecDeque<i64>),
    /// The last time of each value, sorted by value; none is older than `oldest`.
    Values { times: Vec<(u64, i64)>, oldest: i64 },
    /// Times and numbers of the events, in order of time.
    Amounts(VecDeque<(i64, f64)>),
    /// The last time of each rule.
    Rules(Vec<Option<i64>>),
    /// For each rule: the latest beginning and end of a sequence of rules that ends with it.
    Sequences(Vec<Option<(i64, i64)>>),
}

/// What is in a window for which a correlation holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) fresh: bool,
}

impl Window {
    pub(super) fn new() -> Window {
        Window { stretches: Vec::new(), held: false }
    }

    /// Whether this state (from a file, perhaps) is one of that correlation.
    pub(super) fn fits(&self, plan: &Plan) -> bool {
        self.stretches.len() <= 2 && self.stretches.iter().all(|stretch| stretch.seen.fits(plan))
    }

    /// One more event; what the window holds, if the correlation holds of it.
    pub(super) fn add(&mut self, plan: &Plan, at: i64, ordinal: usize, value: u64, most: usize) -> Option<Sum> {
        match self.nearest(at, plan.span) {
            // The one used last stands first.
            Some(place) => self.stretches.swap(0, place),
            None => {
                self.stretches.truncate(1);
                self.stretches.insert(0, Stretch { newest: at, seen: Seen::new(plan) });
            }
        }
        let stretch = &mut self.stretches[0];
        stretch.newest = stretch.newest.max(at);
        let most = most.max(plan.largest().saturating_add(1).min(1 << 20));
        let (number, first, last) = stretch.seen.add(plan, at, stretch.newest, ordinal, value, most);
        let complete = match plan.kind {
            CorrelationKind::Temporal | CorrelationKind::TemporalOrdered => number >= plan.sources.len() as f64,
            _ => true,
        };
        let holds = complete && plan.holds(number);
        let fresh = holds && !self.held;
        self.held = holds;
        // A sum or an average is told in whole numbers.
        holds.then_some(Sum { count: number.round() as u64, first, last, fresh })
    }
}

impl Window {
    /// The stretch to which an event of this time belongs.
    fn nearest(&self, at: i64, span: i64) -> Option<usize> {
        let distance = |stretch: &Stretch| {
            let ahead = at.saturating_sub(stretch.newest);
            // Two timespans ahead: an event between may still come, and belong with both.
            (ahead < span.saturating_mul(2) && ahead > -span).then_some(ahead.saturating_abs())
        };
        let near = self.stretches.iter().enumerate().filter_map(|(place, stretch)| Some((distance(stretch)?, place)));
        near.min().map(|(_, place)| place)
    }
}

impl Seen {
    fn new(plan: &Plan) -> Seen {
        match plan.kind {
            CorrelationKind::EventCount => Seen::Times(VecDeque::new()),
            CorrelationKind::ValueCount => Seen::Values { times: Vec::new(), oldest: i64::MAX },
            CorrelationKind::ValueSum | CorrelationKind::ValueAverage => Seen::Amounts(VecDeque::new()),
            CorrelationKind::Temporal => Seen::Rules(vec![None; plan.sources.len()]),
            CorrelationKind::TemporalOrdered => Seen::Sequences(vec![None; plan.sources.len()]),
        }
    }

    fn fits(&self, plan: &Plan) -> bool {
        match (self, plan.kind) {
            (Seen::Times(_), CorrelationKind::EventCount) | (Seen::Values { .. }, CorrelationKind::ValueCount) => true,
            (Seen::Amounts(_), CorrelationKind::ValueSum | CorrelationKind::ValueAverage) => true,
            (Seen::Rules(rules), CorrelationKind::Temporal) => rules.len() == plan.sources.len(),
            (Seen::Sequences(rules), CorrelationKind::TemporalOrdered) => rules.len() == plan.sources.len(),
            _ => false,
        }
    }

    /// One more event: how many are now in the window, and the times of the first and the last.
    fn add(&mut self, plan: &Plan, at: i64, newest: i64, ordinal: usize, value: u64, most: usize) -> (f64, i64, i64) {
        let (count, first, last) = match self {
            Seen::Times(times) => add_time(times, at, newest, plan.span, most),
            Seen::Amounts(amounts) => {
                return add_amount(amounts, at, newest, f64::from_bits(value), plan, most);
            }
            Seen::Values { times, oldest } => {
                let after = newest.saturating_sub(plan.span);
                if at > after && note_value(times, value, at, most) {
                    *oldest = (*oldest).min(at);
                }
                // Looking through all of them is put off until one may have to go.
                if *oldest <= after {
                    times.retain(|(_, time)| *time > after);
                    *oldest = times.iter().map(|(_, time)| *time).min().unwrap_or(i64::MAX);
                }
                (times.len() as u64, (*oldest).min(newest), newest)
            }
            Seen::Rules(rules) => {
                let last = rules[ordinal].map_or(at, |known| known.max(at));
                rules[ordinal] = Some(last);
                span_of(rules.iter().flatten().copied().filter(|time| *time > newest.saturating_sub(plan.span)), at)
            }
            Seen::Sequences(sequences) => add_step(sequences, ordinal, at, plan.span),
        };
        (count as f64, first, last)
    }
}

/// Puts a time in its place and counts the fullest window that holds it. Twice the timespan is kept, so that an event that
/// comes late by less than the timespan still finds its neighbours.
fn add_time(times: &mut VecDeque<i64>, at: i64, newest: i64, span: i64, most: usize) -> (u64, i64, i64) {
    let mut place = times.len();
    while place > 0 && times[place - 1] > at {
        place -= 1;
    }
    times.insert(place, at);
    let forgotten = newest.saturating_sub(span.saturating_mul(2));
    while times.front().is_some_and(|time| *time <= forgotten) || times.len() > most {
        times.pop_front();
        place = place.saturating_sub(1);
    }
    let Some(&at) = times.get(place) else { return (0, at, at) };
    let mut best = (0, at, at);
    let mut start = times.partition_point(|time| *time <= at.saturating_sub(span));
    for end in place..times.len() {
        let last = times[end];
        if last.saturating_sub(at) >= span {
            break;
        }
        while times[start] <= last.saturating_sub(span) {
            start += 1;
        }
        let count = (end + 1 - start) as u64;
        if count > best.0 {
            best = (count, times[start], last);
        }
    }
    best
}

/// Puts a number in its place in time; sum or average of those within the timespan before the newest.
fn add_amount(
    amounts: &mut VecDeque<(i64, f64)>,
    at: i64,
    newest: i64,
    number: f64,
    plan: &Plan,
    most: usize,
) -> (f64, i64, i64) {
    let place = amounts.partition_point(|(time, _)| *time <= at);
    amounts.insert(place, (at, number));
    let after = newest.saturating_sub(plan.span);
    while amounts.front().is_some_and(|(time, _)| *time <= after) || amounts.len() > most {
        amounts.pop_front();
    }
    let sum: f64 = amounts.iter().map(|(_, number)| number).sum();
    let number = if plan.kind == CorrelationKind::ValueSum { sum } else { sum / amounts.len().max(1) as f64 };
    let first = amounts.front().map_or(at, |(time, _)| *time);
    (number, first, newest)
}

/// Notes when a value was seen. Where there are too many values, a new one is not noted: the count stays at `most`.
fn note_value(times: &mut Vec<(u64, i64)>, value: u64, at: i64, most: usize) -> bool {
    match times.binary_search_by_key(&value, |(known, _)| *known) {
        Ok(place) => times[place].1 = times[place].1.max(at),
        Err(place) if times.len() < most => times.insert(place, (value, at)),
        Err(_) => return false,
    }
    true
}

fn span_of(times: impl Iterator<Item = i64>, at: i64) -> (u64, i64, i64) {
    times.fold((0, at, at), |(count, first, last), time| (count + 1, first.min(time), last.max(time)))
}

/// A rule matched: how many rules in their order, each behind the one before, end with it within the timespan.
fn add_step(sequences: &mut [Option<(i64, i64)>], ordinal: usize, at: i64, span: i64) -> (u64, i64, i64) {
    let before = match ordinal.checked_sub(1) {
        None => Some(at),
        Some(before) => {
            sequences[before].filter(|(first, last)| *last <= at && at.saturating_sub(*first) < span).map(|(first, _)| first)
        }
    };
    let Some(first) = before else { return (0, at, at) };
    if sequences[ordinal].is_none_or(|(known, _)| known <= first) {
        sequences[ordinal] = Some((first, at));
    }
    (ordinal as u64 + 1, first, at)
}
