//! What the detectors of network flows share: whether a flow is an attempt to reach someone and what came of it, whose network
//! an address is of, and words for sizes and times.

use std::net::IpAddr;

use lapwing_model::{Action, ConnectionState, Direction, Event, Flow};

pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 3600 * SECOND;

pub(crate) const SYN: u16 = 2;
pub(crate) const RST: u16 = 4;
pub(crate) const ACK: u16 = 16;

/// What one flow tells of an attempt to reach its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contact {
    Answered,
    /// Asked for, and nothing came of it.
    Failed,
    /// Nothing came back in this flow; the answer may be told by another one.
    Silent,
    /// The destination asked, or nobody did: an answer, an error, or what comes back of forged requests (backscatter).
    Answer,
    /// It cannot be told.
    Unclear,
}

/// What came of the attempt that a flow tells of.
pub(crate) fn contact(flow: &Flow) -> Contact {
    match flow.protocol {
        _ if is_to_many(flow.destination) => Contact::Unclear,
        Flow::TCP => tcp(flow),
        Flow::UDP if is_answered(flow) => Contact::Answered,
        Flow::UDP if is_answer(flow) => Contact::Answer,
        Flow::UDP if flow.state.failed() || flow.action == Action::Denied => Contact::Failed,
        Flow::UDP => Contact::Silent,
        Flow::ICMP | Flow::ICMP6 => match flow.icmp() {
            Some((8 | 128, _)) if is_answered(flow) => Contact::Answered,
            Some((8 | 128, _)) if flow.state.failed() || flow.action == Action::Denied => Contact::Failed,
            Some((8 | 128, _)) => Contact::Silent,
            _ => Contact::Answer,
        },
        _ => Contact::Unclear,
    }
}

fn tcp(flow: &Flow) -> Contact {
    let flags = flow.tcp_flags & (SYN | RST | ACK);
    match flow.state {
        ConnectionState::Midstream => Contact::Answer,
        ConnectionState::Established | ConnectionState::Closed | ConnectionState::Reset => Contact::Answered,
        // The flags of both directions: the ACK is that of the refusal.
        ConnectionState::Rejected if is_answered(flow) && flags & SYN != 0 => Contact::Failed,
        ConnectionState::Attempted | ConnectionState::Rejected => by_flags_of_failed(flags),
        ConnectionState::Unknown if flow.action == Action::Denied => by_flags_of_failed(flags),
        ConnectionState::Unknown if flags == 0 && is_answered(flow) => Contact::Answered,
        ConnectionState::Unknown if flags == 0 && is_answer(flow) => Contact::Answer,
        ConnectionState::Unknown if flags == 0 => {
            let bare = (1..=3).contains(&flow.packets) && flow.bytes <= 64 * flow.packets;
            if bare { Contact::Silent } else { Contact::Unclear }
        }
        ConnectionState::Unknown => by_flags(flow, flags),
    }
}

/// A failure of who sent no SYN is none of its own: backscatter, or the rest of a connection that is over.
fn by_flags_of_failed(flags: u16) -> Contact {
    if flags != 0 && (flags & SYN == 0 || flags & ACK != 0) { Contact::Answer } else { Contact::Failed }
}

/// Of all flags of one direction, or of both: who opens and never acknowledges has reached nobody.
fn by_flags(flow: &Flow, flags: u16) -> Contact {
    // One packet in so many says nothing of the others.
    let all_seen = flow.sampling <= 1;
    match flags {
        _ if flags & SYN == 0 => Contact::Answer,
        _ if flags & ACK == 0 && all_seen => Contact::Failed,
        _ if flags & ACK == 0 => Contact::Silent,
        _ if is_answered(flow) => Contact::Answered,
        _ if is_answer(flow) || flow.packets <= 2 => Contact::Answer,
        _ => Contact::Answered,
    }
}

fn is_answered(flow: &Flow) -> bool {
    flow.reverse_packets > 0 || flow.reverse_bytes > 0
}

/// Whether a flow that tells one direction only is more likely that of the server, by its ports.
pub(crate) fn is_answer(flow: &Flow) -> bool {
    !is_answered(flow) && flow.source_port != 0 && likeness(flow.source_port) < likeness(flow.destination_port)
}

/// How little a port is like that of a service.
fn likeness(port: u16) -> u8 {
    match port {
        0 => 3,
        1..=1023 => 0,
        1080 | 1194 | 1433 | 1521 | 1812 | 1883 | 1900 | 3128 | 3306 | 3389 | 3478 | 5060 | 5061 | 5222 | 5228 | 5353 | 5432
        | 5900 | 5985 | 5986 | 6379 | 6667 | 8000 | 8080 | 8443 | 8883 | 9200 | 11211 | 27017 => 1,
        1024..=32767 => 2,
        32768.. => 3,
    }
}

/// Whether an address stands for many, or for nobody.
pub(crate) fn is_to_many(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_multicast() || v6.is_unspecified(),
    }
}

