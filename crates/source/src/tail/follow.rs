//! One file that is followed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use lapwing_model::{Origin, Position, Record, Timestamp};

use super::place::{Fingerprint, Identity, Place, read_at};
use super::watch::Watch;
use crate::columns::Heading;
use crate::counters::{Tally, loss};
use crate::lines::{Framer, Line};
use crate::multiline::Joiner;
use crate::push::QUIET;
use crate::{BLOCK, BLOCK_BYTES, Block, Bookmark, Closed, Intake};

/// How much is read of one file before the next one has its turn, in bytes.
const TURN: u64 = 4 << 20;

/// How much is read at once, in bytes.
pub(super) const READ: usize = 256 << 10;

/// Where records go, and what is needed on the way.
pub(super) struct Out {
    pub(super) intake: Intake,
    pub(super) tally: Arc<Tally>,
    pub(super) clock: fn() -> Timestamp,
    pub(super) buffer: Vec<u8>,
}

impl Out {
    pub(super) fn put(&self, records: Vec<Record>, bookmark: Bookmark) -> Result<(), Closed> {
        self.tally.received(records.len(), records.iter().map(|record| record.body.len()).sum());
        self.intake.put_blocking(Block { records, accepted: None, bookmark: Some(bookmark) })
    }
}

/// What a turn of reading came to.
pub(super) enum Turn {
    /// There is nothing more to read now.
    End,
    /// There is more to read at once.
    More,
    /// Something else is in the file now: see [`Follower::start_over`].
    Truncated,
}

pub(super) struct Follower {
    /// Where it is found now.
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) origin: Arc<Origin>,
    /// Nothing that is watched leads to it any more.
    pub(super) moved: bool,
    /// All of it was read, when last looked at.
    pub(super) at_end: bool,
    /// The path of the origin.
    known_as: PathBuf,
    file: File,
    print: Fingerprint,
    /// How many bytes were given to the framer.
    read: u64,
    framer: Framer,
    heading: Heading,
    joiner: Option<Joiner>,
    max_line: usize,
    /// When something was read last.
    latest: Instant,
}

impl Follower {
    /// Goes on at `place`, as the watch says.
    pub(super) fn new(file: File, path: PathBuf, place: Place, watch: &Watch, now: Instant) -> io::Result<Follower> {
        let mut origin = Origin::read_as(place.path.to_string_lossy(), watch.reading.clone());
        let heading = Heading::before(&file, place.position.offset, &mut origin)?;
        Ok(Follower {
            origin,
            heading,
            identity: place.identity,
            moved: false,
            at_end: false,
            path,
            known_as: place.path,
            print: Fingerprint::of(&file)?,
            file,
            read: place.position.offset,
            framer: Framer::starting_at(place.position, watch.max_line),
            joiner: watch.multiline.then(Joiner::default),
            max_line: watch.max_line,
            latest: now,
        })
    }

    /// Up to where its records have been put.
    pub(super) fn place(&self) -> Place {
        let held = self.joiner.as_ref().and_then(Joiner::position);
        let position = held.unwrap_or_else(|| self.framer.position());
        Place { path: self.known_as.clone(), identity: self.identity, print: self.print, position }
    }

    /// The name it was found under first.
    pub(super) fn known_as(&self) -> &Path {
        &self.known_as
    }

    pub(super) fn is_renamed(&self) -> bool {
        self.path != self.known_as
    }

    /// `file` begins like this one: it is a copy.
    pub(super) fn is_copied_in(&self, file: &File) -> bool {
        self.print.is_telling() && self.print.matches(file).unwrap_or(false)
    }

    /// Nothing has come since.
    pub(super) fn quiet_since(&self) -> Instant {
        self.latest
    }

