//! One thread through which everything comes in: it makes pushed data durable, then (and only then) answers for it, and
//! feeds the workers in the same order.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use lapwing_detect::{Knowledge, Rulebook};
use lapwing_enrich::Enrichment;
use lapwing_model::{Record, Timestamp};
use lapwing_source::{Block, Bookmark, Refused};
use lapwing_store::{Cause, Journal};
use tokio::sync::{mpsc, watch};

use super::entry::{self, Said};
use super::lock;
use super::stats::Stats;
use super::workers::{Feeder, Work};

/// What travels with a block to the desk.
#[derive(Debug, Default)]
pub struct Memo {
    /// Journal entries before this one are in this block or an earlier one.
    pub sequence: u64,
    pub bookmark: Option<Bookmark>,
    /// The last block of what had to be replayed.
    pub caught_up: bool,
}

/// With nothing coming in for so long, time is told to pass.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Blocks that are made durable together.
const GROUP: usize = 64;

pub struct Journaling {
    pub journal: Option<Journal>,
    pub blocks: mpsc::Receiver<Block>,
    pub feeder: Feeder<Memo>,
    /// Rules that are to take effect.
    pub rulebooks: Receiver<Rulebook>,
    pub models: Receiver<Knowledge>,
    pub enrichments: Receiver<Arc<Enrichment>>,
    /// Sequence numbers before which nothing is needed any more.
    pub forget: Receiver<u64>,
    pub stop: watch::Receiver<bool>,
    pub stats: Arc<Mutex<Stats>>,
    pub clock: fn() -> Timestamp,
    pub snapshot_every: Duration,
    pub replay_from: u64,
    pub runtime: tokio::runtime::Handle,
}

/// Small blocks of one origin that became durable together are judged together: a batch has its price, however small it is.
#[derive(Default)]
struct Pushed {
    records: Vec<Record>,
    sequence: u64,
}

impl Pushed {
    fn takes(&self, records: &[Record]) -> bool {
        let origin = |records: &[Record]| records.first().map(|record| record.origin.id);
        self.records.is_empty()
            || (origin(&self.records) == origin(records) && self.records.len() + records.len() <= lapwing_source::BLOCK)
    }
}

enum Next {
    Blocks(Vec<Block>),
    Quiet,
    End,
}

impl Journaling {
    pub fn run(mut self) {
        let mut sequence = self.replay();
        let mut last_snapshot = Instant::now();
        let mut unsaved = true;
        loop {
            self.reload(sequence);
            let crowded = match self.next() {
                Next::Blocks(blocks) => {
                    unsaved = true;
                    !self.take(blocks, &mut sequence)
                }
                Next::Quiet => {
                    self.heartbeat(&mut sequence);
                    false
                }
                Next::End => break,
            };
            if crowded || (unsaved && last_snapshot.elapsed() >= self.snapshot_every) {
                last_snapshot = Instant::now();
                unsaved = false;
                self.barrier(sequence);
            }
            self.forget();
        }
        self.barrier(sequence);
    }

    /// Feeds what was accepted after the last snapshot; answers the next sequence number.
    fn replay(&mut self) -> u64 {
        let entries = self.journal.as_ref().map(|journal| (journal.read_from(self.replay_from), journal.next_seq()));
        let Some((entries, next)) = entries else {
            self.feed(Vec::new(), None, Memo { sequence: self.replay_from, caught_up: true, ..Memo::default() });
            return self.replay_from;
        };
        let mut damaged = 0;
        for read in entries {
            let said = read.ok().and_then(|(sequence, payload)| Some((sequence, entry::decode(sequence, &payload)?)));
            let Some((sequence, said)) = said else {
                damaged += 1;
                continue;
            };
            let memo = Memo { sequence: sequence + 1, ..Memo::default() };
            match said {
                Said::Records(records) => self.feed(records, None, memo),
                Said::Heartbeat(now) => self.feed(Vec::new(), Some(now), memo),
            }
        }
        *lock(&self.stats).dropped.entry("damaged_journal_entries").or_default() += damaged;
        self.feed(Vec::new(), None, Memo { sequence: next, caught_up: true, ..Memo::default() });
        next
    }

    fn next(&mut self) -> Next {
        let Journaling { runtime, blocks, stop, .. } = self;
        // Under load there is always a next one, and nothing to wait for.
        let first = match blocks.try_recv() {
            Ok(block) => Some(Some(block)),
            Err(_) => runtime.block_on(async {
                tokio::select! {
                    biased;
                    block = blocks.recv() => Some(block),
                    () = stopped(stop), if !blocks.is_closed() => { blocks.close(); Some(blocks.recv().await) },
                    () = tokio::time::sleep(HEARTBEAT) => None,
                }
            }),
        };
        match first {
            None => Next::Quiet,
            Some(None) => Next::End,
            Some(Some(first)) => {
                let mut group = vec![first];
                while group.len() < GROUP
                    && let Ok(block) = blocks.try_recv()
                {
                    group.push(block);
                }
                Next::Blocks(group)
            }
        }
    }

