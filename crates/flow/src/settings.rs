//! What a [`crate::Decoder`] is told of its surroundings.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Bounds of a decoder, and what exporters do not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Exporters and their domains whose templates are kept. Those that were heard of least recently are forgotten first, and last of
    /// all those that have been sending flows for a minute.
    pub sessions: usize,
    /// Octets of template definitions that are kept for all together; in memory they take about seven times that.
    pub template_octets: usize,
    /// Sets of data that are kept while their template is missing; 0: none. One exporter's domain may have an eighth.
    pub held_sets: usize,
    /// Their octets.
    pub held_octets: usize,
    /// Nanoseconds that data are kept without their template.
    pub held_for: i64,
    /// Exporters that are counted one by one; others are counted together.
    pub exporters: usize,
    /// Nanoseconds before it was received that a flow may have ended.
    pub oldest: i64,
    /// Nanoseconds after it was received that a flow may seem to have ended.
    pub ahead: i64,
    /// One packet in so many is looked at, by exporter: for those that do not tell, or tell wrongly. Goes before what they tell.
    pub sampling: BTreeMap<IpAddr, u32>,
}

const MINUTE: i64 = 60_000_000_000;

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sessions: 16_384,
            template_octets: 8 << 20,
            held_sets: 4_096,
            held_octets: 8 << 20,
            held_for: 60 * MINUTE,
            exporters: 4_096,
            oldest: 24 * 60 * MINUTE,
            ahead: 5 * MINUTE,
            sampling: BTreeMap::new(),
        }
    }
}