/// Whether an address is of one's own network: private, loopback, link-local, or of a carrier's translation (RFC 6598).
pub(crate) fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_local(v4.into()),
            None => v6.is_loopback() || v6.segments()[0] & 0xfe00 == 0xfc00 || v6.segments()[0] & 0xffc0 == 0xfe80,
        },
    }
}

/// Whether who acts is of one's own network: as the device tells it, else by the address.
pub(crate) fn from_inside(event: &Event, flow: &Flow) -> bool {
    match flow.direction {
        Direction::Outbound | Direction::Internal => true,
        Direction::Inbound | Direction::External => false,
        Direction::Unknown => event.client.is_some_and(is_local),
    }
}

/// Whether the destination is of one's own network.
pub(crate) fn to_inside(flow: &Flow) -> bool {
    match flow.direction {
        Direction::Inbound | Direction::Internal => true,
        Direction::Outbound | Direction::External => false,
        Direction::Unknown => is_local(flow.destination),
    }
}

/// Times in a range in which no difference overflows.
pub(crate) fn moment(event: &Event) -> i64 {
    event.at.nanos().clamp(i64::MIN / 4, i64::MAX / 4)
}

/// A key made of a hash and of a number.
pub(crate) fn joined(hash: u64, number: u64) -> u64 {
    let mixed = (hash ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    mixed ^ (mixed >> 32)
}

/// `443/tcp`; `icmp` where there are no ports.
pub(crate) fn service(protocol: u8, port: u16) -> String {
    let name = Flow { protocol, ..Flow::default() }.transport();
    match (protocol, name) {
        (Flow::ICMP | Flow::ICMP6, name) => name.to_owned(),
        (protocol, "") => format!("{port}/{protocol}"),
        (_, name) => format!("{port}/{name}"),
    }
}

/// `1.5 GB`.
pub(crate) fn size(bytes: f64) -> String {
    match bytes {
        ..1e3 => format!("{bytes:.0} bytes"),
        ..1e6 => format!("{:.1} kB", bytes / 1e3),
        ..1e9 => format!("{:.1} MB", bytes / 1e6),
        ..1e12 => format!("{:.1} GB", bytes / 1e9),
        _ => format!("{:.1} TB", bytes / 1e12),
    }
}

/// About how long, in the largest unit that fits at least twice.
pub(crate) fn span(nanos: i64) -> String {
    let seconds = nanos.max(0) as f64 / 1e9;
    match seconds {
        ..2.0 => format!("{seconds:.1} s"),
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(flags: u16, source_port: u16, destination_port: u16) -> Flow {
        let destination = IpAddr::from([10, 0, 0, 1]);
        Flow { destination, protocol: Flow::TCP, tcp_flags: flags, source_port, destination_port, packets: 5, ..Flow::default() }
    }

    #[test]
    fn who_opens_and_never_acknowledges_has_failed_and_who_only_answers_has_not_asked() {
        assert_eq!(contact(&flow(SYN, 50_000, 22)), Contact::Failed);
        assert_eq!(contact(&flow(SYN | RST, 50_000, 22)), Contact::Failed, "half-open");
        assert_eq!(contact(&flow(SYN | ACK | 1, 50_000, 22)), Contact::Answered);
        assert_eq!(contact(&flow(SYN | ACK | 1, 22, 50_000)), Contact::Answer);
        assert_eq!(contact(&flow(RST, 50_000, 80)), Contact::Answer);
        let refused = Flow { state: ConnectionState::Attempted, ..flow(SYN | ACK, 80, 1234) };
        assert_eq!(contact(&refused), Contact::Answer, "backscatter, whoever took it for an attempt");
        let closed = Flow { state: ConnectionState::Rejected, reverse_packets: 1, ..flow(SYN | RST | ACK, 50_000, 22) };
        assert_eq!(contact(&closed), Contact::Failed, "both directions in one row, as captures have them");
        let sampled = Flow { sampling: 100, ..flow(SYN, 50_000, 22) };
        assert_eq!(contact(&sampled), Contact::Silent);
    }

    #[test]
    fn datagrams_without_an_answer_are_silent_and_those_of_a_server_are_answers() {
        let udp = |source_port, destination_port| Flow { protocol: Flow::UDP, ..flow(0, source_port, destination_port) };
        assert_eq!(contact(&udp(50_000, 161)), Contact::Silent);
        assert_eq!(contact(&udp(53, 50_000)), Contact::Answer);
        assert_eq!(contact(&Flow { reverse_packets: 1, ..udp(50_000, 53) }), Contact::Answered);
        assert_eq!(contact(&Flow { state: ConnectionState::Attempted, ..udp(50_000, 161) }), Contact::Failed);
        assert_eq!(contact(&Flow { destination: IpAddr::from([239, 1, 1, 1]), ..udp(5353, 5353) }), Contact::Unclear);
    }

    #[test]
    fn private_addresses_are_local() {
        for (text, local) in
            [("10.1.2.3", true), ("172.32.0.1", false), ("100.64.1.1", true), ("fd00::1", true), ("2001:db8::1", false)]
        {
            assert_eq!(is_local(text.parse().unwrap()), local, "{text}");
        }
    }
}
