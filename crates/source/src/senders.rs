//! Who sends: an origin and a tally for each address, so that every sender is counted by itself, and missed by the detector
//! `silence` when it falls silent. As many as are given a name; all further ones share one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use lapwing_model::{Origin, Reading};

use crate::counters::{Counters, Tally};

/// More addresses than this share a name: each costs a label in `/metrics`, and a forged one costs its sender nothing.
const NAMED: usize = 256;

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) origin: Arc<Origin>,
    pub(crate) tally: Arc<Tally>,
}

#[derive(Debug)]
pub(crate) struct Senders {
    source: &'static str,
    reading: Reading,
    counters: Arc<Counters>,
    known: HashMap<IpAddr, Sender>,
    other: Option<Sender>,
}

impl Senders {
    pub(crate) fn new(source: &'static str, reading: Reading, counters: Arc<Counters>) -> Senders {
        Senders { source, reading, counters, known: HashMap::new(), other: None }
    }

    /// The sender at an address: `syslog_udp/203.0.113.9`, or `syslog_udp/other` when there are too many.
    pub(crate) fn at(&mut self, address: IpAddr) -> Sender {
        let address = address.to_canonical();
        if let Some(sender) = self.known.get(&address) {
            return sender.clone();
        }
        if self.known.len() < NAMED {
            let sender = self.named(&address.to_string(), Some(address.to_string().into()));
            self.known.insert(address, sender.clone());
            return sender;
        }
        let other = self.other.take().unwrap_or_else(|| self.named("other", None));
        self.other.insert(other).clone()
    }

    fn named(&self, who: &str, host: Option<Box<str>>) -> Sender {
        let name = format!("{}/{who}", self.source);
        let reading = Reading { host: self.reading.host.clone().or(host), ..self.reading.clone() };
        Sender { tally: self.counters.source(&name, &[]), origin: Origin::read_as(name, reading) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_an_address_is_the_same_in_both_families() {
        let mut senders = Senders::new("syslog_udp", Reading::default(), Arc::default());
        assert_eq!(&*senders.at("::ffff:10.0.0.1".parse().unwrap()).origin.name, "syslog_udp/10.0.0.1");
        let first = senders.at("10.0.0.1".parse().unwrap());
        assert_eq!(first.origin.reading.host.as_deref(), Some("10.0.0.1"));
        for i in 0..1_000_u32 {
            senders.at(std::net::Ipv4Addr::from_bits(i << 8).into());
        }
        assert_eq!(&*senders.at("192.0.2.1".parse().unwrap()).origin.name, "syslog_udp/other");
        assert_eq!(senders.at("10.0.0.1".parse().unwrap()).origin, first.origin);
        assert!(senders.counters.received().len() <= NAMED + 1);
    }
}
