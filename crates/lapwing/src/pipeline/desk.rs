//! The last thread on the path: from verdicts to stored and told anomalies, and snapshots of everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::Sender;
use lapwing_alert::{Budget, Change, Desk, Incidents};
use lapwing_model::{Anomaly, AnomalyId, Severity, Timestamp};
use lapwing_source::Bookmarks;
use lapwing_store::snapshot::{self, Snapshot};
use tokio::sync::watch;

use super::handle::Live;
use super::journal::Memo;
use super::names::Names;
use super::teller::Tellers;
use super::workers::{Joined, Joiner};
use super::write_behind::WriteBehind;
use super::{Keeping, SNAPSHOT_VERSION, lock};

/// Sections of a snapshot besides those of the workers.
pub const DESK: &str = "desk";
pub const BOOKMARKS: &str = "bookmarks";
pub const BUDGET: &str = "budget";
pub const INCIDENTS: &str = "incidents";

pub struct Desking {
    pub desk: Desk,
    pub incidents: Incidents,
    pub joiner: Joiner<Memo>,
    pub live: Live,
    pub tellers: Tellers,
    pub tell_at: Severity,
    pub budget: Option<Budget>,
    pub names: Option<Names>,
    pub ready: watch::Sender<bool>,
    pub forget: Sender<u64>,
    pub bookmarks: Bookmarks,
    pub keeping: Keeping,
    pub anomalies: WriteBehind,
}

/// What was counted since it was last written to the store.
#[derive(Default)]
struct Minute {
    start: i64,
    events: u64,
    anomalies: BTreeMap<Severity, u64>,
}

pub fn run(mut desking: Desking) {
    let mut minute = Minute::default();
    loop {
        if let Some(due) = desking.anomalies.due()
            && !desking.joiner.wait(due)
        {
            desking.anomalies.write();
            desking.tell();
            continue;
        }
        let Some(joined) = desking.joiner.next() else { break };
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
    desking.anomalies.write();
    desking.tell();
    desking.write_minute(&mut minute);
    desking.tellers.finish();
}

impl Desking {
    fn take(&mut self, joined: Joined<Memo>, minute: &mut Minute) {
        let now = (self.live.clock)();
        let (mut changed, mut untold) = self.group(&joined, minute);
        self.name(&mut changed, &mut untold);
        let mut stories = BTreeMap::new();
        for anomaly in &changed {
            if let Some(incident) = self.incidents.take(anomaly) {
                stories.insert(incident.id, incident.clone());
            }
        }
        self.anomalies.add(changed, stories.into_values().collect(), untold);
        self.tell();
        self.count(&joined, now, minute);
        self.joiner.recycle(joined.batch);
        // Only what is through as a whole is done with.
        let Some(memo) = joined.memo else { return };
        if let Some(bookmark) = memo.bookmark {
            if bookmark.place.is_empty() {
                self.bookmarks.remove(&bookmark.key);
            } else {
                self.bookmarks.insert(bookmark.key, bookmark.place);
            }
        }
        if memo.caught_up {
            self.ready.send_replace(true);
        }
        if let Some(state) = joined.state {
            self.snapshot(state, memo.sequence, now, joined.figures.watermark);
        }
    }

    /// Adds the names of whom anomalies are about, as far as they are known; those that came since make an anomaly a changed one.
    fn name(&mut self, changed: &mut Vec<Anomaly>, untold: &mut [Anomaly]) {
        let Some(names) = &mut self.names else { return };
        for (address, name) in names.answered() {
            let named = self.desk.name(&address.to_string(), &name);
            changed.retain(|anomaly| named.iter().all(|named| named.id != anomaly.id));
            changed.extend(named);
        }
        for anomaly in changed.iter_mut().chain(untold) {
            if let Some(name) = names.of(anomaly) {
                self.desk.name(&anomaly.entity, &name);
                anomaly.known.get_or_insert_default().domain = Some(name);
            }
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

    fn tell(&mut self) {
        let told = self.anomalies.take_told();
        for anomaly in &told {
            // No listener is no error.
            let _ = self.live.notices.send(Arc::new(anomaly.clone()));
        }
        let all = told.len();
        let told = self.within_budget(told);
        let unheard = self.tellers.tell(&told);
        let mut stats = lock(&self.live.stats);
        for (reason, count) in [("alerts_over_budget", (all - told.len()) as u64), ("alerts_not_told", unheard)] {
            if count > 0 {
                *stats.dropped.entry(reason).or_default() += count;
            }
        }
    }

    /// Those that people want to be told; the strongest choose first.
    fn within_budget(&mut self, mut told: Vec<Anomaly>) -> Vec<Anomaly> {
        let Some(budget) = &mut self.budget else { return told };
        told.sort_by_key(|anomaly| std::cmp::Reverse((anomaly.severity, anomaly.score)));
        told.retain(|anomaly| budget.pay(anomaly.severity, anomaly.score, anomaly.last));
        told.sort_by_key(|anomaly| (anomaly.last, anomaly.id));
        told
    }

    fn count(&self, joined: &Joined<Memo>, now: Timestamp, minute: &mut Minute) {
        let mut stats = lock(&self.live.stats);
        stats.count(joined, now);
        stats.in_flight = self.joiner.in_flight();
        stats.muted = self.joiner.muted();
        stats.allowed = self.joiner.allowed();
        if self.desk.crowded_out() > 0 {
            stats.dropped.insert("anomalies_closed_early", self.desk.crowded_out());
        }
        drop(stats);
        let start = now.seconds().div_euclid(60);
        if start != minute.start {
            self.write_minute(minute);
            minute.start = start;
        }
        minute.events += joined.batch.events.len() as u64;
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
        if !self.anomalies.write() {
            // The anomalies would be missing from what a replay starts from.
            tracing::error!("no snapshot is written while anomalies wait for the store");
            *lock(&self.live.stats).dropped.entry("snapshots_not_written").or_default() += 1;
            return;
        }
        let mut desk = Vec::new();
        self.desk.save(&mut desk);
        // Plain data always has a serial form.
        let bookmarks = postcard::to_stdvec(&self.bookmarks).unwrap_or_default();
        let budget = postcard::to_stdvec(&self.budget).unwrap_or_default();
        let mut incidents = Vec::new();
        self.incidents.save(&mut incidents);
        let own = [(DESK, desk), (BOOKMARKS, bookmarks), (BUDGET, budget), (INCIDENTS, incidents)];
        let own = own.map(|(name, state)| (name.to_owned(), state));
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
