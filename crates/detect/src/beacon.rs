//! Malware that reports home: connections of a pair at regular intervals, alike in size, all day.
//!
//! Scored as RITA does (Active Countermeasures: Real Intelligence Threat Analytics): the skew and the spread of intervals and of
//! sizes, how evenly the hours of the last day are used, and how long it goes on. Few timestamps count for less, and what many
//! hosts do is a service they share. What keeps to the clock on the wall is a job of one's own (cron, monitoring): who sleeps between two
//! calls drifts.

mod score;

use lapwing_learn::{Distinct, Lru};
use lapwing_model::{Event, Finding, Flow, Scope, Score, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::flows::{HOUR, from_inside, joined, moment, service, size, span, to_inside};
use crate::glance::Glance;
use crate::{Detector, Events, Family, Findings, Kind};
use score::{Rhythm, Sample};

pub const KIND: Kind = Kind {
    name: "beacon",
    summary: "a pair that talks at regular intervals, alike in size, for long",
    family: Family::Statistical,
    // One place sees all pairs: whether a destination is popular shows in its other clients only.
    scopes: &[Scope::All],
    enabled: |settings| settings.beacon.enabled,
    build: |setup, _| Box::new(Beacon::new(&setup.settings.beacon)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Pairs remembered; the one seen longest ago is forgotten first.
    pub pairs: usize,
    /// Connections of a pair before it is scored.
    pub at_least: u32,
    /// And so long between the first and the last.
    pub at_least_seconds: u64,
    /// Scores (0 to 100) from which on it is noted, and of low, medium and high severity.
    pub stages: [f64; 4],
    /// Destination ports that are regular by nature.
    pub ignore_ports: Vec<u16>,
    /// Whether those that keep to the clock on the wall to a second or two are told as well: jobs and monitoring do.
    pub by_the_clock: bool,
    /// Whether pairs within one's own network are looked at: monitoring and polling are regular, too.
    pub inside: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            pairs: 100_000,
            at_least: 4,
            at_least_seconds: 3000,
            stages: [50.0, 70.0, 90.0, 99.5],
            ignore_ports: vec![53, 67, 68, 123, 137, 138, 1900, 5353],
            by_the_clock: false,
            inside: false,
        }
    }
}

/// Timestamps remembered of a pair.
const SAMPLES: usize = 64;

/// A pair is scored anew after so many further connections, once it has many.
const LOOK_EVERY: u32 = 8;

/// From this stage on people are told; below, it is noted.
const TOLD: u8 = 2;

/// So many clients, and this share of all of them, make a destination a service that hosts share.
const CLIENTS: f64 = 3.0;
const SHARE: f64 = 0.05;

#[derive(Debug)]
struct Beacon {
    settings: Settings,
    memory: Memory,
}

#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    pairs: Lru<Pair>,
    /// Clients of each destination.
    popular: Lru<Distinct>,
    clients: Distinct,
    first: i64,
}

/// Who talks to whom, when and how much: bounded, and little for the many that do it a few times only.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pair {
    first: i64,
    last: i64,
    samples: Vec<Sample>,
    /// Of all connections, once there were more than the samples tell of.
    hours: Option<Box<Hours>>,
    /// Connections; those within a second of the newest count as one.
    count: u32,
    next_look: u32,
    told_count: u32,
    /// The highest stage that was told.
    told: u8,
    place: u8,
}

/// In which day (a number that wraps) each hour of the day was used last, and how often.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Hours([(u16, u16); 24]);

impl Hours {
    fn of(samples: &[Sample]) -> Hours {
        let mut hours = Hours::default();
        samples.iter().for_each(|sample| hours.count(sample.at));
        hours
    }

    fn count(&mut self, at: i64) {
        let hour = at.div_euclid(HOUR);
        let (day, used) = &mut self.0[hour.rem_euclid(24) as usize];
        let today = hour.div_euclid(24) as u16;
        if *day != today {
            (*day, *used) = (today, 0);
        }
        *used = used.saturating_add(1);
    }

    /// Connections in an hour, by its number since the epoch.
    fn used(&self, hour: i64) -> f64 {
        let (day, used) = self.0[hour.rem_euclid(24) as usize];
        if day == hour.div_euclid(24) as u16 { f64::from(used) } else { 0.0 }
    }
}

