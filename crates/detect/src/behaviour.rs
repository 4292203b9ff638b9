//! Behaviours: what is harmless once and an attack when it goes on. Probing, brute force, spraying, crawling, floods.
//!
//! Each is data (`/behaviours/*.yml`): a Sigma detection says which events count, buckets say how they are counted: whose
//! (client, network, user, source), every event or different values only, how many a bucket holds, how fast it leaks.
//! Events that belong to an overflowing bucket are told each, as one thing: the desk makes one anomaly of them.

mod bucket;
mod detections;
mod gates;
mod plan;
mod run;
mod scenario;
mod span;
mod tell;
#[cfg(test)]
mod tests;
mod when;

use std::sync::Arc;

use lapwing_learn::Lru;
use lapwing_model::{Event, Finding, PARTITIONS, Scope, Score, Severity};
use serde::{Deserialize, Serialize};

use bucket::{Bucket, Poured};
use detections::Asker;
use gates::Gates;
use plan::{Act, Plan, Role, value_hash};
use scenario::Scenario;

pub use bucket::Place;
pub use plan::Behaviours;

use crate::glance::{Answers, Glance};
use crate::{Detector, Events, Family, Findings, Kind, Rulebook, Setup};

pub const KIND: Kind = Kind {
    name: "behaviour",
    summary: "probing, scanning, brute force, spraying, crawling and floods, per client, network, user and source",
    family: Family::Rules,
    // The first asks, the others count.
    scopes: &[Scope::Event, Scope::Client, Scope::Network, Scope::User, Scope::Source],
    enabled: |settings| settings.behaviour.enabled,
    build: |setup, scope| match scope {
        Scope::Event => Box::new(Asking { behaviours: setup.rulebook.behaviours.clone(), asker: Asker::with_memory() }),
        scope => Box::new(Behaviour::new(setup, scope)),
    },
};

/// The behaviours that come with Lapwing: file name and text.
pub const BUILTIN: &[(&str, &str)] = &[
    ("builtin/behaviours/web-traffic.yml", include_str!("../../../behaviours/web-traffic.yml")),
    ("builtin/behaviours/web-scanning.yml", include_str!("../../../behaviours/web-scanning.yml")),
    ("builtin/behaviours/web-logins.yml", include_str!("../../../behaviours/web-logins.yml")),
    ("builtin/behaviours/web-attacks.yml", include_str!("../../../behaviours/web-attacks.yml")),
    ("builtin/behaviours/logins.yml", include_str!("../../../behaviours/logins.yml")),
];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Buckets of each scope that are remembered; the one used longest ago is forgotten first.
    pub buckets: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true, buckets: 16_384 }
    }
}

/// Counts for one scope, for one partition of its keys.
#[derive(Debug)]
struct Behaviour {
    scope: Scope,
    plan: Option<Arc<Plan>>,
    memory: Memory,
    asker: Asker,
    /// The detections that hold of an event, kept for its room.
    holding: Vec<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    buckets: Lru<Bucket>,
    gates: Gates,
    /// Entities of which everything belongs to an overflow.
    covered: Lru<Cover>,
}

/// Whatever the entity does until then belongs to that bucket.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Cover {
    bucket: u64,
    /// Names the bucket's scenario.
    salt: u64,
    began: i64,
    until: i64,
}

impl Behaviour {
    fn new(setup: &Setup, scope: Scope) -> Behaviour {
        let buckets = setup.settings.behaviour.buckets.div_ceil(PARTITIONS);
        Behaviour {
            scope,
            plan: setup.rulebook.behaviours.plan(scope),
            memory: Memory { buckets: Lru::new(buckets), gates: Gates::new(buckets), covered: Lru::new(buckets.div_ceil(16)) },
            asker: Asker::default(),
            holding: Vec::new(),
        }
    }

