//! Data carried in the names that are asked of the DNS: very many different names under one registered domain, long and random.
//!
//! Needs the query, as the DNS logs of Zeek and Suricata have it. Of mere flows it sees a conversation with a resolver that goes on
//! and on from one port, which no resolver's client has.

mod name;

use lapwing_learn::{Distinct, Lru};
use lapwing_model::{Detail, Event, Field, Finding, Flow, PARTITIONS, Scope, Score, Severity, Timestamp, Value, hash, printable};
use serde::{Deserialize, Serialize};

use crate::flows::{HOUR, is_answer, joined, moment, size, span};
use crate::{Detector, Events, Family, Findings, Kind};
use name::Asked;

pub const KIND: Kind = Kind {
    name: "dns_tunnel",
    summary: "data carried in DNS queries: very many long and random names under one domain",
    family: Family::Statistical,
    scopes: &[Scope::Client],
    enabled: |settings| settings.dns_tunnel.enabled,
    build: |setup, _| Box::new(DnsTunnel::new(&setup.settings.dns_tunnel)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Pairs of a client and a registered domain remembered.
    pub domains: usize,
    /// Different names under one domain, asked by one client within a day: of low, medium, high and critical severity.
    pub stages: [f64; 4],
    /// Names look like data where they are so long on average (without the registered domain) ...
    pub length: f64,
    /// ... and hold so many bits a character, ...
    pub entropy: f64,
    /// ... or where so many of them ask for types that carry much (NULL, TXT, KEY, CNAME, MX, SRV).
    pub types: f64,
    /// Domains under which many names are usual.
    pub ignore: Vec<String>,
    /// Packets of one flow to port 53 over UDP.
    pub flow_packets: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            domains: 50_000,
            stages: [100.0, 500.0, 800.0, 1000.0],
            length: 16.0,
            entropy: 3.0,
            types: 0.5,
            ignore: vec!["in-addr.arpa".to_owned(), "ip6.arpa".to_owned()],
            flow_packets: 200,
        }
    }
}

const DAY: i64 = 24 * HOUR;

/// Types of queries whose answers carry much, or are asked for by few but tunnels.
const CARRIERS: [&[u8]; 8] = [b"NULL", b"TXT", b"KEY", b"CNAME", b"MX", b"SRV", b"PRIVATE", b"10"];

#[derive(Debug)]
struct DnsTunnel {
    settings: Settings,
    ignore: Vec<u64>,
    query: [Field; 3],
    kind: [Field; 3],
    domains: Lru<Domain>,
}

/// What one client asked for under one domain.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Domain {
    names: Distinct,
    began: i64,
    last: i64,
    asked: u32,
    carriers: u32,
    /// Characters before the domain, and bits of them, in all.
    length: f64,
    bits: f64,
    /// The stage that was told, and how many queries were.
    told: u8,
    told_asked: u32,
}

impl DnsTunnel {
    fn new(settings: &Settings) -> DnsTunnel {
        let named = |names: [&str; 3]| names.map(Field::named);
        DnsTunnel {
            ignore: settings.ignore.iter().map(|name| hash(name.to_ascii_lowercase().as_bytes())).collect(),
            query: named(["query", "dns.rrname", "dns.question.name"]),
            kind: named(["qtype_name", "dns.rrtype", "dns.question.type"]),
            domains: Lru::new(settings.domains.div_ceil(PARTITIONS)),
            settings: settings.clone(),
        }
    }

    fn judge(&mut self, event: &Event) -> Option<Finding> {
        if let Some(flow) = event.flow().filter(|_| event.others.is_empty()) {
            return self.conversation(event, flow);
        }
        let text = |fields: &[Field; 3]| fields.iter().find_map(|field| match event.get(field) {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        });
        let asked = text(&self.query).and_then(Asked::of);
        let Some(asked) = asked else { return event.flow().and_then(|flow| self.conversation(event, flow)) };
        if self.ignore.contains(&hash(&asked.domain)) {
            return None;
        }
        let carries = text(&self.kind).is_some_and(|kind| CARRIERS.contains(&kind));
        let key = joined(event.keys.get(Scope::Client)?, hash(&asked.domain));
        let at = moment(event);
        let (domain, _) = self.domains.get_or_insert_with(key, || Domain::new(at));
        if !domain.add(&asked, carries, at) {
            return None;
        }
        let stage = domain.stage(&self.settings);
        if stage <= domain.told {
            return None;
        }
        let news = domain.asked - domain.told_asked;
        (domain.told, domain.told_asked) = (stage, domain.asked);
        Some(domain.finding(event, &asked, &self.settings, news))
    }

