//! One session as it grows.

use lapwing_model::{Event, Scope, Timestamp};
use serde::{Deserialize, Serialize};

/// A session so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Live {
    pub name: Box<str>,
    pub first: Timestamp,
    pub last: Timestamp,
    pub events: u64,
    /// Its templates, in the order in which they first came.
    steps: Vec<Step>,
    /// The longest time between two of its events, in milliseconds.
    pub gap: u64,
    /// The surprise that was told.
    pub told: f32,
    /// It was learned when it seemed over.
    pub learned: bool,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Step {
    template: u64,
    count: u32,
    /// How long after the session's beginning it came last, in seconds.
    after: u32,
}

/// Different templates that are told apart in one session; further ones are one.
const MOST_STEPS: usize = 64;

/// Stands for the templates of a session that has more than are told apart.
const FURTHER: u64 = 1;

impl Live {
    /// None where the event is of no session.
    pub(super) fn key(event: &Event) -> Option<u64> {
        let named = !event.session.is_empty() || event.origin.reading.session.is_some();
        if named { event.keys.get(Scope::Session) } else { None }
    }

    pub(super) fn new(event: &Event) -> Live {
        let name = event.entity_of(Scope::Session).map(|entity| entity.name).unwrap_or_default();
        Live { name, first: event.at, last: event.at, events: 0, steps: Vec::new(), gap: 0, told: 0.0, learned: false }
    }

    /// Adds an event; answers the template it counts as, and how often that has come now.
    pub(super) fn add(&mut self, event: &Event) -> (u64, u32) {
        self.gap = self.gap.max(millis(self.last, event.at));
        self.first = self.first.min(event.at);
        self.last = self.last.max(event.at);
        self.events += 1;
        let after = u32::try_from(millis(self.first, event.at) / 1000).unwrap_or(u32::MAX);
        let place = self.steps.iter().position(|step| step.template == event.template);
        let further = || self.steps.iter().position(|step| step.template == FURTHER);
        let place = place.or_else(|| if self.steps.len() >= MOST_STEPS { further() } else { None });
        let step = match place {
            Some(at) => &mut self.steps[at],
            None => {
                let template = if self.steps.len() + 1 < MOST_STEPS { event.template } else { FURTHER };
                self.steps.push(Step { template, count: 0, after });
                let at = self.steps.len() - 1;
                &mut self.steps[at]
            }
        };
        step.count = step.count.saturating_add(1);
        step.after = step.after.max(after);
        (step.template, step.count)
    }

    /// How often each template came.
    pub(super) fn bag(&self) -> Vec<(u64, u32)> {
        self.steps.iter().map(|step| (step.template, step.count)).collect()
    }

    /// For each template, how long after the session's beginning it came last, in milliseconds.
    pub(super) fn delays(&self) -> impl Iterator<Item = (u64, u64)> {
        self.steps.iter().map(|step| (step.template, u64::from(step.after) * 1000))
    }
}

/// From one time to another, 0 where that is earlier.
pub(super) fn millis(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX)
}
