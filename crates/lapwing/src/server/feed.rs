//! What listeners of `/events` are told: the newest anomalies in a ring, and figures once a second. Listeners read from the
//! ring at their own pace; whoever is too slow finds that it has moved on. So nobody is ever waited for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapwing_model::{Anomaly, Timestamp};
use serde::Serialize;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use utoipa::ToSchema;

use super::{App, json};

/// Anomalies that a listener may be behind.
const RING: usize = 1000;

/// Seconds over which rates are averaged.
const MINUTE: usize = 60;

/// The newest anomalies, numbered.
#[derive(Debug)]
pub(super) struct Feed {
    /// The first number of this run.
    first: u64,
    ring: Mutex<Ring>,
    latest: watch::Sender<u64>,
    rates: watch::Sender<Rates>,
}

#[derive(Debug)]
struct Ring {
    anomalies: VecDeque<(u64, Arc<str>)>,
    next: u64,
}

/// How much comes in and how much of it is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub(super) struct Rates {
    /// Over the last second.
    events_per_second: f64,
    /// Over the last minute.
    events_per_second_1m: f64,
    /// Records judged since the start.
    events: u64,
    /// Anomalies opened since the start.
    anomalies: u64,
    anomalies_last_minute: u64,
}

/// What a listener is told next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) number: u64,
    /// The anomaly as JSON.
    pub(super) text: Arc<str>,
    /// How many before it are gone.
    pub(super) missed: u64,
}

impl Feed {
    /// Numbers begin at the time of the start, so that those of an earlier run are never taken for this one's.
    pub(super) fn starting_at(start: Timestamp) -> Feed {
        let first = u64::try_from(start.millis()).unwrap_or(0).saturating_mul(1000) + 1;
        let ring = Ring { anomalies: VecDeque::new(), next: first };
        Feed { first, ring: Mutex::new(ring), latest: watch::channel(first - 1).0, rates: watch::channel(Rates::default()).0 }
    }

    /// The number of the newest anomaly, now and whenever there is a newer one.
    pub(super) fn latest(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// The figures of each second.
    pub(super) fn rates(&self) -> watch::Receiver<Rates> {
        self.rates.subscribe()
    }

    /// What comes after number `seen`, if there is anything yet.
    pub(super) fn after(&self, seen: u64) -> Option<Entry> {
        let ring = self.lock();
        let at = ring.anomalies.partition_point(|(number, _)| *number <= seen);
        let (number, text) = ring.anomalies.get(at)?;
        Some(Entry { number: *number, text: text.clone(), missed: number - seen - 1 })
    }

    /// Where a listener goes on that has seen up to `last`; the beginning, and false, where that is no number of this run.
    pub(super) fn resume(&self, last: &str) -> (u64, bool) {
        match last.parse() {
            Ok(last) if (self.first - 1..self.lock().next).contains(&last) => (last, true),
            _ => (self.first - 1, false),
        }
    }

    fn push(&self, anomaly: &Anomaly) {
        let text: Arc<str> = json::text(anomaly).into();
        let mut ring = self.lock();
        let number = ring.next;
        ring.next += 1;
        if ring.anomalies.len() == RING {
            ring.anomalies.pop_front();
        }
        ring.anomalies.push_back((number, text));
        drop(ring);
        self.latest.send_replace(number);
    }

    /// Numbers of anomalies that came faster than they could be noted: listeners will find them missing.
    fn skip(&self, count: u64) {
        self.lock().next += count;
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes what the pipeline tells and, once a second, how much there is of it. Never ends by itself.
pub(super) async fn run(app: App, mut notices: Receiver<Arc<Anomaly>>) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut history = History::default();
    loop {
        tokio::select! {
            notice = notices.recv() => match notice {
                Ok(anomaly) => app.feed.push(&anomaly),
                Err(RecvError::Lagged(count)) => app.feed.skip(count),
                Err(RecvError::Closed) => return,
            },
            _ = seconds.tick() => {
                let totals = app.stats(|stats| (stats.events(), stats.anomalies.values().sum()));
                app.feed.rates.send_replace(history.add(totals));
            }
        }
    }
}

/// Totals of events and anomalies at each of the last seconds.
#[derive(Debug, Default)]
struct History(VecDeque<(u64, u64)>);

impl History {
    fn add(&mut self, (events, anomalies): (u64, u64)) -> Rates {
        let newest = self.0.back().copied().unwrap_or((events, anomalies));
        self.0.push_back((events, anomalies));
        if self.0.len() > MINUTE + 1 {
            self.0.pop_front();
        }
        let oldest = self.0.front().copied().unwrap_or_default();
        let seconds = (self.0.len() - 1).max(1) as f64;
        Rates {
            events_per_second: events.saturating_sub(newest.0) as f64,
            events_per_second_1m: tenths(events.saturating_sub(oldest.0) as f64 / seconds),
            events,
            anomalies,
            anomalies_last_minute: anomalies.saturating_sub(oldest.1),
        }
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::manual::NewAnomaly;

    fn anomaly() -> Anomaly {
        let new: NewAnomaly = serde_json::from_str(r#"{"class":"c","entity":"e","reason":"r"}"#).expect("valid");
        new.anomaly(Timestamp::EPOCH).unwrap_or_else(|_| panic!("complete"))
    }

    #[test]
    fn a_listener_that_is_too_slow_learns_how_many_it_missed() {
        let feed = Feed::starting_at(Timestamp::from_seconds(5));
        let start = *feed.latest().borrow();
        assert_eq!(feed.after(start), None);
        (0..RING + 10).for_each(|_| feed.push(&anomaly()));
        let entry = feed.after(start).expect("the oldest that is left");
        assert_eq!((entry.number, entry.missed), (start + 11, 10));
        feed.skip(3);
        feed.push(&anomaly());
        assert_eq!(feed.after(start + RING as u64 + 10).expect("the newest").missed, 3);
        assert_eq!(feed.lock().anomalies.len(), RING);
    }

    #[test]
    fn only_numbers_of_this_run_are_resumed_from() {
        let feed = Feed::starting_at(Timestamp::from_seconds(5));
        let start = *feed.latest().borrow();
        feed.push(&anomaly());
        assert_eq!(feed.resume(&(start + 1).to_string()), (start + 1, true));
        assert_eq!(feed.resume(&start.to_string()), (start, true));
        for other in ["1", "x", "", &(start + 2).to_string()] {
            assert_eq!(feed.resume(other), (start, false), "{other}");
        }
    }

    #[test]
    fn rates_are_of_the_last_second_and_the_last_minute() {
        let mut history = History::default();
        assert_eq!(history.add((1000, 5)).events_per_second, 0.0);
        for second in 1..=100 {
            let rates = history.add((1000 + second * 20, 5 + second));
            assert_eq!((rates.events_per_second, rates.events_per_second_1m), (20.0, 20.0));
            assert_eq!(rates.anomalies_last_minute, second.min(60));
        }
    }
}
