//! What packet filters write into a message: netfilter (iptables, nftables, ufw), pf's filterlog, Cisco ASA and FTD.

mod asa;
pub(crate) mod vpc;

use std::net::IpAddr;

use lapwing_model::{Action, ConnectionState, Detail, Direction, Event, Flow};

use crate::address::address;
use crate::line::{Line, number};

/// Nobody writes more words or columns into one line.
const MOST: usize = 128;

/// One end of a connection, and where it is written.
#[derive(Debug, Clone, Copy)]
struct End<'a> {
    address: IpAddr,
    written: &'a [u8],
    port: u16,
}

/// Reads a message as the account of a flow; false, and nothing touched, where it is none.
pub(crate) fn read(line: Line<'_>, program: &[u8], message: &[u8], event: &mut Event) -> bool {
    match program {
        b"filterlog" | b"pf" => pf(line, message, event).is_some(),
        [b'%', ..] if asa::is_of(program) => asa::read(line, message, event).is_some(),
        _ => netfilter(line, message, event).is_some(),
    }
}

fn tell(line: Line<'_>, from: End<'_>, to: End<'_>, message: &[u8], flow: Flow, event: &mut Event) {
    event.client = Some(from.address);
    event.client_text = line.text(from.written);
    let (source_port, destination_port) = match flow.protocol {
        Flow::ICMP | Flow::ICMP6 => (0, flow.destination_port),
        _ => (from.port, to.port),
    };
    let message = line.text(message.trim_ascii());
    event.detail = Detail::Flow(Flow { destination: to.address, source_port, destination_port, message, ..flow });
}

fn end(written: &[u8]) -> Option<End<'_>> {
    Some(End { address: address(written)?, written, port: 0 })
}

fn small(digits: &[u8]) -> u16 {
    number(digits).and_then(|number| u16::try_from(number).ok()).unwrap_or(0)
}

/// `IN=eth0 OUT= MAC=... SRC=203.0.113.9 DST=10.1.2.3 LEN=60 ... PROTO=TCP SPT=4711 DPT=22 ... SYN URGP=0`, after a prefix.
fn netfilter(line: Line<'_>, message: &[u8], event: &mut Event) -> Option<()> {
    let begin = memchr::memmem::find(message, b"IN=")?;
    let source = memchr::memmem::find(message, b" SRC=")?;
    memchr::memmem::find(&message[source..], b" DST=")?;
    let (mut from, mut to, mut flow) = (None, None, Flow { packets: 1, ..Flow::default() });
    let (mut incoming, mut outgoing) = (false, false);
    let (mut kind, mut code) = (0, 0);
    for word in message[begin..].split(|&byte| byte == b' ').take(MOST) {
        // What a quoted packet (an ICMP error) says in brackets is not this one.
        if word.first() == Some(&b'[') {
            break;
        }
        let (key, value) = match memchr::memchr(b'=', word) {
            Some(at) => (&word[..at], &word[at + 1..]),
            None => (word, &[][..]),
        };
        match key {
            b"IN" => incoming = !value.is_empty(),
            b"OUT" => outgoing = !value.is_empty(),
            b"SRC" => from = from.or(end(value)),
            b"DST" => to = to.or(end(value)),
            b"LEN" if flow.bytes == 0 => flow.bytes = number(value).unwrap_or(0),
            b"PROTO" => flow.protocol = Flow::protocol_named(value),
            b"SPT" => from.iter_mut().for_each(|end| end.port = small(value)),
            b"DPT" => to.iter_mut().for_each(|end| end.port = small(value)),
            b"TYPE" => kind = small(value) as u8,
            b"CODE" => code = small(value) as u8,
            _ => flow.tcp_flags |= flag(key),
        }
    }
    if matches!(flow.protocol, Flow::ICMP | Flow::ICMP6) {
        flow.destination_port = u16::from_be_bytes([kind, code]);
    }
    flow.direction = match (incoming, outgoing) {
        (true, false) => Direction::Inbound,
        (false, true) => Direction::Outbound,
        _ => Direction::Unknown,
    };
    flow.action = action(&message[..begin]);
    flow.state = stopped(&flow);
    tell(line, from?, to?, message, flow, event);
    Some(())
}

/// A packet that asked for a connection and was stopped: nothing came of it.
fn stopped(flow: &Flow) -> ConnectionState {
    const SYN_ACK: u16 = 2 | 16;
    match flow.action {
        Action::Denied if flow.protocol != Flow::TCP || flow.tcp_flags & SYN_ACK == 2 => ConnectionState::Attempted,
        Action::Denied => ConnectionState::Midstream,
        _ => ConnectionState::Unknown,
    }
}

fn flag(name: &[u8]) -> u16 {
    match name {
        b"FIN" => 1,
        b"SYN" => 2,
        b"RST" => 4,
        b"PSH" => 8,
        b"ACK" => 16,
        b"URG" => 32,
        b"ECE" => 64,
        b"CWR" => 128,
        _ => 0,
    }
}

/// What a word of a device or of the administrator's prefix says was done.
pub(crate) fn action(said: &[u8]) -> Action {
    const DENIED: [&[u8]; 9] =
        [b"drop", b"block", b"deny", b"denied", b"reject", b"discard", b"prevent", b"server-rst", b"client-rst"];
    const ALLOWED: [&[u8]; 8] = [b"accept", b"allow", b"pass", b"permit", b"built", b"teardown", b"close", b"timeout"];
    let says =
        |words: &[&[u8]]| words.iter().any(|word| said.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word)));
    if says(&DENIED) {
        Action::Denied
    } else if says(&ALLOWED) {
        Action::Allowed
    } else {
        Action::Unknown
    }
}

/// pf's `filterlog`: `rule,sub,anchor,tracker,interface,reason,action,direction,4,...,protocol,length,source,destination,ports`.
fn pf(line: Line<'_>, message: &[u8], event: &mut Event) -> Option<()> {
    let columns: Vec<&[u8]> = message.split(|&byte| byte == b',').take(MOST).collect();
    let (action, direction) = (action(columns.get(6)?), columns.get(7)?);
    // IPv6 has the name of the protocol before its number, and fewer columns.
    let (protocol, length) = match *columns.get(8)? {
        b"4" => (columns.get(15)?, 17),
        b"6" => (columns.get(13)?, 14),
        _ => return None,
    };
    let mut flow = Flow {
        protocol: Flow::protocol_named(protocol),
        action,
        direction: match *direction {
            b"in" => Direction::Inbound,
            b"out" => Direction::Outbound,
            _ => Direction::Unknown,
        },
        bytes: number(columns.get(length)?)?,
        packets: 1,
        ..Flow::default()
    };
    let (mut from, mut to) = (end(columns.get(length + 1)?)?, end(columns.get(length + 2)?)?);
    if matches!(flow.protocol, Flow::TCP | Flow::UDP | 132) {
        from.port = small(columns.get(length + 3)?);
        to.port = small(columns.get(length + 4)?);
    }
    if flow.protocol == Flow::TCP {
        flow.tcp_flags = columns.get(length + 6).map_or(0, |flags| flags.iter().map(|letter| pf_flag(*letter)).sum());
    }
    flow.state = stopped(&flow);
    tell(line, from, to, message, flow, event);
    Some(())
}

fn pf_flag(letter: u8) -> u16 {
    match letter {
        b'F' => 1,
        b'S' => 2,
        b'R' => 4,
        b'P' => 8,
        b'A' | b'.' => 16,
        b'U' => 32,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
