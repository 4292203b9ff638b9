//! A map with a fixed capacity that forgets what was used least recently: the memory of very many entities.
//!
//! Entries live in a slab; a doubly linked list of `u32` indices through it keeps the order of use, and singly linked
//! chains keep the buckets of the hash index. Memory grows with use and never beyond the capacity (28 to 32 bytes an
//! entry beside the value). Keys are hashes chosen by whoever writes the logs, so collisions may be deliberate: a chain
//! never grows beyond [`LONGEST_CHAIN`], which chance does not reach, and so no operation takes longer than that.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

const NONE: u32 = u32::MAX;

/// With at most one entry per bucket on average, chance makes a chain this long less than once in 10^30.
const LONGEST_CHAIN: u32 = 32;

/// A map from a 64-bit hash to `V` with a capacity and least-recently-used eviction.
pub struct Lru<V> {
    capacity: u32,
    nodes: Vec<Node<V>>,
    /// First node of each bucket's chain; its length is a power of two.
    heads: Vec<u32>,
    oldest: u32,
    newest: u32,
    evicted: u64,
}

/// In this order: whoever looks for a key and then at its value waits for one place in memory, not for two.
#[derive(Debug)]
#[repr(C)]
struct Node<V> {
    key: u64,
    chain: u32,
    older: u32,
    newer: u32,
    value: V,
}

/// Where a key was not found: the length of its bucket's chain and the entry there that would make room.
struct Missing {
    chain: u32,
    smallest: u32,
}

