//! How long a connection lasts, also where it is told piece by piece.

use lapwing_learn::{Distinct, Lru};
use lapwing_model::{Event, Finding, Flow, PARTITIONS, Scope, Score, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::{NAME, Settings};
use crate::flows::{HOUR, MINUTE, from_inside, joined, moment, service, size, span, to_inside};

/// Pieces that are no further apart than this are of one connection.
const GAP: i64 = 5 * MINUTE;

/// Shorter ones are not remembered.
const SHORT: i64 = 10 * MINUTE;

/// A destination that so many clients are connected to for long is a service that is meant to be.
const COMMON: f64 = 3.0;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Long {
    lasting: Lru<Lasting>,
    /// Clients with long connections, by service of a destination.
    common: Lru<Distinct>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Lasting {
    began: i64,
    end: i64,
    bytes: u64,
    pieces: u32,
    told: u8,
}

impl Long {
    pub(super) fn new(settings: &Settings) -> Long {
        let capacity = settings.entities.div_ceil(PARTITIONS);
        Long { lasting: Lru::new(capacity), common: Lru::new(capacity / 4 + 1) }
    }

    pub(super) fn fit(&mut self, settings: &Settings) {
        let Long { lasting, common } = Long::new(settings);
        self.lasting.set_capacity(lasting.capacity());
        self.common.set_capacity(common.capacity());
    }

    pub(super) fn len(&self) -> usize {
        self.lasting.len()
    }

    pub(super) fn judge(&mut self, event: &Event, flow: &Flow, settings: &Settings) -> Option<Finding> {
        let took = i64::try_from(event.duration.as_nanos()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
        if took < SHORT || to_inside(flow) && from_inside(event, flow) {
            return None;
        }
        let (client, victim) = (event.keys.get(Scope::Client)?, event.keys.get(Scope::Victim)?);
        let port = u64::from(flow.destination_port) << 8 | u64::from(flow.protocol);
        let key = joined(event.keys.get(Scope::Pair)?, port << 16 | u64::from(flow.source_port));
        let at = moment(event);
        let (lasting, _) = self.lasting.get_or_insert_with(key, || Lasting { began: at, end: at, bytes: 0, pieces: 0, told: 0 });
        lasting.add(at, at.saturating_add(took), flow.all_bytes());
        let lasted = lasting.end.saturating_sub(lasting.began);
        let hours = lasted as f64 / HOUR as f64;
        let stage = settings.long_hours.iter().filter(|&&least| hours >= least).count() as u8;
        if stage <= lasting.told {
            return None;
        }
        let (clients, _) = self.common.get_or_insert_with(joined(victim, port), Distinct::new);
        clients.insert(client);
        lasting.told = stage;
        let news = std::mem::take(&mut lasting.pieces);
        let shared = clients.count();
        let severity = match stage {
            _ if shared >= COMMON => Severity::Info,
            1 | 2 => Severity::Info,
            3 => Severity::Low,
            _ => Severity::Medium,
        };
        Some(finding(event, flow, lasting, (severity, shared, news), settings))
    }
}

impl Lasting {
    fn add(&mut self, at: i64, end: i64, bytes: u64) {
        if at.saturating_sub(self.end) > GAP || self.began.saturating_sub(end) > GAP {
            *self = Lasting { began: at, end, bytes: 0, pieces: 0, told: 0 };
        }
        self.began = self.began.min(at);
        self.end = self.end.max(end);
        self.bytes = self.bytes.saturating_add(bytes);
        self.pieces += 1;
    }
}

fn finding(event: &Event, flow: &Flow, lasting: &Lasting, (severity, shared, news): (Severity, f64, u32), settings: &Settings) -> Finding {
    let lasted = span(lasting.end.saturating_sub(lasting.began));
    let who = event.client.map_or_else(String::new, |client| client.to_string());
    let score = match severity {
        Severity::Info => 0.15,
        Severity::Low => 0.4,
        _ => 0.65,
    };
    Finding {
        detector: NAME,
        rule: "long-connection".into(),
        class: "long-connection".into(),
        entity: event.entity_of(Scope::Pair).unwrap_or_else(|| event.entity()),
        score: Score::new(score),
        severity,
        count: u64::from(news.max(1)),
        since: Some(Timestamp::from_nanos(lasting.began)),
        reason: format!(
            "{who} has been connected to {} of {} for {lasted}, with {} sent and received (ATT&CK T1571, T1572)",
            service(flow.protocol, flow.destination_port),
            flow.destination,
            size(lasting.bytes as f64)
        ),
        expected: format!("less than {} h, or several clients that do the same", settings.long_hours[0]),
        observed: format!("{lasted}; {shared:.0} clients with as long ones"),
    }
}
