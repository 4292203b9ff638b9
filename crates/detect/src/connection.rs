//! Connections that are out of the ordinary: very long ones, a service that a host never had, a peer that one who always talks
//! to the same never had, a protocol on another's port, and one host that suddenly reaches for many others inside.
//!
//! What is called new needs a history: nothing is told before a host has been seen for hours.

mod fan_out;
mod long;
mod new;

use lapwing_model::{Event, Flow, Scope};
use serde::{Deserialize, Serialize};

use crate::glance::Glance;
use crate::{Detector, Events, Family, Findings, Kind};
use fan_out::FanOut;
use long::Long;
use new::New;

pub const KIND: Kind = Kind {
    name: NAME,
    summary: "very long connections, new services and peers of a host, a protocol on another's port, lateral fan-out",
    family: Family::Statistical,
    scopes: &[Scope::Client, Scope::Victim],
    enabled: |settings| settings.connection.enabled,
    build: |setup, scope| Box::new(Connection::new(&setup.settings.connection, scope)),
};

const NAME: &str = "connection";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Long connections, hosts and peers remembered, each.
    pub entities: usize,
    /// Hours that a connection to outside lasts: noted twice, then of low and of medium severity.
    pub long_hours: [f64; 4],
    /// Hours of history before anything is called new, and how many known ones must come for one that is new.
    pub history_hours: u32,
    pub one_in: f64,
    /// Different hosts inside that one host reaches for at ports of administration within an hour, where it has no history ...
    pub fan_out: u32,
    /// ... and so many times the most it ever did in an hour, where it has one.
    pub fan_out_times: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            entities: 50_000,
            long_hours: [1.0, 4.0, 8.0, 12.0],
            history_hours: 12,
            one_in: 300.0,
            fan_out: 30,
            fan_out_times: 3.0,
        }
    }
}

#[derive(Debug)]
struct Connection {
    settings: Settings,
    scope: Scope,
    memory: Memory,
}

/// What is known by client: peers and fan-out; by victim: services and long connections, since many share them.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    long: Long,
    new: New,
    fan_out: FanOut,
}

impl Connection {
    fn new(settings: &Settings, scope: Scope) -> Connection {
        let memory = Memory { long: Long::new(settings), new: New::with(settings), fan_out: FanOut::new(settings) };
        Connection { settings: settings.clone(), scope, memory }
    }

    fn judge(&mut self, at: u16, event: &Event, flow: &Flow, findings: &mut Findings) {
        let Memory { long, new, fan_out } = &mut self.memory;
        if self.scope == Scope::Client {
            findings.extend_event(at, fan_out.judge(event, flow, &self.settings));
            findings.extend_event(at, new.peer(event, flow, &self.settings));
        } else {
            findings.extend_event(at, long.judge(event, flow, &self.settings));
            findings.extend_event(at, new.service(event, flow, &self.settings));
            findings.extend_event(at, new::mismatch(event, flow));
        }
    }
}

