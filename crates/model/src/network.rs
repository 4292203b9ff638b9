//! Networks by their prefix, for lists of who may send.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network such as `192.0.2.0/24` or `2001:db8::/32`; an address alone means just that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    /// Bits that count.
    prefix: u8,
}

/// What is wrong with a network as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotANetwork(Box<str>);

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is no network: write an address, or one and the length of its prefix, such as 192.0.2.0/24", self.0)
    }
}

impl std::error::Error for NotANetwork {}

impl Network {
    /// The network of that prefix that an address is in; one longer than the address has bits counts as all of them.
    #[must_use]
    pub fn of(address: IpAddr, prefix: u8) -> Network {
        let all = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.min(all);
        let rest = u32::from(all - prefix);
        // A shift by all bits is no shift: an empty prefix keeps nothing.
        let address = match address {
            IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(rest).unwrap_or(0)).into()),
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(rest).unwrap_or(0)).into()),
        };
        Network { address, prefix }
    }

    /// Its first address.
    #[must_use]
    pub fn first(&self) -> IpAddr {
        Network::of(self.address, self.prefix).address
    }

    /// How many bits of its addresses are the same.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        // A shift by all bits is no shift; an empty prefix takes everything.
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// Whether an address is in one of the networks; every one is where none are named.
#[must_use]
pub fn allows(allowed: &[Network], address: IpAddr) -> bool {
    let address = address.to_canonical();
    allowed.is_empty() || allowed.iter().any(|network| network.contains(address))
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Network, NotANetwork> {
        let wrong = || NotANetwork(text.into());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), |prefix| prefix.trim().parse().map_err(|_| wrong()))?;
        if prefix > longest { Err(wrong()) } else { Ok(Network { address, prefix }) }
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Network, NotANetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = if self.address.is_ipv4() { 32 } else { 128 };
        if self.prefix == all { self.address.fmt(f) } else { write!(f, "{}/{}", self.address, self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn networks(written: &[&str]) -> Vec<Network> {
        written.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn an_address_is_in_a_network_by_its_prefix() {
        let allowed = networks(&["192.0.2.0/24", "198.51.100.7", "2001:db8::/33"]);
        for inside in ["192.0.2.0", "192.0.2.255", "198.51.100.7", "2001:db8:7fff::1", "::ffff:192.0.2.9"] {
            assert!(allows(&allowed, inside.parse().unwrap()), "{inside}");
        }
        for outside in ["192.0.3.0", "198.51.100.8", "2001:db8:8000::1", "::1"] {
            assert!(!allows(&allowed, outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn without_a_list_and_with_an_empty_prefix_everybody_is_allowed() {
        assert!(allows(&[], IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(allows(&networks(&["0.0.0.0/0"]), IpAddr::V4(Ipv4Addr::BROADCAST)));
        assert!(allows(&networks(&["::/0"]), IpAddr::V6(Ipv6Addr::LOCALHOST)));
        assert!(!allows(&networks(&["0.0.0.0/0"]), IpAddr::V6(Ipv6Addr::LOCALHOST)));
    }

    #[test]
    fn a_network_is_told_from_its_first_address_and_a_single_address_as_itself() {
        let of = |address: &str, prefix| Network::of(address.parse().unwrap(), prefix).to_string();
        assert_eq!(of("192.0.2.77", 24), "192.0.2.0/24");
        assert_eq!(of("192.0.2.77", 32), "192.0.2.77");
        assert_eq!(of("192.0.2.77", 0), "0.0.0.0/0");
        assert_eq!(of("2001:db8:1:2:3::", 64), "2001:db8:1:2::/64");
        assert_eq!(of("2001:db8::1", 0), "::/0");
        let written: Network = "192.0.2.77/24".parse().unwrap();
        assert_eq!(written.first().to_string(), "192.0.2.0");
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_to_write() {
        for wrong in ["192.0.2.0/33", "192.0.2", "2001:db8::/129", "router", "192.0.2.0/-1", ""] {
            let error = wrong.parse::<Network>().unwrap_err();
            assert!(error.to_string().contains("such as 192.0.2.0/24"), "{error}");
        }
    }
}
