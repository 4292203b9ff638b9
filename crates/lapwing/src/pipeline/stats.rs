//! What the running service knows about itself: the source of `/metrics` and `/stats`.

use std::collections::BTreeMap;
use std::time::Duration;

use lapwing_model::{Severity, Timestamp};
use lapwing_parse::Understood;

use super::workers::{Figures, Joined};

/// Running totals since the start, and how full things are now. Written once a batch by one thread.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Records taken in, by source.
    pub received: BTreeMap<Box<str>, u64>,
    /// Records understood, by format.
    pub parsed: BTreeMap<&'static str, u64>,
    /// Records that were not understood, by reason.
    pub unparsed: BTreeMap<&'static str, u64>,
    /// The same, by source.
    pub malformed: BTreeMap<Box<str>, u64>,
    /// What was lost, by reason: alerts merged away, journal entries damaged...
    pub dropped: BTreeMap<&'static str, u64>,
    /// Findings by detector and severity.
    pub findings: BTreeMap<(&'static str, Severity), u64>,
    /// Anomalies opened, by severity.
    pub anomalies: BTreeMap<Severity, u64>,
    /// Alerts told, by sink.
    pub alerts: BTreeMap<String, u64>,
    /// Failed tries to tell, by sink.
    pub alert_failures: BTreeMap<String, u64>,
    pub batches: u64,
    pub last_score: f32,
    /// From the receipt of a batch's first record to its verdicts.
    pub lag: Duration,
    /// Blocks between the intake and the verdicts.
    pub in_flight: usize,
    /// Findings muted because people expect them.
    pub muted: u64,
    /// Findings left out because an allow-list names whom they are about.
    pub allowed: u64,
    pub journal_bytes: u64,
    pub snapshot_at: Option<Timestamp>,
    pub figures: Figures,
    /// Why the service is not well, if it is not.
    pub trouble: Option<String>,
}

impl Stats {
    /// Counts what came of a batch.
    pub fn count<M>(&mut self, joined: &Joined<M>, now: Timestamp) {
        self.batches += 1;
        for understood in &joined.understood {
            match understood {
                Understood::As(format) => *self.parsed.entry(format).or_default() += 1,
                Understood::AsText => *self.parsed.entry("text").or_default() += 1,
                Understood::Broken(reason) => *self.unparsed.entry(reason).or_default() += 1,
            }
        }
        if let Some(origin) = joined.origin.as_ref().filter(|_| !joined.understood.is_empty()) {
            let broken = joined.understood.iter().filter(|understood| matches!(understood, Understood::Broken(_))).count() as u64;
            if broken > 0 {
                *self.malformed.entry(origin.name.clone()).or_default() += broken;
            }
            *self.received.entry(origin.name.clone()).or_default() += joined.understood.len() as u64;
        }
        if let Some(event) = joined.batch.events.first() {
            self.lag = now.since(event.received);
        }
        for verdict in &joined.verdicts {
            self.last_score = verdict.score.value();
            for finding in &verdict.findings {
                *self.findings.entry((finding.detector, verdict.severity)).or_default() += 1;
            }
        }
        let before = std::mem::replace(&mut self.figures, joined.figures.clone());
        if self.figures.entities.is_empty() {
            // Not told with every batch.
            (self.figures.entities, self.figures.learning) = (before.entities, before.learning);
        }
        self.figures.exporters = self.figures.exporters.take().or(before.exporters);
    }

    /// All records taken in.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.received.values().sum()
    }
}
