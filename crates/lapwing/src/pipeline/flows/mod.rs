//! Records that can only be read in their order: datagrams of exporters, whose templates came before, and pieces of captures.
//!
//! They are read where events of all workers stand in line, and what is remembered is saved with everything else; so flows are
//! the same for any number of workers, and across a restart.

mod capture;
mod event;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use lapwing_detect::BATCH_EVENTS;
use lapwing_flow::{Counters, Decoder, Flow, Malformed};
use lapwing_model::{Datagram, Event, Reading, Record};
use lapwing_parse::Understood;
use serde::{Deserialize, Serialize};

use capture::Recording;
use event::TEXTS;

/// The section `flows` of the configuration: what exporters do not tell, and what is remembered of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flows {
    /// One packet in so many is looked at, by exporter: for those that do not tell, or tell wrongly.
    pub sampling: BTreeMap<IpAddr, u32>,
    /// Exporters and domains whose templates are kept.
    pub exporters: usize,
    /// Minutes that data may wait for their template.
    pub wait_minutes: u32,
}

impl Default for Flows {
    fn default() -> Self {
        Flows { sampling: BTreeMap::new(), exporters: 16_384, wait_minutes: 60 }
    }
}

impl Flows {
    fn settings(&self) -> lapwing_flow::Settings {
        lapwing_flow::Settings {
            sessions: self.exporters.max(1),
            sampling: self.sampling.clone(),
            held_for: i64::from(self.wait_minutes) * 60_000_000_000,
            ..lapwing_flow::Settings::default()
        }
    }
}

/// Exporters that are counted under their own name; all others are counted together.
const NAMED: usize = 256;

/// What came of exporters' datagrams, by address; the last may be `other`.
pub type Exporters = Arc<Vec<(Box<str>, Counters)>>;

/// Reads them, one after the other.
#[derive(Debug)]
pub struct FlowReader {
    decoder: Decoder,
    recording: Option<Recording>,
    rows: Vec<Flow>,
    /// Skeletons of the few texts that stand for flows, so that none is worked out for each flow.
    skeletons: [u64; TEXTS.len()],
}

impl FlowReader {
    /// Continues from what [`FlowReader::save`] answered. Where that is damaged, templates are learned anew: exporters repeat
    /// them.
    #[must_use]
    pub fn new(settings: &Flows, state: Option<&[u8]>) -> FlowReader {
        let settings = settings.settings();
        let decoder = match state.map(|state| Decoder::load(settings.clone(), state)) {
            Some(Ok(decoder)) => decoder,
            Some(Err(error)) => {
                tracing::warn!("{error}");
                Decoder::new(settings)
            }
            None => Decoder::new(settings),
        };
        FlowReader {
            decoder,
            recording: None,
            rows: Vec::new(),
            skeletons: TEXTS.map(|text| lapwing_parse::template::skeleton(text.as_bytes())),
        }
    }

    /// What is remembered of exporters; nothing where there were none. A capture that is being read is not part of it.
    #[must_use]
    pub fn save(&self) -> Option<Vec<u8>> {
        (self.decoder.sizes() != (0, 0)).then(|| self.decoder.save())
    }

    /// What came of each exporter's datagrams; nothing where there were none.
    #[must_use]
    pub fn exporters(&self) -> Option<Exporters> {
        let mut all = self.decoder.counters();
        if all.is_empty() {
            return None;
        }
        // Those that sent most, whoever came later.
        all.sort_by_key(|(exporter, counters)| (std::cmp::Reverse((counters.flows, counters.received)), *exporter));
        let (named, rest) = all.split_at(all.len().min(NAMED));
        let mut other = self.decoder.forgotten();
        rest.iter().for_each(|(_, counters)| other += *counters);
        let mut exporters: Vec<(Box<str>, Counters)> =
            named.iter().map(|(exporter, counters)| (exporter.to_string().into(), *counters)).collect();
        if other.received > 0 {
            exporters.push(("other".into(), other));
        }
        Some(Arc::new(exporters))
    }

