//! Events that few random cuts tell apart from all others: an Isolation Forest over the features of web requests, log lines and
//! flows (see [`crate::features`]), a forest for each.
//!
//! An event is scored before anything is learned from it; the score becomes a tail probability, and what is rarer than
//! [`Settings::rate`] is told, at that rate over time, with the features that weigh most. It learns from all events, also from those
//! that rules object to: detectors do not see each other's findings. So what keeps coming becomes ordinary here; rules do not forget.
//! Until [`Settings::mature_after`] events it counts less: one in ten thousand is not known before there were that many.
//!
//! Cuts lie within the ranges that were seen; a value far beyond the range of all remembered rows raises the score ([`beyond`]).
//!
//! Off by default: on web requests, most of whose features take few values, an odd request scores little above a rare ordinary one.
//! Switch this on for features that spread (sizes, durations, rates, numbers of your own), and look at what it tells.
//!
//! Rows are learned in blocks of 256 that begin at fixed counts, so that scores do not depend on batches. Memory: 4 KiB a tree and
//! 64 B a remembered row, about 600 KiB for each kind of event, and a client's 100 B 8,192 times.

mod beyond;

use lapwing_learn::{AlertRateSettings, ForestSettings, Rows, StreamingForest, StreamingForestSettings};
use lapwing_model::Scope;
use serde::{Deserialize, Serialize};

use self::beyond::Ranges;
use crate::features::{Model, Speaks, Watch};
use crate::{Detector, Events, Family, Findings, Kind, Setup};

pub const KIND: Kind = Kind {
    name: "iforest",
    summary: "events whose features few random cuts tell apart from all others (Isolation Forest)",
    family: Family::Learned,
    scopes: &[Scope::All],
    enabled: |settings| settings.iforest.enabled,
    build: |setup, _| Box::new(Forest(watch(setup))),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Told is what is at least as rare, and so often at most.
    pub rate: f64,
    /// Told is nothing below so many robust standard deviations above the median score ...
    pub least_effect: f64,
    /// ... nor below this score: 0.5 is ordinary, 1 is alone.
    pub least_score: f64,
    /// Events of a kind after which it counts in full.
    pub mature_after: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: false, rate: 0.001, least_effect: 3.0, least_score: 0.55, mature_after: 50_000 }
    }
}

/// Half the paper's number of trees: scores vary a little more, and cost half.
const TREES: usize = 48;
/// Rows after which a remembered row is half as likely still there, and within which every tree is grown anew.
const HALF_LIFE: f64 = 200_000.0;
const REBUILT_EVERY: u64 = 100_000;
/// Rows walk down a tree together; so few would wait alone, and one row walks down several trees at once instead.
const FEW: usize = 4;

struct Forest(Watch<Grown>);

/// A forest, and the ranges of what it remembers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(from = "StreamingForest")]
struct Grown {
    forest: StreamingForest,
    #[serde(skip)]
    ranges: Ranges,
}

impl From<StreamingForest> for Grown {
    fn from(forest: StreamingForest) -> Grown {
        let ranges = Ranges::of(forest.remembered());
        Grown { forest, ranges }
    }
}

fn watch(setup: &Setup) -> Watch<Grown> {
    let Settings { rate, least_effect, least_score, mature_after, .. } = setup.settings.iforest;
    let rate = AlertRateSettings { target: rate, least_effect, least_score, half_life: 50_000.0, ..AlertRateSettings::default() };
    let speaks = Speaks { detector: KIND.name, class: "behavioural", rate, mature_after, weight: 1.0 };
    Watch::new(speaks, &setup.settings.features, Box::new(grown))
}

fn grown(width: usize) -> Grown {
    let forest = ForestSettings { trees: TREES, ..ForestSettings::default() };
    let (half_life, rebuild_every) = (Some(HALF_LIFE), REBUILT_EVERY);
    let settings = StreamingForestSettings { forest, half_life, rebuild_every, ..StreamingForestSettings::default() };
    Grown::from(StreamingForest::new(width, settings))
}

impl Model for Grown {
    fn score(&mut self, rows: Rows<'_>, scores: &mut Vec<f32>) {
        match self.forest.forest() {
            Some(forest) if rows.len() >= FEW => forest.score_rows(rows, scores),
            forest => {
                scores.clear();
                scores.extend(rows.iter().map(|row| forest.map_or(f32::NAN, |forest| forest.score(row))));
            }
        }
        scores.iter_mut().zip(rows.iter()).for_each(|(score, row)| *score = self.ranges.raised(*score, row));
    }