    /// Makes a group of blocks durable together, answers for them, and feeds them. False where the journal is full.
    fn take(&mut self, blocks: Vec<Block>, sequence: &mut u64) -> bool {
        let mut room = true;
        let mut group: Vec<(Block, u64, Result<(), Refused>)> = Vec::with_capacity(blocks.len());
        for mut block in blocks {
            let outcome = if block.accepted.is_some() { self.append(&mut block.records, sequence) } else { Ok(()) };
            room &= !matches!(&outcome, Err((true, _)));
            group.push((block, *sequence, outcome.map_err(|(_, refused)| refused)));
        }
        let committed = self.journal.as_mut().map_or(Ok(()), Journal::commit);
        let mut waiting = Pushed::default();
        for (block, sequence, outcome) in group {
            let pushed = block.accepted.is_some();
            let failed = committed.as_ref().err().filter(|_| pushed).map(|error| Refused(error.to_string().into()));
            let outcome = outcome.and_then(|()| failed.map_or(Ok(()), Err));
            let taken = outcome.is_ok();
            if let Some(accepted) = block.accepted {
                // Whoever asked may have gone away; what was accepted is judged all the same.
                let _ = accepted.send(outcome);
            }
            if taken && pushed {
                if !waiting.takes(&block.records) {
                    self.feed_pushed(std::mem::take(&mut waiting));
                }
                waiting.records.extend(block.records);
                waiting.sequence = sequence;
            } else if taken {
                self.feed_pushed(std::mem::take(&mut waiting));
                self.feed(block.records, None, Memo { sequence, bookmark: block.bookmark, caught_up: false });
            }
        }
        self.feed_pushed(waiting);
        room
    }

    /// The error says whether it was for lack of room.
    fn append(&mut self, records: &mut [Record], sequence: &mut u64) -> Result<(), (bool, Refused)> {
        let own = self.journal.as_ref().map_or(*sequence, Journal::next_seq);
        entry::place(records, own);
        if let Some(journal) = &mut self.journal {
            let appended = journal.append_parts(entry::parts(&entry::head(records), records));
            appended.map_err(|error| (error.cause() == Cause::Full, Refused(error.to_string().into())))?;
        }
        *sequence = own + 1;
        Ok(())
    }

    fn heartbeat(&mut self, sequence: &mut u64) {
        let now = (self.clock)();
        if let Some(journal) = &mut self.journal {
            let kept = journal.append(&entry::encode_heartbeat(now)).is_ok() && journal.commit().is_ok();
            if !kept {
                // Time that is not on record must not have passed: a replay would not know of it.
                return;
            }
            *sequence = journal.next_seq();
        }
        self.feed(Vec::new(), Some(now), Memo { sequence: *sequence, ..Memo::default() });
    }

    /// Only the newest of several rulebooks, models and tables is of interest.
    fn reload(&mut self, sequence: u64) {
        if let Some(enrichment) = self.enrichments.try_iter().last() {
            self.feeder.enrich_with(enrichment);
        }
        let (rulebook, model) = (self.rulebooks.try_iter().last(), self.models.try_iter().last());
        if rulebook.is_some() || model.is_some() {
            let memo = Memo { sequence, ..Memo::default() };
            self.feeder.feed(Work { rulebook, model, ..Work::of(Vec::new(), memo) });
        }
    }

    fn barrier(&mut self, sequence: u64) {
        self.feeder.feed(Work { barrier: true, ..Work::of(Vec::new(), Memo { sequence, ..Memo::default() }) });
    }

    fn feed_pushed(&mut self, pushed: Pushed) {
        if !pushed.records.is_empty() {
            self.feed(pushed.records, None, Memo { sequence: pushed.sequence, ..Memo::default() });
        }
    }

    fn feed(&mut self, records: Vec<Record>, heartbeat: Option<Timestamp>, memo: Memo) {
        self.feeder.feed(Work { heartbeat, ..Work::of(records, memo) });
    }

    fn forget(&mut self) {
        let before = self.forget.try_iter().last();
        if let (Some(before), Some(journal)) = (before, &mut self.journal)
            && let Err(error) = journal.forget_before(before)
        {
            tracing::warn!("{error}");
        }
        lock(&self.stats).journal_bytes = self.journal.as_ref().map_or(0, Journal::bytes);
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that whoever could say stop is gone, which says the same.
    let _ = stop.wait_for(|&stop| stop).await;
}
