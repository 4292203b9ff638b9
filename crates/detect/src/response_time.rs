//! Responses that take much longer, or much less long, than they recently did: for each endpoint of the web, and for each template
//! of a service's log whose lines say how long something took.
//!
//! Of each the latest 256 durations are remembered, as logarithms. One is told where it is (1) outside of all but the outermost
//! hundredth by a factor and by milliseconds, (2) outside of what a One-Class SVM over them takes for its support, which also knows
//! gaps between, say, hits and misses of a cache, and (3) improbably far outside: distances of all endpoints, in units of their own
//! spread, become one tail probability. Several in a row multiply: one slow answer is a matter of luck, three are a slow page.
//!
//! How widely the responses of one endpoint spread around their median is much the same everywhere, however long they take; it is
//! learned of all endpoints that are known well, and ships with Lapwing ([`Detector::save_general`]). So of an endpoint with a few
//! responses the median is enough: several slow ones in a row, far outside of what such a median would have around it, are told. (Fast
//! ones are not: after a slow time of a young endpoint what is ordinary looks fast.)
//!
//! An SVM is trained on 128 of them at most (0.2 ms), when one is asked for that is older than [`Settings::retrain_seconds`] of event
//! time. Everything is learned, so what stays slow is usual after a hundred responses or so. Memory: 2 to 5 KiB an endpoint.

mod series;

use std::borrow::Cow;

use lapwing_learn::{AlertRate, AlertRateSettings, Lru, TDigest};
use lapwing_model::{Detail, Entity, Event, Finding, Scope, Score, Severity};
use serde::{Deserialize, Serialize};
use series::{Series, Verdict};

use crate::{Detector, Events, Family, Findings, Kind};

pub const KIND: Kind = Kind {
    name: "response_time",
    summary: "responses that take much longer, or much less long, than those of the same endpoint or service recently did",
    family: Family::Learned,
    scopes: &[Scope::All],
    enabled: |settings| settings.response_time.enabled,
    build: |setup, _| Box::new(ResponseTime { settings: setup.settings.response_time.clone(), memory: None }),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Told is what is at least as rare, and so often at most.
    pub rate: f64,
    /// Responses of an endpoint before it is judged by itself alone.
    pub at_least: u32,
    /// Responses of an endpoint before it is judged by its median and the spread of others.
    pub at_least_beside_others: u32,
    /// So many times more or less than what but one in a hundred takes ...
    pub times: f64,
    /// ... and so many milliseconds more ...
    pub slower_ms: f64,
    /// ... or less.
    pub faster_ms: f64,
    /// Seconds of event time after which a model is trained anew.
    pub retrain_seconds: u32,
    /// Endpoints remembered; the one seen longest ago is forgotten first.
    pub endpoints: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            rate: 0.001,
            at_least: 100,
            at_least_beside_others: 8,
            times: 3.0,
            slower_ms: 100.0,
            faster_ms: 20.0,
            retrain_seconds: 60,
            endpoints: 4096,
        }
    }
}

/// Durations after which it knows how far they usually are outside.
const MATURE_AFTER: u64 = 1000;

/// No more than so many in a row multiply; of an endpoint that is hardly known, so many are needed.
const LONGEST_RUN: u32 = 3;

/// The spread that one endpoint in ten exceeds stands for those that are hardly known.
const WIDE: f64 = 0.9;
/// Spreads after which one counts half, and how finely they are remembered.
const SPREADS: f64 = 200.0;
const FINE: f64 = 50.0;

struct ResponseTime {
    settings: Settings,
    /// Made at the first duration, since only one partition ever sees one.
    memory: Option<Memory>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    series: Lru<Series>,
    /// Of distances from what is usual, of all endpoints.
    rate: AlertRate,
    /// Of endpoints that are known well.
    spreads: TDigest,
    /// How widely the widest of them spread; none before one was known well.
    #[serde(skip)]
    wide: Option<f32>,
}

/// How what is told is held at a rate.
fn rate(settings: &Settings) -> AlertRateSettings {
    AlertRateSettings { target: settings.rate, half_life: 20_000.0, ..AlertRateSettings::default() }
}

impl Memory {
    fn new(settings: &Settings) -> Memory {
        let spreads = TDigest::fading(FINE, SPREADS);
        Memory { series: Lru::new(settings.endpoints), rate: AlertRate::new(rate(settings)), spreads, wide: None }
    }

    /// An endpoint that is known well spreads so widely.
    fn spreads(&mut self, spread: f32) {
        self.spreads.observe(f64::from(spread));
        self.look();
    }

    fn look(&mut self) {
        self.spreads.settle();
        self.wide = (self.spreads.weight() > 0.0).then(|| self.spreads.quantile(WIDE) as f32);
    }

