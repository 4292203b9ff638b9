//! What people said of anomalies, at work: what is expected is muted, and who was often wrong counts less.

use std::collections::HashMap;

use lapwing_model::{Finding, Mark, State, Timestamp, hash};

/// How many answers from people a detector's weight is worth from the start.
const PRIOR: f32 = 4.0;

/// However often it was wrong, a detector keeps so much of its weight.
const LEAST: f32 = 0.25;

/// Marks by what they cover.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    expected: HashMap<u64, Vec<Mark>>,
    /// How often people called a detector's rule right, and wrong.
    answers: HashMap<(Box<str>, Box<str>), (u32, u32)>,
}

impl Marks {
    #[must_use]
    pub fn new(marks: impl IntoIterator<Item = Mark>) -> Marks {
        let mut all = Marks::default();
        for mark in marks {
            let (right, wrong) = all.answers.entry((mark.detector.as_ref().into(), mark.rule.as_ref().into())).or_default();
            match mark.said {
                State::Real => *right += 1,
                State::Expected => {
                    *wrong += 1;
                    all.expected.entry(hash(mark.entity.as_bytes())).or_default().push(mark);
                }
                State::Open | State::Acknowledged => {}
            }
        }
        all
    }

    /// Whether a person expects this at that time.
    #[must_use]
    pub fn mute(&self, finding: &Finding, at: Timestamp) -> bool {
        if self.expected.is_empty() {
            return false;
        }
        let of_entity = self.expected.get(&hash(finding.entity.name.as_bytes()));
        of_entity.is_some_and(|marks| marks.iter().any(|mark| at < mark.expires && mark.covers(finding)))
    }

    /// How much of its weight a detector's rule keeps: the share of right answers, where the first few are given.
    #[must_use]
    pub fn trust(&self, detector: &str, rule: &str) -> f32 {
        if self.answers.is_empty() {
            return 1.0;
        }
        let answers = self.answers.get(&(Box::from(detector), Box::from(rule)));
        let (right, wrong) = answers.copied().unwrap_or_default();
        ((right as f32 + PRIOR) / ((right + wrong) as f32 + PRIOR)).max(LEAST)
    }
}
