//! Parsing and judging on several threads, with the same outcome as on one.
//!
//! ```text
//!  Feeder --blocks--> worker: parse --> [in input order] sequence --batch, shared--> every worker: judge its partitions --> Joiner
//! ```
//! A worker judges what is waiting for it before it parses more. Blocks in flight are limited by permits, taken by the feeder
//! and given back by the joiner; so the channels between need no bound of their own and nobody can wait for each other in a circle.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never, select, unbounded};
use lapwing_detect::{Batch, Ensemble, Findings, Knowledge, Marks, Rulebook, Shard, State};
use lapwing_enrich::{Enricher, Enrichment};
use lapwing_model::{Event, Origin, Record, Timestamp, Verdict};
use lapwing_parse::{Parser, Understood};

use super::Blueprint;
use super::flows::{Exporters, FlowReader, Parts};
use super::sequencer::Sequencer;

/// Blocks per worker that may be between the feeder and the joiner at once: enough that none waits for another to finish.
const IN_FLIGHT: usize = 2;

/// What costs something to count is counted with every so many batches.
const TOLD_EVERY: u64 = 64;

/// What is to be parsed and judged. `M` is the caller's own and comes back, untouched, with the outcome.
#[derive(Debug)]
pub struct Work<M> {
    pub records: Vec<Record>,
    /// Instead of records: nothing came, and the clock says so much.
    pub heartbeat: Option<Timestamp>,
    /// Instead of records: nothing will come any more.
    pub end: bool,
    /// Rules and behaviours that take effect before this: for every shard at the same event.
    pub rulebook: Option<Rulebook>,
    /// What was learned elsewhere and is continued from before this.
    pub model: Option<Knowledge>,
    /// Ask for the state of everything after this.
    pub barrier: bool,
    pub memo: M,
}

impl<M> Work<M> {
    /// Records and nothing else.
    #[must_use]
    pub fn of(records: Vec<Record>, memo: M) -> Work<M> {
        Work { records, heartbeat: None, end: false, rulebook: None, model: None, barrier: false, memo }
    }
}

/// What came of one block, or of a part of it: records that tell of many flows make several batches.
#[derive(Debug)]
pub struct Joined<M> {
    pub batch: Arc<Batch>,
    /// Where the block came from; none where it had no records.
    pub origin: Option<Arc<Origin>>,
    /// What its records were understood as; with the first of its batches.
    pub understood: Vec<Understood>,
    pub verdicts: Vec<Verdict>,
    /// The state after the block, where it asked for it.
    pub state: Option<State>,
    pub figures: Figures,
    /// With the last batch of the block.
    pub memo: Option<M>,
}

/// How full things are, as of a batch.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    pub watermark: Timestamp,
    pub clamped: u64,
    pub templates: usize,
    pub templates_evicted: u64,
    pub entities: BTreeMap<&'static str, usize>,
    /// How far each kind of detector is that still learns, from 0 to 1.
    pub learning: BTreeMap<&'static str, f32>,
    /// What came of the datagrams of exporters of flows; told from time to time.
    pub exporters: Option<Exporters>,
}

impl Figures {
    fn add(&mut self, memory: Memory) {
        memory.entities.into_iter().for_each(|(kind, count)| *self.entities.entry(kind).or_default() += count);
        for (kind, far) in memory.learning {
            let farthest = self.learning.entry(kind).or_default();
            *farthest = farthest.max(far);
        }
    }
}

/// What one worker's detectors remember.
struct Memory {
    entities: BTreeMap<&'static str, usize>,
    learning: BTreeMap<&'static str, f32>,
}

/// A worker panicked: what it knew is lost, so the pipeline does not go on without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poisoned(pub String);

impl std::fmt::Display for Poisoned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a detection worker panicked: {}; please report this with the log line that caused it", self.0)
    }
}

/// The upper end: takes blocks. Dropping it lets the workers finish what they have.
#[derive(Debug)]
pub struct Feeder<M> {
    work: Sender<Fed<M>>,
    permits: Sender<()>,
    next: u64,
    /// What the events of the next blocks are enriched with.
    enrichment: Arc<Enrichment>,
}

/// A block with its number, and what its events are enriched with.
type Fed<M> = (u64, Arc<Enrichment>, Work<M>);

/// The lower end: gives outcomes in input order.
#[derive(Debug)]
pub struct Joiner<M> {
    parts: Receiver<Part<M>>,
    permits: Receiver<()>,
    ensemble: Ensemble,
    marks: Receiver<Arc<Marks>>,
    shards: usize,
    next: u64,
    waiting: BTreeMap<u64, Gathered<M>>,
    poisoned: Option<Poisoned>,
    spare: Sender<Vec<Event>>,
    threads: Vec<JoinHandle<()>>,
}

