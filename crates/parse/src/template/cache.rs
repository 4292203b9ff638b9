//! Which template a skeleton was put under: two generations, so that it is bounded, forgets what is old, and costs one
//! lookup in the common case.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// For keys that are hashes already.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

pub(super) type HashedMap<V> = HashMap<u64, V, BuildHasherDefault<AsIs>>;

/// Where a template is kept, and which it was when this was noted: the place may have been given to another since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Entry {
    pub(super) slot: u32,
    pub(super) id: u64,
}

#[derive(Debug)]
pub(super) struct Cache {
    young: HashedMap<Entry>,
    old: HashedMap<Entry>,
    /// Entries of one generation.
    limit: usize,
}

impl Cache {
    pub(super) fn new(limit: usize) -> Cache {
        Cache { young: HashedMap::default(), old: HashedMap::default(), limit: limit.max(1) }
    }

    #[inline]
    pub(super) fn get(&mut self, skeleton: u64) -> Option<Entry> {
        if let Some(entry) = self.young.get(&skeleton) {
            return Some(*entry);
        }
        let entry = self.old.remove(&skeleton)?;
        self.insert(skeleton, entry);
        Some(entry)
    }

    pub(super) fn peek(&self, skeleton: u64) -> Option<Entry> {
        self.young.get(&skeleton).or_else(|| self.old.get(&skeleton)).copied()
    }

    pub(super) fn insert(&mut self, skeleton: u64, entry: Entry) {
        if self.young.len() >= self.limit {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(skeleton, entry);
    }

    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Both generations, sorted, so that the same state is the same bytes.
    pub(super) fn dump(&self) -> [Vec<(u64, Entry)>; 2] {
        [&self.young, &self.old].map(|generation| {
            let mut entries: Vec<_> = generation.iter().map(|(skeleton, entry)| (*skeleton, *entry)).collect();
            entries.sort_unstable_by_key(|(skeleton, _)| *skeleton);
            entries
        })
    }

    pub(super) fn restore(limit: usize, [young, old]: [Vec<(u64, Entry)>; 2]) -> Cache {
        Cache { young: young.into_iter().collect(), old: old.into_iter().collect(), limit: limit.max(1) }
    }
}
