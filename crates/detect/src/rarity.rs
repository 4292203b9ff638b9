//! A value that is rare for everybody and never seen among its peers: a method that this page is never asked with, a program that
//! this service never runs, a country that this user never comes from.
//!
//! Rare in both ways is what counts: what is new for a page but common on the site is a page being used, what is rare on the site
//! but usual here is this page's own way. What nobody has ever had is told by `novelty` too, where it watches the field.

use lapwing_learn::{ClosedSet, Lru, surprise};
use lapwing_model::{Event, Field, Finding, Homes, Scope, Score, Severity, Value, hash, printable};
use serde::{Deserialize, Serialize};

use crate::{Detector, Events, Family, Findings, Kind};

pub const KIND: Kind = Kind {
    name: "rarity",
    summary: "values that are rare for everybody and never seen among their peers (the same page, service, user or role)",
    family: Family::Statistical,
    scopes: &[Scope::All],
    enabled: |settings| settings.rarity.enabled,
    build: |setup, _| Box::new(Rarity::new(&setup.settings.rarity)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    pub watches: Vec<WatchSettings>,
    /// Events of the same peers that must have been seen before.
    pub peers_at_least: u32,
    /// And events of all.
    pub all_at_least: u32,
    /// At most this share of all events had the value.
    pub share: f64,
    /// Groups of peers remembered; the one seen longest ago is forgotten first.
    pub groups: usize,
}

/// Which field is watched, and which fields make events peers where they are equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchSettings {
    /// By its OpenTelemetry or ECS name.
    pub field: String,
    pub peers: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let watch = |field: &str, peer: &str| WatchSettings { field: field.to_owned(), peers: vec![peer.to_owned()] };
        Settings {
            enabled: true,
            watches: vec![
                watch("http.request.method", "url.path"),
                watch("http.request.method", "user.roles"),
                watch("event.action", "user.roles"),
                watch("log.logger", "service.name"),
                watch("log.logger", "host.name"),
                watch("source.geo.country_iso_code", "user.name"),
                watch("user.name", "log.logger"),
            ],
            peers_at_least: 300,
            all_at_least: 2000,
            share: 0.002,
            groups: 8192,
        }
    }
}

/// Values beyond so many: the field is too varied for a rare value to mean something, among peers and among all.
const PEERS_VALUES: u16 = 16;
const ALL_VALUES: u16 = 256;

/// Events of a group after which what was seen before them counts as older, and is forgotten where it does not come again.
const GENERATION: u32 = 50_000;

/// The surprise of an unseen value that peers must reach, in nats: 5 is 1 in 150.
const PEERS_NATS: f32 = 5.0;

#[derive(Debug)]
struct Rarity {
    settings: Settings,
    watches: Vec<Watch>,
    memory: Option<Memory>,
}

#[derive(Debug)]
struct Watch {
    field: Field,
    peers: Vec<Field>,
    /// Of the field and its peers.
    homes: Homes,
    salt: u64,
}

/// Made at the first event, since only one partition ever sees one.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    /// What all events had, for each watch.
    all: Vec<Group>,
    groups: Lru<Group>,
}

/// The values of some events.
#[derive(Debug, Serialize, Deserialize)]
struct Group {
    values: ClosedSet,
    in_generation: u32,
}

impl Group {
    fn new(capacity: u16) -> Group {
        Group { values: ClosedSet::new(capacity), in_generation: 0 }
    }

    fn learn(&mut self, value: u64) {
        self.values.learn(value);
        self.in_generation += 1;
        if self.in_generation >= GENERATION {
            self.values.age();
            self.in_generation = 0;
        }
    }
}

impl Watch {
    fn new(settings: &WatchSettings) -> Watch {
        let salt = hash(format!("{} by {}", settings.field, settings.peers.join("+")).as_bytes());
        let peers: Vec<_> = settings.peers.iter().map(|name| Field::named(name)).collect();
        let field = Field::named(&settings.field);
        Watch { homes: Homes::of(peers.iter().chain([&field])), field, peers, salt }
    }

