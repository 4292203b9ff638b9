use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64;

use crate::rule::Comparison;
use crate::value::{Fields, TextBuffer, Value};

use super::Scratch;
use super::automaton::Automaton;

/// A literal stands at the start of the value.
pub(super) const AT_START: u64 = 1;
/// A literal stands at the end of the value.
pub(super) const AT_END: u64 = 2;

/// What the rules look for in one field: which literals occur, and which rules thereby become candidates.
#[derive(Debug, Default)]
pub(super) struct FieldIndex {
    pub(super) field: usize,
    /// The number of its first literal among all literals.
    pub(super) first: usize,
    pub(super) automaton: Option<Automaton>,
    /// Per literal: the rules that become candidates, and where the literal must stand for it.
    pub(super) triggers: Vec<Vec<(u32, u64)>>,
    pub(super) equals: Equals,
    /// Sorted; the rules that become candidates by this number.
    pub(super) numbers: Vec<(f64, u32)>,
    /// Bounds, and the rules that become candidates by a number on the side of it that the comparison names.
    pub(super) compared: Vec<(Comparison, f64, u32)>,
    pub(super) bytes: Option<Bytes>,
}

impl FieldIndex {
    /// Looks at the field's value, at most once per event: notes the literals in it and the rules they make candidates.
    #[inline]
    pub(super) fn probe<F: Fields + ?Sized>(&self, event: &F, number: usize, scratch: &mut Scratch) {
        if scratch.probed[number] != scratch.epoch {
            scratch.probed[number] = scratch.epoch;
            self.look(event, scratch);
        }
    }

    fn look<F: Fields + ?Sized>(&self, event: &F, scratch: &mut Scratch) {
        let value = event.get(self.field);
        if value.is_absent() {
            return;
        }
        if !self.numbers.is_empty() || !self.compared.is_empty() {
            self.by_number(&value, scratch);
        }
        match value {
            Value::Text(text) => self.by_text(text, scratch),
            // Writing a number out takes longer than all else here.
            _ if self.automaton.is_none() && self.equals.is_empty() && self.bytes.is_none() => {}
            other => {
                if let Some(text) = other.text(&mut TextBuffer::new()) {
                    self.by_text(text, scratch);
                }
            }
        }
    }

    fn by_number(&self, value: &Value<'_>, scratch: &mut Scratch) {
        let Some(number) = value.number() else { return };
        let start = self.numbers.partition_point(|(known, _)| *known < number);
        for (_, rule) in self.numbers[start..].iter().take_while(|(known, _)| *known == number) {
            mark(&mut scratch.candidates, *rule);
        }
        for (_, _, rule) in self.compared.iter().filter(|(comparison, bound, _)| comparison.holds(number, *bound)) {
            mark(&mut scratch.candidates, *rule);
        }
    }

    fn by_text(&self, text: &[u8], scratch: &mut Scratch) {
        self.equals.find(text, &mut scratch.folded, &mut scratch.candidates);
        if let Some(bytes) = &self.bytes {
            bytes.find(text, &mut scratch.candidates);
        }
        let Some(automaton) = &self.automaton else { return };
        let Scratch { epoch, stamps, candidates, .. } = scratch;
        automaton.each(text, |literal, start, end| {
            let place = if start == 0 { AT_START } else { 0 } | if end == text.len() { AT_END } else { 0 };
            let stamp = &mut stamps[self.first + literal];
            // Once seen in the same place, it tells nothing new.
            let known = if *stamp >> 2 == *epoch { *stamp & 3 | 4 } else { 0 };
            if known & 4 != 0 && known & place == place {
                return;
            }
            *stamp = *epoch << 2 | known & 3 | place;
            for (rule, needed) in &self.triggers[literal] {
                if place & needed == *needed {
                    mark(candidates, *rule);
                }
            }
        });
    }
}

fn mark(candidates: &mut [u64], rule: u32) {
    candidates[rule as usize >> 6] |= 1 << (rule & 63);
}

/// Whole values that make rules candidates; ASCII letters match in either case.
#[derive(Debug, Default)]
pub(super) struct Equals {
    values: Vec<(Vec<u8>, Vec<u32>)>,
    /// By hash of the value in small letters; used where there are more than a few.
    by_hash: HashMap<u64, Vec<u32>, BuildHasherDefault<AsIs>>,
    longest: usize,
}

/// So few values are compared one by one faster than hashed.
const FEW: usize = 6;

impl Equals {
    /// `values` in small letters, each once.
    pub(super) fn new(values: Vec<(Vec<u8>, Vec<u32>)>) -> Equals {
        let longest = values.iter().map(|(value, _)| value.len()).max().unwrap_or_default();
        let mut equals = Equals { values, by_hash: HashMap::default(), longest };
        if equals.values.len() > FEW {
            for (value, rules) in equals.values.drain(..) {
                // Two values of one hash only make more candidates.
                equals.by_hash.entry(xxh3_64(&value)).or_default().extend(rules);
            }
        }
        equals
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.by_hash.is_empty()
    }

    fn find(&self, text: &[u8], folded: &mut Vec<u8>, candidates: &mut [u64]) {
        for (value, rules) in &self.values {
            if value.eq_ignore_ascii_case(text) {
                rules.iter().for_each(|rule| mark(candidates, *rule));
            }
        }
        if !self.by_hash.is_empty() && text.len() <= self.longest {
            folded.clear();
            folded.extend(text.iter().map(u8::to_ascii_lowercase));
            if let Some(rules) = self.by_hash.get(&xxh3_64(folded)) {
                rules.iter().for_each(|rule| mark(candidates, *rule));
            }
        }
    }
}

/// Sets of bytes, any of which makes rules candidates.
#[derive(Debug)]
pub(super) struct Bytes {
    /// Per byte the sets that have it, one bit each.
    sets: Box<[u64; 256]>,
    /// Per bit.
    rules: Vec<Vec<u32>>,
}

impl Bytes {
    /// Beyond 64 sets some share a bit, which only makes more candidates.
    pub(super) fn new(sets: impl IntoIterator<Item = (Vec<u8>, Vec<u32>)>) -> Option<Bytes> {
        let mut bytes = Bytes { sets: Box::new([0; 256]), rules: vec![Vec::new(); 64] };
        let mut count = 0;
        for (set, rules) in sets {
            set.iter().for_each(|byte| bytes.sets[usize::from(*byte)] |= 1 << (count & 63));
            bytes.rules[count & 63].extend(rules);
            count += 1;
        }
        (count > 0).then_some(bytes)
    }

    fn find(&self, text: &[u8], candidates: &mut [u64]) {
        let mut seen = text.iter().fold(0, |seen, byte| seen | self.sets[usize::from(*byte)]);
        while seen != 0 {
            self.rules[seen.trailing_zeros() as usize].iter().for_each(|rule| mark(candidates, *rule));
            seen &= seen - 1;
        }
    }
}

/// The keys are hashes already.
#[derive(Debug, Default)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}
