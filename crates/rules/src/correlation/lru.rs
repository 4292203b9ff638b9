use std::collections::HashMap;

/// No entry.
const NONE: u32 = u32::MAX;

/// At most so many values by key; the one not used for longest makes room.
#[derive(Debug)]
pub(super) struct Lru<V> {
    places: HashMap<u128, u32>,
    entries: Vec<Entry<V>>,
    newest: u32,
    oldest: u32,
    most: usize,
}

#[derive(Debug)]
struct Entry<V> {
    key: u128,
    owner: usize,
    value: V,
    newer: u32,
    older: u32,
}

impl<V> Lru<V> {
    pub(super) fn new(most: usize) -> Lru<V> {
        let most = most.clamp(1, NONE as usize - 1);
        Lru { places: HashMap::new(), entries: Vec::new(), newest: NONE, oldest: NONE, most }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The value of the key, which is now the newest, and whether another had to go for it.
    pub(super) fn get_or_insert(&mut self, key: u128, owner: usize, make: impl FnOnce() -> V) -> (&mut V, bool) {
        let mut evicted = false;
        let place = match self.places.get(&key).copied() {
            Some(place) => {
                self.unlink(place);
                place
            }
            None => {
                let entry = Entry { key, owner, value: make(), newer: NONE, older: NONE };
                let place = if self.entries.len() < self.most {
                    self.entries.push(entry);
                    self.entries.len() as u32 - 1
                } else {
                    evicted = true;
                    let place = self.oldest;
                    self.unlink(place);
                    self.places.remove(&self.entries[place as usize].key);
                    self.entries[place as usize] = entry;
                    place
                };
                self.places.insert(key, place);
                place
            }
        };
        self.link(place);
        (&mut self.entries[place as usize].value, evicted)
    }

    /// Key, owner and value, the one not used for longest first.
    pub(super) fn oldest_first(&self) -> impl Iterator<Item = (u128, usize, &V)> {
        let mut place = self.oldest;
        std::iter::from_fn(move || {
            let entry = self.entries.get(place as usize)?;
            place = entry.newer;
            Some((entry.key, entry.owner, &entry.value))
        })
    }

    fn unlink(&mut self, place: u32) {
        let Entry { newer, older, .. } = self.entries[place as usize];
        match self.entries.get_mut(newer as usize) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
        match self.entries.get_mut(older as usize) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link(&mut self, place: u32) {
        let before = self.newest;
        let entry = &mut self.entries[place as usize];
        (entry.older, entry.newer) = (before, NONE);
        match self.entries.get_mut(before as usize) {
            Some(entry) => entry.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_not_used_for_longest_makes_room() {
        let mut lru = Lru::new(2);
        let mut touch = |key| lru.get_or_insert(key, 0, || key).1;
        assert_eq!([touch(1), touch(2), touch(1), touch(3)], [false, false, false, true]);
        let keys: Vec<u128> = lru.oldest_first().map(|(key, ..)| key).collect();
        assert_eq!(keys, [1, 3]);
    }

    #[test]
    fn a_million_keys_stay_within_the_limit_and_in_order() {
        let mut lru = Lru::new(1000);
        for key in 0..1_000_000 {
            lru.get_or_insert(key, 0, || ());
        }
        assert_eq!((lru.len(), lru.places.len()), (1000, 1000));
        assert!(lru.oldest_first().map(|(key, ..)| key).eq(999_000..1_000_000));
    }
}