    /// A flow to port 53 whose one source port asks again and again.
    fn conversation(&mut self, event: &Event, flow: &Flow) -> Option<Finding> {
        let often = flow.protocol == Flow::UDP
            && flow.destination_port == 53
            && !matches!(flow.source_port, 0 | 53)
            && flow.packets >= self.settings.flow_packets.max(2)
            && flow.bytes / flow.packets >= 70
            && !is_answer(flow);
        if !often || crate::flows::is_to_many(flow.destination) {
            return None;
        }
        let at = moment(event);
        let key = joined(event.keys.get(Scope::Pair)?, 53);
        let (told, new) = self.domains.get_or_insert_with(key, || Domain::new(at));
        if !new && at.saturating_sub(told.last) < DAY {
            told.last = told.last.max(at);
            return None;
        }
        told.last = at;
        let who = event.client?;
        let (packets, bytes) = (flow.all_packets(), size(flow.all_bytes() as f64));
        Some(Finding {
            detector: KIND.name,
            rule: "long-dns-conversation".into(),
            class: "dns-tunnel".into(),
            entity: event.entity(),
            score: Score::new(0.6),
            severity: Severity::Medium,
            count: 1,
            since: None,
            reason: format!(
                "{who} exchanged {packets} packets and {bytes} with {} on 53/udp from one port, where a resolver's client takes \
                 another port for each question: a tunnel, or a forwarder (ATT&CK T1071.004, T1572)",
                flow.destination
            ),
            expected: format!("fewer than {} packets in one flow to port 53", self.settings.flow_packets),
            observed: format!("{} packets of {} each on average", flow.packets, size(flow.bytes as f64 / flow.packets as f64)),
        })
    }
}

impl Domain {
    fn new(at: i64) -> Domain {
        Domain { names: Distinct::new(), began: at, last: at, asked: 0, carriers: 0, length: 0.0, bits: 0.0, told: 0, told_asked: 0 }
    }

    /// Adds a query; whether its name is new.
    fn add(&mut self, asked: &Asked, carries: bool, at: i64) -> bool {
        if at.saturating_sub(self.began) > DAY {
            let told = self.told;
            // Told again a day later only where it has become more.
            *self = Domain { told, ..Domain::new(at) };
        }
        self.began = self.began.min(at);
        self.last = self.last.max(at);
        self.asked = self.asked.saturating_add(1);
        self.carriers = self.carriers.saturating_add(u32::from(carries));
        self.length += asked.length() as f64;
        self.bits += asked.bits();
        self.names.insert(asked.name_hash())
    }

    fn stage(&self, settings: &Settings) -> u8 {
        let count = self.names.count();
        let stage = settings.stages.iter().filter(|&&least| count >= least).count() as u8;
        let asked = f64::from(self.asked.max(1));
        let (length, entropy) = (self.length / asked, self.bits / self.length.max(1.0));
        let random = length >= settings.length && entropy >= settings.entropy;
        let carries = f64::from(self.carriers) / asked >= settings.types;
        // A name is asked for again and again; data is not.
        let unlike = count / asked >= 0.3;
        if unlike && (random || carries) { stage } else { 0 }
    }

    fn finding(&self, event: &Event, asked: &Asked, settings: &Settings, news: u32) -> Finding {
        let (count, queries) = (self.names.count(), f64::from(self.asked.max(1)));
        let severity = match self.told {
            0 | 1 => Severity::Low,
            2 => Severity::Medium,
            3 => Severity::High,
            _ => Severity::Critical,
        };
        let domain = printable(&asked.domain).within(100);
        let within = span(self.last.saturating_sub(self.began));
        let carriers = 100.0 * f64::from(self.carriers) / queries;
        Finding {
            detector: KIND.name,
            rule: "many-names".into(),
            class: "dns-tunnel".into(),
            entity: event.entity_of(Scope::Client).unwrap_or_else(|| event.entity()),
            score: Score::new([0.4, 0.4, 0.65, 0.85, 0.96][usize::from(self.told.min(4))]),
            severity,
            count: u64::from(news.max(1)),
            since: Some(Timestamp::from_nanos(self.began)),
            reason: format!(
                "{} asked for {count:.0} different names under {domain} within {within}, {:.0} characters long on average, {carriers:.0} % \
                 of them for types that carry data: as a tunnel through the DNS does (ATT&CK T1071.004, T1572)",
                event.entity(),
                self.length / queries
            ),
            expected: format!("fewer than {:.0} different long or random names under one domain within a day", settings.stages[0]),
            observed: format!("{count:.0} names, {} in all, {:.1} bits a character", size(self.length), self.bits / self.length.max(1.0)),
        }
    }
}

