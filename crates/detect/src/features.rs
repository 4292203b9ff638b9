//! The features of events: what the learned detectors see of them, one definition for learning and judging.
//!
//! Each kind of event (`web`, `log`, `flow`) has a list of features, and each event becomes one row of numbers. `default` in a list
//! stands for all that come with Lapwing; people add their own as `number(FIELD)`, `length(FIELD)` and `rarity(FIELD)`, with any
//! field by its OpenTelemetry or ECS name, or by the record's own. What an event does not have is missing (NaN).

mod client;
mod read;
mod text;
mod watch;

use std::fmt;

use lapwing_model::{Detail, Event, Field};
use lapwing_rules::did_you_mean;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use read::Reader;
pub(crate) use watch::{Model, Speaks, Watch};

/// The section `detectors.features` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub web: List<0>,
    pub log: List<1>,
    pub flow: List<2>,
}

/// Kinds of events that have features of their own.
pub const KINDS: [&str; 3] = ["web", "log", "flow"];

/// More than this in one list are refused: models take 256.
const MOST: usize = 64;

/// The features of one kind of event, by its place in [`KINDS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<const KIND: usize>(pub Vec<Feature>);

/// One number of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feature {
    BuiltIn(BuiltIn),
    /// The number that stands in a field.
    Number(Field),
    /// How many bytes of text stand in it, as a logarithm.
    Length(Field),
    /// How rarely what stands in it did so before, as a logarithm.
    Rarity(Field),
}

macro_rules! built_in {
    ($($variant:ident $name:literal $kinds:expr, $unit:expr;)+) => {
        /// The features that come with Lapwing.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum BuiltIn { $($variant),+ }

        /// Each with its name, the kinds of events that have it, and how it is shown.
        const BUILT_IN: &[(BuiltIn, &str, &[usize], Unit)] = &[$((BuiltIn::$variant, $name, $kinds, $unit)),+];
    };
}

/// How a value reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Plain,
    /// The logarithm of one more than what it counts.
    Count,
    Bytes,
    /// The logarithm of one more than milliseconds.
    Millis,
    Percent,
    /// The logarithm of one in so many.
    OneIn,
}

const WEB: usize = 0;
const LOG: usize = 1;
const FLOW: usize = 2;

built_in! {
    Method "method" &[WEB], Unit::Plain;
    Status "status_class" &[WEB], Unit::Plain;
    Bytes "bytes" &[WEB, FLOW], Unit::Bytes;
    PathLength "path_length" &[WEB], Unit::Count;
    PathDepth "path_depth" &[WEB], Unit::Plain;
    PathDigits "path_digits" &[WEB], Unit::Percent;
    PathEntropy "path_entropy" &[WEB], Unit::Plain;
    Parameters "parameters" &[WEB], Unit::Plain;
    QueryLength "query_length" &[WEB], Unit::Count;
    AgentLength "user_agent_length" &[WEB], Unit::Count;
    Duration "duration" &[WEB, FLOW, LOG], Unit::Millis;
    Gap "gap" &[WEB, FLOW, LOG], Unit::Millis;
    Errors "recent_errors" &[WEB, FLOW, LOG], Unit::Percent;
    NewPaths "recent_new_paths" &[WEB], Unit::Percent;
    Hour "hour" &[WEB, LOG, FLOW], Unit::Plain;
    Level "level" &[LOG], Unit::Plain;
    Length "length" &[LOG], Unit::Count;
    Digits "digits" &[LOG], Unit::Percent;
    Words "words" &[LOG], Unit::Count;
    Template "template_rarity" &[LOG], Unit::OneIn;
    Packets "packets" &[FLOW], Unit::Count;
    PacketSize "packet_size" &[FLOW], Unit::Bytes;
    Port "port_class" &[FLOW], Unit::Plain;
    Protocol "protocol" &[FLOW], Unit::Plain;
    Flags "flags" &[FLOW], Unit::Plain;
    Answered "answered" &[FLOW], Unit::Percent;
    ByteRate "byte_rate" &[FLOW], Unit::Bytes;
    NewDestinations "recent_new_destinations" &[FLOW], Unit::Percent;
    NewPorts "recent_new_ports" &[FLOW], Unit::Percent;
}

/// Those of one kind that are not used without being asked for: a gap needs a client, which most logs do not have.
const ASKED_FOR: &[(usize, BuiltIn)] = &[(LOG, BuiltIn::Gap), (LOG, BuiltIn::Errors), (LOG, BuiltIn::Duration)];

/// The place in [`KINDS`] of an event's kind.
pub(crate) fn kind_of(event: &Event) -> usize {
    match event.detail {
        Detail::Web(_) => WEB,
        Detail::Log(_) => LOG,
        Detail::Flow(_) => FLOW,
    }
}

fn of_kind(kind: usize) -> impl Iterator<Item = (BuiltIn, &'static str)> {
    BUILT_IN.iter().filter(move |(_, _, kinds, _)| kinds.contains(&kind)).map(|(feature, name, ..)| (*feature, *name))
}

fn defaults(kind: usize) -> impl Iterator<Item = Feature> {
    of_kind(kind).filter(move |(feature, _)| !ASKED_FOR.contains(&(kind, *feature))).map(|(feature, _)| Feature::BuiltIn(feature))
}

