//! What the sources have in common that are pushed to: bytes in, journalled blocks out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use lapwing_model::{Origin, Position, Record, Timestamp};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::columns::Heading;
use crate::counters::{Tally, loss};
use crate::lines::Line;
use crate::multiline::Joiner;
use crate::{Accepted, BLOCK, BLOCK_BYTES, Block, Context, Intake, frames, lines, messages};

/// A block is put this long after its first record at the latest.
const LINGER: Duration = Duration::from_millis(5);

/// A record that more lines may belong to is let go after this much quiet.
pub(crate) const QUIET: Duration = Duration::from_millis(500);

/// So many blocks of one feed may wait for the journal; then nothing more is read.
const UNACCEPTED: usize = 4;

/// Losses that every pushed source can have.
pub(crate) const LOSSES: [&str; 4] = [loss::TOO_LONG, loss::BLANK, loss::REFUSED, loss::CUT_OFF];

/// Why a feed can not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The pipeline has ended.
    Closed,
    /// The stream is of something else than it should be.
    Foreign,
    /// The journal refused a block.
    Refused,
}

/// The running numbers of pushed records. They begin at the time of the start, so that no two runs give the same one.
#[derive(Debug)]
pub(crate) struct Numbers {
    base: u64,
    given: AtomicU64,
}

impl Numbers {
    pub(crate) fn starting_at(start: Timestamp) -> Numbers {
        Numbers { base: u64::try_from(start.nanos()).unwrap_or(0), given: AtomicU64::new(0) }
    }

    fn number(&self, records: &mut [Record]) {
        let first = self.given.fetch_add(records.len() as u64, Relaxed);
        for (number, record) in (first..).zip(records) {
            record.position = Position { offset: self.base.saturating_add(number), line: number + 1 };
        }
    }
}

/// What all feeds of one source share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) intake: Intake,
    pub(crate) origin: Arc<Origin>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) clock: fn() -> Timestamp,
    numbers: Arc<Numbers>,
}

impl Shared {
    pub(crate) fn new(context: &Context, origin: Arc<Origin>, tally: Arc<Tally>) -> Shared {
        let numbers = Arc::new(Numbers::starting_at((context.clock)()));
        Shared { intake: context.intake.clone(), origin, tally, clock: context.clock, numbers }
    }

    /// The same for records of another origin.
    pub(crate) fn of(&self, origin: Arc<Origin>, tally: Arc<Tally>) -> Shared {
        Shared { origin, tally, ..self.clone() }
    }
}

/// What cuts the stream into records.
#[derive(Debug)]
pub(crate) enum Cutter {
    Lines(lines::Framer),
    Syslog(frames::Framer),
    Ipfix(messages::Framer),
}

impl Cutter {
    fn feed(&mut self, chunk: Bytes) {
        match self {
            Cutter::Lines(framer) => framer.feed(chunk),
            Cutter::Syslog(framer) => framer.feed(chunk),
            Cutter::Ipfix(framer) => framer.feed(chunk),
        }
    }

    fn next_line(&mut self) -> Option<Line> {
        match self {
            Cutter::Lines(framer) => framer.next_line(),
            Cutter::Syslog(framer) => framer.next_line(),
            Cutter::Ipfix(framer) => framer.next_line(),
        }
    }

    fn finish(&mut self) -> Option<Line> {
        match self {
            Cutter::Lines(framer) => framer.finish(),
            Cutter::Syslog(framer) => framer.finish(),
            Cutter::Ipfix(framer) => framer.finish(),
        }
    }

    fn pending(&self) -> usize {
        match self {
            Cutter::Lines(framer) => framer.pending(),
            Cutter::Syslog(framer) => framer.pending(),
            Cutter::Ipfix(framer) => framer.pending(),
        }
    }

    fn limit(&mut self, max: usize) {
        match self {
            Cutter::Lines(framer) => framer.limit(max),
            Cutter::Syslog(framer) => framer.limit(max),
            // A message tells its length, in 16 bits.
            Cutter::Ipfix(_) => {}
        }
    }

    /// Counts what was cut or broke off.
    fn count(&mut self, tally: &Tally) {
        match self {
            Cutter::Lines(framer) => tally.lost(loss::TOO_LONG, framer.take_too_long()),
            Cutter::Syslog(framer) => {
                tally.lost(loss::TOO_LONG, framer.take_too_long());
                tally.lost(loss::MALFORMED, framer.take_broken());
            }
            Cutter::Ipfix(framer) => tally.lost(loss::MALFORMED, framer.take_broken()),
        }
    }
}

/// One stream of bytes on its way to becoming blocks.
#[derive(Debug)]
pub(crate) struct Feed {
    shared: Shared,
    framer: Cutter,
    heading: Heading,
    joiner: Option<Joiner>,
    /// Of one origin, but for what came below a heading just now.
    batch: Vec<Record>,
    /// How many bytes are in the batch.
    bytes: usize,
    /// When the first record of the batch came.
    first: Instant,
    /// When the latest bytes came.
    latest: Instant,
    unaccepted: VecDeque<(u64, oneshot::Receiver<Accepted>)>,
}

impl Feed {
    pub(crate) fn new(shared: Shared, framer: Cutter, multiline: bool) -> Feed {
        let now = Instant::now();
        Feed {
            shared,
            framer,
            heading: Heading::default(),
            joiner: multiline.then(Joiner::default),
            batch: Vec::new(),
            bytes: 0,
            first: now,
            latest: now,
            unaccepted: VecDeque::new(),
        }
    }

