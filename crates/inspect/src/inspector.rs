//! Looks at the values of one request after another.

use std::ops::Range;
use std::sync::Arc;

use crate::decode::{self, decode, once};
use crate::marks::{self, marks};
use crate::place::Place;
use crate::recent::Recent;
use crate::rule::{Check, Rule};
use crate::rules::Rules;
use crate::tokens;
use crate::views::View;

/// Bytes of values that are looked at per request; what comes after is left out.
const BUDGET: usize = 128 << 10;
/// Bytes of a value and of a match that a hit keeps.
const KEPT: usize = 200;
/// A plain word up to this length may still be a command or the name of an event handler.
const SHORT: usize = 22;
/// The same for names of parameters, some of which stand for a known hole, and for what begins like an event handler.
const SHORT_NAME: usize = 40;

/// A rule that a value of the request matched. Each rule is told once per request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Position in [`Rules::rules`].
    pub rule: usize,
    pub place: Place,
    /// The parameter or field; empty where the place has no name.
    pub name: Vec<u8>,
    /// The decoded value around the match.
    pub value: Vec<u8>,
    /// What the rule matched, as its reader sees it.
    pub matched: Vec<u8>,
}

impl Hit {
    /// Bytes of memory taken.
    fn size(&self) -> usize {
        size_of::<Hit>() + self.name.len() + self.value.len() + self.matched.len()
    }
}

/// Inspects requests. Owned by one thread. From one request to the next it remembers only what it found of values:
/// that saves looking at them again and never changes what is found.
#[derive(Debug)]
pub struct Inspector {
    rules: Arc<Rules>,
    host: Vec<u8>,
    hits: Vec<Hit>,
    /// Rules that this request matched already.
    fired: Vec<u64>,
    budget: usize,
    /// Within a value that was found packed in another.
    packed: bool,
    scratch: Scratch,
    recent: Recent<Looked>,
    /// What was found depends on the site: an address is its own, or another's.
    of_site: bool,
}

/// What came of looking at a value.
#[derive(Debug, Clone)]
struct Looked {
    hits: Box<[Hit]>,
    /// Bytes of the request's budget that it took.
    cost: usize,
}

/// Buffers, kept from value to value.
#[derive(Debug, Default)]
struct Scratch {
    text: Vec<u8>,
    view: Vec<u8>,
    tokens: Vec<u8>,
    line: Vec<u8>,
    candidates: Vec<u64>,
    seen: Vec<u64>,
}

impl Inspector {
    #[must_use]
    pub fn new(rules: Arc<Rules>) -> Inspector {
        let words = rules.rules.len().div_ceil(64);
        let scratch =
            Scratch { candidates: vec![0; words], seen: vec![0; rules.called.len().div_ceil(64)], ..Scratch::default() };
        Inspector {
            rules,
            host: Vec::new(),
            hits: Vec::new(),
            fired: vec![0; words],
            budget: BUDGET,
            packed: false,
            scratch,
            recent: Recent::new(),
            of_site: false,
        }
    }

    /// Begins with another request, of the site's own `host` (empty where that is not known).
    pub fn begin(&mut self, host: &[u8]) {
        self.budget = BUDGET;
        self.host.clear();
        self.host.extend(host.iter().take(255).map(u8::to_ascii_lowercase));
        if !self.hits.is_empty() {
            self.hits.clear();
            self.fired.fill(0);
        }
    }

    /// What was found in the request so far.
    #[must_use]
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Looks at what comes again and again (methods, paths, queries, user agents, referrers), unless it is known what is found of it.
    pub(crate) fn remembered(&mut self, place: Place, value: &[u8], look: impl FnOnce(&mut Inspector)) {
        if value.is_empty() {
            return;
        }
        let known = self.recent.find(place as u8, value).filter(|known| known.cost < self.budget);
        if let Some(Looked { hits, cost }) = known {
            self.budget -= cost;
            if !hits.is_empty() {
                let hits = hits.clone();
                self.add(hits);
            }
            return;
        }
        if !self.hits.is_empty() {
            // What matched before is not looked for again, so that what is found now is not all.
            return look(self);
        }
        let budget = self.budget;
        self.of_site = false;
        look(self);
        // Only what was looked at in full, and is so on any site. Attacks seldom come twice, and to keep
        // them would cost more than it saves; but who says by its name that it is a robot comes again and again.
        let again = self.hits.is_empty() || place == Place::Agent;
        if self.budget > 0 && !self.of_site && again {
            let size = self.hits.iter().map(Hit::size).sum();
            let looked = Looked { hits: self.hits.as_slice().into(), cost: budget - self.budget };
            self.recent.learn(place as u8, value, looked, size);
        }
    }

