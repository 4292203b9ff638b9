use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lapwing_model::{Anomaly, AnomalyId, Incident};
use lapwing_store::Store;

use super::lock;
use super::stats::Stats;

/// Anomalies on their way into the store, each in its newest form: one that grows with every line is not written with every
/// line, and a disk that is full stops neither judging nor telling.
pub struct WriteBehind {
    store: Arc<Mutex<Store>>,
    stats: Arc<Mutex<Stats>>,
    anomalies: BTreeMap<AnomalyId, Anomaly>,
    incidents: BTreeMap<AnomalyId, Incident>,
    /// Those to be told of once they are stored, so that whoever hears of one finds it.
    untold: BTreeMap<AnomalyId, Anomaly>,
    /// When they are to be written.
    due: Option<Instant>,
    failing: bool,
}

/// With more of them waiting, nothing more is judged until the store takes them.
const WAITING: usize = 10_000;

/// What has changed is in the store after so long.
const WRITE_AFTER: Duration = Duration::from_millis(50);

/// Between two tries of a write that failed.
const RETRY: Duration = Duration::from_millis(500);

impl WriteBehind {
    pub fn new(store: Arc<Mutex<Store>>, stats: Arc<Mutex<Stats>>) -> WriteBehind {
        WriteBehind {
            store,
            stats,
            anomalies: BTreeMap::new(),
            incidents: BTreeMap::new(),
            untold: BTreeMap::new(),
            due: None,
            failing: false,
        }
    }

    /// When [`WriteBehind::write`] is to be called, if nothing is added before.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Adds what has changed, and those of it that are to be told of.
    pub fn add(&mut self, changed: Vec<Anomaly>, incidents: Vec<Incident>, untold: Vec<Anomaly>) {
        if changed.is_empty() && self.due.is_none() {
            return;
        }
        self.anomalies.extend(changed.into_iter().map(|anomaly| (anomaly.id, anomaly)));
        self.incidents.extend(incidents.into_iter().map(|incident| (incident.id, incident)));
        self.untold.extend(untold.into_iter().map(|anomaly| (anomaly.id, anomaly)));
        self.due.get_or_insert_with(|| Instant::now() + WRITE_AFTER);
        while let Some(due) = self.due
            && (due <= Instant::now() || self.anomalies.len() > WAITING)
        {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.write();
        }
    }

    /// Those that can be told of now, by time. While the store fails, people are told all the same.
    pub fn take_told(&mut self) -> Vec<Anomaly> {
        if self.due.is_some() && !self.failing {
            return Vec::new();
        }
        let mut told: Vec<_> = std::mem::take(&mut self.untold).into_values().collect();
        told.sort_by_key(|anomaly| (anomaly.last, anomaly.id));
        told
    }

    /// Writes what waits. Whether nothing waits any more.
    pub fn write(&mut self) -> bool {
        if self.due.is_none() {
            return true;
        }
        let mut store = lock(&self.store);
        let written = store.put(self.anomalies.values()).and_then(|()| store.put_incidents(self.incidents.values()));
        drop(store);
        let mut stats = lock(&self.stats);
        self.failing = written.is_err();
        if let Err(error) = written {
            let said = error.to_string();
            if stats.trouble.as_ref() != Some(&said) {
                tracing::error!("{said}");
            }
            stats.trouble = Some(said);
            if error.is_passing() {
                self.due = Some(Instant::now() + RETRY);
                return false;
            }
            *stats.dropped.entry("anomalies_not_stored").or_default() += self.anomalies.len() as u64;
        } else {
            stats.trouble = None;
        }
        self.anomalies.clear();
        self.incidents.clear();
        self.due = None;
        true
    }
}
