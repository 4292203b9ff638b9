//! From rules to a rule set.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use memchr::memmem::Finder;

use crate::condition::Condition;
use crate::error::{Problems, RuleError, quoted};
use crate::filters;
use crate::names::Names;
use crate::pattern::{Pattern, Piece};
use crate::plan;
use crate::rule::{Body, Comparison, Criteria, Item, LogSource, Rule, Test};

use super::RuleSet;
use super::access::{self, Access, Trigger};
use super::automaton::Automaton;
use super::check::{Ask, Check, Program, Step};
use super::index::{AT_END, AT_START, Bytes, Equals, FieldIndex};
use super::regex;

pub(super) fn compile(rules: Vec<Rule>, kinds_of: impl Fn(&LogSource) -> u64) -> (RuleSet, Vec<RuleError>) {
    let (rules, mut errors) = filters::apply(rules);
    let mut builder = Builder::default();
    let mut names = Names::default();
    let (mut kept, mut kinds) = (Vec::new(), Vec::new());
    let mut correlations = Vec::new();
    for rule in rules {
        let mut problems = Problems::new(&rule.file);
        if matches!(rule.body, Body::Correlation(_)) {
            correlations.push(rule);
        } else if names.free(&rule, &kept, &mut problems)
            && let Some(own) = builder.rule(&rule, kinds_of(&rule.logsource), &mut problems)
        {
            names.take(&rule, kept.len());
            kinds.push(own);
            kept.push(rule);
        }
        errors.extend(problems.into_errors());
    }
    let mut intern = |name: &str| builder.field(name);
    let plans = plan::plan(correlations, &mut kept, &mut names, &mut intern, &mut errors);
    let entities = kept.iter().map(|rule| rule.entity.as_deref().map(&mut intern)).collect();
    plans.iter().for_each(|plan| kinds.push(plan.kinds(&kinds)));
    let mut silent = vec![false; kept.len()];
    for plan in &plans {
        plan.sources.iter().filter(|_| !plan.generate).for_each(|source| silent[source.rule] = true);
    }
    let mut set = RuleSet {
        entities,
        silent,
        kinds,
        program: Program::default(),
        indexes: Vec::new(),
        eager: Vec::new(),
        always: vec![0; kept.len().div_ceil(64)],
        plans: Arc::from(plans),
        fields: Vec::new(),
        rules: kept,
    };
    builder.finish(&mut set, &mut errors);
    (set, errors)
}

/// A compiled part of a condition.
#[derive(Debug, Clone)]
struct Part {
    step: u32,
    access: Access,
    /// About how long it takes; the cheap is asked first.
    cost: u32,
}

#[derive(Debug, Default)]
struct Builder {
    numbers: HashMap<String, usize>,
    fields: Vec<String>,
    program: Program,
    /// Per field its literals, in small letters, numbered.
    literals: Vec<Literals>,
    accesses: Vec<Access>,
}

#[derive(Debug, Default)]
struct Literals {
    numbers: HashMap<Vec<u8>, usize>,
    texts: Vec<Vec<u8>>,
}

impl Literals {
    fn number(&mut self, text: &[u8]) -> usize {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        self.texts.push(text.to_vec());
        self.numbers.insert(text.to_vec(), self.texts.len() - 1);
        self.texts.len() - 1
    }
}

impl Builder {
    fn field(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        self.fields.push(name.to_owned());
        self.literals.push(Literals::default());
        self.numbers.insert(name.to_owned(), self.fields.len() - 1);
        self.fields.len() - 1
    }

