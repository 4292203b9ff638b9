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
}

impl Scope {
    /// The scopes that events carry a key for.
    pub const KEYED: usize = 9;

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
pub struct Keys([u64; Scope::KEYED]);

impl Keys {
    /// The key of a scope; of scope [`Scope::Event`] there is none.
    #[inline]
    #[must_use]
    pub const fn get(&self, scope: Scope) -> Option<u64> {
        match scope {
            Scope::Event => None,
            scope => match self.0[scope as usize] {
                0 => None,
                key => Some(key),
            },
        }
    }

    pub fn set(&mut self, scope: Scope, key: u64) {
        if scope != Scope::Event {
            self.0[scope as usize] = key;
        }
    }

    /// Sets the key to the hash of `name`; leaves it unset where the name is empty.
    pub fn name(&mut self, scope: Scope, name: &[u8]) {
        if !name.is_empty() {
            self.set(scope, hash(name).max(1));
        }
    }
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
    }

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(hash(b""), 0x2D06_8005_38D3_94C2, "XXH3 of the empty input, from its reference implementation");
    }
}
