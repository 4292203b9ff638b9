//! Flows as exporters send them: NetFlow v5 (Cisco: NetFlow Services Solutions Guide), v9 (RFC 3954), IPFIX (RFC 7011).

use super::Flow;

/// How flows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    V5,
    V9,
    Ipfix,
}

/// What is sent in one packet, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    pub bytes: Vec<u8>,
    /// Nanoseconds since 1970 UTC.
    pub at: i64,
}

/// As many as a datagram of 1,500 bytes has room for.
const MOST: usize = 26;

/// A datagram does not wait for its last flow longer than this.
const LINGER: i64 = 1_000_000_000;

/// The template is sent again with every so manieth datagram.
const REPEAT: u32 = 20;

const TEMPLATE: u16 = 256;

/// Element and length of each field: the same numbers in v9 and IPFIX, but for the times, which v9 counts from its start.
const V9: [(u16, u16); 12] =
    [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (10, 2), (14, 2), (2, 8), (1, 8), (22, 4), (21, 4)];
const IPFIX: [(u16, u16); 12] =
    [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (6, 1), (10, 2), (14, 2), (2, 8), (1, 8), (152, 8), (153, 8)];

/// One exporter: collects flows and writes datagrams.
#[derive(Debug)]
pub struct Exporter {
    version: Version,
    /// When it started, in nanoseconds since 1970 UTC.
    started: i64,
    waiting: Vec<Flow>,
    datagrams: u32,
    flows: u32,
}

impl Exporter {
    /// An exporter that started at that time, in nanoseconds since 1970 UTC: before any flow that it tells of.
    #[must_use]
    pub fn new(version: Version, started: i64) -> Exporter {
        Exporter { version, started, waiting: Vec::with_capacity(MOST), datagrams: 0, flows: 0 }
    }

    /// Takes the next flow; answers the datagram that is full, or has waited for long enough.
    pub fn put(&mut self, flow: Flow) -> Option<Datagram> {
        let due = self.waiting.len() == MOST || self.waiting.first().is_some_and(|first| flow.told - first.told > LINGER);
        let datagram = if due { self.finish() } else { None };
        self.waiting.push(flow);
        datagram
    }

    /// What still waits.
    pub fn finish(&mut self) -> Option<Datagram> {
        let at = self.waiting.last()?.told;
        let flows = std::mem::take(&mut self.waiting);
        let bytes = match self.version {
            Version::V5 => self.v5(at, &flows),
            Version::V9 => self.v9(at, &flows),
            Version::Ipfix => self.ipfix(at, &flows),
        };
        self.datagrams = self.datagrams.wrapping_add(1);
        self.flows = self.flows.wrapping_add(flows.len() as u32);
        Some(Datagram { bytes, at })
    }

    /// Milliseconds since it started.
    fn uptime(&self, at: i64) -> u32 {
        ((at - self.started) / 1_000_000) as u32
    }

    fn v5(&self, at: i64, flows: &[Flow]) -> Vec<u8> {
        let mut out = Vec::with_capacity(24 + 48 * flows.len());
        short(&mut out, 5);
        short(&mut out, flows.len() as u16);
        [self.uptime(at), seconds(at), at.rem_euclid(1_000_000_000) as u32, self.flows]
            .into_iter()
            .for_each(|n| long(&mut out, n));
        out.extend([0; 4]);
        for flow in flows {
            out.extend(flow.source.octets());
            out.extend(flow.destination.octets());
            out.extend([0; 4]);
            out.extend([0, 1, 0, 2]);
            let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
            [narrow(flow.packets), narrow(flow.bytes), self.uptime(flow.begin), self.uptime(flow.end)]
                .into_iter()
                .for_each(|n| long(&mut out, n));
            short(&mut out, flow.source_port);
            short(&mut out, flow.destination_port);
            out.extend([0, flow.tcp_flags, flow.protocol, 0]);
            out.extend([0; 8]);
        }
        out
    }

    fn v9(&self, at: i64, flows: &[Flow]) -> Vec<u8> {
        let definition = self.is_due().then(|| set(0, &definition(&V9)));
        let mut out = Vec::with_capacity(1_500);
        short(&mut out, 9);
        short(&mut out, flows.len() as u16 + u16::from(definition.is_some()));
        [self.uptime(at), seconds(at), self.datagrams, 1].into_iter().for_each(|n| long(&mut out, n));
        out.extend(definition.unwrap_or_default());
        let records = flows.iter().flat_map(|flow| {
            let mut record = ends_and_counts(flow);
            [flow.begin, flow.end].into_iter().for_each(|at| long(&mut record, self.uptime(at)));
            record
        });
        out.extend(set(TEMPLATE, &records.collect::<Vec<u8>>()));
        out
    }

