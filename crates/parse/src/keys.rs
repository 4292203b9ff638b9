//! A hash per scope of what an event belongs to: always the hash of the name that [`Event::entity_of`] tells.

use std::net::IpAddr;

use lapwing_model::{Detail, Event, Scope, hash};

/// Room for the longest IPv6 address with its `/64`.
const ROOM: usize = 48;

/// Each octet as text with a dot behind it, and how long that is.
const OCTETS: [([u8; 4], usize); 256] = {
    let mut octets = [([b'.'; 4], 0); 256];
    let mut octet = 0;
    while octet < 256 {
        let (mut digits, mut length) = ([b'.'; 4], 0);
        let mut power = if octet > 99 {
            100
        } else if octet > 9 {
            10
        } else {
            1
        };
        while power > 0 {
            digits[length] = b'0' + (octet / power % 10) as u8;
            length += 1;
            power /= 10;
        }
        octets[octet] = (digits, length + 1);
        octet += 1;
    }
    octets
};

/// An address as text, without allocation.
struct Shown {
    bytes: [u8; ROOM],
    length: usize,
}

impl Shown {
    fn new() -> Self {
        Shown { bytes: [0; ROOM], length: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.length..self.length + bytes.len()) {
            room.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }

    /// A part of an IPv4 address; a dot follows all but the last.
    #[inline]
    fn push_octet(&mut self, octet: u8, last: bool) {
        let (digits, length) = OCTETS[usize::from(octet)];
        // Four bytes whatever they are: what does not belong to it is overwritten next, or beyond the end.
        if let Some(room) = self.bytes.get_mut(self.length..self.length + digits.len()) {
            room.copy_from_slice(&digits);
            self.length += length - usize::from(last);
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl std::fmt::Write for Shown {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// Sets the keys of an event whose texts and skeleton are set.
pub fn set(event: &mut Event) {
    let mut keys = event.keys;
    keys.set(Scope::Source, event.origin.id.max(1));
    match event.client {
        Some(client) => {
            keys.set(Scope::Client, of_address(client));
            keys.set(Scope::Network, of_network(client));
        }
        None => keys.name(Scope::Client, event.text(event.client_text)),
    }
    keys.name(Scope::User, event.text(event.user));
    let host = event.text(event.host);
    let reading = &event.origin.reading;
    keys.name(Scope::Host, if host.is_empty() { named(&reading.host) } else { host });
    let service = event.text(event.service);
    keys.name(Scope::Service, if service.is_empty() { named(&reading.service) } else { service });
    let session = event.text(event.session);
    keys.name(Scope::Session, if session.is_empty() { named(&reading.session) } else { session });
    if keys.get(Scope::Session).is_none() {
        keys.set(Scope::Session, keys.get(Scope::Client).unwrap_or(0));
    }
    match &event.detail {
        Detail::Web(_) => keys.set(Scope::Endpoint, event.skeleton.max(1)),
        Detail::Flow(flow) => keys.set(Scope::Victim, of_address(flow.destination)),
        Detail::Log(_) => {}
    }
    event.keys = keys;
}

fn named(name: &Option<Box<str>>) -> &[u8] {
    name.as_deref().unwrap_or_default().as_bytes()
}

/// The key of an address.
#[inline]
fn of_address(address: IpAddr) -> u64 {
    use std::fmt::Write;
    let mut name = Shown::new();
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c].iter().for_each(|&octet| name.push_octet(octet, false));
            name.push_octet(d, true);
        }
        // Writing into `Shown` cannot fail: what does not fit is dropped, and every address fits.
        IpAddr::V6(v6) => _ = write!(name, "{v6}"),
    }
    hash(name.bytes()).max(1)
}

/// The key of the /24 or /64 around an address.
#[inline]
fn of_network(address: IpAddr) -> u64 {
    use std::fmt::Write;
    let mut network = Shown::new();
    match address {
        IpAddr::V4(v4) => {
            v4.octets()[..3].iter().for_each(|&octet| network.push_octet(octet, false));
            network.push(b"0/24");
        }
        IpAddr::V6(v6) => _ = write!(network, "{}/64", std::net::Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
    hash(network.bytes()).max(1)
}
