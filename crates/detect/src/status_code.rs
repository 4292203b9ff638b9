//! Endpoints that answer otherwise than they usually do: more redirects, suddenly success where there was refusal, or the reverse.
//!
//! The answers of an endpoint are counted by class (2xx, 3xx, 4xx, 5xx, others) in windows of [`Settings::window`] requests, or of a
//! minute where that has at least [`Settings::at_least`]. A window is told where its mix (1) differs from that of the windows before in
//! at least [`Settings::share`] of the requests, (2) is outside of what a One-Class SVM over the mixes of up to 64 windows takes for its
//! support, so that an endpoint with several usual mixes may have any of them, and (3) is improbable: its likelihood ratio (G)
//! against the usual mix, divided by what is usual of it, since requests come in groups. That is a probability of its own; it does
//! not have to be learned over many windows how rare it is.
//!
//! What a window owes to one client that sent most of it is left to the detectors of clients, unless most windows are like that. An
//! SVM is trained when one is asked for that is older than [`Settings::retrain_seconds`] of event time. Everything is learned.
//! Memory: at most 4 KiB an endpoint.

mod series;

use lapwing_learn::Lru;
use lapwing_model::{Event, Finding, Scope, Score, Severity};
use serde::{Deserialize, Serialize};
use series::{CLASSES, Series, Unlike};

use crate::{Detector, Events, Family, Findings, Kind};

pub const KIND: Kind = Kind {
    name: "status_code",
    summary: "endpoints whose mix of status classes (2xx, 3xx, 4xx, 5xx) is not what it usually is",
    family: Family::Learned,
    scopes: &[Scope::Endpoint],
    enabled: |settings| settings.status_code.enabled,
    build: |setup, _| Box::new(StatusMix::new(&setup.settings.status_code)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Requests of a window.
    pub window: u32,
    /// A window that is a minute old is over with so many.
    pub at_least: u32,
    /// Windows of an endpoint before anything is told of it.
    pub windows_at_least: u32,
    /// The share of requests that were answered otherwise than usual.
    pub share: f32,
    /// Told is what is at least as improbable.
    pub rate: f64,
    /// Seconds of event time after which a model is trained anew.
    pub retrain_seconds: u32,
    /// Endpoints remembered in each of 16 partitions; the one seen longest ago is forgotten first.
    pub endpoints: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            window: 50,
            at_least: 20,
            windows_at_least: 10,
            share: 0.25,
            rate: 0.001,
            retrain_seconds: 60,
            endpoints: 512,
        }
    }
}

/// Windows after which an endpoint is known well enough to count in full.
const MATURE_AFTER: usize = 20;

struct StatusMix {
    settings: Settings,
    series: Lru<Series>,
}

impl StatusMix {
    fn new(settings: &Settings) -> StatusMix {
        StatusMix { series: Lru::new(settings.endpoints), settings: settings.clone() }
    }
}

fn finding(event: &Event, unlike: &Unlike) -> Finding {
    let percents = |shares: &[f32; CLASSES]| {
        let named = ["2xx", "3xx", "4xx", "5xx", "other"].into_iter().zip(shares).filter(|(_, share)| **share >= 0.005);
        named.map(|(name, share)| format!("{:.0} % {name}", share * 100.0)).collect::<Vec<_>>().join(", ")
    };
    let (observed, expected) = (percents(&unlike.shares), percents(&unlike.usual));
    Finding {
        detector: KIND.name,
        rule: "mix".into(),
        class: "status_code".into(),
        entity: event.entity_of(Scope::Endpoint).unwrap_or_else(|| event.entity()),
        score: Score::of_tail(unlike.probability),
        severity: Severity::Info,
        count: u64::from(unlike.requests),
        since: Some(unlike.since),
        reason: format!("Of {} requests, {observed} where {expected} are usual", unlike.requests),
        expected,
        observed,
    }
}

impl Detector for StatusMix {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        for (at, event) in events.iter() {
            let Some((key, web)) = event.keys.get(Scope::Endpoint).zip(event.web()) else { continue };
            if web.status == 0 {
                continue;
            }
            let (series, _) = self.series.get_or_insert_with(key, || Series::new(event.at));
            let client = event.keys.get(Scope::Client).unwrap_or(0);
            if let Some(unlike) = series.count(web.status, client, event.at, &self.settings) {
                let maturity = (unlike.windows as f32 / MATURE_AFTER as f32).min(1.0);
                findings.push_learning(at, finding(event, &unlike), maturity);
            }
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if !self.series.is_empty() {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(&self.series).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        self.series = postcard::from_bytes(state).map_err(|error| format!("the saved mixes cannot be read: {error}"))?;
        self.series.set_capacity(self.settings.endpoints);
        Ok(())
    }

    /// Of the endpoint of which it knows most.
    fn maturity(&self) -> Option<f32> {
        let most = self.series.iter().map(|(_, series)| series.windows()).max()?;
        Some((most as f32 / MATURE_AFTER as f32).min(1.0))
    }

    fn entities(&self) -> usize {
        self.series.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Line, detector, observe};

    fn answer(n: u64, status: u16) -> Event {
        Line::new(n as f64, &format!("10.0.0.{}", n % 37), status).web(n)
    }

    fn usual(n: u64) -> u16 {
        [200, 200, 304, 200, 200, 200, 200, 404, 200, 302][(n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize % 10]
    }

    fn told(status: impl Fn(u64) -> u16, client: Option<&str>) -> (usize, Vec<Finding>) {
        let mut codes = detector("status_code", Scope::Endpoint);
        let ordinary: Vec<_> = (0..3000).map(|n| answer(n, usual(n))).collect();
        let before = ordinary.chunks(1000).map(|chunk| observe(&mut *codes, chunk).len()).sum();
        let odd: Vec<_> = (3000..3060)
            .map(|n| client.map_or_else(|| answer(n, status(n)), |client| Line::new(n as f64, client, status(n)).web(n)))
            .collect();
        (before, observe(&mut *codes, &odd))
    }

    #[test]
    fn an_endpoint_that_redirects_where_it_answered_is_told_with_both_mixes() {
        let (before, findings) = told(|_| 302, None);
        assert_eq!((before, findings.len()), (0, 1), "{findings:?}");
        assert_eq!((&*findings[0].class, findings[0].count, &*findings[0].observed), ("status_code", 50, "100 % 3xx"));
        assert!(findings[0].expected.contains("% 2xx") && findings[0].score.value() >= 0.8, "{findings:?}");
    }

    #[test]
    fn the_usual_mix_and_small_changes_are_not_told() {
        assert_eq!(told(usual, None), (0, Vec::new()));
        assert_eq!(told(|n| if n % 8 == 0 { 404 } else { usual(n) }, None).1, []);
    }

    #[test]
    fn what_one_client_causes_is_left_to_the_client() {
        assert_eq!(told(|_| 302, Some("10.9.9.9")), (0, Vec::new()));
    }

    #[test]
    fn an_endpoint_of_two_usual_mixes_may_have_either() {
        let mut codes = detector("status_code", Scope::Endpoint);
        let events: Vec<_> = (0..6000).map(|n| answer(n, if n / 300 % 2 == 0 { 200 } else { 304 })).collect();
        let counts: Vec<_> = events.chunks(1500).map(|chunk| observe(&mut *codes, chunk).len()).collect();
        assert_eq!(counts[1..], [0, 0, 0], "{counts:?}");
    }
}
