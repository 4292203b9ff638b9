//! What came next in a session is not what comes next: the surprise of each template after the twenty before it, by a sequence
//! model that `lapwing learn` trained ([`lapwing_learn::sequence`]). Without a model it says nothing.
//!
//! The end is a step as well, where sessions that ended were learned: a session that was quiet for longer than sessions are is
//! over, and is judged by what should have come instead. One that goes on nevertheless had no end.
//!
//! The model is immutable and shared; each partition keeps its sessions. What it says of a session depends on nothing else. A
//! changed model takes sessions over as they are: their latest templates are put into its words.

mod model;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use lapwing_learn::Lru;
use lapwing_learn::sequence::{Scorer, Session, Step};
use lapwing_model::{Entity, Event, Finding, Scope, Score, Severity, Timestamp, hash, printable};
use serde::{Deserialize, Serialize};

use self::model::End;
pub use self::model::TemplateModel;
use crate::{Detector, Events, Family, Findings, Kind, Knowledge, Setup};

pub const KIND: Kind = Kind {
    name: "transformer",
    summary: "the next step of a session is not one that comes after the steps before it, by a model that was trained",
    family: Family::Sequence,
    scopes: &[Scope::Session],
    enabled: |settings| settings.transformer.enabled,
    build: |setup, _| Box::new(Transformer::new(setup)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Sessions followed at once.
    pub sessions: usize,
    /// A step is noted where no more than one in so many ordinary ones is as surprising.
    pub one_in: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true, sessions: 200_000, one_in: 1000.0 }
    }
}

#[derive(Debug)]
struct Transformer {
    one_in: f64,
    /// Of this partition, at once.
    most: usize,
    learning: bool,
    /// Sessions and the rings of what was computed of them; nothing without a model.
    following: Option<Following>,
}

#[derive(Debug)]
struct Following {
    model: Arc<TemplateModel>,
    scorer: Scorer,
    sessions: Sessions,
    /// Events of the batch that are steps of sessions.
    pushed: Vec<u16>,
}

/// What is saved.
#[derive(Debug, Serialize, Deserialize)]
struct Sessions {
    live: Lru<Followed>,
    /// Those whose end was judged: should one go on, it was none.
    resting: Lru<Followed>,
    /// When ends were looked for last.
    looked: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Followed {
    session: Session,
    last: Timestamp,
    /// Kept only where its end will be judged.
    name: Box<str>,
}

/// Characters of the line that is shown.
const TEXT: usize = 100;
/// Templates named as expected.
const NAMED: usize = 3;
/// Seconds of event time between two looks for sessions that are over: what is judged in blocks is not cut more often.
const LOOK_EVERY: i64 = 60;
/// Of the sessions that may go on, so many rest.
const RESTING: usize = 8;

impl Transformer {
    fn new(setup: &Setup) -> Transformer {
        let settings = &setup.settings.transformer;
        // Each of the partitions follows its part.
        let most = (settings.sessions / lapwing_model::PARTITIONS).max(1);
        let mut transformer = Transformer { one_in: settings.one_in, most, learning: setup.learning, following: None };
        transformer.follow(setup.templates.clone());
        transformer
    }

    /// By this model from now on; by none where sessions are only learned from.
    fn follow(&mut self, model: Option<Arc<TemplateModel>>) {
        let before = self.following.take();
        self.following = model.filter(|_| !self.learning).map(|model| {
            let sessions = match before {
                Some(before) => before.sessions.under(&before.model, &model),
                None => Sessions::new(self.most),
            };
            Following { scorer: Scorer::new(model.model.clone(), self.most), model, sessions, pushed: Vec::new() }
        });
    }
}

impl Sessions {
    fn new(most: usize) -> Sessions {
        Sessions { live: Lru::new(most), resting: Lru::new(most / RESTING), looked: Timestamp::MIN }
    }

    fn under(mut self, before: &TemplateModel, model: &TemplateModel) -> Sessions {
        for followed in self.live.values_mut().chain(self.resting.values_mut()) {
            followed.session = model.takes_over(before, &followed.session);
        }
        self
    }

    /// The session of an event: one that goes on, or a new one.
    fn of(&mut self, key: u64, event: &Event, end: Option<End>) -> &mut Session {
        let resumed = end.and_then(|_| self.resting.remove(key));
        let (followed, _) = self.live.get_or_insert_with(key, || {
            let name = || event.entity_of(Scope::Session).map(|entity| entity.name).unwrap_or_default();
            let new = || Followed { session: Session::new(), last: event.at, name: end.map(|_| name()).unwrap_or_default() };
            resumed.unwrap_or_else(new)
        });
        followed.last = followed.last.max(event.at);
        &mut followed.session
    }

