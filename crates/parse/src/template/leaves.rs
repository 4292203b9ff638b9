//! Which templates a text is compared with.

use super::cache::HashedMap;
use super::tokens::{LEARNED, VALUE, mix};

/// How many templates share a key at most: it bounds what a new skeleton costs. The oldest drop out first; they are still
/// found by their skeletons.
const MAX_LEAF: usize = 128;

/// The two keys by which a template or a text is found; 0 where there is no second.
pub(super) type Keys = [u64; 2];

/// Templates (their slots) by key.
#[derive(Debug, Default)]
pub(super) struct Leaves(HashedMap<Vec<u32>>);

impl Leaves {
    pub(super) fn insert(&mut self, keys: Keys, slot: u32) {
        for key in keys.into_iter().filter(|key| *key != 0) {
            let leaf = self.0.entry(key).or_default();
            if leaf.len() >= MAX_LEAF {
                leaf.remove(0);
            }
            leaf.push(slot);
        }
    }

    pub(super) fn remove(&mut self, keys: Keys, slot: u32) {
        for key in keys {
            if let Some(leaf) = self.0.get_mut(&key) {
                leaf.retain(|other| *other != slot);
                if leaf.is_empty() {
                    self.0.remove(&key);
                }
            }
        }
    }

    pub(super) fn get(&self, key: u64) -> &[u32] {
        self.0.get(&key).map_or(&[], Vec::as_slice)
    }

    /// All of them by key, in the order in which the slots were put in.
    pub(super) fn dump(&self) -> Vec<(u64, Vec<u32>)> {
        let mut leaves: Vec<_> = self.0.iter().map(|(key, leaf)| (*key, leaf.clone())).collect();
        leaves.sort_unstable_by_key(|(key, _)| *key);
        leaves
    }

    pub(super) fn restore(leaves: Vec<(u64, Vec<u32>)>) -> Leaves {
        Leaves(leaves.into_iter().collect())
    }
}

/// Texts of one pattern have as many parts, and begin or end with the same word.
pub(super) fn text_keys(parts: &[u64]) -> Keys {
    let length = parts.len() as u64;
    let is_word = |part: &&u64| **part > LEARNED;
    let first = parts.iter().find(is_word).unwrap_or(&VALUE);
    let last = parts.iter().rev().find(is_word).unwrap_or(&VALUE);
    [mix(length, *first).max(1), mix(!length, *last).max(1)]
}

/// Paths of one pattern differ in the last segment, or in the one before.
pub(super) fn path_keys(parts: &[u64]) -> Keys {
    let without = |place: usize| {
        let rest = parts.iter().enumerate().filter(|(at, _)| *at != place);
        rest.fold(mix(parts.len() as u64, place as u64), |hash, (_, part)| mix(hash, *part)).max(1)
    };
    match parts.len() {
        0 | 1 => [0, 0],
        2 => [without(1), 0],
        length => [without(length - 1), without(length - 2)],
    }
}
