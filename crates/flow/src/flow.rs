//! One row: who sent what to whom.

use std::net::{IpAddr, Ipv4Addr};

/// A flow as every decoder and the aggregator of packets make it. Times are nanoseconds since 1970-01-01T00:00:00Z. Numbers that
/// were not told are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// When the first packet was seen.
    pub start: i64,
    /// When the last packet was seen; never before `start`.
    pub end: i64,
    /// Who sent it. The unspecified IPv4 address where it was not told.
    pub src: IpAddr,
    /// Who it was sent to.
    pub dst: IpAddr,
    /// TCP, UDP or SCTP port of the sender.
    pub src_port: u16,
    /// TCP, UDP or SCTP port of the receiver. NetFlow v5 puts type and code of ICMP here, and so it stays.
    pub dst_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// All TCP flags seen, ORed: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
    pub tcp_flags: u8,
    /// Type of service: DSCP and ECN.
    pub tos: u8,
    /// Whether it was seen entering or leaving the observation point.
    pub direction: Direction,
    /// Octets of IP packets from `src` to `dst`, times `sampling`.
    pub bytes: u64,
    /// Packets from `src` to `dst`, times `sampling`.
    pub packets: u64,
    /// Octets from `dst` to `src`, where one row tells both ways (RFC 5103), times `sampling`.
    pub reverse_bytes: u64,
    /// Packets from `dst` to `src`, times `sampling`.
    pub reverse_packets: u64,
    /// TCP flags of packets from `dst` to `src`.
    pub reverse_tcp_flags: u8,
    /// One packet in so many was looked at; 1: each. Bytes and packets are multiplied by it already.
    pub sampling: u32,
    /// SNMP index of the interface it came in by.
    pub input: u32,
    /// SNMP index of the interface it went out by.
    pub output: u32,
    /// VLAN it came in by.
    pub vlan: u16,
    /// Type and code of ICMP and ICMPv6.
    pub icmp: Option<(u8, u8)>,
    /// The next router.
    pub next_hop: Option<IpAddr>,
    /// Autonomous system of `src`.
    pub src_as: u32,
    /// Autonomous system of `dst`.
    pub dst_as: u32,
    /// Prefix length of the route to `src`.
    pub src_mask: u8,
    /// Prefix length of the route to `dst`.
    pub dst_mask: u8,
    /// `src` behind a translation of addresses.
    pub nat_src: Option<IpAddr>,
    /// `dst` behind a translation of addresses.
    pub nat_dst: Option<IpAddr>,
    /// `src_port` behind a translation of ports.
    pub nat_src_port: u16,
    /// `dst_port` behind a translation of ports.
    pub nat_dst_port: u16,
    /// Why the row was made (IANA flowEndReason).
    pub end_reason: EndReason,
    /// What a firewall did (IANA firewallEvent): 1 created, 2 deleted, 3 denied, 4 alert, 5 updated; 0 not told.
    pub firewall_event: u8,
    /// How a connection went, where packets were seen.
    pub state: Option<ConnState>,
    /// Who told it.
    pub exporter: IpAddr,
    /// Source id (v9), observation domain (IPFIX), engine type and id (v5), sub-agent (sFlow).
    pub domain: u32,
}

impl Flow {
    /// A row of which nothing is known.
    pub const EMPTY: Flow = Flow {
        start: 0,
        end: 0,
        src: UNSPECIFIED,
        dst: UNSPECIFIED,
        src_port: 0,
        dst_port: 0,
        protocol: 0,
        tcp_flags: 0,
        tos: 0,
        direction: Direction::Unknown,
        bytes: 0,
        packets: 0,
        reverse_bytes: 0,
        reverse_packets: 0,
        reverse_tcp_flags: 0,
        sampling: 1,
        input: 0,
        output: 0,
        vlan: 0,
        icmp: None,
        next_hop: None,
        src_as: 0,
        dst_as: 0,
        src_mask: 0,
        dst_mask: 0,
        nat_src: None,
        nat_dst: None,
        nat_src_port: 0,
        nat_dst_port: 0,
        end_reason: EndReason::Unknown,
        firewall_event: 0,
        state: None,
        exporter: UNSPECIFIED,
        domain: 0,
    };

