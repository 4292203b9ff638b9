//! Which of the records that come in will not be understood, in the words that `/metrics` has for it.
//!
//! Parsing everything twice to answer that would cost a third of what the whole pipeline does. But a line is only ever not
//! understood where something about it is suspicious, which is cheap to see; so only suspicious lines are parsed here too.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use lapwing_model::Record;
use lapwing_parse::{Parser, Understood};
use lapwing_source::lines::MAX_LINE;

/// Parsers at rest: making one is dearer than parsing a few lines.
#[derive(Debug, Default)]
pub(super) struct Parsers(Mutex<Vec<Parser>>);

/// Parsers kept at rest; more than requests that parse at the same moment are not needed.
const KEPT: usize = 8;

impl Parsers {
    fn take(&self) -> Parser {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, parser: Parser) {
        let mut parsers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if parsers.len() < KEPT {
            parsers.push(parser);
        }
    }
}

/// What is found about the records of one request.
#[derive(Debug)]
pub(super) struct Doubts<'a> {
    parsers: &'a Parsers,
    parser: Option<Parser>,
    reasons: BTreeMap<&'static str, u64>,
}

impl<'a> Doubts<'a> {
    pub(super) fn new(parsers: &'a Parsers) -> Doubts<'a> {
        Doubts { parsers, parser: None, reasons: BTreeMap::new() }
    }

    /// Looks at records of one origin.
    pub(super) fn look(&mut self, records: &[Record]) {
        let mut events = Vec::new();
        for record in records.iter().filter(|record| is_suspicious(record)) {
            let parser = self.parser.get_or_insert_with(|| self.parsers.take());
            events.clear();
            if let Understood::Broken(reason) = parser.parse(record, &mut events) {
                *self.reasons.entry(reason).or_default() += 1;
            }
        }
    }

    /// How many records will not be understood, by reason.
    pub(super) fn finish(self) -> BTreeMap<&'static str, u64> {
        if let Some(parser) = self.parser {
            self.parsers.give_back(parser);
        }
        self.reasons
    }
}

/// Whether a record could be one that is not understood.
fn is_suspicious(record: &Record) -> bool {
    let line = &record.body[..];
    record.origin.reading.format.is_some()
        // JSON, and syslog with its priority.
        || matches!(line.trim_ascii_start().first(), Some(b'{' | b'<'))
        || line.len() >= MAX_LINE
        || memchr::memchr(0, line).is_some()
        || is_odd_access_log(line)
        || std::str::from_utf8(line).is_err()
}

/// A whole line of an access log quotes the request and, in the combined format, referrer and user agent: with spaces
/// around them, and the status behind one.
fn is_odd_access_log(line: &[u8]) -> bool {
    let (mut quotes, mut status, mut spaced) = (0, false, true);
    for at in memchr::memchr_iter(b'"', line) {
        let opens = quotes % 2 == 0;
        let beside = if opens { at.checked_sub(1).and_then(|before| line.get(before)) } else { line.get(at + 1) };
        spaced &= matches!(beside, None | Some(b' '));
        status |= !opens && is_status(line.get(at + 2..).unwrap_or_default());
        quotes += 1;
    }
    quotes > 0 && !(matches!(quotes, 2 | 6) && spaced && status)
}

fn is_status(rest: &[u8]) -> bool {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits == 3 && matches!(rest.get(3), None | Some(b' '))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use lapwing_model::{Origin, Position, Reading, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn record(body: &[u8], reading: Reading) -> Record {
        let origin = Origin::read_as("http", reading);
        Record {
            body: Bytes::copy_from_slice(body),
            origin,
            position: Position::default(),
            received: Timestamp::from_seconds(1_700_000_000),
        }
    }

    fn doubts(bodies: &[&[u8]], reading: &Reading) -> BTreeMap<&'static str, u64> {
        let parsers = Parsers::default();
        let mut doubts = Doubts::new(&parsers);
        doubts.look(&bodies.iter().map(|body| record(body, reading.clone())).collect::<Vec<_>>());
        doubts.finish()
    }

    #[test]
    fn lines_that_are_not_understood_are_counted_by_reason() {
        let bodies: [&[u8]; 6] = [b"plain", b"caf\xe9", b"a\0b", b"{\"a\":", b"{\"a\":1}", b"203.0.113.9 - - [x]"];
        let found = doubts(&bodies, &Reading::default());
        assert_eq!(found, BTreeMap::from([("broken-json", 1), ("invalid-utf8", 1), ("nul-bytes", 1)]));
        let combined = Reading { format: Some("combined".into()), ..Reading::default() };
        assert_eq!(doubts(&[b"no access log"], &combined), BTreeMap::from([("wrong-format", 1)]));
    }

    const COMBINED: &str =
        r#"203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 612 "http://example.com/" "Mozilla/5.0 (X11)""#;

    #[test]
    fn real_logs_are_not_parsed_here_and_would_all_be_understood() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/web/access-logs/apache-10k.log");
        let Ok(text) = std::fs::read(path) else { return eprintln!("skipped: there is no {path}") };
        let records: Vec<_> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| record(line, Reading::default()))
            .collect();
        let suspicious = records.iter().filter(|record| is_suspicious(record)).count();
        assert!(suspicious * 100 < records.len(), "{suspicious} of {} would be parsed twice", records.len());
        let mut parser = Parser::new();
        let broken =
            records.iter().filter(|record| matches!(parser.parse(record, &mut Vec::new()), Understood::Broken(_))).count();
        let parsers = Parsers::default();
        let mut doubts = Doubts::new(&parsers);
        doubts.look(&records);
        assert_eq!(doubts.finish().values().sum::<u64>(), broken as u64);
    }

    proptest! {
        #[test]
        fn a_damaged_access_log_is_suspicious_where_it_is_not_understood(from in 0..COMBINED.len(), length in 0_usize..40, by in "[\"\\[\\]a0 -]{0,3}") {
            let to = (from + length).min(COMBINED.len());
            let damaged = [&COMBINED[..from], by.as_str(), &COMBINED[to..]].concat();
            prop_assume!(!damaged.trim().is_empty());
            let record = record(damaged.as_bytes(), Reading::default());
            let understood = Parser::new().parse(&record, &mut Vec::new());
            prop_assert!(is_suspicious(&record) || !matches!(understood, Understood::Broken(_)), "{understood:?}: {damaged}");
        }

        #[test]
        fn what_is_not_suspicious_is_understood(body in "[ \\[\\]{}<>\"':=,.\\-0-9a-zA-Zé\t\u{1b}]{1,80}") {
            prop_assume!(!body.trim().is_empty());
            let record = record(body.as_bytes(), Reading::default());
            let understood = Parser::new().parse(&record, &mut Vec::new());
            prop_assert!(is_suspicious(&record) || !matches!(understood, Understood::Broken(_)), "{understood:?}");
        }
    }
}
