//! What is known of one parameter of one endpoint.

use lapwing_learn::{ClosedSet, Coverage, Lengths};
use lapwing_model::printable;
use serde::{Deserialize, Serialize};

use super::deviation::{Check, Deviation, MODEST};
use super::form::{self, CHARACTERS, Form, NEIGHBOURS};
use super::request::Given;

/// Values up to which a set is closed, and shapes.
const VALUES: u16 = 64;
const SHAPES: u16 = 8;

/// Up to so many values are a choice that somebody made; more are a list that may well be longer, by so much.
const CHOICES: usize = 16;
const MANY: f32 = 0.3;

/// Values that are kept as text, to tell people what was expected: only of small closed sets, and only what was seen so often
/// that it is nobody's own (no password is).
const EXAMPLES: usize = 4;
const EXAMPLE_SEEN: u32 = 8;
const EXAMPLE_BYTES: usize = 32;

/// How natural it is that known characters stand side by side in a way they never did.
const ORDER: f32 = 0.5;

/// Samples below which a parameter says nothing by itself.
const LEAST: u32 = 20;
/// Samples below which the characters of all parameters of the site speak as well.
const YOUNG: u32 = 50;

/// What the site adds to what a parameter knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backing<'a> {
    /// Those of all its parameters, where they are well known.
    pub characters: Option<&'a Coverage>,
    /// Whether people called it normal.
    pub vouched: bool,
}

impl Backing<'_> {
    /// What was learned from a part of the traffic only must expect any sign but those of a syntax.
    fn floor(&self, allowance: f32) -> f32 {
        if self.vouched || allowance < form::SOME { allowance } else { allowance.max(ORDER) }
    }
}

/// At most about 1.6 KiB.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Parameter {
    pub key: u64,
    pub name: Box<str>,
    /// Requests that had it.
    pub present: u32,
    coverage: Coverage,
    values: ClosedSet,
    shapes: ClosedSet,
    lengths: Lengths,
    examples: Vec<Box<str>>,
    /// The client whose value was learned last: one client that asks the same again and again tells nothing new.
    client: u64,
}

impl Parameter {
    pub(super) fn new(given: &Given<'_>) -> Parameter {
        Parameter {
            key: given.key,
            name: printable(given.name).within(64).to_string().into(),
            present: 0,
            coverage: Coverage::default(),
            values: ClosedSet::new(VALUES),
            shapes: ClosedSet::new(SHAPES),
            lengths: Lengths::default(),
            examples: Vec::new(),
            client: 0,
        }
    }

    /// Learns a value that `client` (0 where unknown) gave.
    pub(super) fn learn(&mut self, given: &Given<'_>, client: u64, trusted: bool) {
        self.present = self.present.saturating_add(1);
        if !trusted && client != 0 && client == self.client && self.knows(given.identity) {
            return;
        }
        self.client = client;
        let seen = self.values.learn(given.identity);
        if seen > 2 {
            // What it looks like was learned with it before.
            self.coverage.repeat();
            self.shapes.repeat();
            if seen == EXAMPLE_SEEN {
                self.keep_example(given.value);
            }
            return;
        }
        let form = given.form();
        self.coverage.learn(&form.marks);
        self.shapes.learn(form.shape);
        self.lengths.learn(form.length);
    }

    fn keep_example(&mut self, value: &[u8]) {
        let example = shown(value);
        if self.examples.len() < EXAMPLES && value.len() <= EXAMPLE_BYTES && !self.examples.iter().any(|kept| **kept == *example) {
            self.examples.push(example.into());
        }
    }

    /// Whether this is one of few values.
    #[inline]
    fn knows(&self, identity: u64) -> bool {
        !self.values.is_open() && self.values.has(identity)
    }

    /// Whether it has just been seen often enough to speak.
    pub(super) fn has_grown(&self) -> bool {
        self.coverage.samples() == LEAST
    }

    /// Whether nothing of a value is new.
    #[inline]
    pub(super) fn expects(&self, given: &Given<'_>) -> bool {
        self.knows(given.identity) || self.values.is_open() && self.looks_known(given.form())
    }

    fn looks_known(&self, form: &Form) -> bool {
        self.coverage.unknown(&form.marks).iter().all(|&word| word == 0)
            && self.shapes.has(form.shape)
            && form.length <= self.lengths.longest()
    }

