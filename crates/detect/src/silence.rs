//! Who usually speaks goes quiet: a source, a host or a service.
//!
//! A silence is told where it is improbable given the regular past, several times longer than any before, and the past long
//! enough to say so. What never was regular, or has been away for as long before, may be quiet.
//!
//! How regular one is shows in the times that its events state; how long it was not heard, in event time as it passes for all. So
//! an exporter that tells of flows minutes later, or a host whose clock is behind, is not quiet.

use std::time::Duration;

use lapwing_learn::{Lru, Regularity};
use lapwing_model::{Entity, Event, Finding, PARTITIONS, Scope, Score, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Detector, Events, Family, Findings, Kind, Setup};

pub const KIND: Kind = Kind {
    name: "silence",
    summary: "a source, host or service with a regular past goes quiet",
    family: Family::Statistical,
    scopes: &[Scope::Source, Scope::Host, Scope::Service],
    enabled: |settings| settings.silence.enabled,
    build: |setup, scope| Box::new(Silence::new(setup, scope)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Sources, hosts and services remembered, each.
    pub entities: usize,
    /// Nothing shorter is a silence, in seconds.
    pub at_least_seconds: u64,
    /// How many times the longest gap so far.
    pub times_longest: u32,
    /// And so improbable, given how regular it was.
    pub probability: f64,
    /// The past must be so many times longer than the silence that would be told.
    pub times_past: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true, entities: 4096, at_least_seconds: 60, times_longest: 3, probability: 1e-6, times_past: 10 }
    }
}

#[derive(Debug)]
struct Silence {
    settings: Settings,
    scope: Scope,
    voices: Lru<Voice>,
    /// Event time at the last tick.
    now: Timestamp,
    /// Nobody's silence is long enough before.
    due: Timestamp,
}

/// One that speaks, or spoke.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Voice {
    entity: Entity,
    arrivals: Regularity,
    first: Timestamp,
    /// When it was heard last.
    heard: Timestamp,
    longest: Duration,
    told: bool,
}

/// Gaps after which a gap counts half.
const HALF_LIFE: f64 = 500.0;

/// Many logs know only seconds.
const RESOLUTION: i64 = 1_000_000_000;

/// Of the longest gap so much remains after each further one, so that one long outage does not excuse all later ones for ever.
const FADE: f64 = 0.9995;

impl Silence {
    fn new(setup: &Setup, scope: Scope) -> Silence {
        let settings = setup.settings.silence.clone();
        Silence { voices: Lru::new(settings.entities.div_ceil(PARTITIONS)), settings, scope, now: Timestamp::MIN, due: Timestamp::MIN }
    }

    fn hear(&mut self, event: &Event) {
        let Some(key) = event.keys.get(self.scope) else { return };
        // One that nothing but its origin names goes quiet as that origin.
        if self.scope == Scope::Host && event.text(event.host).is_empty() {
            return;
        }
        let (scope, heard) = (self.scope, event.at.max(self.now));
        let (voice, _) = self.voices.get_or_insert_with(key, || Voice::new(event, scope, heard));
        if heard > voice.heard {
            let gap = heard.since(voice.heard);
            voice.longest = voice.longest.mul_f64(FADE).max(gap);
            voice.heard = heard;
            voice.told = false;
        }
        voice.first = voice.first.min(event.at);
        voice.arrivals.observe(event.at.nanos());
    }
}

impl Voice {
    fn new(event: &Event, scope: Scope, heard: Timestamp) -> Voice {
        Voice {
            entity: event.entity_of(scope).unwrap_or_else(|| event.entity()),
            arrivals: Regularity::new(HALF_LIFE, RESOLUTION),
            first: event.at,
            heard,
            longest: Duration::ZERO,
            told: false,
        }
    }

    fn silent(&self, now: Timestamp, settings: &Settings) -> Option<Finding> {
        if self.told || !self.arrivals.is_known() {
            return None;
        }
        let (quiet, enough) = (now.since(self.heard), self.enough(settings));
        let past = self.heard.since(self.first);
        if quiet < enough || past < enough * settings.times_past {
            return None;
        }
        let probability = self.arrivals.quiet_probability(i64::try_from(quiet.as_nanos()).unwrap_or(i64::MAX));
        (probability <= settings.probability).then(|| self.finding(quiet, past))
    }

    /// Nothing shorter is a silence of this one.
    fn enough(&self, settings: &Settings) -> Duration {
        (self.longest * settings.times_longest).max(Duration::from_secs(settings.at_least_seconds))
    }

    fn finding(&self, quiet: Duration, past: Duration) -> Finding {
        let usual = self.arrivals.expected_gap().map_or(Duration::ZERO, |gap| Duration::from_nanos(gap.unsigned_abs()));
        Finding {
            detector: KIND.name,
            rule: "silence".into(),
            class: "silence".into(),
            entity: self.entity.clone(),
            score: Score::new(0.9),
            severity: Severity::Medium,
            count: 1,
            since: Some(self.heard),
            reason: format!(
                "{} {} has been quiet for {}; in the {} before, it was never quiet for longer than {}",
                self.entity.scope,
                self.entity,
                span(quiet),
                span(past),
                span(self.longest)
            ),
            expected: format!("an event every {} or so", span(usual)),
            observed: format!("none for {}", span(quiet)),
        }
    }
}

