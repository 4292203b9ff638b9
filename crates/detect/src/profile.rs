//! Learns what the requests of each endpoint are like, and says what is not like them: paths, methods, parameters, values.
//!
//! Everything is a question of how surprising something new is, given what was seen so far (`learn::surprise`): a second value
//! where two hundred requests had the same one, a quotation mark in a parameter of letters, a file of a kind that the site does
//! not have. It is counted in nats, and told from [`Settings::surprise`] on. Where new things are common, none is told.
//!
//! What is surprising is not learned: it waits in a quarantine until several clients had it over some time. Nor is what was
//! refused (status 400 and above), nor, however young an endpoint is, signs that syntaxes have and values rarely. Only what
//! people call normal (`lapwing learn`, [`Setup::learning`]) is learned as it is. Since all parts of a request decide together
//! whether it is learned, and parameters of the same name help each other across endpoints and methods, one instance sees all.
//!
//! What the server answered, its status and its size, is learned of ordinary requests. It says less of a request than of what came of
//! it: such a finding is noted for others to weigh more, and told alone only where what was never granted is.
//!
//! At most about 44 MiB: 16,384 parameters of 1.6 KiB, 8,192 endpoints of 700 bytes, 16,384 folders, 8,192 things in quarantine.

mod answer;
mod deviation;
mod endpoint;
mod form;
mod json;
mod memory;
mod parameter;
mod path;
mod quarantine;
mod request;
mod site;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use deviation::{Check, Deviation, NEW, total};
use endpoint::Who;
use lapwing_model::{Event, Finding, Scope, Score, Severity, Web};
use memory::Memory;
use request::Given;
use serde::{Deserialize, Serialize};

use crate::{Detector, Events, Family, Findings, Kind, Setup};

pub const KIND: Kind = Kind {
    name: "profile",
    summary: "requests unlike those seen before: paths, methods, parameters and values that an endpoint never had",
    family: Family::Statistical,
    scopes: &[Scope::All],
    enabled: |settings| settings.profile.enabled,
    build: |setup, _| Box::new(Profile::new(setup)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Tell a request from so much surprise on, in nats: 7 is about one in a thousand.
    pub surprise: f32,
    /// Days after which what was not seen again is forgotten.
    pub days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true, surprise: 7.0, days: 30 }
    }
}

/// So much more surprise it takes where nobody called what was learned normal: it may have been a part of what is normal only.
const UNVOUCHED: f32 = 2.0;

/// From so much surprise on a request is not learned.
const STRANGE: f32 = 5.0;

/// The score of an answer that is odd beside nothing else: alone it is no anomaly, but it makes what others find graver.
const NOTED: Score = Score::new(0.35);

#[derive(Debug)]
struct Profile {
    settings: Settings,
    /// People say that all of this is normal.
    trusted: bool,
    generation: Duration,
    /// Made at the first event, since only one partition ever sees one.
    memory: Option<Memory>,
    deviations: Vec<Deviation>,
}

impl Profile {
    fn new(setup: &Setup) -> Profile {
        let settings = setup.settings.profile.clone();
        let generation = Duration::from_secs(u64::from(settings.days.max(1)) * 86_400);
        Profile { settings, trusted: setup.learning, generation, memory: None, deviations: Vec::new() }
    }

    fn judge(&mut self, event: &Event, web: &Web) -> Option<Finding> {
        let memory = self.memory.get_or_insert_with(Memory::new);
        let who = Who { client: event.keys.get(Scope::Client).unwrap_or(0), trusted: self.trusted };
        let asked = memory.ask(event, web);
        let refused = web.status >= 400;
        if asked.is_plain && memory.learn_expected(&asked, web, event.at, who, self.generation) {
            return None;
        }
        let mut given: Vec<Given<'_>> = Vec::new();
        if !asked.is_plain {
            given.reserve(16);
            request::parameters(event, web, &mut given);
        }
        if who.trusted {
            memory.learn(&asked, &given, event.at, who, self.generation);
            memory.learn_answer(&asked, web);
            return None;
        }
        self.deviations.clear();
        let syntax = memory.judge(&asked, &given, web.status, &mut self.deviations);
        let (own, strange) = (self.deviations.len(), total(&self.deviations));
        memory.judge_answer(&asked, web, &mut self.deviations);
        let surprise = total(&self.deviations);
        let least = self.settings.surprise + if memory.is_vouched_for(&asked) { 0.0 } else { UNVOUCHED };
        let noted = self.deviations[own..].iter().any(|answer| answer.evidence >= STRANGE);
        let mut finding = (surprise >= least || noted).then(|| finding(memory, event, &asked, &given, &self.deviations, surprise));
        if surprise < least {
            finding = finding.map(|finding| Finding { score: NOTED, ..finding });
        }
        let ordinary = strange < STRANGE && !syntax;
        if !refused && (ordinary || memory.detain(&asked, &given, &self.deviations[..own], event.at, who.client)) {
            memory.learn(&asked, &given, event.at, who, self.generation);
        }
        if ordinary {
            memory.learn_answer(&asked, web);
        }
        finding
    }
}

fn finding(
    memory: &Memory,
    event: &Event,
    asked: &memory::Asked<'_>,
    given: &[Given<'_>],
    deviations: &[Deviation],
    surprise: f32,
) -> Finding {
    let mut ordered: Vec<&Deviation> = deviations.iter().filter(|deviation| deviation.evidence >= NEW).collect();
    ordered.sort_by(|a, b| b.evidence.total_cmp(&a.evidence));
    let told: Vec<_> = ordered.iter().take(3).map(|deviation| memory.tell(deviation, asked, given)).collect();
    let strongest = ordered.first().map_or(Check::Path, |deviation| deviation.check);
    let more = ordered.len() - told.len();
    let mut reason = told.iter().map(|told| told.reason.as_str()).collect::<Vec<_>>().join("; ");
    if more > 0 {
        reason.push_str(&format!("; and {more} more"));
    }
    let first = told.into_iter().next().unwrap_or_default();
    Finding {
        detector: KIND.name,
        rule: Cow::Borrowed(strongest.rule()),
        class: Cow::Borrowed(strongest.class()),
        entity: event.entity(),
        score: Score::new(0.5 + (surprise - 7.0) / 10.0),
        severity: Severity::Info,
        count: 1,
        since: None,
        reason,
        expected: first.expected,
        observed: first.observed,
    }
}

impl Detector for Profile {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        for (at, event) in events.iter() {
            if let Some(web) = event.web() {
                findings.extend_event(at, self.judge(event, web));
            }
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if let Some(memory) = &self.memory {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(memory).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        self.memory = Some(postcard::from_bytes(state).map_err(|error| format!("the saved profile cannot be read: {error}"))?);
        Ok(())
    }

    fn entities(&self) -> usize {
        self.memory.as_ref().map_or(0, Memory::endpoints)
    }
}