    /// Reads what is new, and puts it.
    pub(super) fn turn(&mut self, out: &mut Out, now: Instant) -> io::Result<Result<Turn, Closed>> {
        let size = self.file.metadata()?.len();
        if size < self.read || (size > self.read && !self.print.matches(&self.file)?) {
            return Ok(Ok(Turn::Truncated));
        }
        if size > self.read && !self.print.is_full() {
            self.print = Fingerprint::of(&self.file)?;
        }
        let end = size.min(self.read + TURN);
        while self.read < end {
            let n = read_at(&self.file, &mut out.buffer, self.read)?;
            if n == 0 {
                // Truncated this moment; or a file system that says more than it has, which must not make us spin.
                self.at_end = true;
                return Ok(Ok(Turn::End));
            }
            self.latest = now;
            self.read += n as u64;
            // Copied to its size: live records must not hold a big buffer for as long as they live.
            self.framer.feed(Bytes::copy_from_slice(&out.buffer[..n]));
            if self.cut(out).is_err() {
                return Ok(Err(Closed));
            }
        }
        self.at_end = self.read >= size;
        let released = if now.duration_since(self.latest) >= QUIET { self.release(out) } else { Ok(()) };
        Ok(released.map(|()| if self.at_end { Turn::End } else { Turn::More }))
    }

    /// Puts the records of the lines that are there whole.
    fn cut(&mut self, out: &Out) -> Result<(), Closed> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        let received = (out.clock)();
        while let Some(line) = self.framer.next_line() {
            let Some((origin, line)) = self.join(line, out) else { continue };
            // A block has one origin; below a heading it is another.
            if records.last().is_some_and(|last: &Record| !Arc::ptr_eq(&last.origin, &origin)) {
                bytes = 0;
                out.put(std::mem::take(&mut records), self.place().bookmark())?;
            }
            bytes += line.body.len();
            records.push(record(origin, line, received));
            if records.len() == BLOCK || bytes >= BLOCK_BYTES {
                bytes = 0;
                out.put(std::mem::take(&mut records), self.place().bookmark())?;
            }
        }
        out.tally.lost(loss::TOO_LONG, self.framer.take_too_long());
        if records.is_empty() { Ok(()) } else { out.put(records, self.place().bookmark()) }
    }

    /// What is whole now, with the origin that it had when it came.
    fn join(&mut self, line: Line, out: &Out) -> Option<(Arc<Origin>, Line)> {
        if line.body.is_empty() {
            out.tally.lost(loss::BLANK, 1);
            return None;
        }
        let origin = Arc::clone(&self.origin);
        if self.heading.take(&line.body, &mut self.origin) {
            out.tally.lost(loss::HEADING, 1);
            return self.joiner.as_mut().and_then(Joiner::flush).map(|held| (origin, held));
        }
        let whole = match &mut self.joiner {
            Some(joiner) => joiner.push(line),
            None => Some(line),
        };
        whole.map(|line| (origin, line))
    }

    /// Puts the record that waited for more lines.
    fn release(&mut self, out: &Out) -> Result<(), Closed> {
        let Some(line) = self.joiner.as_mut().and_then(Joiner::flush) else { return Ok(()) };
        let record = record(Arc::clone(&self.origin), line, (out.clock)());
        out.put(vec![record], self.place().bookmark())
    }

    /// Puts what is left, also a line without its end, because nothing more will come. The bookmark is kept, or forgotten.
    pub(super) fn finish(&mut self, out: &Out, keep: bool) -> Result<(), Closed> {
        let received = (out.clock)();
        let mut lines = Vec::new();
        while let Some(line) = self.framer.finish() {
            lines.extend(self.join(line, out));
        }
        lines.extend(self.joiner.as_mut().and_then(Joiner::flush).map(|line| (Arc::clone(&self.origin), line)));
        let records = lines.into_iter().map(|(origin, line)| record(origin, line, received)).collect();
        let place = self.place();
        out.put(records, if keep { place.bookmark() } else { place.farewell() })
    }

    /// Begins again at the beginning. What is left of the former content is put, unless a `copy` of it is read.
    pub(super) fn start_over(&mut self, out: &Out, copy: bool, now: Instant) -> Result<(), Closed> {
        if !copy {
            self.finish(out, true)?;
        }
        self.joiner = self.joiner.as_ref().map(|_| Joiner::default());
        self.read = 0;
        self.heading = Heading::default();
        self.print = Fingerprint::default();
        self.framer = Framer::starting_at(Position { offset: 0, line: 1 }, self.max_line);
        self.at_end = false;
        self.latest = now;
        Ok(())
    }
}

fn record(origin: Arc<Origin>, line: Line, received: Timestamp) -> Record {
    Record { body: line.body, origin, position: line.position, received }
}
