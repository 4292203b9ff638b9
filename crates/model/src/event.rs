use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Entity, Flow, Keys, Known, Origin, Others, Position, Scope, Text, Timestamp, printable};

/// What was understood of a record. Its texts are [`Text`] spans into `raw` and `decoded`.
#[derive(Debug, Clone)]
pub struct Event {
    /// When it happened, as far as that is known: see [`Clock`].
    pub at: Timestamp,
    pub clock: Clock,
    pub received: Timestamp,
    pub origin: Arc<Origin>,
    pub position: Position,
    pub keys: Keys,
    /// The address that acted: a web client, the `from 203.0.113.9` of an auth log.
    pub client: Option<IpAddr>,
    /// The client as the record names it: an address, or a host name where the web server looked names up.
    pub client_text: Text,
    /// What is known of the client's address; nothing where it has none or nobody looked.
    pub client_known: Option<Arc<Known>>,
    /// The same of the address that a flow goes to.
    pub destination_known: Option<Arc<Known>>,
    pub user: Text,
    pub session: Text,
    pub service: Text,
    pub host: Text,
    pub level: Level,
    /// How long what the event tells of took; zero where it does not say.
    pub duration: Duration,
    /// Hash of the text with everything variable masked: the same on every machine.
    pub skeleton: u64,
    /// The template that the miner put the text under; 0 until it has.
    pub template: u64,
    pub detail: Detail,
    pub others: Others,
    pub raw: Bytes,
    /// What decoding changed (JSON escapes) and values made by parsing; empty for most events.
    pub decoded: Vec<u8>,
}

/// How the time of an event is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// Read from the record.
    Stated,
    /// Read from the record, which leaves out the year.
    Yearless,
    /// The record has none; the time of receipt stands in.
    #[default]
    Received,
    /// The record's own is absurd (far future or past); the time of receipt stands in.
    Clamped,
}

/// What kind of thing an event tells of. Closed: the compiler points at every place that must learn a new one.
#[derive(Debug, Clone, Copy)]
pub enum Detail {
    Web(Web),
    Log(Log),
    Flow(Flow),
}

/// One HTTP request and its response.
#[derive(Debug, Clone, Copy, Default)]
pub struct Web {
    pub method: Text,
    /// As asked for: path, and query after `?`. The whole request line where that is malformed. Set by [`Web::ask`].
    pub target: Text,
    /// The part of it before the `?`. Set by [`Web::ask`].
    pub path: Text,
    pub protocol: Text,
    /// 0 where unknown.
    pub status: u16,
    /// Size of the response body in bytes.
    pub bytes: Option<u64>,
    pub referrer: Text,
    pub user_agent: Text,
    /// The virtual host asked for.
    pub domain: Text,
    pub body: Text,
}

impl Web {
    /// This is asked for: a text, and exactly the bytes that it stands for.
    pub fn ask(&mut self, target: Text, bytes: &[u8]) {
        self.target = target;
        self.path = target.slice(0, memchr::memchr(b'?', bytes).unwrap_or(bytes.len()));
    }
}

/// One line of any other log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log {
    pub message: Text,
    /// The logger, class or program that wrote it.
    pub logger: Text,
    /// HTTP status that the text speaks of as such; 0 where none.
    pub status: u16,
}

/// Severity of a log line, in OpenTelemetry's six steps (`SeverityText`); syslog's and others' names are mapped onto them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    #[default]
    Unset,
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Level::Unset => "",
            Level::Trace => "TRACE",
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
            Level::Fatal => "FATAL",
        }
    }

    /// The level that a word stands for, in any case: `warning`, `CRIT`, `E`, `notice`...; [`Level::Unset`] for other words.
    #[must_use]
    pub fn named(word: &[u8]) -> Level {
        if word.len() > 13 {
            return Level::Unset;
        }
        let mut lower = [0; 13];
        let lower = &mut lower[..word.len()];
        lower.copy_from_slice(word);
        lower.make_ascii_lowercase();
        match &*lower {
            b"trace" | b"finest" | b"finer" | b"verbose" => Level::Trace,
            b"debug" | b"fine" | b"dbg" => Level::Debug,
            b"info" | b"information" | b"informational" | b"notice" | b"config" | b"inf" => Level::Info,
            b"warn" | b"warning" | b"wrn" => Level::Warn,
            b"error" | b"err" | b"severe" | b"failure" => Level::Error,
            b"fatal" | b"critical" | b"crit" | b"alert" | b"emerg" | b"emergency" | b"panic" => Level::Fatal,
            _ => Level::Unset,
        }
    }
}

impl Event {
    /// An event about which nothing is known yet but where it came from.
    #[inline]
    #[must_use]
    pub fn new(record: &crate::Record, detail: Detail) -> Event {
        Event {
            at: record.received,
            clock: Clock::Received,
            received: record.received,
            origin: record.origin.clone(),
            position: record.position,
            keys: Keys::default(),
            client: None,
            client_text: Text::ABSENT,
            client_known: None,
            destination_known: None,
            user: Text::ABSENT,
            session: Text::ABSENT,
            service: Text::ABSENT,
            host: Text::ABSENT,
            level: Level::Unset,
            duration: Duration::ZERO,
            skeleton: 0,
            template: 0,
            detail,
            others: Others::default(),
            raw: record.body.clone(),
            decoded: Vec::new(),
        }
    }

    /// The bytes of one of this event's texts; empty where it is absent.
    #[inline]
    #[must_use]
    pub fn text(&self, text: Text) -> &[u8] {
        text.of(&self.raw, &self.decoded)
    }