    /// Takes bytes and puts every block that is full. Waits where the journal is behind. After a refusal the rest of the
    /// bytes is not lost: it comes with the next call.
    pub(crate) async fn feed(&mut self, chunk: Bytes) -> Result<(), Ended> {
        let received = (self.shared.clock)();
        self.latest = Instant::now();
        self.framer.feed(chunk);
        while let Some(line) = self.framer.next_line() {
            self.take(line, received);
            while self.batch.len() >= BLOCK || self.bytes >= BLOCK_BYTES || self.is_mixed() {
                self.put().await?;
            }
        }
        self.framer.count(&self.shared.tally);
        if matches!(&self.framer, Cutter::Ipfix(framer) if framer.is_lost()) {
            self.finish().await?;
            return Err(Ended::Foreign);
        }
        Ok(())
    }

    /// When [`Feed::tick`] is to be called, if nothing comes before.
    pub(crate) fn due(&self) -> Option<Instant> {
        let batch = (!self.batch.is_empty()).then(|| self.first + LINGER);
        let held = self.joiner.as_ref().and_then(Joiner::position).map(|_| self.latest + QUIET);
        batch.into_iter().chain(held).min()
    }

    /// Puts what has waited long enough.
    pub(crate) async fn tick(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        if self.latest + QUIET <= now {
            self.release();
        }
        if !self.batch.is_empty() && self.first + LINGER <= now { self.put().await } else { Ok(()) }
    }

    /// Puts everything, also a line without its end, and waits until the journal has it.
    pub(crate) async fn finish(&mut self) -> Result<(), Ended> {
        let received = (self.shared.clock)();
        while let Some(line) = self.framer.finish() {
            self.take(line, received);
        }
        self.framer.count(&self.shared.tally);
        self.release();
        while !self.batch.is_empty() {
            self.put().await?;
        }
        while !self.unaccepted.is_empty() {
            self.await_oldest().await?;
        }
        Ok(())
    }

    /// How many bytes are kept of records that are not complete.
    pub(crate) fn pending(&self) -> usize {
        self.framer.pending() + self.joiner.as_ref().map_or(0, Joiner::pending)
    }

    pub(crate) fn limit(&mut self, max_line: usize) {
        self.framer.limit(max_line);
    }

    fn take(&mut self, line: Line, received: Timestamp) {
        if line.body.is_empty() {
            self.shared.tally.lost(loss::BLANK, 1);
            return;
        }
        if matches!(self.framer, Cutter::Lines(_)) && Heading::has(&line.body) {
            self.release();
            self.heading.take(&line.body, &mut self.shared.origin);
            self.shared.tally.lost(loss::HEADING, 1);
            return;
        }
        let done = match &mut self.joiner {
            Some(joiner) => joiner.push(line),
            None => Some(line),
        };
        if let Some(line) = done {
            self.add(line, received);
        }
    }

    fn release(&mut self) {
        if let Some(line) = self.joiner.as_mut().and_then(Joiner::flush) {
            self.add(line, (self.shared.clock)());
        }
    }

    fn add(&mut self, line: Line, received: Timestamp) {
        if self.batch.is_empty() {
            self.first = Instant::now();
        }
        self.bytes += line.body.len();
        let origin = Arc::clone(&self.shared.origin);
        self.batch.push(Record { body: line.body, origin, position: line.position, received });
    }

    /// Whether a heading came between its records: a block has one origin.
    fn is_mixed(&self) -> bool {
        let ends = self.batch.first().zip(self.batch.last());
        ends.is_some_and(|(first, last)| !Arc::ptr_eq(&first.origin, &last.origin))
    }

    /// The records at the front that have one origin: nearly always all.
    fn front(&mut self) -> Vec<Record> {
        if !self.is_mixed() {
            return std::mem::take(&mut self.batch);
        }
        let same = self.batch.iter().take_while(|record| Arc::ptr_eq(&record.origin, &self.batch[0].origin)).count();
        let rest = self.batch.split_off(same);
        std::mem::replace(&mut self.batch, rest)
    }

    async fn put(&mut self) -> Result<(), Ended> {
        while self.unaccepted.len() >= UNACCEPTED {
            self.await_oldest().await?;
        }
        let mut records = self.front();
        let rest = self.batch.iter().map(|record| record.body.len()).sum();
        self.shared.numbers.number(&mut records);
        self.shared.tally.received(records.len(), std::mem::replace(&mut self.bytes, rest) - rest);
        let (accepted, answer) = oneshot::channel();
        self.unaccepted.push_back((records.len() as u64, answer));
        let block = Block { records, accepted: Some(accepted), bookmark: None };
        self.shared.intake.put(block).await.map_err(|_| Ended::Closed)
    }

    async fn await_oldest(&mut self) -> Result<(), Ended> {
        let Some((count, answer)) = self.unaccepted.pop_front() else { return Ok(()) };
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                self.shared.tally.lost(loss::REFUSED, count);
                Err(Ended::Refused)
            }
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.tally.lost(loss::CUT_OFF, self.batch.len() as u64);
    }
}

/// Returns once `stop` is true, or its sender gone.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that the sender is gone: the same to us.
    _ = stop.wait_for(|stop| *stop).await;
}