    fn judge(&mut self, plan: &Plan, at: u16, event: &Event, glance: Glance, answers: &Answers, findings: &mut Findings) {
        let Some(entity) = event.keys.get(plan.scope) else { return };
        let mut turn = Turn { plan, event, entity, open: 0, leads: false, told: Vec::new() };
        let asked = if glance.meets(plan.asks) { plan.detections.asked(event, glance, answers, &mut self.asker) } else { &[] };
        if asked.is_empty() {
            plan.surely(glance).iter().for_each(|&role| turn.play(role, &mut self.memory));
        } else {
            self.holding.clear();
            self.holding.extend(plan.detections.certain(glance).chain(asked.iter().copied()));
            self.holding.sort_unstable();
            plan.roles(&self.holding).for_each(|role| turn.play(role, &mut self.memory));
        }
        if !self.memory.covered.is_empty() && !turn.leads {
            turn.cover(&self.memory);
        }
        turn.tell(at, findings);
    }
}

/// One event's way through the buckets.
struct Turn<'a> {
    plan: &'a Plan,
    event: &'a Event,
    entity: u64,
    /// The gates that are open.
    open: u64,
    /// Something was found that speaks for all that the entity does.
    leads: bool,
    told: Vec<Told>,
}

/// A finding, whether it leads, and the earlier events that it is about as well.
type Told = (Finding, bool, Vec<Place>);

impl Turn<'_> {
    /// Most roles stand behind a gate, and most gates are closed.
    #[inline]
    fn play(&mut self, role: Role, memory: &mut Memory) {
        if role.gate & !self.open == 0 {
            self.act(role, memory);
        }
    }

    fn act(&mut self, role: Role, memory: &mut Memory) {
        let counted = &self.plan.buckets[role.bucket];
        let Some(key) = counted.key(self.entity, self.event) else { return };
        let (now, shape) = (self.event.at.nanos(), &counted.scenario.shape);
        match role.act {
            Act::Fill => self.fill(role.bucket, key, memory),
            Act::Pass => {
                if memory.gates.pour(counted.opens.trailing_zeros() as usize, key, now, shape) {
                    self.open |= counted.opens;
                }
            }
            Act::Drain => {
                if let Some(bucket) = memory.buckets.get(key) {
                    bucket.drain(now, shape);
                }
            }
            Act::Then => {
                if let Some(bucket) = memory.buckets.get(key)
                    && bucket.is_over(now, shape)
                {
                    let count = bucket.count() + 1;
                    // It leads, so that it is not lost in the attack that it crowns.
                    self.told.push((tell::finding(KIND.name, counted, bucket, self.event, count), true, Vec::new()));
                    self.leads = true;
                    *bucket = Bucket::default();
                }
            }
        }
    }

    fn fill(&mut self, number: usize, key: u64, Memory { buckets, covered, .. }: &mut Memory) {
        let counted = &self.plan.buckets[number];
        let scenario = &counted.scenario;
        let value = match &scenario.distinct {
            Some(field) => match value_hash(self.event, field) {
                None => return,
                value => value,
            },
            None => None,
        };
        let bucket = buckets.get_or_insert_with(key, Bucket::default).0;
        let speaks = scenario.then.is_none();
        let place = speaks.then_some((self.event.origin.id, self.event.position));
        let poured = bucket.pour(self.event.at.nanos(), value, place, &scenario.shape);
        let (earlier, count) = match poured {
            Poured::Held => return,
            Poured::Over(earlier) => (earlier, bucket.count()),
            Poured::Still => (Vec::new(), 1),
        };
        if !speaks {
            return;
        }
        // What a cover told of before is not counted twice.
        let count = if self.is_told(scenario, bucket.began(), covered) { 1 } else { count };
        let finding = tell::finding(KIND.name, counted, bucket, self.event, count);
        if scenario.covers {
            let until = self.event.at.nanos().saturating_add(scenario.shape.mute);
            let cover = Cover { bucket: key, salt: counted.salt, began: bucket.began(), until };
            *covered.get_or_insert_with(self.entity, || cover).0 = cover;
        }
        self.leads |= scenario.covers;
        self.told.push((finding, scenario.covers, earlier));
    }

    /// Whether all that the entity did since `began` was told of, as something of the same class.
    fn is_told(&self, scenario: &Scenario, began: i64, covered: &Lru<Cover>) -> bool {
        let Some(cover) = covered.peek(self.entity) else { return false };
        let class = self.plan.buckets.iter().find(|counted| counted.salt == cover.salt).map(|counted| &counted.scenario.class);
        let now = self.event.at.nanos();
        class == Some(&scenario.class) && cover.began <= began && (cover.began..=cover.until).contains(&now)
    }

    /// Tells of an event that no covering bucket counted, but whose entity is covered.
    fn cover(&mut self, memory: &Memory) {
        let Some(cover) = memory.covered.peek(self.entity) else { return };
        let now = self.event.at.nanos();
        if now > cover.until || now < cover.began {
            return;
        }
        let counted = self.plan.buckets.iter().find(|counted| counted.salt == cover.salt);
        if let (Some(counted), Some(bucket)) = (counted, memory.buckets.peek(cover.bucket)) {
            let finding = tell::finding(KIND.name, counted, bucket, self.event, 1);
            self.told.push((finding, true, Vec::new()));
        }
    }

    /// Hands out what was found. Buckets that overflow of the same event do not confirm one another: one of them counts, the
    /// others are only named.
    fn tell(mut self, at: u16, findings: &mut Findings) {
        if self.told.is_empty() {
            return;
        }
        self.told.sort_by_key(|(finding, leads, _)| std::cmp::Reverse((*leads, finding.severity)));
        let earlier: Vec<Place> = self.told.iter_mut().flat_map(|(_, _, earlier)| std::mem::take(earlier)).collect();
        let mut told = self.told.into_iter().map(|(finding, leads, _)| (finding, leads));
        if let Some((finding, leads)) = told.next() {
            findings.push_with(at, finding, leads, earlier);
        }
        for (mut finding, _) in told {
            (finding.score, finding.severity) = (Score::new(0.1), Severity::Info);
            findings.push(at, finding);
        }
    }
}

