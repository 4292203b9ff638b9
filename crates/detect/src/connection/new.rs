//! What a host never did: a service it never had, a peer it never talked to; and a protocol on another's port.

use lapwing_learn::{Lru, NoveltyRate};
use lapwing_model::{Entity, Event, Finding, Flow, PARTITIONS, Scope, Score, Severity};
use serde::{Deserialize, Serialize};

use super::{NAME, Settings};
use crate::flows::{HOUR, joined, moment, service, to_inside};

/// How many flows count half of how often something new comes.
const HALF_LIFE: f64 = 2000.0;

/// Ports from here on are given out at random.
const EPHEMERAL: u16 = 49_152;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct New {
    hosts: Lru<Host>,
    /// Services or peers of hosts.
    known: Lru<()>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Host {
    first: i64,
    rate: NoveltyRate,
}

impl New {
    pub(super) fn with(settings: &Settings) -> New {
        let capacity = settings.entities.div_ceil(PARTITIONS);
        New { hosts: Lru::new(capacity), known: Lru::new(capacity * 4) }
    }

    pub(super) fn fit(&mut self, settings: &Settings) {
        let New { hosts, known } = New::with(settings);
        self.hosts.set_capacity(hosts.capacity());
        self.known.set_capacity(known.capacity());
    }

    pub(super) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// A service of a host inside that answers.
    pub(super) fn service(&mut self, event: &Event, flow: &Flow, settings: &Settings) -> Option<Finding> {
        if flow.destination_port >= EPHEMERAL || flow.icmp().is_some() || !to_inside(flow) {
            return None;
        }
        let number = u64::from(flow.destination_port) << 8 | u64::from(flow.protocol);
        let one_in = self.surprise(event, Scope::Victim, number, settings)?;
        let what = service(flow.protocol, flow.destination_port);
        let text = format!("{} answers on {what}, which it never did; one in {one_in:.0} of its connections is to a new service (ATT&CK T1543)", flow.destination);
        let entity = Entity::new(Scope::Victim, flow.destination.to_string());
        Some(finding("new-service", entity, one_in, text, "a service it had before", what))
    }

    /// A peer of one that seldom has new ones.
    pub(super) fn peer(&mut self, event: &Event, flow: &Flow, settings: &Settings) -> Option<Finding> {
        let one_in = self.surprise(event, Scope::Client, event.keys.get(Scope::Victim)?, settings)?;
        let what = format!("{} on {}", flow.destination, service(flow.protocol, flow.destination_port));
        let text = format!("{} talks to {what}, to whom it never did; one in {one_in:.0} of its connections is to somebody new", event.entity());
        Some(finding("new-peer", event.entity(), one_in, text, "somebody it talked to before", what))
    }

    /// One in how many is new, where this one is and that is seldom enough.
    fn surprise(&mut self, event: &Event, scope: Scope, number: u64, settings: &Settings) -> Option<f64> {
        let key = event.keys.get(scope)?;
        let at = moment(event);
        let (host, _) = self.hosts.get_or_insert_with(key, || Host { first: at, rate: NoveltyRate::new(HALF_LIFE) });
        let (_, new) = self.known.get_or_insert_with(joined(key, number), || ());
        let one_in = host.rate.one_in();
        let old = at.saturating_sub(host.first) >= i64::from(settings.history_hours).saturating_mul(HOUR);
        host.rate.observe(new);
        (new && old && one_in >= settings.one_in).then_some(one_in)
    }
}

fn finding(rule: &'static str, entity: Entity, one_in: f64, reason: String, expected: &str, observed: String) -> Finding {
    let service = rule == "new-service";
    Finding {
        detector: NAME,
        rule: rule.into(),
        class: rule.into(),
        entity,
        // One in 300 is little, one in 10,000 is much; a peer says less than a service.
        score: Score::new((one_in.log10() / if service { 8.0 } else { 14.0 }) as f32),
        severity: if service { Severity::Low } else { Severity::Info },
        count: 1,
        since: None,
        reason,
        expected: expected.to_owned(),
        observed,
    }
}

/// Services as Zeek names them, and the ports that are theirs.
const PORTS: [(&[u8], &[u16]); 7] = [
    (b"ssh", &[22]),
    (b"http", &[80]),
    (b"ssl", &[443, 465, 636, 853, 993, 995]),
    (b"dns", &[53]),
    (b"ftp", &[21]),
    (b"smtp", &[25, 587]),
    (b"rdp", &[3389]),
];

/// A protocol that speaks on a port that is another's.
pub(super) fn mismatch(event: &Event, flow: &Flow) -> Option<Finding> {
    let spoken = event.text(event.service);
    if spoken.is_empty() {
        return None;
    }
    let own = |(name, _): &&(&[u8], &[u16])| *name == spoken;
    let is_known = PORTS.iter().any(|entry| own(&entry));
    let owner = PORTS.iter().find(|(_, ports)| ports.contains(&flow.destination_port))?;
    // What is encrypted is spoken on many ports that once were not.
    if !is_known || owner.0 == spoken || spoken == b"ssl" {
        return None;
    }
    let spoken = String::from_utf8_lossy(spoken).into_owned();
    let (usual, port) = (String::from_utf8_lossy(owner.0).into_owned(), service(flow.protocol, flow.destination_port));
    Some(Finding {
        detector: NAME,
        rule: "port-mismatch".into(),
        class: "port-mismatch".into(),
        entity: event.entity_of(Scope::Pair).unwrap_or_else(|| event.entity()),
        score: Score::new(0.45),
        severity: Severity::Low,
        count: 1,
        since: None,
        reason: format!("{} speaks {spoken} with {} on {port}, which is the port of {usual} (ATT&CK T1571)", event.entity(), flow.destination),
        expected: format!("{usual} on {port}"),
        observed: spoken,
    })
}
