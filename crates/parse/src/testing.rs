//! For tests: parse a line, and tell in one line what was understood.

use bytes::Bytes;
use lapwing_model::{Detail, Event, Origin, Position, Reading, Record, Text, Timestamp};

use crate::{Parser, Understood};

/// 2025-11-21T04:40:00Z
pub(crate) const RECEIVED: Timestamp = Timestamp::from_seconds(1_763_700_000);

pub(crate) fn parse_as(line: &[u8], reading: Reading) -> (Understood, Event) {
    let record = Record {
        body: Bytes::copy_from_slice(line),
        origin: Origin::read_as("test", reading),
        position: Position::default(),
        received: RECEIVED,
    };
    let mut events = Vec::new();
    let understood = Parser::new().parse(&record, &mut events);
    assert_eq!(events.len(), 1);
    (understood, events.remove(0))
}

pub(crate) fn parse(line: impl AsRef<[u8]>) -> (Understood, Event) {
    parse_as(line.as_ref(), Reading::default())
}

/// What was understood, as `format name=value ...`; what is absent is left out.
pub(crate) fn told(line: impl AsRef<[u8]>) -> String {
    let (understood, event) = parse(line);
    let format = match understood {
        Understood::As(name) => name.to_owned(),
        Understood::AsText => "text".to_owned(),
        Understood::Broken(reason) => format!("[{reason}]"),
    };
    let mut parts = vec![format];
    let mut say = |name: &str, value: String| {
        if !value.is_empty() {
            parts.push(format!("{name}={value}"));
        }
    };
    let text = |text: Text| String::from_utf8_lossy(event.text(text)).into_owned();
    if event.clock != lapwing_model::Clock::Received {
        say("at", event.at.to_string());
    }
    say("level", event.level.name().to_owned());
    say("client", event.client.map_or_else(|| text(event.client_text), |address| address.to_string()));
    say("user", text(event.user));
    say("session", text(event.session));
    say("service", text(event.service));
    say("host", text(event.host));
    say("took", if event.duration.is_zero() { String::new() } else { format!("{:?}", event.duration) });
    say("status", event.status().map_or(String::new(), |status| status.to_string()));
    match event.detail {
        Detail::Web(web) => {
            let bytes = web.bytes.map_or(String::new(), |bytes| bytes.to_string());
            let (method, target, protocol) = (text(web.method), text(web.target), text(web.protocol));
            let (referrer, agent, domain, body) = (text(web.referrer), text(web.user_agent), text(web.domain), text(web.body));
            let all = [
                ("method", method),
                ("target", target),
                ("protocol", protocol),
                ("bytes", bytes),
                ("referrer", referrer),
                ("agent", agent),
                ("domain", domain),
                ("body", body),
            ];
            all.into_iter().for_each(|(name, value)| say(name, value));
        }
        Detail::Log(log) => {
            say("logger", text(log.logger));
            say("message", text(log.message));
        }
        Detail::Flow(flow) => {
            let number = |number: u64| if number == 0 { String::new() } else { number.to_string() };
            say("flow", format!("{}:{}>{}:{}", flow.transport(), flow.source_port, flow.destination, flow.destination_port));
            say("state", flow.state.name().to_owned());
            say("action", flow.action.name().to_owned());
            say("direction", flow.direction.name().to_owned());
            say("flags", number(flow.tcp_flags.into()));
            say("bytes", number(flow.bytes));
            say("packets", number(flow.packets));
            say("back", number(flow.reverse_bytes));
            say("packets-back", number(flow.reverse_packets));
            say("message", text(flow.message));
        }
    }
    for (name, value) in event.others.iter() {
        say(&format!("+{}", text(name)), text(value));
    }
    parts.join(" ")
}

/// Each line must be told as the line below it says.
pub(crate) fn check(table: &[(&str, &str)]) {
    for (line, expected) in table {
        assert_eq!(told(line), *expected, "{line}");
    }
}
