//! How surprising ordinary sessions are: what turns a surprise into a probability.

use super::model::SequenceModel;
use super::scorer::Scorer;
use super::session::Session;
use super::vocabulary::Word;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Events between two calls of [`Scorer::finish`].
const BATCH: usize = 1_024;
/// The least quantile is one that so many values reached, so that no single value decides it.
const FEWEST: usize = 4;
/// A value is never less probable than one in a number that many times what was seen.
const BEYOND: f64 = 1_000.0;

/// How surprising ordinary sessions were.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surprises {
    /// Each token's surprise.
    pub steps: UpperQuantiles,
    /// The greatest surprise in each session.
    pub sessions: UpperQuantiles,
}

impl Surprises {
    /// Has a model judge sessions; those without a token count for nothing.
    ///
    /// Which sessions matters. Those that [`TrainingState::held_out`](super::TrainingState::held_out) picks have no equal among the
    /// learned ones, so later sessions are less surprising than the quantiles say; from all sessions, learned ones among them,
    /// they are more so. (On HDFS, sessions beyond the limit for 1 %: 0.25 % and 1.6 %; the example `sequence_hdfs`.)
    #[must_use]
    pub fn measure<S: IntoIterator<Item = Word>>(model: &Arc<SequenceModel>, sessions: impl IntoIterator<Item = S>) -> Self {
        let mut scorer = Scorer::new(model.clone(), 0);
        let (mut steps, mut greatest, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        let mut events = 0;
        let mut judge = |scorer: &mut Scorer, lengths: &mut Vec<usize>| {
            let first = steps.len();
            steps.extend(scorer.finish().steps().iter().map(|step| step.surprise));
            let mut rest = &steps[first..];
            for length in lengths.drain(..) {
                let (session, others) = rest.split_at(length);
                greatest.extend(session.iter().copied().max_by(f32::total_cmp));
                rest = others;
            }
        };
        for session in sessions {
            let mut state = Session::new();
            lengths.push(session.into_iter().map(|word| scorer.push(&mut state, word)).count());
            events += lengths.last().unwrap_or(&0);
            if events >= BATCH {
                judge(&mut scorer, &mut lengths);
                events = 0;
            }
        }
        judge(&mut scorer, &mut lengths);
        Surprises { steps: UpperQuantiles::of(steps), sessions: UpperQuantiles::of(greatest) }
    }

    pub(super) fn is_sound(&self) -> bool {
        self.steps.is_sound() && self.sessions.is_sound()
    }
}

/// The upper half of a distribution of surprises: what one in 2, in 4, in 8 of them reached.
///
/// Between these the logarithm of the probability is linear. Beyond the last it falls on at the same rate, but by no more
/// than a factor of e a nat: what a model that is right about probabilities would show.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpperQuantiles {
    seen: u64,
    /// In nats, never falling.
    reached: Vec<f32>,
}

impl UpperQuantiles {
    fn of(mut values: Vec<f32>) -> Self {
        values.sort_unstable_by(|a, b| b.total_cmp(a));
        let places = (1..64).map(|i| values.len() >> i).take_while(|count| *count >= FEWEST);
        let reached = places.map(|count| values[count - 1]).collect();
        UpperQuantiles { seen: values.len() as u64, reached }
    }

    /// How many values there were.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The probability of a surprise of at least `nats`, in (0, 1]: exact to a factor of two where it is above one half; 1 for
    /// what is no number, or where fewer than 8 values were seen.
    #[must_use]
    pub fn probability(&self, nats: f32) -> f64 {
        let octaves = match self.reached.iter().position(|reached| nats.is_nan() || *reached >= nats) {
            Some(0) => 0.0,
            Some(at) => {
                let (below, above) = (f64::from(self.reached[at - 1]), f64::from(self.reached[at]));
                at as f64 + (f64::from(nats) - below) / (above - below)
            }
            None => self.reached.len() as f64 + self.beyond(nats),
        };
        (-octaves).exp2().max(1.0 / (BEYOND * (self.seen as f64).max(1.0)))
    }

    /// Halvings of the probability from the last quantile to `nats`.
    fn beyond(&self, nats: f32) -> f64 {
        let Some(last) = self.reached.last() else { return 0.0 };
        // The slope over the upper half of the octaves: less at the mercy of few values than the last one.
        let middle = self.reached.len() / 2;
        let octaves = (self.reached.len() - 1 - middle) as f64;
        let rise = f64::from(*last) - f64::from(self.reached[middle]);
        let most = std::f64::consts::LOG2_E;
        let rate = if rise * most > octaves { octaves / rise } else { most };
        (f64::from(nats) - f64::from(*last)) * rate
    }

