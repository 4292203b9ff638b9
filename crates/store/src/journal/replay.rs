use std::collections::VecDeque;
use std::io;

use super::Damage;
use super::entry::{Scanner, Step};
use super::segment::Segment;
use crate::{Result, StoreError};

/// The entries of a journal from some sequence number on, in order, as they were committed when reading began. Holds one
/// entry and one read buffer in memory, whatever the journal's size. Damage is skipped and counted, see [`Replay::damage`].
#[derive(Debug)]
pub struct Replay {
    from: u64,
    segments: VecDeque<Segment>,
    open: Option<(Segment, Scanner)>,
    damage: Damage,
}

impl Replay {
    pub(super) fn new(from: u64, segments: VecDeque<Segment>) -> Replay {
        Replay { from, segments, open: None, damage: Damage::default() }
    }

    /// What could not be read so far.
    #[must_use]
    pub fn damage(&self) -> Damage {
        self.damage
    }

    /// The scanner of the next segment that has something; nothing at the end.
    fn open_next(&mut self) -> Result<bool> {
        while let Some(segment) = self.segments.pop_front() {
            match Scanner::open(&segment.path, segment.len) {
                Ok(scanner) => {
                    self.open = Some((segment, scanner));
                    return Ok(true);
                }
                // Forgotten while this replay was under way.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io("read journal segment", &segment.path, &error)),
            }
        }
        Ok(false)
    }

    fn close(&mut self) {
        if let Some((segment, scanner)) = self.open.take() {
            self.damage.entries += scanner.damaged;
            // Measured against what the segment should have: it may have become shorter.
            let lost = segment.len - scanner.good.min(segment.len);
            self.damage.bytes += lost;
            self.damage.segments += u64::from(lost > 0);
        }
    }
}

impl Iterator for Replay {
    /// Sequence number and payload. After an error the rest of that segment is left out.
    type Item = Result<(u64, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((segment, scanner)) = &mut self.open else {
                match self.open_next() {
                    Ok(true) => continue,
                    Ok(false) => return None,
                    Err(error) => return Some(Err(error)),
                }
            };
            match scanner.step() {
                Ok(Step::Entry(sequence)) if sequence >= self.from => {
                    return Some(Ok((sequence, std::mem::take(&mut scanner.payload))));
                }
                Ok(Step::Entry(_)) => {}
                Ok(Step::End | Step::Torn) => self.close(),
                Err(error) => {
                    let error = StoreError::io("read journal segment", &segment.path, &error);
                    self.close();
                    return Some(Err(error));
                }
            }
        }
    }
}
