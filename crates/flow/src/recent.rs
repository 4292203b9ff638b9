//! A bounded map that forgets what was used least recently, and last of all what has proved its worth: a flood of forged exporters
//! pushes out other forged ones, not those that have been sending for long.

use std::collections::HashMap;
use std::hash::Hash;

/// Whether a value is to be kept longer than values that are not.
pub(crate) trait Worth {
    fn proven(&self) -> bool;
}

#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    capacity: usize,
    used: u64,
    entries: HashMap<K, (u64, V)>,
}

impl<K: Copy + Eq + Hash + Ord, V: Worth> Recent<K, V> {
    /// An empty map for at most `capacity` (at least 8) entries.
    pub fn new(capacity: usize) -> Self {
        Recent { capacity: capacity.max(8), used: 0, entries: HashMap::new() }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// The value of a key, made where it was missing. What was forgotten for it is handed to `forgotten`.
    pub fn use_or_insert(&mut self, key: K, make: impl FnOnce() -> V, forgotten: impl FnMut(K, V)) -> &mut V {
        self.used += 1;
        if self.entries.len() >= self.capacity && !self.entries.contains_key(&key) {
            self.forget(forgotten);
        }
        let entry = self.entries.entry(key).or_insert_with(|| (0, make()));
        entry.0 = self.used;
        &mut entry.1
    }

    /// Forgets an eighth. All at once, so that the work for each entry stays the same.
    pub fn forget(&mut self, mut forgotten: impl FnMut(K, V)) {
        let mut order: Vec<(bool, u64, K)> =
            self.entries.iter().map(|(key, (used, value))| (value.proven(), *used, *key)).collect();
        let few = order.len().div_ceil(8);
        if few < order.len() {
            order.select_nth_unstable(few);
            order.truncate(few);
        }
        order.sort_unstable();
        for (_, _, key) in order {
            if let Some((_, value)) = self.entries.remove(&key) {
                forgotten(key, value);
            }
        }
    }

    /// All entries, the least recently used first.
    pub fn in_order(&self) -> Vec<(K, &V)> {
        let mut entries: Vec<_> = self.entries.iter().map(|(key, (used, value))| (*used, *key, value)).collect();
        entries.sort_unstable_by_key(|(used, ..)| *used);
        entries.into_iter().map(|(_, key, value)| (key, value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Number(u32);

    impl Worth for Number {
        fn proven(&self) -> bool {
            self.0 >= 1_000
        }
    }

    #[test]
    fn what_is_proven_outlives_a_flood_of_what_is_not() {
        let mut recent = Recent::new(64);
        recent.use_or_insert(5_000, || Number(5_000), |_, _| {});
        let mut forgotten = 0;
        for key in 0..900 {
            recent.use_or_insert(key, || Number(key), |_, _| forgotten += 1);
            assert!(recent.len() <= 64);
        }
        assert!(recent.get(&5_000).is_some());
        assert_eq!(forgotten + recent.len(), 901);
        assert!(recent.get(&899).is_some() && recent.get(&0).is_none());
    }
}
