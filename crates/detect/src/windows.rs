//! Sliding windows per client, service, source and over everything: how many events, how many of them went wrong.
//!
//! Speaks where two things hold at once: an absolute minimum, so that three errors at night are no burst, and a clear excess
//! over the entity's own past (or, for an entity without one, over that of the others).

use std::borrow::Cow;
use std::time::Duration;

use lapwing_learn::{Baseline, Lru, SlidingCounts, Window};
use lapwing_model::{Entity, Event, Finding, PARTITIONS, Scope, Score, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::glance::Glance;
use crate::{Detector, Events, Family, Findings, Kind, Setup};

pub const KIND: Kind = Kind {
    name: "windows",
    summary: "bursts and error shares per client, service, source and in total, in sliding windows of 1, 10 and 60 minutes",
    family: Family::Statistical,
    scopes: &[Scope::Client, Scope::Service, Scope::Source, Scope::All],
    enabled: |settings| settings.windows.enabled,
    build: |setup, scope| Box::new(Windows::new(setup, scope)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Entities of each scope that are remembered; the one seen longest ago is forgotten first.
    pub entities: usize,
    pub errors: Share,
    pub refusals: Share,
    /// So many refusals in a row, however slowly they come, are told of a client.
    pub refusals_in_a_row: u32,
    pub burst: Burst,
}

/// When a share of events that went wrong is too high.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Share {
    /// At least so many within 10 minutes.
    pub at_least: f64,
    /// At least this share of all events of the entity within 10 minutes.
    pub share: f64,
    /// And so many times the entity's own share over the last hour before.
    pub times_own_past: f64,
}

/// When events come too fast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Burst {
    /// At least so many of one client or service within a minute.
    pub entity_at_least: f64,
    /// At least so many of a source, or in total, within a minute.
    pub total_at_least: f64,
    /// And so many times what a minute of the entity usually holds.
    pub times_own_past: f64,
    /// For an entity without a past: so many times what a minute of the others usually holds.
    pub times_others: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            entities: 10_000,
            errors: Share { at_least: 10.0, share: 0.2, times_own_past: 3.0 },
            refusals: Share { at_least: 20.0, share: 0.6, times_own_past: 2.0 },
            refusals_in_a_row: 20,
            burst: Burst::default(),
        }
    }
}

impl Default for Share {
    fn default() -> Self {
        Settings::default().errors
    }
}

impl Default for Burst {
    fn default() -> Self {
        Burst { entity_at_least: 100.0, total_at_least: 600.0, times_own_past: 5.0, times_others: 10.0 }
    }
}

/// One scope's windows, for one partition of its keys.
#[derive(Debug)]
struct Windows {
    settings: Settings,
    scope: Scope,
    entities: Lru<Watched>,
    /// What a minute of any entity of this scope usually holds.
    others: Baseline,
    /// The first source seen: the total says nothing until there is a second one.
    only_source: Option<u64>,
    many_sources: bool,
}

/// Steps (minutes with events) after which half of the past is forgotten.
const HALF_LIFE: f64 = 60.0;

/// A minute beyond so many deviations is learnt as that: a burst must not teach itself away.
const CLIP: f64 = 3.0;

/// An entity has a past after so many minutes with events.
const PAST_MINUTES: u64 = 10;

/// Looking at a burst is dear enough to do it only every so many events of an entity.
const LOOK_EVERY: u32 = 8;

#[derive(Debug, Clone, Serialize, Deserialize)]
// In this order what every event needs lies together.
#[repr(C)]
struct Watched {
    minute: i64,
    in_minute: u32,
    since_look: u32,
    refused_since: i64,
    /// Refusals since anything was last granted.
    refused_in_a_row: u32,
    /// Events, errors, refusals.
    counts: SlidingCounts<3>,
    past: Baseline,
    /// For errors and refusals: when the present run of them began, and its last.
    runs: [Run; 2],
    /// For errors, refusals, bursts: what was told last, and until when it holds.
    told: [Told; 3],
}