    fn learn(&mut self, rows: Rows<'_>) {
        rows.iter().for_each(|row| self.forest.learn(row));
        self.ranges = Ranges::of(self.forest.remembered());
    }

    fn remembered(&self) -> Rows<'_> {
        self.forest.remembered()
    }

    fn weigh(&self, row: &[f32]) -> Vec<f32> {
        let mut weights = self.forest.forest().map(|forest| forest.explain(row)).unwrap_or_default();
        let heaviest = weights.iter().copied().fold(0.0, f32::max);
        // What lies beyond comes first.
        weights.iter_mut().zip(self.ranges.beyond(row)).for_each(|(weight, beyond)| *weight += 2.0 * heaviest * beyond);
        weights
    }
}

impl Detector for Forest {
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

    fn request(n: u64, request: &str, status: u16, bytes: u64) -> Event {
        let (hour, minute, second) = (n / 3600 % 24, n / 60 % 60, n % 60);
        let client = n.wrapping_mul(2_654_435_761) >> 7 & 63;
        read(&format!(
            "10.0.0.{client} - - [17/May/2015:{hour:02}:{minute:02}:{second:02} +0000] \"{request} HTTP/1.1\" {status} {bytes} \"-\" \"Mozilla/5.0\""
        ))
    }

    /// Pages of a few sizes; now and then a search, a form, a page that is gone.
    fn usual(n: u64) -> Event {
        match n % 50 {
            7 | 31 => request(n, &format!("GET /search?q=word{}&page=1", n % 9), 200, 3000 + n % 900),
            19 => request(n, "POST /contact", 302, 0),
            43 => request(n, "GET /gone", 404, 200),
            _ => request(n, ["GET / ", "GET /about", "GET /news/today"][(n % 3) as usize].trim_end(), 200, 5000 + n % 3 * 700),
        }
    }

    fn ordinary(count: u64) -> Vec<Event> {
        (0..count).map(usual).collect()
    }

    fn told(mut events: Vec<Event>, odd: Event) -> Vec<Finding> {
        let mut forest = detector("iforest", Scope::All);
        let mut before = Vec::new();
        for chunk in events.chunks_mut(1000) {
            before.extend(observe(&mut *forest, chunk));
        }
        assert!(before.len() < events.len() / 200, "{} findings of what is ordinary", before.len());
        observe(&mut *forest, &[odd])
    }

    #[test]
    fn one_more_of_what_is_ordinary_is_not_told() {
        assert_eq!(told(ordinary(6000), usual(6001)), []);
    }

    /// A job's line with a number that only it has.
    fn job(n: u64, depth: u64) -> Event {
        read(&format!(
            "{{\"timestamp\":{},\"level\":\"INFO\",\"service\":\"worker\",\"queue_depth\":{depth},\"message\":\"job done\"}}",
            1_760_000_000 + n
        ))
    }

    #[test]
    fn a_field_of_ones_own_far_beyond_all_before_is_told_by_name() {
        let mut setup = crate::testing::setup();
        setup.settings.features.log.0.push(crate::features::Feature::named(1, "number(queue_depth)").expect("a feature"));
        let mut forest = Forest(watch(&setup));
        let usual: Vec<_> = (0..6000).map(|n| job(n, 10 + n * 7919 % 23)).collect();
        usual.chunks(1000).for_each(|chunk| {
            observe(&mut forest, chunk);
        });
        let told = observe(&mut forest, &[job(6000, 900)]);
        assert!(told.len() == 1 && told[0].observed.starts_with("queue_depth 900"), "{told:?}");
        assert_eq!(told[0].expected.split(',').next(), Some("queue_depth 11 to 31"));
    }

    #[test]
    fn it_says_how_far_it_is() {
        let mut forest = detector("iforest", Scope::All);
        assert_eq!(forest.maturity(), None);
        observe(&mut *forest, &ordinary(500));
        assert_eq!(forest.maturity(), Some(0.01));
    }

    #[test]
    fn a_state_of_other_features_is_refused() {
        let (mut state, mut setup) = (Vec::new(), Setup::default());
        let mut forest = Forest(watch(&setup));
        forest.observe(Events::new(&ordinary(1), &[0]), &mut Findings::default());
        forest.save(&mut state);
        setup.settings.features.web.0.pop();
        let error = Forest(watch(&setup)).load(&state).unwrap_err();
        assert!(error.starts_with("it learned from other features"), "{error}");
    }
}
