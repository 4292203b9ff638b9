//! What is known of one exporter's one domain: its templates, how it samples, when it started, how it counts.

use crate::plan::Context;
use crate::recent::Worth;
use crate::sequence::{DATAGRAMS, RECORDS, Sequence};
use crate::template::{FieldSpec, Kind, Template};
use crate::wire::uint;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::IpAddr;

/// Whose templates they are. The port tells apart exporters behind one address that use the same domain (RFC 7011, 8.1: templates
/// belong to a transport session).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    pub exporter: IpAddr,
    pub port: u16,
    pub version: u16,
    pub domain: u32,
}

/// Address, version and domain: what exporters behind one address may share.
pub(crate) type Place = (IpAddr, u16, u32);

/// What the header of a datagram says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub version: u16,
    /// Nanoseconds since 1970.
    pub exported: i64,
    /// Milliseconds since the exporter started; 0 where the version does not tell.
    pub uptime: u32,
    pub sequence: u32,
    pub domain: u32,
}

/// Octets of template definitions that one exporter and domain may have; some thousand fields.
const MOST_OCTETS: usize = 64 << 10;
const MOST_SAMPLERS: usize = 64;
/// How long an exporter has to send, and how many datagrams with flows, before it is kept longer than others.
const PROVEN_AFTER: i64 = 60_000_000_000;
const PROVEN_BY: u64 = 4;

#[derive(Debug)]
pub(crate) struct Session {
    pub templates: HashMap<u16, Template>,
    /// Octets of all definitions.
    pub octets: usize,
    /// Whether this very port told a template: then nothing of other ports is believed.
    pub told: bool,
    pub options: Options,
    pub sequence: Sequence,
    pub first: i64,
    pub last: i64,
    /// Datagrams, and those of them that held rows.
    pub datagrams: u64,
    pub with_flows: u64,
}

/// What options data told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Options {
    /// Sampling intervals by sampler.
    pub samplers: Vec<(u64, u32)>,
    /// The sampling interval of all that names no sampler; 0 where none was told.
    pub sampling: u32,
    /// When the exporter started, milliseconds since 1970; 0 where it was not told.
    pub boot: i64,
}

impl Worth for Session {
    fn proven(&self) -> bool {
        self.with_flows >= PROVEN_BY && self.last.saturating_sub(self.first) >= PROVEN_AFTER
    }
}

impl Session {
    pub fn new(version: u16, received: i64) -> Self {
        Session {
            templates: HashMap::new(),
            octets: 0,
            told: false,
            options: Options::default(),
            sequence: Sequence::counting(if matches!(version, 9 | 0) { DATAGRAMS } else { RECORDS }),
            first: received,
            last: received,
            datagrams: 0,
            with_flows: 0,
        }
    }

    /// Takes a template. Answers whether it is new or changed; `Err` where it cannot be.
    pub fn learn(&mut self, id: u16, kind: Kind, definition: &[u8], used: u64) -> Result<bool, ()> {
        if let Some(known) = self.templates.get_mut(&id).filter(|known| known.kind == kind && *known.definition == *definition) {
            known.used = used;
            return Ok(false);
        }
        let mut template = Template::new(kind, definition).ok_or(())?;
        template.used = used;
        self.octets += definition.len();
        if let Some(replaced) = self.templates.insert(id, template) {
            self.octets -= replaced.definition.len();
        }
        if self.octets > MOST_OCTETS {
            self.forget_templates();
        }
        Ok(true)
    }

    /// Forgets the templates that were not used for longest, until half of the room is free.
    fn forget_templates(&mut self) {
        let mut order: Vec<_> = self.templates.iter().map(|(id, template)| (template.used, *id)).collect();
        order.sort_unstable();
        for (_, id) in order {
            if self.octets <= MOST_OCTETS / 2 {
                break;
            }
            self.withdraw(id);
        }
    }

    pub fn withdraw(&mut self, id: u16) {
        if let Some(template) = self.templates.remove(&id) {
            self.octets -= template.definition.len();
        }
    }

    /// Forgets the templates of a kind: a withdrawal that names that kind's own set (RFC 7011, 8.1).
    pub fn withdraw_all(&mut self, kind: Kind) {
        let ids: Vec<u16> = self.templates.iter().filter(|(_, template)| template.kind == kind).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.withdraw(id));
    }

    /// What holds for all records of a datagram.
    pub fn context(&self, header: &Header, base: crate::Flow, forced: Option<u32>) -> Context<'_> {
        let since = |boot: i64| if boot == 0 { 0 } else { (header.exported / 1_000_000).wrapping_sub(boot) as u32 };
        let mut base = base;
        base.sampling = forced.unwrap_or(self.options.sampling).max(1);
        base.domain = header.domain;
        Context {
            base,
            exported: header.exported,
            uptime: if header.uptime == 0 { since(self.options.boot) } else { header.uptime },
            sampling_forced: forced.is_some(),
            samplers: &self.options.samplers,
        }
    }
}

impl Options {
    /// Takes a record of options data: how the exporter samples, and when it started.
    pub fn learn<'a>(&mut self, values: impl Iterator<Item = (FieldSpec, &'a [u8])>) {
        let (mut sampler, mut interval) = (None, None);
        let (mut every, mut space, mut size, mut population) = (None, None, None, None);
        for (field, value) in values.filter(|(field, value)| field.enterprise == 0 && value.len() <= 8) {
            let number = uint(value);
            // A scope of NetFlow v9 has numbers of its own.
            match field.id {
                48 | 302 => sampler = Some(number),
                _ if field.scope && field.id < 8 => {}
                34 | 50 if number > 0 => interval = Some(number),
                160 => self.boot = i64::try_from(number).unwrap_or(0),
                305 => every = Some(number),
                306 => space = Some(number),
                309 => size = Some(number),
                310 => population = Some(number),
                _ => {}
            }
        }
        let ratio = |of: u64, to: u64| (to > 0).then(|| of.div_ceil(to));
        let interval = interval
            .or_else(|| every.zip(space).and_then(|(every, space)| ratio(every.saturating_add(space), every)))
            .or_else(|| population.zip(size).and_then(|(population, size)| ratio(population, size)))
            .and_then(|interval| u32::try_from(interval).ok());
        let Some(interval) = interval else { return };
        let Some(sampler) = sampler else {
            self.sampling = interval;
            return;
        };
        if let Some(known) = self.samplers.iter_mut().find(|(id, _)| *id == sampler) {
            known.1 = interval;
        } else if self.samplers.len() < MOST_SAMPLERS {
            self.samplers.push((sampler, interval));
        }
    }
}
