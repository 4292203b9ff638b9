//! Too much for one address: floods of SYN, UDP and ICMP, and answers that amplify (reflection).
//!
//! Counted per victim within a minute, against an absolute minimum and the victim's own past. A sketch of counts stands before
//! the memory of victims: who is sent little is not remembered. A scan is no flood: requests are counted per port.

use lapwing_learn::{Baseline, CountMin, Distinct, Lru, SlidingCounts, Window};
use lapwing_model::{Entity, Event, Finding, Flow, PARTITIONS, Scope, Score, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::flows::{Contact, HOUR, MINUTE, joined, moment, service, size};
use crate::glance::Glance;
use crate::{Detector, Events, Family, Findings, Kind};

pub const KIND: Kind = Kind {
    name: "flood",
    summary: "floods of SYN, UDP and ICMP at one address, and reflected answers that nobody asked for",
    family: Family::Statistical,
    scopes: &[Scope::Victim],
    enabled: |settings| settings.flood.enabled,
    build: |setup, _| Box::new(Flood::new(&setup.settings.flood)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Victims remembered that are sent much.
    pub victims: usize,
    /// Counters in each of the four rows of the sketch.
    pub width: usize,
    /// Connections that were begun at one port of the victim within a minute and never established.
    pub syn: u32,
    /// Packets of UDP within a minute that nothing answers.
    pub udp: u32,
    /// Packets of ICMP within a minute.
    pub icmp: u32,
    /// Kilobytes within a minute from services that amplify, unasked for.
    pub reflection: u32,
    /// And so many times what a minute of the victim usually holds.
    pub times_own_past: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            victims: 16_384,
            width: 65_536,
            syn: 2_000,
            udp: 300_000,
            icmp: 15_000,
            reflection: 60_000,
            times_own_past: 5.0,
        }
    }
}

/// UDP services that answer with more than they are asked.
const AMPLIFIERS: [u16; 17] = [17, 19, 53, 69, 111, 123, 137, 161, 389, 520, 1900, 3283, 3702, 5353, 5683, 11211, 27015];

/// Steps (minutes with much) after which half of the past is forgotten, and beyond how many deviations a minute is learnt as that.
const HALF_LIFE: f64 = 60.0;
const CLIP: f64 = 3.0;

/// A victim has a past after so many minutes.
const PAST_MINUTES: u64 = 10;

/// A flood is told anew when it is ten times as much, or after so long.
const OVER: i64 = HOUR;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Syn,
    Udp,
    Icmp,
    Reflection,
}

impl What {
    const fn rule(self) -> &'static str {
        match self {
            What::Syn => "syn-flood",
            What::Udp => "udp-flood",
            What::Icmp => "icmp-flood",
            What::Reflection => "reflection",
        }
    }

    const fn technique(self) -> &'static str {
        match self {
            What::Syn => "T1499.001",
            What::Udp | What::Icmp => "T1498.001",
            What::Reflection => "T1498.002",
        }
    }
}

#[derive(Debug)]
struct Flood {
    settings: Settings,
    memory: Option<Memory>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    door: CountMin,
    minute: i64,
    victims: Lru<Victim>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Victim {
    /// What counts towards the flood, and what was done as it should be.
    counts: SlidingCounts<2>,
    sources: Distinct,
    past: Baseline,
    minute: i64,
    in_minute: f64,
    since_look: f64,
    told: f64,
    told_at: i64,
}

/// A flow's share in what may be a flood.
struct Share {
    what: What,
    key: u64,
    amount: f64,
    at_least: u32,
}

impl Flood {
    fn new(settings: &Settings) -> Flood {
        Flood { settings: settings.clone(), memory: None }
    }
}

impl Share {
    fn of(event: &Event, flow: &Flow, contact: Contact, settings: &Settings) -> Option<Share> {
        let victim = event.keys.get(Scope::Victim)?;
        let packets = flow.packets.max(1) as f64;
        // What came over a longer time counts with what a minute of it holds.
        let minutes = (event.duration.as_secs_f64() / 60.0).max(1.0);
        let (what, amount, at_least) = match (flow.protocol, contact) {
            (Flow::TCP, Contact::Failed) => (What::Syn, packets, settings.syn),
            (Flow::UDP, Contact::Answer | Contact::Failed | Contact::Silent) if AMPLIFIERS.contains(&flow.source_port) => {
                (What::Reflection, flow.bytes as f64 / 1e3, settings.reflection)
            }
            (Flow::UDP, Contact::Answer | Contact::Failed | Contact::Silent) => (What::Udp, packets, settings.udp),
            (Flow::ICMP | Flow::ICMP6, _) => (What::Icmp, packets, settings.icmp),
            _ => return None,
        };
        let port = if what == What::Syn { u64::from(flow.destination_port) } else { 0 };
        Some(Share { what, key: joined(victim, port << 8 | what as u64), amount: amount / minutes, at_least: at_least.max(8) })
    }
}

impl Memory {
    fn new(settings: &Settings) -> Memory {
        Memory {
            door: CountMin::new(settings.width / PARTITIONS),
            minute: i64::MIN,
            victims: Lru::new(settings.victims.div_ceil(PARTITIONS)),
        }
    }

