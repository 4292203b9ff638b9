//! Many rules against one event: literals choose the candidates, the candidates are confirmed.

mod access;
mod automaton;
mod check;
mod compile;
mod gram;
mod index;
mod regex;

use std::fmt;
use std::sync::Arc;

use crate::error::RuleError;
use crate::plan::Plan;
use crate::rule::{LogSource, Rule};
use crate::value::Fields;

use check::Program;
use index::FieldIndex;

/// Compiled rules. Immutable, so that threads can share it; each thread has its own [`Scratch`].
pub struct RuleSet {
    rules: Vec<Rule>,
    fields: Vec<String>,
    entities: Vec<Option<usize>>,
    /// Rules that only feed correlations.
    silent: Vec<bool>,
    program: Program,
    indexes: Vec<FieldIndex>,
    /// Per rule: the kinds of event that it is about.
    kinds: Vec<u64>,
    /// The indexes that must be asked about every event of some kinds, since a candidate can come of them.
    eager: Vec<(usize, u64)>,
    /// Bits of the rules that are candidates whatever the event holds.
    always: Vec<u64>,
    plans: Arc<[Plan]>,
}

impl RuleSet {
    /// Compiles rules. Those that cannot be compiled are left out and told about; the others work. Detections come first in
    /// [`rules`](RuleSet::rules), then correlations, each in the order given (a correlation behind those it refers to).
    #[must_use]
    pub fn compile(rules: Vec<Rule>) -> (RuleSet, Vec<RuleError>) {
        compile::compile(rules, |_| u64::MAX)
    }

    /// The same with routing: `kinds` says which kinds of event (one bit each) a log source stands for, and an event says by
    /// [`Fields::kinds`] of which kinds it is. A rule is asked about events of its kinds only. One without any kind is not
    /// [applicable](RuleSet::applicable): it is not compiled (so that mistakes in its expressions are not found) and costs
    /// nothing.
    #[must_use]
    pub fn compile_for(rules: Vec<Rule>, kinds: impl Fn(&LogSource) -> u64) -> (RuleSet, Vec<RuleError>) {
        compile::compile(rules, kinds)
    }

    /// Whether there can be an event that the rule is about.
    #[must_use]
    pub fn applicable(&self, rule: usize) -> bool {
        self.kinds.get(rule).is_some_and(|kinds| *kinds != 0)
    }

    /// The names of the fields that the rules ask for; the index into it is what [`Fields::get`] is given.
    /// The name [`KEYWORDS`](crate::KEYWORDS) stands for all that the event says.
    #[must_use]
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The field that a rule says its findings are about (its key `entity`).
    #[must_use]
    pub fn entity(&self, rule: usize) -> Option<usize> {
        self.entities.get(rule).copied().flatten()
    }

    /// Whether a match of the rule is itself worth telling. It is not where the rule only feeds correlations that do not
    /// say `generate: true`.
    #[must_use]
    pub fn speaks(&self, rule: usize) -> bool {
        self.silent.get(rule) == Some(&false)
    }

    pub(crate) fn plans(&self) -> &Arc<[Plan]> {
        &self.plans
    }

    /// The detections that hold of an event, as ascending indexes into [`rules`](RuleSet::rules). `found` is cleared first.
    pub fn matches<F: Fields + ?Sized>(&self, scratch: &mut Scratch, event: &F, found: &mut Vec<usize>) {
        found.clear();
        scratch.begin(self);
        let kinds = event.kinds();
        for &(index, of_rules) in &self.eager {
            if of_rules & kinds != 0 {
                self.indexes[index].probe(event, index, scratch);
            }
        }
        for word in 0..scratch.candidates.len() {
            let mut bits = scratch.candidates[word];
            while bits != 0 {
                let rule = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if self.kinds[rule] & kinds != 0 && self.program.holds(rule, event, &self.indexes, scratch) {
                    found.push(rule);
                }
            }
        }
    }
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleSet").field("rules", &self.rules.len()).field("fields", &self.fields).finish_non_exhaustive()
    }
}

/// Memory that one thread keeps from event to event, so that matching allocates nothing. It fits any rule set.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Grows with each event; what carries another epoch is of an earlier one.
    epoch: u64,
    /// Per literal: the epoch in which it was last seen, and where (see `index`).
    stamps: Vec<u64>,
    /// Per field index: the epoch in which it was last asked.
    probed: Vec<u64>,
    candidates: Vec<u64>,
    folded: Vec<u8>,
    cut: u64,
}

impl Scratch {
    #[must_use]
    pub fn new() -> Scratch {
        Scratch::default()
    }

    /// How often a regular expression saw only the first 64 KiB of a value.
    #[must_use]
    pub fn cut(&self) -> u64 {
        self.cut
    }

    fn begin(&mut self, set: &RuleSet) {
        self.epoch += 1;
        let literals = set.program.literals;
        if self.stamps.len() < literals {
            self.stamps.resize(literals, 0);
        }
        if self.probed.len() < set.indexes.len() {
            self.probed.resize(set.indexes.len(), 0);
        }
        self.candidates.clear();
        self.candidates.extend_from_slice(&set.always);
    }
}
