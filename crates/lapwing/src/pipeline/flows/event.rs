//! From a row to an event.

use std::time::Duration;

use lapwing_flow::{ConnState, Flow as Row};
use lapwing_model::{Action, Clock, ConnectionState, Detail, Event, Flow, Record, Timestamp};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// Appends the event that a row tells of, without its skeleton and keys.
#[inline]
pub(super) fn of<'a>(record: &Record, row: &Row, events: &'a mut Vec<Event>) -> &'a mut Event {
    let state = state(row);
    let action = action(row.firewall_event);
    let flow = Flow {
        destination: row.dst.to_canonical(),
        source_port: row.src_port,
        destination_port: row.icmp.map_or(row.dst_port, |(kind, code)| u16::from_be_bytes([kind, code])),
        protocol: row.protocol,
        state: if action == Action::Denied && state == ConnectionState::Unknown { ConnectionState::Attempted } else { state },
        action,
        tcp_flags: u16::from(row.tcp_flags | row.reverse_tcp_flags),
        bytes: row.bytes,
        packets: row.packets,
        reverse_bytes: row.reverse_bytes,
        reverse_packets: row.reverse_packets,
        input: row.input,
        output: row.output,
        sampling: row.sampling,
        ..Flow::default()
    };
    // Where it is to stay: an event is too large to be carried about.
    let at = events.len();
    events.push(Event::new(record, Detail::Flow(flow)));
    let event = &mut events[at];
    event.at = Timestamp::from_nanos(row.start);
    event.clock = Clock::Stated;
    event.duration = Duration::from_nanos(row.end.saturating_sub(row.start).max(0).unsigned_abs());
    event.client = (!row.src.is_unspecified()).then(|| row.src.to_canonical());
    event
}

/// The texts that stand for flows that have none: what templates are made from.
pub(super) const TEXTS: [&str; 5] = ["flow", "flow tcp", "flow udp", "flow icmp", "flow ipv6-icmp"];

/// Which of the texts stands for a flow.
#[inline]
pub(super) fn kind(event: &Event) -> usize {
    match event.flow().map_or(0, |flow| flow.protocol) {
        Flow::TCP => 1,
        Flow::UDP => 2,
        Flow::ICMP => 3,
        Flow::ICMP6 => 4,
        _ => 0,
    }
}

/// The text that stands for a flow that has none.
#[must_use]
pub fn text(event: &Event) -> &'static str {
    TEXTS[kind(event)]
}

/// IANA's firewallEvent.
fn action(event: u8) -> Action {
    match event {
        1 | 2 | 5 => Action::Allowed,
        3 => Action::Denied,
        _ => Action::Unknown,
    }
}

fn state(row: &Row) -> ConnectionState {
    match row.state {
        Some(state) => of_packets(state),
        None if row.protocol == Flow::TCP => of_flags(row),
        None if row.reverse_packets > 0 => ConnectionState::Established,
        None => ConnectionState::Unknown,
    }
}

fn of_packets(state: ConnState) -> ConnectionState {
    match state {
        ConnState::S0 | ConnState::Sh | ConnState::Rstos0 => ConnectionState::Attempted,
        ConnState::Rej => ConnectionState::Rejected,
        ConnState::S1 | ConnState::S2 | ConnState::S3 => ConnectionState::Established,
        ConnState::Sf => ConnectionState::Closed,
        ConnState::Rsto | ConnState::Rstr => ConnectionState::Reset,
        ConnState::Rstrh | ConnState::Shr | ConnState::Oth => ConnectionState::Midstream,
    }
}

/// What the flags of a connection, ORed, tell of it. Most exporters tell one direction, and both ends of an established
/// connection send SYN and ACK; but only who asks sends a SYN and never an ACK, and only who answers never sends a SYN alone.
fn of_flags(row: &Row) -> ConnectionState {
    let (own, answer) = (row.tcp_flags, row.reverse_tcp_flags);
    if own | answer == 0 {
        return ConnectionState::Unknown;
    }
    if own & SYN == 0 {
        return ConnectionState::Midstream;
    }
    if row.reverse_packets > 0 && answer & (SYN | RST) == RST {
        return ConnectionState::Rejected;
    }
    if own & ACK == 0 {
        // One more packet would have been an ACK: nobody answered, or it was broken off at the answer.
        return ConnectionState::Attempted;
    }
    // A single packet with both is an answer to a SYN that was not told of, or to none.
    if row.packets / u64::from(row.sampling.max(1)) <= 1 && row.reverse_packets == 0 {
        return ConnectionState::Midstream;
    }
    match own | answer {
        flags if flags & RST != 0 => ConnectionState::Reset,
        flags if flags & FIN != 0 => ConnectionState::Closed,
        _ => ConnectionState::Established,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(tcp_flags: u8, packets: u64) -> Row {
        Row { protocol: 6, tcp_flags, packets, ..Row::EMPTY }
    }

    #[test]
    fn flags_tell_how_far_a_connection_came() {
        let seen = |flags, packets| of_flags(&tcp(flags, packets));
        assert_eq!(seen(SYN, 3), ConnectionState::Attempted, "asked three times");
        assert_eq!(seen(SYN | RST, 2), ConnectionState::Attempted, "a half-open scan");
        assert_eq!(seen(RST | ACK, 1), ConnectionState::Midstream, "the refusal, told as a flow of its own");
        assert_eq!(seen(SYN | ACK, 1), ConnectionState::Midstream, "backscatter");
        assert_eq!(seen(SYN | ACK | FIN, 9), ConnectionState::Closed);
        assert_eq!(seen(SYN | ACK | RST, 9), ConnectionState::Reset);
        assert_eq!(seen(SYN | ACK, 9), ConnectionState::Established);
        assert_eq!(seen(0, 9), ConnectionState::Unknown);
    }

    #[test]
    fn both_ways_in_one_row_tell_of_a_refusal() {
        let row = Row { reverse_packets: 1, reverse_tcp_flags: RST | ACK, ..tcp(SYN, 1) };
        assert_eq!(of_flags(&row), ConnectionState::Rejected);
    }
}
