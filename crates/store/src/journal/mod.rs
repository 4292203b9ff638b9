//! The bounded journal of what was pushed and accepted: append-only segment files, each entry with length, CRC-32 and
//! sequence number. What [`Journal::commit`] returned for is there after a crash.

mod entry;
mod replay;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};

pub use replay::Replay;

use crate::{Cause, Result, StoreError, disk};
use entry::{HEADER, LAST, LONGEST};
use segment::{Active, Recovered, Segment};

/// Most that is held in memory between two commits, in bytes.
const GROUP: usize = 64 << 20;

/// How a journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Most that the journal takes on disk, in bytes.
    pub limit_bytes: u64,
    /// A segment that is at least this long, in bytes, is followed by a new one. Never more than a quarter of the limit, or
    /// forgetting could not make room.
    pub segment_bytes: u64,
    /// Whether a commit waits for the disk. Without it a crash of the process loses nothing, a crash of the machine may.
    pub fsync: bool,
}

impl Default for Settings {
    /// 1 GiB in segments of 64 MiB, with fsync.
    fn default() -> Self {
        Settings { limit_bytes: 1 << 30, segment_bytes: 64 << 20, fsync: true }
    }
}

/// What could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Damage {
    /// Entries with a wrong checksum that were skipped one by one.
    pub entries: u64,
    /// Bytes at the end of segments that are no entries: a torn write or a damaged length.
    pub bytes: u64,
    /// Segments whose end was lost so.
    pub segments: u64,
}

/// The writer of a journal directory; a second one is refused.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    settings: Settings,
    closed: VecDeque<Segment>,
    closed_bytes: u64,
    active: Active,
    pending: Vec<u8>,
    next: u64,
    /// A failed write could not be taken back, or the disk may have dropped pages: nothing more goes into this segment.
    spoilt: bool,
    recovered: Damage,
    _lock: File,
}

impl Journal {
    /// Opens the journal in `dir`, making it where there is none. A torn or damaged end, as a crash leaves it, is cut off:
    /// see [`Journal::recovered`]. Reads the newest segment once.
    ///
    /// # Errors
    /// Where the directory cannot be written or another process has the journal.
    pub fn open(dir: &Path, settings: Settings) -> Result<Journal> {
        disk::make_dir("open journal", dir)?;
        let lock = disk::lock("open journal", &dir.join("lock"))?;
        let mut closed: VecDeque<Segment> = Segment::list(dir)?.into();
        let newest = match closed.pop_back() {
            Some(segment) => Active::recover(segment)?,
            None => {
                let active = Active::create(dir, 1, settings.fsync)?;
                Recovered { active, next: 1, cut_bytes: 0, damaged_entries: 0 }
            }
        };
        let Recovered { active, next, cut_bytes, damaged_entries } = newest;
        let mut journal = Journal {
            dir: dir.to_owned(),
            settings,
            closed_bytes: closed.iter().map(|segment| segment.len).sum(),
            closed,
            active,
            pending: Vec::new(),
            next,
            spoilt: false,
            recovered: Damage { entries: damaged_entries, bytes: cut_bytes, segments: u64::from(cut_bytes > 0) },
            _lock: lock,
        };
        if cut_bytes > 0 {
            // The name of a new segment is what remembers that numbers were used up.
            journal.rotate()?;
        }
        Ok(journal)
    }

    /// What was cut off and what was found damaged in the newest segment when the journal was opened.
    #[must_use]
    pub fn recovered(&self) -> Damage {
        self.recovered
    }

    /// Adds an entry to the group that the next [`Journal::commit`] makes durable. Touches the disk only to begin a new
    /// segment, between groups; an error takes nothing else out of the group.
    ///
    /// # Errors
    /// [`Cause::Full`] where the journal's limit (or the disk) is reached: commit and wait for the next
    /// [`Journal::forget_before`]. [`Cause::Refused`] for a payload over 64 MiB.
    pub fn append(&mut self, payload: &[u8]) -> Result<u64> {
        self.append_parts([payload].into_iter())
    }

