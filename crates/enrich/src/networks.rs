//! Something for each of some networks: the smallest network that an address is in says what.

use std::net::IpAddr;

use lapwing_model::Network;

use crate::ranges::Ranges;

/// Networks of both kinds and a number for each; `V::default()` stands for none.
#[derive(Debug, Clone)]
pub struct Networks<V: Copy + 'static> {
    v4: Ranges<u32, V>,
    v6: Ranges<u128, V>,
}

impl<V: Copy> Default for Networks<V> {
    fn default() -> Self {
        Networks { v4: Ranges::default(), v6: Ranges::default() }
    }
}

impl<V: Copy + Default + PartialEq + 'static> Networks<V> {
    /// Of equal networks the first one counts.
    pub fn new(networks: impl IntoIterator<Item = (Network, V)>) -> Networks<V> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, value) in networks {
            match network.first() {
                IpAddr::V4(first) => {
                    let first = first.to_bits();
                    v4.push((first, first | u32::MAX.checked_shr(network.prefix().into()).unwrap_or(0), value));
                }
                IpAddr::V6(first) => {
                    let first = first.to_bits();
                    v6.push((first, first | u128::MAX.checked_shr(network.prefix().into()).unwrap_or(0), value));
                }
            }
        }
        Networks { v4: Ranges::nested(v4), v6: Ranges::nested(v6) }
    }

    #[must_use]
    pub fn get(&self, address: IpAddr) -> V {
        match address {
            IpAddr::V4(v4) => self.v4.get(v4.to_bits()),
            IpAddr::V6(v6) => self.v6.get(v6.to_bits()),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Bytes of memory taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.v4.bytes() + self.v6.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_network_says_what_an_address_is() {
        let networks = [("10.0.0.0/8", 1_u32), ("10.0.0.0/24", 2), ("10.0.0.5", 3), ("2001:db8::/32", 4), ("10.0.0.5", 9)];
        let networks = Networks::new(networks.map(|(network, value)| (network.parse().unwrap(), value)));
        let at = |address: &str| networks.get(address.parse().unwrap());
        assert_eq!(["10.9.9.9", "10.0.0.4", "10.0.0.5", "10.0.0.6", "11.0.0.0"].map(at), [1, 2, 3, 2, 0]);
        assert_eq!(["2001:db8:ffff::1", "2001:db9::"].map(at), [4, 0]);
        assert_eq!(Networks::new([("0.0.0.0/0".parse().unwrap(), 7_u8)]).get("255.255.255.255".parse().unwrap()), 7);
    }
}