    /// What people are shown of it: the record's text or, of a flow that came as a binary row, a line that tells of it.
    #[must_use]
    pub fn shown(&self) -> Cow<'_, [u8]> {
        match &self.detail {
            Detail::Flow(flow) if self.raw.is_empty() => Cow::Owned(flow.line(self.client, self.duration).into_bytes()),
            _ => Cow::Borrowed(&self.raw),
        }
    }

    #[inline]
    #[must_use]
    pub fn web(&self) -> Option<&Web> {
        match &self.detail {
            Detail::Web(web) => Some(web),
            Detail::Log(_) | Detail::Flow(_) => None,
        }
    }

    /// The flow this tells of; its source is the event's client.
    #[must_use]
    pub fn flow(&self) -> Option<&Flow> {
        match &self.detail {
            Detail::Flow(flow) => Some(flow),
            Detail::Web(_) | Detail::Log(_) => None,
        }
    }

    /// Path of a web request: what is asked for up to the `?`.
    #[inline]
    #[must_use]
    pub fn path(&self, web: &Web) -> &[u8] {
        self.text(web.path)
    }

    /// Query of a web request, without its `?`; nothing where there is none.
    #[inline]
    #[must_use]
    pub fn query(&self, web: &Web) -> Option<&[u8]> {
        self.text(web.target).get(web.path.len() + 1..)
    }

    /// HTTP status, where the event speaks of one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match &self.detail {
            Detail::Web(web) => Some(web.status),
            Detail::Log(log) => Some(log.status),
            Detail::Flow(_) => None,
        }
        .filter(|&status| status != 0)
    }

    /// Whether this tells of something that went wrong on our side: a 5xx answer, or a line of level ERROR or above.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.level >= Level::Error || matches!(self.status(), Some(500..))
    }

    /// Whom this event is first of all about: the client, else the user, session, host, service, else where it came from.
    #[must_use]
    pub fn entity(&self) -> Entity {
        [Scope::Client, Scope::User, Scope::Session, Scope::Host, Scope::Service]
            .into_iter()
            .find_map(|scope| self.entity_of(scope))
            .unwrap_or_else(|| Entity::new(Scope::Source, self.origin.name.clone()))
    }

    /// The entity of a given scope; none where the event belongs to nothing of that scope.
    #[must_use]
    pub fn entity_of(&self, scope: Scope) -> Option<Entity> {
        let text = |text: Text| (!text.is_empty()).then(|| printable(self.text(text)).within(200).to_string());
        let name = match scope {
            Scope::Client => self.client.map(|address| address.to_string()).or_else(|| text(self.client_text)),
            Scope::Network => self.client.map(network_name),
            Scope::User => text(self.user),
            Scope::Session => text(self.session).or_else(|| self.origin.reading.session.as_deref().map(str::to_owned)),
            Scope::Endpoint => {
                self.web().map(|web| printable(&[self.text(web.method), b" ", self.path(web)].concat()).within(200).to_string())
            }
            Scope::Service => text(self.service).or_else(|| self.origin.reading.service.as_deref().map(str::to_owned)),
            Scope::Host => text(self.host).or_else(|| self.origin.reading.host.as_deref().map(str::to_owned)),
            Scope::Source => Some(self.origin.name.to_string()),
            Scope::Victim => self.flow().map(|flow| flow.destination.to_string()),
            Scope::Pair => self.flow().zip(self.client).map(|(flow, client)| format!("{client} > {}", flow.destination)),
            Scope::All => Some("everything".to_owned()),
            Scope::Event => return Some(self.entity()),
        };
        name.map(|name| Entity::new(scope, name))
    }
}

/// The /24 (IPv4) or /64 (IPv6) that an address is in.
pub fn network_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => format!("{}/64", std::net::Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Record;

    fn event(raw: &'static str) -> Event {
        let record = Record {
            body: Bytes::from_static(raw.as_bytes()),
            origin: Origin::new("app.log"),
            position: Position::default(),
            received: Timestamp::EPOCH,
        };
        Event::new(&record, Detail::Log(Log::default()))
    }

    #[test]
    fn an_event_is_about_its_client_before_all_else_and_about_its_source_at_last() {
        let mut event = event("bob from ::1");
        assert_eq!(event.entity(), Entity::new(Scope::Source, "app.log"));
        event.user = Text::raw(0, 3);
        assert_eq!(event.entity(), Entity::new(Scope::User, "bob"));
        event.client = "2001:db8:1:2:3::9".parse().ok();
        assert_eq!(event.entity(), Entity::new(Scope::Client, "2001:db8:1:2:3::9"));
        assert_eq!(event.entity_of(Scope::Network), Some(Entity::new(Scope::Network, "2001:db8:1:2::/64")));
    }

    #[test]
    fn path_and_query_part_at_the_first_question_mark() {
        let mut event = event("/a/b?x=1?2");
        let mut web = Web::default();
        web.ask(Text::raw(0, 10), &event.raw);
        event.detail = Detail::Web(web);
        assert_eq!(event.path(&web), b"/a/b");
        assert_eq!(event.query(&web), Some(b"x=1?2".as_slice()));
        for (target, query) in [(0..4, None), (0..5, Some(b"".as_slice()))] {
            web.ask(Text::raw(target.start, target.end), &event.raw[target]);
            assert_eq!((event.path(&web), event.query(&web)), (b"/a/b".as_slice(), query));
        }
        assert_eq!((event.path(&Web::default()), event.query(&Web::default())), (b"".as_slice(), None));
    }

    #[test]
    fn words_for_levels_are_known_in_any_case() {
        assert_eq!(Level::named(b"Warning"), Level::Warn);
        assert_eq!(Level::named(b"CRITICAL"), Level::Fatal);
        assert_eq!(Level::named(b"informational"), Level::Info);
        assert_eq!(Level::named(b"a very long word indeed"), Level::Unset);
    }
}