/// Things that went wrong without a pause.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Run {
    began: i64,
    last: i64,
}

/// A thing is told again when it has doubled, or when it has been away for a while.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Told {
    count: f32,
    at: i64,
}

const TELL_AGAIN: i64 = 600 * 1_000_000_000;

/// A run of things that went wrong ends where none did for so long.
const PAUSE: i64 = 600 * 1_000_000_000;
const MINUTE: i64 = 60 * 1_000_000_000;

impl Windows {
    fn new(setup: &Setup, scope: Scope) -> Windows {
        let settings = setup.settings.windows.clone();
        let entities = Lru::new(settings.entities.div_ceil(PARTITIONS));
        Windows { settings, scope, entities, others: Baseline::robust(HALF_LIFE, CLIP), only_source: None, many_sources: false }
    }

    /// With one source only, the total would say what the source says.
    fn speaks(&mut self, event: &Event) -> bool {
        if self.scope == Scope::All && !self.many_sources {
            self.many_sources = *self.only_source.get_or_insert(event.origin.id) != event.origin.id;
        }
        self.scope != Scope::All || self.many_sources
    }

    fn judge(&mut self, at: u16, event: &Event, findings: &mut Findings) {
        let key = event.keys.get(self.scope).unwrap_or_default();
        let speaks = self.speaks(event);
        let (error, refused) = (event.is_error(), matches!(event.status(), Some(400..=499)));
        let (watched, _) = self.entities.get_or_insert_with(key, Watched::new);
        watched.pass_to(event.at.nanos().div_euclid(MINUTE), &mut self.others);
        watched.counts.add(event.at.nanos(), [1, u32::from(error), u32::from(refused)]);
        if !speaks {
            return;
        }
        let entity = || event.entity_of(self.scope).unwrap_or_else(|| event.entity());
        let now = event.at.nanos();
        if error {
            let share = watched.share(1, &self.settings.errors, now);
            findings.extend_event(at, share.map(|share| share.finding(&ERRORS, entity())));
        }
        if self.scope == Scope::Client && event.status().is_some() {
            let share = if refused { watched.share(2, &self.settings.refusals, now) } else { None };
            let row = watched.row(refused, self.settings.refusals_in_a_row, now);
            findings.extend_event(at, share.map(|share| share.finding(&REFUSALS, entity())));
            findings.extend_event(at, row.map(|row| row.finding(entity())));
        }
        watched.since_look += 1;
        if watched.since_look >= LOOK_EVERY {
            watched.since_look = 0;
            let burst = watched.burst(&self.settings.burst, self.scope, &self.others, now);
            findings.extend_event(at, burst.map(|burst| burst.finding(entity())));
        }
    }
}

impl Watched {
    fn new() -> Watched {
        Watched {
            counts: SlidingCounts::new(),
            past: Baseline::robust(HALF_LIFE, CLIP),
            minute: i64::MIN,
            in_minute: 0,
            since_look: 0,
            refused_in_a_row: 0,
            refused_since: i64::MAX,
            runs: [Run::default(); 2],
            told: [Told::default(); 3],
        }
    }

    /// Counts the event's minute; a minute that is over becomes part of the past.
    fn pass_to(&mut self, minute: i64, others: &mut Baseline) {
        if minute > self.minute {
            if self.in_minute > 0 {
                self.past.observe(f64::from(self.in_minute));
                others.observe(f64::from(self.in_minute));
            }
            self.minute = minute;
            self.in_minute = 0;
        }
        self.in_minute += 1;
    }

