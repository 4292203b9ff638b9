//! The last thread on the path: from verdicts to stored and told anomalies, and snapshots of everything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use lapwing_alert::{Change, Desk};
use lapwing_model::{Anomaly, AnomalyId, Severity, Timestamp};
use lapwing_source::Bookmarks;
use lapwing_store::snapshot::{self, Snapshot};
use tokio::sync::watch;

use super::handle::Live;
use super::journal::Memo;
use super::teller::Tellers;
use super::workers::{Joined, Joiner};
use super::{Keeping, SNAPSHOT_VERSION, lock};

/// Sections of a snapshot besides those of the workers.
pub const DESK: &str = "desk";
pub const BOOKMARKS: &str = "bookmarks";

pub struct Desking {
    pub desk: Desk,
    pub joiner: Joiner<Memo>,
    pub live: Live,
    pub tellers: Tellers,
    pub tell_at: Severity,
    pub ready: watch::Sender<bool>,
    pub forget: Sender<u64>,
    pub bookmarks: Bookmarks,
    pub keeping: Keeping,
    pub unstored: Unstored,
}

/// Anomalies that the store could not take for now (a full disk): each in its newest form.
#[derive(Default)]
pub struct Unstored {
    anomalies: BTreeMap<AnomalyId, Anomaly>,
    next_try: Option<Instant>,
}

/// With more of them unstored, nothing more is judged until the store takes them.
const UNSTORED: usize = 10_000;

/// Between two tries.
const RETRY: Duration = Duration::from_millis(500);

/// What was counted since it was last written to the store.
#[derive(Default)]
struct Minute {
    start: i64,
    events: u64,
    anomalies: BTreeMap<Severity, u64>,
}

pub fn run(mut desking: Desking) {
    let mut minute = Minute::default();
    while let Some(joined) = desking.joiner.next() {
        match joined {
            Ok(joined) => desking.take(joined, &mut minute),
            Err(poisoned) => {
                tracing::error!("{poisoned}");
                lock(&desking.live.stats).trouble = Some(poisoned.to_string());
                // Not ready any more: whoever balances load or restarts services learns of it here.
                desking.ready.send_replace(false);
                break;
            }
        }
    }
    desking.write_minute(&mut minute);
    desking.tellers.finish();
}

impl Desking {
    fn take(&mut self, joined: Joined<Memo>, minute: &mut Minute) {
        let now = (self.live.clock)();
        let (changed, told) = self.group(&joined, minute);
        self.store(changed);
        for anomaly in &told {
            // No listener is no error.
            let _ = self.live.notices.send(Arc::new(anomaly.clone()));
        }
        let unheard = self.tellers.tell(&told);
        self.count(&joined, unheard, now, minute);
        self.joiner.recycle(joined.batch);
        if let Some(bookmark) = joined.memo.bookmark {
            if bookmark.place.is_empty() {
                self.bookmarks.remove(&bookmark.key);
            } else {
                self.bookmarks.insert(bookmark.key, bookmark.place);
            }
        }
        if joined.memo.caught_up {
            self.ready.send_replace(true);
        }
        if let Some(state) = joined.state {
            self.snapshot(state, joined.memo.sequence, now, joined.figures.watermark);
        }
    }

    /// The anomalies that the verdicts changed, in their newest form, and those of them that are worth telling.
    fn group(&mut self, joined: &Joined<Memo>, minute: &mut Minute) -> (Vec<Anomaly>, Vec<Anomaly>) {
        let mut changed: BTreeMap<AnomalyId, (Anomaly, Change)> = BTreeMap::new();
        for verdict in &joined.verdicts {
            let Some((anomaly, change)) = self.desk.take(verdict) else { continue };
            if change == Change::Opened {
                *minute.anomalies.entry(anomaly.severity).or_default() += 1;
                *lock(&self.live.stats).anomalies.entry(anomaly.severity).or_default() += 1;
            }
            let earlier = changed.get(&anomaly.id).map_or(Change::Grown, |(_, change)| *change);
            changed.insert(anomaly.id, (anomaly.clone(), change.max(earlier)));
        }
        self.desk.tick(joined.figures.watermark);
        let worth = |(anomaly, change): &&(Anomaly, Change)| *change > Change::Grown && anomaly.severity >= self.tell_at;
        let told = changed.values().filter(worth).map(|(anomaly, _)| anomaly.clone()).collect();
        (changed.into_values().map(|(anomaly, _)| anomaly).collect(), told)
    }