impl Beacon {
    fn new(settings: &Settings) -> Beacon {
        let pairs = settings.pairs;
        let memory = Memory { pairs: Lru::new(pairs), popular: Lru::new(pairs / 4 + 1), clients: Distinct::new(), first: i64::MAX };
        Beacon { settings: settings.clone(), memory }
    }

    fn wants(&self, event: &Event, flow: &Flow, glance: Glance) -> bool {
        // Who is outside and comes regularly is a visitor.
        let inwards = to_inside(flow) && !(self.settings.inside && from_inside(event, flow));
        !inwards
            && !self.settings.ignore_ports.contains(&flow.destination_port)
            && !matches!(flow.protocol, Flow::ICMP | Flow::ICMP6)
            // Who is not there (a mail server that is gone) is tried again by the clock.
            && !glance.meets(Glance::ANSWER.or(Glance::FAILED))
            && !crate::flows::is_to_many(flow.destination)
    }
}

impl Memory {
    fn judge(&mut self, event: &Event, flow: &Flow, settings: &Settings) -> Option<Finding> {
        let [pair_key, client, victim] = [Scope::Pair, Scope::Client, Scope::Victim].map(|scope| event.keys.get(scope));
        let (pair_key, client, victim) = (pair_key?, client?, victim?);
        let at = moment(event);
        self.first = self.first.min(at);
        let key = joined(pair_key, u64::from(flow.destination_port) << 8 | u64::from(flow.protocol));
        let (pair, new) = self.pairs.get_or_insert_with(key, || Pair::new(at));
        if new {
            self.clients.insert(client);
            self.popular.get_or_insert_with(victim, Distinct::new).0.insert(client);
        }
        if !pair.add(at, flow.bytes) || pair.count < settings.at_least.max(3) || pair.count < pair.next_look {
            return None;
        }
        pair.next_look = pair.count + (pair.count / 4).clamp(1, LOOK_EVERY);
        let lasted = pair.last.saturating_sub(pair.first);
        if lasted < i64::try_from(settings.at_least_seconds).unwrap_or(i64::MAX).saturating_mul(crate::flows::SECOND) {
            return None;
        }
        let watched = at.saturating_sub(self.first).clamp(HOUR, 24 * HOUR);
        let mut rhythm = pair.rhythm(watched)?;
        let clients = self.popular.peek(victim).map_or(0.0, Distinct::count);
        let shared = clients >= CLIENTS && clients >= SHARE * self.clients.count();
        if shared || rhythm.on_the_clock && !settings.by_the_clock {
            // Noted, but no more.
            rhythm.score = rhythm.score.min(settings.stages[1] - 1.0);
        }
        let stage = settings.stages.iter().filter(|&&least| rhythm.score >= least).count() as u8;
        // What was told goes on: the same anomaly, until it is over.
        let goes_on = stage >= TOLD && pair.told >= TOLD;
        if stage <= pair.told && !goes_on {
            return None;
        }
        let news = pair.count - pair.told_count;
        (pair.told, pair.told_count) = (stage.max(pair.told), pair.count);
        Some(finding(event, flow, pair, &rhythm, stage, news))
    }
}

impl Pair {
    fn new(at: i64) -> Pair {
        Pair {
            first: at,
            last: i64::MIN / 4,
            samples: Vec::new(),
            hours: None,
            count: 0,
            next_look: 0,
            told_count: 0,
            told: 0,
            place: 0,
        }
    }

    /// Adds a connection; false where it belongs to the one before.
    fn add(&mut self, at: i64, bytes: u64) -> bool {
        if (at - self.last).abs() < crate::flows::SECOND {
            return false;
        }
        // A pair that was away for two days, or times from long before: what was known is of no use.
        if (at - self.last).abs() > 48 * HOUR {
            let (told, told_count) = (self.told, 0);
            *self = Pair { told, told_count, ..Pair::new(at) };
        }
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        self.count = self.count.saturating_add(1);
        let sample = Sample { at, bytes: u32::try_from(bytes).unwrap_or(u32::MAX) };
        if self.samples.len() < SAMPLES {
            self.samples.push(sample);
            return true;
        }
        self.hours.get_or_insert_with(|| Box::new(Hours::of(&self.samples))).count(at);
        if let Some(oldest) = self.samples.get_mut(usize::from(self.place)) {
            *oldest = sample;
            self.place = (self.place + 1) % SAMPLES as u8;
        }
        true
    }

