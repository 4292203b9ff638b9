//! What ties an anomaly to a story: whom it is about, who acts in it, and the network it came from.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use lapwing_model::{Anomaly, AnomalyId, Entity, Scope, hash, network_name};
use serde::{Deserialize, Serialize, Serializer};

/// Keys that one story is found by at most: an attacker who changes addresses within a network has no end of them.
const MOST_TIES: usize = 256;

/// Which story is found by a key: the last one that was tied to it.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "HashMap<u64, AnomalyId>")]
pub(super) struct Ties {
    stories: HashMap<u64, AnomalyId>,
    keys: BTreeMap<AnomalyId, BTreeSet<u64>>,
}

impl Ties {
    pub(super) fn get(&self, key: u64) -> Option<AnomalyId> {
        self.stories.get(&key).copied()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.stories.len()
    }

    /// From now on the story is found by this key, unless it has too many.
    pub(super) fn tie(&mut self, key: u64, id: AnomalyId) {
        let keys = self.keys.entry(id).or_default();
        if keys.len() < MOST_TIES && keys.insert(key) {
            let before = self.stories.insert(key, id);
            before.and_then(|before| self.keys.get_mut(&before)).map(|keys| keys.remove(&key));
        }
    }

    /// The story is found by nothing any more.
    pub(super) fn untie(&mut self, id: AnomalyId) {
        for key in self.keys.remove(&id).unwrap_or_default() {
            self.stories.remove(&key);
        }
    }
}

impl From<HashMap<u64, AnomalyId>> for Ties {
    fn from(stories: HashMap<u64, AnomalyId>) -> Ties {
        let mut keys: BTreeMap<AnomalyId, BTreeSet<u64>> = BTreeMap::new();
        for (&key, &id) in &stories {
            keys.entry(id).or_default().insert(key);
        }
        Ties { stories, keys }
    }
}

/// Between the two ends of a pair: `10.0.0.5 > 203.0.113.9`.
const BETWEEN: &str = " > ";

impl Serialize for Ties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.stories.serialize(serializer)
    }
}

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