impl<V> Lru<V> {
    /// An empty map for at most `capacity` entries (at least 1, at most 2^31). Nothing is allocated before it is used.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, 1 << 31) as u32;
        Lru { capacity, nodes: Vec::new(), heads: vec![NONE], oldest: NONE, newest: NONE, evicted: 0 }
    }

    /// How many entries it may hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// How many entries it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many entries were forgotten to make room for others.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The value of a key, which becomes the most recently used.
    #[inline]
    pub fn get(&mut self, key: u64) -> Option<&mut V> {
        let slot = self.find(key).ok()?;
        self.touch(slot);
        Some(&mut self.nodes[slot as usize].value)
    }

    /// The value of a key, without counting as a use.
    #[must_use]
    pub fn peek(&self, key: u64) -> Option<&V> {
        let slot = self.find(key).ok()?;
        Some(&self.nodes[slot as usize].value)
    }

    /// The same, to be changed.
    pub fn peek_mut(&mut self, key: u64) -> Option<&mut V> {
        let slot = self.find(key).ok()?;
        Some(&mut self.nodes[slot as usize].value)
    }

    /// The value of a key, made where it was missing (then the second part is true). It becomes the most recently used.
    #[inline]
    pub fn get_or_insert_with(&mut self, key: u64, make: impl FnOnce() -> V) -> (&mut V, bool) {
        let (slot, inserted) = match self.find(key) {
            Ok(slot) => {
                self.touch(slot);
                (slot, false)
            }
            Err(missing) => (self.insert(key, make(), &missing), true),
        };
        (&mut self.nodes[slot as usize].value, inserted)
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: u64) -> Option<V> {
        let slot = self.find(key).ok()?;
        self.unchain(slot);
        self.unlink(slot);
        let last = self.nodes.len() as u32 - 1;
        if slot != last {
            self.unchain(last);
        }
        let value = self.nodes.swap_remove(slot as usize).value;
        if slot != last {
            // What was in the last slot is in this one now.
            let &Node { older, newer, .. } = &self.nodes[slot as usize];
            self.link(older, newer, slot, slot);
            self.chain(slot);
        }
        Some(value)
    }

    /// The entry whose last use is longest ago.
    #[must_use]
    pub fn oldest(&self) -> Option<(u64, &V)> {
        self.entry(self.oldest)
    }

    /// All entries, the least recently used first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        let mut next = self.oldest;
        std::iter::from_fn(move || {
            let entry = self.entry(next)?;
            next = self.nodes[next as usize].newer;
            Some(entry)
        })
    }

    /// All values, in no order that means anything (a round trip may change it).
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.nodes.iter_mut().map(|node| &mut node.value)
    }

    /// Changes the capacity; entries beyond it are evicted, the least recently used first.
    pub fn set_capacity(&mut self, capacity: usize) {
        let mut changed = Lru::new(capacity);
        let order: Vec<(u64, u32)> = self.slots().map(|slot| (self.nodes[slot as usize].key, slot)).collect();
        let mut values: Vec<Option<V>> = std::mem::take(&mut self.nodes).into_iter().map(|node| Some(node.value)).collect();
        for (key, slot) in order {
            if let Some(value) = values[slot as usize].take() {
                changed.get_or_insert_with(key, || value);
            }
        }
        changed.evicted += self.evicted;
        *self = changed;
    }

    fn slots(&self) -> impl Iterator<Item = u32> {
        std::iter::successors((self.oldest != NONE).then_some(self.oldest), |&slot| {
            Some(self.nodes[slot as usize].newer).filter(|&next| next != NONE)
        })
    }

    fn entry(&self, slot: u32) -> Option<(u64, &V)> {
        let node = self.nodes.get(slot as usize)?;
        Some((node.key, &node.value))
    }

    /// Fibonacci hashing (Knuth, TAOCP 3, 6.4): keys of one partition share their high bits, the product does not.
    #[inline]
    fn bucket(&self, key: u64) -> usize {
        let product = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((product >> 32) as usize ^ (product >> 7) as usize) & (self.heads.len() - 1)
    }

    #[inline]
    fn find(&self, key: u64) -> Result<u32, Missing> {
        let mut slot = self.heads[self.bucket(key)];
        let mut missing = Missing { chain: 0, smallest: NONE };
        let mut smallest = u64::MAX;
        while slot != NONE {
            let node = &self.nodes[slot as usize];
            if node.key == key {
                return Ok(slot);
            }
            if node.key <= smallest {
                (smallest, missing.smallest) = (node.key, slot);
            }
            missing.chain += 1;
            slot = node.chain;
        }
        Err(missing)
    }

    fn insert(&mut self, key: u64, value: V, missing: &Missing) -> u32 {
        if missing.chain >= LONGEST_CHAIN {
            // Which entry of the chain goes must not depend on the order in the chain, which a round trip does not keep.
            return self.replace(missing.smallest, key, value);
        }
        if self.nodes.len() >= self.capacity as usize {
            return self.replace(self.oldest, key, value);
        }
        self.grow();
        let slot = self.nodes.len() as u32;
        self.nodes.push(Node { key, chain: NONE, older: NONE, newer: NONE, value });
        self.append(slot);
        if self.nodes.len() > self.heads.len() {
            self.index();
        } else {
            self.chain(slot);
        }
        slot
    }

    fn replace(&mut self, slot: u32, key: u64, value: V) -> u32 {
        self.unchain(slot);
        let node = &mut self.nodes[slot as usize];
        (node.key, node.value) = (key, value);
        self.chain(slot);
        self.touch(slot);
        self.evicted += 1;
        slot
    }

    /// Doubles the slab, but never beyond the capacity.
    fn grow(&mut self) {
        let used = self.nodes.len();
        if used == self.nodes.capacity() {
            let more = used.max(16).min(self.capacity as usize - used);
            self.nodes.reserve_exact(more);
        }
    }

    /// Makes the index large enough for all nodes and puts them under it.
    fn index(&mut self) {
        self.heads = vec![NONE; self.nodes.len().next_power_of_two().max(16)];
        for slot in 0..self.nodes.len() as u32 {
            self.chain(slot);
        }
    }

    fn chain(&mut self, slot: u32) {
        let bucket = self.bucket(self.nodes[slot as usize].key);
        self.nodes[slot as usize].chain = self.heads[bucket];
        self.heads[bucket] = slot;
    }

    fn unchain(&mut self, slot: u32) {
        let &Node { key, chain: after, .. } = &self.nodes[slot as usize];
        let bucket = self.bucket(key);
        let mut at = self.heads[bucket];
        if at == slot {
            self.heads[bucket] = after;
            return;
        }
        while at != NONE {
            let node = &mut self.nodes[at as usize];
            if node.chain == slot {
                node.chain = after;
                return;
            }
            at = node.chain;
        }
    }

    #[inline]
    fn touch(&mut self, slot: u32) {
        if slot == self.newest {
            return;
        }
        let &Node { older, newer, .. } = &self.nodes[slot as usize];
        if older == NONE {
            self.oldest = newer;
        } else {
            self.nodes[older as usize].newer = newer;
        }
        // Not the newest, so there is a newer one.
        self.nodes[newer as usize].older = older;
        self.append(slot);
    }

    /// Takes a slot out of the order of use.
    fn unlink(&mut self, slot: u32) {
        let &Node { older, newer, .. } = &self.nodes[slot as usize];
        self.link(older, newer, newer, older);
    }

    /// Lets the neighbours `older` and `newer` of a place in the order point at what is newer and what is older from there.
    fn link(&mut self, older: u32, newer: u32, next: u32, before: u32) {
        match self.nodes.get_mut(older as usize) {
            Some(node) => node.newer = next,
            None => self.oldest = next,
        }
        match self.nodes.get_mut(newer as usize) {
            Some(node) => node.older = before,
            None => self.newest = before,
        }
    }

    fn append(&mut self, slot: u32) {
        let older = self.newest;
        let node = &mut self.nodes[slot as usize];
        (node.older, node.newer) = (older, NONE);
        if older == NONE {
            self.oldest = slot;
        } else {
            self.nodes[older as usize].newer = slot;
        }
        self.newest = slot;
    }
}

