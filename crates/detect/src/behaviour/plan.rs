//! The behaviours of one scope, compiled: roles say what follows where a detection holds of an event.

use std::sync::Arc;

use lapwing_model::{Event, Field, Scope, Value, hash};
use lapwing_rules::{Position, Rule, RuleError};

use super::detections::Detections;
use super::run::lines;
use super::scenario::{self, SCOPES, Scenario, Written};
use crate::glance::Glance;

/// All behaviours, compiled per scope. Immutable and shared by all partitions.
#[derive(Debug, Default)]
pub struct Behaviours {
    plans: Vec<Arc<Plan>>,
}

/// The behaviours of one scope.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) scope: Scope,
    /// Those of all scopes.
    pub(super) detections: Arc<Detections>,
    /// For each detection, what its match does.
    roles: Vec<Vec<Role>>,
    /// For each glance, which of the lists follows of it without asking.
    surely: Vec<u16>,
    lists: Vec<Box<[Role]>>,
    /// What an event must be for any of them.
    pub(super) glance: Glance,
    /// What an event must be for any of them that has to be asked.
    pub(super) asks: Glance,
    pub(super) buckets: Vec<Counted>,
    /// Some of the buckets cover their entity.
    pub(super) covers: bool,
}

/// A bucket, and what is worked out of it beforehand.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) scenario: Scenario,
    /// Tells its buckets from those of others: a changed scenario begins anew.
    pub(super) salt: u64,
    /// The bit of a gate that it opens.
    pub(super) opens: u64,
}

/// What a match of a detection does to a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) act: Act,
    /// The bucket's number.
    pub(super) bucket: usize,
    /// The gate that has to be open, as a bit; 0 where none has.
    pub(super) gate: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Fill,
    /// Fills a gate.
    Pass,
    Drain,
    Then,
}

impl Behaviours {
    /// Takes the behaviours out of rules: those with the key `buckets`. What is wrong is left out and told.
    #[must_use]
    pub fn take(rules: &mut Vec<Rule>) -> (Behaviours, Vec<RuleError>) {
        let (mut all, mut errors) = (Vec::new(), Vec::new());
        rules.retain(|rule| match scenario::of(rule) {
            None => true,
            Some(Ok(written)) => {
                all.push(written);
                false
            }
            Some(Err(wrong)) => {
                errors.extend(wrong);
                false
            }
        });
        let detections = Arc::new(Detections::new(&all, &mut errors));
        let plans = SCOPES.iter().filter_map(|(_, scope)| Plan::new(*scope, &all, &detections, &mut errors)).map(Arc::new).collect();
        (Behaviours { plans }, errors)
    }

    pub(super) fn plan(&self, scope: Scope) -> Option<Arc<Plan>> {
        self.plans.iter().find(|plan| plan.scope == scope).cloned()
    }

    /// The detections of all scopes; none where there are no behaviours.
    pub(super) fn detections(&self) -> Option<&Detections> {
        self.plans.first().map(|plan| &*plan.detections)
    }

    /// The names of all buckets, in the order of their scopes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.plans.iter().flat_map(|plan| plan.buckets.iter().map(|counted| counted.scenario.name.as_str()))
    }

    /// Whether the bucket only opens the way for others.
    #[must_use]
    pub fn is_gate(&self, name: &str) -> bool {
        self.plans.iter().flat_map(|plan| &plan.buckets).any(|counted| counted.scenario.name == name && counted.scenario.is_gate)
    }

    /// The runs of lines that a bucket must (true) or must not (false) overflow of, by its own account.
    pub fn examples(&self, name: &str) -> impl Iterator<Item = (bool, Vec<String>)> {
        let counted = self.plans.iter().flat_map(|plan| &plan.buckets).find(|counted| counted.scenario.name == name);
        counted.into_iter().flat_map(|counted| {
            let Scenario { overflows, stays, .. } = &counted.scenario;
            overflows.iter().map(|run| (true, lines(run))).chain(stays.iter().map(|run| (false, lines(run))))
        })
    }
}

impl Plan {
    fn new(scope: Scope, all: &[Written], detections: &Arc<Detections>, errors: &mut Vec<RuleError>) -> Option<Plan> {
        let scenarios = || all.iter().flat_map(|written| written.scenarios.iter().map(move |scenario| (&written.rule, scenario)));
        let scenarios = || scenarios().filter(|(_, scenario)| scenario.scope == scope);
        let mut plan = Plan {
            scope,
            detections: Arc::clone(detections),
            roles: vec![Vec::new(); detections.len()],
            surely: Vec::new(),
            lists: Vec::new(),
            glance: Glance::NOTHING,
            asks: Glance::NOTHING,
            buckets: Vec::new(),
            covers: scenarios().any(|(_, scenario)| scenario.covers),
        };
        for (rule, scenario) in scenarios() {
            if let Err(message) = plan.add(rule, scenario) {
                let (file, message) = (Arc::clone(&rule.file), format!("the bucket '{}': {message}", scenario.name));
                let Position { line, column } = scenario.position;
                errors.push(RuleError { file, line, column, message, help: None, waits: false });
            }
        }
        plan.look();
        (!plan.buckets.is_empty()).then_some(plan)
    }

