//! A rule as it was written: read, checked for form, not yet compiled.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::condition::Condition;
use crate::date::TimePart;
use crate::error::Position;
use crate::pattern::Pattern;
use crate::yaml::Node;

/// One Sigma rule.
#[derive(Debug, Clone)]
pub struct Rule {
    pub id: Option<String>,
    /// The short name by which correlations may refer to the rule.
    pub name: Option<String>,
    pub title: String,
    pub description: String,
    pub level: Level,
    pub status: Option<Status>,
    pub author: String,
    pub tags: Vec<String>,
    pub references: Vec<String>,
    pub false_positives: Vec<String>,
    pub logsource: LogSource,
    pub body: Body,
    /// What the finding is called (`server-error`). Not of Sigma.
    pub class: Option<String>,
    /// The field whose value the finding is about. Not of Sigma.
    pub entity: Option<String>,
    pub tests: Tests,
    /// Top-level keys that Sigma does not know: the standard permits them.
    pub extra: Vec<(String, Node)>,
    pub file: Arc<str>,
    /// Where the document begins in the file, from 1.
    pub line: usize,
    /// Where the detection or correlation begins.
    pub position: Position,
}

impl Rule {
    /// The name to show and to refer to: the id, else the name, else the title.
    #[must_use]
    pub fn key(&self) -> &str {
        self.id.as_deref().or(self.name.as_deref()).unwrap_or(&self.title)
    }

    #[must_use]
    pub fn detection(&self) -> Option<&Detection> {
        match &self.body {
            Body::Detection(detection) => Some(detection),
            Body::Correlation(_) | Body::Filter(_) => None,
        }
    }

    #[must_use]
    pub fn correlation(&self) -> Option<&Correlation> {
        match &self.body {
            Body::Detection(_) | Body::Filter(_) => None,
            Body::Correlation(correlation) => Some(correlation),
        }
    }
}

/// A rule looks at one event, or at what other rules found over time; a filter narrows other rules.
#[derive(Debug, Clone)]
pub enum Body {
    Detection(Detection),
    Correlation(Correlation),
    Filter(Filter),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl Level {
    pub(crate) const NAMES: [(&'static str, Level); 5] = [
        ("informational", Level::Informational),
        ("low", Level::Low),
        ("medium", Level::Medium),
        ("high", Level::High),
        ("critical", Level::Critical),
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        Level::NAMES[self as usize].0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    Stable,
    Test,
    Experimental,
    Deprecated,
    Unsupported,
}

impl Status {
    #[must_use]
    pub fn name(self) -> &'static str {
        Status::NAMES[self as usize].0
    }

    pub(crate) const NAMES: [(&'static str, Status); 5] = [
        ("stable", Status::Stable),
        ("test", Status::Test),
        ("experimental", Status::Experimental),
        ("deprecated", Status::Deprecated),
        ("unsupported", Status::Unsupported),
    ];
}

/// Which logs a rule is for; what is not said applies to all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogSource {
    pub category: Option<String>,
    pub product: Option<String>,
    pub service: Option<String>,
}

impl LogSource {
    /// Whether all that is said here is said there as well, so that `other` is part of this.
    #[must_use]
    pub fn contains(&self, other: &LogSource) -> bool {
        let part = |own: &Option<String>, other: &Option<String>| {
            own.as_ref().is_none_or(|own| other.as_ref().is_some_and(|other| own.eq_ignore_ascii_case(other)))
        };
        part(&self.category, &other.category) && part(&self.product, &other.product) && part(&self.service, &other.service)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.category.is_none() && self.product.is_none() && self.service.is_none()
    }
}

/// `category/product/service`, as far as they are said.
impl fmt::Display for LogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said: Vec<&str> = [&self.category, &self.product, &self.service].into_iter().flatten().map(String::as_str).collect();
        f.write_str(if said.is_empty() { "any" } else { "" })?;
        f.write_str(&said.join("/"))
    }
}

/// Lines that must and lines that must not match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tests {
    pub matching: Vec<String>,
    pub not_matching: Vec<String>,
}

impl Tests {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.matching.is_empty() && self.not_matching.is_empty()
    }
}

#[derive(Debug, Clone)]
pub struct Detection {
    pub selections: Vec<Selection>,
    /// Several conditions in a list are alternatives.
    pub condition: Condition,
}

#[derive(Debug, Clone)]
pub struct Selection {
    pub name: String,
    pub position: Position,
    pub criteria: Criteria,
}

/// What a selection asks for.
#[derive(Debug, Clone)]
pub enum Criteria {
    All(Vec<Criteria>),
    Any(Vec<Criteria>),
    Item(Item),
}

