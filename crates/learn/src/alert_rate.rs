//! Alerts at a rate that people set, whatever the scores do: online quantile control.
//!
//! A [`Tail`] turns scores into tail probabilities; a bar on their surprise decides. Each alert raises the bar, and what the rate
//! allows lowers it: adaptive conformal inference (Gibbs, Candès: Adaptive conformal inference under distribution shift, NeurIPS
//! 2021) as quantile tracking (Angelopoulos, Candès, Tibshirani: Conformal PID control for time series prediction, NeurIPS 2023),
//! in nats of surprise, where steps mean the same for every distribution. The number of alerts over a stretch then differs from what
//! was allowed by what the bar moved, divided by the step, and by no more than the bounds below: whatever the scores are.

use serde::{Deserialize, Serialize};

use crate::tail::Tail;

/// How alerts are held at a rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertRateSettings {
    /// Alerts per score, 0 to 1.
    pub target: f64,
    /// Nats by which an alert raises the bar: 0.5 makes the next alert 40 % less likely. Higher holds the rate over shorter
    /// stretches and lets fewer alerts follow one another.
    pub step: f64,
    /// No alert below so many robust standard deviations above the median score, however rare.
    pub least_effect: f64,
    /// Nor below this score.
    pub least_score: f64,
    /// Scores after which a score counts half in what is usual.
    pub half_life: f64,
}

impl Default for AlertRateSettings {
    fn default() -> Self {
        AlertRateSettings { target: 1e-3, step: 0.5, least_effect: 2.0, least_score: f64::MIN, half_life: 10_000.0 }
    }
}

/// The bar moves so many nats at most from where it would stand if probabilities were exact: below, so that a quiet time does not
/// make the ordinary an alert; above, so that something extreme is told in the middle of a flood.
const DOWN: f64 = 3.0;
const UP: f64 = 6.0;
/// Alerts that a quiet time can save up.
const SAVED: f64 = 20.0;

/// Decides which scores to alert on.
///
/// ```
/// use lapwing_learn::{AlertRate, AlertRateSettings};
/// let mut rate = AlertRate::new(AlertRateSettings { target: 0.01, ..AlertRateSettings::default() });
/// let scores = (0..50_000_u64).map(|i| (f64::from((i.wrapping_mul(2_654_435_761) >> 8) as u16) / 1e4).exp() + i as f64 / 1e2);
/// let alerts = scores.filter(|&score| rate.judge(score).alert).count();
/// assert!((450..=550).contains(&alerts), "{alerts}");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertRate {
    settings: AlertRateSettings,
    tail: Tail,
    /// Alerts that were allowed and not raised; below 0 where more were raised.
    owed: f64,
    alerts: u64,
}

/// What was decided of a score, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    pub alert: bool,
    /// P(score at least this high), given the scores before.
    pub probability: f64,
    /// The probability below which an alert was raised.
    pub needed: f64,
    /// Robust standard deviations above the median score.
    pub effect: f64,
}

impl AlertRate {
    /// Nothing seen yet. Settings out of range are moved into it.
    #[must_use]
    pub fn new(settings: AlertRateSettings) -> AlertRate {
        let target = if settings.target.is_finite() { settings.target.clamp(1e-9, 0.5) } else { 1e-3 };
        let step = if settings.step.is_finite() { settings.step.clamp(0.01, 3.0) } else { 0.5 };
        let settings = AlertRateSettings { target, step, ..settings };
        AlertRate { tail: Tail::new(settings.half_life), owed: 0.0, alerts: 0, settings }
    }

    /// What was learned of scores, as if no alert had ever been raised or saved up.
    #[must_use]
    pub fn at_rest(&self) -> AlertRate {
        AlertRate { owed: 0.0, alerts: 0, ..self.clone() }
    }

    /// Goes on under other settings; how fast the past fades stays.
    #[must_use]
    pub fn under(self, settings: AlertRateSettings) -> AlertRate {
        AlertRate { settings: AlertRate::new(settings).settings, ..self }
    }

    /// Judges a score, then learns from it. A score that is not finite is no alert and not learnt.
    pub fn judge(&mut self, score: f64) -> Judged {
        self.judge_allowing(score, self.settings.target)
    }

