//! How a file is known again, under whatever name: by device and inode, and by its first bytes.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use lapwing_model::{Position, hash};

use crate::Bookmark;

/// How many of the first bytes make a fingerprint.
const PRINT: usize = 1_024;

/// Fewer bytes than this may be alike by chance: such a fingerprint says nothing without the inode.
const TELLING: u32 = 64;

/// First byte of an encoded place, so that the encoding can change.
const VERSION: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Identity {
        Identity { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The hash of the first bytes of a file, up to [`PRINT`] of them. A file that is only appended to keeps matching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fingerprint {
    length: u32,
    hash: u64,
}

impl Fingerprint {
    pub(super) fn of(file: &File) -> io::Result<Fingerprint> {
        let mut head = [0; PRINT];
        let n = read_at(file, &mut head, 0)?;
        Ok(Fingerprint { length: n as u32, hash: hash(&head[..n]) })
    }

    pub(super) fn matches(self, file: &File) -> io::Result<bool> {
        let mut head = [0; PRINT];
        let wanted = (self.length as usize).min(PRINT);
        let n = read_at(file, &mut head[..wanted], 0)?;
        Ok(n == wanted && (n == 0 || hash(&head[..n]) == self.hash))
    }

    /// It says enough to know a copy by.
    pub(super) fn is_telling(self) -> bool {
        self.length >= TELLING
    }

    pub(super) fn is_full(self) -> bool {
        self.length as usize == PRINT
    }
}

/// Reads until the buffer is full or the file ends; answers how much.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut n = 0;
    while n < buffer.len() {
        match file.read_at(&mut buffer[n..], offset + n as u64) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n)
}

/// How far a file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The name it was found under first: the origin of its records.
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) print: Fingerprint,
    pub(super) position: Position,
}

impl Place {
    /// By identity, not by path: while a file is rotated, two of them have the same path.
    fn key(&self) -> Box<str> {
        format!("tail:{:x}:{:x}", self.identity.device, self.identity.inode).into()
    }

    pub(super) fn bookmark(&self) -> Bookmark {
        let mut place = vec![VERSION];
        place.extend(self.print.length.to_le_bytes());
        let Identity { device, inode } = self.identity;
        for number in [device, inode, self.print.hash, self.position.offset, self.position.line] {
            place.extend(number.to_le_bytes());
        }
        place.extend(self.path.as_os_str().as_bytes());
        Bookmark { key: self.key(), place }
    }

    /// Says that this place is not needed any more.
    pub(super) fn farewell(&self) -> Bookmark {
        Bookmark { key: self.key(), place: Vec::new() }
    }

    /// Nothing where the bytes are no place of this version.
    pub(super) fn read(bytes: &[u8]) -> Option<Place> {
        let (&version, bytes) = bytes.split_first()?;
        let (length, mut bytes) = bytes.split_first_chunk::<4>()?;
        let mut numbers = [0; 5];
        for number in &mut numbers {
            let (first, rest) = bytes.split_first_chunk::<8>()?;
            *number = u64::from_le_bytes(*first);
            bytes = rest;
        }
        let [device, inode, hash, offset, line] = numbers;
        (version == VERSION).then(|| Place {
            path: Path::new(std::ffi::OsStr::from_bytes(bytes)).to_owned(),
            identity: Identity { device, inode },
            print: Fingerprint { length: u32::from_le_bytes(*length), hash },
            position: Position { offset, line },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_and_nonsense_is_none() {
        let place = Place {
            path: "/var/log/ä.log".into(),
            identity: Identity { device: 7, inode: u64::MAX },
            print: Fingerprint { length: 900, hash: 42 },
            position: Position { offset: 12_345, line: 99 },
        };
        let bookmark = place.bookmark();
        assert_eq!(Place::read(&bookmark.place), Some(place));
        assert!(bookmark.key.starts_with("tail:"));
        for n in 0..45 {
            assert_eq!(Place::read(&bookmark.place[..n]), None);
        }
        assert_eq!(Place::read(&[9; 100]), None);
    }
}