    /// Answers `kinds` again, where the rule could be compiled.
    fn rule(&mut self, rule: &Rule, kinds: u64, problems: &mut Problems) -> Option<u64> {
        let detection = rule.detection()?;
        if kinds == 0 {
            // No event is of these kinds: nothing is compiled, and nothing makes the rule a candidate.
            let never = self.push(Step::Any(Box::default()), access::never(), 0);
            self.program.roots.push(never.step);
            self.accesses.push(never.access);
            return Some(kinds);
        }
        let selections: Vec<Option<Part>> =
            detection.selections.iter().map(|selection| self.criteria(&selection.criteria, problems)).collect();
        let selections: Vec<Part> = selections.into_iter().collect::<Option<_>>()?;
        let root = self.condition(&detection.condition, &selections);
        self.program.roots.push(root.step);
        self.accesses.push(root.access);
        Some(kinds)
    }

    fn condition(&mut self, condition: &Condition, selections: &[Part]) -> Part {
        match condition {
            Condition::Selection(index) => selections[*index].clone(),
            Condition::All(parts) => {
                let parts = parts.iter().map(|part| self.condition(part, selections)).collect();
                self.all(parts)
            }
            Condition::Any(parts) => {
                let parts = parts.iter().map(|part| self.condition(part, selections)).collect();
                self.any(parts)
            }
            Condition::Not(inner) => {
                let inner = self.condition(inner, selections);
                self.not(&inner)
            }
        }
    }

    fn criteria(&mut self, criteria: &Criteria, problems: &mut Problems) -> Option<Part> {
        match criteria {
            Criteria::Item(item) => self.item(item, problems),
            Criteria::All(parts) => {
                let parts: Vec<Option<Part>> = parts.iter().map(|part| self.criteria(part, problems)).collect();
                parts.into_iter().collect::<Option<_>>().map(|parts| self.all(parts))
            }
            Criteria::Any(parts) => {
                let parts: Vec<Option<Part>> = parts.iter().map(|part| self.criteria(part, problems)).collect();
                parts.into_iter().collect::<Option<_>>().map(|parts| self.any(parts))
            }
        }
    }

    fn item(&mut self, item: &Item, problems: &mut Problems) -> Option<Part> {
        let field = self.field(&item.field);
        let mut parts = Vec::new();
        for test in &item.tests {
            parts.push(self.test(field, test, item, problems)?);
        }
        let part = if item.all { self.all(parts) } else { self.any(parts) };
        Some(if item.negated { self.not(&part) } else { part })
    }

    fn test(&mut self, field: usize, test: &Test, item: &Item, problems: &mut Problems) -> Option<Part> {
        let (ask, access, cost) = match test {
            Test::Pattern(pattern) => match self.simple(field, pattern) {
                Some((ask, access)) => (ask, access, 2),
                None => {
                    let compiled = regex::compile_pattern(pattern);
                    let access = longest_piece(pattern).and_then(|text| access::one(Trigger::Literal { field, text, place: 0 }));
                    (Ask::Regex(Box::new(told(compiled, item, problems)?.regex)), access, 30)
                }
            },
            Test::Regex(source) => {
                let compiled = told(regex::compile(source), item, problems)?;
                let literals = compiled.literals.unwrap_or_default().into_iter();
                let access = access::one_of(literals.map(|text| Trigger::Literal { field, text, place: 0 }).collect());
                let bytes = compiled.bytes.and_then(|bytes| access::one(Trigger::Bytes { field, bytes }));
                (Ask::Regex(Box::new(compiled.regex)), access.or(bytes), 40)
            }
            Test::Number(number) => (Ask::Number(*number), access::one(Trigger::Number { field, number: *number }), 1),
            Test::Compare(comparison, number) => {
                let access = access::one(Trigger::Compared { field, comparison: *comparison, number: *number });
                (Ask::Compare(*comparison, *number), access, 1)
            }
            Test::Time { part, comparison, number } => (Ask::Time(*part, *comparison, *number), None, 4),
            Test::Cidr(network) => (Ask::Cidr(*network), None, 4),
            Test::Exists(true) => (Ask::Present, None, 1),
            Test::Exists(false) => (Ask::Absent, None, 1),
            Test::Field { name, relation, cased } => {
                let other = self.field(name);
                (Ask::Field { other, relation: *relation, cased: *cased }, None, 20)
            }
        };
        self.program.checks.push(Check { field, ask });
        Some(self.push(Step::Check((self.program.checks.len() - 1) as u32), access, cost))
    }

