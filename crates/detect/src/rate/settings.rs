//! The section `detectors.rate` of the configuration.

use serde::{Deserialize, Serialize};

/// What the detector is called.
pub(super) const NAME: &str = "rate";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Templates, endpoints and services remembered, together; the one seen longest ago is forgotten first.
    pub series: usize,
    /// How improbable a count must be given the past, in bits: 40 is one in 10^12.
    pub bits: f64,
    pub rising: Rising,
    pub falling: Falling,
    pub new: New,
    /// The same is told again after so many minutes.
    pub again_minutes: u32,
    /// Where more than so many patterns change at once, that is told instead of each.
    pub most_at_once: usize,
}

/// When something comes too often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rising {
    /// At least so many within 1, 10 and 60 minutes.
    pub at_least: [f64; 3],
    /// And so many times what is expected.
    pub times: f64,
}

/// When something comes too seldom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Falling {
    /// Where at least so many are expected within 10 or 60 minutes.
    pub expected_at_least: f64,
    /// And it is so many times more than what came.
    pub times: f64,
}

/// When something that was never seen before comes in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct New {
    /// After so many minutes with events.
    pub after_minutes: u32,
    /// At least so many within its first 10 minutes.
    pub at_least: f64,
    /// And this share of all events.
    pub share: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            series: 4096,
            bits: 40.0,
            rising: Rising::default(),
            falling: Falling::default(),
            new: New::default(),
            again_minutes: 360,
            most_at_once: 4,
        }
    }
}

impl Default for Rising {
    fn default() -> Self {
        Rising { at_least: [100.0, 200.0, 400.0], times: 4.0 }
    }
}

impl Default for Falling {
    fn default() -> Self {
        Falling { expected_at_least: 50.0, times: 5.0 }
    }
}

impl Default for New {
    fn default() -> Self {
        New { after_minutes: 600, at_least: 200.0, share: 0.1 }
    }
}
