//! Events made by hand, for the tests of detectors.

use std::sync::Arc;

use bytes::Bytes;
use lapwing_model::{
    Clock, Detail, Event, Finding, Flow, Level, Log, Origin, Position, Record, Scope, Text, Timestamp, Web, hash,
};

use crate::{Batch, Detector, Events, Findings, Found};

/// Something that happened at a second, to be made into an event.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub second: f64,
    pub client: String,
    pub status: u16,
    pub path: String,
    pub agent: String,
    pub source: String,
}

impl Line {
    pub(crate) fn new(second: f64, client: &str, status: u16) -> Line {
        Line {
            second,
            client: client.to_owned(),
            status,
            path: "/".to_owned(),
            agent: "Mozilla".to_owned(),
            source: "a.log".to_owned(),
        }
    }

    /// A web request.
    pub(crate) fn web(&self, number: u64) -> Event {
        let raw = format!("{} {} {} {}", self.client, self.path, self.status, self.agent);
        let mut event = self.event(number, raw);
        let path = self.client.len() + 1;
        let agent = event.raw.len() - self.agent.len();
        let mut web = Web { status: self.status, user_agent: Text::raw(agent, event.raw.len()), ..Web::default() };
        web.ask(Text::raw(path, path + self.path.len()), self.path.as_bytes());
        event.detail = Detail::Web(web);
        event.client = self.client.parse().ok();
        event.keys.name(Scope::Client, self.client.as_bytes());
        event.keys.name(Scope::Endpoint, self.path.as_bytes());
        event.template = hash(self.path.as_bytes()).max(1);
        event
    }

    /// A line of an application's log.
    pub(crate) fn log(&self, number: u64, level: Level, message: &str) -> Event {
        let mut event = self.event(number, message.to_owned());
        event.detail = Detail::Log(Log { message: Text::raw(0, message.len()), ..Log::default() });
        event.level = level;
        event.template = hash(message.as_bytes()).max(1);
        event
    }

    fn event(&self, number: u64, raw: String) -> Event {
        let at = Timestamp::from_nanos((self.second * 1e9) as i64);
        let record = Record {
            body: Bytes::from(raw),
            origin: Origin::new(self.source.as_str()),
            position: Position { offset: number * 100, line: number },
            received: at,
        };
        let mut event = Event::new(&record, Detail::Log(Log::default()));
        event.clock = Clock::Stated;
        event.keys.set(Scope::Source, event.origin.id);
        event
    }
}

/// So many ordinary requests of some clients, one a second.
pub(crate) fn events(count: u64) -> Vec<Event> {
    (0..count).map(|n| Line::new(n as f64, &format!("10.0.0.{}", n % 37), 200).web(n)).collect()
}

/// What a detector says of events, all of which are its own, with a tick at each second that passes.
pub(crate) fn observe(detector: &mut dyn Detector, events: &[Event]) -> Vec<Finding> {
    let mut now = Timestamp::MIN;
    let mut findings = Findings::default();
    for (at, event) in events.iter().enumerate() {
        if event.at.seconds() > now.seconds() || now == Timestamp::MIN {
            now = event.at;
            findings.speaks(0, Some((0, now)));
            detector.tick(now, &mut findings);
            findings.speaks(0, None);
        }
        let at = at as u16;
        detector.observe(Events::new(events, &[at]), &mut findings);
    }
    findings.as_slice().iter().map(|found| found.finding.clone()).collect()
}

/// A detector of a kind with default settings.
pub(crate) fn detector(name: &str, scope: Scope) -> Box<dyn Detector> {
    let kind = crate::Kind::named(name).expect("a kind of that name");
    (kind.build)(&setup(), scope)
}

/// The first event of a line, as parsing reads it.
pub(crate) fn read(line: &str) -> Event {
    let record = Record {
        body: Bytes::copy_from_slice(line.as_bytes()),
        origin: Origin::new("test"),
        position: Position::default(),
        received: Timestamp::from_seconds(1_900_000_000),
    };
    let mut events = Vec::new();
    lapwing_parse::Parser::new().parse(&record, &mut events);
    events.remove(0)
}

/// Default settings and the rules that come with Lapwing.
pub(crate) fn setup() -> crate::Setup {
    let texts = crate::rules::BUILTIN.iter().chain(crate::behaviour::BUILTIN);
    let parsed = texts.map(|(name, text)| lapwing_rules::parse(name, text));
    let rules = parsed.flat_map(|(rules, errors)| {
        assert!(errors.is_empty(), "{errors:?}");
        rules
    });
    let mut rules = rules.collect();
    let (behaviours, errors) = crate::behaviour::Behaviours::take(&mut rules);
    assert!(errors.is_empty(), "{errors:?}");
    let (set, errors) = crate::logsource::compile(rules);
    assert!(errors.is_empty(), "{errors:?}");
    let rulebook = crate::Rulebook { rules: Arc::new(set), behaviours: Arc::new(behaviours), ..crate::Rulebook::default() };
    crate::Setup { rulebook, ..crate::Setup::default() }
}

/// All that a whole shard finds in events, cut into batches of `size`.
pub(crate) fn judge(shards: &mut [crate::Shard], events: &[Event], size: usize) -> Vec<Found> {
    let mut all = Vec::new();
    let mut ticked = Timestamp::MIN;
    for (sequence, chunk) in events.chunks(size).enumerate() {
        let mut ticks = Vec::new();
        for (at, event) in chunk.iter().enumerate() {
            if event.at.seconds() > ticked.seconds() {
                ticked = event.at;
                ticks.push((at as u16, ticked));
            }
        }
        let batch = Batch::new(sequence as u64, chunk.to_vec(), ticks);
        let findings = shards.iter_mut().map(|shard| {
            let mut findings = Findings::default();
            shard.judge(&batch, &mut findings);
            findings
        });
        all.extend(Findings::in_order(findings.collect::<Vec<_>>()));
    }
    all
}

/// A flow from `client`, at a second.
pub(crate) fn flow(number: u64, second: f64, client: &str, flow: Flow) -> Event {
    let mut event = Line::new(second, client, 0).event(number, String::new());
    event.detail = Detail::Flow(flow);
    event.client = client.parse().ok();
    event.keys.name(Scope::Client, client.as_bytes());
    event.keys.name(Scope::Victim, flow.destination.to_string().as_bytes());
    event
}

/// A TCP flow of one direction with these flags, of five packets (one for a mere SYN).
pub(crate) fn tcp(to: &str, source_port: u16, destination_port: u16, tcp_flags: u16) -> Flow {
    let packets = if tcp_flags == 2 { 1 } else { 5 };
    let destination = to.parse().expect("an address");
    Flow {
        destination,
        source_port,
        destination_port,
        protocol: Flow::TCP,
        tcp_flags,
        packets,
        bytes: packets * 50,
        ..Flow::default()
    }
}
