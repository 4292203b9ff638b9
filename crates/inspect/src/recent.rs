//! What was found of values not long ago: most of what a site is asked, it is asked again and again.

/// Pairs of places to remember a value at.
const PAIRS: usize = 8192;
/// The longest value remembered, in bytes.
const LONGEST: usize = 512;

/// A cache of values and what was found of them, two to a slot, the newer first. Values are compared byte by byte, so that it
/// changes how fast something is found, never what. At most 8 MiB, and what `V` takes.
#[derive(Debug)]
pub struct Recent<V> {
    pairs: Vec<[Option<Known<V>>; 2]>,
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
        Recent { pairs: Vec::new() }
    }

    /// What was found of a value of some kind.
    #[must_use]
    pub fn find(&self, kind: u8, value: &[u8]) -> Option<&V> {
        let pair = self.pairs.get(slot(kind, value))?;
        pair.iter().flatten().find(|known| known.is(kind, value)).map(|known| &known.found)
    }

    pub fn learn(&mut self, kind: u8, value: &[u8], found: V) {
        if value.len() > LONGEST {
            return;
        }
        if self.pairs.is_empty() {
            self.pairs.resize_with(PAIRS, Default::default);
        }
        let [newer, older] = &mut self.pairs[slot(kind, value)];
        std::mem::swap(newer, older);
        *newer = Some(Known { bytes: [&[kind], value].concat().into(), found });
    }
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Recent::new()
    }
}

impl<V> Known<V> {
    fn is(&self, kind: u8, value: &[u8]) -> bool {
        self.bytes.split_first().is_some_and(|(own, rest)| *own == kind && rest == value)
    }
}

fn slot(kind: u8, value: &[u8]) -> usize {
    (xxhash_rust::xxh3::xxh3_64(value) as usize).wrapping_add(kind.into()) % PAIRS
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
    fn what_is_learned_later_displaces_the_older_of_a_pair() {
        let mut recent = Recent::new();
        (0..20_000_u32).for_each(|number| recent.learn(0, &number.to_be_bytes(), number));
        let known = (0..20_000_u32).filter(|number| recent.find(0, &number.to_be_bytes()) == Some(number)).count();
        assert!((8192..=2 * PAIRS).contains(&known), "{known}");
        assert_eq!(recent.find(0, &19_999_u32.to_be_bytes()), Some(&19_999));
    }
}