    /// Adds what was found of a value, but for rules that the request matched before.
    fn add(&mut self, found: impl IntoIterator<Item = Hit>) {
        for hit in found {
            let (word, bit) = (hit.rule / 64, 1 << (hit.rule % 64));
            if self.fired[word] & bit == 0 {
                self.fired[word] |= bit;
                self.hits.push(hit);
            }
        }
    }

    /// Looks at one value as it came over the wire.
    pub fn value(&mut self, place: Place, name: &[u8], value: &[u8]) {
        let sent = marks(value);
        let short = if place == Place::Name || value.get(..2).is_some_and(|on| on.eq_ignore_ascii_case(b"on")) {
            SHORT_NAME
        } else {
            SHORT
        };
        if let Some(inner) = packed(place, value).filter(|_| !self.packed) {
            self.packed = true;
            self.value(place, name, &inner);
            self.packed = false;
        }
        let plain =
            sent & !marks::PLAIN == 0 && value.len() > short && !matches!(place, Place::Path | Place::Agent | Place::Line);
        if plain || value.is_empty() || self.budget == 0 {
            return;
        }
        self.budget = self.budget.saturating_sub(value.len());
        let mut scratch = std::mem::take(&mut self.scratch);
        let plus = matches!(place, Place::Name | Place::Value | Place::Referrer | Place::Field);
        decode(value, plus, &mut scratch.text);
        if sent & marks::UPPER != 0 || sent & !marks::PLAIN != 0 {
            scratch.text.make_ascii_lowercase();
        }
        let text = std::mem::take(&mut scratch.text);
        let seen = marks(&text);
        let at = Spot { place, name, value, plus };
        // A comment of SQL is all of signs that `1--` has.
        let signs = seen & marks::SIGNS != 0 || text.ends_with(b"--");
        self.view(View::Text, &text, &mut scratch, &at, signs);
        let mut view = std::mem::take(&mut scratch.view);
        if sent & (marks::PERCENT | marks::AMPERSAND | marks::BACKSLASH) != 0 && once(value, plus, &mut view) {
            view.make_ascii_lowercase();
            if view != text {
                self.view(View::Wire, &view, &mut scratch, &at, signs);
            }
        }
        for reading in View::ALL {
            if reading.read(&text, seen, &mut view) {
                self.view(reading, &view, &mut scratch, &at, signs);
            }
        }
        (scratch.text, scratch.view) = (text, view);
        self.scratch = scratch;
    }

    /// Looks at one reading of a value.
    fn view(&mut self, view: View, text: &[u8], scratch: &mut Scratch, at: &Spot<'_>, signs: bool) {
        let rules = self.rules.clone();
        if !candidates(&rules, text, scratch, (at.place, view, signs)) {
            return;
        }
        scratch.tokens.clear();
        for word in 0..scratch.candidates.len() {
            let mut bits = std::mem::take(&mut scratch.candidates[word]) & !self.fired[word];
            while bits != 0 {
                let number = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let rule = &rules.rules[number];
                if !rule.names.is_empty() && !rule.names.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(at.name)) {
                    continue;
                }
                if let Some(matched) = self.confirm(rule, text, scratch) {
                    self.fired[word] |= 1 << (number % 64);
                    self.hits.push(at.hit(number, view, text, matched));
                }
            }
        }
    }

    /// Where in the text the rule matches.
    fn confirm(&mut self, rule: &Rule, text: &[u8], scratch: &mut Scratch) -> Option<Range<usize>> {
        match &rule.check {
            Check::Text(regex) if rule.foreign => {
                let regex = regex.get()?;
                let mut found = regex.create_captures();
                regex.captures(text, &mut found);
                let all = found.get_match()?.range();
                self.of_site = true;
                (!own(&self.host, &text[found.get_group(1)?.range()])).then_some(all)
            }
            // Whether it matches costs half of where.
            Check::Text(regex) => regex.get().filter(|regex| regex.is_match(text))?.find(text).map(|found| found.range()),
            Check::Sql(regex) => {
                if scratch.tokens.is_empty() {
                    readings(text, &mut scratch.tokens, &mut scratch.line);
                }
                regex.get()?.is_match(&scratch.tokens).then_some(0..text.len())
            }
        }
    }
}

