use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Timestamp, hash};

/// Bytes as they came: one log line (or a few that were joined), one message, one datagram.
#[derive(Debug, Clone)]
pub struct Record {
    pub body: Bytes,
    pub origin: Arc<Origin>,
    pub position: Position,
    /// When it reached Lapwing: the one reading of the clock that travels with it.
    pub received: Timestamp,
}

/// Where in its origin a record begins. Ids derive from it, so that reading the same again tells the same again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// In bytes for files; a running number for what was pushed.
    pub offset: u64,
    /// Line number, from 1.
    pub line: u64,
}

/// Where records come from: a file, a listener, a client of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Stable across machines and restarts: the hash of the name.
    pub id: u64,
    /// A file's path, or the source's name.
    pub name: Box<str>,
    pub reading: Reading,
}

/// What people said about how to read an origin's records; what is not said is found out from each record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reading {
    /// The name of a format; none means: find out.
    pub format: Option<Box<str>>,
    /// An IANA zone or an offset such as `+02:00`, for times that carry none; none means UTC.
    pub zone: Option<Box<str>>,
    /// The service that writes here, where records do not say.
    pub service: Option<Box<str>>,
    /// The session all records belong to, where records do not say.
    pub session: Option<Box<str>>,
    /// A regular expression that finds the key of a session in a record's text, such as `blk_-?\d+`: its first group, or all
    /// that it matches where it has none.
    pub session_key: Option<Box<str>>,
    /// The host that writes here, where records do not say.
    pub host: Option<Box<str>>,
    /// What stands above the records and names their columns (Zeek's `#fields` and its companions, the first line of VPC flow logs):
    /// found by who reads the stream, never set.
    #[serde(skip)]
    pub columns: Option<Box<str>>,
}

impl Position {
    /// So many bits of an event's offset tell the events of one record apart.
    const WITHIN: u32 = 20;

    /// Where one of several events of a record begins: each has an offset of its own.
    #[must_use]
    pub const fn within(self, number: usize) -> Position {
        Position { offset: self.offset << Self::WITHIN | number as u64, line: self.line }
    }
}

impl Reading {
    /// The format of records that are datagrams with flows: the body is a [`Datagram`](crate::Datagram).
    pub const DATAGRAMS: &str = "netflow";
    /// The format of records that are consecutive pieces of one file of captured packets; an empty one is its end.
    pub const CAPTURE: &str = "pcap";

    /// Whether what a record means depends on those before it, so that it has to be read in their order.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        matches!(self.format.as_deref(), Some(Reading::DATAGRAMS | Reading::CAPTURE))
    }
}

impl Origin {
    #[must_use]
    pub fn new(name: impl Into<Box<str>>) -> Arc<Origin> {
        Origin::read_as(name, Reading::default())
    }

    #[must_use]
    pub fn read_as(name: impl Into<Box<str>>, reading: Reading) -> Arc<Origin> {
        let name = name.into();
        Arc::new(Origin { id: hash(name.as_bytes()), name, reading })
    }
}