impl Feature {
    /// The feature of that name, for one of the [`KINDS`].
    ///
    /// # Errors
    /// Where there is none, with the nearest that there is.
    pub fn named(kind: usize, name: &str) -> Result<Feature, String> {
        if let Some((how, field)) = name.strip_suffix(')').and_then(|name| name.split_once('(')) {
            let field = field.trim();
            if field.is_empty() {
                return Err(format!("'{name}' names no field; write {how}(FIELD)"));
            }
            return match how.trim() {
                "number" => Ok(Feature::Number(Field::named(field))),
                "length" => Ok(Feature::Length(Field::named(field))),
                "rarity" => Ok(Feature::Rarity(Field::named(field))),
                other => Err(format!(
                    "no feature is made by '{other}'{}; use number, length or rarity",
                    near(other, ["number", "length", "rarity"])
                )),
            };
        }
        let found = of_kind(kind).find(|(_, known)| *known == name);
        let what = KINDS.get(kind).copied().unwrap_or_default();
        found.map(|(feature, _)| Feature::BuiltIn(feature)).ok_or_else(|| {
            let hint = near(name, of_kind(kind).map(|(_, known)| known).chain(["default"]));
            format!("{what} events have no feature '{name}'{hint}; a field's is number({name}), length({name}) or rarity({name})")
        })
    }

    fn unit(&self) -> Unit {
        match self {
            Feature::BuiltIn(own) => BUILT_IN.iter().find(|(known, ..)| known == own).map_or(Unit::Plain, |(.., unit)| *unit),
            Feature::Number(_) => Unit::Plain,
            Feature::Length(_) => Unit::Count,
            Feature::Rarity(_) => Unit::OneIn,
        }
    }

    /// The name as a person reads it.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Feature::BuiltIn(_) => self.to_string().replace('_', " "),
            Feature::Number(field) => field.name().to_owned(),
            Feature::Length(field) => format!("length of {}", field.name()),
            Feature::Rarity(field) => format!("rarity of {}", field.name()),
        }
    }

    /// A value as a person reads it.
    #[must_use]
    pub fn shown(&self, value: f32) -> String {
        let value = f64::from(value);
        if value.is_nan() {
            return "none".to_owned();
        }
        match self.unit() {
            Unit::Plain => rounded(value),
            Unit::Count => rounded(value.exp_m1().round()),
            Unit::Bytes => format!("{} B", rounded(value.exp_m1().round())),
            Unit::Millis if value > 1000_f64.ln() => format!("{} s", rounded(value.exp_m1() / 1000.0)),
            Unit::Millis => format!("{} ms", rounded(value.exp_m1())),
            Unit::Percent => format!("{:.0} %", value * 100.0),
            Unit::OneIn => format!("1 in {:.0}", value.exp()),
        }
    }
}

fn rounded(value: f64) -> String {
    if value == value.trunc() { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    did_you_mean(word, known).map_or(String::new(), |known| format!("; did you mean '{known}'?"))
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Feature::BuiltIn(own) => {
                f.write_str(BUILT_IN.iter().find(|(known, ..)| known == own).map_or("", |(_, name, ..)| name))
            }
            Feature::Number(field) => write!(f, "number({})", field.name()),
            Feature::Length(field) => write!(f, "length({})", field.name()),
            Feature::Rarity(field) => write!(f, "rarity({})", field.name()),
        }
    }
}

impl<const KIND: usize> Default for List<KIND> {
    fn default() -> Self {
        List(defaults(KIND).collect())
    }
}

impl<const KIND: usize> Serialize for List<KIND> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Feature::to_string))
    }
}

/// A name in a list, looked up while it is read, so that an error points at it.
struct Named<const KIND: usize>(Vec<Feature>);

impl<'de, const KIND: usize> Deserialize<'de> for Named<KIND> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name == "default" {
            return Ok(Named(defaults(KIND).collect()));
        }
        Feature::named(KIND, &name).map(|feature| Named(vec![feature])).map_err(de::Error::custom)
    }
}

impl<'de, const KIND: usize> Deserialize<'de> for List<KIND> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut all: Vec<Feature> = Vec::new();
        for feature in Vec::<Named<KIND>>::deserialize(deserializer)?.into_iter().flat_map(|named| named.0) {
            if !all.contains(&feature) {
                all.push(feature);
            }
        }
        if all.len() > MOST {
            return Err(de::Error::custom(format!("{} features; at most {MOST} are possible", all.len())));
        }
        Ok(List(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_reads_back_as_it_is_written() {
        for kind in 0..KINDS.len() {
            for feature in defaults(kind) {
                assert_eq!(Feature::named(kind, &feature.to_string()), Ok(feature));
            }
        }
        let own = Feature::named(0, "number(request_time)").unwrap();
        assert_eq!((own.to_string().as_str(), own.label().as_str()), ("number(request_time)", "request_time"));
    }

    #[test]
    fn a_name_that_does_not_exist_is_refused_with_what_was_meant() {
        let error = Feature::named(0, "path_lenght").unwrap_err();
        assert!(error.starts_with("web events have no feature 'path_lenght'; did you mean 'path_length'?"), "{error}");
        assert!(Feature::named(1, "packets").is_err(), "a log line has no packets");
        let error = Feature::named(0, "lenght(url.query)").unwrap_err();
        assert!(error.contains("did you mean 'length'?"), "{error}");
        assert!(Feature::named(0, "number()").is_err());
    }

    #[test]
    fn values_are_shown_as_people_count_them() {
        let shown = |own: BuiltIn, value: f32| Feature::BuiltIn(own).shown(value);
        assert_eq!(shown(BuiltIn::Bytes, 1024_f32.ln_1p()), "1024 B");
        assert_eq!(shown(BuiltIn::Duration, 2500_f32.ln_1p()), "2.5 s");
        assert_eq!(shown(BuiltIn::PathDigits, 0.25), "25 %");
        assert_eq!(shown(BuiltIn::Bytes, f32::NAN), "none");
    }
}
