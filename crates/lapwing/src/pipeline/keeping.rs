use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The section `store` of the configuration: what is kept on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keeping {
    pub directory: PathBuf,
    /// Keep what was pushed (HTTP, TCP) on disk until it is part of a snapshot. Without it a crash loses what was in flight.
    pub journal: bool,
    pub journal_limit_bytes: u64,
    /// Whether the journal waits for the disk, so that not even a crash of the machine loses what was acknowledged.
    pub journal_fsync: bool,
    /// Seconds between snapshots of the detectors.
    pub snapshot_seconds: u64,
    /// Days that anomalies are kept.
    pub days: u32,
    /// Anomalies kept at most.
    pub anomalies: u64,
}

impl Default for Keeping {
    fn default() -> Self {
        let journal = lapwing_store::Settings::default();
        Keeping {
            directory: "data".into(),
            journal: true,
            journal_limit_bytes: journal.limit_bytes,
            journal_fsync: journal.fsync,
            snapshot_seconds: 30,
            days: 90,
            anomalies: 1_000_000,
        }
    }
}

impl Keeping {
    pub(super) fn snapshot_every(&self) -> Duration {
        Duration::from_secs(self.snapshot_seconds.max(1))
    }

    pub(super) fn journal_settings(&self) -> lapwing_store::Settings {
        let defaults = lapwing_store::Settings::default();
        lapwing_store::Settings { limit_bytes: self.journal_limit_bytes, fsync: self.journal_fsync, ..defaults }
    }

    pub(super) fn age(&self) -> Duration {
        Duration::from_secs(u64::from(self.days) * 86_400)
    }
}
