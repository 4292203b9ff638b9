//! How seldom a score is: what makes "87" mean something.

use serde::{Deserialize, Serialize};

/// Steps into which scores are cut.
const STEPS: usize = 1000;

/// Events after which the past counts half: months ago is no measure of now.
const HALVE_AT: u64 = 1 << 24;

/// Counts scores of events. Constant memory: a count per thousandth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rarity {
    events: u64,
    scored: Vec<u64>,
}

impl Default for Rarity {
    fn default() -> Self {
        Rarity { events: 0, scored: vec![0; STEPS + 1] }
    }
}

impl Rarity {
    /// So many events came, whatever they score.
    pub fn saw(&mut self, events: u64) {
        self.events += events;
        if self.events >= HALVE_AT {
            self.events /= 2;
            self.scored.iter_mut().for_each(|count| *count /= 2);
        }
    }

    /// One of them scores this (0 to 1). Answers N where one in N events scored as much or more.
    pub fn one_in(&mut self, score: f32) -> u64 {
        let step = ((score * STEPS as f32).round() as usize).min(STEPS);
        self.scored[step] += 1;
        let as_much: u64 = self.scored[step..].iter().sum();
        (self.events / as_much).max(1)
    }

    /// Whether it has the shape that [`Rarity::default`] makes; what was read from bytes may not.
    pub fn is_whole(&self) -> bool {
        self.scored.len() == STEPS + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_as_rare_as_it_was() {
        let mut rarity = Rarity::default();
        rarity.saw(10_000);
        assert_eq!(rarity.one_in(0.9), 10_000);
        assert_eq!(rarity.one_in(0.3), 5_000, "two of 10,000 scored 0.3 or more");
        assert_eq!(rarity.one_in(0.9), 5_000);
    }

    #[test]
    fn what_is_long_ago_counts_less_and_less() {
        let mut rarity = Rarity::default();
        rarity.saw(1000);
        (0..1000).for_each(|_| {
            rarity.one_in(0.5);
        });
        (0..20).for_each(|_| rarity.saw(HALVE_AT));
        assert!(rarity.one_in(0.5) > 1_000_000);
    }
}
