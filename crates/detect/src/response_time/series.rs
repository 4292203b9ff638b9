//! The durations of one endpoint.

use lapwing_learn::{Gamma, OneClassSettings, OneClassSvm, Rows};
use lapwing_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::Settings;

/// Durations remembered, the latest.
pub(super) const REMEMBERED: usize = 256;
/// Quantiles are worked out anew after so many, and more often at first.
const ORDERED_EVERY: u32 = 32;
const ORDERED_FIRST: u32 = 8;
/// In a normal distribution one in a hundred is so many standard deviations away, to either side.
const HUNDREDTH: f32 = 2.33;
/// An SVM is trained on every second of them.
const STEP: usize = 2;
/// The least spread that a distance is measured in, as a share of the duration: clocks tick.
const LEAST_SPREAD: f32 = 0.1;

/// Durations are logarithms of milliseconds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Series {
    /// A ring.
    latest: Vec<f32>,
    next: u16,
    pub(super) seen: u32,
    usual: Option<Usual>,
    support: Option<Support>,
    /// The latest durations in a row that were outside on the same side; fast ones count down.
    run: i32,
}

/// The quantiles of what is remembered.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Usual {
    low: f32,
    median: f32,
    high: f32,
    pub(super) spread: f32,
}

/// What a One-Class SVM takes for the support of what was remembered when it was trained.
#[derive(Debug, Serialize, Deserialize)]
struct Support {
    svm: OneClassSvm,
    trained: Timestamp,
}

/// A duration that is outside of what is usual.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) slow: bool,
    pub(super) took_ms: f64,
    pub(super) low_ms: f64,
    pub(super) median_ms: f64,
    pub(super) high_ms: f64,
    /// The how many-th in a row it is.
    pub(super) run: u32,
}

impl Series {
    /// What is usual; none while nothing is known.
    pub(super) fn usual(&self) -> Option<Usual> {
        self.usual
    }

    /// Whether it is outside of what is usual by enough to be worth a word. What is remembered of a young one is too little to be
    /// asked for more than that.
    pub(super) fn judge(
        &mut self,
        log_ms: f32,
        at: Timestamp,
        usual: &Usual,
        young: bool,
        settings: &Settings,
    ) -> Option<Verdict> {
        let verdict = usual.outside(log_ms, settings);
        self.run = match &verdict {
            Some(Verdict { slow: true, .. }) => self.run.max(0) + 1,
            Some(_) => self.run.min(0) - 1,
            None => 0,
        };
        let mut verdict =
            verdict.filter(|_| young || self.support(at, settings).is_none_or(|svm| svm.decision(&[log_ms]) < 0.0))?;
        verdict.run = self.run.unsigned_abs();
        Some(verdict)
    }

    /// Learns one more; answers what is usual where that is worked out anew.
    pub(super) fn learn(&mut self, log_ms: f32) -> Option<Usual> {
        if self.latest.len() < REMEMBERED {
            self.latest.push(log_ms);
        } else if let Some(oldest) = self.latest.get_mut(usize::from(self.next) % REMEMBERED) {
            *oldest = log_ms;
            self.next = (self.next + 1) % REMEMBERED as u16;
        }
        self.seen = self.seen.saturating_add(1);
        let every = if self.seen < ORDERED_EVERY { ORDERED_FIRST } else { ORDERED_EVERY };
        if !self.seen.is_multiple_of(every) {
            return None;
        }
        self.usual = Usual::of(self.latest.clone());
        self.usual
    }

    /// The SVM, trained anew if it is too old; none where it cannot be trained.
    fn support(&mut self, at: Timestamp, settings: &Settings) -> Option<&OneClassSvm> {
        let seconds = u64::from(settings.retrain_seconds);
        let old = self.support.as_ref().is_none_or(|support| at.since(support.trained).as_secs() >= seconds);
        if old {
            let mut rows = self.latest.clone();
            rows.sort_unstable_by(f32::total_cmp);
            let rows: Vec<f32> = rows.into_iter().step_by(STEP).collect();
            let ticks = OneClassSettings { gamma: Gamma::Scale, ..OneClassSettings::default() };
            self.support = OneClassSvm::fit(Rows::new(&rows, 1), &ticks).ok().map(|svm| Support { svm, trained: at });
        }
        self.support.as_ref().map(|support| &support.svm)
    }
}

impl Usual {
    fn of(mut latest: Vec<f32>) -> Option<Usual> {
        latest.sort_unstable_by(f32::total_cmp);
        let quantile = |share: f32| latest.get(((latest.len() - 1) as f32 * share).round() as usize).copied();
        if latest.is_empty() {
            return None;
        }
        // Between its outer deciles a normal distribution has 2.563 standard deviations.
        let spread = ((quantile(0.9)? - quantile(0.1)?) / 2.563).max(LEAST_SPREAD);
        Some(Usual { low: quantile(0.01)?, median: quantile(0.5)?, high: quantile(0.99)?, spread })
    }

    /// How far it is from the median, in units of the usual spread.
    pub(super) fn distance(&self, log_ms: f32) -> f32 {
        (log_ms - self.median).abs() / self.spread
    }

    /// The same where it comes from so few that their outermost say nothing: by how widely others spread.
    pub(super) fn beside(self, others: f32) -> Usual {
        let spread = self.spread.max(others);
        Usual { low: self.median - HUNDREDTH * spread, high: self.median + HUNDREDTH * spread, spread, ..self }
    }

    fn outside(&self, log_ms: f32, settings: &Settings) -> Option<Verdict> {
        let [took_ms, low_ms, median_ms, high_ms] = [log_ms, self.low, self.median, self.high].map(|log| f64::from(log).exp());
        let slow = took_ms >= high_ms * settings.times && took_ms - high_ms >= settings.slower_ms;
        let fast = took_ms * settings.times <= low_ms && low_ms - took_ms >= settings.faster_ms;
        (slow || fast).then_some(Verdict { slow, took_ms, low_ms, median_ms, high_ms, run: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_between_two_usual_times_is_within_and_far_outside_is_without() {
        let mut series = Series::default();
        (0..400_u32).for_each(|n| _ = series.learn((if n % 2 == 0 { 2.0 } else { 900.0_f32 } * (1.0 + (n % 7) as f32 / 50.0)).ln()));
        let at = Timestamp::from_seconds(5);
        let usual = series.usual().unwrap();
        let mut judge = |ms: f32| series.judge(ms.ln(), at, &usual, false, &Settings::default());
        assert!(judge(100.0).is_none(), "no quantile is passed");
        let slow = judge(9000.0).unwrap();
        assert!(slow.slow && slow.run == 1 && (slow.took_ms - 9000.0).abs() < 5.0);
        assert_eq!(judge(9500.0).unwrap().run, 2);
    }

    #[test]
    fn memory_is_bounded_and_odd_numbers_do_no_harm() {
        let mut series = Series::default();
        for n in 0..5000 {
            let value = [f32::MAX.ln(), -6.9, 0.0, 50.0][n % 4];
            if let Some(usual) = series.usual() {
                series.judge(value, [Timestamp::MIN, Timestamp::MAX][n % 2], &usual, n % 3 == 0, &Settings::default());
            }
            series.learn(value);
        }
        assert!(series.latest.len() == REMEMBERED && postcard::to_stdvec(&series).unwrap().len() < 8000);
    }
}
