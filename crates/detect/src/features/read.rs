//! Events into rows of numbers.

use std::mem;

use lapwing_learn::{CountMin, Lru};
use lapwing_model::{ConnectionState, Detail, Event, Field, Flow, Level, Scope, Value, Web, hash};
use serde::{Deserialize, Serialize};

use super::client::{Client, Lately};
use super::text::{Entropy, Looks, looks};
use super::{BuiltIn, Feature, KINDS, Settings, kind_of};

/// Clients remembered; the one seen longest ago is forgotten first.
const CLIENTS: usize = 8192;

/// Counters for the rarity of values, for each feature that asks for it: 32 KiB.
const COUNTERS: usize = 2048;
/// Values after which what was counted before counts half.
const HALVED_AFTER: u64 = 1_000_000;

/// Makes rows of events, by the lists of the settings. The same events give the same rows, wherever it is done.
#[derive(Debug)]
pub struct Reader {
    lists: [Vec<Feature>; KINDS.len()],
    entropy: Entropy,
    memory: Memory,
}

/// What features of an event owe to events before it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Memory {
    clients: Lru<Client>,
    counts: Vec<CountMin>,
}

/// What several features of one event are made from.
struct Facts {
    path: Looks,
    entropy: f32,
    path_length: usize,
    query_length: usize,
    parameters: usize,
    lately: Lately,
}

impl Reader {
    #[must_use]
    pub fn new(settings: &Settings) -> Reader {
        let lists = [settings.web.0.clone(), settings.log.0.clone(), settings.flow.0.clone()];
        let counted = lists.iter().flatten().filter(|feature| is_counted(feature)).count();
        let counts = (0..counted).map(|_| CountMin::new(COUNTERS)).collect();
        Reader { lists, entropy: Entropy::new(), memory: Memory { clients: Lru::new(CLIENTS), counts } }
    }

    /// The features of one of the [`KINDS`], in the order of its rows.
    #[must_use]
    pub fn features(&self, kind: usize) -> &[Feature] {
        self.lists.get(kind).map_or(&[], Vec::as_slice)
    }

    /// Names the lists: a state is of use to the same lists only.
    pub(super) fn signature(&self) -> u64 {
        hash(format!("{:?}", self.lists).as_bytes())
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(super) fn set_memory(&mut self, memory: Memory) -> bool {
        let fits = memory.counts.len() == self.memory.counts.len();
        if fits {
            self.memory = memory;
            self.memory.clients.set_capacity(CLIENTS);
        }
        fits
    }

    pub(super) fn clients(&self) -> usize {
        self.memory.clients.len()
    }

    /// Appends the event's row to the rows of its kind, whose place in [`KINDS`] is the answer.
    pub fn read(&mut self, event: &Event, rows: &mut [Vec<f32>; KINDS.len()]) -> usize {
        let kind = kind_of(event);
        if self.lists[kind].is_empty() {
            return kind;
        }
        let facts = self.facts(event);
        // Counters come in the order of the lists.
        let mut counter = self.lists[..kind].iter().flatten().filter(|feature| is_counted(feature)).count();
        let lists = mem::take(&mut self.lists);
        for feature in &lists[kind] {
            let value = if is_counted(feature) {
                counter += 1;
                self.rarity(counter - 1, feature, event)
            } else {
                value(feature, event, &facts)
            };
            rows[kind].push(value);
        }
        self.lists = lists;
        kind
    }

    fn facts(&mut self, event: &Event) -> Facts {
        let client = event.keys.get(Scope::Client).or_else(|| event.keys.get(Scope::Host));
        let lately =
            client.map_or(Lately::UNKNOWN, |key| self.memory.clients.get_or_insert_with(key, Client::default).0.did(event));
        let mut facts = Facts { path: Looks::default(), entropy: 0.0, path_length: 0, query_length: 0, parameters: 0, lately };
        match &event.detail {
            Detail::Web(web) => {
                let path = event.path(web);
                facts.path = looks(path);
                facts.entropy = self.entropy.of(path);
                facts.path_length = path.len();
                let query = event.query(web).unwrap_or_default();
                facts.query_length = query.len();
                facts.parameters = query.split(|&byte| byte == b'&').filter(|part| !part.is_empty()).take(1000).count();
            }
            Detail::Log(log) => facts.path = looks(event.text(log.message)),
            Detail::Flow(_) => {}
        }
        facts
    }

    /// The logarithm of one in how many events had the same value before.
    fn rarity(&mut self, counter: usize, feature: &Feature, event: &Event) -> f32 {
        let value = match feature {
            Feature::Rarity(field) => hash_of(event, field),
            _ => Some(event.template).filter(|&template| template != 0),
        };
        let (Some(value), Some(counts)) = (value, self.memory.counts.get_mut(counter)) else { return f32::NAN };
        let all = counts.total();
        let had = counts.add(value) - 1;
        if counts.total() >= HALVED_AFTER {
            counts.halve();
        }
        ((all as f32 + 1.0) / (had as f32 + 1.0)).max(1.0).ln()
    }
}

fn is_counted(feature: &Feature) -> bool {
    matches!(feature, Feature::Rarity(_) | Feature::BuiltIn(BuiltIn::Template))
}

fn hash_of(event: &Event, field: &Field) -> Option<u64> {
    match event.get(field) {
        Value::Absent => None,
        Value::Text(text) => Some(hash(text)),
        Value::Number(number) => Some(number.to_bits()),
        Value::Address(address) => Some(hash(address.to_string().as_bytes())),
    }
}

fn value(feature: &Feature, event: &Event, facts: &Facts) -> f32 {
    match feature {
        Feature::BuiltIn(own) => built_in(*own, event, facts),
        Feature::Number(field) => match event.get(field) {
            Value::Number(number) => finite(number as f32),
            // What is no number is missing, as is what says it is none or endless.
            Value::Text(text) => {
                std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()).map_or(f32::NAN, finite)
            }
            Value::Absent | Value::Address(_) => f32::NAN,
        },
        Feature::Length(field) => match event.get(field) {
            Value::Text(text) => log(text.len() as f64),
            _ => f32::NAN,
        },
        Feature::Rarity(_) => f32::NAN,
    }
}