    /// Hashes of the value and of the peers; none where one of the fields is absent.
    fn read(&self, event: &Event) -> Option<(u64, u64)> {
        // Most events lack a field that would make them peers.
        let peers = self.peers.iter().try_fold(self.salt, |peers, field| {
            Some((peers ^ value_of_peer(event, field)?).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29))
        })?;
        Some((value(event, &self.field)?, peers))
    }

    fn finding(&self, event: &Event, all: &ClosedSet, peers: &ClosedSet, had: u32, bits: f64) -> Finding {
        let (name, value) = (self.field.name(), shown(event, &self.field));
        let same: Vec<_> = self.peers.iter().map(|field| format!("{} {}", field.name(), shown(event, field))).collect();
        let same = same.join(" and ");
        Finding {
            detector: KIND.name,
            rule: format!("{} by {}", name, self.peers.iter().map(Field::name).collect::<Vec<_>>().join("+")).into(),
            class: "rare-value".into(),
            entity: event.entity(),
            // 18 bits are what is just told; a thousand times less likely is a quarter more.
            score: Score::new((0.55 + (bits - 18.0) / 40.0) as f32),
            severity: Severity::Info,
            count: 1,
            since: None,
            reason: format!(
                "{name} {value}: none of {} events with {same} had it, and {had} of all {}",
                peers.samples(),
                all.samples()
            ),
            expected: format!("a {name} seen before with {same}, which had {} so far", peers.len()),
            observed: value,
        }
    }
}

fn value(event: &Event, field: &Field) -> Option<u64> {
    match event.get(field) {
        Value::Absent | Value::Text(b"" | b"-") => None,
        Value::Text(text) => Some(hash(text)),
        Value::Number(number) => Some(number.to_bits()),
        Value::Address(address) => Some(hash(address.to_string().as_bytes())),
    }
}

fn value_of_peer(event: &Event, field: &Field) -> Option<u64> {
    match field {
        Field::Template if event.template != 0 => Some(event.template),
        field => value(event, field),
    }
}

fn shown(event: &Event, field: &Field) -> String {
    match event.get(field) {
        Value::Text(text) => printable(text).within(120).to_string(),
        Value::Number(number) => number.to_string(),
        Value::Address(address) => address.to_string(),
        Value::Absent => String::new(),
    }
}

impl Rarity {
    fn new(settings: &Settings) -> Rarity {
        Rarity { watches: settings.watches.iter().map(Watch::new).collect(), settings: settings.clone(), memory: None }
    }
}

impl Settings {
    /// How improbable the value is among all and among its peers together, in bits; none where it is not worth telling.
    fn bits(&self, value: u64, all: &ClosedSet, peers: &ClosedSet) -> Option<f64> {
        let known = all.samples() >= self.all_at_least && peers.samples() >= self.peers_at_least;
        if !known || all.is_open() || peers.is_open() || peers.has(value) {
            return None;
        }
        // How likely peers are to show something new, and, of all that is there, this.
        let among_peers = peers.surprise(0.1);
        let had = f64::from(all.count(value));
        let share = (had + 1.0) / (f64::from(all.samples()) + 1.0);
        let new_to_all = if had == 0.0 { all.surprise(0.1) } else { surprise(all.samples(), 0, 0, had as f32) };
        let nats = among_peers + new_to_all;
        (share <= self.share && among_peers >= PEERS_NATS).then(|| f64::from(nats) / std::f64::consts::LN_2)
    }
}

