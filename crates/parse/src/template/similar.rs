//! How a text differs from a template, and how many words in one place make that place a value.

use super::shapes::shape;
use super::tokens::{LEARNED, VALUE};

/// Texts of one pattern do not differ at more places than this.
const MAX_PLACES: u32 = 6;

/// How a text differs from a template of as many parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Difference {
    /// Words that are the same.
    pub(super) same: u32,
    /// The places where a word stands against another, a bit each.
    pub(super) words: u64,
    /// The places where a word stands against a value.
    pub(super) mixed: u64,
    /// What the differing words have in common in how they look and where they stand: bits of [`shape`].
    pub(super) shape: u8,
    /// Whether in one place at least they have nothing in common.
    pub(super) plain: bool,
}

impl Difference {
    /// Compares parts and shapes, as many of one as of the other; `None` where too much differs.
    pub(super) fn between(parts: &[u64], shapes: &[u8], line: &[u64], line_shapes: &[u8]) -> Option<Difference> {
        let mut found = Difference { shape: u8::MAX, ..Difference::default() };
        for (place, (part, token)) in parts.iter().zip(line).enumerate() {
            if part == token {
                found.same += u32::from(*part > LEARNED);
            } else if *part != LEARNED {
                if *part == VALUE || *token == VALUE {
                    found.mixed |= 1 << place;
                } else {
                    found.words |= 1 << place;
                    let common = shapes.get(place).unwrap_or(&0) & line_shapes.get(place).unwrap_or(&0);
                    found.shape &= common;
                    found.plain |= common == 0;
                }
                if found.places() > MAX_PLACES {
                    return None;
                }
            }
        }
        Some(found)
    }

    /// At how many places the two differ.
    pub(super) const fn places(&self) -> u32 {
        (self.words | self.mixed).count_ones()
    }

    /// How many texts that differ at just these places make them values; `None` if no number does.
    ///
    /// A word where others have a value (`user root`, `user 1001`) is one. Names become values sooner than plain words, words
    /// with much that is the same around them sooner than lonely ones, and the first word of a text, which mostly says what
    /// it is about, last.
    pub(super) const fn needed(&self) -> Option<usize> {
        if self.mixed != 0 {
            let few = self.words == 0 && self.mixed.count_ones() * 2 <= self.same;
            return if few { Some(2) } else { None };
        }
        let places = self.words.count_ones();
        let lonely = self.same < 4;
        Some(match self.shape {
            _ if self.same < places => return None,
            _ if self.plain && places > 1 => {
                if self.same < places * 2 {
                    return None;
                } else {
                    24
                }
            }
            _ if self.words & 1 != 0 => {
                if lonely {
                    16
                } else {
                    6
                }
            }
            shape if shape & shape::PERSON != 0 => 2,
            shape if shape & shape::NAME != 0 => 3,
            _ if !self.plain => 4,
            _ if self.same == 1 => 8,
            _ => {
                if lonely {
                    6
                } else {
                    5
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(parts: &[u64], line: &[u64], shape: u8) -> Option<Difference> {
        let shapes = vec![shape; parts.len()];
        Difference::between(parts, &shapes, line, &shapes)
    }

    #[test]
    fn a_place_that_takes_many_words_takes_any() {
        let found = difference(&[10, LEARNED, 12], &[10, 99, 12], 0).unwrap();
        assert_eq!((found.places(), found.same), (0, 2));
    }

    #[test]
    fn a_word_against_a_number_is_a_value_only_where_enough_is_the_same() {
        assert_eq!(difference(&[10, VALUE, 12], &[10, 99, 12], 0).unwrap().needed(), Some(2));
        assert_eq!(difference(&[10, VALUE], &[10, 99], 0).unwrap().needed(), None);
    }

    #[test]
    fn names_become_values_sooner_than_words_and_first_words_last() {
        let needed = |parts: &[u64], line: &[u64], shape| difference(parts, line, shape).unwrap().needed().unwrap();
        let (first, word, name) = ([20, 11, 12], [10, 11, 22], [10, 11, 22]);
        let parts = [10, 11, 12];
        assert!(needed(&parts, &name, shape::NAME) < needed(&parts, &word, 0));
        assert!(needed(&parts, &word, 0) < needed(&parts, &first, 0));
    }

    #[test]
    fn texts_that_differ_in_most_words_have_nothing_in_common() {
        assert_eq!(difference(&[10, 11, 12], &[10, 21, 22], 0).unwrap().needed(), None);
        assert_eq!(difference(&[10; 20], &[11; 20], 0), None);
    }
}
