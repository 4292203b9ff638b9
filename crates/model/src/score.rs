use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How anomalous something is: 0 = ordinary, 1 = certain. Never NaN, never outside 0..=1. People see it as 0-100.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Score(f32);

impl Score {
    pub const ZERO: Score = Score(0.0);
    pub const ONE: Score = Score(1.0);

    /// Clamps into 0..=1; NaN says nothing and becomes 0.
    #[must_use]
    pub const fn new(value: f32) -> Self {
        if value.is_nan() { Score(0.0) } else { Score(value.clamp(0.0, 1.0)) }
    }

    /// How odd it is that something so seldom happens: 0.2 for each power of ten, so 0.8 is one in 10,000 and 1 is one in
    /// 100,000 or less. The common scale of everything that learns what is ordinary.
    #[must_use]
    pub fn of_tail(probability: f64) -> Score {
        Score::new((-probability.max(f64::MIN_POSITIVE).log10() / 5.0) as f32)
    }

    #[must_use]
    pub const fn value(self) -> f32 {
        self.0
    }
}

impl Eq for Score {}

#[expect(clippy::derive_ord_xor_partial_ord, reason = "a score is never NaN, so its partial order is total")]
impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}", self.0 * 100.0)
    }
}

/// How much a person should care. The words are those of Sigma's `level`, with OCSF's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Noted, never told on its own.
    #[default]
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    pub const ALL: [Severity; 5] = [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// The severity that a score alone stands for.
    #[must_use]
    pub fn of(score: Score) -> Severity {
        match score.value() {
            s if s >= 0.95 => Severity::Critical,
            s if s >= 0.75 => Severity::High,
            s if s >= 0.5 => Severity::Medium,
            s if s >= 0.25 => Severity::Low,
            _ => Severity::Info,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Severity::ALL
            .into_iter()
            .find(|severity| severity.name() == text)
            .ok_or_else(|| format!("unknown severity '{text}'; use one of info, low, medium, high, critical"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_always_a_number_between_0_and_1() {
        assert_eq!(Score::new(f32::NAN), Score::ZERO);
        assert_eq!(Score::new(f32::INFINITY), Score::ONE);
        assert_eq!(Score::new(-3.0), Score::ZERO);
        assert_eq!(Score::new(0.874).to_string(), "87");
    }

    #[test]
    fn what_happens_once_in_ten_thousand_times_scores_80() {
        assert_eq!(Score::of_tail(1e-4).to_string(), "80");
        assert_eq!(Score::of_tail(1.0), Score::ZERO);
        assert_eq!(Score::of_tail(0.0), Score::ONE);
        assert_eq!(Score::of_tail(f64::NAN), Score::ONE, "what cannot be told is not taken for ordinary");
    }

    #[test]
    fn severities_read_back_as_they_are_shown() {
        for severity in Severity::ALL {
            assert_eq!(severity.to_string().parse(), Ok(severity));
        }
        assert!("hgih".parse::<Severity>().is_err());
    }
}
