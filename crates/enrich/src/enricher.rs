//! Adds what is known to events: of most events it has looked at the address before.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use lapwing_model::{Detail, Event, Known, NetworkClass};

use crate::Enrichment;
use crate::builtin::Place;

/// Addresses that are remembered.
const RECENT: usize = 8192;
/// Kinds of [`Known`] that addresses share; beyond it they are gathered anew.
const COMMON: usize = 16_384;

/// Owned by one thread. What it says depends on the tables alone, never on what it remembers.
#[derive(Debug, Default)]
pub struct Enricher {
    tables: Arc<Enrichment>,
    /// By a part of the address's hash; a newer address takes the place of an older one.
    recent: Vec<Option<(IpAddr, Arc<Known>)>>,
    /// What is known of many addresses alike.
    common: HashMap<(NetworkClass, Place), Arc<Known>>,
}

impl Enricher {
    #[must_use]
    pub fn new(tables: Arc<Enrichment>) -> Enricher {
        Enricher { tables, ..Enricher::default() }
    }

    /// Other tables hold from now on.
    pub fn renew(&mut self, tables: &Arc<Enrichment>) {
        if !Arc::ptr_eq(&self.tables, tables) {
            *self = Enricher::new(tables.clone());
        }
    }

    #[must_use]
    pub fn tables(&self) -> &Arc<Enrichment> {
        &self.tables
    }

    /// Adds what is known of those an event speaks of.
    pub fn enrich(&mut self, events: &mut [Event]) {
        if !self.tables.is_enabled() {
            return;
        }
        for event in events {
            event.client_known = event.client.map(|client| self.about(client));
            if let Detail::Flow(flow) = &event.detail {
                event.destination_known = Some(self.about(flow.destination));
            }
        }
    }

    fn about(&mut self, address: IpAddr) -> Arc<Known> {
        if self.recent.is_empty() {
            self.recent = vec![None; RECENT];
        }
        let slot = slot(address);
        match &self.recent[slot] {
            Some((known_address, known)) if *known_address == address => known.clone(),
            _ => {
                let known = self.look_up(address);
                self.recent[slot] = Some((address, known.clone()));
                known
            }
        }
    }

    fn look_up(&mut self, address: IpAddr) -> Arc<Known> {
        let address = address.to_canonical();
        let place = self.tables.whereabouts(address);
        if let Some(common) = self.common.get(&place).filter(|_| self.tables.is_plain()) {
            return common.clone();
        }
        let known = self.tables.about(address);
        if let Some(common) = self.common.get(&place).filter(|common| ***common == known) {
            return common.clone();
        }
        if self.common.len() >= COMMON {
            self.common.clear();
        }
        let known = Arc::new(known);
        if known.threats.is_empty() && known.asset.is_none() {
            self.common.insert(place, known.clone());
        }
        known
    }
}

/// The place of an address among those that are remembered.
fn slot(address: IpAddr) -> usize {
    let bits = match address {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            (bits >> 64) as u64 ^ (bits as u64).rotate_left(32)
        }
    };
    (bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 51) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_whatever_came_before() {
        let tables = Arc::new(Enrichment::builtin());
        let mut enricher = Enricher::new(tables.clone());
        for n in 0..20_000_u32 {
            let address = IpAddr::V4(n.wrapping_mul(0x9E37_79B1).into());
            assert_eq!(*enricher.about(address), tables.about(address), "{address}");
            assert_eq!(*enricher.about(address), tables.about(address), "{address}, again");
        }
        assert!(enricher.common.len() < COMMON && enricher.recent.len() == RECENT);
    }
}
