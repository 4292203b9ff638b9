//! Guessing passwords, as flows show it: short connections to a port of logins, one after another.
//!
//! Fast (a bucket of 10 that leaks one each 6 seconds) from anywhere, slow from outside only, since monitoring knocks regularly.
//! A long connection right after many short ones may be the guess that was right.

use lapwing_learn::Lru;
use lapwing_model::{Action, Event, Finding, Flow, PARTITIONS, Scope, Score, Severity, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::flows::{HOUR, SECOND, from_inside, joined, moment, service, size, span};
use crate::glance::Glance;
use crate::{Detector, Events, Family, Findings, Kind};

pub const KIND: Kind = Kind {
    name: "brute_force",
    summary: "short connections to login ports, one after another, fast or slow, and a long one after them",
    family: Family::Statistical,
    scopes: &[Scope::Pair],
    enabled: |settings| settings.brute_force.enabled,
    build: |setup, _| Box::new(BruteForce::new(&setup.settings.brute_force)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Pairs and ports remembered.
    pub pairs: usize,
    /// TCP ports where people log in.
    pub ports: Vec<u16>,
    /// TCP ports where programs log in as well: they need `busy_times` as many.
    pub busy_ports: Vec<u16>,
    pub busy_times: u32,
    /// So many connections within a minute.
    pub at_least: u32,
    /// From outside: so many, where no more than one comes each 10 minutes on average.
    pub slow_at_least: u32,
    /// A longer connection, or one that carries more either way, is no failed login.
    pub short_seconds: u64,
    pub short_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            pairs: 50_000,
            ports: vec![21, 22, 23, 110, 143, 512, 513, 514, 990, 993, 995, 2222, 2323, 3389, 5900, 5901],
            busy_ports: vec![25, 88, 389, 445, 465, 587, 636, 1433, 1521, 3306, 5432, 5985, 5986, 6379, 27017],
            busy_times: 6,
            at_least: 10,
            slow_at_least: 30,
            short_seconds: 30,
            short_bytes: 20_000,
        }
    }
}

const MINUTE: i64 = 60 * SECOND;
const SLOW_LEAK: i64 = 600 * SECOND;

/// An attack is over after so long without a further attempt.
const OVER: i64 = 2 * HOUR;

#[derive(Debug)]
struct BruteForce {
    settings: Settings,
    /// The ports where somebody logs in, in their order, and how many times as many attempts they need.
    logins: Vec<(u16, u32)>,
    tries: Lru<Tries>,
}

/// Attempts of one pair at one port.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Tries {
    /// What is in the fast and in the slow bucket.
    fast: f32,
    slow: f32,
    began: i64,
    last: i64,
    count: u32,
    told: u32,
    succeeded: bool,
}

impl BruteForce {
    fn new(settings: &Settings) -> BruteForce {
        let people = settings.ports.iter().map(|port| (*port, 1));
        let programs = settings.busy_ports.iter().map(|port| (*port, settings.busy_times.max(1)));
        let mut logins: Vec<_> = people.chain(programs).collect();
        // Where a port is both, it is one of people.
        logins.sort_by_key(|(port, _)| *port);
        logins.dedup_by_key(|(port, _)| *port);
        BruteForce { tries: Lru::new(settings.pairs.div_ceil(PARTITIONS)), settings: settings.clone(), logins }
    }

    fn judge(&mut self, event: &Event, flow: &Flow) -> Option<Finding> {
        let login = self.logins.binary_search_by_key(&flow.destination_port, |(port, _)| *port).ok()?;
        let (_, times) = self.logins[login];
        if flow.protocol != Flow::TCP || flow.action == Action::Denied {
            return None;
        }
        let key = joined(event.keys.get(Scope::Pair)?, u64::from(flow.destination_port));
        let at = moment(event);
        if !self.is_short(event, flow) {
            let tries = self.tries.get(key)?;
            return tries.success(at).then(|| success(event, flow, tries));
        }
        let (tries, _) = self.tries.get_or_insert_with(key, || Tries::new(at));
        tries.add(at, self.settings.at_least.saturating_mul(times));
        let slowly = times == 1 && !from_inside(event, flow);
        let limits = (self.settings.at_least.max(2).saturating_mul(times), slowly.then_some(self.settings.slow_at_least.max(2)));
        let (slow, news) = tries.due(limits)?;
        Some(guessing(event, flow, tries, (slow, news, limits.0)))
    }

    fn is_short(&self, event: &Event, flow: &Flow) -> bool {
        event.duration <= Duration::from_secs(self.settings.short_seconds)
            && flow.bytes.max(flow.reverse_bytes) <= self.settings.short_bytes
    }
}

impl Tries {
    fn new(at: i64) -> Tries {
        Tries { fast: 0.0, slow: 0.0, began: at, last: at, count: 0, told: 0, succeeded: false }
    }

    /// One more; what has leaked since the last one is gone.
    fn add(&mut self, at: i64, a_minute: u32) {
        let passed = at.saturating_sub(self.last).max(0);
        if passed > OVER && self.slow < 2.0 {
            *self = Tries::new(at);
        }
        self.fast = (self.fast - passed as f32 * a_minute as f32 / MINUTE as f32).max(0.0) + 1.0;
        self.slow = (self.slow - passed as f32 / SLOW_LEAK as f32).max(0.0) + 1.0;
        self.began = self.began.min(at);
        self.last = self.last.max(at);
        self.count = self.count.saturating_add(1);
    }

