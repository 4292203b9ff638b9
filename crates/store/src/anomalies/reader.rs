use std::fs;
use std::path::{Path, PathBuf};

use lapwing_model::{Anomaly, AnomalyId, Entity, Incident, Mark, Severity, State, Timestamp};
use rusqlite::Connection;

use super::query::{Page, Query};
use super::tally::{self, Kind};
use super::{FILE, counts, incidents, list, marks, row, write_ahead_log};
use crate::{Result, StoreError};

/// How many detectors, classes and entities [`Stats`] names.
const NAMED: usize = 50;

/// A read-only view of a store with a connection of its own: sees what was written before each call, never waits for the
/// writer. One per thread.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    connection: Connection,
}

/// Totals over all anomalies that are kept, the highest first where there is no other order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    pub total: u64,
    pub severities: Vec<(Severity, u64)>,
    pub states: Vec<(State, u64)>,
    /// The 50 with most anomalies.
    pub detectors: Vec<(String, u64)>,
    /// The 50 with most anomalies.
    pub classes: Vec<(String, u64)>,
    /// The 50 with most anomalies.
    pub entities: Vec<(Entity, u64)>,
    /// Size of the database on disk, in bytes.
    pub bytes: u64,
}

impl Reader {
    /// A reader of the store in `dir`, also while another process writes to it.
    ///
    /// # Errors
    /// Where there is no store or it cannot be read.
    pub fn open(dir: &Path) -> Result<Reader> {
        Reader::of_file(&dir.join(FILE))
    }

    pub(super) fn of_file(path: &Path) -> Result<Reader> {
        let connection = super::schema::open_reader(path)?;
        Ok(Reader { path: path.to_owned(), connection })
    }

    /// The anomaly of this id, if there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn get(&self, id: AnomalyId) -> Result<Option<Anomaly>> {
        self.read(|connection| row::find(connection, id))
    }

    /// One page of the anomalies asked for, newest first.
    ///
    /// # Errors
    /// Where the database cannot be read. No query is an error.
    pub fn list(&self, query: &Query) -> Result<Page> {
        self.read(|connection| {
            let found = list::keys(connection, query)?;
            Ok(Page { items: row::read(connection, &found.keys)?, next: found.next })
        })
    }

    /// Incidents at least this severe, the latest first, at most so many.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn incidents(&self, at_least: Severity, most: u64) -> Result<Vec<Incident>> {
        self.read(|connection| incidents::list(connection, at_least, most))
    }

    /// The incident of this id, if there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn incident(&self, id: AnomalyId) -> Result<Option<Incident>> {
        self.read(|connection| incidents::find(connection, id))
    }

    /// What people said of anomalies, the latest first; what has expired, until it is pruned, as well.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn marks(&self) -> Result<Vec<Mark>> {
        self.read(marks::all)
    }

    /// A named counter's minutes that begin in `from..to`, in order; those at 0 are left out.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn series(&self, name: &str, from: Timestamp, to: Timestamp) -> Result<Vec<(Timestamp, u64)>> {
        self.read(|connection| counts::series(connection, name, from, to))
    }

    /// Totals, read from tables that the writer keeps: takes no longer when there are more rows.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn stats(&self) -> Result<Stats> {
        let mut stats = self.read(|connection| {
            let mut stats = Stats { total: tally::rows(connection, Kind::All, "")?, ..Stats::default() };
            for severity in Severity::ALL {
                stats.severities.push((severity, tally::rows(connection, Kind::Severity, severity.name())?));
            }
            for state in State::ALL {
                stats.states.push((state, tally::rows(connection, Kind::State, state.name())?));
            }
            stats.detectors = tally::top(connection, Kind::Detector, NAMED)?;
            stats.classes = tally::top(connection, Kind::Class, NAMED)?;
            let entities = tally::top(connection, Kind::Entity, NAMED)?;
            stats.entities = entities.into_iter().filter_map(|(name, rows)| Some((tally::entity(&name)?, rows))).collect();
            Ok(stats)
        })?;
        stats.bytes = self.bytes();
        Ok(stats)
    }

    /// Size of the database on disk, its write-ahead log included, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        [&self.path, &write_ahead_log(&self.path)]
            .into_iter()
            .filter_map(|path| fs::metadata(path).ok())
            .map(|file| file.len())
            .sum()
    }

    /// Reads one state of the database, whatever is written meanwhile.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let read = self.connection.unchecked_transaction().and_then(|transaction| work(&transaction));
        read.map_err(|error| StoreError::sql("read store", &self.path, &error))
    }
}