    /// Patterns that need no regular expression: a literal with nothing, or anything, before and after it.
    fn simple(&mut self, field: usize, pattern: &Pattern) -> Option<(Ask, Access)> {
        let (literal, place) = match pattern.pieces() {
            [Piece::Many] => return Some((Ask::Present, None)),
            [] => return Some((Ask::Equals { text: Box::default(), cased: true }, None)),
            [Piece::Literal(literal)] => {
                let access = access::one(Trigger::Equal { field, text: literal.to_ascii_lowercase() });
                return Some((Ask::Equals { text: literal.as_slice().into(), cased: pattern.cased }, access));
            }
            [Piece::Many, Piece::Literal(literal), Piece::Many] => (literal, 0),
            [Piece::Literal(literal), Piece::Many] => (literal, AT_START),
            [Piece::Many, Piece::Literal(literal)] => (literal, AT_END),
            _ => return None,
        };
        let text = literal.to_ascii_lowercase();
        let number = self.literals[field].number(&text);
        let exact = pattern.cased.then(|| Box::new(Finder::new(literal).into_owned()));
        // `index` and `literal` are given their final numbers when all literals are known.
        let ask = Ask::Literal { index: field, literal: number, place, exact };
        Some((ask, access::one(Trigger::Literal { field, text, place })))
    }

    fn all(&mut self, parts: Vec<Part>) -> Part {
        self.join(parts, access::all, Step::All)
    }

    fn any(&mut self, parts: Vec<Part>) -> Part {
        self.join(parts, access::any, Step::Any)
    }

    fn join(&mut self, mut parts: Vec<Part>, access: fn(Vec<Access>) -> Access, step: fn(Box<[u32]>) -> Step) -> Part {
        // A selection named many times is one step: it is asked once, and its triggers are not multiplied.
        parts.sort_by_key(|part| part.step);
        parts.dedup_by_key(|part| part.step);
        if let [part] = parts.as_slice() {
            return part.clone();
        }
        parts.sort_by_key(|part| part.cost);
        let cost = parts.iter().fold(0, |cost: u32, part| cost.saturating_add(part.cost));
        let steps = parts.iter().map(|part| part.step).collect();
        let access = access(parts.into_iter().map(|part| part.access).collect());
        self.push(step(steps), access, cost)
    }

    fn not(&mut self, inner: &Part) -> Part {
        self.push(Step::Not(inner.step), None, inner.cost)
    }

    fn push(&mut self, step: Step, access: Access, cost: u32) -> Part {
        self.program.steps.push(step);
        Part { step: (self.program.steps.len() - 1) as u32, access, cost }
    }

    /// All rules are known: makes the automata, and numbers the literals through.
    fn finish(mut self, set: &mut RuleSet, errors: &mut Vec<RuleError>) {
        let mut sights: Vec<Sights> = Vec::new();
        sights.resize_with(self.fields.len(), Sights::default);
        for (rule, access) in std::mem::take(&mut self.accesses).into_iter().enumerate() {
            match access {
                None => set.always[rule >> 6] |= 1 << (rule & 63),
                Some(needed) => needed.triggers.into_iter().for_each(|trigger| self.sight(trigger, rule as u32, &mut sights)),
            }
        }
        let mut first = 0;
        for (field, (literals, sights)) in self.literals.iter().zip(sights).enumerate() {
            if !sights.is_empty() {
                set.eager.push((field, sights.rules().fold(0, |kinds, rule| kinds | set.kinds[rule as usize])));
            }
            let count = literals.texts.len();
            set.indexes.push(sights.index(field, first, literals, set, errors));
            first += count;
        }
        for check in &mut self.program.checks {
            if let Ask::Literal { index, literal, .. } = &mut check.ask {
                *literal += set.indexes[*index].first;
            }
        }
        self.program.literals = first;
        set.fields = self.fields;
        set.program = self.program;
    }