    /// Whether too many of the entity's events were of one kind of wrong, within a minute or within ten.
    fn share(&mut self, kind: usize, wanted: &Share, now: i64) -> Option<Excess> {
        let run = &mut self.runs[kind - 1];
        if run.last == 0 || now.saturating_sub(run.last) > PAUSE {
            run.began = now;
        }
        run.began = run.began.min(now);
        run.last = run.last.max(now);
        let counts = self.counts.counts(now);
        let hour = counts[2];
        let excess = [Window::TenMinutes, Window::Minute].into_iter().zip([counts[1], counts[0]]);
        let excess = excess.filter_map(|(window, recent)| wanted.exceeded(window, kind, recent, hour)).next()?;
        let news = self.told[kind - 1].worth(excess.observed, now)?;
        Some(Excess { news, since: Timestamp::from_nanos(run.began), ..excess })
    }

    /// Whether the entity has gone on being refused without ever being granted anything, and that for long enough.
    fn row(&mut self, refused: bool, at_least: u32, now: i64) -> Option<Row> {
        if !refused {
            (self.refused_in_a_row, self.refused_since) = (0, i64::MAX);
            return None;
        }
        self.refused_in_a_row = self.refused_in_a_row.saturating_add(1);
        self.refused_since = self.refused_since.min(now);
        let count = self.refused_in_a_row;
        // Told when it is reached and at each doubling.
        let due = at_least > 0 && count.is_multiple_of(at_least) && (count / at_least).is_power_of_two();
        let since = Timestamp::from_nanos(self.refused_since);
        due.then(|| Row { count, since, at_least, time: Timestamp::from_nanos(now).since(since) })
    }

    fn burst(&mut self, wanted: &Burst, scope: Scope, others: &Baseline, now: i64) -> Option<Rush> {
        let at_least = if matches!(scope, Scope::Source | Scope::All) { wanted.total_at_least } else { wanted.entity_at_least };
        let [observed, ..] = self.counts.count(Window::Minute, now);
        if observed < at_least {
            return None;
        }
        let own = self.past.steps() >= PAST_MINUTES;
        let (past, times) = if own { (&self.past, wanted.times_own_past) } else { (others, wanted.times_others) };
        if past.steps() < PAST_MINUTES || observed < times * past.expected() {
            return None;
        }
        let news = self.told[2].worth(observed, now)?;
        Some(Rush { news, since: Timestamp::from_nanos(now - MINUTE), observed, expected: past.expected(), own, times })
    }
}

impl Share {
    /// What is too much within `recent`, given the hour that contains it.
    fn exceeded(&self, window: Window, kind: usize, recent: [f64; 3], hour: [f64; 3]) -> Option<Excess> {
        let (all, wrong) = (recent[0].max(1.0), recent[kind]);
        if wrong < self.at_least || wrong / all < self.share {
            return None;
        }
        let (all_before, wrong_before) = ((hour[0] - all).max(0.0), (hour[kind] - wrong).max(0.0));
        // A prior: with little past behind it, a share of zero is no promise.
        let usual = (wrong_before + 0.02) / (all_before + 1.0);
        let excess = Excess {
            window,
            observed: wrong,
            of: all,
            usual,
            past: all_before,
            at_least: self.at_least,
            news: 0,
            since: Timestamp::MIN,
        };
        (wrong / all >= self.times_own_past * usual).then_some(excess)
    }
}

impl Told {
    /// How many of `count` are news, where that is worth telling.
    fn worth(&mut self, count: f64, now: i64) -> Option<u64> {
        let again = now.saturating_sub(self.at) > TELL_AGAIN;
        let known = if again { 0.0 } else { f64::from(self.count) };
        if known > 0.0 && count < 2.0 * known {
            return None;
        }
        *self = Told { count: count as f32, at: now };
        Some((count - known).round().max(1.0) as u64)
    }
}

/// What a kind of wrong is called.
struct Wrong {
    rule: &'static str,
    class: &'static str,
    noun: &'static str,
}

const ERRORS: Wrong = Wrong { rule: "error-share", class: "error-burst", noun: "errors" };
const REFUSALS: Wrong = Wrong { rule: "refusal-share", class: "client-error-burst", noun: "refused requests (4xx)" };