    /// The least surprise whose probability is at most `probability`, in nats: what a limit would have to be. `None` where
    /// fewer than 8 values were seen, or for what is beyond what can be told from so many.
    #[must_use]
    pub fn limit(&self, probability: f64) -> Option<f32> {
        let last = *self.reached.last()?;
        let (mut low, mut high) = (0.0f32, last + 1.0);
        while self.probability(high) > probability {
            high *= 2.0;
            if high > 1e6 {
                return None;
            }
        }
        for _ in 0..40 {
            let middle = low + (high - low) / 2.0;
            if self.probability(middle) > probability { low = middle } else { high = middle }
        }
        Some(high)
    }

    fn is_sound(&self) -> bool {
        self.reached.len() < 64 && self.reached.iter().all(|x| x.is_finite() && *x >= 0.0) && self.reached.is_sorted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::weights::{Shape, Weights};
    use super::*;
    use crate::mix::mix;

    /// Exponentially distributed.
    fn quantiles(count: u64, mean: f64) -> UpperQuantiles {
        let uniform = |i| ((mix(i, 3) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        UpperQuantiles::of((0..count).map(|i| (-uniform(i).ln() * mean) as f32).collect())
    }

    #[test]
    fn probabilities_are_those_of_the_distribution_within_and_cautious_beyond() {
        for mean in [0.5, 1.0, 2.0] {
            let quantiles = quantiles(100_000, mean);
            for truth in [0.4, 0.1, 1e-2, 1e-3, 3e-4] {
                let found = quantiles.probability((-f64::ln(truth) * mean) as f32);
                assert!((truth / 1.3..truth * 1.3).contains(&found), "{found} instead of {truth}, mean {mean}");
                let limit = f64::from(quantiles.limit(truth).unwrap());
                assert!((limit / (-truth.ln() * mean) - 1.0).abs() < 0.1, "{limit} for {truth}");
            }
            let (far, truth) = (quantiles.probability(15.0), (-15.0 / mean).exp());
            assert!(far > truth / 3.0 && far < 1e-3, "{far} instead of {truth}, mean {mean}");
        }
    }

    #[test]
    fn never_rises_with_the_surprise_and_never_is_nothing() {
        let tied = UpperQuantiles::of((0..1_000).map(|i| (i % 3) as f32).collect());
        for quantiles in [quantiles(5_000, 1.0), quantiles(20, 1.0), tied.clone(), UpperQuantiles::of(vec![0.0; 100])] {
            let all: Vec<f64> = (0..4_000).map(|i| quantiles.probability(i as f32 / 100.0)).collect();
            assert!(all.is_sorted_by(|a, b| a >= b) && all.iter().all(|p| *p > 0.0 && *p <= 1.0), "{quantiles:?}");
        }
        assert!((tied.probability(2.0) / 0.33 - 1.0).abs() < 0.6, "{}", tied.probability(2.0));
        assert!(tied.probability(4.0) < 0.02 && tied.probability(f32::INFINITY) > 0.0);
    }

    #[test]
    fn few_values_say_nothing() {
        for quantiles in [UpperQuantiles::default(), quantiles(7, 1.0)] {
            assert_eq!((quantiles.probability(1e9), quantiles.limit(0.1)), (1.0, None));
        }
        assert_eq!(quantiles(100, 1.0).probability(f32::NAN), 1.0);
        assert_eq!(quantiles(100, 1.0).limit(1e-30), None);
    }

    #[test]
    fn steps_and_sessions_are_counted_and_equal_what_a_scorer_says() {
        let weights = Weights::random(Shape { classes: 12, layers: 1, feed_forward: 16 }, 4).unwrap();
        let model = Arc::new(SequenceModel::new(&weights).unwrap());
        let word = |i| Word { class: (mix(i, 9) % 12) as u16, nats: 0.0 };
        let sessions: Vec<Vec<Word>> = (0..90).map(|s| (0..s % 40).map(|i| word(s * 100 + i)).collect()).collect();
        let surprises = Surprises::measure(&model, sessions.iter().map(|session| session.iter().copied()));
        let (mut steps, mut greatest) = (Vec::new(), Vec::new());
        for session in &sessions {
            let (mut scorer, mut state) = (Scorer::new(model.clone(), 0), Session::new());
            for word in session {
                scorer.push(&mut state, *word);
            }
            let own: Vec<f32> = scorer.finish().steps().iter().map(|step| step.surprise).collect();
            greatest.extend(own.iter().copied().max_by(f32::total_cmp));
            steps.extend(own);
        }
        assert_eq!((surprises.steps.seen(), surprises.sessions.seen()), (steps.len() as u64, 87));
        assert_eq!(surprises, Surprises { steps: UpperQuantiles::of(steps), sessions: UpperQuantiles::of(greatest) });
    }
}