    fn sight(&mut self, trigger: Trigger, rule: u32, sights: &mut [Sights]) {
        match trigger {
            Trigger::Literal { field, text, place } => {
                let number = self.literals[field].number(&text);
                sights[field].literals.push((number, rule, place));
            }
            Trigger::Equal { field, text } => sights[field].equals.entry(text).or_default().push(rule),
            Trigger::Number { field, number } => sights[field].numbers.push((number, rule)),
            Trigger::Compared { field, comparison, number } => sights[field].compared.push((comparison, number, rule)),
            Trigger::Bytes { field, bytes } => sights[field].bytes.entry(bytes).or_default().push(rule),
        }
    }
}

/// What makes candidates in one field.
#[derive(Debug, Default)]
struct Sights {
    literals: Vec<(usize, u32, u64)>,
    equals: BTreeMap<Vec<u8>, Vec<u32>>,
    bytes: BTreeMap<Vec<u8>, Vec<u32>>,
    numbers: Vec<(f64, u32)>,
    compared: Vec<(Comparison, f64, u32)>,
}

impl Sights {
    /// The rules that become candidates in this field.
    fn rules(&self) -> impl Iterator<Item = u32> {
        let listed = self.equals.values().chain(self.bytes.values()).flatten().copied();
        let numbers = self.numbers.iter().map(|(_, rule)| *rule).chain(self.compared.iter().map(|(.., rule)| *rule));
        listed.chain(self.literals.iter().map(|(_, rule, _)| *rule)).chain(numbers)
    }

    fn is_empty(&self) -> bool {
        self.rules().next().is_none()
    }

    fn index(
        mut self,
        field: usize,
        first: usize,
        literals: &Literals,
        set: &RuleSet,
        errors: &mut Vec<RuleError>,
    ) -> FieldIndex {
        let mut triggers = vec![Vec::new(); literals.texts.len()];
        for (number, rule, place) in self.literals {
            triggers[number].push((rule, place));
        }
        self.numbers.sort_by(|left, right| left.0.total_cmp(&right.0));
        let mut automaton = None;
        if !literals.texts.is_empty() {
            match Automaton::new(&literals.texts) {
                Ok(built) => automaton = Some(built),
                Err(error) => errors.extend(too_large(set, &error.to_string())),
            }
        }
        FieldIndex {
            field,
            first,
            automaton,
            triggers,
            equals: Equals::new(self.equals.into_iter().collect()),
            numbers: self.numbers,
            compared: self.compared,
            bytes: Bytes::new(self.bytes),
        }
    }
}

/// The literals of one field are limited only by the rules' size: this takes gigabytes of rules.
fn too_large(set: &RuleSet, reason: &str) -> Option<RuleError> {
    let rule = set.rules.first()?;
    let message = format!("the rules together hold too much text: {reason}");
    Some(RuleError { file: Arc::clone(&rule.file), line: rule.line, column: 1, message, help: None, waits: false })
}

fn told(
    compiled: Result<regex::Compiled, (String, Option<String>)>,
    item: &Item,
    problems: &mut Problems,
) -> Option<regex::Compiled> {
    match compiled {
        Ok(compiled) => Some(compiled),
        Err((message, help)) => {
            let message = format!("{}: {message}", quoted(&item.field));
            match help {
                Some(help) => problems.add_with(item.position, message, help),
                None => problems.add(item.position, message),
            }
            None
        }
    }
}

fn longest_piece(pattern: &Pattern) -> Option<Vec<u8>> {
    let literals = pattern.pieces().iter().filter_map(|piece| match piece {
        Piece::Literal(literal) => Some(literal),
        Piece::Many | Piece::One => None,
    });
    literals.max_by_key(|literal| literal.len()).map(|literal| literal.to_ascii_lowercase())
}
