//! Where in an event a field stands that a rule asks for by Sigma's name.

use lapwing_model::{Detail, Event, Field, Value};
use lapwing_rules::KEYWORDS;

/// A field that rules ask for: under its name, else under the other names by which logs know the same.
#[derive(Debug, Clone)]
pub struct Asked {
    first: Field,
    others: Vec<Field>,
    /// The event's own time stands in where no field does.
    time: bool,
}

/// Sigma's names and those of the logs themselves.
const ALSO: &[(&str, &[&str])] = &[
    ("query", &["dns.question.name", "QueryName", "qname", "rrname"]),
    ("record_type", &["qtype_name", "dns.question.type", "qtype", "rrtype"]),
    ("answer", &["answers", "dns.answers.data", "rdata"]),
    ("src_ip", &["id.orig_h", "SRC", "sourceIPAddress"]),
    ("dst_ip", &["destination.ip", "destination.address", "id.resp_h", "DST", "dest_ip"]),
    ("src_port", &["source.port", "id.orig_p", "SPT"]),
    ("dst_port", &["destination.port", "id.resp_p", "DPT", "dest_port"]),
    ("username", &["user.name"]),
    ("User", &["user.name"]),
    ("c-uri-stem", &["url.path"]),
    ("cs-uri-path", &["url.path"]),
    ("cs-referrer", &["http.request.header.referer"]),
    ("cs(Referer)", &["http.request.header.referer"]),
    ("cs(User-Agent)", &["user_agent.original"]),
    ("useragent", &["user_agent.original"]),
    ("userAgent", &["user_agent.original"]),
    ("r-dns", &["server.address"]),
    ("cs-cookie", &["http.request.header.cookie", "cookie"]),
    ("s-computername", &["host.name"]),
    ("action", &["event.action"]),
];

/// The names of fields that are known by Sigma's name for them, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALSO.iter()
        .flat_map(|(name, others)| std::iter::once(*name).chain(others.iter().copied()))
        .filter(|name| name.len() > 8 || name.contains(['.', '-', '_']))
}

const TIMES: [&str; 7] = ["@timestamp", "timestamp", "time", "date", "datetime", "event.created", "EventTime"];

impl Asked {
    #[must_use]
    pub fn named(name: &str) -> Asked {
        let first = if name == KEYWORDS { Field::Raw } else { Field::named(name) };
        let others = ALSO.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, others)| others);
        Asked { first, others: others.iter().map(|name| Field::named(name)).collect(), time: TIMES.contains(&name) }
    }

    #[must_use]
    pub fn of<'a>(&self, event: &'a Event) -> lapwing_rules::Value<'a> {
        let mut value = event.get(&self.first);
        for other in &self.others {
            if value != Value::Absent {
                break;
            }
            value = event.get(other);
            if value == Value::Absent {
                value = pair(event, other.name()).map_or(Value::Absent, Value::Text);
            }
        }
        match value {
            Value::Absent if self.time => lapwing_rules::Value::Number(event.at.nanos() as f64),
            Value::Absent => lapwing_rules::Value::Absent,
            Value::Text(text) => lapwing_rules::Value::Text(text),
            Value::Number(number) => lapwing_rules::Value::Number(number),
            Value::Address(address) => lapwing_rules::Value::Address(address),
        }
    }
}

/// `SRC=192.0.2.1` in the message of a packet filter.
fn pair<'a>(event: &'a Event, name: &str) -> Option<&'a [u8]> {
    let Detail::Log(log) = &event.detail else { return None };
    if event.text(log.logger) != b"kernel" || name.len() != 3 {
        return None;
    }
    let mut words = event.text(log.message).split(|byte| *byte == b' ');
    words.find_map(|word| word.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}
