//! What ties an anomaly to a story: whom it is about, who acts in it, and the network it came from.

use std::net::IpAddr;

use lapwing_model::{Anomaly, Entity, Scope, hash, network_name};

/// Between the two ends of a pair: `10.0.0.5 > 203.0.113.9`.
const BETWEEN: &str = " > ";

/// The keys by which the owner of an anomaly's story is found, the closest tie first: its entity, who acts in it, and the networks of
/// those outside.
pub(super) fn of(own: &Entity, anomaly: &Anomaly) -> Vec<u64> {
    let acting = anomaly.related.iter().filter(|other| matches!(other.scope, Scope::Client | Scope::User));
    let mut ties = claims(own);
    ties.extend(acting.map(key));
    ties
}

/// The keys by which later anomalies find the story that this entity is now part of.
pub(super) fn claims(own: &Entity) -> Vec<u64> {
    let first = match own.scope {
        Scope::Pair => own.name.split(BETWEEN).next().unwrap_or(&own.name),
        _ => &own.name,
    };
    let mut keys = vec![key(own)];
    if own.scope == Scope::Pair {
        keys.push(hash(first.as_bytes()));
    }
    if matches!(own.scope, Scope::Client | Scope::Pair)
        && let Some(address) = first.parse().ok().filter(|address| is_outside(*address))
    {
        keys.push(key(&Entity::new(Scope::Network, network_name(address))));
    }
    keys
}

/// An address is the same whether it acts or suffers.
pub(super) fn key(entity: &Entity) -> u64 {
    match entity.scope {
        Scope::Client | Scope::Victim | Scope::Host => hash(entity.name.as_bytes()),
        _ => entity.key(),
    }
}

/// The network of an address inside is everybody's: that two hosts share it says nothing.
fn is_outside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && second & 0xc0 == 64;
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || shared)
        }
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}
