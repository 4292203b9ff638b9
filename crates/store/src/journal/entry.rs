use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Length (u32), CRC-32 of everything else (u32) and sequence number (u64), all little-endian; then the payload.
pub(super) const HEADER: usize = 16;

/// Longest payload. A damaged length beyond it is recognised at once.
pub(super) const LONGEST: usize = 64 << 20;

/// No sequence number gets this far: 285 years at a million a second. One beyond it, in an entry, a name or a snapshot, is damage,
/// and would leave no numbers for what comes.
pub(super) const LAST: u64 = 1 << 53;

/// Appends one entry to `out`, whose payload is all of `parts` together and no longer than [`LONGEST`].
pub(super) fn encode<'p>(out: &mut Vec<u8>, sequence: u64, parts: impl Iterator<Item = &'p [u8]> + Clone) {
    let length = length(parts.clone());
    out.reserve(HEADER + length);
    let length = (length as u32).to_le_bytes();
    let sequence = sequence.to_le_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(length, sequence, parts.clone()).to_le_bytes());
    out.extend_from_slice(&sequence);
    parts.for_each(|part| out.extend_from_slice(part));
}

/// Of a payload in parts, in bytes.
pub(super) fn length<'p>(parts: impl Iterator<Item = &'p [u8]>) -> usize {
    parts.map(<[u8]>::len).sum()
}

fn checksum<'p>(length: [u8; 4], sequence: [u8; 8], parts: impl Iterator<Item = &'p [u8]>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(&sequence);
    parts.for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// What a [`Scanner`] met.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// An entry with this sequence number; [`Scanner::payload`] is its payload.
    Entry(u64),
    /// The end, right behind a whole entry.
    End,
    /// Something that is no entry, and no way to find the next one.
    Torn,
}

/// Reads the entries of one segment, in order. Holds one payload at a time.
#[derive(Debug)]
pub(super) struct Scanner {
    file: BufReader<File>,
    at: u64,
    end: u64,
    /// Where the last whole entry ends.
    pub(super) good: u64,
    /// Entries that were skipped because their checksum is wrong, while a whole entry follows them.
    pub(super) damaged: u64,
    last: u64,
    pub(super) payload: Vec<u8>,
}

impl Scanner {
    /// Reads `path` up to `end` bytes, or to its end if that is nearer.
    pub(super) fn open(path: &Path, end: u64) -> io::Result<Scanner> {
        let mut file = File::open(path)?;
        let end = file.seek(SeekFrom::End(0))?.min(end);
        file.rewind()?;
        let file = BufReader::with_capacity(1 << 18, file);
        Ok(Scanner { file, at: 0, end, good: 0, damaged: 0, last: 0, payload: Vec::new() })
    }

    /// The next entry. A damaged entry is skipped (and counted) where its length still leads to a whole one: one flipped
    /// bit in a payload costs one entry, not the rest of the segment.
    pub(super) fn step(&mut self) -> io::Result<Step> {
        let mut skipped = 0;
        loop {
            if self.at == self.end {
                return Ok(if skipped == 0 { Step::End } else { Step::Torn });
            }
            match self.read_entry()? {
                None => return Ok(Step::Torn),
                Some((sequence, true)) => {
                    self.good = self.at;
                    self.damaged += skipped;
                    self.last = sequence;
                    return Ok(Step::Entry(sequence));
                }
                Some((_, false)) => skipped += 1,
            }
        }
    }

    /// Bytes behind the last whole entry.
    pub(super) fn lost(&self) -> u64 {
        self.end - self.good
    }

    /// Sequence number and whether the entry is whole; nothing where its length cannot be true.
    fn read_entry(&mut self) -> io::Result<Option<(u64, bool)>> {
        let left = self.end - self.at;
        if left < HEADER as u64 {
            return Ok(None);
        }
        let (mut length, mut crc, mut sequence) = ([0; 4], [0; 4], [0; 8]);
        self.file.read_exact(&mut length)?;
        self.file.read_exact(&mut crc)?;
        self.file.read_exact(&mut sequence)?;
        let size = u32::from_le_bytes(length) as usize;
        if size > LONGEST || size as u64 > left - HEADER as u64 {
            return Ok(None);
        }
        self.payload.resize(size, 0);
        self.file.read_exact(&mut self.payload)?;
        self.at += (HEADER + size) as u64;
        let whole = checksum(length, sequence, [&*self.payload].into_iter()) == u32::from_le_bytes(crc);
        let sequence = u64::from_le_bytes(sequence);
        Ok(Some((sequence, whole && sequence > self.last && sequence <= LAST)))
    }
}
