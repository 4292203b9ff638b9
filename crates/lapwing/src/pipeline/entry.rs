//! What the journal holds: pushed records in the order they were accepted, and the passing of quiet time between them.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use lapwing_model::{Origin, Position, Reading, Record, Timestamp};
use serde::{Deserialize, Serialize};

/// One entry of the journal. The bodies of the records follow it, one after the other, just as they came.
#[derive(Debug, Serialize, Deserialize)]
enum Entry<'a> {
    /// Of each record: when it was received, and the length of its body.
    Records {
        origin: Cow<'a, str>,
        reading: Cow<'a, Reading>,
        records: Vec<(i64, usize)>,
    },
    Heartbeat(i64),
    /// The same as `Records`, below a heading that names their columns.
    Under {
        columns: Cow<'a, str>,
        origin: Cow<'a, str>,
        reading: Cow<'a, Reading>,
        records: Vec<(i64, usize)>,
    },
}

/// What an entry says.
#[derive(Debug)]
pub enum Said {
    Records(Vec<Record>),
    Heartbeat(Timestamp),
}

/// Records of one entry are told apart by these low bits of their offset; the rest is the entry's sequence number.
const WITHIN: u32 = 10;

/// Gives pushed records their place: the same when they are read back.
pub fn place(records: &mut [Record], sequence: u64) {
    for (within, record) in records.iter_mut().enumerate() {
        let offset = sequence << WITHIN | within as u64;
        record.position = Position { offset, line: offset };
    }
}

/// What stands before the bodies in the entry of records of one origin.
pub fn head(records: &[Record]) -> Vec<u8> {
    let Some(first) = records.first() else { return Vec::new() };
    let (origin, reading) = (Cow::Borrowed(&*first.origin.name), Cow::Borrowed(&first.origin.reading));
    let records = records.iter().map(|record| (record.received.nanos(), record.body.len())).collect();
    serial(&match first.origin.reading.columns.as_deref() {
        Some(columns) => Entry::Under { columns: Cow::Borrowed(columns), origin, reading, records },
        None => Entry::Records { origin, reading, records },
    })
}

/// The parts of the entry: its head and the bodies.
pub fn parts<'a>(head: &'a [u8], records: &'a [Record]) -> impl Iterator<Item = &'a [u8]> + Clone {
    [head].into_iter().chain(records.iter().map(|record| &record.body[..]))
}

/// The bytes to append for a heartbeat.
pub fn encode_heartbeat(now: Timestamp) -> Vec<u8> {
    serial(&Entry::Heartbeat(now.nanos()))
}

fn serial(entry: &Entry<'_>) -> Vec<u8> {
    // Plain data always has a serial form.
    postcard::to_stdvec(entry).unwrap_or_default()
}

/// What was encoded; none where the bytes are no entry.
pub fn decode(sequence: u64, payload: &[u8]) -> Option<Said> {
    let (entry, bodies) = postcard::take_from_bytes(payload).ok()?;
    let (origin, reading, records) = match entry {
        Entry::Heartbeat(nanos) => return Some(Said::Heartbeat(Timestamp::from_nanos(nanos))),
        Entry::Records { origin, reading, records } => (origin, reading.into_owned(), records),
        Entry::Under { columns, origin, reading, records } => {
            (origin, Reading { columns: Some(columns.into()), ..reading.into_owned() }, records)
        }
    };
    let mut records = read(&Origin::read_as(origin.into_owned(), reading), &records, bodies)?;
    place(&mut records, sequence);
    Some(Said::Records(records))
}

/// Of each record, when it was received and how long it is; and all bodies.
fn read(origin: &Arc<Origin>, records: &[(i64, usize)], mut bodies: &[u8]) -> Option<Vec<Record>> {
    let record = |&(nanos, length): &(i64, usize)| {
        let (body, rest) = bodies.split_at_checked(length)?;
        bodies = rest;
        Some(Record {
            body: Bytes::copy_from_slice(body),
            origin: Arc::clone(origin),
            position: Position::default(),
            received: Timestamp::from_nanos(nanos),
        })
    };
    records.iter().map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back_as_they_were_with_the_same_places() {
        for columns in [None, Some("#fields\tts\tuid\n".into())] {
            let reading = Reading { service: Some("shop".into()), columns, ..Reading::default() };
            read_back(&Origin::read_as("http", reading));
        }
    }

    fn read_back(origin: &Arc<Origin>) {
        let record = |body: &'static [u8]| Record {
            body: Bytes::from_static(body),
            origin: origin.clone(),
            position: Position::default(),
            received: Timestamp::from_seconds(7),
        };
        let mut records = vec![record(b"one"), record(b"\xff\x00")];
        place(&mut records, 42);
        let Some(Said::Records(read)) = decode(42, &parts(&head(&records), &records).collect::<Vec<_>>().concat()) else {
            panic!("records")
        };
        for (read, written) in read.iter().zip(&records) {
            assert_eq!((&read.body, read.position, read.received), (&written.body, written.position, written.received));
            assert_eq!(read.origin, written.origin);
        }
        assert_ne!(records[0].position, records[1].position);
    }

    #[test]
    fn bytes_that_are_no_entry_are_refused() {
        assert!(decode(1, b"\xff\xff\xff\xff").is_none());
        assert!(matches!(decode(1, &encode_heartbeat(Timestamp::from_seconds(3))), Some(Said::Heartbeat(t)) if t.seconds() == 3));
    }
}