/// One line of a selection: a field, and what its value may be.
#[derive(Debug, Clone)]
pub struct Item {
    /// [`KEYWORDS`](crate::KEYWORDS) for a keyword.
    pub field: String,
    pub tests: Vec<Test>,
    /// All tests must hold, not just one (`|all`).
    pub all: bool,
    /// The tests must not hold (`|neq`).
    pub negated: bool,
    pub position: Position,
}

/// One thing asked of one value.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    Pattern(Pattern),
    Regex(RegexSource),
    /// Equal as a number.
    Number(f64),
    Compare(Comparison, f64),
    /// A part of a date and time (`minute`, `hour`...).
    Time {
        part: TimePart,
        comparison: Comparison,
        number: f64,
    },
    Cidr(Network),
    /// The field is there (true) or is not.
    Exists(bool),
    /// Equal to the value of another field, or related to it as `relation` says.
    Field {
        name: String,
        relation: Relation,
        cased: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegexSource {
    pub text: String,
    pub ignore_case: bool,
    pub multi_line: bool,
    pub dot_matches_new_line: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

impl Comparison {
    pub(crate) const NAMES: [(&'static str, Comparison); 6] = [
        ("gt", Comparison::Greater),
        ("gte", Comparison::GreaterOrEqual),
        ("lt", Comparison::Less),
        ("lte", Comparison::LessOrEqual),
        ("eq", Comparison::Equal),
        ("neq", Comparison::NotEqual),
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        Comparison::NAMES[self as usize].0
    }

    #[must_use]
    pub fn holds<T: PartialOrd + Copy>(self, left: T, right: T) -> bool {
        match self {
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    Equals,
    Contains,
    StartsWith,
    EndsWith,
}

/// A range of addresses (RFC 4632, RFC 4291).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

impl Network {
    /// Reads `10.0.0.0/8` or `2001:db8::/32`; an address alone is a network of one. Nothing if it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Network> {
        let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = if text.contains('/') { prefix.parse().ok()? } else { most };
        (prefix <= most).then_some(Network { address, prefix })
    }

    /// An IPv4 address in IPv6 form (`::ffff:10.0.0.1`) belongs to the IPv4 networks.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                (network.to_bits() ^ address.to_bits()) & mask == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                (network.to_bits() ^ address.to_bits()) & mask == 0
            }
            _ => false,
        }
    }
}

/// What is to be left out of other rules' matches.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Ids or names of the rules that it is about; none means all whose log source it contains.
    pub rules: Vec<Reference>,
    pub detection: Detection,
}

/// What must come together over time.
#[derive(Debug, Clone)]
pub struct Correlation {
    pub kind: CorrelationKind,
    /// Ids or names of the rules whose matches are counted.
    pub rules: Vec<Reference>,
    /// Counted apart for each combination of these fields' values.
    pub group_by: Vec<Reference>,
    pub timespan_nanos: i64,
    /// All must hold. Empty for the temporal kinds.
    pub conditions: Vec<(Comparison, f64)>,
    /// The field whose distinct values are counted (`value_count`), or whose numbers are added up.
    /// Of several the values together count as one value.
    pub value_fields: Vec<Reference>,
    /// Names used in `group_by` that stand for a different field in each rule.
    pub aliases: Vec<Alias>,
    /// The rules referred to also speak for themselves.
    pub generate: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CorrelationKind {
    /// How many events matched.
    EventCount,
    /// How many different values a field had in them.
    ValueCount,
    /// What the numbers of a field come to.
    ValueSum,
    /// What the numbers of a field are on average.
    ValueAverage,
    /// All the rules matched.
    Temporal,
    /// All the rules matched, in this order.
    TemporalOrdered,
}

impl CorrelationKind {
    #[must_use]
    pub fn name(self) -> &'static str {
        CorrelationKind::NAMES[self as usize].0
    }

    /// Whether a field's values are what counts.
    #[must_use]
    pub fn is_of_values(self) -> bool {
        matches!(self, CorrelationKind::ValueCount | CorrelationKind::ValueSum | CorrelationKind::ValueAverage)
    }

    pub(crate) const NAMES: [(&'static str, CorrelationKind); 6] = [
        ("event_count", CorrelationKind::EventCount),
        ("value_count", CorrelationKind::ValueCount),
        ("value_sum", CorrelationKind::ValueSum),
        ("value_avg", CorrelationKind::ValueAverage),
        ("temporal", CorrelationKind::Temporal),
        ("temporal_ordered", CorrelationKind::TemporalOrdered),
    ];
}

/// A name, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub name: String,
    pub position: Position,
}

/// `alias: {rule: field, ...}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    pub name: String,
    /// Rule and the field that stands for the alias there.
    pub fields: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses_and_no_others() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7/32", "192.0.2.8", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "1.2.3.4", false),
        ] {
            let network = Network::parse(network).unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{network:?} {address}");
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "x/8"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }
}