enum Part<M> {
    Batch(Sequenced<M>),
    Judged { sequence: u64, findings: Findings, state: Option<State>, memory: Option<Memory> },
    Poisoned(Poisoned),
}

struct Sequenced<M> {
    number: u64,
    batch: Arc<Batch>,
    origin: Option<Arc<Origin>>,
    understood: Vec<Understood>,
    state: Option<State>,
    figures: Figures,
    memo: Option<M>,
}

struct Gathered<M> {
    sequenced: Option<Sequenced<M>>,
    findings: Vec<Findings>,
    state: State,
}

impl<M> Default for Gathered<M> {
    fn default() -> Self {
        Gathered { sequenced: None, findings: Vec::new(), state: State::new() }
    }
}

impl<M> std::fmt::Debug for Gathered<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gathered").field("findings", &self.findings.len()).finish_non_exhaustive()
    }
}

/// Starts `workers` threads (at least one).
///
/// # Errors
/// Where `state` cannot be continued from.
pub fn start<M: Send + 'static>(
    blueprint: &Blueprint,
    workers: usize,
    state: Option<&State>,
) -> Result<(Feeder<M>, Joiner<M>), String> {
    let workers = workers.clamp(1, lapwing_model::PARTITIONS);
    let (work_in, work_out) = unbounded();
    let (permits_in, permits_out) = bounded(IN_FLIGHT * workers);
    let (parts_in, parts_out) = unbounded();
    let (spare_in, spare_out) = bounded(IN_FLIGHT * workers);
    let (judge_in, judge_out): (Vec<_>, Vec<_>) = (0..workers).map(|_| unbounded()).unzip();
    let line = Arc::new(Mutex::new(Line {
        sequencer: blueprint.sequencer(state)?,
        flows: blueprint.flow_reader(state),
        enricher: blueprint.enricher(),
        next: 0,
        batches: 0,
        waiting: BTreeMap::new(),
        judges: judge_in,
        parsing: workers,
        parts: parts_in.clone(),
    }));
    let mut threads = Vec::new();
    for (index, batches) in judge_out.into_iter().enumerate() {
        let worker = Worker {
            parser: blueprint.parser(),
            enricher: blueprint.enricher(),
            shard: blueprint.shard(index, workers, state)?,
            work: work_out.clone(),
            spare: spare_out.clone(),
            batches,
            line: line.clone(),
            parts: parts_in.clone(),
        };
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || worker.run());
        threads.push(thread.map_err(|error| format!("cannot start a worker thread: {error}; lower `workers`"))?);
    }
    let feeder = Feeder { work: work_in, permits: permits_in, next: 0, enrichment: blueprint.enrichment.clone() };
    let joiner = Joiner {
        parts: parts_out,
        permits: permits_out,
        ensemble: blueprint.ensemble(state)?,
        marks: never(),
        shards: workers,
        next: 0,
        waiting: BTreeMap::new(),
        poisoned: None,
        spare: spare_in,
        threads,
    };
    Ok((feeder, joiner))
}

impl<M> Feeder<M> {
    /// Hands a block on; waits while too many are in flight. `false` once the other end is gone.
    pub fn feed(&mut self, work: Work<M>) -> bool {
        let sent = self.permits.send(()).is_ok() && self.work.send((self.next, self.enrichment.clone(), work)).is_ok();
        self.next += 1;
        sent
    }

    /// Other tables hold for the blocks that are fed from now on.
    pub fn enrich_with(&mut self, enrichment: Arc<Enrichment>) {
        self.enrichment = enrichment;
    }
}

