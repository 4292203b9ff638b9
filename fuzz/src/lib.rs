//! What the targets have in common: how bytes become records, and what is promised of whatever is made of them.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use lapwing_detect::{Rulebook, Setup};
use lapwing_model::{Event, Field, Origin, Position, Reading, Record, Timestamp, printable};
use lapwing_parse::{Parser, Understood};
use lapwing_rules::RuleSet;

/// 2025-11-21T04:40:00Z
pub const RECEIVED: Timestamp = Timestamp::from_seconds(1_763_700_000);

thread_local! {
    /// One parser for all inputs, as a worker has: what it remembers must not change what it reads.
    static USED: RefCell<Parser> = RefCell::new(Parser::new());
}

/// How an origin's records are read where people named the format.
#[must_use]
pub fn reading(format: Option<&str>) -> Reading {
    Reading { format: format.map(Into::into), ..Reading::default() }
}

#[must_use]
pub fn record(body: &[u8], reading: Reading, received: Timestamp) -> Record {
    Record {
        body: Bytes::copy_from_slice(body),
        origin: Origin::read_as("fuzz", reading),
        position: Position { offset: 7, line: 1 },
        received,
    }
}

/// Parses every line as that format (found out where none is named) and checks what is promised of parsing.
pub fn parse(format: Option<&str>, data: &[u8]) {
    // A record of several lines, as the multi-line joiner makes them.
    parse_record(&record(data, reading(format), RECEIVED));
    let lines = data.split(|&byte| byte == b'\n').take(64);
    let records: Vec<_> = lines.map(|line| record(line, reading(format), RECEIVED)).collect();
    let mut events = Vec::new();
    USED.with_borrow_mut(|parser| records.iter().for_each(|record| _ = parser.parse(record, &mut events)));
    assert_eq!(events.len(), records.len(), "one record is one event");
    events.iter().zip(&records).for_each(|(event, record)| look_at(event, record));
}

/// Parses one record twice, with a parser that has seen others and with a fresh one.
pub fn parse_record(record: &Record) -> (Understood, Event) {
    let mut events = Vec::new();
    let understood = USED.with_borrow_mut(|parser| parser.parse(record, &mut events));
    let again = Parser::new().parse(record, &mut events);
    assert_eq!(understood, again, "what came before changes what is understood");
    assert_eq!(events.len(), 2, "one record is one event");
    let (fresh, event) = (events.pop().expect("two"), events.pop().expect("two"));
    assert_eq!(format!("{event:?}"), format!("{fresh:?}"), "what came before changes what is read");
    look_at(&event, record);
    (understood, event)
}

/// All that detectors may ask of an event must answer, within bounds.
fn look_at(event: &Event, record: &Record) {
    assert!(event.raw.len() <= record.body.len());
    // Names of columns are the event's own as well.
    let columns = record.origin.reading.columns.as_deref().map_or(0, str::len);
    assert!(event.decoded.len() <= record.body.len() * 20 + 64 + columns, "{} bytes decoded", event.decoded.len());
    assert!(event.others.len() <= 128);
    assert_ne!(event.skeleton, 0);
    for names in Field::known() {
        let _ = event.get(&Field::named(names[0]));
    }
    let entity = event.entity();
    assert!(!entity.name.is_empty());
    assert_harmless(&entity.name);
    assert_harmless(&printable(&event.raw).to_string());
}

/// Nothing that a terminal would act upon, and nothing that hides or turns text around.
pub fn assert_harmless(text: &str) {
    let bad = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    assert!(!text.chars().any(bad), "{text:?}");
}

/// Detectors with the rules that come with Lapwing.
#[must_use]
pub fn setup() -> Setup {
    let rules = lapwing_detect::rules::BUILTIN.iter().flat_map(|(name, text)| lapwing_rules::parse(name, text).0).collect();
    let rulebook = Rulebook { rules: Arc::new(RuleSet::compile(rules).0), ..Rulebook::default() };
    Setup { rulebook, ..Setup::default() }
}

/// A directory for one input, in memory where the machine has such a place: thousands are made in a second.
#[must_use]
pub fn scratch() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a scratch directory")
}

/// Changes bytes of a saved state at places given as a share of its length, and perhaps cuts it off.
pub fn damage(state: &mut Vec<u8>, changes: &[(u16, u8)], length: Option<u16>) {
    let at = |place: u16, length: usize| usize::from(place) * length / 65_536;
    for &(place, byte) in changes {
        let place = at(place, state.len());
        if let Some(changed) = state.get_mut(place) {
            *changed = byte;
        }
    }
    if let Some(length) = length {
        state.truncate(at(length, state.len()));
    }
}

/// An event as rules see it: named values, each as text.
struct Seen<'a> {
    set: &'a RuleSet,
    values: &'a [(&'a str, &'a [u8])],
}

impl lapwing_rules::Fields for Seen<'_> {
    fn get(&self, field: usize) -> lapwing_rules::Value<'_> {
        let name = &self.set.fields()[field];
        let found = self.values.iter().find(|(known, _)| known == name);
        found.map_or(lapwing_rules::Value::Absent, |(_, value)| lapwing_rules::Value::Text(value))
    }
}

/// The rules that match an event with these values: the same with a scratch that was used before.
pub fn ask(set: &RuleSet, values: &[(&str, &[u8])]) -> Vec<usize> {
    let event = Seen { set, values };
    let (mut scratch, mut found, mut again) = (lapwing_rules::Scratch::new(), Vec::new(), Vec::new());
    set.matches(&mut scratch, &event, &mut found);
    set.matches(&mut scratch, &event, &mut again);
    assert_eq!(found, again);
    assert!(found.is_sorted() && found.iter().all(|rule| *rule < set.rules().len()));
    found
}

/// Counts every rule as matched at each of the times.
pub fn observe(set: &RuleSet, correlations: &mut lapwing_rules::Correlations, values: &[(&str, &[u8])], times: &[i64]) {
    let event = Seen { set, values };
    let mut fired = Vec::new();
    for &at in times {
        (0..set.rules().len()).for_each(|rule| correlations.observe(rule, at, &event, &mut fired));
    }
    assert!(fired.iter().all(|fired| fired.first <= fired.last));
}