    /// The same for a payload that lies in several places.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn append_parts<'p>(&mut self, parts: impl Iterator<Item = &'p [u8]> + Clone) -> Result<u64> {
        let length = entry::length(parts.clone());
        if length > LONGEST {
            let why = format!("an entry of {length} bytes is over the limit of {LONGEST}");
            return Err(self.error(Cause::Refused, why).advise("send smaller batches"));
        }
        let size = HEADER + length;
        if self.bytes() + size as u64 > self.settings.limit_bytes {
            let why = format!("its limit of {} bytes is reached", self.settings.limit_bytes);
            return Err(self.error(Cause::Full, why).advise("wait for the next snapshot, or raise `store.journal_limit_bytes`"));
        }
        if !self.pending.is_empty() && self.pending.len() + size > GROUP {
            return Err(self.error(Cause::Full, format!("{GROUP} bytes wait for a commit")).advise("commit first"));
        }
        if self.pending.is_empty() && (self.spoilt || self.active.segment.len >= self.segment_bytes()) {
            self.rotate()?;
        }
        let sequence = self.next;
        entry::encode(&mut self.pending, sequence, parts);
        self.next += 1;
        Ok(sequence)
    }

    /// Writes everything appended since the last commit; with `fsync` it is on the disk afterwards (`fdatasync`).
    ///
    /// # Errors
    /// Nothing of the group is kept then (its sequence numbers stay used up); the journal goes on with the next append.
    pub fn commit(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let written = self.active.write(&self.pending, self.settings.fsync);
        self.pending.clear();
        self.pending.shrink_to(1 << 20);
        written.map_err(|error| {
            let error = StoreError::io("write journal segment", &self.active.segment.path, &error);
            // After a failed write the rest of the segment is as it was. After a failed sync nobody knows what the disk
            // has, so later entries go elsewhere.
            self.spoilt = self.active.roll_back().is_err() || error.cause() != Cause::Full;
            error
        })
    }

    /// Committed entries with this sequence number or a later one, for replay.
    #[must_use]
    pub fn read_from(&self, sequence: u64) -> Replay {
        let mut segments: VecDeque<Segment> = self.closed.iter().chain([&self.active.segment]).cloned().collect();
        while segments.get(1).is_some_and(|second| second.first <= sequence) {
            segments.pop_front();
        }
        Replay::new(sequence, segments)
    }

    /// Deletes the segments all of whose entries have lower sequence numbers than this.
    ///
    /// # Errors
    /// Where a file cannot be deleted; what is left is deleted by the next call.
    pub fn forget_before(&mut self, sequence: u64) -> Result<()> {
        self.drop_closed(sequence)?;
        if sequence >= self.next && self.active.segment.len > 0 && self.pending.is_empty() {
            self.rotate()?;
            self.drop_closed(sequence)?;
        }
        Ok(())
    }

    /// Makes sure that new entries get this sequence number or a higher one, durably. For a journal that lost its end (or was
    /// deleted) while a snapshot already counts on later numbers. Commits what is appended.
    ///
    /// # Errors
    /// As [`Journal::commit`], where a new segment cannot be made, and [`Cause::Damaged`] for a number that none can have.
    pub fn skip_to(&mut self, sequence: u64) -> Result<()> {
        if sequence <= self.next {
            return Ok(());
        }
        if sequence > LAST {
            return Err(self.error(Cause::Damaged, format!("a snapshot counts on the number {sequence}, which cannot be")));
        }
        self.commit()?;
        let next = std::mem::replace(&mut self.next, sequence);
        self.rotate().inspect_err(|_| self.next = next)
    }

    /// The sequence number of the next entry. Numbers rise, never repeat, and may leave gaps.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next
    }

    /// No entry that is kept has a lower sequence number; equals [`Journal::next_seq`] where nothing is kept.
    #[must_use]
    pub fn first_seq(&self) -> u64 {
        self.closed.front().unwrap_or(&self.active.segment).first
    }

    /// Size of all entries, in bytes, those not committed yet included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.closed_bytes + self.active.segment.len + self.pending.len() as u64
    }

    fn segment_bytes(&self) -> u64 {
        self.settings.segment_bytes.min(self.settings.limit_bytes / 4).max(1)
    }

    /// Begins a segment named by the next sequence number. Called only between groups.
    fn rotate(&mut self) -> Result<()> {
        if self.active.segment.first == self.next {
            return Ok(());
        }
        let active = Active::create(&self.dir, self.next, self.settings.fsync)?;
        let old = std::mem::replace(&mut self.active, active).segment;
        self.spoilt = false;
        if old.len == 0 && old.remove().is_ok() {
            return Ok(());
        }
        self.closed_bytes += old.len;
        self.closed.push_back(old);
        Ok(())
    }

    fn drop_closed(&mut self, sequence: u64) -> Result<()> {
        while let Some(oldest) = self.closed.front() {
            let following = self.closed.get(1).unwrap_or(&self.active.segment).first;
            if following > sequence {
                break;
            }
            oldest.remove()?;
            self.closed_bytes -= oldest.len;
            self.closed.pop_front();
        }
        Ok(())
    }

    fn error(&self, cause: Cause, why: impl Into<String>) -> StoreError {
        StoreError::new(cause, format!("cannot append to journal {}", self.dir.display()), why)
    }
}