impl<M> Joiner<M> {
    /// Blocks in flight now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.permits.len()
    }

    /// Heeds what people say of anomalies: what was said before an outcome is in it.
    #[must_use]
    pub fn heeding(self, marks: Receiver<Arc<Marks>>) -> Joiner<M> {
        Joiner { marks, ..self }
    }

    /// Findings that were muted because people expect them.
    #[must_use]
    pub fn muted(&self) -> u64 {
        self.ensemble.muted()
    }

    /// Findings that were left out because an allow-list names whom they are about.
    #[must_use]
    pub fn allowed(&self) -> u64 {
        self.ensemble.allowed()
    }

    /// Gives a batch back that is done with: its memory is used again. (Memory that one thread takes and another frees, again
    /// and again, grows the process far beyond what is in use.)
    pub fn recycle(&self, batch: Arc<Batch>) {
        if let Some(batch) = Arc::into_inner(batch) {
            let mut events = batch.events;
            events.clear();
            // Where there are spares enough, one more is not needed.
            let _ = self.spare.try_send(events);
        }
    }

    /// Waits for the next outcome until then. Whether [`Joiner::next`] will answer at once.
    pub fn wait(&mut self, until: Instant) -> bool {
        loop {
            if self.poisoned.is_some() || self.is_complete() {
                return true;
            }
            match self.parts.recv_deadline(until) {
                Ok(part) => self.gather(part),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }

    fn is_complete(&self) -> bool {
        let gathered = self.waiting.get(&self.next);
        gathered.is_some_and(|gathered| gathered.sequenced.is_some() && gathered.findings.len() == self.shards)
    }

    fn gather(&mut self, part: Part<M>) {
        match part {
            Part::Batch(sequenced) => {
                let number = sequenced.number;
                self.waiting.entry(number).or_default().sequenced = Some(sequenced);
            }
            Part::Judged { sequence, findings, state, memory } => {
                let gathered = self.waiting.entry(sequence).or_default();
                gathered.findings.push(findings);
                gathered.state.extend(state.unwrap_or_default());
                if let (Some(sequenced), Some(memory)) = (&mut gathered.sequenced, memory) {
                    sequenced.figures.add(memory);
                }
            }
            Part::Poisoned(poisoned) => self.poisoned = Some(poisoned),
        }
    }

    fn complete(&mut self) -> Option<Joined<M>> {
        if !self.is_complete() {
            return None;
        }
        let Gathered { sequenced, findings, mut state } = self.waiting.remove(&self.next)?;
        let Sequenced { batch, origin, understood, state: line, figures, memo, .. } = sequenced?;
        self.next += 1;
        if memo.is_some() {
            // Never empty: each block in flight holds one permit.
            let _ = self.permits.try_recv();
        }
        if let Some(marks) = self.marks.try_iter().last() {
            self.ensemble.heed(marks);
        }
        if let Some(model) = &batch.model {
            // It was tried before it was sent.
            let _ = self.ensemble.load(&model.state);
        }
        let verdicts = self.ensemble.conclude(&batch, Findings::in_order(findings));
        let state = line.map(|line| {
            state.extend(line);
            self.ensemble.save(&mut state);
            state
        });
        Some(Joined { batch, origin, understood, verdicts, state, figures, memo })
    }
}

impl<M> Iterator for Joiner<M> {
    type Item = Result<Joined<M>, Poisoned>;

    /// The outcome of the next block; nothing once the feeder is gone and all is done.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(joined) = self.complete() {
                return Some(Ok(joined));
            }
            if let Some(poisoned) = self.poisoned.take() {
                return Some(Err(poisoned));
            }
            match self.parts.recv() {
                Ok(part) => self.gather(part),
                Err(_) => {
                    self.threads.drain(..).for_each(|thread| drop(thread.join()));
                    return None;
                }
            }
        }
    }
}

/// Where parsed blocks get back into input order, and where those are read that can only be read in it.
struct Line<M> {
    sequencer: Sequencer,
    flows: FlowReader,
    /// Of events that are read here.
    enricher: Enricher,
    /// The block that is next.
    next: u64,
    /// Batches made so far.
    batches: u64,
    waiting: BTreeMap<u64, Parsed<M>>,
    judges: Vec<Sender<(u64, Arc<Batch>)>>,
    /// Workers that may still parse; when there are none, nothing more will be judged.
    parsing: usize,
    parts: Sender<Part<M>>,
}

struct Parsed<M> {
    /// What is still to be read, in order.
    records: Vec<Record>,
    events: Vec<Event>,
    enrichment: Arc<Enrichment>,
    understood: Vec<Understood>,
    origin: Option<Arc<Origin>>,
    heartbeat: Option<Timestamp>,
    end: bool,
    rulebook: Option<Rulebook>,
    model: Option<Knowledge>,
    barrier: bool,
    memo: M,
}

impl<M> Line<M> {
    fn enter(&mut self, number: u64, parsed: Parsed<M>) {
        self.waiting.insert(number, parsed);
        while let Some(parsed) = self.waiting.remove(&self.next) {
            self.sequence(parsed);
            self.next += 1;
        }
    }

    fn sequence(&mut self, parsed: Parsed<M>) {
        let Parsed {
            records,
            events,
            enrichment,
            mut understood,
            origin,
            heartbeat,
            end,
            mut rulebook,
            mut model,
            barrier,
            memo,
        } = parsed;
        if let Some(model) = &model {
            Blueprint::renew(&mut self.sequencer, &model.state);
        }
        let mut parts = Parts::beginning_with(events);
        understood.extend(records.iter().map(|record| self.flows.read(record, &mut parts)));
        let mut memo = Some(memo);
        self.enricher.renew(&enrichment);
        for (last, mut events) in parts.batches() {
            if !records.is_empty() {
                self.enricher.enrich(&mut events);
            }
            let mut batch = match heartbeat {
                Some(now) => self.sequencer.heartbeat(now),
                None if end => self.sequencer.end(),
                None => self.sequencer.sequence(events),
            };
            batch.enrichment = enrichment.clone();
            batch.rulebook = rulebook.take();
            batch.model = model.take();
            batch.barrier = barrier && last;
            let state = batch.barrier.then(|| Blueprint::line_state(&self.sequencer, &self.flows));
            let figures = self.figures(heartbeat.is_some() || barrier);
            let sequenced = Sequenced {
                number: self.batches,
                batch: Arc::new(batch),
                origin: origin.clone(),
                understood: std::mem::take(&mut understood),
                state,
                figures,
                memo: if last { memo.take() } else { None },
            };
            self.hand_out(sequenced);
        }
    }