/// Asks of each event which detections hold, before anybody counts. Whoever comes to an event first would do it as well; this
/// one sees every address, and so remembers more of them.
#[derive(Debug)]
struct Asking {
    behaviours: Arc<Behaviours>,
    asker: Asker,
}

impl Detector for Asking {
    fn observe(&mut self, events: Events<'_>, _: &mut Findings) {
        let Some(detections) = self.behaviours.detections() else { return };
        for (at, event, glance) in events.of(detections.asks()) {
            if let Some(answers) = events.behaviours(at) {
                detections.asked(event, glance, answers, &mut self.asker);
            }
        }
    }

    fn save(&self, _: &mut Vec<u8>) {}

    fn load(&mut self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn reload(&mut self, rulebook: &Rulebook) {
        *self = Asking { behaviours: rulebook.behaviours.clone(), asker: Asker::with_memory() };
    }
}

impl Detector for Behaviour {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        let Some(plan) = self.plan.clone() else { return };
        // What an entity does belongs to its scan, whatever it is.
        let wanted = if plan.covers { Glance::ANY } else { plan.glance };
        for (at, event, glance) in events.of(wanted) {
            let unshared = Answers::new();
            let answers = events.behaviours(at).unwrap_or(&unshared);
            self.judge(&plan, at, event, glance, answers, findings);
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if !self.memory.buckets.is_empty() || !self.memory.gates.is_empty() {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(&self.memory).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let saved: Memory = postcard::from_bytes(state).map_err(|error| format!("the saved behaviours cannot be read: {error}"))?;
        let Memory { buckets, gates, covered } = std::mem::replace(&mut self.memory, saved);
        self.memory.buckets.set_capacity(buckets.capacity());
        self.memory.gates.set_places(&gates);
        self.memory.covered.set_capacity(covered.capacity());
        Ok(())
    }

    /// Buckets that are written as before keep what is in them; those that are gone are forgotten as time passes.
    fn reload(&mut self, rulebook: &Rulebook) {
        self.plan = rulebook.behaviours.plan(self.scope);
    }

    fn entities(&self) -> usize {
        self.memory.buckets.len()
    }
}