/// What a value says that is text in base64: applications unpack it, and attacks hide there. Addresses of pages are left out:
/// sites send each other those.
fn packed(place: Place, value: &[u8]) -> Option<Vec<u8>> {
    let inner = matches!(place, Place::Value | Place::Header | Place::Field).then(|| decode::base64(value)).flatten()?;
    (marks(&inner) & marks::SIGNS != 0 && !inner.starts_with(b"http")).then_some(inner)
}

/// Marks the rules whose literals stand in the text; whether there are any.
fn candidates(rules: &Rules, text: &[u8], scratch: &mut Scratch, (place, view, signs): (Place, View, bool)) -> bool {
    let mut any = false;
    for found in rules.automaton.find_overlapping_iter(text) {
        let literal = found.pattern().as_usize();
        let (word, bit) = (literal / 64, 1 << (literal % 64));
        if scratch.seen[word] & bit != 0 {
            continue;
        }
        scratch.seen[word] |= bit;
        any = true;
    }
    if !any {
        return false;
    }
    let mut called = false;
    for word in 0..scratch.seen.len() {
        let mut bits = std::mem::take(&mut scratch.seen[word]);
        while bits != 0 {
            let literal = word * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            for &rule in &rules.called[literal] {
                let number = usize::from(rule);
                let rule = &rules.rules[number];
                if rule.places & place.bit() != 0 && rule.views & view.bit() != 0 && (signs || !rule.signs) {
                    scratch.candidates[number / 64] |= 1 << (number % 64);
                    called = true;
                }
            }
        }
    }
    called
}

/// The value's tokens in each context that it may land in, a line each.
fn readings(text: &[u8], out: &mut Vec<u8>, line: &mut Vec<u8>) {
    for quote in [None, Some(b'\''), Some(b'"')] {
        if quote.is_none_or(|quote| text.contains(&quote)) {
            tokens::read(text, quote, line);
            out.extend_from_slice(line);
            out.push(b'\n');
        }
    }
}

/// Whether a host is the site's own, or within its domain, or none that anybody could ask.
fn own(own: &[u8], host: &[u8]) -> bool {
    let host = host.split(|byte| *byte == b':').next().unwrap_or_default();
    let bare = own.split(|byte| *byte == b':').next().unwrap_or_default();
    let bare = bare.strip_prefix(b"www.").unwrap_or(bare);
    !bare.is_empty()
        && (host == bare || host.len() > bare.len() && host.ends_with(bare) && host[host.len() - bare.len() - 1] == b'.')
}

/// What is being looked at.
struct Spot<'a> {
    place: Place,
    name: &'a [u8],
    value: &'a [u8],
    plus: bool,
}

impl Spot<'_> {
    fn hit(&self, rule: usize, view: View, text: &[u8], matched: Range<usize>) -> Hit {
        // Rules see lower case, people the value as it was written.
        let mut cased = Vec::new();
        let shown = if view == View::Text {
            decode(self.value, self.plus, &mut cased);
            &cased[..]
        } else {
            text
        };
        let shown = if shown.len() == text.len() { shown } else { text };
        let from = matched.start.saturating_sub(KEPT / 4);
        let within = |range: Range<usize>| shown[range.start..range.end.min(range.start + KEPT).min(shown.len())].to_vec();
        Hit {
            rule,
            place: self.place,
            name: self.name[..self.name.len().min(KEPT)].to_vec(),
            value: within(from..shown.len()),
            matched: within(matched),
        }
    }
}

impl Rule {
    /// Whether the rule matches one reading of a value, asked without automaton and literals: what the matcher is tested against.
    /// `signs` says whether the value has signs that words do without, whatever is left of them in this reading.
    #[doc(hidden)]
    #[must_use]
    pub fn matches_plainly(&self, place: Place, name: &[u8], (view, text): (View, &[u8]), signs: bool) -> bool {
        let named = self.names.is_empty() || self.names.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name));
        let mut lines = Vec::new();
        let marked = |mark: &Vec<u8>| text.windows(mark.len()).any(|part| part == mark);
        if self.signs && !signs || matches!(self.check, Check::Sql(_)) && !self.literals.iter().any(marked) {
            return false;
        }
        let regex = match &self.check {
            Check::Text(regex) => regex.get(),
            Check::Sql(regex) => {
                readings(text, &mut lines, &mut Vec::new());
                regex.get()
            }
        };
        let text = if lines.is_empty() { text } else { &lines };
        self.places & place.bit() != 0 && self.views & view.bit() != 0 && named && regex.is_some_and(|regex| regex.is_match(text))
    }
}
