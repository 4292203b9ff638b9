//! Finding lost datagrams by the numbers that exporters put on them, whatever it is that they count.
//!
//! NetFlow v5 and IPFIX say how many flows came before, v9 how many datagrams; in truth exporters of each version count datagrams,
//! records with or without templates, or nothing. So what an exporter counts is found out: whatever explains the numbers again and
//! again is believed, and a number that it does not explain is a gap. Where nothing explains them, no gap is ever told.

use serde::{Deserialize, Serialize};

/// By how much the number would grow, for each way of counting; `None` where that is not known.
pub(crate) type Steps = [Option<u32>; WAYS];

/// Datagrams, records before, records with this datagram's, records before with templates.
const WAYS: usize = 4;

/// The ways of counting by their index in [`Steps`].
pub(crate) const DATAGRAMS: usize = 0;
pub(crate) const RECORDS: usize = 1;

const BELIEVED: u8 = 2;
const MOST: u8 = 8;

/// The numbers of one exporter and domain.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sequence {
    last: Option<u32>,
    /// What the datagram before held.
    records: Option<u32>,
    templates: u32,
    belief: [u8; WAYS],
    backwards: u8,
}

impl Sequence {
    /// Numbers that are expected to count `way`.
    pub fn counting(way: usize) -> Self {
        let mut sequence = Sequence::default();
        sequence.belief[way] = BELIEVED;
        sequence
    }

    /// Takes the number of a datagram with that many data records (where all could be told) and templates. Answers how much was
    /// lost before it, in the unit of the exporter; 0 for nothing.
    pub fn observe(&mut self, number: u32, records: Option<u32>, templates: u32) -> u32 {
        let steps = [Some(1), self.records, records, self.records.map(|records| records.saturating_add(self.templates))];
        let lost = match self.last {
            None => 0,
            Some(last) => {
                let step = number.wrapping_sub(last);
                if step.cast_signed() < 0 {
                    // Out of order, or the exporter began anew; two in a row are a new beginning.
                    self.backwards += 1;
                    if self.backwards < 2 {
                        return 0;
                    }
                    0
                } else {
                    self.judge(step, &steps)
                }
            }
        };
        (self.last, self.records, self.templates, self.backwards) = (Some(number), records, templates, 0);
        lost
    }

    fn judge(&mut self, step: u32, steps: &Steps) -> u32 {
        let believed = (0..WAYS).max_by_key(|&way| (self.belief[way], WAYS - way)).filter(|&way| self.belief[way] >= BELIEVED);
        let explained = steps.contains(&Some(step));
        for (belief, expected) in self.belief.iter_mut().zip(steps) {
            match expected {
                Some(expected) if *expected == step => *belief = (*belief + 1).min(MOST),
                Some(_) => *belief = belief.saturating_sub(1),
                None => {}
            }
        }
        match believed.and_then(|way| steps[way]) {
            Some(expected) if !explained => step.saturating_sub(expected),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_datagram_of_a_v9_exporter_is_one() {
        let mut sequence = Sequence::counting(DATAGRAMS);
        assert_eq!([1, 2, 4, 5].map(|number| sequence.observe(number, Some(9), 0)), [0, 0, 1, 0]);
    }

    #[test]
    fn lost_flows_of_a_v5_exporter_are_counted_in_flows() {
        let mut sequence = Sequence::counting(RECORDS);
        assert_eq!([0, 30, 90, 120].map(|number| sequence.observe(number, Some(30), 0)), [0, 0, 30, 0]);
    }

    #[test]
    fn an_exporter_that_counts_something_else_has_no_gaps_and_then_real_ones() {
        let mut sequence = Sequence::counting(DATAGRAMS);
        let mut number = 0;
        for round in 0..20_u32 {
            let records = round % 7 + 2;
            assert_eq!(sequence.observe(number, Some(records), 0), 0, "round {round}");
            number += records;
        }
        assert_eq!(sequence.observe(number + 100, Some(5), 0), 100);
    }

    #[test]
    fn numbers_without_meaning_are_gaps_once_at_most() {
        let mut sequence = Sequence::counting(DATAGRAMS);
        let mut number = 1_u32;
        let gaps = (0..100_u32).filter(|round| {
            number = number.wrapping_mul(1_664_525).wrapping_add(round * 7_919 + 13) & 0x3fff_ffff;
            sequence.observe(number, Some(round % 5), 0) > 0
        });
        assert!(gaps.count() <= 1);
    }

    #[test]
    fn a_late_datagram_and_a_restart_are_no_gaps() {
        let mut sequence = Sequence::counting(DATAGRAMS);
        assert_eq!([10, 11, 13, 12, 14].map(|number| sequence.observe(number, Some(1), 0)), [0, 0, 1, 0, 0]);
        assert_eq!([1, 2, 3].map(|number| sequence.observe(number, Some(1), 0)), [0, 0, 0]);
    }
}
