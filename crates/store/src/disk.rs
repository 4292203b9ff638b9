use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

use crate::{Cause, Result, StoreError};

/// Makes the directory where it is not there yet.
pub(crate) fn make_dir(what: &str, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(|error| StoreError::io(what, dir, &error))
}

/// Makes created, renamed and deleted names durable. Nothing to do on systems that cannot open directories.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| StoreError::io("sync", dir, &error))
}

/// Keeps a second process out of what `lock` guards for as long as the returned file is open.
pub(crate) fn lock(what: &str, lock: &Path) -> Result<File> {
    let io = |error| StoreError::io(what, lock, &error);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(lock).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::new(Cause::Busy, format!("cannot {what} {}", lock.display()), "another process uses it"))
        }
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}