    /// Takes `sampling` for how few packets were looked at, and multiplies.
    pub(crate) fn scale(&mut self, sampling: u32) {
        self.sampling = sampling.max(1);
        if self.sampling > 1 {
            let by = u64::from(self.sampling);
            self.bytes = self.bytes.saturating_mul(by);
            self.packets = self.packets.saturating_mul(by);
            self.reverse_bytes = self.reverse_bytes.saturating_mul(by);
            self.reverse_packets = self.reverse_packets.saturating_mul(by);
        }
    }

    /// Type and code of ICMP from the port they are put into where there is no field for them.
    pub(crate) fn icmp_from_port(&mut self) {
        if self.icmp.is_none() && matches!(self.protocol, ICMP | ICMPV6) {
            let [kind, code] = self.dst_port.to_be_bytes();
            self.icmp = Some((kind, code));
        }
    }
}

const UNSPECIFIED: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMPV6: u8 = 58;
pub(crate) const SCTP: u8 = 132;

/// Which way a flow passed its observation point (IANA flowDirection).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Not told.
    #[default]
    Unknown,
    /// In.
    Ingress,
    /// Out.
    Egress,
}

impl Direction {
    pub(crate) fn from_number(number: u64) -> Self {
        match number {
            0 => Direction::Ingress,
            1 => Direction::Egress,
            _ => Direction::Unknown,
        }
    }
}

/// Why a flow ended (IANA flowEndReason).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EndReason {
    /// Not told.
    #[default]
    Unknown,
    /// Nothing was seen for the idle timeout.
    Idle,
    /// It goes on, and was told for the active timeout.
    Active,
    /// Its end was seen: FIN or RST.
    End,
    /// The meter was told to end it.
    Forced,
    /// The meter had no room left.
    LackOfResources,
}

impl EndReason {
    pub(crate) fn from_number(number: u64) -> Self {
        match number {
            1 => EndReason::Idle,
            2 => EndReason::Active,
            3 => EndReason::End,
            4 => EndReason::Forced,
            5 => EndReason::LackOfResources,
            _ => EndReason::Unknown,
        }
    }
}

/// How a TCP connection went; the names are those of Zeek's `conn_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnState {
    /// A SYN and no answer.
    S0,
    /// Established, no end seen.
    S1,
    /// Established, the originator wishes to close and the responder does not answer.
    S2,
    /// Established, the responder wishes to close and the originator does not answer.
    S3,
    /// Established and closed by both.
    Sf,
    /// A SYN, refused with RST.
    Rej,
    /// Established, the originator aborted.
    Rsto,
    /// The responder aborted.
    Rstr,
    /// A SYN, then a RST of the originator, and no SYN-ACK: a half-open scan.
    Rstos0,
    /// A SYN-ACK, then a RST of the responder, and no SYN.
    Rstrh,
    /// A SYN, then a FIN, and no SYN-ACK.
    Sh,
    /// A SYN-ACK and no SYN: an answer to packets that were not seen, or that someone forged.
    Shr,
    /// In the middle of it, or not TCP.
    Oth,
}

impl ConnState {
    /// As Zeek writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ConnState::S0 => "S0",
            ConnState::S1 => "S1",
            ConnState::S2 => "S2",
            ConnState::S3 => "S3",
            ConnState::Sf => "SF",
            ConnState::Rej => "REJ",
            ConnState::Rsto => "RSTO",
            ConnState::Rstr => "RSTR",
            ConnState::Rstos0 => "RSTOS0",
            ConnState::Rstrh => "RSTRH",
            ConnState::Sh => "SH",
            ConnState::Shr => "SHR",
            ConnState::Oth => "OTH",
        }
    }
}
