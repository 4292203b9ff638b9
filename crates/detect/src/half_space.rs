//! Events where there was next to nothing lately: Half-Space Trees over the features of web requests, log lines and flows (see
//! [`crate::features`]).
//!
//! The forest of `iforest` compares with a long past, these trees with the latest window of a thousand events only, so they notice
//! what is new today and forget it sooner. Both see the same features and often say the same of the same event; so while both are
//! at work, what these say counts half, and the two together are an anomaly from about one in 3,000 on, the forest alone from one in
//! 10,000. They learn from all events, as the forest does.
//!
//! Off by default: at its rate it tells one event in some thousand whatever comes, and of ordinary logs and flows that is more than
//! people want to read. Switch it on where rules say little, and give `alerts.alert_budget`.
//!
//! Memory: 8 KiB a tree and 64 B for each of 512 rows, about 250 KiB for each kind of event, and a client's 100 B 8,192 times.

use lapwing_learn::{AlertRateSettings, HalfSpaceSettings, HalfSpaceTrees, Reservoir, Rows};
use lapwing_model::Scope;
use serde::{Deserialize, Serialize};

use crate::features::{Model, Speaks, Watch};
use crate::{Detector, Events, Family, Findings, Kind, Setup};

pub const KIND: Kind = Kind {
    name: "half_space",
    summary: "events whose features lie where there was next to nothing lately (Half-Space Trees)",
    family: Family::Learned,
    scopes: &[Scope::All],
    enabled: |settings| settings.half_space.enabled,
    build: |setup, _| Box::new(HalfSpace(watch(setup))),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Told is what is at least as rare, and so often at most.
    pub rate: f64,
    /// Told is nothing below so many robust standard deviations above the median score.
    pub least_effect: f64,
    /// Events of the latest window.
    pub window: u32,
    /// Events of a kind after which it counts in full.
    pub mature_after: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: false, rate: 0.001, least_effect: 3.0, window: 1000, mature_after: 50_000 }
    }
}

const TREES: usize = 20;
const REMEMBERED: usize = 512;
const HALF_LIFE: f64 = 5_000.0;
/// What counts for half beside the forest.
const BESIDE_FOREST: f32 = 0.5;

struct HalfSpace(Watch<Trees>);

fn watch(setup: &Setup) -> Watch<Trees> {
    let Settings { rate, least_effect, mature_after, .. } = setup.settings.half_space;
    let rate = AlertRateSettings { target: rate, least_effect, half_life: 50_000.0, ..AlertRateSettings::default() };
    let weight = if setup.settings.iforest.enabled { BESIDE_FOREST } else { 1.0 };
    let speaks = Speaks { detector: KIND.name, class: "suspicious", rate, mature_after, weight };
    let window = setup.settings.half_space.window;
    Watch::new(speaks, &setup.settings.features, Box::new(move |width| Trees::new(width, window)))
}

#[derive(Debug, Serialize, Deserialize)]
struct Trees {
    trees: HalfSpaceTrees,
    remembered: Reservoir,
}

impl Trees {
    fn new(width: usize, window: u32) -> Trees {
        let settings = HalfSpaceSettings { trees: TREES, window, ..HalfSpaceSettings::default() };
        Trees { trees: HalfSpaceTrees::new(width, settings), remembered: Reservoir::new(width, REMEMBERED, Some(HALF_LIFE), 1) }
    }
}

impl Model for Trees {
    fn score(&mut self, rows: Rows<'_>, scores: &mut Vec<f32>) {
        scores.clear();
        scores.extend(rows.iter().map(|row| self.trees.score_then_learn(row).unwrap_or(f32::NAN)));
    }

    fn learn(&mut self, rows: Rows<'_>) {
        rows.iter().for_each(|row| self.remembered.insert(row));
    }

    fn remembered(&self) -> Rows<'_> {
        self.remembered.rows()
    }

    /// By how few of the remembered values are as far out, on the side where fewer are.
    fn weigh(&self, row: &[f32]) -> Vec<f32> {
        let rows = self.remembered.rows();
        let weight = |(at, &value): (usize, &f32)| {
            let (mut below, mut above) = (1, 1);
            for other in rows.iter().filter_map(|row| row.get(at)) {
                below += usize::from(other <= &value || other.is_nan() && value.is_nan());
                above += usize::from(other >= &value || other.is_nan() && value.is_nan());
            }
            -((below.min(above) as f32 / (rows.len() + 1) as f32).ln())
        };
        row.iter().enumerate().map(weight).collect()
    }
}

impl Detector for HalfSpace {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        self.0.observe(events, findings);
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.0.save(out);
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        self.0.load(state)
    }

    fn maturity(&self) -> Option<f32> {
        self.0.maturity()
    }

    fn entities(&self) -> usize {
        self.0.entities()
    }
}

#[cfg(test)]
mod tests {
    use lapwing_model::{Event, Finding};

    use super::*;
    use crate::testing::{detector, observe, read};

    fn request(n: u64, method: &str, target: &str) -> Event {
        let (hour, minute, second) = (n / 3600 % 24, n / 60 % 60, n % 60);
        let (client, bytes) = (n.wrapping_mul(2_654_435_761) >> 7 & 63, 500 + n.wrapping_mul(97) % 400);
        read(&format!(
            "10.0.0.{client} - - [17/May/2015:{hour:02}:{minute:02}:{second:02} +0000] \"{method} {target} HTTP/1.1\" 200 {bytes} \"-\" \"Mozilla/5.0\""
        ))
    }

    fn told(odd: &[Event]) -> Vec<Finding> {
        let mut trees = detector("half_space", Scope::All);
        let ordinary: Vec<_> = (0..6000).map(|n| request(n, "GET", &format!("/items/{}", n * n % 89))).collect();
        let before: usize = ordinary.chunks(1000).map(|chunk| observe(&mut *trees, chunk).len()).sum();
        assert!(before < 30, "{before} findings of what is ordinary");
        observe(&mut *trees, odd)
    }

    #[test]
    fn what_lies_where_nothing_was_lately_is_told() {
        let target = format!("/export/all/{}?{}", "x9".repeat(40), "a=1&".repeat(20));
        let findings = told(&[request(6000, "DELETE", &target)]);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((&*findings[0].class, findings[0].detector), ("suspicious", "half_space"));
        assert!(!findings[0].observed.is_empty() && !findings[0].expected.is_empty(), "{findings:?}");
        assert!(findings[0].score.value() > 0.5, "alone it counts in full: {findings:?}");
    }

    #[test]
    fn one_more_of_what_is_ordinary_is_not_told() {
        assert_eq!(told(&[request(6001, "GET", "/items/7")]), []);
    }
}
