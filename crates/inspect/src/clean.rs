//! The values that were found clean not long ago: most of what a site is asked, it is asked again and again.

use crate::place::Place;

/// Pairs of places to remember a value at.
const PAIRS: usize = 8192;
/// The longest value remembered, in bytes.
const LONGEST: usize = 512;

/// A cache of values, two to a slot, the newer first. They are compared byte by byte, so that it changes how fast something is
/// found, never what. At most 8 MiB.
#[derive(Debug)]
pub(crate) struct Clean {
    pairs: Vec<[Box<[u8]>; 2]>,
}

impl Clean {
    pub(crate) fn new() -> Clean {
        Clean { pairs: vec![Default::default(); PAIRS] }
    }

    pub(crate) fn knows(&self, place: Place, value: &[u8]) -> bool {
        self.pairs[slot(place, value)].iter().any(|known| is(known, place, value))
    }

    pub(crate) fn learn(&mut self, place: Place, value: &[u8]) {
        if value.len() <= LONGEST {
            let [newer, older] = &mut self.pairs[slot(place, value)];
            std::mem::swap(newer, older);
            *newer = [&[place as u8], value].concat().into();
        }
    }
}

fn slot(place: Place, value: &[u8]) -> usize {
    (xxhash_rust::xxh3::xxh3_64(value) as usize).wrapping_add(place as usize) % PAIRS
}

fn is(known: &[u8], place: Place, value: &[u8]) -> bool {
    known.split_first().is_some_and(|(own, rest)| *own == place as u8 && rest == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_is_known_where_it_was_clean_and_nowhere_else() {
        let mut clean = Clean::new();
        clean.learn(Place::Path, b"/a");
        assert!(clean.knows(Place::Path, b"/a") && !clean.knows(Place::Agent, b"/a") && !clean.knows(Place::Path, b"/b"));
        clean.learn(Place::Path, &[b'x'; LONGEST + 1]);
        assert!(!clean.knows(Place::Path, &[b'x'; LONGEST + 1]), "long values would fill the memory");
    }

    #[test]
    fn what_is_learned_later_displaces_the_older_of_a_pair() {
        let mut clean = Clean::new();
        for number in 0..20_000_u32 {
            clean.learn(Place::Value, &number.to_be_bytes());
        }
        let known = (0..20_000_u32).filter(|number| clean.knows(Place::Value, &number.to_be_bytes())).count();
        assert!((8192..=2 * PAIRS).contains(&known), "{known}");
        assert!(clean.knows(Place::Value, &19_999_u32.to_be_bytes()));
    }
}