impl Detector for DnsTunnel {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        for (at, event) in events.iter() {
            let wanted = match &event.detail {
                Detail::Web(_) => false,
                Detail::Log(_) => !event.others.is_empty(),
                Detail::Flow(_) => true,
            };
            if wanted && let Some(finding) = self.judge(event) {
                findings.push_with(at, finding, true, Vec::new());
            }
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if !self.domains.is_empty() {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(&self.domains).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let capacity = self.domains.capacity();
        self.domains = postcard::from_bytes(state).map_err(|error| format!("the saved domains cannot be read: {error}"))?;
        self.domains.set_capacity(capacity);
        Ok(())
    }

    fn entities(&self) -> usize {
        self.domains.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{detector, flow, observe, read, tcp};

    fn zeek(n: u64, query: &str, kind: &str) -> Event {
        let second = 1_740_823_200 + n / 4;
        read(&format!(
            "{second}.{:06}\tC{n}\t10.0.0.5\t50000\t10.0.0.1\t53\tudp\t4711\t0.01\t{query}\t1\tC_INTERNET\t16\t{kind}\t0\tNOERROR\tF\tF\tT\tT\t0\t-\t-\tF",
            n % 4
        ))
    }

    fn data(n: u64) -> String {
        let mut state = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        (0..40)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                b"abcdefghijklmnopqrstuvwxyz012345"[(state % 32) as usize] as char
            })
            .collect()
    }

    #[test]
    fn a_tunnel_is_told_at_each_stage_with_its_domain() {
        let events: Vec<_> = (0..1300).map(|n| zeek(n, &format!("{}.t.evil.co.uk", data(n)), "TXT")).collect();
        let findings = observe(&mut *detector("dns_tunnel", Scope::Client), &events);
        let told: Vec<_> = findings.iter().map(|finding| finding.severity).collect();
        assert_eq!(told, [Severity::Low, Severity::Medium, Severity::High, Severity::Critical]);
        assert!(findings[3].reason.contains("under evil.co.uk within"), "{}", findings[3].reason);
        assert_eq!(&*findings[0].entity.name, "10.0.0.5");
    }

    #[test]
    fn suricata_s_queries_are_read_as_well() {
        let events: Vec<_> = (0..150)
            .map(|n| {
                read(&format!(
                    r#"{{"timestamp":"2025-03-01T10:00:{:02}.000000+0000","event_type":"dns","src_ip":"10.0.0.5","src_port":50000,"dest_ip":"10.0.0.1","dest_port":53,"proto":"UDP","dns":{{"type":"query","id":1,"rrname":"{}.evil.example","rrtype":"A"}}}}"#,
                    n % 60,
                    data(n)
                ))
            })
            .collect();
        assert_eq!(observe(&mut *detector("dns_tunnel", Scope::Client), &events).len(), 1);
    }

    #[test]
    fn many_short_names_and_the_same_names_again_are_ordinary() {
        let hosts: Vec<_> = (0..3000).map(|n| zeek(n, &format!("host{n}.corp.example"), "A")).collect();
        assert!(observe(&mut *detector("dns_tunnel", Scope::Client), &hosts).is_empty());
        let again: Vec<_> = (0..3000).map(|n| zeek(n, &format!("{}.cdn.example", data(n / 25)), "A")).collect();
        assert!(observe(&mut *detector("dns_tunnel", Scope::Client), &again).is_empty());
    }

    #[test]
    fn a_flow_to_port_53_that_goes_on_and_on_is_told_once() {
        let long = |n: u64| {
            let to = Flow { protocol: Flow::UDP, packets: 600, bytes: 60_000, reverse_packets: 600, reverse_bytes: 90_000, ..tcp("10.0.0.1", 44_639, 53, 0) };
            flow(n, n as f64 * 60.0, "10.0.0.5", to)
        };
        let findings = observe(&mut *detector("dns_tunnel", Scope::Client), &[long(0), long(1)]);
        assert_eq!(findings.iter().map(|finding| &*finding.rule).collect::<Vec<_>>(), ["long-dns-conversation"]);
    }
}