struct Excess {
    window: Window,
    news: u64,
    since: Timestamp,
    observed: f64,
    of: f64,
    usual: f64,
    past: f64,
    at_least: f64,
}

impl Excess {
    fn finding(&self, wrong: &Wrong, entity: Entity) -> Finding {
        let share = 100.0 * self.observed / self.of;
        let (observed, of) = (self.observed.round(), self.of.round());
        let usual = if self.past >= 1.0 {
            format!("{:.0} % in the hour before", 100.0 * self.usual)
        } else {
            "nothing was seen in the hour before".to_owned()
        };
        Finding {
            detector: KIND.name,
            rule: Cow::Borrowed(wrong.rule),
            class: Cow::Borrowed(wrong.class),
            score: Score::new((0.6 + 0.1 * (self.observed / self.at_least).log2()) as f32),
            severity: Severity::Info,
            count: self.news,
            since: Some(self.since),
            reason: format!("{observed} of {of} events within {} were {}; {usual}", span(self.window), wrong.noun),
            expected: format!("at most {:.0} % {}", 100.0 * self.usual, wrong.noun),
            observed: format!("{share:.0} % ({observed} of {of})"),
            entity,
        }
    }
}

const fn span(window: Window) -> &'static str {
    match window {
        Window::Minute => "a minute",
        Window::TenMinutes => "10 minutes",
        Window::Hour => "an hour",
    }
}

struct Row {
    count: u32,
    since: Timestamp,
    at_least: u32,
    time: Duration,
}

impl Row {
    fn finding(&self, entity: Entity) -> Finding {
        let minutes = self.time.as_secs() / 60;
        let time = if minutes >= 120 { format!("{} h", minutes / 60) } else { format!("{minutes} min") };
        Finding {
            detector: KIND.name,
            rule: Cow::Borrowed("refusals-in-a-row"),
            class: Cow::Borrowed("client-error-burst"),
            score: Score::new(0.55 + 0.1 * (self.count / self.at_least).ilog2() as f32),
            severity: Severity::Info,
            count: u64::from(if self.count == self.at_least { self.count } else { self.count / 2 }),
            since: Some(self.since),
            reason: format!("the last {} requests, over {time}, were all refused (4xx)", self.count),
            expected: "a request granted now and then".to_owned(),
            observed: format!("{} refusals in a row", self.count),
            entity,
        }
    }
}

struct Rush {
    news: u64,
    since: Timestamp,
    observed: f64,
    expected: f64,
    own: bool,
    times: f64,
}

impl Rush {
    fn finding(&self, entity: Entity) -> Finding {
        let ratio = self.observed / self.expected.max(1.0);
        let whose = if self.own { "its own" } else { "other" };
        Finding {
            detector: KIND.name,
            rule: Cow::Borrowed("burst"),
            class: Cow::Borrowed("burst"),
            score: Score::new((0.5 + 0.15 * (ratio / self.times).log2()) as f32),
            severity: Severity::Info,
            count: self.news,
            since: Some(self.since),
            reason: format!(
                "{:.0} events within a minute; {whose} minutes usually hold {:.1}, so this is {ratio:.0} times as many",
                self.observed, self.expected
            ),
            expected: format!("about {:.1} events a minute", self.expected),
            observed: format!("{:.0} events within a minute", self.observed),
            entity,
        }
    }
}

impl Detector for Windows {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        // How many flows somebody has says little; what of it does, the detectors of flows know.
        for (at, event, _) in events.of(Glance::REQUEST.or(Glance::TEXT)) {
            self.judge(at, event, findings);
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if self.entities.is_empty() {
            return;
        }
        // Plain data always has a serial form.
        out.extend(postcard::to_stdvec(&(&self.entities, &self.others, self.only_source, self.many_sources)).unwrap_or_default());
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let capacity = self.entities.capacity();
        (self.entities, self.others, self.only_source, self.many_sources) =
            postcard::from_bytes(state).map_err(|error| format!("the saved windows cannot be read: {error}"))?;
        self.entities.set_capacity(capacity);
        Ok(())
    }

