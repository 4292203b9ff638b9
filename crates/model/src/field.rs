use std::net::IpAddr;

use crate::others::mark;
use crate::{Detail, Event, Fact, Flow, Level};

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
    SourcePort,
    SourceBytes,
    SourcePackets,
    DestinationAddress,
    DestinationPort,
    DestinationBytes,
    DestinationPackets,
    /// `tcp`, `udp`, `icmp`...
    Transport,
    /// Both directions together.
    NetworkBytes,
    NetworkPackets,
    ProtocolNumber,
    Direction,
    TcpFlags,
    ConnectionState,
    /// What was done with a flow: `allowed` or `denied`.
    Action,
    /// What is known of the client's address.
    OfClient(Fact),
    /// What is known of the address that a flow goes to.
    OfDestination(Fact),
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

/// Which kinds of event have a place for all of some fields; an event that has others of its own may have any among those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Homes(u8);

impl Homes {
    const WEB: Homes = Homes(1);
    const LOG: Homes = Homes(2);
    const FLOW: Homes = Homes(4);
    const OTHERS: Homes = Homes(8);

    /// The homes of fields that are wanted together.
    #[must_use]
    pub fn of<'a>(fields: impl IntoIterator<Item = &'a Field>) -> Homes {
        let kinds = [
            (Homes::WEB, Detail::Web(crate::Web::default())),
            (Homes::LOG, Detail::Log(crate::Log::default())),
            (Homes::FLOW, Detail::Flow(Flow::default())),
        ];
        let mut homes = Homes(u8::MAX);
        for field in fields.into_iter().filter(|field| **field != Field::Template) {
            for (kind, detail) in &kinds {
                homes.0 &= if field.is_of(detail) { u8::MAX } else { !kind.0 };
            }
        }
        homes
    }

    /// Whether an event of these homes may have what those are the homes of.
    #[inline]
    #[must_use]
    pub const fn meet(self, those: Homes) -> bool {
        self.0 & those.0 != 0
    }
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
    Field::SourcePort,
    Field::SourceBytes,
    Field::SourcePackets,
    Field::DestinationAddress,
    Field::DestinationPort,
    Field::DestinationBytes,
    Field::DestinationPackets,
    Field::Transport,
    Field::NetworkBytes,
    Field::NetworkPackets,
    Field::ProtocolNumber,
    Field::Direction,
    Field::TcpFlags,
    Field::ConnectionState,
    Field::Action,
    Field::OfClient(Fact::Country),
    Field::OfClient(Fact::AsNumber),
    Field::OfClient(Fact::AsOrganization),
    Field::OfClient(Fact::NetworkClass),
    Field::OfClient(Fact::Domain),
    Field::OfClient(Fact::AssetName),
    Field::OfClient(Fact::AssetOwner),
    Field::OfClient(Fact::AssetCriticality),
    Field::OfClient(Fact::ThreatList),
    Field::OfDestination(Fact::Country),
    Field::OfDestination(Fact::AsNumber),
    Field::OfDestination(Fact::AsOrganization),
    Field::OfDestination(Fact::NetworkClass),
    Field::OfDestination(Fact::Domain),
    Field::OfDestination(Fact::AssetName),
    Field::OfDestination(Fact::AssetOwner),
    Field::OfDestination(Fact::AssetCriticality),
    Field::OfDestination(Fact::ThreatList),
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
                const {
                    &Names::new(&[
                        "client.address",
                        "source.ip",
                        "client.ip",
                        "source.address",
                        "c-ip",
                        "remote_addr",
                        "src_ip",
                        "id.orig_h",
                        "srcip",
                        "SRC",
                    ])
                }
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
            Field::SourcePort => {
                const { &Names::new(&["source.port", "client.port", "src_port", "srcport", "spt", "id.orig_p", "SPT"]) }
            }
            Field::SourceBytes => const { &Names::new(&["source.bytes", "client.bytes"]) },
            Field::SourcePackets => const { &Names::new(&["source.packets", "client.packets"]) },
            Field::DestinationAddress => {
                const {
                    &Names::new(&[
                        "destination.ip",
                        "destination.address",
                        "dst_ip",
                        "dest_ip",
                        "dstip",
                        "dst",
                        "id.resp_h",
                        "DST",
                    ])
                }
            }
            Field::DestinationPort => {
                const {
                    &Names::new(&[
                        "destination.port",
                        "server.port",
                        "dst_port",
                        "dest_port",
                        "dstport",
                        "dpt",
                        "id.resp_p",
                        "DPT",
                    ])
                }
            }
            Field::DestinationBytes => const { &Names::new(&["destination.bytes", "server.bytes"]) },
            Field::DestinationPackets => const { &Names::new(&["destination.packets", "server.packets"]) },
            Field::Transport => const { &Names::new(&["network.transport"]) },
            Field::NetworkBytes => const { &Names::new(&["network.bytes"]) },
            Field::NetworkPackets => const { &Names::new(&["network.packets"]) },
            Field::ProtocolNumber => const { &Names::new(&["network.iana_number"]) },
            Field::Direction => const { &Names::new(&["network.direction"]) },
            Field::TcpFlags => const { &Names::new(&["tcp.flags", "tcp_flags"]) },
            Field::ConnectionState => const { &Names::new(&["network.connection.state"]) },
            Field::Action => const { &Names::new(&["event.action"]) },
            Field::OfClient(fact) => of_client(*fact),
            Field::OfDestination(fact) => of_destination(*fact),
            Field::Template => const { &Names::new(&["log.record.template", "template"]) },
            Field::Source => const { &Names::new(&["log.file.path", "source"]) },
            Field::Raw => const { &Names::new(&["event.original", "log.record.original"]) },
            Field::Other(_) => const { &Names::new(&[]) },
        }
    }

    /// Whether an event of that kind has a place of its own for it. Most fields that are asked for are another kind's.
    #[inline]
    const fn is_of(&self, detail: &Detail) -> bool {
        match self {
            Field::Method
            | Field::Url
            | Field::Path
            | Field::Query
            | Field::ResponseSize
            | Field::Referrer
            | Field::UserAgent
            | Field::Domain
            | Field::RequestBody => matches!(detail, Detail::Web(_)),
            Field::Logger => matches!(detail, Detail::Log(_)),
            Field::Message => !matches!(detail, Detail::Web(_)),
            Field::Status => !matches!(detail, Detail::Flow(_)),
            Field::SourcePort
            | Field::SourceBytes
            | Field::SourcePackets
            | Field::DestinationAddress
            | Field::DestinationPort
            | Field::DestinationBytes
            | Field::DestinationPackets
            | Field::Transport
            | Field::NetworkBytes
            | Field::NetworkPackets
            | Field::ProtocolNumber
            | Field::Direction
            | Field::TcpFlags
            | Field::ConnectionState
            | Field::Action => matches!(detail, Detail::Flow(_)),
            Field::Template | Field::Other(_) => false,
            _ => true,
        }
    }

    /// The names by which Lapwing's own fields are known, the one to show first.
    pub fn known() -> impl Iterator<Item = &'static [&'static str]> {
        OWN.iter().map(|field| field.names().all)
    }
}