    fn ipfix(&self, at: i64, flows: &[Flow]) -> Vec<u8> {
        let mut sets = if self.is_due() { set(2, &definition(&IPFIX)) } else { Vec::new() };
        let records = flows.iter().flat_map(|flow| {
            let mut record = ends_and_counts(flow);
            [flow.begin, flow.end].into_iter().for_each(|at| record.extend((at / 1_000_000).to_be_bytes()));
            record
        });
        sets.extend(set(TEMPLATE, &records.collect::<Vec<u8>>()));
        let mut out = Vec::with_capacity(16 + sets.len());
        short(&mut out, 10);
        short(&mut out, 16 + sets.len() as u16);
        [seconds(at), self.flows, 1].into_iter().for_each(|n| long(&mut out, n));
        out.extend(sets);
        out
    }

    fn is_due(&self) -> bool {
        self.datagrams.is_multiple_of(REPEAT)
    }
}

fn seconds(at: i64) -> u32 {
    at.div_euclid(1_000_000_000) as u32
}

fn short(out: &mut Vec<u8>, number: u16) {
    out.extend(number.to_be_bytes());
}

fn long(out: &mut Vec<u8>, number: u32) {
    out.extend(number.to_be_bytes());
}

/// A set of records, filled up to a multiple of four bytes.
fn set(id: u16, content: &[u8]) -> Vec<u8> {
    let length = content.len().next_multiple_of(4);
    let mut out = Vec::with_capacity(length + 4);
    short(&mut out, id);
    short(&mut out, length as u16 + 4);
    out.extend(content);
    out.resize(length + 4, 0);
    out
}

fn definition(fields: &[(u16, u16)]) -> Vec<u8> {
    let fields = fields.iter().flat_map(|&(element, length)| [element, length]);
    [TEMPLATE, V9.len() as u16].into_iter().chain(fields).flat_map(u16::to_be_bytes).collect()
}

/// The fields that v9 and IPFIX share, in the order of their templates.
fn ends_and_counts(flow: &Flow) -> Vec<u8> {
    let mut record = Vec::with_capacity(50);
    record.extend(flow.source.octets());
    record.extend(flow.destination.octets());
    short(&mut record, flow.source_port);
    short(&mut record, flow.destination_port);
    record.extend([flow.protocol, flow.tcp_flags, 0, 1, 0, 2]);
    record.extend(flow.packets.to_be_bytes());
    record.extend(flow.bytes.to_be_bytes());
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Settings, flows};

    fn datagrams(version: Version) -> Vec<Datagram> {
        let settings = Settings { kind: Kind::Flows, count: 2_000, ..Settings::default() };
        let mut exporter = Exporter::new(version, settings.start - 3_600_000_000_000);
        let mut all: Vec<_> = flows(&settings).filter_map(|flow| exporter.put(flow)).collect();
        all.extend(exporter.finish());
        all
    }

    #[test]
    fn a_datagram_says_how_many_flows_it_holds_and_how_many_came_before() {
        let all = datagrams(Version::V5);
        let mut before = 0;
        for datagram in &all {
            let count = u16::from_be_bytes([datagram.bytes[2], datagram.bytes[3]]);
            assert_eq!(datagram.bytes.len(), 24 + 48 * usize::from(count));
            assert_eq!(datagram.bytes[16..20], u32::to_be_bytes(before));
            before += u32::from(count);
        }
        assert_eq!(before, 2_000);
        assert!(all.is_sorted_by_key(|datagram| datagram.at));
    }

    #[test]
    fn datagrams_fit_a_packet_and_lengths_add_up() {
        for version in [Version::V9, Version::Ipfix] {
            for (number, datagram) in datagrams(version).iter().enumerate() {
                let bytes = &datagram.bytes;
                let mut at = if version == Version::V9 { 20 } else { 16 };
                let mut sets = Vec::new();
                while at < bytes.len() {
                    sets.push(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
                    at += usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
                }
                assert_eq!(at, bytes.len());
                assert!(bytes.len() <= 1_472, "{}", bytes.len());
                let definition = if version == Version::V9 { 0 } else { 2 };
                assert_eq!(sets.first() == Some(&definition), number % REPEAT as usize == 0, "{sets:?}");
            }
        }
    }
}
