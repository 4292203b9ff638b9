use std::path::Path;
use std::{fs, io};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::{Cause, Result, StoreError};

/// Each entry brings a database from the version that is its index to the next one. Never change one that was released.
const MIGRATIONS: &[&str] = &[
    // `anomaly` is narrow, so that a filter without an index of its own passes over many rows per page; what only a person
    // reads is in `detail`. `key` orders by time (see `key_of`), which makes every index, and the full-text one, an index
    // by time within its value: a page is read from the end of an index, never sorted.
    "CREATE TABLE anomaly (
        key INTEGER PRIMARY KEY,
        id INTEGER NOT NULL UNIQUE,
        time INTEGER NOT NULL,
        last INTEGER NOT NULL,
        severity INTEGER NOT NULL,
        state INTEGER NOT NULL,
        score REAL NOT NULL,
        count INTEGER NOT NULL,
        scope INTEGER NOT NULL,
        entity_hash INTEGER NOT NULL,
        content_hash INTEGER NOT NULL,
        text_hash INTEGER NOT NULL,
        detector TEXT NOT NULL,
        class TEXT NOT NULL,
        entity TEXT NOT NULL
    ) STRICT;
    CREATE INDEX anomaly_severity ON anomaly (severity);
    CREATE INDEX anomaly_state ON anomaly (state);
    CREATE INDEX anomaly_detector ON anomaly (detector);
    CREATE INDEX anomaly_class ON anomaly (class);
    CREATE INDEX anomaly_entity ON anomaly (entity_hash);
    CREATE TABLE detail (key INTEGER PRIMARY KEY, body TEXT NOT NULL, note TEXT NOT NULL) STRICT;
    CREATE TABLE deleted (id INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;
    CREATE TABLE tally (
        kind INTEGER NOT NULL, name TEXT NOT NULL, rows INTEGER NOT NULL, PRIMARY KEY (kind, name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX tally_rows ON tally (kind, rows);
    CREATE TABLE counts (
        name TEXT NOT NULL, minute INTEGER NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (name, minute)
    ) STRICT, WITHOUT ROWID;
    CREATE VIRTUAL TABLE search USING fts5(reason, entity, class, evidence, content='', contentless_delete=1);",
    "CREATE TABLE mark (
        id INTEGER PRIMARY KEY,
        said INTEGER NOT NULL,
        detector TEXT NOT NULL,
        rule TEXT NOT NULL,
        class TEXT NOT NULL,
        scope INTEGER NOT NULL,
        entity TEXT NOT NULL,
        made INTEGER NOT NULL,
        expires INTEGER NOT NULL
    ) STRICT;",
    "CREATE TABLE incident (
        id INTEGER PRIMARY KEY, last INTEGER NOT NULL, severity INTEGER NOT NULL, body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX incident_last ON incident (last);",
];

/// How long a statement waits for another process before it gives up as busy.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Opens the database for writing, makes it where there is none and brings it to the newest version.
pub(super) fn open_writer(path: &Path) -> Result<Connection> {
    refuse_directory("open store", path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| StoreError::sql("open store", path, &error))?;
    let version = configure(&mut connection).map_err(|error| StoreError::sql("open store", path, &error))?;
    if version > MIGRATIONS.len() {
        return Err(newer(path, version));
    }
    Ok(connection)
}

/// Opens the database for reading only.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    fs::metadata(path).map_err(|error| StoreError::io("read store", path, &error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sql = |error| StoreError::sql("read store", path, &error);
    let connection = Connection::open_with_flags(path, flags).map_err(sql)?;
    let version = connection
        .busy_timeout(PATIENCE)
        .and_then(|()| connection.execute_batch("PRAGMA cache_size = -2048; PRAGMA query_only = 1;"))
        .and_then(|()| version(&connection))
        .map_err(sql)?;
    if version > MIGRATIONS.len() {
        return Err(newer(path, version));
    }
    Ok(connection)
}

/// SQLite would only say "unable to open". The file itself must never be opened to find out why: closing it again would
/// drop the locks that SQLite's other connections of this process hold on it (POSIX: `fcntl`).
fn refuse_directory(what: &str, path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(file) if file.is_dir() => Err(StoreError::io(what, path, &io::ErrorKind::IsADirectory.into())),
        _ => Ok(()),
    }
}

/// Returns the version found, which is beyond the known ones where nothing was touched.
fn configure(connection: &mut Connection) -> rusqlite::Result<usize> {
    connection.busy_timeout(PATIENCE)?;
    let found = version(connection)?;
    if found > MIGRATIONS.len() {
        return Ok(found);
    }
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 16777216;
         PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;",
    )?;
    for (from, migration) in MIGRATIONS.iter().enumerate().skip(found) {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step.execute_batch(migration)?;
        step.pragma_update(None, "user_version", from as i64 + 1)?;
        step.commit()?;
    }
    Ok(MIGRATIONS.len())
}

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).map(|version| version as usize)
}

fn newer(path: &Path, version: usize) -> StoreError {
    let why = format!("a newer lapwing wrote it (version {version} of its tables, this one knows {})", MIGRATIONS.len());
    StoreError::new(Cause::Newer, format!("cannot open store {}", path.display()), why)
}
