use std::net::IpAddr;

use crate::others::mark;
use crate::{Detail, Event, Level};

/// A field of an event, by its OpenTelemetry or ECS name. Look the name up once, then read it from every event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    ClientAddress,
    Method,
    Url,
    Path,
    Query,
    Status,
    ResponseSize,
    Referrer,
    UserAgent,
    Domain,
    RequestBody,
    User,
    Session,
    Service,
    Host,
    Level,
    Message,
    Logger,
    /// In nanoseconds, as ECS counts it.
    Duration,
    Template,
    Source,
    /// The record as it came.
    Raw,
    /// A field of the record that has no place of its own, by the record's own name for it.
    Other(Box<str>),
}

/// What stands in a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    Absent,
    Text(&'a [u8]),
    Number(f64),
    Address(IpAddr),
}

/// What one of Lapwing's own fields is called.
struct Names {
    all: &'static [&'static str],
    marks: u64,
}

impl Names {
    const fn new(all: &'static [&'static str]) -> Names {
        let (mut marks, mut at) = (0, 0);
        while at < all.len() {
            marks |= mark(all[at].as_bytes());
            at += 1;
        }
        Names { all, marks }
    }
}

/// Lapwing's own fields.
const OWN: &[Field] = &[
    Field::ClientAddress,
    Field::Method,
    Field::Url,
    Field::Path,
    Field::Query,
    Field::Status,
    Field::ResponseSize,
    Field::Referrer,
    Field::UserAgent,
    Field::Domain,
    Field::RequestBody,
    Field::User,
    Field::Session,
    Field::Service,
    Field::Host,
    Field::Level,
    Field::Message,
    Field::Logger,
    Field::Duration,
    Field::Template,
    Field::Source,
    Field::Raw,
];

impl Field {
    /// The field of that name; an unknown name is a field of the record's own.
    #[must_use]
    pub fn named(name: &str) -> Field {
        let known = OWN.iter().find(|field| field.names().all.contains(&name));
        known.cloned().unwrap_or_else(|| Field::Other(name.into()))
    }

    /// The name to show.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Field::Other(name) => name,
            field => field.names().all.first().copied().unwrap_or_default(),
        }
    }

    /// All names of one of Lapwing's own fields. The first is OpenTelemetry's (or ECS's, where OpenTelemetry has none).
    const fn names(&self) -> &'static Names {
        match self {
            Field::ClientAddress => {
                const { &Names::new(&["client.address", "source.ip", "client.ip", "source.address", "c-ip", "remote_addr", "src_ip"]) }
            }
            Field::Method => const { &Names::new(&["http.request.method", "cs-method", "http.method"]) },
            Field::Url => const { &Names::new(&["url.original", "url.full", "cs-uri", "c-uri"]) },
            Field::Path => const { &Names::new(&["url.path", "cs-uri-stem", "http.target"]) },
            Field::Query => const { &Names::new(&["url.query", "cs-uri-query", "c-uri-query"]) },
            Field::Status => const { &Names::new(&["http.response.status_code", "sc-status", "http.status_code", "status"]) },
            Field::ResponseSize => {
                const { &Names::new(&["http.response.body.size", "http.response.body.bytes", "sc-bytes", "bytes"]) }
            }
            Field::Referrer => const { &Names::new(&["http.request.header.referer", "http.request.referrer", "cs-referer"]) },
            Field::UserAgent => const { &Names::new(&["user_agent.original", "cs-user-agent", "c-useragent", "user_agent"]) },
            Field::Domain => const { &Names::new(&["server.address", "url.domain", "destination.domain", "cs-host", "vhost"]) },
            Field::RequestBody => const { &Names::new(&["http.request.body.content"]) },
            Field::User => const { &Names::new(&["user.name", "enduser.id", "cs-username", "user"]) },
            Field::Session => const { &Names::new(&["session.id", "session_id", "trace.id", "trace_id"]) },
            Field::Service => const { &Names::new(&["service.name", "service"]) },
            Field::Host => const { &Names::new(&["host.name", "hostname", "host"]) },
            Field::Level => const { &Names::new(&["log.level", "severity_text", "level"]) },
            Field::Message => const { &Names::new(&["message", "body", "msg"]) },
            Field::Logger => const { &Names::new(&["log.logger", "logger", "process.name"]) },
            Field::Duration => const { &Names::new(&["event.duration", "duration"]) },
            Field::Template => const { &Names::new(&["log.record.template", "template"]) },
            Field::Source => const { &Names::new(&["log.file.path", "source"]) },
            Field::Raw => const { &Names::new(&["event.original", "log.record.original"]) },
            Field::Other(_) => const { &Names::new(&[]) },
        }
    }

    /// The names by which Lapwing's own fields are known, the one to show first.
    pub fn known() -> impl Iterator<Item = &'static [&'static str]> {
        OWN.iter().map(|field| field.names().all)
    }
}