    fn judge(&mut self, event: &Event, flow: &Flow, contact: Contact, settings: &Settings) -> Option<Finding> {
        let Some(share) = Share::of(event, flow, contact, settings) else {
            self.completed(event, flow, contact);
            return None;
        };
        let step = f64::from(share.at_least) / 8.0;
        let whole = share.amount.ceil().clamp(1.0, f64::from(u32::MAX)) as u32;
        if f64::from(self.door.add_many(share.key, whole)) < step {
            return None;
        }
        let at = moment(event);
        let (victim, _) = self.victims.get_or_insert_with(share.key, || Victim::new(at));
        victim.counts.add(at, [whole, 0]);
        victim.sources.insert(event.keys.get(Scope::Client).unwrap_or_default());
        victim.pass_to(at.div_euclid(MINUTE), share.amount);
        victim.since_look += share.amount;
        if victim.since_look < step {
            return None;
        }
        victim.since_look = 0.0;
        victim.flooded(&share, settings.times_own_past, at).map(|(rate, usual, news)| {
            finding(&share, victim, flow, at, (rate, usual, news))
        })
    }

    /// A connection as it should be: of weight only for who may be under a flood.
    fn completed(&mut self, event: &Event, flow: &Flow, contact: Contact) {
        if flow.protocol != Flow::TCP || self.victims.is_empty() || contact != Contact::Answered {
            return;
        }
        let Some(key) = event.keys.get(Scope::Victim) else { return };
        if let Some(victim) = self.victims.get(joined(key, u64::from(flow.destination_port) << 8 | What::Syn as u64)) {
            victim.counts.add(moment(event), [0, 1]);
        }
    }
}

impl Victim {
    fn new(at: i64) -> Victim {
        Victim {
            counts: SlidingCounts::new(),
            sources: Distinct::new(),
            past: Baseline::robust(HALF_LIFE, CLIP),
            minute: at.div_euclid(MINUTE),
            in_minute: 0.0,
            since_look: 0.0,
            told: 0.0,
            told_at: i64::MIN / 2,
        }
    }

    fn pass_to(&mut self, minute: i64, amount: f64) {
        if minute > self.minute {
            self.past.observe(self.in_minute);
            (self.minute, self.in_minute) = (minute, 0.0);
        }
        self.in_minute += amount;
    }

    /// The rate in a minute, what was expected, and how much of it is news; none where it is no flood or was told.
    fn flooded(&mut self, share: &Share, times: f64, at: i64) -> Option<(f64, f64, u64)> {
        let [rate, completed] = self.counts.count(Window::Minute, at);
        let known = self.past.steps() >= PAST_MINUTES;
        let usual = if known { self.past.expected() } else { 0.0 };
        // A service that answers most of those who ask has a lot to do, or some that cannot reach it.
        if rate < f64::from(share.at_least) || rate < times * usual || completed > rate {
            return None;
        }
        if at.saturating_sub(self.told_at) > OVER {
            self.told = 0.0;
            self.told_at = at;
        }
        if rate < 10.0 * self.told {
            return None;
        }
        let news = (rate - self.told).max(1.0) as u64;
        (self.told, self.told_at) = (rate, at);
        Some((rate, usual, news))
    }
}

fn finding(share: &Share, victim: &Victim, flow: &Flow, at: i64, (rate, usual, news): (f64, f64, u64)) -> Finding {
    let (target, sources) = (flow.destination, victim.sources.count());
    let what = match share.what {
        What::Syn => format!("{rate:.0} connections to {} of {target} were begun and never established", service(flow.protocol, flow.destination_port)),
        What::Udp => format!("{target} was sent {rate:.0} packets of UDP that nothing answered"),
        What::Icmp => format!("{target} was sent {rate:.0} packets of ICMP"),
        What::Reflection => {
            format!("{target} was sent {} of answers from port {}/udp that it had not asked for", size(rate * 1e3), flow.source_port)
        }
    };
    let unit = |amount: f64| match share.what {
        What::Reflection => size(amount * 1e3),
        What::Syn => format!("{amount:.0} unfinished connections"),
        What::Udp | What::Icmp => format!("{amount:.0} packets"),
    };
    let severity = if rate >= 10.0 * f64::from(share.at_least) { Severity::High } else { Severity::Medium };
    let expected = if usual > 0.0 { format!("about {} a minute, as usual", unit(usual)) } else { format!("less than {} a minute", unit(share.at_least.into())) };
    Finding {
        detector: KIND.name,
        rule: share.what.rule().into(),
        class: "flood".into(),
        entity: Entity::new(Scope::Victim, target.to_string()),
        score: Score::new(if severity == Severity::High { 0.88 } else { 0.7 }),
        severity,
        count: news,
        since: Some(Timestamp::from_nanos(at.saturating_sub(MINUTE))),
        reason: format!("{what} within a minute, by {sources:.0} sources (ATT&CK {})", share.what.technique()),
        expected,
        observed: format!("{} within a minute from {sources:.0} sources", unit(rate)),
    }
}

impl Detector for Flood {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        for (at, event, glance) in events.of(Glance::FLOW) {
            let Some(flow) = event.flow() else { continue };
            let memory = self.memory.get_or_insert_with(|| Memory::new(&self.settings));
            if let Some(finding) = memory.judge(event, flow, glance.contact(), &self.settings) {
                findings.push_with(at, finding, true, Vec::new());
            }
        }
    }