    /// Connections in each hour up to the newest, the oldest first; at most a day back.
    fn histogram(&self, watched: i64) -> Vec<f64> {
        let newest = self.last.div_euclid(HOUR);
        let back = (watched / HOUR).clamp(1, 24);
        let sampled;
        let hours = match &self.hours {
            Some(hours) => hours,
            None => {
                sampled = Hours::of(&self.samples);
                &sampled
            }
        };
        ((newest - back + 1)..=newest).map(|hour| hours.used(hour)).collect()
    }

    fn rhythm(&self, watched: i64) -> Option<Rhythm> {
        let lasted = self.last.saturating_sub(self.first).min(24 * HOUR);
        Rhythm::of(&self.samples, &self.histogram(watched), lasted as f64 / watched as f64, self.count)
    }
}

fn finding(event: &Event, flow: &Flow, pair: &Pair, rhythm: &Rhythm, stage: u8, news: u32) -> Finding {
    let severity = match stage {
        0 | 1 => Severity::Info,
        2 => Severity::Low,
        3 => Severity::Medium,
        _ => Severity::High,
    };
    let entity = event.entity_of(Scope::Pair).unwrap_or_else(|| event.entity());
    let every = span((rhythm.interval * 1e9) as i64);
    let lasted = span(pair.last.saturating_sub(pair.first));
    let who = event.client.map_or_else(|| entity.to_string(), |client| client.to_string());
    Finding {
        detector: KIND.name,
        rule: "beacon".into(),
        class: "beacon".into(),
        // A weight of its own: the scale is RITA's.
        score: Score::new((rhythm.score / 100.0 * 0.85) as f32 * if severity == Severity::Info { 0.25 } else { 1.0 }),
        severity,
        count: u64::from(news.max(1)),
        since: Some(Timestamp::from_nanos(pair.first)),
        reason: format!(
            "{who} talks to {} on {} every {every} or so, {} times within {lasted}, about {} each: beacon score {:.0} \
             (intervals {:.0}, sizes {:.0}, hours {:.0}, duration {:.0}) (ATT&CK T1071)",
            flow.destination,
            service(flow.protocol, flow.destination_port),
            pair.count,
            size(rhythm.bytes),
            rhythm.score,
            rhythm.intervals,
            rhythm.sizes,
            rhythm.hours,
            rhythm.duration
        ),
        entity,
        expected: "intervals and sizes that vary, as those of people do (a score below 50)".to_owned(),
        observed: format!("a connection every {every}, half of them within {} of it", span((rhythm.spread * 1e9) as i64)),
    }
}

impl Detector for Beacon {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        for (at, event, glance) in events.of(Glance::FLOW) {
            let Some(flow) = event.flow() else { continue };
            if self.wants(event, flow, glance) {
                findings.extend_event(at, self.memory.judge(event, flow, &self.settings));
            }
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if !self.memory.pairs.is_empty() {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(&self.memory).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let mut memory: Memory =
            postcard::from_bytes(state).map_err(|error| format!("the saved pairs cannot be read: {error}"))?;
        memory.pairs.set_capacity(self.memory.pairs.capacity());
        memory.popular.set_capacity(self.memory.popular.capacity());
        self.memory = memory;
        Ok(())
    }