impl Event {
    /// What stands in a field of this event: in its own place or, where that is empty, among the record's other fields under
    /// one of its names (an application may well have a `status` that is no HTTP status).
    #[must_use]
    pub fn get(&self, field: &Field) -> Value<'_> {
        if let Field::Other(name) = field {
            return self.other(&[name], mark(name.as_bytes()));
        }
        match self.placed(field) {
            Value::Absent => self.other(field.names().all, field.names().marks),
            value => value,
        }
    }

    fn placed(&self, field: &Field) -> Value<'_> {
        let text = |text: crate::Text| if text.is_absent() { Value::Absent } else { Value::Text(self.text(text)) };
        let number = |number: f64| if number == 0.0 { Value::Absent } else { Value::Number(number) };
        match (field, &self.detail) {
            (Field::ClientAddress, _) => self.client.map_or_else(|| text(self.client_text), Value::Address),
            (Field::User, _) => text(self.user),
            (Field::Session, _) => text(self.session),
            (Field::Service, _) => text(self.service),
            (Field::Host, _) => text(self.host),
            (Field::Level, _) if self.level != Level::Unset => Value::Text(self.level.name().as_bytes()),
            (Field::Duration, _) => number(self.duration.as_nanos() as f64),
            (Field::Source, _) => Value::Text(self.origin.name.as_bytes()),
            (Field::Raw, _) => Value::Text(&self.raw),
            (Field::Status, _) => self.status().map_or(Value::Absent, |status| Value::Number(f64::from(status))),
            (Field::Method, Detail::Web(web)) => text(web.method),
            (Field::Url, Detail::Web(web)) => text(web.target),
            (Field::Path, Detail::Web(web)) => Value::Text(self.path(web)),
            (Field::Query, Detail::Web(web)) => self.query(web).map_or(Value::Absent, Value::Text),
            (Field::ResponseSize, Detail::Web(web)) => web.bytes.map_or(Value::Absent, |bytes| Value::Number(bytes as f64)),
            (Field::Referrer, Detail::Web(web)) => text(web.referrer),
            (Field::UserAgent, Detail::Web(web)) => text(web.user_agent),
            (Field::Domain, Detail::Web(web)) => text(web.domain),
            (Field::RequestBody, Detail::Web(web)) => text(web.body),
            (Field::Message, Detail::Log(log)) => text(log.message),
            (Field::Logger, Detail::Log(log)) => text(log.logger),
            _ => Value::Absent,
        }
    }

    fn other(&self, names: &[&str], marks: u64) -> Value<'_> {
        if !self.others.may_have(marks) {
            return Value::Absent;
        }
        let named = |name: &&str| self.others.iter().find(|(key, _)| self.text(*key) == name.as_bytes());
        names.iter().find_map(named).map_or(Value::Absent, |(_, value)| Value::Text(self.text(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_for_two_fields() {
        let mut names: Vec<_> = Field::known().flatten().collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_field_that_is_not_in_its_own_place_is_looked_for_under_its_names() {
        let record = crate::Record {
            body: bytes::Bytes::from_static(b"status=ok"),
            origin: crate::Origin::new("app"),
            position: crate::Position::default(),
            received: crate::Timestamp::EPOCH,
        };
        let mut event = Event::new(&record, Detail::Log(crate::Log::default()));
        event.keep(crate::Text::raw(0, 6), crate::Text::raw(7, 9));
        assert_eq!(event.get(&Field::named("status")), Value::Text(b"ok"));
        assert_eq!(event.get(&Field::named("http.request.method")), Value::Absent);
    }

    #[test]
    fn fields_are_known_by_opentelemetry_and_ecs_names_alike() {
        assert_eq!(Field::named("source.ip"), Field::named("client.address"));
        assert_eq!(Field::named("http.response.status_code").name(), "http.response.status_code");
        assert_eq!(Field::named("k8s.pod.name"), Field::Other("k8s.pod.name".into()));
    }
}