    /// Stores anomalies, or keeps them until the store can take them: a full disk stops neither judging nor telling. No
    /// snapshot is written meanwhile, so that after a crash a replay finds them again.
    fn store(&mut self, changed: Vec<Anomaly>) {
        self.unstored.anomalies.extend(changed.into_iter().map(|anomaly| (anomaly.id, anomaly)));
        while !self.unstored.anomalies.is_empty() {
            if let Some(wait) = self.unstored.next_try.and_then(|at| at.checked_duration_since(Instant::now())) {
                if self.unstored.anomalies.len() <= UNSTORED {
                    return;
                }
                std::thread::sleep(wait);
            }
            self.try_to_store();
        }
    }

    fn try_to_store(&mut self) {
        let Unstored { anomalies, next_try } = &mut self.unstored;
        let stored = lock(&self.live.store).put(anomalies.values());
        let mut stats = lock(&self.live.stats);
        match stored {
            Ok(()) => {
                stats.trouble = None;
                *next_try = None;
                anomalies.clear();
            }
            Err(error) => {
                let said = error.to_string();
                if stats.trouble.as_ref() != Some(&said) {
                    tracing::error!("{said}");
                }
                stats.trouble = Some(said);
                *next_try = Some(Instant::now() + RETRY);
                if !error.is_passing() {
                    *stats.dropped.entry("anomalies_not_stored").or_default() += anomalies.len() as u64;
                    anomalies.clear();
                }
            }
        }
    }

    fn count(&self, joined: &Joined<Memo>, unheard: u64, now: Timestamp, minute: &mut Minute) {
        let mut stats = lock(&self.live.stats);
        stats.count(joined, now);
        stats.in_flight = self.joiner.in_flight();
        if unheard > 0 {
            *stats.dropped.entry("alerts_not_told").or_default() += unheard;
        }
        if self.desk.crowded_out() > 0 {
            stats.dropped.insert("anomalies_closed_early", self.desk.crowded_out());
        }
        drop(stats);
        let start = now.seconds().div_euclid(60);
        if start != minute.start {
            self.write_minute(minute);
            minute.start = start;
        }
        minute.events += joined.understood.len() as u64;
    }

    fn write_minute(&self, minute: &mut Minute) {
        let Minute { start, events, anomalies } = std::mem::take(minute);
        if events == 0 {
            return;
        }
        let mut counts = vec![("events", events)];
        counts.extend(anomalies.iter().map(|(severity, count)| (severity.name(), *count)));
        if let Err(error) = lock(&self.live.store).add_counts(Timestamp::from_seconds(start * 60), &counts) {
            tracing::warn!("{error}");
            *lock(&self.live.stats).dropped.entry("counts_not_stored").or_default() += 1;
        }
    }

    fn snapshot(&mut self, state: lapwing_detect::State, sequence: u64, now: Timestamp, watermark: Timestamp) {
        self.unstored.next_try = None;
        self.store(Vec::new());
        if !self.unstored.anomalies.is_empty() {
            tracing::error!("no snapshot is written while {} anomalies wait for the store", self.unstored.anomalies.len());
            *lock(&self.live.stats).dropped.entry("snapshots_not_written").or_default() += 1;
            return;
        }
        let mut desk = Vec::new();
        self.desk.save(&mut desk);
        // Plain data always has a serial form.
        let bookmarks = postcard::to_stdvec(&self.bookmarks).unwrap_or_default();
        let own = [(DESK.to_owned(), desk), (BOOKMARKS.to_owned(), bookmarks)];
        let sections = state.into_iter().chain(own).collect();
        let written = lock(&self.live.store).sync().and_then(|()| {
            // Only now is what the snapshot counts on as durable as the snapshot will be.
            snapshot::write(&self.keeping.directory, &Snapshot { version: SNAPSHOT_VERSION, sequence, sections })
        });
        match written {
            Ok(written) => {
                // The journal thread may have ended; then nobody needs to forget.
                let _ = self.forget.send(written.forget_before);
                lock(&self.live.stats).snapshot_at = Some(now);
            }
            Err(error) => {
                tracing::error!("{error}");
                *lock(&self.live.stats).dropped.entry("snapshots_not_written").or_default() += 1;
            }
        }
        // Age counts in event time: what an old log tells of is not old the moment it is read.
        if let Err(error) = lock(&self.live.store).prune(watermark.min(now) - self.keeping.age(), self.keeping.anomalies) {
            tracing::warn!("{error}");
        }
    }
}