impl Detector for Connection {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        // Who reaches nobody scans.
        for (at, event, _) in events.of(Glance::ANSWERED) {
            let Some(flow) = event.flow() else { continue };
            self.judge(at, event, flow, findings);
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if self.memory.long.len() + self.memory.new.len() + self.memory.fan_out.len() > 0 {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(&self.memory).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let mut memory: Memory =
            postcard::from_bytes(state).map_err(|error| format!("the saved connections cannot be read: {error}"))?;
        memory.long.fit(&self.settings);
        memory.new.fit(&self.settings);
        memory.fan_out.fit(&self.settings);
        self.memory = memory;
        Ok(())
    }

    fn entities(&self) -> usize {
        self.memory.long.len() + self.memory.new.len() + self.memory.fan_out.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lapwing_model::{Finding, Severity};

    use super::*;
    use crate::testing::{detector, flow, observe, tcp};

    fn found(scope: Scope, events: &[Event]) -> Vec<Finding> {
        let mut detector = detector("connection", scope);
        events.chunks(1000).flat_map(|chunk| observe(&mut *detector, chunk)).collect()
    }

    #[test]
    fn a_long_connection_that_an_exporter_tells_in_pieces_is_one_and_is_told_by_stages() {
        let piece = |n: u64| {
            let mut event = flow(n, n as f64 * 1800.0, "10.0.0.5", Flow { bytes: 90_000, reverse_bytes: 1, ..tcp("203.0.113.66", 50_000, 8443, 27) });
            event.duration = Duration::from_secs(1795);
            event
        };
        let findings = found(Scope::Victim, &(0..26).map(piece).collect::<Vec<_>>());
        let told: Vec<_> = findings.iter().map(|finding| finding.severity).collect();
        assert_eq!(told, [Severity::Info, Severity::Info, Severity::Low, Severity::Medium], "{findings:?}");
        let mut whole = piece(0);
        whole.duration = Duration::from_secs(13 * 3600);
        assert_eq!(found(Scope::Victim, &[whole]).len(), 1);
    }

    #[test]
    fn a_service_is_new_only_on_a_host_with_a_history() {
        let known = |n: u64| flow(n, n as f64 * 30.0, "10.0.0.5", tcp("10.0.0.9", 50_000, [80, 443][n as usize % 2], 27));
        let mut events: Vec<_> = (0..3000).map(known).collect();
        assert!(found(Scope::Victim, &events).is_empty());
        events.push(flow(3000, 90_000.0, "10.0.0.5", tcp("10.0.0.9", 50_000, 4444, 27)));
        let findings = found(Scope::Victim, &events);
        assert_eq!(findings.iter().map(|finding| &*finding.rule).collect::<Vec<_>>(), ["new-service"]);
        assert!(findings[0].reason.contains("4444/tcp"), "{}", findings[0].reason);
    }

    #[test]
    fn a_peer_is_new_only_to_one_that_always_talks_to_the_same() {
        let of = |peers: u64| {
            let mut events: Vec<_> = (0..3000_u64)
                .map(|n| flow(n, n as f64 * 30.0, "10.0.0.5", tcp(&format!("198.51.100.{}", n % peers), 50_000, 443, 27)))
                .collect();
            events.push(flow(3000, 90_100.0, "10.0.0.5", tcp("203.0.113.66", 50_000, 443, 27)));
            found(Scope::Client, &events).iter().map(|finding| finding.rule.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of(3), ["new-peer"]);
        assert!(of(200).is_empty(), "{:?}", of(200));
    }

    #[test]
    fn one_that_reaches_for_many_hosts_inside_at_ports_of_administration_is_told_once() {
        let event = |n: u64| flow(n, n as f64, "10.0.0.5", tcp(&format!("10.0.1.{}", n % 200), 50_000, 445, 27));
        let findings = found(Scope::Client, &(0..200).map(event).collect::<Vec<_>>());
        assert_eq!(findings.iter().map(|finding| &*finding.rule).collect::<Vec<_>>(), ["lateral-fan-out"]);
        // A scanner of weaknesses that does so every hour is known.
        let hourly: Vec<_> = (0..2000_u64).map(|n| event(n % 20 + 20 * (n / 20 % 2)).at_second(n / 20 * 3600 + n % 20)).collect();
        assert!(found(Scope::Client, &hourly).is_empty());
    }

    #[test]
    fn a_protocol_on_another_s_port_is_told() {
        let line = "1740823200.123456\tCsRx2w45OKnoww6xl4\t10.0.0.5\t50000\t198.51.100.7\t443\ttcp\tssh\t1.5\t100\t2000\tSF\tT\tF\t0\tShADadFf\t10\t620\t12\t2640\t-";
        let told = |line: &str| found(Scope::Victim, &[crate::testing::read(line)]).len();
        assert_eq!(told(line), 1);
        assert_eq!((told(&line.replace("\tssh\t", "\tssl\t")), told(&line.replace("\t443\t", "\t2222\t"))), (0, 0));
    }

    trait AtSecond {
        fn at_second(self, second: u64) -> Self;
    }

    impl AtSecond for Event {
        fn at_second(mut self, second: u64) -> Event {
            self.at = lapwing_model::Timestamp::from_seconds(second as i64);
            self
        }
    }
}