    /// Takes out a session that has been quiet for too long at `now`; it rests from then on.
    fn over(&mut self, now: Timestamp, end: End) -> Option<Followed> {
        let (key, oldest) = self.live.oldest()?;
        if now.since(oldest.last) <= end.quiet {
            return None;
        }
        let followed = self.live.remove(key)?;
        self.resting.get_or_insert_with(key, || followed.clone());
        Some(followed)
    }
}

impl Following {
    /// Judges the ends of sessions that are over at `now`.
    fn look_for_ends(&mut self, now: Timestamp, end: End, one_in: f64, findings: &mut Findings) {
        let mut over = Vec::new();
        while let Some(mut followed) = self.sessions.over(now, end) {
            self.scorer.push(&mut followed.session, end.word);
            over.push(followed);
        }
        let outcome = self.scorer.finish();
        for (number, (followed, step)) in over.iter().zip(outcome.steps()).enumerate() {
            let probability = self.model.surprises.steps.probability(step.surprise);
            if probability * one_in <= 1.0 {
                let expected = outcome.expected(number, NAMED);
                let told = Told { step, probability, expected: self.model.shown(&expected) };
                // Sessions that lack the same are alike.
                let lacking = expected.first().map_or(0, |likeliest| likeliest.class);
                findings.push_alike_at_tick(told.of_end(followed), pattern(TemplateModel::END, lacking));
            }
        }
    }
}

impl Detector for Transformer {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        let Some(Following { model, scorer, sessions, pushed }) = &mut self.following else { return };
        pushed.clear();
        let mut seen: Vec<&Event> = Vec::new();
        for (at, event, key) in events.iter().filter_map(|(at, event)| Some((at, event, key(event)?))) {
            scorer.push(sessions.of(key, event, model.end), model.word(event.template));
            pushed.push(at);
            seen.push(event);
        }
        let outcome = scorer.finish();
        for (number, ((&at, event), step)) in pushed.iter().zip(seen).zip(outcome.steps()).enumerate() {
            let probability = model.surprises.steps.probability(step.surprise);
            if probability * self.one_in <= 1.0 {
                let told = Told { step, probability, expected: model.shown(&outcome.expected(number, NAMED)) };
                findings.push_alike(at, told.of_step(event), pattern(event.template, 0));
            }
        }
    }

    fn wants_ticks(&self) -> bool {
        self.following.as_ref().is_some_and(|following| following.model.end.is_some())
    }

    fn wants_tick(&self, now: Timestamp) -> bool {
        let minute = |time: Timestamp| time.seconds().div_euclid(LOOK_EVERY);
        self.following.as_ref().is_some_and(|following| minute(now) != minute(following.sessions.looked))
    }

    fn tick(&mut self, now: Timestamp, findings: &mut Findings) {
        let Some(following) = &mut self.following else { return };
        following.sessions.looked = now;
        if let Some(end) = following.model.end {
            following.look_for_ends(now, end, self.one_in, findings);
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        let seen = |sessions: &Sessions| !sessions.live.is_empty() || !sessions.resting.is_empty();
        if let Some(sessions) = self.following.as_ref().map(|following| &following.sessions).filter(|sessions| seen(sessions)) {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(sessions).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let Some(following) = &mut self.following else { return Ok(()) };
        let mut sessions: Sessions =
            postcard::from_bytes(state).map_err(|error| format!("the saved sessions cannot be read: {error}"))?;
        sessions.live.set_capacity(self.most);
        sessions.resting.set_capacity(self.most / RESTING);
        following.sessions = sessions;
        Ok(())
    }

    fn renew(&mut self, model: &Knowledge) {
        self.follow(model.templates.clone());
    }

    fn forget(&mut self, key: u64) {
        if let Some(following) = &mut self.following {
            following.sessions.live.remove(key);
            following.sessions.resting.remove(key);
        }
    }

    fn entities(&self) -> usize {
        self.following.as_ref().map_or(0, |following| following.sessions.live.len())
    }
}

/// The session that an event is a step of.
fn key(event: &Event) -> Option<u64> {
    let named = !event.session.is_empty() || event.origin.reading.session.is_some();
    if named { event.keys.get(Scope::Session) } else { None }
}

/// What sessions that surprise by the same step have in common.
fn pattern(template: u64, more: u16) -> u64 {
    hash(&[&template.to_le_bytes()[..], &more.to_le_bytes()].concat())
}

/// A step that is worth a word.
struct Told<'a> {
    step: &'a Step,
    probability: f64,
    expected: String,
}

impl Told<'_> {
    fn of_step(self, event: &Event) -> Finding {
        let entity = event.entity_of(Scope::Session).unwrap_or_else(|| event.entity());
        let text = printable(&event.raw).within(TEXT).to_string();
        let reason = format!("in session {}, \"{text}\" came, {}", entity.name, self.surprising());
        self.finding(entity, "next-step", reason, &text)
    }

    fn of_end(self, followed: &Followed) -> Finding {
        let entity = Entity::new(Scope::Session, followed.name.clone());
        let reason = format!("session {} ended, {}", followed.name, self.surprising());
        let found = self.finding(entity, "end", reason, TemplateModel::END_TEXT);
        Finding { since: Some(followed.last), ..found }
    }

    fn surprising(&self) -> String {
        format!("which {} steps were likelier than: one in {:.0} is as surprising", self.step.rank, 1.0 / self.probability)
    }

    fn finding(self, entity: Entity, rule: &'static str, reason: String, observed: &str) -> Finding {
        Finding {
            detector: KIND.name,
            rule: rule.into(),
            class: "unusual-session".into(),
            entity,
            score: Score::of_tail(self.probability),
            severity: Severity::Info,
            count: 1,
            since: None,
            reason,
            expected: self.expected,
            observed: format!("\"{observed}\", {:.1} nats, rank {}", self.step.surprise, u64::from(self.step.rank) + 1),
        }
    }
}
