//! What people may set.

use serde::{Deserialize, Serialize};

pub(super) const NAME: &str = "port_scan";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Sources remembered; the one seen longest ago is forgotten first.
    pub sources: usize,
    /// So many different failed hosts and ports of one remote source within 15 minutes are a scan.
    pub remote: u32,
    /// The same for a source of one's own network.
    pub local: u32,
    /// So many times that within a day are a slow scan.
    pub slow_times: u32,
    pub fast: Fast,
    pub distributed: Distributed,
}

/// The random walk over first contacts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fast {
    /// How probable it is that a first contact of an ordinary source succeeds.
    pub ordinary_success: f64,
    /// The same of a scanner.
    pub scanner_success: f64,
    /// How often an ordinary source may be taken for a scanner.
    pub false_alarm: f64,
    /// And at least so many failures.
    pub at_least: u32,
}

/// Many sources at one host, none of which is told by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Distributed {
    /// So many sources within an hour ...
    pub sources: u32,
    /// ... that failed at so many different ports.
    pub ports: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            sources: 100_000,
            remote: 25,
            local: 250,
            slow_times: 4,
            fast: Fast::default(),
            distributed: Distributed::default(),
        }
    }
}

impl Default for Fast {
    fn default() -> Self {
        Fast { ordinary_success: 0.8, scanner_success: 0.2, false_alarm: 0.01, at_least: 5 }
    }
}

impl Default for Distributed {
    fn default() -> Self {
        Distributed { sources: 10, ports: 38 }
    }
}

/// The settings, and what follows from them: the walk in logarithms.
#[derive(Debug)]
pub(super) struct Plan {
    pub settings: Settings,
    /// What a success and a failure add to the log of the likelihood ratio, and where it is decided.
    pub success: f32,
    pub failure: f32,
    pub bound: f32,
}

impl Plan {
    /// How many different failures are a scan by themselves.
    pub(super) fn limit(&self, inside: bool) -> f64 {
        f64::from(if inside { self.settings.local } else { self.settings.remote }.max(2))
    }

    pub(super) fn new(settings: &Settings) -> Plan {
        let sure = |p: f64| if p.is_finite() { p.clamp(0.001, 0.999) } else { 0.5 };
        let Fast { ordinary_success, scanner_success, false_alarm, .. } = settings.fast;
        let (ordinary, scanner, alarm) = (sure(ordinary_success), sure(scanner_success), sure(false_alarm));
        Plan {
            settings: settings.clone(),
            success: (scanner / ordinary).ln().min(0.0) as f32,
            failure: ((1.0 - scanner) / (1.0 - ordinary)).ln().max(0.0) as f32,
            bound: ((1.0 - alarm) / alarm).ln().max(0.1) as f32,
        }
    }
}
