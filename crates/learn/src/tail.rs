//! How improbable a score is, given the scores before: the empirical distribution where there were many, a generalised Pareto
//! tail beyond (Siffer, Fouque, Termier, Largouet: Anomaly detection in streams with extreme value theory, KDD 2017).

use serde::{Deserialize, Serialize};

use crate::pareto::Pareto;
use crate::tdigest::{HUGE, TDigest};

/// Peaks kept, the newest; enough for a fit, few enough to be recent.
const PEAKS: usize = 1024;
/// What exceeds this quantile is kept as a peak; the tail begins above the higher one, so that it may move down again.
const PEAK: f64 = 0.95;
const BEGIN: f64 = 0.98;
/// With fewer peaks above where the tail begins, it begins lower.
const NEEDED: f64 = 20.0;
/// Peaks older than so many half-lives are forgotten.
const OLD: f64 = 2.0;
/// Scores before the first fit.
const FIRST_FIT: u64 = 64;
/// A new fit is due after so many scores at most, and after so many peaks, as when a flood begins.
const REFIT: u64 = 1024;
const REFIT_PEAKS: u64 = 128;
const ACCURACY: f64 = 100.0;

/// Turns scores (any numbers, higher is more unusual) into tail probabilities, and follows their distribution as it moves.
/// About 20 kB; some 50 ns per score.
///
/// ```
/// let mut tail = lapwing_learn::Tail::new(10_000.0);
/// for i in 0..5_000_u64 {
///     tail.observe(f64::from((i.wrapping_mul(2_654_435_761) % 1000) as u32));
/// }
/// assert!((tail.probability(899.5) - 0.1).abs() < 0.01);
/// assert!(tail.probability(1_500.0) < 1e-3 && tail.probability(1e9) > 0.0);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    digest: TDigest,
    half_life: f64,
    /// A ring of the newest scores above `peak`, each with its number.
    peaks: Vec<(f64, u64)>,
    oldest: usize,
    peak: f64,
    seen: u64,
    next_fit: u64,
    fit: Option<Fit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Fit {
    /// Where the tail begins, and the share of scores above it.
    begin: f64,
    above: f64,
    pareto: Pareto,
    peaks: f64,
    median: f64,
    /// The spread upwards: the standard deviation that a normal distribution with this upper decile would have.
    spread: f64,
}

impl Tail {
    /// A score's weight halves every `half_life` scores (10,000 is usual; infinite: nothing is forgotten).
    #[must_use]
    pub fn new(half_life: f64) -> Tail {
        Tail {
            digest: TDigest::fading(ACCURACY, half_life),
            half_life: if half_life.is_finite() { half_life.max(1.0) } else { f64::INFINITY },
            peaks: Vec::new(),
            oldest: 0,
            peak: f64::NEG_INFINITY,
            seen: 0,
            next_fit: FIRST_FIT,
            fit: None,
        }
    }

    /// Learns a score; one that is not finite is ignored.
    #[inline]
    pub fn observe(&mut self, score: f64) {
        if !score.is_finite() {
            return;
        }
        let score = score.clamp(-HUGE, HUGE);
        self.digest.observe(score);
        self.seen = self.seen.saturating_add(1);
        if score > self.peak {
            self.keep(score);
        }
        if self.seen >= self.next_fit {
            self.fit();
        }
    }

    fn keep(&mut self, score: f64) {
        let peak = (score, self.seen);
        if self.peaks.len() < PEAKS {
            self.peaks.push(peak);
        } else {
            self.peaks[self.oldest % PEAKS] = peak;
            self.oldest = (self.oldest + 1) % PEAKS;
        }
        if self.fit.is_some() {
            self.next_fit = self.next_fit.saturating_sub(REFIT / REFIT_PEAKS);
        }
    }

