use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The names under which losses are counted.
pub mod loss {
    /// The rest of a line beyond the longest allowed; its head is kept.
    pub const TOO_LONG: &str = "too_long";
    /// Lines with nothing in them.
    pub const BLANK: &str = "blank";
    /// Lines that name the columns of those below them.
    pub const HEADING: &str = "heading";
    /// Connections that were closed because there were too many.
    pub const CONNECTION_LIMIT: &str = "connection_limit";
    /// Connections that were closed because nothing came from them.
    pub const IDLE_TIMEOUT: &str = "idle_timeout";
    /// Connections that could not be accepted, mostly for want of file descriptors.
    pub const ACCEPT_FAILED: &str = "accept_failed";
    /// Connections that broke off.
    pub const BROKEN: &str = "broken_connection";
    /// Records that the journal refused.
    pub const REFUSED: &str = "refused";
    /// Records that were received but not handed on, because the source had to end.
    pub const CUT_OFF: &str = "cut_off";
    /// Messages that ended before they should.
    pub const MALFORMED: &str = "malformed";
    /// The newest datagrams while the pipeline was behind.
    pub const INTAKE_FULL: &str = "intake_full";
    /// Datagrams that the kernel dropped because its receive buffer was full.
    pub const KERNEL: &str = "kernel_drops";
    /// Datagrams and connections of senders that nobody allowed.
    pub const NOT_ALLOWED: &str = "not_allowed";
    /// Attempts at files that could not be read.
    pub const UNREADABLE: &str = "unreadable";
    /// Compressed files among those to be followed: nobody appends lines to them.
    pub const COMPRESSED: &str = "compressed";
}

/// What came in and what was lost, per source, for `/metrics`.
#[derive(Debug, Default)]
pub struct Counters {
    tallies: Mutex<BTreeMap<Box<str>, Arc<Tally>>>,
}

impl Counters {
    /// The tally of a source; made with the first call, its losses of the given names at zero.
    #[must_use]
    pub fn source(&self, name: &str, losses: &[&'static str]) -> Arc<Tally> {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = tallies.entry(name.into()).or_default();
        losses.iter().for_each(|reason| tally.lost(reason, 0));
        Arc::clone(tally)
    }

    /// Source, records and bytes received.
    #[must_use]
    pub fn received(&self) -> Vec<(Box<str>, u64, u64)> {
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.iter().map(|(name, tally)| (name.clone(), tally.records(), tally.bytes())).collect()
    }

    /// Source, name of the loss (see [`loss`]), how often.
    #[must_use]
    pub fn losses(&self) -> Vec<(Box<str>, &'static str, u64)> {
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        tallies
            .iter()
            .flat_map(|(name, tally)| tally.losses().into_iter().map(|(reason, count)| (name.clone(), reason, count)))
            .collect()
    }
}

/// The counts of one source.
#[derive(Debug, Default)]
pub struct Tally {
    records: AtomicU64,
    bytes: AtomicU64,
    /// Few, and hardly ever a new one: found by walking.
    losses: RwLock<Vec<(&'static str, AtomicU64)>>,
}

impl Tally {
    pub fn received(&self, records: usize, bytes: usize) {
        self.records.fetch_add(records as u64, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub fn lost(&self, reason: &'static str, count: u64) {
        if let Some((_, counter)) =
            self.losses.read().unwrap_or_else(PoisonError::into_inner).iter().find(|(name, _)| *name == reason)
        {
            counter.fetch_add(count, Relaxed);
            return;
        }
        let mut losses = self.losses.write().unwrap_or_else(PoisonError::into_inner);
        match losses.iter().find(|(name, _)| *name == reason) {
            Some((_, counter)) => _ = counter.fetch_add(count, Relaxed),
            None => losses.push((reason, AtomicU64::new(count))),
        }
    }

    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.load(Relaxed)
    }

    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// How often something was lost under that name.
    #[must_use]
    pub fn loss(&self, reason: &str) -> u64 {
        self.losses().into_iter().find(|(name, _)| *name == reason).map_or(0, |(_, count)| count)
    }

    #[must_use]
    pub fn losses(&self) -> Vec<(&'static str, u64)> {
        let losses = self.losses.read().unwrap_or_else(PoisonError::into_inner);
        losses.iter().map(|(name, count)| (*name, count.load(Relaxed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_listed_by_source_and_name_also_while_they_are_zero() {
        let counters = Counters::default();
        let tally = counters.source("tcp", &[loss::TOO_LONG, loss::REFUSED]);
        tally.received(3, 90);
        tally.lost(loss::REFUSED, 3);
        counters.source("tcp", &[]).lost(loss::REFUSED, 1);
        assert_eq!(counters.received(), [("tcp".into(), 3, 90)]);
        assert_eq!(counters.losses(), [("tcp".into(), loss::TOO_LONG, 0), ("tcp".into(), loss::REFUSED, 4)]);
    }
}
