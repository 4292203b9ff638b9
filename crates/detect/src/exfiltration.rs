//! More leaves than ever left: bytes that one host of one's own network sends to one outside, within a day.
//!
//! Against the host's own past (a quantile of the most it sent to anybody in an hour) and an absolute minimum.

use lapwing_learn::{Lru, TDigest};
use lapwing_model::{Entity, Event, Finding, Flow, PARTITIONS, Scope, Score, Severity, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

use crate::flows::{HOUR, from_inside, is_to_many, moment, size, span, to_inside};
use crate::glance::Glance;
use crate::{Detector, Events, Family, Findings, Kind};

pub const KIND: Kind = Kind {
    name: "exfiltration",
    summary: "a host that sends far more to one outside than it ever sent to anybody",
    family: Family::Statistical,
    scopes: &[Scope::Client, Scope::Victim],
    enabled: |settings| settings.exfiltration.enabled,
    build: |setup, scope| Box::new(Exfiltration::new(&setup.settings.exfiltration, scope)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Hosts remembered, and pairs of a host and one outside that it sent something to.
    pub hosts: usize,
    pub pairs: usize,
    /// At least so many bytes within a day, to one outside.
    pub at_least_bytes: u64,
    /// And so many times what this share of the host's hours stayed below, for each hour that it took.
    pub times_own_past: f64,
    pub quantile: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            hosts: 16_384,
            pairs: 100_000,
            at_least_bytes: 500_000_000,
            times_own_past: 3.0,
            quantile: 0.99,
        }
    }
}

/// Hours with traffic from which on a host has a past, and in how many of them an hour counts half.
const PAST_HOURS: u32 = 3;
const HALF_LIFE: f64 = 240.0;

const DAY: i64 = 24 * HOUR;

/// Less than this is not worth remembering a pair for.
const LITTLE: u64 = 10_000;

#[derive(Debug)]
struct Exfiltration {
    settings: Settings,
    /// Client: who opens also sends. Victim: who is asked sends.
    scope: Scope,
    memory: Memory,
}