    /// Notes what events must be for the detections that have a role.
    fn look(&mut self) {
        let detections = Arc::clone(&self.detections);
        for (number, (glance, _)) in (0..).zip(detections.iter()).filter(|(number, _)| !self.roles[*number as usize].is_empty()) {
            self.glance = self.glance.or(glance);
            if !detections.is_certain(number) {
                self.asks = self.asks.or(glance);
            }
        }
        for glance in Glance::each() {
            let roles: Box<[Role]> = self.roles(&detections.certain(glance).collect::<Vec<_>>()).collect();
            let known = self.lists.iter().position(|list| *list == roles);
            self.surely.push(known.unwrap_or(self.lists.len()) as u16);
            if known.is_none() {
                self.lists.push(roles);
            }
        }
    }

    /// What follows of an event for which nothing that has to be asked holds.
    pub(super) fn surely(&self, glance: Glance) -> &[Role] {
        &self.lists[usize::from(self.surely[glance.number()])]
    }

    /// What follows of detections that hold. A gate opens for all that it guards, whichever of the detections comes first.
    pub(super) fn roles(&self, holding: &[u32]) -> impl Iterator<Item = Role> {
        let all = move || holding.iter().flat_map(|&detection| &self.roles[detection as usize]).copied();
        let passes = |role: &Role| role.act == Act::Pass;
        all().filter(passes).chain(all().filter(move |role| !passes(role)))
    }

    fn add(&mut self, rule: &Rule, scenario: &Scenario) -> Result<(), String> {
        let Some(fill) = self.find(|other| (&other.file, other.line) == (&rule.file, rule.line)) else {
            // Its detection could not be compiled, which has been told.
            return Ok(());
        };
        let named = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => match self.find(|rule| rule.name.as_ref() == Some(name)) {
                None => Err(format!("there is no rule named '{name}' with the key 'buckets'")),
                found => Ok(found),
            },
        };
        let (drain, then) = (named(&scenario.drain)?, named(&scenario.then)?);
        if self.buckets.iter().any(|counted| counted.scenario.name == scenario.name) {
            return Err("there is another of that name; choose a different one".to_owned());
        }
        let (gate, opens) = self.gates(scenario)?;
        let number = self.buckets.len();
        let act = if scenario.is_gate { Act::Pass } else { Act::Fill };
        for (detection, act) in [(Some(fill), act), (drain, Act::Drain), (then, Act::Then)] {
            if let Some(detection) = detection {
                self.roles[detection].push(Role { act, bucket: number, gate });
            }
        }
        self.buckets.push(Counted { salt: salt(scenario), scenario: scenario.clone(), opens });
        Ok(())
    }

    /// The number of the first detection that fits.
    fn find(&self, fits: impl Fn(&Rule) -> bool) -> Option<usize> {
        self.detections.iter().position(|(_, rule)| fits(rule))
    }

    /// The bit of the gate that it needs, and the bit that it opens.
    fn gates(&self, scenario: &Scenario) -> Result<(u64, u64), String> {
        if scenario.is_gate && scenario.distinct.is_some() {
            return Err("a gate counts events, not different values; leave 'distinct' out".to_owned());
        }
        let gates = || self.buckets.iter().filter(|counted| counted.opens != 0);
        let opens = if scenario.is_gate { 1_u64.checked_shl(gates().count() as u32).ok_or("there are more than 64 gates")? } else { 0 };
        let Some(name) = &scenario.gate else { return Ok((0, opens)) };
        let gate = gates().find(|counted| counted.scenario.name == *name);
        let gate = gate.ok_or(format!("there is no gate '{name}' before it, of the same scope"))?;
        Ok((gate.opens, opens))
    }
}

impl Counted {
    /// The key of the event's bucket; none where a field that parts the buckets is absent.
    pub(super) fn key(&self, entity: u64, event: &Event) -> Option<u64> {
        self.scenario.within.iter().try_fold(join(self.salt, entity), |key, field| Some(join(key, value_hash(event, field)?)))
    }
}

fn salt(scenario: &Scenario) -> u64 {
    let Scenario { name, scope, within, distinct, shape, .. } = scenario;
    hash(format!("{name} {scope} {within:?} {distinct:?} {shape:?}").as_bytes())
}

fn join(key: u64, value: u64) -> u64 {
    (key ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
}

/// The hash of what stands in a field; none where it is absent.
pub(super) fn value_hash(event: &Event, field: &Field) -> Option<u64> {
    match (field, event.get(field)) {
        (Field::ClientAddress, _) => event.keys.get(Scope::Client),
        (_, Value::Absent) => None,
        (_, Value::Text(text)) => Some(hash(text)),
        (_, Value::Number(number)) => Some(number.to_bits()),
        (_, Value::Address(address)) => Some(match address.to_canonical() {
            std::net::IpAddr::V4(v4) => hash(&v4.octets()),
            std::net::IpAddr::V6(v6) => hash(&v6.octets()),
        }),
    }
}
