//! The whole path on the caller's own thread: what `/detect`, `score` and tests use.

use std::sync::Arc;

use lapwing_detect::{Batch, Ensemble, Findings, Found, Marks, Rulebook, Shard, State};
use lapwing_enrich::{Enricher, Enrichment};
use lapwing_model::{Event, Keys, Record, Scope, Timestamp, Verdict};
use lapwing_parse::{Parser, Understood};

use super::Blueprint;
use super::flows::{FlowReader, Parts};
use super::sequencer::Sequencer;

/// Parses, judges and concludes at once; remembers like the pipeline does, with the same outcome.
#[derive(Debug)]
pub struct Engine {
    parser: Parser,
    enricher: Enricher,
    flows: FlowReader,
    sequencer: Sequencer,
    shard: Shard,
    ensemble: Ensemble,
    /// What takes effect with the next batch.
    rulebook: Option<Rulebook>,
}

/// What came of some records.
#[derive(Debug)]
pub struct Judged {
    pub batch: Batch,
    pub understood: Vec<Understood>,
    /// What each detector found, in input order.
    pub found: Vec<Found>,
    pub verdicts: Vec<Verdict>,
    /// Event time so far.
    pub watermark: Timestamp,
    /// How many events so far told of an absurd time.
    pub clamped: u64,
    /// How many findings so far an allow-list left out.
    pub allowed: u64,
}

impl Engine {
    /// Continues from what the blueprint has learned before, where it has.
    ///
    /// # Errors
    /// Where that cannot be continued from.
    pub fn new(blueprint: &Blueprint) -> Result<Engine, String> {
        Ok(Engine {
            parser: blueprint.parser(),
            enricher: blueprint.enricher(),
            flows: blueprint.flow_reader(None),
            sequencer: blueprint.sequencer(None)?,
            shard: blueprint.shard(0, 1, None)?,
            ensemble: blueprint.ensemble(None)?,
            rulebook: None,
        })
    }

    /// Judges at most [`lapwing_detect::BATCH_EVENTS`] records, of which each tells of one event: lines.
    pub fn judge(&mut self, records: &[Record]) -> Judged {
        let mut events = Vec::with_capacity(records.len());
        let understood = records.iter().map(|record| self.parser.parse(record, &mut events)).collect();
        self.enricher.enrich(&mut events);
        let batch = self.sequencer.sequence(events);
        self.conclude(batch, understood)
    }

    /// Judges records of any kind. Where they tell of more events than one batch holds, there are several outcomes; the first
    /// says what the records were understood as.
    pub fn judge_each(&mut self, records: &[Record], each: impl FnMut(Judged)) {
        self.judge_wanted(records, |_| true, each);
    }

    /// The same for events that are wanted; the others are as if they had not been.
    pub fn judge_wanted(&mut self, records: &[Record], wanted: impl Fn(&Event) -> bool, mut each: impl FnMut(Judged)) {
        let mut parts = Parts::beginning_with(Vec::with_capacity(records.len()));
        let mut understood = Vec::with_capacity(records.len());
        for record in records {
            understood.push(match record.origin.reading.is_in_order() {
                true => self.flows.read(record, &mut parts),
                false => self.parser.parse(record, parts.room()),
            });
        }
        for (_, mut events) in parts.batches() {
            events.retain(&wanted);
            self.enricher.enrich(&mut events);
            let batch = self.sequencer.sequence(events);
            each(self.conclude(batch, std::mem::take(&mut understood)));
        }
    }

    /// The input is at its end: nothing will come any more.
    pub fn finish(&mut self) -> Judged {
        let batch = self.sequencer.end();
        self.conclude(batch, Vec::new())
    }

    fn conclude(&mut self, mut batch: Batch, understood: Vec<Understood>) -> Judged {
        batch.enrichment = self.enricher.tables().clone();
        batch.rulebook = self.rulebook.take();
        let mut findings = Findings::default();
        self.shard.judge(&batch, &mut findings);
        let found = Findings::in_order([findings]);
        let verdicts = self.ensemble.conclude(&batch, found.clone());
        let (watermark, clamped) = (self.sequencer.watermark(), self.sequencer.clamped());
        Judged { batch, understood, found, verdicts, watermark, clamped, allowed: self.ensemble.allowed() }
    }

    /// The state of everything, to be continued from.
    #[must_use]
    pub fn save(&self) -> State {
        let mut state = Blueprint::line_state(&self.sequencer, &self.flows);
        self.shard.save(&mut state);
        self.ensemble.save(&mut state);
        state
    }

    /// What of it is so everywhere.
    #[must_use]
    pub fn save_general(&self) -> State {
        let mut state = State::new();
        self.shard.save_general(&mut state);
        self.ensemble.save_general(&mut state);
        state
    }

    /// Other rules and behaviours take effect from the next event on.
    pub fn reload(&mut self, rulebook: Rulebook) {
        self.rulebook = Some(rulebook);
    }

    /// Other tables hold for what is judged from now on.
    pub fn enrich_with(&mut self, enrichment: &Arc<Enrichment>) {
        self.enricher.renew(enrichment);
    }

    /// What people say of anomalies from now on.
    pub fn heed(&mut self, marks: Arc<Marks>) {
        self.ensemble.heed(marks);
    }

    /// Forgets what is known of one session.
    pub fn forget(&mut self, session: &str) {
        let mut keys = Keys::default();
        keys.name(Scope::Session, session.as_bytes());
        if let Some(key) = keys.get(Scope::Session) {
            self.shard.forget(Scope::Session, key);
        }
    }

    #[must_use]
    pub fn sequencer(&self) -> &Sequencer {
        &self.sequencer
    }
}