impl Detector for Rarity {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        let memory = self.memory.get_or_insert_with(|| Memory {
            all: self.watches.iter().map(|_| Group::new(ALL_VALUES)).collect(),
            groups: Lru::new(self.settings.groups),
        });
        for (at, event) in events.iter() {
            let homes = event.homes();
            for (watch, all) in self.watches.iter().zip(&mut memory.all).filter(|(watch, _)| homes.meet(watch.homes)) {
                let Some((value, peers)) = watch.read(event) else { continue };
                let (peers, _) = memory.groups.get_or_insert_with(peers, || Group::new(PEERS_VALUES));
                if let Some(bits) = self.settings.bits(value, &all.values, &peers.values) {
                    findings.push(at, watch.finding(event, &all.values, &peers.values, all.values.count(value), bits));
                }
                all.learn(value);
                peers.learn(value);
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
            postcard::from_bytes(state).map_err(|error| format!("the saved values cannot be read: {error}"))?;
        if memory.all.len() != self.watches.len() {
            return Err("other fields are watched than when it was saved".to_owned());
        }
        memory.groups.set_capacity(self.settings.groups);
        self.memory = Some(memory);
        Ok(())
    }

    fn entities(&self) -> usize {
        self.memory.as_ref().map_or(0, |memory| memory.groups.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{detector, observe, read};

    fn request(n: u64, method: &str, path: &str) -> Event {
        let (minute, second) = (n / 60 % 60, n % 60);
        read(&format!("10.0.0.{} - - [17/May/2015:10:{minute:02}:{second:02} +0000] \"{method} {path} HTTP/1.1\" 200 512", n % 50))
    }

    fn site(count: u64) -> Vec<Event> {
        let methods = |n: u64| if n.is_multiple_of(900) { "PUT" } else { "GET" };
        let path = |n: u64| if n.is_multiple_of(900) { "/api/items" } else { ["/", "/about", "/api/items"][(n % 3) as usize] };
        (0..count).map(|n| request(n, methods(n), path(n))).collect()
    }

    fn told(events: &[Event]) -> Vec<Finding> {
        let mut rarity = detector("rarity", Scope::All);
        events.chunks(1000).flat_map(|chunk| observe(&mut *rarity, chunk)).collect()
    }

    #[test]
    fn what_is_rare_for_all_and_never_seen_among_its_peers_is_told() {
        let mut events = site(9_000);
        assert_eq!(told(&events), [], "PUT is usual where it is used");
        events.push(request(9_001, "PUT", "/about"));
        let findings = told(&events);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((&*findings[0].class, &*findings[0].observed), ("rare-value", "PUT"));
        let reason = &findings[0].reason;
        assert!(reason.starts_with("http.request.method PUT: none of ") && reason.ends_with("url.path /about had it, and 10 of all 9000"), "{reason}");
    }

    #[test]
    fn what_is_common_elsewhere_is_not_told() {
        let mut events = site(9_000);
        events.extend((0..90).map(|n| request(9_000 + n, "POST", "/api/items")));
        let findings = told(&events);
        events.push(request(9_100, "POST", "/about"));
        assert_eq!(told(&events).len(), findings.len(), "one in a hundred is not rare");
    }

    #[test]
    fn few_peers_say_nothing() {
        let mut events = site(9_000);
        events.extend((0..200).map(|n| request(9_000 + n, "GET", "/new")));
        events.push(request(9_300, "PUT", "/new"));
        assert_eq!(told(&events), []);
    }

    #[test]
    fn a_field_of_many_values_says_nothing() {
        let events: Vec<_> = (0..9_000).map(|n| request(n, &format!("M{}", (b'A' + (n % 26) as u8) as char), "/")).collect();
        assert_eq!(told(&events), []);
    }

    #[test]
    fn a_state_of_other_fields_is_refused() {
        let mut state = Vec::new();
        let mut rarity = Rarity::new(&Settings::default());
        rarity.observe(Events::new(&site(1), &[0]), &mut Findings::default());
        rarity.save(&mut state);
        assert!(Rarity::new(&Settings { watches: Vec::new(), ..Settings::default() }).load(&state).is_err());
    }
}
