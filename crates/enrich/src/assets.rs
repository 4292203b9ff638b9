//! What of all that has an address or a name is one's own, and how much it matters: a list that people keep.
//!
//! ```yaml
//! - name: payment database
//!   owner: payments team
//!   criticality: critical      # low, medium, high, critical
//!   addresses: [10.0.0.5, 10.0.9.0/24]
//!   hosts: [db1.example.org]
//! ```

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use lapwing_model::{Asset, Criticality, Network};
use serde::Deserialize;

use crate::{Networks, yaml};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Box<str>,
    #[serde(default)]
    owner: Box<str>,
    #[serde(default)]
    criticality: Criticality,
    #[serde(default)]
    addresses: Vec<Network>,
    #[serde(default)]
    hosts: Vec<String>,
}

/// Assets by address and by name.
#[derive(Debug, Default)]
pub struct Assets {
    all: Vec<Asset>,
    /// Their numbers, from 1 on.
    addresses: Networks<u32>,
    hosts: HashMap<String, u32>,
}

impl Assets {
    /// # Errors
    /// Where the file cannot be read or something in it is wrong.
    pub fn open(path: &Path) -> Result<Assets, String> {
        let written: Vec<Written> = yaml::read(path, "enrichment.assets")?;
        let empty = written.iter().find(|asset| asset.addresses.is_empty() && asset.hosts.is_empty());
        match empty {
            Some(asset) => Err(format!("{}: asset '{}' has neither addresses nor hosts", path.display(), asset.name)),
            None => Ok(Assets::new(written)),
        }
    }

    fn new(written: Vec<Written>) -> Assets {
        let mut assets = Assets::default();
        let mut networks = Vec::new();
        for Written { name, owner, criticality, addresses, hosts } in written {
            assets.all.push(Asset { name, owner, criticality });
            let number = assets.all.len() as u32;
            networks.extend(addresses.into_iter().map(|network| (network, number)));
            for host in hosts {
                assets.hosts.entry(host.to_ascii_lowercase()).or_insert(number);
            }
        }
        assets.addresses = Networks::new(networks);
        assets
    }

    #[must_use]
    pub fn at(&self, address: IpAddr) -> Option<&Asset> {
        self.numbered(self.addresses.get(address))
    }

    /// By name, in any case.
    #[must_use]
    pub fn named(&self, host: &str) -> Option<&Asset> {
        self.numbered(*self.hosts.get(&host.to_ascii_lowercase())?)
    }

    fn numbered(&self, number: u32) -> Option<&Asset> {
        self.all.get((number as usize).checked_sub(1)?)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Written>, String> {
        yaml::parse("assets.yaml", text)
    }

    #[test]
    fn an_address_belongs_to_the_asset_with_the_smallest_network_around_it_and_a_name_in_any_case() {
        let text = "- {name: office, addresses: [10.0.0.0/8]}\n\
                    - {name: database, owner: ops, criticality: critical, addresses: [10.0.0.5], hosts: [DB1.example.org]}\n";
        let assets = Assets::new(read(text).unwrap());
        let name = |asset: Option<&Asset>| asset.map(|asset| asset.name.to_string());
        assert_eq!(name(assets.at("10.0.0.5".parse().unwrap())).as_deref(), Some("database"));
        assert_eq!(name(assets.at("10.0.0.6".parse().unwrap())).as_deref(), Some("office"));
        assert_eq!(assets.at("11.0.0.1".parse().unwrap()), None);
        assert_eq!(name(assets.named("db1.EXAMPLE.org")).as_deref(), Some("database"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_what_may_be_meant() {
        for (text, expected) in [
            ("- name: a\n  adresses: [10.0.0.1]\n", "assets.yaml:2:3: unknown 'adresses'; did you mean 'addresses'?"),
            ("- name: a\n  criticality: hgih\n", "assets.yaml:2:16: unknown 'hgih'; did you mean 'high'?"),
            ("- name: a\n  addresses: [10.0.0]\n", "'10.0.0' is no network: write an address"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(read("").unwrap().is_empty());
    }
}