    /// Reads a record and appends its events: none, or many.
    pub fn read(&mut self, record: &Record, parts: &mut Parts) -> Understood {
        match record.origin.reading.format.as_deref() {
            Some(Reading::CAPTURE) => self.piece(record, parts),
            Some(Reading::DATAGRAMS) => self.datagram(record, parts),
            _ => Understood::Broken("wrong-format"),
        }
    }

    fn datagram(&mut self, record: &Record, parts: &mut Parts) -> Understood {
        let Some(datagram) = Datagram::read(&record.body) else { return Understood::Broken("flow-header") };
        let outcome = self.decoder.decode(datagram.sender, record.received.nanos(), datagram.content, &mut self.rows);
        self.append(record, None, parts);
        match outcome.malformed {
            Some(malformed) => Understood::Broken(reason(malformed)),
            None => Understood::As(format(datagram.content)),
        }
    }

    fn piece(&mut self, record: &Record, parts: &mut Parts) -> Understood {
        let last = self.recording.take().filter(|recording| recording.is_of(&record.origin));
        let mut recording = last.unwrap_or_else(|| Recording::of(&record.origin));
        let read = recording.read(&record.body, &mut self.rows);
        let line = recording.number(self.rows.len());
        if !record.body.is_empty() {
            self.recording = Some(recording);
        }
        self.append(record, Some(line), parts);
        match read {
            Ok(()) => Understood::As("capture"),
            Err(reason) => Understood::Broken(reason),
        }
    }

    /// Makes events of the rows. Rows of a capture are counted up from `first`; those of a datagram share its number.
    fn append(&mut self, record: &Record, first: Option<u64>, parts: &mut Parts) {
        // Without the body: a row has no text, and a reference to the datagram for each would cost more than it tells.
        let mut own = Record { body: Bytes::new(), ..record.clone() };
        for (number, row) in self.rows.drain(..).enumerate() {
            own.position = record.position.within(number);
            own.position.line = first.map_or(record.position.line, |first| first + number as u64);
            let room = parts.room();
            let event = event::of(&own, &row, room);
            event.skeleton = self.skeletons[event::kind(event)];
            lapwing_parse::keys::set(event);
        }
    }
}

pub use event::text;

/// What a datagram was read as.
fn format(content: &[u8]) -> &'static str {
    match content {
        [0, 5, ..] => "netflow-v5",
        [0, 7, ..] => "netflow-v7",
        [0, 9, ..] => "netflow-v9",
        [0, 10, ..] => "ipfix",
        _ => "sflow",
    }
}

fn reason(malformed: Malformed) -> &'static str {
    match malformed {
        Malformed::Header => "flow-header",
        Malformed::Version => "flow-version",
        Malformed::Length => "flow-length",
        Malformed::Template => "flow-template",
        Malformed::Sample => "flow-sample",
    }
}

/// Events in order, cut into batches of at most [`BATCH_EVENTS`].
#[derive(Debug, Default)]
pub struct Parts(Vec<Vec<Event>>);

impl Parts {
    /// Begins with an empty batch whose memory is used again.
    #[must_use]
    pub fn beginning_with(spare: Vec<Event>) -> Parts {
        Parts(vec![spare])
    }

    /// The batch that the next event belongs into.
    pub fn room(&mut self) -> &mut Vec<Event> {
        if self.0.last().is_none_or(|last| last.len() >= BATCH_EVENTS) {
            self.0.push(Vec::with_capacity(if self.0.is_empty() { 0 } else { BATCH_EVENTS }));
        }
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// The batches, and whether each is the last. There is always one.
    pub fn batches(mut self) -> impl Iterator<Item = (bool, Vec<Event>)> {
        let last = self.0.pop().unwrap_or_default();
        self.0.into_iter().map(|events| (false, events)).chain([(true, last)])
    }
}

#[cfg(test)]
mod tests;
