//! The behaviours of one scope, compiled: one rule set answers which detections hold of an event, roles say what follows.

use std::sync::Arc;

use lapwing_model::{Event, Field, Scope, Value, hash};
use lapwing_rules::{KEYWORDS, Rule, RuleError, RuleSet};

use super::run::lines;
use super::scenario::{self, SCOPES, Scenario};

/// All behaviours, compiled per scope. Immutable and shared by all partitions.
#[derive(Debug, Default)]
pub struct Behaviours {
    plans: Vec<Arc<Plan>>,
}

/// The behaviours of one scope.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) scope: Scope,
    pub(super) set: RuleSet,
    pub(super) fields: Vec<Field>,
    /// For each rule of the set, what its match does.
    pub(super) roles: Vec<Vec<Role>>,
    pub(super) buckets: Vec<Counted>,
}

/// A bucket, and what is worked out of it beforehand.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) scenario: Scenario,
    /// Tells its buckets from those of others: a changed scenario begins anew.
    pub(super) salt: u64,
    /// Its gate, as a bit of those open; 0 where it needs none.
    pub(super) gate: u64,
    /// The bit that it opens.
    pub(super) opens: u64,
}

/// What a match of a detection does to the bucket of that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Fill(usize),
    Drain(usize),
    Then(usize),
}

impl Behaviours {
    /// Takes the behaviours out of rules: those with the key `buckets`. What is wrong is left out and told.
    #[must_use]
    pub fn take(rules: &mut Vec<Rule>) -> (Behaviours, Vec<RuleError>) {
        let (mut written, mut errors) = (Vec::new(), Vec::new());
        rules.retain(|rule| match scenario::of(rule) {
            None => true,
            Some(Ok(scenarios)) => {
                written.push((rule.clone(), scenarios));
                false
            }
            Some(Err(wrong)) => {
                errors.extend(wrong);
                false
            }
        });
        let plans = SCOPES.iter().filter_map(|(_, scope)| Plan::new(*scope, &written, &mut errors)).map(Arc::new).collect();
        (Behaviours { plans }, errors)
    }

    pub(super) fn plan(&self, scope: Scope) -> Option<Arc<Plan>> {
        self.plans.iter().find(|plan| plan.scope == scope).cloned()
    }

    /// The names of all buckets, in the order of their scopes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.plans.iter().flat_map(|plan| plan.buckets.iter().map(|counted| counted.scenario.name.as_str()))
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

type Written = (Rule, Vec<Scenario>);

impl Plan {
    fn new(scope: Scope, written: &[Written], errors: &mut Vec<RuleError>) -> Option<Plan> {
        let here = |scenarios: &[Scenario]| scenarios.iter().any(|scenario| scenario.scope == scope);
        let mine = || written.iter().flat_map(|(rule, scenarios)| scenarios.iter().map(move |s| (rule, s))).filter(|(_, s)| s.scope == scope);
        let asked: Vec<&str> = mine().flat_map(|(_, s)| [&s.drain, &s.then]).flatten().map(String::as_str).collect();
        let named = |rule: &Rule| rule.name.as_deref().is_some_and(|name| asked.contains(&name));
        let needed = written.iter().filter(|(rule, scenarios)| here(scenarios) || named(rule));
        let (set, wrong) = RuleSet::compile(needed.map(|(rule, _)| rule.clone()).collect());
        errors.extend(wrong);
        let mut plan = Plan { scope, fields: fields(&set), roles: vec![Vec::new(); set.rules().len()], set, buckets: Vec::new() };
        for (rule, scenario) in mine() {
            if let Err(message) = plan.add(rule, scenario) {
                let (file, message) = (Arc::clone(&rule.file), format!("the bucket '{}': {message}", scenario.name));
                errors.push(RuleError { file, line: rule.position.line, column: rule.position.column, message, help: None });
            }
        }
        (!plan.buckets.is_empty()).then_some(plan)
    }

    fn add(&mut self, rule: &Rule, scenario: &Scenario) -> Result<(), String> {
        let Some(fill) = self.set.rules().iter().position(|other| (&other.file, other.line) == (&rule.file, rule.line)) else {
            // Its detection could not be compiled, which has been told.
            return Ok(());
        };
        let named = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => match self.set.rules().iter().position(|rule| rule.name.as_ref() == Some(name)) {
                Some(rule) => Ok(Some(rule)),
                None => Err(format!("there is no rule named '{name}' with the key 'buckets'")),
            },
        };
        let (drain, then) = (named(&scenario.drain)?, named(&scenario.then)?);
        if self.buckets.iter().any(|counted| counted.scenario.name == scenario.name) {
            return Err("there is another of that name; choose a different one".to_owned());
        }
        let gates = self.buckets.iter().filter(|counted| counted.opens != 0);
        let opens = if scenario.is_gate { 1_u64.checked_shl(gates.count() as u32).ok_or("there are more than 64 gates")? } else { 0 };
        let gate = match &scenario.gate {
            None => 0,
            Some(name) => {
                let gate = self.buckets.iter().find(|counted| counted.opens != 0 && counted.scenario.name == *name);
                gate.map(|counted| counted.opens).ok_or(format!("there is no gate '{name}' before it"))?
            }
        };
        let number = self.buckets.len();
        self.roles[fill].push(Role::Fill(number));
        drain.into_iter().for_each(|rule| self.roles[rule].push(Role::Drain(number)));
        then.into_iter().for_each(|rule| self.roles[rule].push(Role::Then(number)));
        self.buckets.push(Counted { salt: salt(scenario), scenario: scenario.clone(), gate, opens });
        Ok(())
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

fn fields(set: &RuleSet) -> Vec<Field> {
    set.fields().iter().map(|name| if name == KEYWORDS { Field::Raw } else { Field::named(name) }).collect()
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