    fn figures(&self, all: bool) -> Figures {
        let told = all || self.batches.is_multiple_of(TOLD_EVERY);
        Figures {
            watermark: self.sequencer.watermark(),
            clamped: self.sequencer.clamped(),
            templates: self.sequencer.miner().len(),
            templates_evicted: self.sequencer.miner().evicted(),
            exporters: if told { self.flows.exporters() } else { None },
            ..Figures::default()
        }
    }

    fn hand_out(&mut self, sequenced: Sequenced<M>) {
        let (number, batch) = (self.batches, sequenced.batch.clone());
        self.batches += 1;
        // A send fails only where the receiver is gone, and then nobody waits for what is sent.
        let _ = self.parts.send(Part::Batch(sequenced));
        for judge in &self.judges {
            let _ = judge.send((number, batch.clone()));
        }
    }

    fn parser_done(&mut self) {
        self.parsing -= 1;
        if self.parsing == 0 {
            self.judges.clear();
        }
    }
}

struct Worker<M> {
    parser: Parser,
    enricher: Enricher,
    shard: Shard,
    work: Receiver<Fed<M>>,
    spare: Receiver<Vec<Event>>,
    batches: Receiver<(u64, Arc<Batch>)>,
    line: Arc<Mutex<Line<M>>>,
    parts: Sender<Part<M>>,
}

impl<M> Worker<M> {
    fn run(mut self) {
        let ended = catch_unwind(AssertUnwindSafe(|| self.work_off()));
        if let Err(panic) = ended {
            let said = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            let _ = self.parts.send(Part::Poisoned(Poisoned(said.unwrap_or_default())));
        }
    }

    fn work_off(&mut self) {
        let mut parsing = true;
        loop {
            // Judging first: it is what others wait for.
            if let Ok((number, batch)) = self.batches.try_recv() {
                self.judge(number, &batch);
            } else if parsing {
                select! {
                    recv(self.batches) -> next => if let Ok((number, batch)) = next { self.judge(number, &batch) },
                    recv(self.work) -> next => match next {
                        Ok((number, enrichment, work)) => self.parse(number, enrichment, work),
                        Err(_) => {
                            parsing = false;
                            self.in_line(Line::parser_done);
                        }
                    },
                }
            } else {
                match self.batches.recv() {
                    Ok((number, batch)) => self.judge(number, &batch),
                    Err(_) => return,
                }
            }
        }
    }

    fn parse(&mut self, number: u64, enrichment: Arc<Enrichment>, work: Work<M>) {
        let mut events = self.spare.try_recv().unwrap_or_default();
        let Work { mut records, heartbeat, end, rulebook, model, barrier, memo } = work;
        // A block has one origin.
        let origin = records.first().map(|record| record.origin.clone());
        let mut understood = Vec::new();
        if !origin.as_ref().is_some_and(|origin| origin.reading.is_in_order()) {
            events.reserve(records.len());
            understood.extend(records.drain(..).map(|record| self.parser.parse(&record, &mut events)));
            self.enricher.renew(&enrichment);
            self.enricher.enrich(&mut events);
        }
        let parsed = Parsed { records, events, enrichment, understood, origin, heartbeat, end, rulebook, model, barrier, memo };
        self.in_line(|line| line.enter(number, parsed));
    }

    fn judge(&mut self, sequence: u64, batch: &Batch) {
        let mut findings = Findings::default();
        self.shard.judge(batch, &mut findings);
        let state = batch.barrier.then(|| {
            let mut state = State::new();
            self.shard.save(&mut state);
            state
        });
        let told = batch.barrier || sequence.is_multiple_of(TOLD_EVERY);
        let memory = told.then(|| Memory { entities: self.shard.entities(), learning: self.shard.learning() });
        let _ = self.parts.send(Part::Judged { sequence, findings, state, memory });
    }

    fn in_line(&self, act: impl FnOnce(&mut Line<M>)) {
        // A worker that panicked while it stood in line has reported itself: the joiner stops before anything it left is told.
        act(&mut self.line.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