#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    hosts: Lru<Host>,
    pairs: Lru<Pair>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Host {
    hour: i64,
    /// The most that it sent to one outside in this hour.
    most: u64,
    hours: u32,
    past: TDigest,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Pair {
    began: i64,
    hour: i64,
    in_hour: u64,
    /// Hours in which something was sent.
    hours: u32,
    sent: u64,
    flows: u64,
    told: u64,
}

/// What one flow takes outside.
struct Sent {
    from: IpAddr,
    to: IpAddr,
    host: u64,
    pair: u64,
    bytes: u64,
    at: i64,
}

impl Exfiltration {
    fn new(settings: &Settings, scope: Scope) -> Exfiltration {
        let memory = Memory {
            hosts: Lru::new(settings.hosts.div_ceil(PARTITIONS)),
            pairs: Lru::new(settings.pairs.div_ceil(PARTITIONS)),
        };
        Exfiltration { settings: settings.clone(), scope, memory }
    }

    fn sent(&self, event: &Event, flow: &Flow) -> Option<Sent> {
        let client = event.client?;
        let (from, to, bytes) = match self.scope {
            Scope::Victim if flow.reverse_bytes > LITTLE => (flow.destination, client, flow.reverse_bytes),
            Scope::Client if flow.bytes > LITTLE => (client, flow.destination, flow.bytes),
            _ => return None,
        };
        let outwards = match self.scope {
            Scope::Victim => to_inside(flow) && !from_inside(event, flow),
            _ => from_inside(event, flow) && !to_inside(flow),
        };
        if !outwards || is_to_many(to) {
            return None;
        }
        Some(Sent { from, to, host: event.keys.get(self.scope)?, pair: event.keys.get(Scope::Pair)?, bytes, at: moment(event) })
    }
}

impl Memory {
    fn judge(&mut self, sent: &Sent, settings: &Settings) -> Option<Finding> {
        let hour = sent.at.div_euclid(HOUR);
        let (host, _) = self.hosts.get_or_insert_with(sent.host, || Host::new(hour));
        host.pass_to(hour);
        let (pair, _) = self.pairs.get_or_insert_with(sent.pair, || Pair::new(sent.at));
        pair.add(sent.at, hour, sent.bytes);
        let finding = pair.due(host, settings).map(|(usual, news)| pair.finding(sent, settings, usual, news));
        // Learnt after it was judged, and what was told is not learnt: it would be ordinary the next day.
        if pair.told == 0 {
            host.most = host.most.max(pair.in_hour);
        }
        finding
    }
}

impl Host {
    fn new(hour: i64) -> Host {
        Host { hour, most: 0, hours: 0, past: TDigest::fading(20.0, HALF_LIFE) }
    }

    fn pass_to(&mut self, hour: i64) {
        if hour > self.hour {
            self.past.observe(self.most as f64);
            self.hours = self.hours.saturating_add(1);
            (self.hour, self.most) = (hour, 0);
        }
    }
}

impl Pair {
    fn new(at: i64) -> Pair {
        Pair { began: at, hour: i64::MIN, in_hour: 0, hours: 0, sent: 0, flows: 0, told: 0 }
    }

    fn add(&mut self, at: i64, hour: i64, bytes: u64) {
        if at.saturating_sub(self.began) > DAY {
            *self = Pair::new(at);
        }
        if hour > self.hour {
            (self.hour, self.in_hour, self.hours) = (hour, 0, self.hours.saturating_add(1));
        }
        self.began = self.began.min(at);
        self.in_hour = self.in_hour.saturating_add(bytes);
        self.sent = self.sent.saturating_add(bytes);
        self.flows += 1;
    }

    /// What was usual (none for a host without a past) and how many flows are news, where it is to be told.
    fn due(&mut self, host: &Host, settings: &Settings) -> Option<(Option<f64>, u64)> {
        if self.sent < settings.at_least_bytes.max(1) || self.sent < self.told.saturating_mul(10) {
            return None;
        }
        let known = host.hours >= PAST_HOURS;
        let usual = if known { host.past.quantile(settings.quantile) * f64::from(self.hours.max(1)) } else { 0.0 };
        // Of a host that nothing is known of, twice as much is needed.
        let enough = if known { settings.times_own_past * usual } else { 2.0 * settings.at_least_bytes as f64 };
        if (self.sent as f64) < enough {
            return None;
        }
        self.told = self.sent;
        Some((known.then_some(usual), std::mem::take(&mut self.flows)))
    }

    fn finding(&self, sent: &Sent, settings: &Settings, usual: Option<f64>, news: u64) -> Finding {
        let within = span(sent.at.saturating_sub(self.began));
        let total = size(self.sent as f64);
        let large = self.sent >= settings.at_least_bytes.saturating_mul(10);
        let severity = if large || usual.is_some() { Severity::High } else { Severity::Medium };
        let past = match usual {
            Some(usual) => format!("at most {} at this pace, as in 99 % of its hours", size(usual)),
            None => format!("less than {}", size(settings.at_least_bytes as f64)),
        };
        Finding {
            detector: KIND.name,
            rule: "volume-out".into(),
            class: "exfiltration".into(),
            entity: Entity::new(Scope::Client, sent.from.to_string()),
            score: Score::new(if severity == Severity::High { 0.85 } else { 0.6 }),
            severity,
            count: news.max(1),
            since: Some(Timestamp::from_nanos(self.began)),
            reason: format!("{} sent {total} to {} within {within}, far more than it usually sends (ATT&CK T1048)", sent.from, sent.to),
            expected: past,
            observed: format!("{total} to {} within {within}", sent.to),
        }
    }
}

impl Detector for Exfiltration {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        for (at, event, _) in events.of(Glance::FLOW) {
            let Some(flow) = event.flow() else { continue };
            if let Some(sent) = self.sent(event, flow)
                && let Some(finding) = self.memory.judge(&sent, &self.settings)
            {
                findings.push_with(at, finding, true, Vec::new());
            }
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if !self.memory.hosts.is_empty() {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(&self.memory).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let mut memory: Memory =
            postcard::from_bytes(state).map_err(|error| format!("the saved hosts cannot be read: {error}"))?;
        memory.hosts.set_capacity(self.settings.hosts.div_ceil(PARTITIONS));
        memory.pairs.set_capacity(self.settings.pairs.div_ceil(PARTITIONS));
        self.memory = memory;
        Ok(())
    }

    fn entities(&self) -> usize {
        self.memory.hosts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{detector, flow, observe, tcp};

    fn upload(n: u64, second: f64, to: &str, bytes: u64) -> Event {
        flow(n, second, "10.0.0.7", Flow { bytes, packets: bytes / 1000, reverse_bytes: bytes / 50, ..tcp(to, 50_000, 443, 27) })
    }

    /// So many hours of small requests.
    fn ordinary(hours: u64, bytes: u64) -> Vec<Event> {
        (0..hours * 60).map(|n| upload(n, n as f64 * 60.0, &format!("198.51.100.{}", n % 20), bytes)).collect()
    }

    #[test]
    fn an_upload_of_a_gigabyte_by_a_host_that_never_sends_is_found_once() {
        let mut events = ordinary(6, 20_000);
        events.extend((0..100).map(|n| upload(1000 + n, 21_600.0 + n as f64 * 3.0, "203.0.113.66", 10_000_000)));
        let findings = observe(&mut *detector("exfiltration", Scope::Client), &events);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((findings[0].severity, &*findings[0].entity.name), (Severity::High, "10.0.0.7"));
        assert!(findings[0].reason.contains("203.0.113.66"), "{}", findings[0].reason);
    }

    #[test]
    fn a_host_that_always_sends_as_much_may_do_so() {
        let events: Vec<_> = (0..48).map(|hour| upload(hour, hour as f64 * 3600.0, "203.0.113.66", 450_000_000)).collect();
        assert!(observe(&mut *detector("exfiltration", Scope::Client), &events[..]).len() <= 1, "at most before anything is known");
    }

    #[test]
    fn what_stays_inside_is_none_and_what_is_fetched_from_outside_is() {
        let inside = [upload(0, 0.0, "10.0.0.9", 5_000_000_000)];
        assert!(observe(&mut *detector("exfiltration", Scope::Client), &inside).is_empty());
        let fetched = Flow { reverse_bytes: 5_000_000_000, ..tcp("10.0.0.9", 50_000, 8443, 27) };
        let fetched = [flow(0, 0.0, "203.0.113.66", fetched)];
        let findings = observe(&mut *detector("exfiltration", Scope::Victim), &fetched);
        assert_eq!(findings.first().map(|finding| &*finding.entity.name), Some("10.0.0.9"));
    }
}
