use memchr::memmem::Finder;
use regex::bytes::Regex;

use crate::date::TimePart;
use crate::rule::{Comparison, Network, Relation};
use crate::value::{Fields, TextBuffer, Value};

use super::Scratch;
use super::index::{AT_END, AT_START, FieldIndex};

/// A regular expression looks at so much of a value; more is cut and counted, so that no value stalls the rules.
const REGEX_REACH: usize = 64 << 10;
/// Two fields are searched for one another only so far: the search takes the product of their lengths.
const FIELD_REACH: usize = 4 << 10;

/// The conditions of all rules.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) checks: Vec<Check>,
    /// Per rule: its first step.
    pub(super) roots: Vec<u32>,
    /// How many literals there are.
    pub(super) literals: usize,
}

/// A part of a condition; numbers are places in `steps` and `checks`.
#[derive(Debug)]
pub(super) enum Step {
    All(Box<[u32]>),
    Any(Box<[u32]>),
    Not(u32),
    Check(u32),
}

/// One question about one field.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) field: usize,
    pub(super) ask: Ask,
}

#[derive(Debug)]
pub(super) enum Ask {
    Present,
    Absent,
    Equals {
        text: Box<[u8]>,
        cased: bool,
    },
    /// A literal of the field's automaton; `exact` where letters must have the same case.
    Literal {
        index: usize,
        literal: usize,
        place: u64,
        exact: Option<Box<Finder<'static>>>,
    },
    Regex(Box<Regex>),
    Number(f64),
    Compare(Comparison, f64),
    Time(TimePart, Comparison, f64),
    Cidr(Network),
    Field {
        other: usize,
        relation: Relation,
        cased: bool,
    },
}

impl Program {
    /// Whether the rule's condition holds of the event.
    pub(super) fn holds<F: Fields + ?Sized>(
        &self,
        rule: usize,
        event: &F,
        indexes: &[FieldIndex],
        scratch: &mut Scratch,
    ) -> bool {
        match self.roots.get(rule) {
            Some(root) => self.step(*root, event, indexes, scratch),
            None => false,
        }
    }

    fn step<F: Fields + ?Sized>(&self, step: u32, event: &F, indexes: &[FieldIndex], scratch: &mut Scratch) -> bool {
        match &self.steps[step as usize] {
            Step::All(parts) => parts.iter().all(|part| self.part(*part, event, indexes, scratch)),
            Step::Any(parts) => parts.iter().any(|part| self.part(*part, event, indexes, scratch)),
            Step::Not(inner) => !self.step(*inner, event, indexes, scratch),
            Step::Check(check) => self.checks[*check as usize].holds(event, indexes, scratch),
        }
    }

    /// The same as a step by itself. Most parts are single checks, and lists of them are long.
    #[inline]
    fn part<F: Fields + ?Sized>(&self, step: u32, event: &F, indexes: &[FieldIndex], scratch: &mut Scratch) -> bool {
        match &self.steps[step as usize] {
            Step::Check(check) => self.checks[*check as usize].holds(event, indexes, scratch),
            _ => self.step(step, event, indexes, scratch),
        }
    }
}

impl Check {
    #[inline]
    fn holds<F: Fields + ?Sized>(&self, event: &F, indexes: &[FieldIndex], scratch: &mut Scratch) -> bool {
        if let Ask::Literal { index, literal, place, exact } = &self.ask {
            indexes[*index].probe(event, *index, scratch);
            let stamp = scratch.stamps[*literal];
            return stamp >> 2 == scratch.epoch
                && stamp & place == *place
                && exact.as_deref().is_none_or(|finder| stands(event.get(self.field), finder, *place));
        }
        self.ask.of(event.get(self.field), event, scratch)
    }
}

impl Ask {
    fn of<F: Fields + ?Sized>(&self, value: Value<'_>, event: &F, scratch: &mut Scratch) -> bool {
        match self {
            Ask::Present => !value.is_absent(),
            Ask::Absent => value.is_absent(),
            Ask::Number(number) => value.number() == Some(*number),
            Ask::Compare(comparison, number) => value.number().is_some_and(|value| comparison.holds(value, *number)),
            Ask::Time(part, comparison, number) => part.of(value).is_some_and(|part| comparison.holds(part as f64, *number)),
            Ask::Cidr(network) => value.address().is_some_and(|address| network.contains(address)),
            Ask::Field { other, relation, cased } => related(value, event.get(*other), *relation, *cased),
            // Asked by `Check::holds`.
            Ask::Literal { .. } => false,
            Ask::Equals { text: wanted, cased } => {
                value.text(&mut TextBuffer::new()).is_some_and(|text| same(text, wanted, *cased))
            }
            Ask::Regex(regex) => value.text(&mut TextBuffer::new()).is_some_and(|text| {
                scratch.cut += u64::from(text.len() > REGEX_REACH);
                regex.is_match(&text[..text.len().min(REGEX_REACH)])
            }),
        }
    }
}

fn same(left: &[u8], right: &[u8], cased: bool) -> bool {
    if cased { left == right } else { left.eq_ignore_ascii_case(right) }
}

/// Whether the text stands there in just this case.
fn stands(value: Value<'_>, finder: &Finder<'_>, place: u64) -> bool {
    let mut buffer = TextBuffer::new();
    let Some(text) = value.text(&mut buffer) else { return false };
    match place {
        0 => finder.find(text).is_some(),
        AT_START => text.starts_with(finder.needle()),
        AT_END => text.ends_with(finder.needle()),
        _ => text == finder.needle(),
    }
}

fn related(value: Value<'_>, other: Value<'_>, relation: Relation, cased: bool) -> bool {
    let (mut left, mut right) = (TextBuffer::new(), TextBuffer::new());
    let (Some(text), Some(part)) = (value.text(&mut left), other.text(&mut right)) else { return false };
    match relation {
        Relation::Equals => same(text, part, cased),
        Relation::StartsWith => text.get(..part.len()).is_some_and(|start| same(start, part, cased)),
        Relation::EndsWith => text.len().checked_sub(part.len()).is_some_and(|from| same(&text[from..], part, cased)),
        Relation::Contains => {
            let text = &text[..text.len().min(FIELD_REACH)];
            part.is_empty() || part.len() <= text.len() && text.windows(part.len()).any(|window| same(window, part, cased))
        }
    }
}
