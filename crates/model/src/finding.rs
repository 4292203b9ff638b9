use std::borrow::Cow;

use serde::Serialize;

use crate::{Entity, Evidence, Known, Position, Score, Severity, Timestamp};

/// What one detector says of one event (or, at a tick, of one entity).
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub detector: &'static str,
    /// The rule or check within the detector.
    pub rule: Cow<'static, str>,
    /// What kind of thing happened: `server-error`, `error-burst`, `new-value`...
    pub class: Cow<'static, str>,
    pub entity: Entity,
    pub score: Score,
    /// At least this severe, whatever the score comes to.
    pub severity: Severity,
    /// How many events it stands for that no earlier finding stood for.
    pub count: u64,
    /// When what was found began, where that was before this event.
    pub since: Option<Timestamp>,
    /// One sentence for a person.
    pub reason: String,
    pub expected: String,
    pub observed: String,
}

/// How much one detector contributes to a verdict's score. The parts of a verdict add up to its score.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
pub struct Part {
    pub detector: Cow<'static, str>,
    pub rule: Cow<'static, str>,
    pub value: f32,
}

/// What the ensemble concludes of one event. Its findings are in order of weight, the strongest first; there is at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub at: Timestamp,
    /// When what was found began; never after `at`.
    pub since: Timestamp,
    /// How many events it stands for.
    pub count: u64,
    /// It is about events before this one as well: what was told of its entity since then is a part of it.
    pub gathers: bool,
    /// Where the event stands; ids of anomalies derive from it.
    pub origin: u64,
    pub position: Position,
    pub score: Score,
    pub severity: Severity,
    pub parts: Vec<Part>,
    /// One in so many events scored as high, of those seen until now.
    pub one_in: u64,
    /// What would have kept it from being an anomaly, in words; empty for one that is none.
    pub silenced_by: String,
    pub findings: Vec<Finding>,
    /// Who else the event speaks of.
    pub related: Vec<Entity>,
    /// What is known of whom it is about.
    pub known: Option<Known>,
    /// The line; none where a silence or another absence is what was found.
    pub evidence: Option<Evidence>,
}