    fn entities(&self) -> usize {
        self.memory.pairs.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{detector, flow, observe, tcp};

    /// Numbers between 0 and 1.
    fn random(state: &mut u64) -> f64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn connection(n: u64, second: f64, client: &str, to: &str, bytes: u64) -> Event {
        flow(n, second, client, Flow { bytes, reverse_bytes: 900, ..tcp(to, 50_000, 443, 27) })
    }

    /// Ten thousand pairs of people and sites within a day, and who calls home every 300 seconds.
    fn day(beacon: bool) -> Vec<Event> {
        let mut state = 7;
        let mut events = Vec::new();
        for pair in 0..10_000_u64 {
            let (client, to) = (format!("10.0.{}.{}", pair % 2, pair % 100), format!("198.51.{}.{}", pair / 250, pair % 250));
            let mut second = 80_000.0 * random(&mut state);
            for n in 0..3 + pair % 12 {
                second += -(random(&mut state).max(1e-9)).ln() * 900.0;
                events.push(connection(pair * 100 + n, second, &client, &to, 300 + (random(&mut state) * 9000.0) as u64));
            }
        }
        let mut second = 100.0;
        while beacon && second < 86_000.0 {
            events.push(connection(0, second, "10.0.0.7", "203.0.113.66", 420));
            second += 300.0 * (0.9 + 0.2 * random(&mut state));
        }
        events.sort_by_key(|event| event.at);
        events
    }

    #[test]
    fn one_that_calls_home_every_five_minutes_ranks_first_among_ten_thousand_ordinary_pairs() {
        let findings = judge(&day(true));
        let (best, rest): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.entity.name.contains("203.0.113.66"));
        let highest = |findings: &[&Finding]| findings.iter().map(|finding| finding.score).max();
        assert!(highest(&best) > highest(&rest), "{:?} {:?}", highest(&best), highest(&rest));
        assert!(best.iter().any(|finding| finding.severity >= Severity::Medium), "{best:?}");
        let told: Vec<_> = rest.iter().filter(|finding| finding.severity >= Severity::Low).collect();
        assert!(told.len() <= 1, "{told:?}");
    }

    fn judge(events: &[Event]) -> Vec<Finding> {
        let mut beacon = detector("beacon", Scope::All);
        events.chunks(1000).flat_map(|chunk| observe(&mut *beacon, chunk)).collect()
    }

    #[test]
    fn one_that_goes_on_is_told_of_again_before_what_was_told_is_over() {
        let findings = judge(&(0..400).map(|n| connection(n, n as f64 * 301.3, "10.0.0.7", "203.0.113.66", 420)).collect::<Vec<_>>());
        let told: Vec<_> = findings.iter().filter(|finding| finding.severity >= Severity::Low).collect();
        let counted = findings.iter().map(|finding| finding.count).sum();
        assert!((400 - u64::from(LOOK_EVERY) + 1..=400).contains(&counted), "each connection is counted once: {counted}");
        assert!((400 / 8..400 / 4).contains(&told.len()), "{}", told.len());
        assert!(told.iter().all(|finding| finding.since == told[0].since));
    }

    #[test]
    fn jobs_that_keep_to_the_clock_and_retries_of_what_is_gone_are_not_told() {
        let every = |seconds: f64, flags: u16| -> Vec<_> {
            let at = |n: u64| n as f64 * seconds + (n * 7 % 10) as f64 / 10.0;
            let to = |n| flow(n, at(n), "10.0.0.5", Flow { bytes: 420, ..tcp("203.0.113.1", 50_000, 443, flags) });
            judge(&(0..200).map(to).collect::<Vec<_>>())
        };
        let told = |findings: Vec<Finding>| findings.iter().any(|finding| finding.severity >= Severity::Low);
        assert!(told(every(301.3, 27)), "who sleeps is told");
        assert!(!told(every(300.0, 27)), "cron is not");
        assert!(every(301.3, crate::flows::SYN).is_empty(), "nobody is there");
    }

    #[test]
    fn a_service_that_all_hosts_ask_regularly_counts_less_than_one_that_only_one_does() {
        let score = |clients: u64| {
            let events: Vec<_> = (0..60_u64)
                .flat_map(|n| {
                    (0..20).map(move |client| {
                        let to = if client < clients { "203.0.113.1".to_owned() } else { format!("198.51.{client}.{n}") };
                        connection(n, n as f64 * 300.4 + client as f64, &format!("10.0.0.{client}"), &to, 420)
                    })
                })
                .collect();
            judge(&events).iter().map(|finding| finding.score).max().unwrap_or_default()
        };
        assert!(score(20) < score(1), "{:?} {:?}", score(20), score(1));
    }
}