    /// What is most surprising of a value, given what parameters of the same name have elsewhere, and all of the site.
    pub(super) fn judge(&self, given: &Given<'_>, kin: &[&Parameter], site: &Backing<'_>) -> Option<Deviation> {
        if self.expects(given) {
            return None;
        }
        let form = given.form();
        let all = kin.iter().fold(self.coverage, |all, kin| all.merged(&kin.coverage));
        let own = self.coverage.samples() >= LEAST;
        let mut worst: Option<Deviation> = None;
        let mut found = |check, evidence: f32, item| {
            if worst.as_ref().is_none_or(|worst| evidence > worst.evidence) {
                worst = Some(Deviation { check, evidence, item, given: None, parameter: None });
            }
        };
        if own && !form.is_number() && !kin.iter().any(|kin| kin.knows(given.identity)) {
            let allowance = if self.values.len() > CHOICES { MANY } else { 0.0 };
            found(Check::Value, self.values.surprise(allowance), given.identity);
        }
        if all.samples() >= LEAST {
            let new = all.unknown(&form.marks);
            if new[0] != 0 {
                let more = f32::from(u8::from(new[0].count_ones() > 1));
                let allowance = site.floor(form::allowance(new[0], all.known()[0]));
                found(Check::Characters, modest(all.surprise(CHARACTERS, allowance), allowance) + more, new[0]);
            }
            if new[NEIGHBOURS].iter().any(|&word| word != 0) {
                let item = new[1] ^ new[2] ^ new[3] ^ new[4];
                found(Check::Neighbours, modest(all.surprise(NEIGHBOURS, ORDER), ORDER), item);
            }
            if !self.shapes.has(form.shape) && !kin.iter().any(|kin| kin.shapes.has(form.shape)) {
                found(Check::Shape, self.shape_surprise(), form.shape);
            }
            if kin.iter().all(|kin| form.length > kin.lengths.longest()) {
                found(Check::Length, self.lengths.surprise(form.length), u64::from(form.length));
            }
        }
        if let Some(site) = site.characters
            && all.samples() < YOUNG
        {
            let new = site.unknown(&form.marks)[0];
            if new != 0 {
                found(Check::SiteCharacters, site.surprise(CHARACTERS, form::allowance(new, site.known()[0])), new);
            }
        }
        worst
    }

    /// One shape is a format, two are nearly one; more are how people write.
    fn shape_surprise(&self) -> f32 {
        let allowance = match self.shapes.len() {
            0 | 1 => 0.0,
            2 => 0.2,
            _ => 1.0,
        };
        modest(self.shapes.surprise(allowance), allowance)
    }

    /// What a check of this parameter expected, for people.
    pub(super) fn expected(&self, check: Check) -> String {
        let samples = self.coverage.samples();
        match check {
            Check::Value if self.examples.is_empty() => format!("one of {} values in {samples} requests", self.values.len()),
            Check::Value => {
                let examples: Vec<_> = self.examples.iter().map(|example| format!("'{example}'")).collect();
                let such = if examples.len() == self.values.len() { "" } else { "such as " };
                format!("one of {} values in {samples} requests: {such}{}", self.values.len(), examples.join(", "))
            }
            Check::Length => format!("at most {} characters in {samples} requests", self.lengths.longest()),
            Check::Shape if self.shapes.len() == 1 => format!("the one shape of {samples} requests"),
            Check::Shape => format!("one of {} shapes in {samples} requests", self.shapes.len()),
            Check::Neighbours => format!("characters in the order of {samples} requests"),
            _ => {
                format!("only {} in {samples} requests", form::in_words(self.coverage.known()[0]))
            }
        }
    }

    /// A generation ends. Whether it was seen in it.
    pub(super) fn age(&mut self) -> bool {
        self.coverage.age();
        self.values.age();
        self.shapes.age();
        self.lengths.age();
        let seen = self.present > 0;
        self.present /= 2;
        seen
    }
}

/// The evidence, of what is natural to come some day no more than is modest.
fn modest(evidence: f32, allowance: f32) -> f32 {
    if allowance >= ORDER { evidence.min(MODEST) } else { evidence }
}

/// A value as people may see it.
pub(super) fn shown(value: &[u8]) -> String {
    printable(value).within(80).to_string()
}
