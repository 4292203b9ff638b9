//! What became of a datagram, and of all datagrams of an exporter.

use crate::recent::Worth;
use std::fmt;
use std::ops::AddAssign;

/// What one datagram held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Rows made, with those of sets that had waited for a template.
    pub flows: u32,
    /// Records that are no rows, since they tell of no address: options data, counter samples, vendors' own.
    pub others: u32,
    /// Templates told, new or again.
    pub templates: u32,
    /// Sets of data without a template.
    pub missing_template: u32,
    /// Of these, sets put aside until it comes.
    pub held: u32,
    /// Sets that had waited and were decoded now.
    pub replayed: u32,
    /// Sets dropped: no room to hold them, or they waited for too long.
    pub dropped: u32,
    /// Rows whose times were not plausible and were replaced by the time of receiving.
    pub times_replaced: u32,
    /// What was lost on the way before this datagram, in the unit the exporter counts: datagrams or flows.
    pub lost: u32,
    /// What is wrong with the datagram. Sets before that place are decoded all the same.
    pub malformed: Option<Malformed>,
}

/// What is wrong with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// It is too short for its header.
    Header,
    /// It is of no version that is known.
    Version,
    /// It claims more than it holds.
    Length,
    /// A template cannot be.
    Template,
    /// A sample of sFlow cannot be.
    Sample,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Header => "too short for its header",
            Malformed::Version => "neither NetFlow v5, v7 or v9, IPFIX nor sFlow v5",
            Malformed::Length => "claims more than it holds",
            Malformed::Template => "a template that cannot be",
            Malformed::Sample => "a sample that cannot be",
        })
    }
}

impl std::error::Error for Malformed {}

/// What came of one exporter's datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Datagrams received.
    pub received: u64,
    /// Rows made.
    pub flows: u64,
    /// Records that are no rows.
    pub others: u64,
    /// Datagrams that were wrong somewhere.
    pub malformed: u64,
    /// Sets dropped for want of a template.
    pub dropped: u64,
    /// Sets that came before their template.
    pub missing_template: u64,
    /// How often something was missing before a datagram.
    pub gaps: u64,
    /// How much was missing, in the unit of the exporter.
    pub lost: u64,
    /// Rows with times that were replaced.
    pub times_replaced: u64,
}

impl Counters {
    pub(crate) fn count(&mut self, outcome: &Outcome) {
        self.received += 1;
        self.flows += u64::from(outcome.flows);
        self.others += u64::from(outcome.others);
        self.malformed += u64::from(outcome.malformed.is_some());
        self.dropped += u64::from(outcome.dropped);
        self.missing_template += u64::from(outcome.missing_template);
        self.gaps += u64::from(outcome.lost > 0);
        self.lost += u64::from(outcome.lost);
        self.times_replaced += u64::from(outcome.times_replaced);
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.flows += other.flows;
        self.others += other.others;
        self.malformed += other.malformed;
        self.dropped += other.dropped;
        self.missing_template += other.missing_template;
        self.gaps += other.gaps;
        self.lost += other.lost;
        self.times_replaced += other.times_replaced;
    }
}

impl Worth for Counters {
    fn proven(&self) -> bool {
        self.flows >= 1_000
    }
}