    /// Whether it is the slow bucket that overflows, and how many are news.
    fn due(&mut self, (fast, slow): (u32, Option<u32>)) -> Option<(bool, u32)> {
        // What leaks during a minute is a minute's worth: half a bucket is reached by twice the rate.
        let many = self.fast >= fast as f32 * 0.5 && self.count >= fast && self.last.saturating_sub(self.began) <= MINUTE
            || self.fast >= fast as f32;
        let slowly = slow.is_some_and(|slow| self.slow >= slow as f32);
        if !(many || slowly) || self.count < self.told.saturating_mul(10) {
            return None;
        }
        let news = self.count - self.told;
        self.told = self.count;
        Some((!many, news))
    }

    /// A long connection of one that was guessing a moment ago.
    fn success(&mut self, at: i64) -> bool {
        let right = self.told > 0 && !self.succeeded && (0..=OVER).contains(&at.saturating_sub(self.last).saturating_add(OVER / 2));
        self.succeeded |= right;
        right
    }
}

fn guessing(event: &Event, flow: &Flow, tries: &Tries, (slow, news, limit): (bool, u32, u32)) -> Finding {
    let port = service(flow.protocol, flow.destination_port);
    let within = span(tries.last.saturating_sub(tries.began));
    let who = event.client.map_or(String::new(), |client| client.to_string());
    let severity = if tries.count >= 10 * limit { Severity::High } else { Severity::Medium };
    Finding {
        detector: KIND.name,
        rule: if slow { "slow-guessing" } else { "guessing" }.into(),
        class: "brute-force".into(),
        entity: event.entity_of(Scope::Client).unwrap_or_else(|| event.entity()),
        score: Score::new(if severity == Severity::High { 0.85 } else { 0.65 }),
        severity,
        count: u64::from(news.max(1)),
        since: Some(Timestamp::from_nanos(tries.began)),
        reason: format!(
            "{who} opened {} short connections to {port} of {} within {within}, as one that guesses passwords does (ATT&CK T1110)",
            tries.count, flow.destination
        ),
        expected: if slow { "one failed login each 10 min at most".to_owned() } else { format!("fewer than {limit} short connections within a minute") },
        observed: format!("{} short connections to {port} of {} within {within}", tries.count, flow.destination),
    }
}

fn success(event: &Event, flow: &Flow, tries: &Tries) -> Finding {
    let port = service(flow.protocol, flow.destination_port);
    let who = event.client.map_or(String::new(), |client| client.to_string());
    let (took, bytes) = (event.duration.as_secs_f64(), size(flow.all_bytes() as f64));
    Finding {
        detector: KIND.name,
        rule: "login-after-guessing".into(),
        class: "brute-force".into(),
        entity: event.entity_of(Scope::Client).unwrap_or_else(|| event.entity()),
        score: Score::new(0.85),
        severity: Severity::High,
        count: 1,
        since: Some(Timestamp::from_nanos(tries.began)),
        reason: format!(
            "after {} short connections, {who} stayed connected to {port} of {} for {took:.0} s and {bytes}: a password may have been \
             guessed (ATT&CK T1110, T1078)",
            tries.count, flow.destination
        ),
        expected: "short connections only, as long as no password is right".to_owned(),
        observed: format!("one of {took:.0} s and {bytes}"),
    }
}

impl Detector for BruteForce {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        for (at, event, _) in events.of(Glance::ANSWERED) {
            let Some(flow) = event.flow() else { continue };
            if let Some(finding) = self.judge(event, flow) {
                findings.push_with(at, finding, true, Vec::new());
            }
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if !self.tries.is_empty() {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(&self.tries).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let capacity = self.tries.capacity();
        self.tries = postcard::from_bytes(state).map_err(|error| format!("the saved attempts cannot be read: {error}"))?;
        self.tries.set_capacity(capacity);
        Ok(())
    }

    fn entities(&self) -> usize {
        self.tries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{detector, flow, observe, tcp};

    fn login(n: u64, every: f64, client: &str, port: u16) -> Event {
        flow(n, 1000.0 + n as f64 * every, client, Flow { bytes: 900, reverse_bytes: 1200, ..tcp("10.0.0.9", 50_000, port, 27) })
    }

    fn found(events: &[Event]) -> Vec<Finding> {
        observe(&mut *detector("brute_force", Scope::Pair), events)
    }

    #[test]
    fn ten_short_connections_within_a_minute_are_told_once_and_again_at_a_hundred() {
        let events: Vec<_> = (0..120).map(|n| login(n, 2.0, "203.0.113.9", 22)).collect();
        assert!(found(&events[..9]).is_empty());
        let findings = found(&events);
        assert_eq!(findings.iter().map(|finding| finding.count).collect::<Vec<_>>(), [10, 90], "{findings:?}");
        assert_eq!((&*findings[1].rule, findings[1].severity), ("guessing", Severity::High));
    }

    #[test]
    fn slow_guessing_is_told_from_outside_and_regular_checks_from_inside_are_not() {
        let slow = |client: &str| (0..60).map(|n| login(n, 120.0, client, 22)).collect::<Vec<_>>();
        assert_eq!(found(&slow("203.0.113.9")).first().map(|finding| &*finding.rule), Some("slow-guessing"));
        assert!(found(&slow("10.0.0.3")).is_empty());
        let database: Vec<_> = (0..300).map(|n| login(n, 2.0, "10.0.0.3", 5432)).collect();
        assert!(found(&database).is_empty(), "programs log in more often");
    }

    #[test]
    fn a_long_connection_after_guessing_is_grave() {
        let mut events: Vec<_> = (0..20).map(|n| login(n, 2.0, "203.0.113.9", 22)).collect();
        let mut long = login(21, 2.0, "203.0.113.9", 22);
        long.duration = Duration::from_secs(900);
        assert!(found(std::slice::from_ref(&long)).is_empty());
        events.push(long);
        let findings = found(&events);
        assert_eq!((&*findings[1].rule, findings[1].severity), ("login-after-guessing", Severity::High));
    }
}