impl<V> fmt::Debug for Lru<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lru { capacity, evicted, .. } = self;
        write!(f, "Lru {{ len: {}, capacity: {capacity}, evicted: {evicted} }}", self.len())
    }
}

struct Entries<'a, V>(&'a Lru<V>);

impl<V: Serialize> Serialize for Entries<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut entries = serializer.serialize_seq(Some(self.0.len()))?;
        for entry in self.0.iter() {
            entries.serialize_element(&entry)?;
        }
        entries.end()
    }
}

/// The saved state is the entries in order of use; the index is built again.
impl<V: Serialize> Serialize for Lru<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut state = serializer.serialize_struct("Lru", 3)?;
        state.serialize_field("capacity", &self.capacity)?;
        state.serialize_field("evicted", &self.evicted)?;
        state.serialize_field("entries", &Entries(self))?;
        state.end()
    }
}

#[derive(Deserialize)]
#[serde(rename = "Lru")]
struct Saved<V> {
    capacity: u32,
    evicted: u64,
    entries: Vec<(u64, V)>,
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Lru<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let saved = Saved::deserialize(deserializer)?;
        let mut lru = Lru::new(saved.capacity as usize);
        for (key, value) in saved.entries {
            lru.get_or_insert_with(key, || value);
        }
        lru.evicted = saved.evicted;
        Ok(lru)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::mix;

