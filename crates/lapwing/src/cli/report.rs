//! What a scan read and found: the shape of its JSON output.

use std::collections::BTreeMap;

use lapwing_model::{Anomaly, Incident, Timestamp};
use serde::Serialize;

/// What was read, and what was found in it.
#[derive(Debug, Serialize)]
pub struct Report {
    pub summary: Summary,
    pub anomalies: Vec<Anomaly>,
    /// Anomalies that make one story, the worst first.
    pub incidents: Vec<Incident>,
}

#[derive(Debug, Default, Serialize)]
pub struct Summary {
    pub files: Vec<String>,
    pub format: &'static str,
    pub lines: u64,
    pub parsed: u64,
    pub unparsed: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// Lines by what they were understood as.
    pub formats: BTreeMap<&'static str, u64>,
    /// Lines that were not understood, cut or told of an absurd time, and anomalies dropped, by reason.
    pub losses: BTreeMap<&'static str, u64>,
    /// Findings left out because an allow-list names whom they are about.
    pub allowed: u64,
}

impl Summary {
    /// Text lines are understood in a log of text; among lines of a structured format they are what was not understood.
    pub fn settle(&mut self, text: u64) {
        let structured: u64 = self.formats.values().sum();
        let most = self.formats.iter().max_by_key(|(_, count)| **count);
        self.format = most.filter(|_| structured >= text).map_or("text", |(format, _)| format);
        if text > 0 && structured >= text {
            self.losses.insert("other-format", text);
        } else if text > 0 {
            self.formats.insert("text", text);
        }
        self.parsed = self.formats.values().sum();
        self.unparsed = self.lines.saturating_sub(self.parsed);
    }
}