/// ECS's names of what is known of the client; it has none for the class of a network and for threat lists by side.
const fn of_client(fact: Fact) -> &'static Names {
    match fact {
        Fact::Country => const { &Names::new(&["source.geo.country_iso_code", "client.geo.country_iso_code"]) },
        Fact::AsNumber => const { &Names::new(&["source.as.number", "client.as.number"]) },
        Fact::AsOrganization => const { &Names::new(&["source.as.organization.name", "client.as.organization.name"]) },
        Fact::NetworkClass => const { &Names::new(&["source.network.class", "client.network.class"]) },
        Fact::Domain => const { &Names::new(&["source.domain", "client.domain"]) },
        Fact::AssetName => const { &Names::new(&["source.asset.name", "client.asset.name"]) },
        Fact::AssetOwner => const { &Names::new(&["source.asset.owner", "client.asset.owner"]) },
        Fact::AssetCriticality => const { &Names::new(&["source.asset.criticality", "client.asset.criticality"]) },
        Fact::ThreatList => const { &Names::new(&["source.threat.feed.name", "client.threat.feed.name"]) },
    }
}

/// The same of the destination.
const fn of_destination(fact: Fact) -> &'static Names {
    match fact {
        Fact::Country => const { &Names::new(&["destination.geo.country_iso_code", "server.geo.country_iso_code"]) },
        Fact::AsNumber => const { &Names::new(&["destination.as.number", "server.as.number"]) },
        Fact::AsOrganization => const { &Names::new(&["destination.as.organization.name", "server.as.organization.name"]) },
        Fact::NetworkClass => const { &Names::new(&["destination.network.class", "server.network.class"]) },
        Fact::Domain => const { &Names::new(&["server.domain"]) },
        Fact::AssetName => const { &Names::new(&["destination.asset.name", "server.asset.name"]) },
        Fact::AssetOwner => const { &Names::new(&["destination.asset.owner", "server.asset.owner"]) },
        Fact::AssetCriticality => const { &Names::new(&["destination.asset.criticality", "server.asset.criticality"]) },
        Fact::ThreatList => const { &Names::new(&["destination.threat.feed.name", "server.threat.feed.name"]) },
    }
}

