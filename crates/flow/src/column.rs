//! Which information elements make which column of a row.
//!
//! NetFlow v9 (RFC 3954, 8) and IPFIX (IANA's registry) share the numbers below 128; above, IPFIX's are used by v9 exporters too.

/// What a field is for in a [`crate::Flow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    // Integers.
    Bytes,
    Packets,
    ReverseBytes,
    ReversePackets,
    SrcPort,
    DstPort,
    Protocol,
    TcpFlags,
    ReverseTcpFlags,
    Tos,
    Direction,
    Input,
    Output,
    Vlan,
    IcmpTypeCode,
    IcmpType,
    IcmpCode,
    SrcAs,
    DstAs,
    SrcMask,
    DstMask,
    NatSrcPort,
    NatDstPort,
    EndReason,
    FirewallEvent,
    SamplingInterval,
    SamplerId,
    StartUptime,
    EndUptime,
    StartSeconds,
    EndSeconds,
    StartMillis,
    EndMillis,
    StartNtp,
    EndNtp,
    StartBefore,
    EndBefore,
    DurationMillis,
    DurationMicros,
    BootMillis,
    // Addresses.
    Src,
    Dst,
    NextHop,
    NatSrc,
    NatDst,
}

impl Column {
    /// Whether values of that length can be this.
    pub fn fits(self, length: u16) -> bool {
        match self {
            Column::Src | Column::Dst | Column::NextHop | Column::NatSrc | Column::NatDst => matches!(length, 4 | 16),
            Column::StartNtp | Column::EndNtp => length == 8,
            _ => (1..=8).contains(&length),
        }
    }
}

/// A column and how much better than other elements of the same column this one is: of two that a template has, the one with the
/// higher rank is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ranked {
    pub column: Column,
    pub rank: u8,
}

/// Enterprise number of fields of the way back (RFC 5103).
pub(crate) const REVERSE: u32 = 29_305;
/// CERT (yaf).
const CERT: u32 = 6_871;
/// Ixia.
const IXIA: u32 = 3_054;

/// The column of an information element, if it has one.
pub(crate) fn of(enterprise: u32, id: u16) -> Option<Ranked> {
    match enterprise {
        0 => standard(id),
        REVERSE => reverse(id),
        CERT => cert(id),
        IXIA => ixia(id),
        _ => None,
    }
}

fn at(column: Column, rank: u8) -> Option<Ranked> {
    Some(Ranked { column, rank })
}

fn standard(id: u16) -> Option<Ranked> {
    counter(id).or_else(|| endpoint(id)).or_else(|| passage(id)).or_else(|| time(id))
}

fn counter(id: u16) -> Option<Ranked> {
    match id {
        1 => at(Column::Bytes, 9),   // octetDeltaCount
        85 => at(Column::Bytes, 8),  // octetTotalCount
        231 => at(Column::Bytes, 7), // initiatorOctets
        23 => at(Column::Bytes, 6),  // OUT_BYTES, postOctetDeltaCount: all that an egress flow has
        2 => at(Column::Packets, 9),
        86 => at(Column::Packets, 8),
        298 => at(Column::Packets, 7),
        24 => at(Column::Packets, 6),
        232 => at(Column::ReverseBytes, 9),   // responderOctets
        299 => at(Column::ReversePackets, 9), // responderPackets
        34 | 50 => at(Column::SamplingInterval, 9),
        48 | 302 => at(Column::SamplerId, 9),
        _ => None,
    }
}

fn endpoint(id: u16) -> Option<Ranked> {
    match id {
        8 | 27 => at(Column::Src, 9),
        12 | 28 => at(Column::Dst, 9),
        7 => at(Column::SrcPort, 9),
        11 => at(Column::DstPort, 9),
        180 | 182 => at(Column::SrcPort, 8), // udpSourcePort, tcpSourcePort
        181 | 183 => at(Column::DstPort, 8),
        4 => at(Column::Protocol, 9),
        6 => at(Column::TcpFlags, 9),
        32 | 139 => at(Column::IcmpTypeCode, 9),
        176 | 178 => at(Column::IcmpType, 9),
        177 | 179 => at(Column::IcmpCode, 9),
        225 | 281 | 40_001 => at(Column::NatSrc, 9), // 40,00x: Cisco ASA before IANA's numbers
        226 | 282 | 40_002 => at(Column::NatDst, 9),
        227 | 40_003 => at(Column::NatSrcPort, 9),
        228 | 40_004 => at(Column::NatDstPort, 9),
        233 | 40_005 => at(Column::FirewallEvent, 9),
        _ => None,
    }
}

fn passage(id: u16) -> Option<Ranked> {
    match id {
        5 => at(Column::Tos, 9),
        55 => at(Column::Tos, 8), // postIpClassOfService
        61 => at(Column::Direction, 9),
        10 => at(Column::Input, 9),
        14 => at(Column::Output, 9),
        252 => at(Column::Input, 8), // ingressPhysicalInterface
        253 => at(Column::Output, 8),
        58 => at(Column::Vlan, 9),
        243 => at(Column::Vlan, 8), // dot1qVlanId
        15 | 62 => at(Column::NextHop, 9),
        18 | 63 => at(Column::NextHop, 8), // of BGP
        16 => at(Column::SrcAs, 9),
        17 => at(Column::DstAs, 9),
        9 | 29 => at(Column::SrcMask, 9),
        13 | 30 => at(Column::DstMask, 9),
        136 => at(Column::EndReason, 9),
        _ => None,
    }
}

fn time(id: u16) -> Option<Ranked> {
    match id {
        156 | 154 => at(Column::StartNtp, 9), // nanoseconds, microseconds: one encoding
        157 | 155 => at(Column::EndNtp, 9),
        152 => at(Column::StartMillis, 8),
        153 => at(Column::EndMillis, 8),
        22 => at(Column::StartUptime, 7),
        21 => at(Column::EndUptime, 7),
        158 => at(Column::StartBefore, 6),
        159 => at(Column::EndBefore, 6),
        150 => at(Column::StartSeconds, 5),
        151 => at(Column::EndSeconds, 5),
        322 => at(Column::EndSeconds, 1), // observationTime...: when it was told
        323 => at(Column::EndMillis, 1),
        161 => at(Column::DurationMillis, 9),
        162 => at(Column::DurationMicros, 9),
        160 => at(Column::BootMillis, 9), // systemInitTimeMilliseconds
        _ => None,
    }
}

fn reverse(id: u16) -> Option<Ranked> {
    match id {
        1 => at(Column::ReverseBytes, 9),
        85 => at(Column::ReverseBytes, 8),
        2 => at(Column::ReversePackets, 9),
        86 => at(Column::ReversePackets, 8),
        6 => at(Column::ReverseTcpFlags, 9),
        _ => None,
    }
}

fn cert(id: u16) -> Option<Ranked> {
    match id {
        14 | 15 => at(Column::TcpFlags, 9), // initialTCPFlags and unionTCPFlags: of the first packet, and of the rest
        0x400e | 0x400f => at(Column::ReverseTcpFlags, 9),
        _ => None,
    }
}

fn ixia(id: u16) -> Option<Ranked> {
    match id {
        176 => at(Column::ReverseBytes, 8),
        177 => at(Column::ReversePackets, 8),
        _ => None,
    }
}
