//! What happens in a session is not what happens in sessions: a template that others do not have, one that is missing, too
//! many or too few of one.
//!
//! A session is what shares a session key: a session, request or trace id that records name, or what `session_key` finds in
//! their text. It is judged at each event for what is too much, and when it is over (quiet for longer than sessions usually
//! are, or the input ends) for what is missing too. What is usual is learned from sessions that are over, without labels;
//! what was learned from chosen history (`lapwing learn`) is trusted, and is the only measure as long as most sessions are like it.
//!
//! All sessions are judged in one place (scope all): what is usual is one model, and dividing it by the number of partitions
//! would make each part learn sixteen times slower.

mod late;
mod live;
mod sessions;
mod tell;
#[cfg(test)]
mod tests;

use lapwing_model::{Scope, Timestamp};
use serde::{Deserialize, Serialize};
pub use sessions::Sessions;
pub use tell::Judgement;

use crate::{Detector, Events, Family, Findings, Kind};

pub const KIND: Kind = Kind {
    name: "sequence",
    summary: "sessions in which a template is new, missing, too frequent or too rare",
    family: Family::Sequence,
    scopes: &[Scope::All],
    enabled: |settings| settings.sequence.enabled,
    build: |setup, _| Box::new(Sequence { sessions: Sessions::of(setup), ended: Vec::new() }),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Sessions remembered at once.
    pub sessions: usize,
    /// Different patterns of sessions (which templates, how often) remembered.
    pub patterns: usize,
    /// Different templates whose counts are learned.
    pub templates: usize,
    /// Sessions after which what was learned counts half.
    pub memory: u64,
    /// A session is ordinary where so large a share of all is like it.
    pub neighbours: f64,
    /// Surprise, in nats, below which nothing is told: 3 is what one session in twenty shows.
    pub least_surprise: f64,
    /// Share of ordinary sessions that may be told, where what was learned is trusted.
    pub false_alarms: f64,
    /// Nothing is told before so many sessions were seen.
    pub warm_up: u64,
    /// A session is not over before it has been quiet for so long.
    pub quiet_seconds: u64,
    /// A session that was quiet for so long is over.
    pub longest_quiet_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            sessions: 200_000,
            patterns: 1024,
            templates: 4096,
            memory: 20_000,
            neighbours: 0.02,
            least_surprise: 3.0,
            false_alarms: 5e-4,
            warm_up: 100,
            quiet_seconds: 600,
            longest_quiet_seconds: 86_400,
        }
    }
}

#[derive(Debug)]
struct Sequence {
    sessions: Sessions,
    /// A buffer.
    ended: Vec<Judgement>,
}

impl Sequence {
    fn tell_at_tick(&mut self, findings: &mut Findings) {
        for judgement in self.ended.drain(..).filter(|judgement| judgement.unusual) {
            findings.push_alike_at_tick(judgement.finding(), judgement.pattern);
        }
    }
}

impl Detector for Sequence {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        for (at, event) in events.iter() {
            if let Some(judgement) = self.sessions.observe(event) {
                findings.push_alike(at, judgement.finding(), judgement.pattern);
            }
        }
    }

    fn wants_ticks(&self) -> bool {
        true
    }

    fn tick(&mut self, now: Timestamp, findings: &mut Findings) {
        self.sessions.tick(now, &mut self.ended);
        self.tell_at_tick(findings);
    }

    fn finish(&mut self, findings: &mut Findings) {
        self.sessions.finish(&mut self.ended);
        self.tell_at_tick(findings);
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.sessions.save(out);
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        self.sessions.load(state)
    }

    fn forget(&mut self, key: u64) {
        self.sessions.forget(key);
    }

    fn entities(&self) -> usize {
        self.sessions.live()
    }
}