fn span(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

impl Detector for Silence {
    fn observe(&mut self, events: Events<'_>, _: &mut Findings) {
        for (_, event) in events.iter() {
            self.hear(event);
        }
    }

    fn wants_ticks(&self) -> bool {
        true
    }

    fn tick(&mut self, now: Timestamp, findings: &mut Findings) {
        self.now = now;
        if now < self.due {
            return;
        }
        let settings = &self.settings;
        let silent: Vec<_> = self.voices.iter().filter_map(|(key, voice)| Some((key, voice.silent(now, settings)?))).collect();
        for (key, finding) in silent {
            findings.push_at_tick(finding);
            if let Some(voice) = self.voices.get(key) {
                voice.told = true;
            }
        }
        // Whoever is heard from now on has been heard since now.
        let again = now + Duration::from_secs(settings.at_least_seconds);
        let waiting = self.voices.iter().filter(|(_, voice)| !voice.told && voice.arrivals.is_known());
        self.due = waiting.map(|(_, voice)| voice.heard + voice.enough(settings)).fold(again, Timestamp::min);
    }

    fn save(&self, out: &mut Vec<u8>) {
        if !self.voices.is_empty() || self.now != Timestamp::MIN {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(&(&self.voices, self.now)).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let capacity = self.voices.capacity();
        (self.voices, self.now) =
            postcard::from_bytes(state).map_err(|error| format!("the saved voices cannot be read: {error}"))?;
        self.voices.set_capacity(capacity);
        self.due = Timestamp::MIN;
        Ok(())
    }

    fn entities(&self) -> usize {
        self.voices.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Line, detector, observe};

    fn beats(from: f64, every: f64, count: u64) -> Vec<Event> {
        (0..count).map(|n| Line::new(from + every * n as f64, "10.0.0.1", 200).web(n)).collect()
    }

    #[test]
    fn a_regular_source_that_goes_quiet_is_told_once() {
        let mut events = beats(0.0, 5.0, 720);
        let mut other = Line::new(0.0, "10.0.0.2", 200);
        other.source = "b.log".to_owned();
        events.extend((0..300).map(|n| Line { second: 3600.0 + n as f64, ..other.clone() }.web(n)));
        let findings = observe(&mut *detector("silence", Scope::Source), &events);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].entity.name.as_ref(), "a.log");
        assert!(findings[0].reason.contains("has been quiet for"), "{}", findings[0].reason);
    }

    #[test]
    fn one_that_was_as_quiet_before_may_be_quiet_again() {
        let events: Vec<_> = (0..40).flat_map(|hour| beats(3600.0 * f64::from(hour), 0.5, 100)).collect();
        assert!(observe(&mut *detector("silence", Scope::Source), &events).is_empty());
    }

    /// Two that speak each second, the second of them about what was so many seconds before; that one ends after `heard` seconds.
    fn beside_one_that_is_late(late: f64, heard: u64) -> Vec<Event> {
        let mut other = Line::new(0.0, "10.0.0.2", 200);
        other.source = "late".to_owned();
        let second = |n: u64| {
            let own = Line::new(1000.0 + n as f64, "10.0.0.1", 200).web(n);
            let late = Line { second: 1000.0 + n as f64 - late, ..other.clone() }.web(n);
            [Some(own), (n < heard).then_some(late)].into_iter().flatten()
        };
        (0..3600).flat_map(second).collect()
    }

    #[test]
    fn one_whose_events_come_late_or_whose_clock_is_behind_is_not_quiet() {
        let findings = observe(&mut *detector("silence", Scope::Source), &beside_one_that_is_late(600.0, 3600));
        assert!(findings.is_empty(), "{findings:?}");
        let findings = observe(&mut *detector("silence", Scope::Source), &beside_one_that_is_late(600.0, 3000));
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].entity.name.as_ref(), "late");
    }

    #[test]
    fn who_was_quiet_in_what_is_loaded_is_told_at_once_whatever_was_due_before() {
        let mut learnt = detector("silence", Scope::Source);
        observe(&mut *learnt, &beats(0.0, 5.0, 720));
        let mut state = Vec::new();
        learnt.save(&mut state);
        let mut other = Line::new(4000.0, "10.0.0.2", 200);
        other.source = "b.log".to_owned();
        let mut used = detector("silence", Scope::Source);
        observe(&mut *used, &[other.web(0)]);
        let tick = |silence: &mut dyn Detector| {
            let mut findings = Findings::default();
            findings.speaks(0, Some((0, Timestamp::from_seconds(4001))));
            silence.tick(Timestamp::from_seconds(4001), &mut findings);
            Findings::in_order([findings]).len()
        };
        assert_eq!(tick(&mut *used), 0, "nobody is known yet");
        used.load(&state).unwrap();
        assert_eq!(tick(&mut *used), 1);
    }

    #[test]
    fn one_that_hardly_spoke_is_not_missed() {
        let mut events = beats(0.0, 1.0, 30);
        events.extend(beats(4000.0, 1.0, 30));
        assert!(observe(&mut *detector("silence", Scope::Source), &events).is_empty());
    }
}
