use std::fmt;
use std::io;
use std::path::Path;

/// Why something could not be kept or read: what failed, why, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError {
    cause: Cause,
    what: String,
    why: String,
    advice: &'static str,
}

/// The kinds of failure that a caller can act upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The disk, the quota or a limit of the settings is reached.
    Full,
    /// Another process or connection holds it.
    Busy,
    /// The place cannot be written: read-only, not permitted, not a directory.
    Unwritable,
    /// What is on disk is not what was written.
    Damaged,
    /// Written by a newer Lapwing.
    Newer,
    /// The caller asked for something impossible.
    Refused,
    /// Any other failure of the disk or the database.
    Io,
}

/// What everything in this crate returns.
pub type Result<T> = std::result::Result<T, StoreError>;

impl StoreError {
    pub(crate) fn new(cause: Cause, what: impl Into<String>, why: impl Into<String>) -> Self {
        StoreError { cause, what: what.into(), why: why.into(), advice: cause.advice() }
    }

    pub(crate) fn advise(mut self, advice: &'static str) -> Self {
        self.advice = advice;
        self
    }

    /// The kind of failure.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Whether the same call may succeed later without anybody changing a setting (a full disk, a held lock). Everything
    /// else is final.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self.cause, Cause::Full | Cause::Busy)
    }

    /// An I/O error met while doing `what` (`open store`) with the file or directory `path`.
    pub(crate) fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        let cause = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Cause::Full,
            io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy => Cause::Busy,
            io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::NotFound
            | io::ErrorKind::AlreadyExists => Cause::Unwritable,
            _ => Cause::Io,
        };
        StoreError::new(cause, format!("cannot {what} {}", path.display()), reason(error))
    }

    /// A database error met while doing `what` (`write to store`) with the file `path`.
    pub(crate) fn sql(what: &str, path: &Path, error: &rusqlite::Error) -> Self {
        StoreError::new(cause_of(error), format!("cannot {what} {}", path.display()), sql_reason(error))
    }
}

impl Cause {
    const fn advice(self) -> &'static str {
        match self {
            Cause::Full => "free some space, or choose another directory with `store.directory`",
            Cause::Busy => "stop the other process, or choose another directory with `store.directory`",
            Cause::Unwritable => "choose another directory with `store.directory`",
            Cause::Damaged => "restore it from a backup, or move it away to start with an empty one",
            Cause::Newer => "use that version, or choose another directory with `store.directory`",
            Cause::Refused => "change the request",
            Cause::Io => "check the disk and the system's log",
        }
    }
}

/// The operating system's words without `(os error 30)`, beginning in lower case.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn cause_of(error: &rusqlite::Error) -> Cause {
    use rusqlite::ErrorCode;
    use rusqlite::ffi::{SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMSIZE};
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        // A column of another type, or text that is not what was written: rows that this crate did not write.
        return Cause::Damaged;
    };
    // Growing the shared-memory file of the WAL on a full disk is not reported as SQLITE_FULL.
    if matches!(failure.extended_code, SQLITE_IOERR_SHMSIZE | SQLITE_IOERR_SHMMAP) {
        return Cause::Full;
    }
    match failure.code {
        ErrorCode::DiskFull => Cause::Full,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => Cause::Busy,
        ErrorCode::ReadOnly
        | ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::AuthorizationForStatementDenied => Cause::Unwritable,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Cause::Damaged,
        _ => Cause::Io,
    }
}

fn sql_reason(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            rusqlite::ErrorCode::NotADatabase => "it is not a lapwing database".to_owned(),
            rusqlite::ErrorCode::DatabaseCorrupt => "the database is damaged".to_owned(),
            rusqlite::ErrorCode::DiskFull => "no space left on device".to_owned(),
            rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked => {
                "another process is writing to it".to_owned()
            }
            _ => error.to_string(),
        },
        error => error.to_string(),
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.what, self.why, self.advice)
    }
}

impl std::error::Error for StoreError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_what_why_and_what_to_do() {
        let error = io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
        let error = StoreError::io("open store", Path::new("data/lapwing.db"), &error);
        assert_eq!(
            error.to_string(),
            "cannot open store data/lapwing.db: read-only filesystem or storage medium; \
             choose another directory with `store.directory`"
        );
        assert!(!error.is_passing());
    }

    #[test]
    fn the_words_of_the_system_are_in_house_style() {
        let error = StoreError::io("open store", Path::new("x"), &io::Error::from_raw_os_error(20));
        assert_eq!(error.to_string(), "cannot open store x: not a directory; choose another directory with `store.directory`");
    }

    #[test]
    fn a_full_disk_passes_and_a_damaged_file_does_not() {
        let full = StoreError::io("write", Path::new("x"), &io::Error::from(io::ErrorKind::StorageFull));
        assert!(full.is_passing() && full.cause() == Cause::Full);
        assert!(!StoreError::new(Cause::Damaged, "x", "y").is_passing());
    }
}
