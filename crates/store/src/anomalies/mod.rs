//! Anomalies and counters per minute, in SQLite: one writer, any number of readers.

mod counts;
mod incidents;
mod list;
mod marks;
mod query;
mod reader;
mod row;
mod schema;
mod search;
mod tally;
#[cfg(test)]
mod tests;
mod write;

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use lapwing_model::{Anomaly, AnomalyId, Incident, State, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use query::{Cursor, Page, Query};
pub use reader::{Reader, Stats};

use crate::{Result, StoreError, disk};

/// Name of the database in the store's directory.
const FILE: &str = "lapwing.db";

/// Most rows that one [`Store::prune`] deletes, so that it never holds up the writer for long.
const PRUNED_AT_ONCE: u64 = 500;

/// The writer of a store directory; a second one is refused.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    connection: Connection,
    _lock: File,
}

/// What a person says of an anomaly; nothing means: as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    pub state: Option<State>,
    pub note: Option<String>,
    /// When it is said, and until when it holds: `expected` and `real` are kept as a [`lapwing_model::Mark`]; the other states
    /// take it back.
    pub made: Timestamp,
    pub expires: Timestamp,
}

impl Store {
    /// Opens the store in `dir`, making it where there is none and bringing its tables to the newest version.
    ///
    /// # Errors
    /// Where the directory cannot be written, is in use by another process, or its database is damaged or too new.
    pub fn open(dir: &Path) -> Result<Store> {
        disk::make_dir("open store", dir)?;
        let lock = disk::lock("open store", &dir.join("lapwing.lock"))?;
        let path = dir.join(FILE);
        let connection = schema::open_writer(&path)?;
        Ok(Store { path, connection, _lock: lock })
    }

    /// A reader of this store.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn reader(&self) -> Result<Reader> {
        Reader::of_file(&self.path)
    }

    /// Keeps new anomalies and newer versions of those it has, all or none. A version is newer if its count is not lower;
    /// state and note are a person's and stay as they are; what a person deleted stays deleted.
    ///
    /// # Errors
    /// Nothing is kept then; passing where the disk is full.
    pub fn put<'a>(&mut self, anomalies: impl IntoIterator<Item = &'a Anomaly>) -> Result<()> {
        self.change("write to store", |transaction| write::put(transaction, anomalies))
    }

    /// Keeps incidents in their newest form, all or none.
    ///
    /// # Errors
    /// Nothing is kept then; passing where the disk is full.
    pub fn put_incidents<'a>(&mut self, incidents: impl IntoIterator<Item = &'a Incident>) -> Result<()> {
        self.change("write to store", |transaction| incidents::put(transaction, incidents))
    }

    /// Sets what a person says of an anomaly. Returns it as it is now, or nothing where there is none of this id.
    ///
    /// # Errors
    /// Nothing is changed then; passing where the disk is full.
    pub fn set(&mut self, id: AnomalyId, change: &Change) -> Result<Option<Anomaly>> {
        self.change("write to store", |transaction| write::set(transaction, id, change))
    }

    /// Deletes an anomaly on a person's behalf: later versions of it are not kept. Whether there was one.
    ///
    /// # Errors
    /// Nothing is changed then; passing where the disk is full.
    pub fn delete(&mut self, id: AnomalyId) -> Result<bool> {
        self.change("delete from store", |transaction| write::delete(transaction, id))
    }

    /// Deletes anomalies whose last event, and counters and deletion marks whose time, lies before `older_than`, and the
    /// oldest anomalies beyond `keep_at_most`. Returns how many anomalies were deleted, at most 500 a call: while it is
    /// not 0 there may be more.
    ///
    /// # Errors
    /// Nothing is deleted then.
    pub fn prune(&mut self, older_than: Timestamp, keep_at_most: u64) -> Result<u64> {
        self.change("prune store", |transaction| write::prune(transaction, older_than, keep_at_most, PRUNED_AT_ONCE))
    }

    /// Adds to the named counters of the minute that `minute` lies in.
    ///
    /// # Errors
    /// Nothing is added then; passing where the disk is full.
    pub fn add_counts(&mut self, minute: Timestamp, counts: &[(&str, u64)]) -> Result<()> {
        self.change("write to store", |transaction| counts::add(transaction, minute, counts))
    }

    /// A named counter's minutes that begin in `from..to`, in order; those at 0 are left out.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn series(&self, name: &str, from: Timestamp, to: Timestamp) -> Result<Vec<(Timestamp, u64)>> {
        counts::series(&self.connection, name, from, to).map_err(|error| StoreError::sql("read store", &self.path, &error))
    }

    /// Makes everything put so far safe from a crash of the machine too. Without it a crash of the process loses nothing, one
    /// of the machine may lose the last seconds: to be called before a snapshot says that they need not be read again.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn sync(&mut self) -> Result<()> {
        let log = write_ahead_log(&self.path);
        match File::open(&log).and_then(|log| log.sync_data()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io("sync store", &log, &error)),
            _ => Ok(()),
        }
    }

    /// Does one thing wholly or not at all.
    fn change<T>(&mut self, what: &str, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let begun = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let done = begun.and_then(|transaction| {
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        });
        done.map_err(|error| StoreError::sql(what, &self.path, &error))
    }
}

/// Where SQLite appends changes before they go into the database itself. It keeps no locks on this file.
fn write_ahead_log(path: &Path) -> PathBuf {
    let mut log = path.to_owned().into_os_string();
    log.push("-wal");
    log.into()
}
