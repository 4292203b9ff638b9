//! What was found of values not long ago: most of what a site is asked, it is asked again and again.

/// Sets of places to remember a value at.
const SETS: usize = 4096;
/// Places of a set: with fewer, a few values that are asked for often would displace one another again and again.
const WAYS: usize = 4;
/// The longest value remembered, in bytes. The longer a value, the dearer it is to look at it again.
const LONGEST: usize = 2048;
/// Bytes of all values remembered.
const MOST: usize = 8 << 20;

/// A cache of values and what was found of them, a few to a set, the newest first. Values are compared byte by byte, so that it
/// changes how fast something is found, never what. At most [`MOST`] bytes, and what `V` takes.
#[derive(Debug)]
pub struct Recent<V> {
    sets: Vec<[Option<Known<V>>; WAYS]>,
    held: usize,
}

#[derive(Debug)]
struct Known<V> {
    /// The kind of value, and the value.
    bytes: Box<[u8]>,
    found: V,
}

impl<V> Recent<V> {
    /// Takes no memory before it is used.
    #[must_use]
    pub fn new() -> Recent<V> {
        Recent { sets: Vec::new(), held: 0 }
    }

    /// What was found of a value of some kind.
    #[must_use]
    pub fn find(&self, kind: u8, value: &[u8]) -> Option<&V> {
        let set = self.sets.get(set(kind, value))?;
        set.iter().flatten().find(|known| known.is(kind, value)).map(|known| &known.found)
    }

    pub fn learn(&mut self, kind: u8, value: &[u8], found: V) {
        if value.len() > LONGEST {
            return;
        }
        if self.sets.is_empty() {
            self.sets.resize_with(SETS, Default::default);
        }
        let set = &mut self.sets[set(kind, value)];
        let leaves = set[WAYS - 1].as_ref().map_or(0, |known| known.bytes.len());
        let held = self.held - leaves + value.len() + 1;
        if held > MOST {
            return;
        }
        self.held = held;
        set.rotate_right(1);
        set[0] = Some(Known { bytes: [&[kind], value].concat().into(), found });
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
        recent.learn(1, b"/a", 7);
        assert_eq!((recent.find(1, b"/a"), recent.find(2, b"/a"), recent.find(1, b"/b")), (Some(&7), None, None));
        recent.learn(1, &[b'x'; LONGEST + 1], 8);
        assert_eq!(recent.find(1, &[b'x'; LONGEST + 1]), None, "long values would fill the memory");
    }

    #[test]
    fn what_is_learned_later_displaces_the_oldest_of_a_set() {
        let mut recent = Recent::new();
        (0..20_000_u32).for_each(|number| recent.learn(0, &number.to_be_bytes(), number));
        let known = (0..20_000_u32).filter(|number| recent.find(0, &number.to_be_bytes()) == Some(number)).count();
        assert!((SETS * 3..=SETS * WAYS).contains(&known), "{known}");
        assert_eq!(recent.find(0, &19_999_u32.to_be_bytes()), Some(&19_999));
    }

    #[test]
    fn long_values_do_not_fill_the_memory() {
        let mut recent = Recent::new();
        let value = |number: u32| [number.to_be_bytes().as_slice(), &[b'x'; LONGEST - 4]].concat();
        (0..20_000).for_each(|number| recent.learn(0, &value(number), number));
        let bytes: usize = recent.sets.iter().flatten().flatten().map(|known| known.bytes.len()).sum();
        assert!(bytes == recent.held && (MOST - LONGEST..=MOST).contains(&bytes), "{bytes}");
    }
}
