//! Sessions alone: parsed, put under their templates, and judged as wholes, on the caller's thread.

use lapwing_detect::sequence::{Judgement, Sessions};
use lapwing_model::{Event, Record};
use lapwing_parse::Parser;

use super::Blueprint;
use super::sequencer::Sequencer;

/// What `score --by session` and `eval --by session` use: judges as the detector `sequence` does.
#[derive(Debug)]
pub struct BySession {
    parser: Parser,
    sequencer: Sequencer,
    sessions: Sessions,
}

impl BySession {
    /// Continues from what the blueprint has learned before, where it has.
    ///
    /// # Errors
    /// Where that cannot be continued from.
    pub fn new(blueprint: &Blueprint) -> Result<BySession, String> {
        let mut sessions = Sessions::new(blueprint.detectors.settings.sequence.clone());
        let state = blueprint.warm.as_ref().and_then(|warm| warm.iter().find(|(name, _)| name.starts_with("sequence/")));
        if let Some((_, state)) = state {
            sessions.load(state)?;
        }
        Ok(BySession { parser: blueprint.parser(), sequencer: blueprint.sequencer(None)?, sessions })
    }

    /// Judges records; answers the sessions that became unusual, or were over. A session that goes on is judged again.
    pub fn judge(&mut self, records: &[Record], wanted: impl Fn(&Event) -> bool) -> Vec<Judgement> {
        let mut events = Vec::with_capacity(records.len());
        for record in records {
            self.parser.parse(record, &mut events);
        }
        events.retain(wanted);
        let batch = self.sequencer.sequence(events);
        let mut judged = Vec::new();
        let mut ticks = batch.ticks.iter().peekable();
        for (at, event) in batch.events.iter().enumerate() {
            while let Some((_, now)) = ticks.next_if(|(before, _)| usize::from(*before) <= at) {
                self.sessions.tick(*now, &mut judged);
            }
            judged.extend(self.sessions.observe(event));
        }
        judged
    }

    /// The input is at its end: judges the sessions that go on.
    pub fn finish(&mut self) -> Vec<Judgement> {
        let mut judged = Vec::new();
        self.sessions.finish(&mut judged);
        judged
    }

    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}