    fn fit(&mut self) {
        self.next_fit = self.seen.saturating_add((self.seen / 8).clamp(32, REFIT));
        self.digest.settle();
        self.peak = self.digest.quantile(PEAK);
        let quantile = BEGIN.min(1.0 - NEEDED / self.digest.weight()).max(0.5);
        let begin = self.digest.quantile(quantile);
        let since = self.seen as f64 - OLD * self.half_life;
        let recent = self.peaks.iter().filter(|(score, number)| *number as f64 >= since && *score > begin);
        let mut excesses: Vec<f64> = recent.map(|(score, _)| score - begin).collect();
        excesses.sort_unstable_by(f64::total_cmp);
        let median = self.digest.quantile(0.5);
        // 1.2816 standard deviations of a normal distribution are its upper decile.
        let spread = ((self.digest.quantile(0.9) - median) / 1.2816).max(begin.abs() * 1e-9).max(f64::MIN_POSITIVE);
        // What lies above a value that many scores share is less than its quantile says.
        let above = (1.0 - self.digest.share_below(begin.next_up())).clamp(0.5 / self.digest.weight(), 1.0);
        let exponential = || Pareto { shape: 0.0, scale: mean(&excesses).unwrap_or(spread) };
        let pareto = Pareto::fit(&excesses).unwrap_or_else(exponential);
        self.fit = Some(Fit { begin, above, pareto, peaks: excesses.len() as f64, median, spread });
    }

    /// P(score >= `x`), in (0, 1], never rising with `x`. 1 where nothing is known and for what is no number.
    ///
    /// With few scores it is never below what they can tell: one in their number until there are 64.
    #[must_use]
    pub fn probability(&self, x: f64) -> f64 {
        if self.seen == 0 || x.is_nan() {
            return 1.0;
        }
        let Some(fit) = &self.fit else {
            let at_least = 1.0 - self.digest.share_below(x);
            return (at_least * self.seen as f64 + 1.0) / (self.seen as f64 + 1.0);
        };
        if x <= fit.begin {
            return (1.0 - self.digest.settled_share_below(x)).clamp(fit.above, 1.0);
        }
        (fit.above * fit.pareto.tail(x - fit.begin, fit.peaks)).max(f64::MIN_POSITIVE)
    }

    /// By how many robust standard deviations `x` is above the median; 0 while nothing is known.
    #[must_use]
    pub fn effect(&self, x: f64) -> f64 {
        self.fit.as_ref().map_or(0.0, |fit| (x - fit.median) / fit.spread)
    }

    /// The score that is so many robust standard deviations above the median; `None` while nothing is known.
    #[must_use]
    pub fn at_effect(&self, effect: f64) -> Option<f64> {
        self.fit.as_ref().map(|fit| fit.median + effect * fit.spread)
    }