    fn judge(&mut self, event: &Event, key: u64, settings: &Settings) -> Option<(Finding, f32)> {
        let log_ms = (event.duration.as_secs_f64() * 1000.0).max(1e-3).ln() as f32;
        let others = self.wide;
        let (series, _) = self.series.get_or_insert_with(key, Series::default);
        let young = series.seen < settings.at_least;
        let known = if young { others.is_some() && series.seen >= settings.at_least_beside_others } else { true };
        let usual = series.usual().filter(|_| known).map(|usual| if young { usual.beside(others.unwrap_or_default()) } else { usual });
        let mut found = None;
        if let Some(usual) = usual {
            let judged = self.rate.judge(f64::from(usual.distance(log_ms)));
            let verdict = series.judge(log_ms, event.at, &usual, young, settings);
            // Several in a row are rarer than any rate, however often others were told lately.
            let due = |verdict: &Verdict| if young { verdict.slow && verdict.run >= LONGEST_RUN } else { judged.alert };
            if let Some(verdict) = verdict.filter(due).filter(|_| judged.probability <= settings.rate) {
                let probability = judged.probability.powi(verdict.run.min(LONGEST_RUN) as i32);
                let full = settings.at_least.saturating_mul(2).max(1);
                let own = if others.is_some() { 1.0 } else { series.seen as f32 / full as f32 };
                found = Some((finding(event, &verdict, series.seen, probability), maturity(&self.rate).min(own)));
            }
        }
        let anew = series.learn(log_ms);
        if let Some(usual) = anew.filter(|_| !young) {
            self.spreads(usual.spread);
        }
        found
    }
}

fn maturity(rate: &AlertRate) -> f32 {
    (rate.seen().0 as f32 / MATURE_AFTER as f32).min(1.0)
}

/// What the durations of an event are compared with, and whose they are.
fn key(event: &Event) -> Option<u64> {
    match event.detail {
        Detail::Web(_) => event.keys.get(Scope::Endpoint),
        // Lines of one service take as long as what they tell of.
        Detail::Log(_) => Some(event.keys.get(Scope::Service)?.rotate_left(17) ^ event.template),
        Detail::Flow(_) => None,
    }
}

fn entity(event: &Event) -> Entity {
    let scope = if event.web().is_some() { Scope::Endpoint } else { Scope::Service };
    event.entity_of(scope).unwrap_or_else(|| event.entity())
}

fn finding(event: &Event, verdict: &Verdict, seen: u32, probability: f64) -> Finding {
    let (took, how) = (shown(verdict.took_ms), if verdict.slow { "longer" } else { "less long" });
    let usual = format!("{} to {} (median {})", shown(verdict.low_ms), shown(verdict.high_ms), shown(verdict.median_ms));
    let row = if verdict.run > 1 { format!(", {} in a row", verdict.run) } else { String::new() };
    Finding {
        detector: KIND.name,
        rule: Cow::Borrowed(if verdict.slow { "slow" } else { "fast" }),
        class: "response_time".into(),
        entity: entity(event),
        score: Score::of_tail(probability),
        severity: Severity::Info,
        count: 1,
        since: None,
        reason: format!("The response took {took}, much {how} than {usual} of the latest {}{row}", seen.min(series::REMEMBERED as u32)),
        expected: usual,
        observed: took,
    }
}

fn shown(ms: f64) -> String {
    match ms {
        ms if ms >= 10_000.0 => format!("{:.0} s", ms / 1000.0),
        ms if ms >= 1000.0 => format!("{:.1} s", ms / 1000.0),
        ms if ms >= 10.0 => format!("{ms:.0} ms"),
        ms if ms >= 0.1 => format!("{ms:.1} ms"),
        ms => format!("{:.0} µs", ms * 1000.0),
    }
}

