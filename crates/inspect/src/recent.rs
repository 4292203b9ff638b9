//! What was found of values not long ago: most of what a site is asked, it is asked again and again.

/// Sets of places to remember a value at.
const SETS: usize = 4096;
/// Places of a set: with fewer, a few values that are asked for often would displace one another again and again.
const WAYS: usize = 4;
/// Bytes of a set's values and of what was found of them: 16 MiB in all. The longest values are the dearest to look at again.
const ROOM: usize = 4096;

/// A cache of values and what was found of them, a few to a set, the newest first. Values are compared byte by byte, so that it
/// changes how fast something is found, never what. At most 16 MiB beside the table itself.
#[derive(Debug)]
pub struct Recent<V> {
    sets: Vec<[Option<Known<V>>; WAYS]>,
}

#[derive(Debug)]
struct Known<V> {
    /// The kind of value, and the value.
    bytes: Box<[u8]>,
    found: V,
    /// Bytes that it takes.
    size: usize,
}

impl<V> Recent<V> {
    /// Takes no memory before it is used.
    #[must_use]
    pub fn new() -> Recent<V> {
        Recent { sets: Vec::new() }
    }

    /// What was found of a value of some kind.
    #[must_use]
    pub fn find(&self, kind: u8, value: &[u8]) -> Option<&V> {
        let set = self.sets.get(set(kind, value))?;
        set.iter().flatten().find(|known| known.is(kind, value)).map(|known| &known.found)
    }

    /// Remembers what was found of a value, which takes so many bytes beside the value. What takes too many is not remembered.
    pub fn learn(&mut self, kind: u8, value: &[u8], found: V, size: usize) {
        let size = size + value.len() + 1;
        if size > ROOM {
            return;
        }
        if self.sets.is_empty() {
            self.sets.resize_with(SETS, Default::default);
        }
        let set = &mut self.sets[set(kind, value)];
        set.rotate_right(1);
        set[0] = Some(Known { bytes: [&[kind], value].concat().into(), found, size });
        let mut room = ROOM;
        for place in set {
            match place.as_ref().and_then(|known| room.checked_sub(known.size)) {
                Some(left) => room = left,
                None => *place = None,
            }
        }
    }
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Recent::new()
    }
}

impl<V> Known<V> {
    fn is(&self, kind: u8, value: &[u8]) -> bool {
        self.bytes.len() == value.len() + 1 && self.bytes[0] == kind && self.bytes[1..] == *value
    }
}

fn set(kind: u8, value: &[u8]) -> usize {
    (xxhash_rust::xxh3::xxh3_64(value) as usize).wrapping_add(kind.into()) % SETS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_is_known_of_that_kind_and_of_no_other() {
        let mut recent = Recent::new();
        assert_eq!(recent.find(1, b"/a"), None);
        recent.learn(1, b"/a", 7, 0);
        assert_eq!((recent.find(1, b"/a"), recent.find(2, b"/a"), recent.find(1, b"/b")), (Some(&7), None, None));
    }

    #[test]
    fn what_is_learned_later_displaces_the_oldest_of_a_set() {
        let mut recent = Recent::new();
        (0..20_000_u32).for_each(|number| recent.learn(0, &number.to_be_bytes(), number, 0));
        let known = (0..20_000_u32).filter(|number| recent.find(0, &number.to_be_bytes()) == Some(number)).count();
        assert!((SETS * 3..=SETS * WAYS).contains(&known), "{known}");
        assert_eq!(recent.find(0, &19_999_u32.to_be_bytes()), Some(&19_999));
    }

    #[test]
    fn neither_long_values_nor_much_that_is_found_fills_the_memory_or_keeps_out_what_comes_later() {
        let mut recent = Recent::new();
        let value = |number: u32, length: usize| [number.to_be_bytes().as_slice(), &vec![b'x'; length]].concat();
        (0..20_000).for_each(|number| recent.learn(0, &value(number, 1_000), number, 1_000));
        let size: usize = recent.sets.iter().flatten().flatten().map(|known| known.size).sum();
        assert!(size > SETS * 3_000 && size <= SETS * ROOM, "{size}");
        recent.learn(0, b"/later", 7, 0);
        assert_eq!(recent.find(0, b"/later"), Some(&7));
        recent.learn(0, &value(1, ROOM), 8, 0);
        assert_eq!(recent.find(0, &value(1, ROOM)), None);
    }
}
