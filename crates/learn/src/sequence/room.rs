//! Memory that one step of training leaves to the next: fresh pages for every product of every step cost a quarter of its time.

#[derive(Debug, Default)]
pub(super) struct Room(Vec<Vec<f32>>);

impl Room {
    /// So many zeros.
    pub(super) fn zeros(&mut self, length: usize) -> Vec<f32> {
        let mut numbers = self.at_least(length);
        numbers.resize(length, 0.0);
        numbers
    }

    pub(super) fn copy(&mut self, numbers: &[f32]) -> Vec<f32> {
        let mut own = self.at_least(numbers.len());
        own.extend_from_slice(numbers);
        own
    }

    pub(super) fn leave<const N: usize>(&mut self, numbers: [Vec<f32>; N]) {
        self.0.extend(numbers);
    }

    /// An empty vector: the smallest that is large enough, else the largest, so that there are never more than were in use at once.
    fn at_least(&mut self, length: usize) -> Vec<f32> {
        let enough = (0..self.0.len()).filter(|&at| self.0[at].capacity() >= length).min_by_key(|&at| self.0[at].capacity());
        let largest = || (0..self.0.len()).max_by_key(|&at| self.0[at].capacity());
        let mut numbers = enough.or_else(largest).map(|at| self.0.swap_remove(at)).unwrap_or_default();
        numbers.clear();
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_used_again_and_holds_nothing_of_before() {
        let mut room = Room::default();
        let (mut small, large) = (room.zeros(10), room.zeros(1_000));
        small.fill(7.0);
        let places = [small.as_ptr(), large.as_ptr()];
        room.leave([large, small]);
        let again = [room.zeros(9), room.copy(&[1.0; 500])];
        assert_eq!(again.each_ref().map(|numbers| numbers.as_ptr()), places);
        assert_eq!(again, [vec![0.0; 9], vec![1.0; 500]]);
        room.leave(again);
        assert_eq!(room.zeros(5_000).len(), 5_000);
        assert_eq!(room.0.len(), 1, "the larger one has grown");
    }
}
