use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::entry::{HEADER, LAST, Scanner, Step};
use crate::{Result, StoreError, disk};

/// A file of entries, named by the sequence number that its first one has or will have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) first: u64,
    pub(super) len: u64,
    pub(super) path: PathBuf,
}

impl Segment {
    fn named(dir: &Path, first: u64) -> Segment {
        Segment { first, len: 0, path: dir.join(format!("{first:020}.log")) }
    }

    /// All segments of a directory by sequence number. Other files are left alone.
    pub(super) fn list(dir: &Path) -> Result<Vec<Segment>> {
        let io = |error| StoreError::io("read journal", dir, &error);
        let mut segments = Vec::new();
        for file in fs::read_dir(dir).map_err(io)? {
            let file = file.map_err(io)?;
            let name = file.file_name();
            let first = name.to_str().and_then(|name| name.strip_suffix(".log")).filter(|digits| digits.len() == 20);
            if let Some(first) = first.and_then(|digits| digits.parse().ok()).filter(|first| (1..=LAST).contains(first)) {
                let len = file.metadata().map_err(io)?.len();
                segments.push(Segment { first, len, path: file.path() });
            }
        }
        segments.sort_by_key(|segment| segment.first);
        Ok(segments)
    }

    /// Deletes the file; one that is gone already is fine.
    pub(super) fn remove(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("delete journal segment", &self.path, &error))
            }
            _ => Ok(()),
        }
    }
}

/// The segment that is written to. Its `len` counts what is committed.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) segment: Segment,
    file: File,
}

/// What reading the newest segment to its end showed.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) active: Active,
    /// Beyond every sequence number that can have been given out.
    pub(super) next: u64,
    pub(super) cut_bytes: u64,
    pub(super) damaged_entries: u64,
}

impl Active {
    /// Makes an empty segment, durably if `fsync`. Leaves nothing behind where it fails.
    pub(super) fn create(dir: &Path, first: u64, fsync: bool) -> Result<Active> {
        let segment = Segment::named(dir, first);
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(&segment.path);
        let file = file.map_err(|error| StoreError::io("create journal segment", &segment.path, &error))?;
        if fsync && let Err(error) = disk::sync_dir(dir) {
            // Empty and named by a number that nothing has yet: harmless should it stay.
            let _ = segment.remove();
            return Err(error);
        }
        Ok(Active { segment, file })
    }

    /// Opens the newest segment of a journal and cuts off what is behind its last whole entry.
    pub(super) fn recover(mut segment: Segment) -> Result<Recovered> {
        let io = |error| StoreError::io("recover journal segment", &segment.path, &error);
        let mut scanner = Scanner::open(&segment.path, u64::MAX).map_err(io)?;
        let mut next = segment.first;
        while let Step::Entry(sequence) = scanner.step().map_err(io)? {
            next = sequence + 1;
        }
        let cut_bytes = scanner.lost();
        let mut file = OpenOptions::new().write(true).open(&segment.path).map_err(io)?;
        if cut_bytes > 0 {
            file.set_len(scanner.good).and_then(|()| file.sync_all()).map_err(io)?;
        }
        file.seek(SeekFrom::Start(scanner.good)).map_err(io)?;
        segment.len = scanner.good;
        // What is cut off may hold entries that were acknowledged, at most one per header: their numbers are used up.
        next += cut_bytes.div_ceil(HEADER as u64);
        Ok(Recovered { active: Active { segment, file }, next, cut_bytes, damaged_entries: scanner.damaged })
    }

    /// Writes behind what is committed; with `fsync` it is on the disk afterwards.
    pub(super) fn write(&mut self, bytes: &[u8], fsync: bool) -> io::Result<()> {
        self.file.write_all(bytes)?;
        if fsync {
            self.file.sync_data()?;
        }
        self.segment.len += bytes.len() as u64;
        Ok(())
    }

    /// Takes back what a failed write left behind the committed entries.
    pub(super) fn roll_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.segment.len)?;
        self.file.seek(SeekFrom::Start(self.segment.len)).map(|_| ())
    }
}