    /// The same where the rate is not one per score: `allowed` alerts (a fraction of one) came due since the last score, say
    /// elapsed seconds times 20 per day.
    pub fn judge_allowing(&mut self, score: f64, allowed: f64) -> Judged {
        let judged = self.look(score);
        if score.is_finite() {
            let allowed = if allowed.is_finite() { allowed.clamp(0.0, 1.0) } else { 0.0 };
            self.owed += allowed - f64::from(u8::from(judged.alert));
            self.owed = self.owed.clamp(-UP / self.settings.step, SAVED);
            self.alerts += u64::from(judged.alert);
            self.tail.observe(score);
        }
        judged
    }

    /// What would be decided of a score, learning nothing.
    #[must_use]
    pub fn look(&self, score: f64) -> Judged {
        let (probability, effect) = (self.tail.probability(score), self.tail.effect(score));
        let large = effect >= self.settings.least_effect && score >= self.settings.least_score;
        let alert = large && score.is_finite() && -probability.ln() > self.bar();
        Judged { alert, probability, needed: (-self.bar()).exp(), effect }
    }

    /// The surprise in nats above which a score is an alert.
    fn bar(&self) -> f64 {
        let nats = self.settings.step * self.owed;
        // What is saved up lowers it less and less.
        let lower = if nats > 0.0 { DOWN * (nats / DOWN).tanh() } else { nats };
        (-self.settings.target.ln() - lower).max(0.0)
    }

    /// The lowest score that would be an alert now; `None` while too little is known to say.
    #[must_use]
    pub fn threshold(&self) -> Option<f64> {
        let rare = self.tail.threshold((-self.bar()).exp())?;
        Some(rare.max(self.tail.at_effect(self.settings.least_effect)?).max(self.settings.least_score))
    }

    /// Scores seen, and alerts among them.
    #[must_use]
    pub fn seen(&self) -> (u64, u64) {
        (self.tail.seen(), self.alerts)
    }

