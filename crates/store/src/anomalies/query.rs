use std::fmt;
use std::str::FromStr;

use lapwing_model::{Anomaly, Severity, State, Timestamp};

/// Which anomalies to list; everything that is not set matches all. Newest first, by [`Anomaly::time`] in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Anomalies that began at this time or later.
    pub from: Option<Timestamp>,
    /// Anomalies that began before this time.
    pub to: Option<Timestamp>,
    /// At least this severe.
    pub severity: Option<Severity>,
    pub detector: Option<String>,
    /// Name of the entity, of any scope.
    pub entity: Option<String>,
    pub class: Option<String>,
    pub state: Option<State>,
    /// Words that all occur in reason, entity, class or evidence, in any case; `inject*` finds words that begin so. Any text
    /// is allowed; text without a letter or digit matches nothing, empty text everything.
    pub text: Option<String>,
    /// Only what comes after this place of an earlier page.
    pub after: Option<Cursor>,
    /// Most items of a page; 0 means [`Query::LIMIT`]; never more than [`Query::MOST`].
    pub limit: usize,
}

impl Query {
    /// Items of a page where nothing else is asked for.
    pub const LIMIT: usize = 50;
    /// Most items of a page.
    pub const MOST: usize = 1000;

    pub(super) fn page(&self) -> usize {
        if self.limit == 0 { Query::LIMIT } else { self.limit.min(Query::MOST) }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    pub items: Vec<Anomaly>,
    /// Where the next page begins; nothing where this is the last.
    pub next: Option<Cursor>,
}

/// A place in the list, told and taken as text that has no meaning elsewhere. Stays right while rows come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor(pub(super) i64);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u64::from_str_radix(text, 16) {
            Ok(place) if digits => Ok(Cursor(place as i64)),
            _ => Err("the cursor is not one that a page gave; leave it out to begin with the first page".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_it_is_shown() {
        for place in [i64::MIN, -1, 0, 77, i64::MAX] {
            assert_eq!(Cursor(place).to_string().parse(), Ok(Cursor(place)));
        }
        for text in ["", "12", "+123456789abcdef", "zzzzzzzzzzzzzzzz", "1234567890abcdef0", "é234567890abcde"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
