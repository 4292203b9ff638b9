//! The tables that come with Lapwing: the country and the autonomous system of every announced public address. `data/NOTICE` says
//! whose they are.

use std::net::IpAddr;
use std::sync::LazyLock;

use lapwing_model::{AutonomousSystem, Country};

use crate::Table;

/// Whose the built-in data is, for people. Its licences ask that whoever shows what it says shows this as well.
pub const ATTRIBUTION: &str = "countries of addresses: IPtoASN (iptoasn.com), PDDL 1.0; autonomous systems: Route Views \
     (routeviews.org), DB-IP (db-ip.com) and the NRO (nro.net), CC BY 4.0";

/// Made by `build.rs` of files that `examples/build_table.rs` made.
static TABLES: LazyLock<(Table<u8>, Table<[u8; 4]>)> = LazyLock::new(|| {
    let countries = include_bytes!(concat!(env!("OUT_DIR"), "/countries.flat"));
    let systems = include_bytes!(concat!(env!("OUT_DIR"), "/systems.flat"));
    // A test reads what was built in; what cannot be read could only be empty.
    (Table::of(countries).unwrap_or_default(), Table::of(systems).unwrap_or_default())
});

/// Where an address is and whose, by the numbers that the tables have for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Place {
    country: u32,
    system: u32,
}

impl Place {
    #[must_use]
    pub fn of(address: IpAddr) -> Place {
        Place { country: countries().find(address), system: systems().find(address) }
    }

    #[must_use]
    pub fn country(self) -> Option<Country> {
        countries().label(self.country).and_then(|(_, code)| Country::new(code))
    }

    #[must_use]
    pub fn system(self) -> Option<AutonomousSystem> {
        systems().label(self.system).map(|(number, organization)| AutonomousSystem { number, organization: organization.into() })
    }
}

/// The countries of addresses.
#[must_use]
pub fn countries() -> &'static Table<u8> {
    &TABLES.0
}

/// The autonomous systems of addresses, each with its number and its organization.
#[must_use]
pub fn systems() -> &'static Table<[u8; 4]> {
    &TABLES.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_addresses_are_where_everybody_knows_they_are() {
        for (address, country) in [
            ("8.8.8.8", "US"),
            ("9.9.9.9", "US"),
            ("193.0.6.139", "NL"),
            ("130.149.1.1", "DE"),
            ("133.11.0.1", "JP"),
            ("212.58.244.1", "GB"),
            ("200.160.2.3", "BR"),
            ("41.13.1.1", "ZA"),
            ("2001:4860:4860::8888", "US"),
            ("2001:200::1", "JP"),
            ("2003::1", "DE"),
            ("2a01:e0a::1", "FR"),
        ] {
            let found = countries().get(address.parse().unwrap()).map(|(_, country)| country);
            assert_eq!(found, Some(country), "{address}");
        }
        for unknown in ["10.0.0.1", "192.0.2.1", "fd00::1", "::1"] {
            assert_eq!(countries().get(unknown.parse().unwrap()), None, "{unknown}");
        }
    }

    #[test]
    fn well_known_addresses_belong_to_whom_everybody_knows_they_do() {
        for (address, number, organization) in [
            ("8.8.8.8", 15169, "Google"),
            ("1.1.1.1", 13335, "Cloudflare"),
            ("193.0.6.139", 3333, "R"),
            ("130.149.1.1", 680, "Verein"),
            ("2001:4860:4860::8888", 15169, "Google"),
            ("2a01:e0a::1", 12322, ""),
        ] {
            let found = systems().get(address.parse().unwrap());
            let fits = found.is_some_and(|(own, name)| own == number && name.starts_with(organization));
            assert!(fits, "{address}: {found:?}");
        }
        assert_eq!(systems().get("10.0.0.1".parse().unwrap()), None);
    }

    #[test]
    fn they_know_the_world() {
        assert!(systems().len() > 600_000, "{} runs", systems().len());
        assert!(countries().len() > 300_000, "{} runs", countries().len());
    }
}
