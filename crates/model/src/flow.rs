use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::Text;

/// One connection, or one exporter's account of a part of it: who sent how much to whom.
///
/// The source is [`Event::client`](crate::Event::client), for it is who acted; its begin is [`Event::at`](crate::Event::at)
/// and its length [`Event::duration`](crate::Event::duration); the exporter is the event's host and origin. Small and
/// copied freely: with its neighbours it must not make an event of another kind bigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    pub destination: IpAddr,
    /// 0 where the protocol has none or nobody says.
    pub source_port: u16,
    /// For ICMP the type times 256 plus the code, as NetFlow has it: see [`Flow::icmp`].
    pub destination_port: u16,
    /// IANA's protocol number: 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6; 0 where unknown.
    pub protocol: u8,
    pub state: ConnectionState,
    pub action: Action,
    pub direction: Direction,
    /// All flags seen, in the bits of the TCP header: 1 FIN, 2 SYN, 4 RST, 8 PSH, 16 ACK, 32 URG.
    pub tcp_flags: u16,
    /// Sent by the source. With the exporter's sampling already applied; 0 where unknown.
    pub bytes: u64,
    pub packets: u64,
    /// Sent back; 0 where unknown or where the exporter tells of it in another flow.
    pub reverse_bytes: u64,
    pub reverse_packets: u64,
    /// SNMP index of the exporter's interface that it came in by; 0 where unknown.
    pub input: u32,
    /// The same of the one it left by.
    pub output: u32,
    /// One packet in so many was looked at; 0 and 1 mean all.
    pub sampling: u32,
    /// The text it was read from; absent where it came as a binary record.
    pub message: Text,
}

impl Default for Flow {
    fn default() -> Self {
        Flow {
            destination: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            source_port: 0,
            destination_port: 0,
            protocol: 0,
            state: ConnectionState::Unknown,
            action: Action::Unknown,
            direction: Direction::Unknown,
            tcp_flags: 0,
            bytes: 0,
            packets: 0,
            reverse_bytes: 0,
            reverse_packets: 0,
            input: 0,
            output: 0,
            sampling: 0,
            message: Text::ABSENT,
        }
    }
}

impl Flow {
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const ICMP6: u8 = 58;

    /// Type and code, of ICMP and ICMPv6 only.
    #[must_use]
    pub const fn icmp(&self) -> Option<(u8, u8)> {
        match self.protocol {
            Flow::ICMP | Flow::ICMP6 => Some(((self.destination_port >> 8) as u8, self.destination_port as u8)),
            _ => None,
        }
    }

    /// Both directions together.
    #[must_use]
    pub const fn all_bytes(&self) -> u64 {
        self.bytes.saturating_add(self.reverse_bytes)
    }

    #[must_use]
    pub const fn all_packets(&self) -> u64 {
        self.packets.saturating_add(self.reverse_packets)
    }

    /// ECS's `network.transport`; empty for protocols that few have heard of.
    #[must_use]
    pub const fn transport(&self) -> &'static str {
        match self.protocol {
            Flow::ICMP => "icmp",
            2 => "igmp",
            Flow::TCP => "tcp",
            Flow::UDP => "udp",
            47 => "gre",
            50 => "esp",
            51 => "ah",
            Flow::ICMP6 => "ipv6-icmp",
            89 => "ospf",
            112 => "vrrp",
            132 => "sctp",
            _ => "",
        }
    }

    /// One line for people: `tcp 192.0.2.7:4444 > 198.51.100.2:22 SR, 2 packets, 84 bytes, attempted`.
    #[must_use]
    pub fn line(&self, source: Option<IpAddr>, duration: Duration) -> String {
        let mut line = match self.transport() {
            "" => format!("protocol-{}", self.protocol),
            name => name.to_owned(),
        };
        let end = |address: IpAddr, port: u16| match (self.icmp(), port) {
            (Some(_), _) | (None, 0) => address.to_string(),
            _ => SocketAddr::new(address, port).to_string(),
        };
        // Writing into a string does not fail.
        let _ = match source {
            Some(source) => write!(line, " {} > ", end(source, self.source_port)),
            None => write!(line, " ? > "),
        };
        line += &end(self.destination, self.destination_port);
        if let Some((kind, code)) = self.icmp() {
            let _ = write!(line, " type {kind} code {code}");
        }
        if self.tcp_flags != 0 {
            line.push(' ');
            let flags = "FSRPAUEC".chars().enumerate().filter(|(bit, _)| self.tcp_flags >> bit & 1 == 1);
            line.extend(flags.map(|(_, letter)| letter));
        }
        let _ = write!(line, ", {} packets, {} bytes", self.packets, self.bytes);
        if self.reverse_packets > 0 {
            let _ = write!(line, ", back {} packets, {} bytes", self.reverse_packets, self.reverse_bytes);
        }
        if !duration.is_zero() {
            let _ = write!(line, ", {:.3} s", duration.as_secs_f64());
        }
        for word in [self.state.name(), self.action.name()].into_iter().filter(|word| !word.is_empty()) {
            line += ", ";
            line += word;
        }
        line
    }

    /// The number of a protocol by its usual name in any case, or by its number; 0 for others.
    #[must_use]
    pub fn protocol_named(name: &[u8]) -> u8 {
        const NAMES: [(&str, u8); 15] = [
            ("tcp", Flow::TCP),
            ("udp", Flow::UDP),
            ("icmp", Flow::ICMP),
            ("icmp6", Flow::ICMP6),
            ("icmpv6", Flow::ICMP6),
            ("ipv6-icmp", Flow::ICMP6),
            ("igmp", 2),
            ("gre", 47),
            ("esp", 50),
            ("ah", 51),
            ("ospf", 89),
            ("pim", 103),
            ("vrrp", 112),
            ("carp", 112),
            ("sctp", 132),
        ];
        if let Some((_, number)) = NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())) {
            return *number;
        }
        std::str::from_utf8(name).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }
}