impl Detector for ResponseTime {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        for (at, event) in events.iter() {
            if event.duration.is_zero() {
                continue;
            }
            let Some(key) = key(event) else { continue };
            let memory = self.memory.get_or_insert_with(|| Memory::new(&self.settings));
            if let Some((finding, maturity)) = memory.judge(event, key, &self.settings) {
                findings.push_learning(at, finding, maturity);
            }
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if let Some(memory) = &self.memory {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(memory).unwrap_or_default());
        }
    }

    /// How far outside responses usually are is counted in units of their own spread, so it is so of all endpoints anywhere; how
    /// long they take is not.
    fn save_general(&self, out: &mut Vec<u8>) {
        if let Some(memory) = &self.memory {
            let (rate, spreads) = (memory.rate.at_rest(), memory.spreads.clone());
            let general = Memory { rate, spreads, ..Memory::new(&self.settings) };
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(&general).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let mut memory: Memory =
            postcard::from_bytes(state).map_err(|error| format!("the saved durations cannot be read: {error}"))?;
        memory.series.set_capacity(self.settings.endpoints);
        memory.rate = memory.rate.under(rate(&self.settings));
        memory.look();
        self.memory = Some(memory);
        Ok(())
    }

    fn maturity(&self) -> Option<f32> {
        self.memory.as_ref().map(|memory| maturity(&memory.rate))
    }

    fn entities(&self) -> usize {
        self.memory.as_ref().map_or(0, |memory| memory.series.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{Line, detector, observe};

    /// Between 80 and 125 % of so many milliseconds, one in a hundred up to twice as long.
    fn answer(n: u64, path: &str, ms: f64) -> Event {
        let random = (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f64 / (1 << 24) as f64;
        let late = if n % 100 == 37 { 1.0 + random } else { 1.0 };
        let mut line = Line::new(n as f64, "10.0.0.1", 200);
        line.path = path.to_owned();
        let mut event = line.web(n);
        event.duration = Duration::from_secs_f64(ms / 1000.0 * (0.8 + 0.45 * random) * late);
        event
    }

    fn told(odd: impl Fn(u64) -> Event) -> (usize, Vec<Finding>) {
        let mut times = detector("response_time", Scope::All);
        let ordinary: Vec<_> = (0..6000).map(|n| if n % 2 == 0 { answer(n, "/page", 200.0) } else { answer(n, "/export", 8000.0) }).collect();
        let before = ordinary.chunks(1000).map(|chunk| observe(&mut *times, chunk).len()).sum();
        let odd: Vec<_> = (6000..6005).map(odd).collect();
        (before, observe(&mut *times, &odd))
    }

    #[test]
    fn a_slow_endpoint_is_told_though_others_are_slower() {
        let (before, findings) = told(|n| answer(n, "/page", 4000.0));
        assert_eq!(before, 0);
        let first = &findings[0];
        assert_eq!((&*first.class, &*first.rule, &*first.entity.name), ("response_time", "slow", " /page"));
        assert!(first.observed.ends_with(" s") && first.expected.contains("median 2"), "{first:?}");
        assert!(findings.iter().any(|finding| finding.score.value() >= 0.8), "several in a row are an anomaly: {findings:?}");
    }

    #[test]
    fn an_answer_much_too_fast_is_told() {
        let (_, findings) = told(|n| answer(n, "/export", 40.0));
        assert_eq!((&*findings[0].rule, findings[0].expected.contains("median 8")), ("fast", true), "{findings:?}");
    }

    #[test]
    fn what_is_slow_by_less_than_people_notice_is_not_told() {
        assert_eq!(told(|n| answer(n, "/page", 300.0)), (0, Vec::new()));
        let (_, findings) = told(|n| answer(n, "/new", 90_000.0));
        assert_eq!(findings, [], "of an endpoint seen five times nothing is known");
    }

    /// What is told of five slow answers of a page that was asked for `before` times, by one that knows general things or nothing.
    fn of_a_young_page(before: u64, warm: bool) -> Vec<Finding> {
        let mut times = detector("response_time", Scope::All);
        if warm {
            let mut elsewhere = detector("response_time", Scope::All);
            let ordinary: Vec<_> = (0..6000).map(|n| answer(n, ["/a", "/b"][n as usize % 2], [30.0, 2000.0][n as usize % 2])).collect();
            ordinary.chunks(1000).for_each(|chunk| drop(observe(&mut *elsewhere, chunk)));
            let mut general = Vec::new();
            elsewhere.save_general(&mut general);
            times.load(&general).expect("its own state");
            assert_eq!(times.entities(), 0, "no page is known");
        }
        let events: Vec<_> = (0..before).map(|n| answer(n, "/page", 200.0)).chain((before..before + 5).map(|n| answer(n, "/page", 5000.0))).collect();
        observe(&mut *times, &events)
    }

    #[test]
    fn what_is_known_of_endpoints_elsewhere_tells_several_slow_answers_of_one_that_is_young() {
        let warm = of_a_young_page(24, true);
        assert!(warm.iter().any(|finding| finding.score.value() >= 0.8), "{warm:?}");
        assert!(warm[0].reason.contains("3 in a row"), "one or two are a matter of luck: {warm:?}");
        assert_eq!(of_a_young_page(24, false), [], "without it nothing is known of a page seen so seldom");
        assert_eq!(of_a_young_page(5, true), [], "nor of one that hardly anybody asked for");
    }

    #[test]
    fn what_stays_slow_becomes_usual() {
        let mut times = detector("response_time", Scope::All);
        let mut counts = Vec::new();
        for chunk in 0..12_u64 {
            let ms = if chunk < 4 { 100.0 } else { 1000.0 };
            let events: Vec<_> = (chunk * 500..chunk * 500 + 500).map(|n| answer(n, "/page", ms)).collect();
            counts.push(observe(&mut *times, &events).len());
        }
        assert!(counts[..4] == [0; 4] && counts[4] > 0 && counts[6..] == [0; 6], "{counts:?}");
    }
}