fn finite(number: f32) -> f32 {
    if number.is_finite() { number } else { f32::NAN }
}

fn built_in(own: BuiltIn, event: &Event, facts: &Facts) -> f32 {
    match own {
        BuiltIn::Duration if event.duration.is_zero() => return f32::NAN,
        BuiltIn::Duration => return log(event.duration.as_secs_f64() * 1000.0),
        BuiltIn::Gap => return log(f64::from(facts.lately.gap)),
        BuiltIn::Errors => return facts.lately.errors,
        BuiltIn::Hour => return event.at.seconds().rem_euclid(86_400) as f32 / 3600.0,
        _ => {}
    }
    match &event.detail {
        Detail::Web(web) => of_web(own, event, web, facts),
        Detail::Log(_) => of_log(own, event, facts),
        Detail::Flow(flow) => of_flow(own, event, flow, facts),
    }
}

fn of_web(own: BuiltIn, event: &Event, web: &Web, facts: &Facts) -> f32 {
    match own {
        BuiltIn::Method => method(event.text(web.method)),
        BuiltIn::Status => {
            if web.status == 0 {
                f32::NAN
            } else {
                f32::from(web.status / 100)
            }
        }
        BuiltIn::Bytes => web.bytes.map_or(f32::NAN, |bytes| log(bytes as f64)),
        BuiltIn::PathLength => log(facts.path_length as f64),
        BuiltIn::PathDepth => facts.path.slashes,
        BuiltIn::PathDigits => facts.path.digits,
        BuiltIn::PathEntropy => facts.entropy,
        BuiltIn::Parameters => facts.parameters as f32,
        BuiltIn::QueryLength => log(facts.query_length as f64),
        BuiltIn::AgentLength => log(event.text(web.user_agent).len() as f64),
        BuiltIn::NewPaths => facts.lately.new_targets,
        _ => f32::NAN,
    }
}

fn of_log(own: BuiltIn, event: &Event, facts: &Facts) -> f32 {
    let Detail::Log(line) = &event.detail else { return f32::NAN };
    match own {
        BuiltIn::Level if event.level == Level::Unset => f32::NAN,
        BuiltIn::Level => f32::from(event.level as u8),
        BuiltIn::Length => log(event.text(line.message).len() as f64),
        BuiltIn::Digits => facts.path.digits,
        BuiltIn::Words => log(f64::from(facts.path.words)),
        _ => f32::NAN,
    }
}

