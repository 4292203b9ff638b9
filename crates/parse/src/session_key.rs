//! Sessions that only the text names: a block id, an order number, a job.

use regex::bytes::Regex;

/// Finds the key of a session in a line. Literals of the expression are searched for first, so that a line without them costs
/// little.
#[derive(Debug, Clone)]
pub struct SessionKey {
    pattern: Box<str>,
    expression: Regex,
}

/// Nothing is looked for beyond this many bytes of a line.
const LOOK: usize = 16 << 10;

impl SessionKey {
    /// # Errors
    /// Where `pattern` is no regular expression, or one that matches everywhere.
    pub fn new(pattern: &str) -> Result<SessionKey, String> {
        let short = |error: regex::Error| error.to_string().lines().last().unwrap_or_default().replace("error: ", "");
        let expression = regex::bytes::RegexBuilder::new(pattern)
            .size_limit(1 << 20)
            .build()
            .map_err(|error| format!("{pattern:?} is no regular expression: {}; try one such as 'blk_-?\\d+'", short(error)))?;
        if expression.is_match(b"") {
            return Err(format!("{pattern:?} matches where nothing is; use + instead of *, as in 'id=(\\w+)'"));
        }
        Ok(SessionKey { pattern: pattern.into(), expression })
    }

    /// As it was written.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Where in `line` the key is: the first group of the first match, or all of it where the expression has no group.
    #[must_use]
    pub fn find(&self, line: &[u8]) -> Option<(usize, usize)> {
        let line = &line[..line.len().min(LOOK)];
        let found = if self.expression.captures_len() > 1 {
            self.expression.captures(line)?.get(1)?
        } else {
            self.expression.find(line)?
        };
        (!found.is_empty()).then(|| (found.start(), found.end()))
    }
}

/// The keys that origins name, compiled once each.
#[derive(Debug, Default)]
pub(crate) struct SessionKeys {
    /// For origins that name none.
    pub(crate) otherwise: Option<SessionKey>,
    known: Vec<(Box<str>, Option<SessionKey>)>,
}

/// Origins seldom differ; more patterns than this are compiled again when they come again.
const KNOWN: usize = 64;

impl SessionKeys {
    /// The key in a line of an origin that names `pattern`, where it does. A wrong pattern finds nothing: it was refused before.
    pub(crate) fn find(&mut self, pattern: Option<&str>, line: &[u8]) -> Option<(usize, usize)> {
        let Some(pattern) = pattern else { return self.otherwise.as_ref()?.find(line) };
        let at = match self.known.iter().position(|(known, _)| **known == *pattern) {
            Some(at) => at,
            None => {
                if self.known.len() >= KNOWN {
                    self.known.clear();
                }
                self.known.push((pattern.into(), SessionKey::new(pattern).ok()));
                self.known.len() - 1
            }
        };
        self.known[at].1.as_ref()?.find(line)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use lapwing_model::{Event, Origin, Position, Reading, Record, Scope, Timestamp, hash};

    use super::*;
    use crate::Parser;

    fn read(parser: &mut Parser, line: &str, session_key: Option<&str>) -> Event {
        let reading = Reading { session_key: session_key.map(Into::into), ..Reading::default() };
        let record = Record {
            body: Bytes::copy_from_slice(line.as_bytes()),
            origin: Origin::read_as("test", reading),
            position: Position::default(),
            received: Timestamp::EPOCH,
        };
        let mut events = Vec::new();
        parser.parse(&record, &mut events);
        events.remove(0)
    }

    const LINE: &str = "081109 203615 148 INFO dfs.DataNode: block blk_-38 and blk_12 from /10.250.19.102:54106";

    #[test]
    fn the_first_match_is_the_session_and_a_group_is_what_is_meant_of_it() {
        let mut parser = Parser::new();
        for (pattern, session) in [(r"blk_-?\d+", "blk_-38"), (r"blk_(-?\d+)", "-38"), (r"order=(\w+)", "")] {
            let event = read(&mut parser, LINE, Some(pattern));
            assert_eq!(event.text(event.session), session.as_bytes());
        }
        let event = read(&mut parser, LINE, Some(r"blk_-?\d+"));
        assert_eq!(event.keys.get(Scope::Session), Some(hash(b"blk_-38")));
    }

    #[test]
    fn the_parsers_own_key_is_for_origins_that_name_none_and_the_template_is_as_without() {
        let mut parser = Parser::new().with_session_key(SessionKey::new(r"blk_-?\d+").ok());
        let event = read(&mut parser, LINE, None);
        assert_eq!(event.text(event.session), b"blk_-38");
        assert_eq!(event.skeleton, read(&mut Parser::new(), LINE, None).skeleton);
        let other = read(&mut parser, LINE, Some(r"from /([\d.]+)"));
        assert_eq!(other.text(other.session), b"10.250.19.102");
    }

    #[test]
    fn what_the_key_finds_stands_before_what_the_record_names() {
        let line = r#"{"message": "job j-77 started", "session_id": "abc"}"#;
        let event = read(&mut Parser::new(), line, Some(r"j-\d+"));
        assert_eq!(event.text(event.session), b"j-77");
        let without = read(&mut Parser::new(), line, Some(r"k-\d+"));
        assert_eq!(without.text(without.session), b"abc");
    }

    #[test]
    fn wrong_patterns_are_refused_with_advice_and_find_nothing() {
        let error = SessionKey::new("blk_(").expect_err("wrong");
        assert!(error.contains("no regular expression") && error.contains("unclosed group"), "{error}");
        assert!(SessionKey::new(r"\d*").is_err_and(|error| error.contains("use + instead")));
        assert!(read(&mut Parser::new(), LINE, Some("blk_(")).session.is_empty());
    }
}
