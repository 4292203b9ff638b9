//! From named fields to a flow: Suricata's EVE, Zeek's conn log as JSON, FortiGate's traffic log, CEF and LEEF of firewalls.

use std::time::Duration;

use lapwing_model::{Action, ConnectionState, Detail, Event, Field, Flow, Value};

use crate::address::address;
use crate::firewall;
use crate::line::number;

/// The ways in which a record says that it is the account of a flow and not of something that merely came by network.
const SAYS: [(&str, &[&[u8]]); 5] = [
    ("_path", &[b"conn"]),
    ("event_type", &[b"flow", b"netflow"]),
    ("type", &[b"traffic"]),
    ("event.category", &[b"network"]),
    ("cat", &[b"traffic", b"TRAFFIC"]),
];

/// Makes a log event a flow where its fields say that it is one: both ends, and one of [`SAYS`] or a state of Zeek's.
pub(crate) fn from_fields(event: &mut Event) {
    if event.client.is_none() || event.others.len() < 3 {
        return;
    }
    let Value::Text(written) = event.get(&Field::DestinationAddress) else { return };
    let Some(destination) = address(written) else { return };
    let zeek = other(event, "conn_state");
    let fields = SAYS.iter().any(|(name, values)| values.contains(&other(event, name)));
    let device = is_device(event);
    if zeek.is_empty() && !fields && !device {
        return;
    }
    let Detail::Log(log) = event.detail else { return };
    let mut flow = Flow { destination, message: log.message, ..Flow::default() };
    fill(event, &mut flow);
    flow.state = if zeek.is_empty() { state(event, flow.action) } else { zeek_state(zeek) };
    // FortiGate counts seconds where others count milliseconds.
    if !other(event, "logid").is_empty() {
        event.duration = event.duration.checked_mul(1_000).unwrap_or(Duration::ZERO);
    }
    event.detail = Detail::Flow(flow);
}

/// CEF and LEEF of firewalls: the protocol and what was done.
fn is_device(event: &Event) -> bool {
    !other(event, "device.product").is_empty()
        && !first(event, &["proto"]).is_empty()
        && !first(event, &["act", "action"]).is_empty()
}

fn fill(event: &Event, flow: &mut Flow) {
    let counted = |names: &[&str]| number(first(event, names)).unwrap_or(0);
    let port = |field: &Field| match event.get(field) {
        Value::Text(digits) => number(digits).and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
        _ => 0,
    };
    flow.source_port = port(&Field::SourcePort);
    flow.destination_port = port(&Field::DestinationPort);
    flow.protocol = Flow::protocol_named(first(event, &["proto", "network.transport", "network.iana_number"]));
    flow.bytes =
        counted(&["orig_ip_bytes", "orig_bytes", "sentbyte", "flow.bytes_toserver", "netflow.bytes", "source.bytes", "out"]);
    flow.packets = counted(&["orig_pkts", "sentpkt", "flow.pkts_toserver", "netflow.pkts", "source.packets"]);
    flow.reverse_bytes = counted(&["resp_ip_bytes", "resp_bytes", "rcvdbyte", "flow.bytes_toclient", "destination.bytes", "in"]);
    flow.reverse_packets = counted(&["resp_pkts", "rcvdpkt", "flow.pkts_toclient", "destination.packets"]);
    flow.tcp_flags =
        u16::from_str_radix(std::str::from_utf8(first(event, &["tcp.tcp_flags"])).unwrap_or_default(), 16).unwrap_or(0);
    flow.action = firewall::action(first(event, &["action", "act", "event.action", "event.outcome"]));
    if matches!(flow.protocol, Flow::ICMP | Flow::ICMP6) {
        let [kind, code] = [&["icmp_type"], &["icmp_code"]].map(|names| counted(names) as u8);
        if (kind, code) != (0, 0) {
            flow.destination_port = u16::from_be_bytes([kind, code]);
        }
    }
}

fn state(event: &Event, action: Action) -> ConnectionState {
    match first(event, &["flow.state", "action"]) {
        b"new" => ConnectionState::Attempted,
        b"established" => ConnectionState::Established,
        b"closed" | b"close" => ConnectionState::Closed,
        b"client-rst" | b"server-rst" => ConnectionState::Reset,
        _ if action == Action::Denied => ConnectionState::Attempted,
        _ => ConnectionState::Unknown,
    }
}

/// Zeek's thirteen ways for a connection to go.
pub(crate) fn zeek_state(written: &[u8]) -> ConnectionState {
    match written {
        b"S0" | b"SH" => ConnectionState::Attempted,
        b"REJ" => ConnectionState::Rejected,
        b"S1" | b"S2" | b"S3" => ConnectionState::Established,
        b"SF" => ConnectionState::Closed,
        b"RSTO" | b"RSTR" => ConnectionState::Reset,
        // The originator sent a SYN and then a RST, and nobody answered.
        b"RSTOS0" => ConnectionState::Attempted,
        b"RSTRH" | b"SHR" | b"OTH" => ConnectionState::Midstream,
        _ => ConnectionState::Unknown,
    }
}

fn other<'a>(event: &'a Event, name: &str) -> &'a [u8] {
    first(event, &[name])
}

/// The first of the record's own fields of these names.
fn first<'a>(event: &'a Event, names: &[&str]) -> &'a [u8] {
    let value = names.iter().find_map(|name| {
        event.others.iter().find(|(key, _)| event.text(*key) == name.as_bytes()).map(|(_, value)| event.text(value))
    });
    value.unwrap_or_default()
}