    /// The distribution of the scores.
    #[must_use]
    pub fn tail(&self) -> &Tail {
        &self.tail
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn at_rest_it_knows_the_scores_and_owes_nothing_and_other_settings_take_effect() {
        let mut rate = AlertRate::new(AlertRateSettings { target: 0.01, least_effect: 0.0, ..AlertRateSettings::default() });
        (0..20_000_u64).for_each(|i| _ = rate.judge((mix(i, 1) % 10_000) as f64));
        (0..9).for_each(|_| _ = rate.judge(1e9));
        let rested = rate.at_rest();
        assert_eq!((rested.seen(), rested.tail()), ((rate.seen().0, 0), rate.tail()));
        assert!(rested.threshold() < rate.threshold(), "the bar is where it was before the alerts");
        let rarer = rested.clone().under(AlertRateSettings { target: 1e-3, least_effect: 0.0, ..AlertRateSettings::default() });
        assert!(rarer.threshold() > rested.threshold() && rarer.tail() == rested.tail());
    }

    use super::*;
    use crate::mix::mix;

    fn uniform(i: u64, seed: u64) -> f64 {
        ((mix(i, seed) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn normal(i: u64, seed: u64) -> f64 {
        (-2.0 * uniform(2 * i, seed).ln()).sqrt() * (std::f64::consts::TAU * uniform(2 * i + 1, seed)).cos()
    }

    /// Alerts per quarter of the stream, divided by what the target allows.
    fn quarters(count: u64, score: impl Fn(u64) -> f64) -> [f64; 4] {
        let mut rate = AlertRate::new(AlertRateSettings::default());
        let mut alerts = [0.0; 4];
        for i in 0..count {
            alerts[(i * 4 / count) as usize] += f64::from(u8::from(rate.judge(score(i)).alert));
        }
        alerts.map(|n| n / (count as f64 / 4.0 * 1e-3))
    }

    #[test]
    fn holds_the_rate_while_the_mean_shifts_by_three_deviations() {
        const COUNT: u64 = 200_000;
        let drift = |i: u64| 3.0 * i as f64 / COUNT as f64;
        for seed in 0..2 {
            let heavy =
                |i| normal(i, seed) / ((normal(i, seed + 50).powi(2) + normal(i, seed + 60).powi(2)) / 2.0).sqrt().max(1e-3);
            let waves = |i: u64| 1.5 * (i as f64 / 800.0).sin();
            for (name, found) in [
                ("normal", quarters(COUNT, |i| normal(i, seed) + drift(i))),
                ("heavy", quarters(COUNT, |i| heavy(i) + drift(i))),
                ("waves", quarters(COUNT, |i| normal(i, seed) + waves(i) + drift(i))),
                ("downwards", quarters(COUNT, |i| normal(i, seed) - drift(i))),
            ] {
                assert!(found.iter().all(|share| (0.8..=1.25).contains(share)), "{name}, seed {seed}: {found:?}");
            }
        }
    }

    #[test]
    fn a_jump_costs_few_alerts_more_than_allowed() {
        let found = quarters(100_000, |i| normal(i, 1) + if i > 50_000 { 3.0 } else { 0.0 });
        assert!(found.iter().all(|share| (0.7..=2.0).contains(share)), "{found:?}");
    }

    #[test]
    fn what_is_small_is_no_alert_however_rare() {
        let settings = AlertRateSettings { least_score: 50.0, ..AlertRateSettings::default() };
        let mut rate = AlertRate::new(settings);
        assert!((0..50_000).all(|i| !rate.judge(normal(i, 1)).alert));
        assert!(rate.judge(60.0).alert);
        let mut few = AlertRate::new(AlertRateSettings::default());
        let values = |i: u64| if i.is_multiple_of(5_000) { 1.05 } else { uniform(i, 2) };
        assert!((0..50_000).all(|i| !few.judge(values(i)).alert), "a little above the greatest is no effect");
    }

    #[test]
    fn a_quiet_time_does_not_save_up_a_flood_and_a_flood_does_not_hide_what_is_extreme() {
        let settings = AlertRateSettings { least_score: 20.0, ..AlertRateSettings::default() };
        let mut rate = AlertRate::new(settings);
        (0..100_000).for_each(|i| _ = rate.judge(normal(i, 3)));
        let flood = (0..3_000).filter(|&i| rate.judge(20.0 + normal(i, 4)).alert).count();
        assert!((1..=100).contains(&flood), "{flood}");
        assert!(rate.judge(1e6).alert);
    }

    #[test]
    fn says_what_it_would_have_taken() {
        let mut rate = AlertRate::new(AlertRateSettings::default());
        assert_eq!(rate.threshold(), None);
        (0..20_000).for_each(|i| _ = rate.judge(normal(i, 5)));
        let threshold = rate.threshold().unwrap();
        assert!((2.0..4.5).contains(&threshold), "{threshold}");
        assert!(rate.look(threshold + 1e-6).alert && !rate.look(threshold - 1e-3).alert);
    }

    #[test]
    fn odd_scores_and_settings_do_no_harm() {
        let odd =
            AlertRateSettings { target: f64::NAN, step: f64::INFINITY, half_life: f64::NAN, ..AlertRateSettings::default() };
        let mut rate = AlertRate::new(odd);
        for i in 0..5_000 {
            let score = [f64::NAN, f64::INFINITY, f64::MAX, f64::MIN, -0.0, 1.0][(mix(i, 0) % 6) as usize];
            let judged = rate.judge_allowing(score, f64::NAN);
            assert!(judged.probability > 0.0 && judged.needed > 0.0);
            assert!(!judged.alert || score.is_finite());
        }
    }

    #[test]
    fn continues_exactly_after_a_round_trip() {
        let mut rate = AlertRate::new(AlertRateSettings::default());
        (0..3_333).for_each(|i| _ = rate.judge(normal(i, 6)));
        let mut back: AlertRate = postcard::from_bytes(&postcard::to_allocvec(&rate).unwrap()).unwrap();
        (0..5_000).for_each(|i| assert_eq!(rate.judge(normal(i, 7)), back.judge(normal(i, 7))));
        assert_eq!(rate, back);
    }
}
