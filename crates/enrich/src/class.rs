//! What kind of address one is, by the registries of special addresses (RFC 6890 and its successors).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lapwing_model::NetworkClass;

/// The class of an address; an IPv4 address that is written as IPv6 is of its own class.
#[must_use]
pub fn class(address: IpAddr) -> NetworkClass {
    match address.to_canonical() {
        IpAddr::V4(v4) => of_v4(v4),
        IpAddr::V6(v6) => of_v6(v6),
    }
}

fn of_v4(address: Ipv4Addr) -> NetworkClass {
    match address.octets() {
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => NetworkClass::Private,
        [127, ..] => NetworkClass::Loopback,
        [169, 254, ..] => NetworkClass::LinkLocal,
        [100, 64..=127, ..] => NetworkClass::Cgn,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => NetworkClass::Documentation,
        [224..=239, ..] => NetworkClass::Multicast,
        [0 | 240..=255, ..] | [198, 18..=19, ..] | [192, 0, 0, _] => NetworkClass::Reserved,
        _ => NetworkClass::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> NetworkClass {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => NetworkClass::Loopback,
        [0xfc00..=0xfdff, ..] => NetworkClass::Private,
        [0xfe80..=0xfebf, ..] => NetworkClass::LinkLocal,
        [0xff00..=0xffff, ..] => NetworkClass::Multicast,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => NetworkClass::Documentation,
        // NAT64 speaks of public addresses; the rest outside 2000::/3 is given to nobody.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x2000..=0x3fff, ..] => NetworkClass::Public,
        _ => NetworkClass::Reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_the_class_that_the_registries_say_up_to_the_edges() {
        use NetworkClass::{Cgn, Documentation, LinkLocal, Loopback, Multicast, Private, Public, Reserved};
        for (address, expected) in [
            ("9.255.255.255", Public),
            ("10.0.0.0", Private),
            ("10.255.255.255", Private),
            ("11.0.0.0", Public),
            ("172.15.255.255", Public),
            ("172.16.0.0", Private),
            ("172.31.255.255", Private),
            ("172.32.0.0", Public),
            ("100.63.255.255", Public),
            ("100.64.0.0", Cgn),
            ("100.127.255.255", Cgn),
            ("100.128.0.0", Public),
            ("127.0.0.1", Loopback),
            ("169.254.169.254", LinkLocal),
            ("192.0.2.1", Documentation),
            ("198.51.100.7", Documentation),
            ("203.0.113.9", Documentation),
            ("198.17.255.255", Public),
            ("198.18.0.1", Reserved),
            ("0.0.0.0", Reserved),
            ("223.255.255.255", Public),
            ("224.0.0.1", Multicast),
            ("255.255.255.255", Reserved),
            ("::1", Loopback),
            ("::", Reserved),
            ("fd00::1", Private),
            ("fe80::1", LinkLocal),
            ("ff02::1", Multicast),
            ("2001:db8::1", Documentation),
            ("3fff:fff::1", Documentation),
            ("2606:4700:4700::1111", Public),
            ("4000::1", Reserved),
            ("::ffff:10.0.0.1", Private),
            ("64:ff9b::8.8.8.8", Public),
        ] {
            assert_eq!(class(address.parse().unwrap()), expected, "{address}");
        }
    }
}