/// How far a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ConnectionState {
    #[default]
    Unknown,
    /// Asked for and not answered.
    Attempted,
    /// Refused by the other end.
    Rejected,
    /// Answered, and not seen to end.
    Established,
    /// Ended in the ordinary way.
    Closed,
    /// Broken off by one end after it was established.
    Reset,
    /// Its begin was not seen: the middle of a connection, or the answers alone.
    Midstream,
}

impl ConnectionState {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ConnectionState::Unknown => "",
            ConnectionState::Attempted => "attempted",
            ConnectionState::Rejected => "rejected",
            ConnectionState::Established => "established",
            ConnectionState::Closed => "closed",
            ConnectionState::Reset => "reset",
            ConnectionState::Midstream => "midstream",
        }
    }

    /// Whether nothing came of it.
    #[must_use]
    pub const fn failed(self) -> bool {
        matches!(self, ConnectionState::Attempted | ConnectionState::Rejected)
    }
}

/// What the device that tells of a flow did with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Action {
    #[default]
    Unknown,
    Allowed,
    Denied,
}

impl Action {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Action::Unknown => "",
            Action::Allowed => "allowed",
            Action::Denied => "denied",
        }
    }
}

/// Which way a flow went, as seen from the network of the device that tells of it (ECS `network.direction`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    #[default]
    Unknown,
    Inbound,
    Outbound,
    Internal,
    External,
}

impl Direction {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Direction::Unknown => "",
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
            Direction::Internal => "internal",
            Direction::External => "external",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_known_by_name_and_by_number() {
        assert_eq!(Flow::protocol_named(b"TCP"), 6);
        assert_eq!(Flow::protocol_named(b"17"), 17);
        assert_eq!(Flow::protocol_named(b"ICMPv6"), 58);
        assert_eq!(Flow::protocol_named(b"300"), 0);
        assert_eq!(Flow { protocol: 6, ..Flow::default() }.transport(), "tcp");
    }

    #[test]
    fn type_and_code_of_icmp_stand_where_netflow_has_them() {
        let ping = Flow { protocol: Flow::ICMP, destination_port: 8 << 8, ..Flow::default() };
        assert_eq!(ping.icmp(), Some((8, 0)));
        assert_eq!(Flow { protocol: Flow::TCP, ..ping }.icmp(), None);
    }

    #[test]
    fn a_flow_is_told_in_one_line() {
        let flow = Flow {
            destination: "198.51.100.2".parse().unwrap(),
            source_port: 4_444,
            destination_port: 22,
            protocol: Flow::TCP,
            tcp_flags: 6,
            packets: 2,
            bytes: 84,
            state: ConnectionState::Attempted,
            ..Flow::default()
        };
        let line = flow.line("192.0.2.7".parse().ok(), Duration::ZERO);
        assert_eq!(line, "tcp 192.0.2.7:4444 > 198.51.100.2:22 SR, 2 packets, 84 bytes, attempted");
        let ping = Flow { protocol: Flow::ICMP, destination_port: 8 << 8, tcp_flags: 0, reverse_packets: 1, ..flow };
        assert_eq!(
            ping.line(None, Duration::from_millis(1_500)),
            "icmp ? > 198.51.100.2 type 8 code 0, 2 packets, 84 bytes, back 1 packets, 0 bytes, 1.500 s, attempted"
        );
    }

    #[test]
    fn a_flow_is_no_bigger_than_a_request() {
        assert!(size_of::<Flow>() <= size_of::<crate::Web>(), "{} > {}", size_of::<Flow>(), size_of::<crate::Web>());
        assert!(size_of::<crate::Detail>() <= size_of::<crate::Web>() + 8);
    }
}