    fn wants_ticks(&self) -> bool {
        true
    }

    fn tick(&mut self, now: Timestamp, _: &mut Findings) {
        if let Some(memory) = &mut self.memory {
            let minute = now.nanos().div_euclid(MINUTE);
            if minute > memory.minute {
                memory.minute = minute;
                memory.door.halve();
            }
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if let Some(memory) = &self.memory {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(memory).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let mut memory: Memory =
            postcard::from_bytes(state).map_err(|error| format!("the saved victims cannot be read: {error}"))?;
        memory.victims.set_capacity(self.settings.victims.div_ceil(PARTITIONS));
        self.memory = Some(memory);
        Ok(())
    }

    fn entities(&self) -> usize {
        self.memory.as_ref().map_or(0, |memory| memory.victims.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flows::{ACK, SYN};
    use crate::testing::{detector, flow, observe, tcp};

    #[test]
    fn a_syn_flood_of_many_sources_is_one_finding_and_again_one_when_it_is_ten_times_as_much() {
        let syn = |n: u64, per_second: f64| {
            flow(n, 1000.0 + n as f64 / per_second, &format!("198.51.{}.{}", n / 250 % 250, n % 250), tcp("10.0.0.1", 40_000, 443, SYN))
        };
        let events: Vec<_> = (0..6_000).map(|n| syn(n, 100.0)).collect();
        let findings = observe(&mut *detector("flood", Scope::Victim), &events);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((&*findings[0].rule, &*findings[0].entity.name), ("syn-flood", "10.0.0.1"));
        let events: Vec<_> = (0..60_000).map(|n| syn(n, 1000.0)).collect();
        assert_eq!(observe(&mut *detector("flood", Scope::Victim), &events).len(), 2);
    }

    #[test]
    fn a_busy_server_that_answers_is_not_flooded_nor_is_one_that_is_scanned() {
        let busy: Vec<_> = (0..20_000_u64)
            .map(|n| {
                let flags = if n % 3 == 0 { SYN } else { SYN | ACK | 1 };
                flow(n, n as f64 / 200.0, "198.51.100.7", tcp("10.0.0.1", 40_000 + (n % 9000) as u16, 443, flags))
            })
            .collect();
        assert!(observe(&mut *detector("flood", Scope::Victim), &busy).is_empty());
        let scan: Vec<_> =
            (0..20_000).map(|n| flow(n, n as f64 / 500.0, "198.51.100.7", tcp("10.0.0.1", 40_000, n as u16, SYN))).collect();
        assert!(observe(&mut *detector("flood", Scope::Victim), &scan).is_empty());
    }

    #[test]
    fn amplified_answers_and_datagrams_without_answers_are_told_as_what_they_are() {
        let udp = |source: u16, port: u16, packets: u64, bytes: u64| {
            move |n: u64| {
                let to = Flow { protocol: Flow::UDP, packets, bytes, tcp_flags: 0, ..tcp("10.0.0.1", source, port, 0) };
                flow(n, n as f64 / 50.0, &format!("198.51.100.{}", n % 200), to)
            }
        };
        for (make, rule) in [(udp(11211, 50_000, 50, 70_000), "reflection"), (udp(50_000, 50_001, 300, 30_000), "udp-flood")] {
            let events: Vec<_> = (0..3_000).map(&make).collect();
            let findings = observe(&mut *detector("flood", Scope::Victim), &events);
            assert_eq!(findings.first().map(|finding| &*finding.rule), Some(rule));
            assert!(findings.len() <= 2, "{findings:?}");
        }
    }
}
