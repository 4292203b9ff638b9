//! Rows that are held back for a while: that a line was the beginning of a scan shows only some lines later, and then its row
//! should say so.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Rows that are held back at most.
pub const HELD: usize = 16_384;

/// Rows that may still change, found by a key that no two of them have.
#[derive(Debug)]
pub struct Held<K, R> {
    rows: VecDeque<(K, R)>,
    /// The number of each row, counted from the first of all rows.
    numbers: HashMap<K, u64>,
    released: u64,
}

impl<K, R> Default for Held<K, R> {
    fn default() -> Self {
        Held { rows: VecDeque::new(), numbers: HashMap::new(), released: 0 }
    }
}

impl<K: Copy + Eq + Hash, R> Held<K, R> {
    pub fn push(&mut self, key: K, row: R) {
        self.numbers.insert(key, self.released + self.rows.len() as u64);
        self.rows.push_back((key, row));
    }

    /// The row of that key, while it is held.
    pub fn get_mut(&mut self, key: K) -> Option<&mut R> {
        let number = self.numbers.get(&key)?.checked_sub(self.released)?;
        self.rows.get_mut(number as usize).map(|(_, row)| row)
    }

    /// Hands out the oldest rows until only so many are left.
    pub fn release(&mut self, left: usize) -> impl Iterator<Item = R> {
        std::iter::from_fn(move || {
            let (key, row) = (self.rows.len() > left).then(|| self.rows.pop_front()).flatten()?;
            self.numbers.remove(&key);
            self.released += 1;
            Some(row)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_out_in_order_and_can_be_changed_until_they_do() {
        let mut held = Held::default();
        (0..10).for_each(|n| held.push(n, n * 10));
        assert_eq!(held.release(4).collect::<Vec<_>>(), [0, 10, 20, 30, 40, 50]);
        assert!(held.get_mut(5).is_none());
        *held.get_mut(7).expect("held") = 7;
        assert_eq!(held.release(0).collect::<Vec<_>>(), [60, 7, 80, 90]);
    }
}
