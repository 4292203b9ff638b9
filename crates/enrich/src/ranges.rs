//! What belongs to which run of addresses: sorted arrays, found by their first bits and then by halving.

use std::borrow::Cow;

/// An address as a number, or its bytes, which are in the same order.
pub trait Key: Copy + Ord + 'static {
    /// The first `bits`.
    fn top(self, bits: u32) -> usize;
}

/// A number.
pub trait Number: Key {
    /// The next one, where there is one.
    fn next(self) -> Option<Self>;
}

/// So many first bits say where to look, at most and at least: about as many as there are starts, so that few have the same ones.
const MOST_BITS: u32 = 16;
const LEAST_BITS: u32 = 4;

macro_rules! keys {
    ($($number:ty),+) => {
        $(impl Key for $number {
            fn top(self, bits: u32) -> usize {
                (self >> (<$number>::BITS - bits)) as usize
            }
        }

        impl Number for $number {
            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
        })+
    };
}

keys!(u32, u128);

impl<const N: usize> Key for [u8; N] {
    fn top(self, bits: u32) -> usize {
        const { assert!(N >= 4 && MOST_BITS <= 32) }
        let first = u32::from_be_bytes([self[0], self[1], self[2], self[3]]);
        first.top(bits)
    }
}

/// From each start up to the next one holds one value; before the first start holds `V::default()`, which stands for nothing.
///
/// A start takes the bytes of its key, a value its own; a look-up reads two words of the index, at most 256 KiB, and halves the few
/// starts between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges<K: Key, V: Copy + 'static> {
    starts: Cow<'static, [K]>,
    values: Cow<'static, [V]>,
    /// For each value of the first bits, how many starts come before.
    index: Vec<u32>,
    bits: u32,
}

impl<K: Key, V: Copy> Default for Ranges<K, V> {
    fn default() -> Self {
        Ranges { starts: Cow::default(), values: Cow::default(), index: Vec::new(), bits: LEAST_BITS }
    }
}

impl<K: Key, V: Copy + Default + PartialEq + 'static> Ranges<K, V> {
    /// None where there are not as many values as starts, or the starts do not rise.
    #[must_use]
    pub fn new(starts: impl Into<Cow<'static, [K]>>, values: impl Into<Cow<'static, [V]>>) -> Option<Ranges<K, V>> {
        let (starts, values) = (starts.into(), values.into());
        let rises = starts.is_sorted_by(|a, b| a < b) && u32::try_from(starts.len()).is_ok();
        if !rises || starts.len() != values.len() {
            return None;
        }
        if starts.is_empty() {
            return Some(Ranges::default());
        }
        let bits = starts.len().ilog2().clamp(LEAST_BITS, MOST_BITS);
        let mut index = vec![0; (1 << bits) + 1];
        for start in starts.iter() {
            index[start.top(bits) + 1] += 1;
        }
        for at in 1..index.len() {
            index[at] += index[at - 1];
        }
        Some(Ranges { starts, values, index, bits })
    }

    /// Runs that lie within one another or apart, as networks do: the innermost holds. Of equal runs the first one holds.
    #[must_use]
    pub fn nested(mut runs: Vec<(K, K, V)>) -> Ranges<K, V>
    where
        K: Number,
    {
        runs.sort_by_key(|&(first, last, _)| (first, std::cmp::Reverse(last)));
        runs.dedup_by_key(|&mut (first, last, _)| (first, last));
        let mut edges: Vec<(K, V)> = Vec::new();
        let mut open: Vec<(K, V)> = Vec::new();
        let mut edge = |at: K, value: V| match edges.last_mut() {
            Some(last) if last.0 == at => last.1 = value,
            _ => edges.push((at, value)),
        };
        for (first, last, value) in runs {
            close(&mut open, Some(first), &mut edge);
            edge(first, value);
            open.push((last, value));
        }
        close(&mut open, None, &mut edge);
        edges.dedup_by_key(|&mut (_, value)| value);
        let (starts, values): (Vec<K>, Vec<V>) = edges.into_iter().unzip();
        // Edges come in the order of their places, each place once.
        Ranges::new(starts, values).unwrap_or_default()
    }

    /// What holds at an address.
    #[inline]
    #[must_use]
    pub fn get(&self, key: K) -> V {
        let Some(&[from, to]) = self.index.get(key.top(self.bits)..key.top(self.bits) + 2) else { return V::default() };
        let (from, to) = (from as usize, to as usize);
        let before = from + self.starts[from..to].partition_point(|start| *start <= key);
        before.checked_sub(1).map_or_else(V::default, |at| self.values[at])
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Bytes of memory taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.starts) + size_of_val(&*self.values) + size_of_val(&*self.index)
    }
}

/// Ends the runs that are over before `at`, or all.
fn close<K: Number, V: Copy + Default>(open: &mut Vec<(K, V)>, at: Option<K>, edge: &mut impl FnMut(K, V)) {
    while let Some((last, _)) = open.pop_if(|(last, _)| at.is_none_or(|at| *last < at)) {
        let outer = open.last().map_or_else(V::default, |(_, value)| *value);
        if let Some(after) = last.next() {
            edge(after, outer);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_innermost_of_nested_runs_holds_and_nothing_holds_outside() {
        let ranges = Ranges::nested(vec![(10_u32, 99, 1_u8), (20, 29, 2), (25, 25, 3), (20, 29, 9), (u32::MAX, u32::MAX, 4)]);
        let at = |key| ranges.get(key);
        assert_eq!([0, 9, 10, 19, 20, 24, 25, 26, 29, 30, 99, 100].map(at), [0, 0, 1, 1, 2, 2, 3, 2, 2, 1, 1, 0]);
        assert_eq!((at(u32::MAX - 1), at(u32::MAX)), (0, 4));
    }

    #[test]
    fn starts_that_do_not_rise_are_refused() {
        assert_eq!(Ranges::new(vec![1_u32, 1], vec![0_u8, 0]), None);
        assert_eq!(Ranges::new(vec![2_u32, 1], vec![0_u8, 0]), None);
        assert_eq!(Ranges::new(vec![1_u32], vec![0_u8, 0]), None);
    }

    proptest! {
        #[test]
        fn networks_hold_what_looking_at_each_of_them_says(
            networks in prop::collection::vec((any::<u32>(), 0..=32_u32), 0..60),
            near in prop::collection::vec(any::<u32>(), 8),
        ) {
            let runs: Vec<(u32, u32, u8)> = networks.iter().enumerate().map(|(number, &(address, prefix))| {
                let rest = u32::MAX.checked_shr(prefix).unwrap_or(0);
                (address & !rest, address | rest, number as u8 + 1)
            }).collect();
            let ranges = Ranges::nested(runs.clone());
            let naive = |key: u32| {
                let inside = runs.iter().filter(|(first, last, _)| (*first..=*last).contains(&key));
                inside.rev().min_by_key(|(first, last, _)| last - first).map_or(0, |&(first, last, _)| {
                    runs.iter().find(|run| (run.0, run.1) == (first, last)).map_or(0, |run| run.2)
                })
            };
            let edges = runs.iter().flat_map(|&(first, last, _)| [first.wrapping_sub(1), first, last, last.wrapping_add(1)]);
            for key in edges.chain(near.iter().copied()) {
                prop_assert_eq!(ranges.get(key), naive(key), "at {}", key);
            }
        }
    }
}
