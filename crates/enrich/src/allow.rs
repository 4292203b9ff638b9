//! What people know of and do not want to hear about for a while: a penetration test, a migration, a monitor.
//!
//! ```yaml
//! - addresses: [192.0.2.7, 10.0.0.0/24]
//!   users: [backup]
//!   hosts: [ci-runner]
//!   until: 2026-12-31          # or a time: 2026-12-31T18:00:00Z
//!   note: penetration test, ask Ines
//! ```

use std::collections::HashMap;
use std::path::Path;

use lapwing_model::{Entity, Network, Scope, Timestamp};
use serde::{Deserialize, Deserializer};

use crate::{Networks, yaml};

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    #[serde(default)]
    pub addresses: Vec<Network>,
    #[serde(default)]
    pub users: Vec<Box<str>>,
    #[serde(default)]
    pub hosts: Vec<Box<str>>,
    /// From then on (event time) it allows no longer.
    #[serde(deserialize_with = "until")]
    pub until: Timestamp,
    #[serde(default)]
    pub note: Box<str>,
}

/// All entries, by whom they are about.
#[derive(Debug, Default)]
pub struct AllowList {
    all: Vec<Allowed>,
    /// The number of the entry, from 1 on, that allows longest.
    addresses: Networks<u32>,
    names: HashMap<(Scope, Box<str>), u32>,
}

impl AllowList {
    /// # Errors
    /// Where the file cannot be read or something in it is wrong.
    pub fn open(path: &Path) -> Result<AllowList, String> {
        let mut all: Vec<Allowed> = yaml::read(path, "enrichment.allow")?;
        if let Some(nobody) = all.iter().find(|one| one.addresses.is_empty() && one.users.is_empty() && one.hosts.is_empty()) {
            return Err(format!("{}: the entry until {} names no addresses, users or hosts", path.display(), nobody.until));
        }
        // Of two for the same the first one counts: the one that allows longer.
        all.sort_by_key(|allowed| std::cmp::Reverse(allowed.until));
        Ok(AllowList::new(all))
    }

    fn new(all: Vec<Allowed>) -> AllowList {
        let mut list = AllowList::default();
        let mut networks = Vec::new();
        for (allowed, number) in all.iter().zip(1_u32..) {
            networks.extend(allowed.addresses.iter().map(|network| (*network, number)));
            let users = allowed.users.iter().map(|name| (Scope::User, name));
            for (scope, name) in users.chain(allowed.hosts.iter().map(|name| (Scope::Host, name))) {
                list.names.entry((scope, name.clone())).or_insert(number);
            }
        }
        AllowList { addresses: Networks::new(networks), all, ..list }
    }

    /// What allows somebody at a time.
    #[must_use]
    pub fn entity(&self, entity: &Entity, at: Timestamp) -> Option<&Allowed> {
        self.naming(entity).filter(|allowed| at < allowed.until)
    }

    /// What names somebody, expired or not: an address, who acts of a pair, a user, a host.
    #[must_use]
    pub fn naming(&self, entity: &Entity) -> Option<&Allowed> {
        if self.all.is_empty() {
            return None;
        }
        match entity.scope {
            Scope::Client | Scope::Victim | Scope::Network | Scope::Pair => {
                let first = entity.name.split([' ', '/']).next()?;
                self.numbered(self.addresses.get(first.parse().ok()?))
            }
            scope => self.numbered(*self.names.get(&(scope, entity.name.clone()))?),
        }
    }

    fn numbered(&self, number: u32) -> Option<&Allowed> {
        self.all.get((number as usize).checked_sub(1)?)
    }

    /// All entries, those that allow longest first.
    pub fn iter(&self) -> impl Iterator<Item = &Allowed> {
        self.all.iter()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl Allowed {
    /// Whom it is about, in words.
    #[must_use]
    pub fn who(&self) -> String {
        let addresses = self.addresses.iter().map(ToString::to_string);
        let names =
            self.users.iter().map(|user| format!("user {user}")).chain(self.hosts.iter().map(|host| format!("host {host}")));
        addresses.chain(names).collect::<Vec<_>>().join(", ")
    }
}

/// A day (its begin in UTC), or a time (RFC 3339).
fn until<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    let day =
        || text.parse::<jiff::civil::Date>().and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC)).map(|day| day.timestamp());
    let time = text.parse::<jiff::Timestamp>().or_else(|_| day());
    let time = time.ok().and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    time.map(Timestamp::from_nanos).ok_or_else(|| {
        serde::de::Error::custom(format!("'{text}' is no time: write a day such as 2026-12-31, or 2026-12-31T18:00:00Z"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> AllowList {
        let mut all: Vec<Allowed> = yaml::parse("allow.yaml", text).unwrap();
        all.sort_by_key(|allowed| std::cmp::Reverse(allowed.until));
        AllowList::new(all)
    }

    fn at(day: &str) -> Timestamp {
        let time: jiff::Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
        Timestamp::from_seconds(time.as_second())
    }

    #[test]
    fn an_entry_allows_whom_it_names_until_it_expires_and_nobody_else() {
        let list = list("- {addresses: [192.0.2.0/24], users: [backup], until: 2026-12-31, note: test}\n");
        let entity = |scope, name: &str, day| list.entity(&Entity::new(scope, name), at(day)).map(|allowed| &*allowed.note);
        assert_eq!(entity(Scope::Client, "192.0.2.9", "2026-12-30"), Some("test"));
        assert_eq!(entity(Scope::Client, "192.0.2.9", "2026-12-31"), None, "it has expired");
        assert_eq!(entity(Scope::Pair, "192.0.2.9 > 10.0.0.1", "2026-12-30"), Some("test"));
        assert_eq!(entity(Scope::Pair, "10.0.0.1 > 192.0.2.9", "2026-12-30"), None, "it is about who acts");
        assert_eq!(entity(Scope::Network, "192.0.2.0/24", "2026-12-30"), Some("test"));
        assert_eq!(entity(Scope::User, "backup", "2026-12-30"), Some("test"));
        assert_eq!(entity(Scope::Host, "backup", "2026-12-30"), None, "a user is no host");
        assert_eq!(entity(Scope::Client, "192.0.3.9", "2026-12-30"), None);
    }

    #[test]
    fn of_two_entries_for_the_same_the_one_that_allows_longer_counts() {
        let list = list("- {users: [a], until: 2026-01-01}\n- {users: [a], until: 2027-01-01T12:00:00+02:00, note: long}\n");
        assert_eq!(list.entity(&Entity::new(Scope::User, "a"), at("2026-06-01")).map(|allowed| &*allowed.note), Some("long"));
    }

    #[test]
    fn an_entry_without_an_end_or_with_a_wrong_one_is_refused() {
        let wrong = |text: &str| yaml::parse::<Allowed>("allow.yaml", text).unwrap_err();
        assert!(wrong("- users: [a]\n").contains("missing field `until`"), "{}", wrong("- users: [a]\n"));
        assert!(wrong("- {users: [a], until: soon}\n").contains("'soon' is no time"));
    }
}
