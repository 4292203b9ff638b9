//! The table that comes with Lapwing: the country of every announced public address. `data/NOTICE` says whose it is.

use std::sync::LazyLock;

use crate::Table;

/// The countries of addresses, made by `examples/build_table.rs`.
const COUNTRIES: &[u8] = include_bytes!("../data/countries.table");

/// Whose the built-in data is, for people.
pub const ATTRIBUTION: &str = "country of an address: IPtoASN (iptoasn.com), PDDL 1.0";

/// Unpacked when the first address is looked up: some ten milliseconds that no start has to wait for.
static TABLE: LazyLock<Table<u8>> = LazyLock::new(|| {
    // A test reads what was built in; one that cannot be read could only be empty.
    Table::read(COUNTRIES).unwrap_or_default()
});

/// The autonomous systems of addresses. No table of them comes with Lapwing yet: those that are free ask for more than to be named.
#[must_use]
pub fn systems() -> Option<&'static Table<u32>> {
    None
}

/// The countries of addresses.
#[must_use]
pub fn countries() -> &'static Table<u8> {
    &TABLE
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
    fn it_knows_the_world_in_little_memory() {
        assert!(countries().len() > 300_000, "{} runs", countries().len());
        assert!(countries().bytes() < 4 << 20, "{} bytes", countries().bytes());
        assert!(COUNTRIES.len() < 1 << 20, "{} bytes", COUNTRIES.len());
    }
}
