//! The whole path on the caller's own thread: what `/detect`, `score` and tests use.

use std::sync::Arc;

use lapwing_detect::{Batch, Ensemble, Findings, Found, Shard};
use lapwing_model::{Keys, Record, Scope, Verdict};
use lapwing_parse::{Parser, Understood};
use lapwing_rules::RuleSet;

use super::Blueprint;
use super::sequencer::Sequencer;

/// Parses, judges and concludes at once; remembers like the pipeline does, with the same outcome.
#[derive(Debug)]
pub struct Engine {
    parser: Parser,
    sequencer: Sequencer,
    shard: Shard,
    ensemble: Ensemble,
    /// Rules that take effect with the next batch.
    rules: Option<Arc<RuleSet>>,
}

/// What came of some records.
#[derive(Debug)]
pub struct Judged {
    pub batch: Batch,
    pub understood: Vec<Understood>,
    /// What each detector found, in input order.
    pub found: Vec<Found>,
    pub verdicts: Vec<Verdict>,
}

impl Engine {
    /// # Errors
    /// Never without a saved state to continue from; the signature leaves room for one.
    pub fn new(blueprint: &Blueprint) -> Result<Engine, String> {
        Ok(Engine {
            parser: Parser::new(),
            sequencer: blueprint.sequencer(None)?,
            shard: Shard::whole(&blueprint.detectors),
            ensemble: blueprint.ensemble(),
            rules: None,
        })
    }

    /// Judges at most [`lapwing_detect::BATCH_EVENTS`] records.
    pub fn judge(&mut self, records: &[Record]) -> Judged {
        let mut events = Vec::with_capacity(records.len());
        let understood = records.iter().map(|record| self.parser.parse(record, &mut events)).collect();
        let mut batch = self.sequencer.sequence(events);
        batch.rules = self.rules.take();
        let mut findings = Findings::default();
        self.shard.judge(&batch, &mut findings);
        let found = Findings::in_order([findings]);
        let verdicts = self.ensemble.conclude(&batch, found.clone());
        Judged { batch, understood, found, verdicts }
    }

    /// Other rules take effect from the next event on.
    pub fn reload(&mut self, rules: Arc<RuleSet>) {
        self.rules = Some(rules);
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