    fn entities(&self) -> usize {
        self.entities.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Line, detector, observe};

    fn requests(from: f64, every: f64, count: u64, client: &str, status: u16) -> Vec<Event> {
        (0..count).map(|n| Line::new(from + every * n as f64, client, status).web(n)).collect()
    }

    fn classes(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| &*finding.class).collect()
    }

    #[test]
    fn a_client_whose_requests_are_nearly_all_refused_is_told_once_and_again_when_it_doubles() {
        let findings = observe(&mut *detector("windows", Scope::Client), &requests(0.0, 1.0, 90, "203.0.113.9", 404));
        assert_eq!(classes(&findings), ["client-error-burst"; 6], "at 20, 40 and 80, as a share and as a row");
        assert!(findings[0].reason.starts_with("20 of 20 events within 10 minutes were refused requests"), "{}", findings[0].reason);
    }

    #[test]
    fn refusals_in_a_row_are_told_however_slowly_they_come() {
        let mut slow = requests(0.0, 3600.0, 19, "203.0.113.9", 404);
        let mut windows = detector("windows", Scope::Client);
        assert!(observe(&mut *windows, &slow).is_empty());
        slow.push(Line::new(72_000.0, "203.0.113.9", 200).web(19));
        slow.extend(requests(75_000.0, 3600.0, 20, "203.0.113.9", 404));
        let findings = observe(&mut *detector("windows", Scope::Client), &slow);
        assert_eq!(findings.len(), 1, "the granted request begins a new row");
        assert_eq!(findings[0].reason, "the last 20 requests, over 19 h, were all refused (4xx)");
    }

    #[test]
    fn a_few_errors_are_no_burst_however_large_their_share() {
        assert!(observe(&mut *detector("windows", Scope::Client), &requests(0.0, 1.0, 9, "203.0.113.9", 500)).is_empty());
    }

    #[test]
    fn a_share_of_errors_that_is_usual_for_the_entity_is_not_told() {
        let mut mixed: Vec<_> = (0..4000).map(|n| Line::new(n as f64, "a", if n % 4 == 0 { 500 } else { 200 }).web(n)).collect();
        let mut windows = detector("windows", Scope::Source);
        let early = observe(&mut *windows, &mixed[..600]);
        assert_eq!(classes(&early).first(), Some(&"error-burst"), "without a past, a quarter of errors is told");
        mixed.drain(..1200);
        let late = observe(&mut *windows, &mixed);
        assert!(late.iter().all(|finding| finding.class != "error-burst"), "{late:?}");
    }

    #[test]
    fn a_burst_against_the_own_past_is_told() {
        let mut events = requests(0.0, 30.0, 40, "10.0.0.1", 200);
        assert!(observe(&mut *detector("windows", Scope::Client), &events).is_empty());
        events.extend(requests(1200.0, 0.2, 290, "10.0.0.1", 200));
        let findings = observe(&mut *detector("windows", Scope::Client), &events);
        assert_eq!(classes(&findings).first(), Some(&"burst"));
        assert!(findings[0].reason.contains("its own minutes usually hold 2.0"), "{}", findings[0].reason);
    }

    #[test]
    fn a_steady_busy_client_is_no_burst() {
        assert!(observe(&mut *detector("windows", Scope::Client), &requests(0.0, 0.3, 9000, "10.0.0.1", 200)).is_empty());
    }

    #[test]
    fn the_total_is_silent_while_there_is_only_one_source() {
        let events = requests(0.0, 1.0, 600, "10.0.0.1", 500);
        assert!(observe(&mut *detector("windows", Scope::All), &events).is_empty());
    }
}
