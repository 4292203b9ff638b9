use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Entity, Known, Part, Scope, Score, Severity, Timestamp};

/// Verdicts that belong together (same entity, same class, close in time): stored, listed and told once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    pub id: AnomalyId,
    /// The earliest event of it.
    pub time: Timestamp,
    /// The latest event of it; never before `time`.
    pub last: Timestamp,
    pub severity: Severity,
    /// The highest score among its verdicts.
    pub score: Score,
    /// The detector that contributed most to that score.
    pub detector: Cow<'static, str>,
    pub class: Cow<'static, str>,
    /// What kind of thing the entity is.
    pub scope: Scope,
    /// Who or what it is about: an address, a path, a service. Not yet made safe for showing.
    pub entity: Box<str>,
    /// How many events are in it.
    pub count: u64,
    /// Why, in one sentence, of the verdict that scored highest.
    pub reason: String,
    pub parts: Vec<Part>,
    pub expected: String,
    pub observed: String,
    /// One in so many events scored as high, of those seen until then; 0 where nobody counted.
    #[serde(default)]
    pub one_in: u64,
    /// What would have kept it from being an anomaly.
    #[serde(default)]
    pub silenced_by: String,
    /// Who else is in it: the client of a user's login, the victims of a scan; at most [`Anomaly::RELATED`].
    #[serde(default)]
    pub related: Vec<Entity>,
    /// Where the entity is, whose it is and how much it matters, as far as that was known.
    #[serde(default)]
    pub known: Option<Known>,
    /// A few of the lines: the first ones and the strongest.
    pub evidence: Vec<Evidence>,
    pub state: State,
    pub note: String,
}

impl Anomaly {
    /// Others that one anomaly names at most.
    pub const RELATED: usize = 8;
}

/// One line that shows an anomaly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub file: Box<str>,
    pub line: u64,
    /// As it came, cut to a bounded length; not yet made safe for showing.
    pub text: Box<str>,
}

/// What people said of an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    #[default]
    Open,
    Acknowledged,
    /// Nothing to worry about.
    Expected,
    /// Truly something.
    Real,
}

impl State {
    pub const ALL: [State; 4] = [State::Open, State::Acknowledged, State::Expected, State::Real];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Acknowledged => "acknowledged",
            State::Expected => "expected",
            State::Real => "real",
        }
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        State::ALL
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or_else(|| format!("unknown state '{text}'; use one of open, acknowledged, expected, real"))
    }
}

/// Names an anomaly: 16 hexadecimal digits, derived from what it is about and the position of its first event, so that
/// whoever reads the same input again gets the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnomalyId(pub u64);

impl fmt::Display for AnomalyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for AnomalyId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() != 16 {
            return Err(format!("'{text}' is no anomaly id; ids have 16 hexadecimal digits"));
        }
        u64::from_str_radix(text, 16)
            .map(AnomalyId)
            .map_err(|_| format!("'{text}' is no anomaly id; ids have 16 hexadecimal digits"))
    }
}

impl Serialize for AnomalyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_u64(self.0) }
    }
}

impl<'de> Deserialize<'de> for AnomalyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return u64::deserialize(deserializer).map(AnomalyId);
        }
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_is_shown() {
        let id = AnomalyId(0x00ab_cdef_0123_4567);
        assert_eq!(id.to_string(), "00abcdef01234567");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("xyz".parse::<AnomalyId>().is_err());
        assert!("+0abcdef01234567".parse::<AnomalyId>().is_ok_and(|id| id.0 == 0x00ab_cdef_0123_4567));
    }
}
