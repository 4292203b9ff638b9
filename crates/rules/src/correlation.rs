//! Matches over time: how many, how many different, which together.

mod lru;
mod window;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::matcher::RuleSet;
use crate::plan::Plan;
use crate::rule::{CorrelationKind, Rule};
use crate::value::{Fields, TextBuffer, Value};

use lru::Lru;
use window::Window;

/// How much the correlations may remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Groups (one for each combination of `group-by` values); the one not seen for longest makes room.
    pub groups: usize,
    /// Times or values of one group; the oldest make room. A count beyond it is told as this many.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { groups: 100_000, events: 10_000 }
    }
}

/// A correlation that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fired {
    /// The index of the correlation in [`RuleSet::rules`].
    pub rule: usize,
    /// What was counted in the window: events, distinct values, or rules.
    pub count: u64,
    /// The times of the first and the last event in the window, in nanoseconds.
    pub first: i64,
    pub last: i64,
    /// It did not hold at the group's event before this one: the beginning of something.
    pub fresh: bool,
}

/// What was passed over, since the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Groups forgotten because there were too many.
    pub evicted: u64,
    /// Matches that lack a field of `group-by` (or the field whose values are counted).
    pub ungrouped: u64,
}

/// A saved state that cannot be read.
#[derive(Debug)]
pub struct LoadError(postcard::Error);

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read the saved state of the correlations: {}; it is from another version or damaged", self.0)
    }
}

impl std::error::Error for LoadError {}

/// The state of the correlations of a rule set.
///
/// Time is that of the events. They need not come in order: a late event is counted where it belongs in time. Each group
/// keeps two stretches of time, so that two hosts with clocks apart, or a file that begins anew, do not wipe each other out.
#[derive(Debug)]
pub struct Correlations {
    plans: Arc<[Plan]>,
    enabled: Vec<bool>,
    /// Per rule: the plans that count it, and its place among their sources.
    feeds: Vec<Vec<(usize, usize)>>,
    limits: Limits,
    groups: Lru<Window>,
    counters: Counters,
    /// What fired and is itself counted by another correlation.
    pending: Vec<usize>,
}

impl Correlations {
    /// The correlations of `set` that `only` (given index and rule) chooses.
    #[must_use]
    pub fn new(set: &RuleSet, limits: Limits, only: impl Fn(usize, &Rule) -> bool) -> Correlations {
        let plans = Arc::clone(set.plans());
        let enabled: Vec<bool> =
            plans.iter().map(|plan| set.rules().get(plan.rule).is_some_and(|rule| only(plan.rule, rule))).collect();
        let mut feeds = vec![Vec::new(); set.rules().len()];
        for (number, plan) in plans.iter().enumerate().filter(|(number, _)| enabled[*number]) {
            plan.sources.iter().enumerate().for_each(|(ordinal, source)| feeds[source.rule].push((number, ordinal)));
        }
        let groups = Lru::new(limits.groups);
        Correlations { plans, enabled, feeds, limits, groups, counters: Counters::default(), pending: Vec::new() }
    }

    /// Whether no correlation was chosen, so that nothing need be observed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.enabled.contains(&true)
    }

    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How many groups are remembered.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The rule matched this event, whose time is `at` nanoseconds. Adds to `fired` the correlations that hold now.
    /// `event` answers the same fields as for [`RuleSet::matches`].
    pub fn observe<F: Fields + ?Sized>(&mut self, rule: usize, at: i64, event: &F, fired: &mut Vec<Fired>) {
        let plans = Arc::clone(&self.plans);
        self.pending.push(rule);
        // A correlation stands behind what it counts, so that going upwards each is asked once per event.
        while let Some(rule) = self.pending.iter().copied().min() {
            self.pending.retain(|other| *other != rule);
            for step in 0..self.feeds.get(rule).map_or(0, Vec::len) {
                let (number, ordinal) = self.feeds[rule][step];
                self.count(number, &plans[number], ordinal, at, event, fired);
            }
        }
    }

    fn count<F: Fields + ?Sized>(
        &mut self,
        number: usize,
        plan: &Plan,
        ordinal: usize,
        at: i64,
        event: &F,
        fired: &mut Vec<Fired>,
    ) {
        let source = &plan.sources[ordinal];
        let value = match source.value_fields.as_slice() {
            [field] if plan.kind == CorrelationKind::ValueCount => hash_of(event.get(*field)),
            fields @ [_, _, ..] => group_key(0, fields, event).map(|together| together as u64),
            // A number that is none (or endless) would spoil all sums behind it.
            [field] => event.get(*field).number().filter(|number| number.is_finite()).map(f64::to_bits),
            [] => Some(0),
        };
        let (Some(key), Some(value)) = (group_key(plan.fingerprint, &source.group_fields, event), value) else {
            self.counters.ungrouped += 1;
            return;
        };
        let (window, evicted) = self.groups.get_or_insert(key, number, Window::new);
        self.counters.evicted += u64::from(evicted);
        if let Some(seen) = window.add(plan, at, ordinal, value, self.limits.events) {
            fired.push(Fired { rule: plan.rule, count: seen.count, first: seen.first, last: seen.last, fresh: seen.fresh });
            self.pending.push(plan.rule);
        }
    }

    /// Appends the state to `out`.
    pub fn save(&self, out: &mut Vec<u8>) {
        let mut saved = Saved::default();
        for (key, number, window) in self.groups.oldest_first() {
            saved.groups.push((key, self.plans[number].fingerprint, window.clone()));
        }
        // Writing numbers and lists to memory cannot fail.
        if let Ok(bytes) = postcard::to_allocvec(&saved) {
            out.extend(bytes);
        }
    }

    /// Takes a saved state in place of the present one. What belongs to rules that have changed or gone is left out.
    ///
    /// # Errors
    /// Where the bytes are not a saved state; the present one stays.
    pub fn load(&mut self, state: &[u8]) -> Result<(), LoadError> {
        let saved: Saved = postcard::from_bytes(state).map_err(LoadError)?;
        let plans = self.plans.iter().enumerate().filter(|(number, _)| self.enabled[*number]);
        let numbers: BTreeMap<u64, usize> = plans.map(|(number, plan)| (plan.fingerprint, number)).collect();
        self.groups = Lru::new(self.limits.groups);
        for (key, fingerprint, window) in saved.groups {
            if let Some(number) = numbers.get(&fingerprint)
                && window.fits(&self.plans[*number])
            {
                let (slot, _) = self.groups.get_or_insert(key, *number, Window::new);
                *slot = window;
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    /// Key, fingerprint of the correlation, state; the one not used for longest first.
    groups: Vec<(u128, u64, Window)>,
}

/// The values of the grouping fields as one number. 128 bits, so that groups do not meet. Nothing where a field is absent.
fn group_key<F: Fields + ?Sized>(fingerprint: u64, fields: &[usize], event: &F) -> Option<u128> {
    let mut hasher = Xxh3::new();
    hasher.update(&fingerprint.to_le_bytes());
    for field in fields {
        let mut buffer = TextBuffer::new();
        let value = event.get(*field);
        let text = value.text(&mut buffer)?;
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    Some(hasher.digest128())
}

fn hash_of(value: Value<'_>) -> Option<u64> {
    value.text(&mut TextBuffer::new()).map(xxhash_rust::xxh3::xxh3_64)
}
