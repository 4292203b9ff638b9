use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose behaviour something is: the key a detector keeps its state by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One address that asks.
    Client,
    /// The /24 or /64 around it.
    Network,
    User,
    Session,
    /// Method and path template of a web request.
    Endpoint,
    Service,
    Host,
    /// One file, listener or stream.
    Source,
    /// Everything that is read.
    All,
    /// No state at all: an event by itself.
    Event,
    /// The address that a flow goes to.
    Victim,
    /// Client and victim of a flow.
    Pair,
}

impl Scope {
    /// Every scope, in its own order.
    pub const EACH: [Scope; 12] = [
        Scope::Client,
        Scope::Network,
        Scope::User,
        Scope::Session,
        Scope::Endpoint,
        Scope::Service,
        Scope::Host,
        Scope::Source,
        Scope::All,
        Scope::Event,
        Scope::Victim,
        Scope::Pair,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Scope::Client => "client",
            Scope::Network => "network",
            Scope::User => "user",
            Scope::Session => "session",
            Scope::Endpoint => "endpoint",
            Scope::Service => "service",
            Scope::Host => "host",
            Scope::Source => "source",
            Scope::All => "all",
            Scope::Event => "event",
            Scope::Victim => "victim",
            Scope::Pair => "pair",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Into how many parts the keys of each scope are cut. A worker owns whole partitions, so what a detector remembers (and
/// forgets first, when it is full) does not depend on the number of workers.
pub const PARTITIONS: usize = 16;

/// The partition a key belongs to.
#[inline]
#[must_use]
pub const fn partition(key: u64) -> usize {
    (key >> 60) as usize
}

/// The one stable 64-bit hash of Lapwing (XXH3): the same on every machine, in every run.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// A hash per scope of what an event belongs to; 0 where it belongs to nothing of that scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keys([u64; KEYED]);

/// The keys that events carry: of the scopes up to [`Scope::Source`], and of [`Scope::Victim`]. The others follow from them.
const KEYED: usize = Scope::Source as usize + 2;

/// Where the key of a scope is carried.
const fn place(scope: Scope) -> Option<usize> {
    match scope {
        Scope::All | Scope::Event | Scope::Pair => None,
        Scope::Victim => Some(KEYED - 1),
        scope => Some(scope as usize),
    }
}

impl Keys {
    /// The key under which the one state for everything lives: the hash of its name.
    pub const EVERYTHING: u64 = 11_779_386_429_378_642_183;

    /// The key of a scope; of scope [`Scope::Event`] there is none.
    #[inline]
    #[must_use]
    pub const fn get(&self, scope: Scope) -> Option<u64> {
        match scope {
            Scope::Event => None,
            Scope::All => Some(Keys::EVERYTHING),
            Scope::Pair => match (self.get(Scope::Client), self.get(Scope::Victim)) {
                (Some(client), Some(victim)) => Some(pair(client, victim)),
                _ => None,
            },
            scope => match place(scope) {
                Some(place) if self.0[place] != 0 => Some(self.0[place]),
                _ => None,
            },
        }
    }

    /// The keys of all scopes, in the order of [`Scope::EACH`]; 0 where there is none.
    #[inline]
    #[must_use]
    pub fn each(&self) -> [u64; Scope::EACH.len()] {
        let mut keys = [0; Scope::EACH.len()];
        keys[..=Scope::Source as usize].copy_from_slice(&self.0[..=Scope::Source as usize]);
        keys[Scope::All as usize] = Keys::EVERYTHING;
        keys[Scope::Victim as usize] = self.0[KEYED - 1];
        keys[Scope::Pair as usize] = self.get(Scope::Pair).unwrap_or(0);
        keys
    }

    /// Sets the key of a scope that events carry one for.
    pub fn set(&mut self, scope: Scope, key: u64) {
        if let Some(place) = place(scope) {
            self.0[place] = key;
        }
    }

    /// Sets the key to the hash of `name`; leaves it unset where the name is empty.
    pub fn name(&mut self, scope: Scope, name: &[u8]) {
        if !name.is_empty() {
            self.set(scope, hash(name).max(1));
        }
    }
}

/// The key of two that belong together; it matters which comes first.
const fn pair(client: u64, victim: u64) -> u64 {
    let mixed = (client ^ victim.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let key = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    if key == 0 { 1 } else { key }
}

/// Who or what an anomaly is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entity {
    pub scope: Scope,
    pub name: Box<str>,
}

impl Entity {
    #[must_use]
    pub fn new(scope: Scope, name: impl Into<Box<str>>) -> Self {
        Entity { scope, name: name.into() }
    }

    /// The stable hash of scope and name.
    #[must_use]
    pub fn key(&self) -> u64 {
        hash(self.name.as_bytes()).rotate_left(self.scope as u32).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_falls_into_one_of_the_partitions() {
        for i in 0..10_000_u64 {
            assert!(partition(hash(&i.to_le_bytes())) < PARTITIONS);
        }
    }

    #[test]
    fn a_scope_without_a_name_has_no_key() {
        let mut keys = Keys::default();
        keys.name(Scope::User, b"");
        keys.name(Scope::Client, b"203.0.113.9");
        assert_eq!(keys.get(Scope::User), None);
        assert_eq!(keys.get(Scope::Client), Some(hash(b"203.0.113.9")));
        assert_eq!(keys.get(Scope::Event), None);
        assert_eq!(keys.get(Scope::Pair), None, "a pair needs both");
        assert_eq!(keys.get(Scope::All), Some(hash(b"everything")));
    }

    #[test]
    fn a_pair_has_its_own_key_and_another_one_backwards() {
        let keys = |client: &[u8], victim: &[u8]| {
            let mut keys = Keys::default();
            keys.name(Scope::Client, client);
            keys.name(Scope::Victim, victim);
            keys.get(Scope::Pair).unwrap()
        };
        assert_eq!(keys(b"10.0.0.1", b"10.0.0.2"), keys(b"10.0.0.1", b"10.0.0.2"));
        assert_ne!(keys(b"10.0.0.1", b"10.0.0.2"), keys(b"10.0.0.2", b"10.0.0.1"));
        assert_ne!(keys(b"10.0.0.1", b"10.0.0.1"), keys(b"10.0.0.2", b"10.0.0.2"));
        let parts: std::collections::HashSet<_> =
            (0..1_000_u32).map(|i| partition(keys(b"10.0.0.1", &i.to_le_bytes()))).collect();
        assert_eq!(parts.len(), PARTITIONS, "pairs of one client are spread");
    }

    #[test]
    fn all_keys_at_once_are_the_same_as_one_by_one() {
        let mut keys = Keys::default();
        for (scope, name) in [(Scope::Client, b"10.0.0.1".as_slice()), (Scope::Source, b"a.log"), (Scope::Victim, b"10.0.0.2")] {
            assert!(Scope::EACH.iter().all(|&scope| keys.each()[scope as usize] == keys.get(scope).unwrap_or(0)));
            keys.name(scope, name);
        }
        assert!(Scope::EACH.iter().all(|&scope| keys.each()[scope as usize] == keys.get(scope).unwrap_or(0)));
    }

    #[test]
    fn every_scope_stands_at_its_own_place() {
        assert!(Scope::EACH.iter().enumerate().all(|(at, scope)| *scope as usize == at));
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(hash(b""), 0x2D06_8005_38D3_94C2, "XXH3 of the empty input, from its reference implementation");
    }
}
