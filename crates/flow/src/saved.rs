//! What of a decoder survives a restart: templates, options, numbers, and data that still wait.

use crate::held::HeldSet;
use crate::sequence::Sequence;
use crate::session::{Key, Options, Place, Session};
use crate::template::Kind;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The first number of every state; another layout gets another.
const LAYOUT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    layout: u32,
    pub sessions: Vec<SavedSession>,
    /// Of an address, version and domain, the ports that told templates.
    pub ports: Vec<(Place, Vec<u16>)>,
    pub held: Vec<HeldSet>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedSession {
    pub key: Key,
    told: bool,
    options: Options,
    sequence: Sequence,
    first: i64,
    last: i64,
    datagrams: u64,
    with_flows: u64,
    /// Id, kind and definition.
    templates: Vec<(u16, u8, Vec<u8>)>,
}

/// Why a saved state was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadState;

impl fmt::Display for BadState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the saved templates cannot be read: damaged, or of another version; they will be learned anew from the exporters",
        )
    }
}

impl std::error::Error for BadState {}

impl Saved {
    pub fn new(sessions: Vec<SavedSession>, ports: Vec<(Place, Vec<u16>)>, held: Vec<HeldSet>) -> Self {
        Saved { layout: LAYOUT, sessions, ports, held }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing into memory what has neither maps nor floats cannot fail.
        postcard::to_allocvec(self).unwrap_or_default()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadState> {
        let saved: Saved = postcard::from_bytes(bytes).map_err(|_| BadState)?;
        if saved.layout == LAYOUT { Ok(saved) } else { Err(BadState) }
    }
}

impl SavedSession {
    pub fn of(key: Key, session: &Session) -> Self {
        let mut order: Vec<_> = session.templates.iter().collect();
        order.sort_unstable_by_key(|(id, template)| (template.used, **id));
        let templates = order.into_iter().map(|(id, template)| (*id, template.kind.to_number(), template.definition.to_vec()));
        SavedSession {
            key,
            told: session.told,
            options: session.options.clone(),
            sequence: session.sequence.clone(),
            first: session.first,
            last: session.last,
            datagrams: session.datagrams,
            with_flows: session.with_flows,
            templates: templates.collect(),
        }
    }

    pub fn restore(self) -> Result<Session, BadState> {
        let mut session = Session::new(self.key.version, self.first);
        // They were saved in the order of their last use, which is all that is asked of it.
        for (used, (id, kind, definition)) in self.templates.into_iter().enumerate() {
            let kind = Kind::from_number(kind).ok_or(BadState)?;
            session.learn(id, kind, &definition, used as u64).map_err(|()| BadState)?;
        }
        session.told = self.told;
        session.options = self.options;
        session.sequence = self.sequence;
        (session.last, session.datagrams, session.with_flows) = (self.last, self.datagrams, self.with_flows);
        Ok(session)
    }
}
