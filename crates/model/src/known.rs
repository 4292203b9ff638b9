//! What is known of an address besides what a record says of it: where it is, whose it is, how much it matters.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Value;

/// What tables, lists and people know of one address. Events of one address share it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Known {
    pub network_class: NetworkClass,
    /// ISO 3166-1 alpha-2.
    pub country: Option<Country>,
    pub autonomous_system: Option<AutonomousSystem>,
    /// Its name by reverse DNS.
    pub domain: Option<Box<str>>,
    pub asset: Option<Asset>,
    /// Entries of threat lists that name it.
    pub threats: Vec<Threat>,
}

/// Two capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// None where these are no two letters.
    #[must_use]
    pub fn new(code: &str) -> Option<Country> {
        let letters: [u8; 2] = code.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_alphabetic).then(|| Country(letters.map(|letter| letter.to_ascii_uppercase())))
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&letter| fmt::Write::write_char(f, letter.into()))
    }
}

impl Serialize for Country {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Country, D::Error> {
        let code = String::deserialize(deserializer)?;
        Country::new(&code).ok_or_else(|| serde::de::Error::custom(format!("'{code}' is no country code of two letters")))
    }
}

/// Who routes an address (RFC 1930).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutonomousSystem {
    pub number: u32,
    /// Empty where nobody says.
    pub organization: Box<str>,
}

/// What kind of network an address is of: by the registries of special addresses (RFC 6890) or, of a public one, by lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkClass {
    #[default]
    Public,
    /// RFC 1918, RFC 4193.
    Private,
    Loopback,
    LinkLocal,
    /// Carrier-grade NAT (RFC 6598).
    Cgn,
    Multicast,
    /// RFC 5737, RFC 3849, RFC 9637.
    Documentation,
    /// Of no use on a network: unspecified, broadcast, benchmarks, reserved.
    Reserved,
    /// An exit of the Tor network.
    Tor,
    Vpn,
    Hosting,
}

impl NetworkClass {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            NetworkClass::Public => "public",
            NetworkClass::Private => "private",
            NetworkClass::Loopback => "loopback",
            NetworkClass::LinkLocal => "linklocal",
            NetworkClass::Cgn => "cgn",
            NetworkClass::Multicast => "multicast",
            NetworkClass::Documentation => "documentation",
            NetworkClass::Reserved => "reserved",
            NetworkClass::Tor => "tor",
            NetworkClass::Vpn => "vpn",
            NetworkClass::Hosting => "hosting",
        }
    }
}

/// Something of one's own that has an address or a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asset {
    pub name: Box<str>,
    pub owner: Box<str>,
    pub criticality: Criticality,
}

/// How much it would hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Criticality {
    Low,
    #[default]
    Medium,
    High,
    Critical,
}

impl Criticality {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Criticality::Low => "low",
            Criticality::Medium => "medium",
            Criticality::High => "high",
            Criticality::Critical => "critical",
        }
    }
}

/// An entry of a threat list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threat {
    pub list: Box<str>,
    /// As the list has it: an address, a network, a domain, a hash.
    pub entry: Box<str>,
}

/// One of the things known, as a field of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fact {
    Country,
    AsNumber,
    AsOrganization,
    NetworkClass,
    Domain,
    AssetName,
    AssetOwner,
    AssetCriticality,
    ThreatList,
}

impl Known {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Known::default()
    }

    /// The fact, as it stands in a field.
    #[must_use]
    pub fn fact(&self, fact: Fact) -> Value<'_> {
        let asset = |part: fn(&Asset) -> &str| self.asset.as_ref().map(|asset| part(asset).as_bytes());
        let system = self.autonomous_system.as_ref();
        let text = match fact {
            Fact::AsNumber => return system.map_or(Value::Absent, |system| Value::Number(f64::from(system.number))),
            Fact::Country => self.country.as_ref().map(Country::as_bytes),
            Fact::AsOrganization => system.map(|system| system.organization.as_bytes()),
            Fact::NetworkClass => Some(self.network_class.name().as_bytes()),
            Fact::Domain => self.domain.as_ref().map(|domain| domain.as_bytes()),
            Fact::AssetName => asset(|asset| &asset.name),
            Fact::AssetOwner => asset(|asset| &asset.owner),
            Fact::AssetCriticality => asset(|asset| asset.criticality.name()),
            Fact::ThreatList => self.threats.first().map(|threat| threat.list.as_bytes()),
        };
        text.filter(|text| !text.is_empty()).map_or(Value::Absent, Value::Text)
    }
}

/// `PL, AS213014 Firma Handlowo-Uslugowa`: what people want to know first. Names are not made safe for showing.
impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = Vec::new();
        told.extend(self.asset.as_ref().map(|asset| format!("asset {}, {}", asset.name, asset.criticality.name())));
        told.extend(self.country.map(|country| country.to_string()));
        told.extend(
            self.autonomous_system
                .as_ref()
                .map(|system| format!("AS{} {}", system.number, system.organization).trim_end().to_owned()),
        );
        if self.network_class != NetworkClass::Public {
            told.push(self.network_class.name().to_owned());
        }
        told.extend(self.domain.as_ref().map(ToString::to_string));
        f.write_str(&told.join(", "))
    }
}

impl FromStr for Criticality {
    type Err = String;

    fn from_str(text: &str) -> Result<Criticality, String> {
        [Criticality::Low, Criticality::Medium, Criticality::High, Criticality::Critical]
            .into_iter()
            .find(|criticality| criticality.name() == text)
            .ok_or_else(|| format!("unknown criticality '{text}'; use one of low, medium, high, critical"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_two_letters() {
        assert_eq!(Country::new("pl").map(|country| country.to_string()).as_deref(), Some("PL"));
        for wrong in ["", "P", "POL", "1a", "é"] {
            assert_eq!(Country::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn facts_stand_in_fields_and_are_absent_where_nobody_knows() {
        let known = Known {
            country: Country::new("DE"),
            autonomous_system: Some(AutonomousSystem { number: 680, organization: "DFN".into() }),
            ..Known::default()
        };
        assert_eq!(known.fact(Fact::Country), Value::Text(b"DE"));
        assert_eq!(known.fact(Fact::AsNumber), Value::Number(680.0));
        assert_eq!(known.fact(Fact::AssetName), Value::Absent);
        assert_eq!(known.fact(Fact::NetworkClass), Value::Text(b"public"));
        assert_eq!(known.to_string(), "DE, AS680 DFN");
    }
}
