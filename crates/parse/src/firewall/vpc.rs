//! Flow logs of AWS VPC: version 2 by its order, and any other by the line above it that names its columns.

use std::time::Duration;

use lapwing_model::{Action, ConnectionState, Direction, Event, Flow};

use super::{End, action, end, small, tell};
use crate::Tools;
use crate::line::{Line, number};
use crate::time::Stamp;

/// The columns of version 2, which are the default.
const DEFAULT: &str =
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";

/// Reads a line of version 2.
pub(crate) fn read(line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Option<()> {
    let names = DEFAULT.split(' ');
    let mut words = line.bytes.trim_ascii().split(|&byte| byte == b' ');
    let columns: Vec<(&str, &[u8])> = names.zip(words.by_ref()).collect();
    let [(_, [b'2'..=b'5']), (_, account), .., (_, b"OK" | b"NODATA" | b"SKIPDATA")] = columns[..] else { return None };
    if columns.len() < 14 || words.next().is_some() || number(account).is_none() && account != b"unknown" {
        return None;
    }
    by_name(line, columns.into_iter(), event, tools)
}

/// Reads a line whose columns have those names, in any order and any number.
pub(crate) fn by_name<'a>(
    line: Line<'_>,
    columns: impl Iterator<Item = (&'a str, &'a [u8])>,
    event: &mut Event,
    tools: &mut Tools,
) -> Option<()> {
    let mut flow = Flow::default();
    let (mut from, mut to, mut ports) = (None, None, [0; 2]);
    let (mut begin, mut until, mut host) = (None, None, None);
    for (name, value) in columns.filter(|(_, value)| *value != b"-") {
        match name {
            "srcaddr" => from = end(value).or(from),
            "dstaddr" => to = end(value).or(to),
            // Those of the packet itself, where the interface is that of a gateway, are told instead only where the others are not.
            "pkt-srcaddr" => from = from.or(end(value)),
            "pkt-dstaddr" => to = to.or(end(value)),
            "srcport" => ports[0] = small(value),
            "dstport" => ports[1] = small(value),
            "protocol" => flow.protocol = Flow::protocol_named(value),
            "packets" => flow.packets = number(value)?,
            "bytes" => flow.bytes = number(value)?,
            "start" => begin = number(value).and_then(|second| i64::try_from(second).ok()),
            "end" => until = number(value).and_then(|second| i64::try_from(second).ok()),
            "action" => flow.action = action(value),
            "tcp-flags" => flow.tcp_flags = small(value) & 0xff,
            "flow-direction" => flow.direction = direction(value),
            "interface-id" => host = Some(value),
            _ => {}
        }
    }
    if flow.action == Action::Denied {
        flow.state = ConnectionState::Attempted;
    }
    let (from, to) = (End { port: ports[0], ..from? }, End { port: ports[1], ..to? });
    tell(line, from, to, line.bytes, flow, event);
    if let Some(host) = host {
        event.host = line.text(host);
    }
    let first = begin.or(until)?;
    tools.zones.set(event, Stamp::Utc { second: first, nano: 0 });
    event.duration = Duration::from_secs(until.unwrap_or(first).abs_diff(first));
    Some(())
}

fn direction(said: &[u8]) -> Direction {
    match said {
        b"ingress" => Direction::Inbound,
        b"egress" => Direction::Outbound,
        _ => Direction::Unknown,
    }
}