impl Event {
    /// What stands in a field of this event: in its own place or, where that is empty, among the record's other fields under
    /// one of its names (an application may well have a `status` that is no HTTP status).
    #[inline]
    #[must_use]
    pub fn get(&self, field: &Field) -> Value<'_> {
        if self.others.is_empty() && self.has_no_place_for(field) { Value::Absent } else { self.look_up(field) }
    }

    /// Whether a field has no place in this event, or an empty one, as far as that is told by a glance.
    #[inline]
    fn has_no_place_for(&self, field: &Field) -> bool {
        match field {
            Field::User => self.user.is_absent(),
            Field::Session => self.session.is_absent(),
            Field::Service => self.service.is_absent(),
            Field::Host => self.host.is_absent(),
            Field::Level => self.level == Level::Unset,
            Field::Message => match &self.detail {
                Detail::Web(_) => true,
                Detail::Log(log) => log.message.is_absent(),
                Detail::Flow(flow) => flow.message.is_absent(),
            },
            field => !field.is_of(&self.detail),
        }
    }

    /// The kinds of field lists that this event may have: those of its own kind, or any where it has others of its own.
    #[inline]
    #[must_use]
    pub fn homes(&self) -> Homes {
        match self.detail {
            _ if !self.others.is_empty() => Homes(Homes::WEB.0 | Homes::LOG.0 | Homes::FLOW.0 | Homes::OTHERS.0),
            Detail::Web(_) => Homes::WEB,
            Detail::Log(_) => Homes::LOG,
            Detail::Flow(_) => Homes::FLOW,
        }
    }

    fn look_up(&self, field: &Field) -> Value<'_> {
        if let Field::Other(name) = field {
            return self.other(&[name], mark(name.as_bytes()));
        }
        match self.placed(field) {
            Value::Absent if self.others.is_empty() => Value::Absent,
            Value::Absent => self.other(field.names().all, field.names().marks),
            value => value,
        }
    }

    fn placed(&self, field: &Field) -> Value<'_> {
        let text = |text: crate::Text| if text.is_absent() { Value::Absent } else { Value::Text(self.text(text)) };
        let number = |number: f64| if number == 0.0 { Value::Absent } else { Value::Number(number) };
        match (field, &self.detail) {
            (Field::ClientAddress, _) => self.client.map_or_else(|| text(self.client_text), Value::Address),
            (Field::OfClient(fact), _) => self.client_known.as_ref().map_or(Value::Absent, |known| known.fact(*fact)),
            (Field::OfDestination(fact), _) => self.destination_known.as_ref().map_or(Value::Absent, |known| known.fact(*fact)),
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
            (field, Detail::Flow(flow)) => of_flow(field, flow).unwrap_or_else(|| match field {
                Field::Message => text(flow.message),
                _ => Value::Absent,
            }),
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

/// What stands in a field that only flows have.
fn of_flow(field: &Field, flow: &Flow) -> Option<Value<'static>> {
    // As for durations: a count that nobody knows is absent.
    let count = |count: u64| if count == 0 { Value::Absent } else { Value::Number(count as f64) };
    let name = |name: &'static str| if name.is_empty() { Value::Absent } else { Value::Text(name.as_bytes()) };
    let ported = flow.icmp().is_none();
    Some(match field {
        Field::SourcePort if ported => count(flow.source_port.into()),
        Field::SourceBytes => count(flow.bytes),
        Field::SourcePackets => count(flow.packets),
        Field::DestinationAddress => Value::Address(flow.destination),
        Field::DestinationPort if ported => count(flow.destination_port.into()),
        Field::DestinationBytes => count(flow.reverse_bytes),
        Field::DestinationPackets => count(flow.reverse_packets),
        Field::Transport => name(flow.transport()),
        Field::NetworkBytes => count(flow.all_bytes()),
        Field::NetworkPackets => count(flow.all_packets()),
        Field::ProtocolNumber => count(flow.protocol.into()),
        Field::Direction => name(flow.direction.name()),
        Field::TcpFlags => count(flow.tcp_flags.into()),
        Field::ConnectionState => name(flow.state.name()),
        Field::Action => name(flow.action.name()),
        _ => return None,
    })
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
    fn a_kind_of_event_without_a_place_for_a_field_never_has_it() {
        let record = crate::Record {
            body: bytes::Bytes::from_static(b"x"),
            origin: crate::Origin::new("app"),
            position: crate::Position::default(),
            received: crate::Timestamp::EPOCH,
        };
        let x = crate::Text::raw(0, 1);
        let web = crate::Web {
            method: x,
            target: x,
            path: x,
            protocol: x,
            referrer: x,
            user_agent: x,
            domain: x,
            body: x,
            status: 200,
            bytes: Some(1),
        };
        let log = crate::Log { message: x, logger: x, status: 200 };
        let flow = Flow {
            source_port: 1,
            destination_port: 1,
            protocol: 6,
            bytes: 1,
            packets: 1,
            tcp_flags: 1,
            message: x,
            ..Default::default()
        };
        for detail in [Detail::Web(web), Detail::Log(log), Detail::Flow(flow)] {
            let event = Event::new(&record, detail);
            for field in OWN.iter().filter(|field| !field.is_of(&detail)) {
                assert_eq!(event.placed(field), Value::Absent, "{}", field.name());
            }
            for field in OWN.iter().filter(|field| event.has_no_place_for(field) || !event.homes().meet(Homes::of([*field]))) {
                let absent = matches!(field, Field::Template) || event.placed(field) == Value::Absent;
                assert!(absent, "{}", field.name());
            }
        }
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
    fn a_flow_tells_its_parts_by_their_ecs_names() {
        let record = crate::Record {
            body: bytes::Bytes::from_static(b"denied"),
            origin: crate::Origin::new("fw"),
            position: crate::Position::default(),
            received: crate::Timestamp::EPOCH,
        };
        let flow = Flow {
            destination: "10.0.0.1".parse().unwrap(),
            destination_port: 22,
            protocol: Flow::TCP,
            bytes: 40,
            reverse_bytes: 2,
            action: crate::Action::Denied,
            message: crate::Text::raw(0, 6),
            ..Flow::default()
        };
        let event = Event { client: "203.0.113.9".parse().ok(), ..Event::new(&record, Detail::Flow(flow)) };
        for (name, value) in [
            ("source.ip", Value::Address("203.0.113.9".parse().unwrap())),
            ("destination.ip", Value::Address("10.0.0.1".parse().unwrap())),
            ("destination.port", Value::Number(22.0)),
            ("source.port", Value::Absent),
            ("network.transport", Value::Text(b"tcp")),
            ("network.bytes", Value::Number(42.0)),
            ("event.action", Value::Text(b"denied")),
            ("message", Value::Text(b"denied")),
        ] {
            assert_eq!(event.get(&Field::named(name)), value, "{name}");
        }
        assert_eq!(event.entity_of(crate::Scope::Victim).unwrap().name, "10.0.0.1".into());
        assert_eq!(event.entity_of(crate::Scope::Pair).unwrap().name, "203.0.113.9 > 10.0.0.1".into());
    }

    #[test]
    fn fields_are_known_by_opentelemetry_and_ecs_names_alike() {
        assert_eq!(Field::named("source.ip"), Field::named("client.address"));
        assert_eq!(Field::named("http.response.status_code").name(), "http.response.status_code");
        assert_eq!(Field::named("k8s.pod.name"), Field::Other("k8s.pod.name".into()));
    }
}