    fn keys(lru: &Lru<u32>) -> Vec<u64> {
        lru.iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn evicts_what_was_used_least_recently() {
        let mut lru = Lru::new(3);
        for key in [1, 2, 3] {
            assert!(lru.get_or_insert_with(key, || key as u32 * 10).1);
        }
        assert_eq!(lru.get(1), Some(&mut 10));
        assert!(lru.get_or_insert_with(4, || 40).1);
        assert_eq!(lru.peek(2), None);
        assert_eq!(keys(&lru), [3, 1, 4]);
        assert_eq!((lru.len(), lru.evicted(), lru.oldest()), (3, 1, Some((3, &30))));
        assert!(!lru.get_or_insert_with(3, || 0).1);
        assert_eq!(keys(&lru), [1, 4, 3]);
    }

    #[test]
    fn agrees_with_a_simple_model_over_random_operations() {
        let mut lru = Lru::new(100);
        let mut model: Vec<u64> = Vec::new();
        for i in 0..50_000u64 {
            let key = mix(mix(i, 1) % 300, 2);
            let known = model.iter().position(|&k| k == key);
            if i % 3 == 0 {
                assert_eq!(lru.get(key).is_some(), known.is_some());
            } else {
                assert_eq!(lru.get_or_insert_with(key, || 0).1, known.is_none());
            }
            if let Some(at) = known {
                model.remove(at);
            }
            if known.is_some() || i % 3 != 0 {
                model.push(key);
            }
            if model.len() > 100 {
                model.remove(0);
            }
        }
        assert_eq!(keys(&lru), model);
    }

    #[test]
    fn what_is_removed_is_gone_and_the_others_keep_their_order() {
        let mut lru = Lru::new(64);
        let mut order: Vec<u64> = Vec::new();
        let mut state = 7_u64;
        for n in 0..20_000_u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = state >> 57;
            let at = order.iter().position(|&other| other == key);
            at.map(|at| order.remove(at));
            if n % 3 == 0 {
                assert_eq!(lru.remove(key), at.map(|_| key as u32));
            } else {
                lru.get_or_insert_with(key, || key as u32);
                order.push(key);
                if order.len() > 64 {
                    order.remove(0);
                }
            }
            assert_eq!(lru.oldest().map(|(key, _)| key), order.first().copied());
        }
        assert_eq!(keys(&lru), order);
        order.iter().for_each(|&key| assert!(lru.remove(key).is_some()));
        assert!(lru.is_empty() && lru.oldest().is_none());
        lru.get_or_insert_with(5, || 5);
        assert_eq!(keys(&lru), [5]);
    }

    #[test]
    fn memory_is_flat_under_a_million_random_keys_of_one_partition() {
        let mut lru = Lru::new(10_000);
        for i in 0..1_000_000u64 {
            lru.get_or_insert_with(mix(i, 0) >> 4, || i as u32);
        }
        assert_eq!((lru.len(), lru.evicted()), (10_000, 990_000));
        assert_eq!((lru.nodes.capacity(), lru.heads.len()), (10_000, 16_384));
    }

    #[test]
    fn deliberate_collisions_are_evicted_instead_of_making_it_slow() {
        let mut lru = Lru::new(20_000);
        for i in 0..10_000u64 {
            lru.get_or_insert_with(mix(i, 0), || 0);
        }
        let bucket = lru.bucket(7);
        let colliding: Vec<u64> = (0u64..).filter(|&key| lru.bucket(key) == bucket).take(1_000).collect();
        for &key in &colliding {
            lru.get_or_insert_with(key, || 1);
        }
        let kept = colliding.iter().filter(|&&key| lru.peek(key).is_some()).count();
        assert!((20..=LONGEST_CHAIN as usize).contains(&kept), "{kept}");
        assert!(lru.evicted() >= 900);
    }

    #[test]
    fn continues_exactly_after_a_round_trip() {
        let mut lru = Lru::new(50);
        for i in 0..500u64 {
            lru.get_or_insert_with(mix(i % 70, 0), || i as u32);
        }
        let bytes = postcard::to_allocvec(&lru).unwrap();
        let mut back: Lru<u32> = postcard::from_bytes(&bytes).unwrap();
        for i in 0..500u64 {
            let key = mix(i * 7 % 90, 0);
            assert_eq!(lru.get_or_insert_with(key, || 1), back.get_or_insert_with(key, || 1));
        }
        assert_eq!(postcard::to_allocvec(&lru).unwrap(), postcard::to_allocvec(&back).unwrap());
    }

    #[test]
    fn a_smaller_capacity_keeps_the_most_recent() {
        let mut lru = Lru::new(5);
        for key in 1..=5 {
            lru.get_or_insert_with(key, || 0);
        }
        lru.set_capacity(2);
        assert_eq!((keys(&lru), lru.capacity(), lru.evicted()), (vec![4, 5], 2, 3));
    }
}