    /// The median of the scores as of the last fit; `None` before.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        self.fit.as_ref().map(|fit| fit.median)
    }

    /// The score whose probability is `probability`: what a threshold would have to be; `None` while nothing is known.
    #[must_use]
    pub fn threshold(&self, probability: f64) -> Option<f64> {
        let fit = self.fit.as_ref()?;
        if probability.is_nan() || probability >= fit.above {
            return Some(self.digest.quantile(1.0 - probability.clamp(0.0, 1.0)).min(fit.begin));
        }
        let (mut low, mut high) = (fit.begin, fit.begin + fit.pareto.scale);
        while self.probability(high) > probability && high.is_finite() {
            high = fit.begin + (high - fit.begin) * 2.0;
        }
        for _ in 0..60 {
            let middle = low + (high - low) / 2.0;
            if self.probability(middle) > probability { low = middle } else { high = middle }
        }
        Some(high)
    }

    /// How many scores it has seen.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mix::mix;

    fn exponential(i: u64, seed: u64) -> f64 {
        -(((mix(i, seed) >> 11) as f64 + 0.5) / (1u64 << 53) as f64).ln()
    }

    #[test]
    fn probabilities_hold_far_beyond_what_was_seen() {
        for seed in 0..8 {
            let mut tail = Tail::new(f64::INFINITY);
            (0..20_000).for_each(|i| tail.observe(exponential(i, seed)));
            for (x, slack) in [(1.0, 1.05), (4.0, 1.2), (7.0, 1.6), (11.5, 10.0)] {
                let (found, truth) = (tail.probability(x), f64::exp(-x));
                assert!((truth / slack..truth * slack).contains(&found), "{found} instead of {truth} with seed {seed}");
            }
        }
    }

    #[test]
    fn never_rises_with_the_score_and_never_is_nothing() {
        let shapes: [fn(u64) -> f64; 5] = [
            |i| exponential(i, 1),
            |i| exponential(i, 2).exp(),
            |i| (i % 7) as f64,
            |_| 3.0,
            |i| (mix(i, 1) % 100) as f64 / 100.0,
        ];
        for (number, shape) in shapes.iter().enumerate() {
            let mut tail = Tail::new(5_000.0);
            for i in 0..3_000 {
                tail.observe(shape(i));
                if i % 97 == 0 || i < 20 {
                    let all: Vec<f64> = (-400..1_200).map(|x| tail.probability(f64::from(x) / 20.0)).collect();
                    assert!(all.windows(2).all(|pair| pair[0] >= pair[1] * (1.0 - 1e-12)), "shape {number} after {i}");
                    assert!(all.iter().all(|&p| p > 0.0 && p <= 1.0) && tail.probability(f64::INFINITY) > 0.0);
                }
            }
        }
    }

    #[test]
    fn few_scores_do_not_promise_much() {
        let mut tail = Tail::new(10_000.0);
        assert_eq!((tail.probability(1e9), tail.probability(f64::NAN)), (1.0, 1.0));
        (0..9).for_each(|i| tail.observe(exponential(i, 3)));
        assert!((tail.probability(1e9) - 0.1).abs() < 1e-9);
        (9..100).for_each(|i| tail.observe(exponential(i, 3)));
        assert!(tail.probability(12.0) > 1e-5, "one in 160,000 after 100: {}", tail.probability(12.0));
    }

    #[test]
    fn follows_scores_that_move() {
        let mut tail = Tail::new(2_000.0);
        (0..10_000).for_each(|i| tail.observe(exponential(i, 4)));
        (0..20_000).for_each(|i| tail.observe(exponential(i, 5) + 30.0));
        let found = tail.probability(30.0 + 7.0);
        assert!((4e-4..2e-3).contains(&found), "{found} instead of 9e-4");
        (0..20_000).for_each(|i| tail.observe(exponential(i, 6)));
        let found = tail.probability(7.0);
        assert!((4e-4..2e-3).contains(&found), "{found} instead of 9e-4 after moving back");
    }

    #[test]
    fn threshold_and_effect_fit_the_probability() {
        let mut tail = Tail::new(f64::INFINITY);
        assert_eq!((tail.threshold(0.1), tail.effect(5.0), tail.median()), (None, 0.0, None));
        (0..20_000).for_each(|i| tail.observe(exponential(i, 7)));
        for p in [0.3, 0.05, 0.01, 1e-3, 1e-6] {
            let x = tail.threshold(p).unwrap();
            assert!((tail.probability(x) / p - 1.0).abs() < 0.02, "{} at {x} instead of {p}", tail.probability(x));
        }
        assert!(tail.effect(std::f64::consts::LN_2).abs() < 0.05 && tail.effect(5.0) > 3.0);
    }

    #[test]
    fn continues_exactly_after_a_round_trip() {
        let mut tail = Tail::new(1_000.0);
        (0..7_777).for_each(|i| tail.observe(exponential(i, 8)));
        let mut back: Tail = postcard::from_bytes(&postcard::to_allocvec(&tail).unwrap()).unwrap();
        (0..5_000).for_each(|i| (tail.observe(exponential(i, 9)), back.observe(exponential(i, 9))).0);
        assert_eq!(tail, back);
    }
}
