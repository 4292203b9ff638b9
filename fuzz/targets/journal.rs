//! A journal directory with any bytes in its segments: opened with what is whole, and from then on nothing is lost.
#![no_main]

use std::path::Path;

use lapwing_store::{Journal, Settings};
use libfuzzer_sys::arbitrary::Arbitrary;

#[derive(Debug, Arbitrary)]
enum Piece<'a> {
    Raw(&'a [u8]),
    /// Laid out as an entry, with the right checksum unless it is changed.
    Entry {
        sequence: u64,
        payload: &'a [u8],
        flip: u32,
        length: Option<u32>,
    },
    /// An entry with the next sequence number in line.
    Next(&'a [u8]),
}

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    segments: Vec<(u64, Vec<Piece<'a>>)>,
    from: u64,
    skip: u64,
    appended: Vec<&'a [u8]>,
}

const SETTINGS: Settings = Settings { limit_bytes: 1 << 20, segment_bytes: 256, fsync: false };

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let dir = lapwing_fuzz::scratch();
    for (first, pieces) in input.segments.iter().take(4) {
        std::fs::write(dir.path().join(format!("{first:020}.log")), segment(*first, pieces)).expect("written");
    }
    let Ok(mut journal) = Journal::open(dir.path(), SETTINGS) else { return };
    let before = entries(&journal, 0);
    let _ = entries(&journal, input.from);
    let skipped = journal.skip_to(input.skip);
    let mut acknowledged = Vec::new();
    for payload in input.appended.iter().take(16) {
        let Ok(sequence) = journal.append(payload) else { break };
        if journal.commit().is_ok() {
            acknowledged.push((sequence, payload.to_vec()));
        }
    }
    let all = entries(&journal, 0);
    if skipped.is_ok() {
        assert!(all.starts_with(&before), "what was whole stays");
        assert_eq!(all[before.len()..], acknowledged, "what was acknowledged is there");
    }
    drop(journal);
    let journal = reopen(dir.path());
    assert_eq!(entries(&journal, 0), all, "and is there the next time");
});

fn reopen(dir: &Path) -> Journal {
    Journal::open(dir, SETTINGS).expect("it was open before")
}

fn entries(journal: &Journal, from: u64) -> Vec<(u64, Vec<u8>)> {
    journal.read_from(from).map(|entry| entry.expect("readable")).collect()
}

fn segment(first: u64, pieces: &[Piece<'_>]) -> Vec<u8> {
    let (mut bytes, mut next) = (Vec::new(), first);
    for piece in pieces.iter().take(8) {
        match *piece {
            Piece::Raw(raw) => bytes.extend_from_slice(raw),
            Piece::Entry { sequence, payload, flip, length } => {
                let length = length.unwrap_or(payload.len() as u32);
                entry(&mut bytes, sequence, payload, length, flip);
            }
            Piece::Next(payload) => {
                entry(&mut bytes, next, payload, payload.len() as u32, 0);
                next = next.wrapping_add(1);
            }
        }
    }
    bytes
}

fn entry(bytes: &mut Vec<u8>, sequence: u64, payload: &[u8], length: u32, flip: u32) {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(&sequence.to_le_bytes());
    hasher.update(payload);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&(hasher.finalize() ^ flip).to_le_bytes());
    bytes.extend_from_slice(&sequence.to_le_bytes());
    bytes.extend_from_slice(payload);
}