fn of_flow(own: BuiltIn, event: &Event, flow: &Flow, facts: &Facts) -> f32 {
    let (bytes, packets) = (flow.all_bytes() as f64, flow.all_packets() as f64);
    match own {
        BuiltIn::Bytes => log(bytes),
        BuiltIn::Packets => log(packets),
        BuiltIn::PacketSize if packets == 0.0 => f32::NAN,
        BuiltIn::PacketSize => log(bytes / packets),
        BuiltIn::Port => match (flow.icmp(), flow.destination_port) {
            (Some(_), _) | (_, 0) => 3.0,
            (_, ..1024) => 0.0,
            (_, ..49_152) => 1.0,
            _ => 2.0,
        },
        BuiltIn::Protocol => match flow.protocol {
            Flow::TCP => 0.0,
            Flow::UDP => 1.0,
            Flow::ICMP | Flow::ICMP6 => 2.0,
            _ => 3.0,
        },
        BuiltIn::Flags => f32::from((flow.tcp_flags & 0x3f).count_ones() as u8),
        BuiltIn::Answered => match flow.state {
            ConnectionState::Attempted | ConnectionState::Rejected => 0.0,
            _ if bytes == 0.0 => f32::NAN,
            _ => (flow.reverse_bytes as f64 / bytes) as f32,
        },
        BuiltIn::ByteRate if event.duration.is_zero() => f32::NAN,
        BuiltIn::ByteRate => log(bytes / event.duration.as_secs_f64()),
        BuiltIn::NewDestinations => facts.lately.new_targets,
        BuiltIn::NewPorts => facts.lately.new_ports,
        _ => f32::NAN,
    }
}

/// Methods by what they do: read, ask, send, change, delete, and others.
fn method(method: &[u8]) -> f32 {
    match method {
        b"GET" => 0.0,
        b"HEAD" => 1.0,
        b"OPTIONS" => 2.0,
        b"POST" => 3.0,
        b"PUT" | b"PATCH" => 4.0,
        b"DELETE" => 5.0,
        b"" => f32::NAN,
        _ => 8.0,
    }
}

/// Sizes and times are compared by their logarithm.
fn log(value: f64) -> f32 {
    // Keeps what is missing missing.
    (value.clamp(0.0, f64::from(f32::MAX)) as f32 + 1.0).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read;

    fn row(settings: &str, line: &str) -> Vec<f32> {
        let list = settings.split(' ').map(|name| Feature::named(0, name).unwrap()).collect();
        let mut reader = Reader::new(&Settings { web: super::super::List(list), ..Settings::default() });
        let mut rows = Default::default();
        assert_eq!(reader.read(&read(line), &mut rows), 0);
        rows[0].clone()
    }

    const LINE: &str = "10.0.0.1 - - [17/May/2015:10:30:00 +0000] \"POST /a/b12?x=1&y=2 HTTP/1.1\" 404 512 \"-\" \"Mozilla/5.0\"";

    #[test]
    fn a_row_has_the_features_asked_for_in_their_order() {
        let row = row("status_class method path_depth parameters bytes hour user_agent_length", LINE);
        let expected = [4.0, 3.0, 2.0, 2.0, 513_f32.ln(), 10.5, 12_f32.ln()];
        assert!(row.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{row:?}");
    }

    #[test]
    fn what_an_event_does_not_have_is_missing_and_people_may_ask_for_any_field() {
        let row = row("gap number(http.response.status_code) length(url.query) number(nothing) rarity(client.address)", LINE);
        assert!(row[0].is_nan() && row[3].is_nan(), "{row:?}");
        assert!((row[1] - 404.0).abs() < 1e-4 && (row[2] - 8_f32.ln()).abs() < 1e-4 && row[4] == 0.0, "{row:?}");
    }

    #[test]
    fn a_value_seen_once_among_many_is_rare() {
        let list = vec![Feature::named(0, "rarity(client.address)").unwrap()];
        let mut reader = Reader::new(&Settings { web: super::super::List(list), ..Settings::default() });
        let mut rows: [Vec<f32>; 3] = Default::default();
        (0..100).for_each(|_| _ = reader.read(&read(LINE), &mut rows));
        reader.read(&read(&LINE.replace("10.0.0.1", "10.0.0.2")), &mut rows);
        assert!(rows[0][99] < 0.02 && (rows[0][100] - 101_f32.ln()).abs() < 1e-3, "{:?}", &rows[0][99..]);
    }

    #[test]
    fn every_default_list_fits_sixteen_numbers() {
        let reader = Reader::new(&Settings::default());
        assert!((0..3).all(|kind| (5..=16).contains(&reader.features(kind).len())), "models are fastest up to 16");
    }
}
