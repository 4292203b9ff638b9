//! What a captured frame says of its flow: link layer, VLANs, IP, fragments, ports.

use crate::flow::{ICMP, ICMPV6, SCTP, TCP, UDP};
use crate::wire::{Reader, address};
use std::net::IpAddr;

/// How frames begin; the numbers are those of `pcap-linktype(7)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Ethernet (1).
    Ethernet,
    /// Linux "cooked" capture (113).
    Sll,
    /// Linux "cooked" capture, version 2 (276).
    Sll2,
    /// An IP packet, nothing before it (101, 12, 14, 228, 229).
    Raw,
    /// BSD loopback (0, 108): four bytes of address family, in whichever byte order.
    Loopback,
}

impl Link {
    /// The link of a number in a capture file; `None` for one that is not understood.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Link::Ethernet),
            113 => Some(Link::Sll),
            276 => Some(Link::Sll2),
            12 | 14 | 101 | 228 | 229 => Some(Link::Raw),
            0 | 108 => Some(Link::Loopback),
            _ => None,
        }
    }
}

/// An IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Sender.
    pub src: IpAddr,
    /// Receiver.
    pub dst: IpAddr,
    /// IP protocol number, behind IPv6's extension headers.
    pub protocol: u8,
    /// Port of the sender; 0 where there is none, or it was not captured.
    pub src_port: u16,
    /// Port of the receiver.
    pub dst_port: u16,
    /// Flags of TCP.
    pub tcp_flags: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// The outermost VLAN; 0 for none.
    pub vlan: u16,
    /// Type and code of ICMP and ICMPv6.
    pub icmp: Option<(u8, u8)>,
    /// Octets of the IP packet as sent, with its header.
    pub bytes: u32,
    /// Which part of a packet it is.
    pub fragment: Option<Fragment>,
    /// What follows the header of UDP, as far as it was captured; empty for all else.
    pub payload: &'a [u8],
}

/// A part of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// What the parts of one packet share.
    pub id: u32,
    /// Whether it is the first part, which has the ports.
    pub first: bool,
}

/// Deeper nesting of tags, labels and extension headers is nobody's network.
const DEEPEST: usize = 8;

/// Reads a frame. `None` for what is not IP, or too short to tell.
#[must_use]
pub fn dissect(link: Link, frame: &[u8]) -> Option<Packet<'_>> {
    let mut reader = Reader::new(frame);
    match link {
        Link::Ethernet => {
            reader.take(12)?;
            let kind = reader.u16()?;
            behind(kind, reader)
        }
        Link::Sll => {
            reader.take(14)?;
            let kind = reader.u16()?;
            behind(kind, reader)
        }
        Link::Sll2 => {
            let kind = reader.u16()?;
            reader.take(18)?;
            behind(kind, reader)
        }
        Link::Raw => ip(reader, 0),
        Link::Loopback => {
            reader.take(4)?;
            ip(reader, 0)
        }
    }
}

/// What follows an EtherType.
fn behind(mut kind: u16, mut reader: Reader) -> Option<Packet> {
    let mut vlan = 0;
    for _ in 0..DEEPEST {
        match kind {
            0x0800 | 0x86dd => return ip(reader, vlan),
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                let tag = reader.u16()? & 0x0fff;
                vlan = if vlan == 0 { tag } else { vlan };
                kind = reader.u16()?;
            }
            0x8847 | 0x8848 => return labelled(reader, vlan),
            0x8864 => {
                reader.take(6)?;
                return matches!(reader.u16()?, 0x0021 | 0x0057).then(|| ip(reader, vlan)).flatten();
            }
            // A length: IEEE 802.3 with LLC and SNAP.
            0..=1_500 => {
                let [0xaa, 0xaa, 3, ..] = *reader.take(6)? else { return None };
                kind = reader.u16()?;
            }
            _ => return None,
        }
    }
    None
}

/// Behind the labels of MPLS.
fn labelled(mut reader: Reader, vlan: u16) -> Option<Packet> {
    for _ in 0..DEEPEST {
        if reader.u32()? & 0x100 != 0 {
            return ip(reader, vlan);
        }
    }
    None
}

fn ip(reader: Reader, vlan: u16) -> Option<Packet> {
    match reader.rest().first()? >> 4 {
        4 => ipv4(reader, vlan),
        6 => ipv6(reader, vlan),
        _ => None,
    }
}

fn ipv4(mut reader: Reader, vlan: u16) -> Option<Packet> {
    let captured = reader.rest().len();
    let head = reader.take(20)?;
    let header = usize::from(head[0] & 15) * 4;
    reader.take(header.checked_sub(20)?)?;
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    // 0 where the network card cuts segments (TSO): then all that was captured.
    let bytes = if word(2) == 0 { captured } else { usize::from(word(2)) };
    let body = bytes.checked_sub(header)?;
    let flags = word(6);
    let (offset, more) = (flags & 0x1fff, flags & 0x2000 != 0);
    let packet = Packet {
        src: address(&head[12..16])?,
        dst: address(&head[16..20])?,
        protocol: head[9],
        tos: head[1],
        vlan,
        bytes: bytes as u32,
        fragment: (more || offset > 0).then_some(Fragment { id: u32::from(word(4)), first: offset == 0 }),
        ..EMPTY
    };
    let rest = reader.rest();
    Some(transport(packet, &rest[..rest.len().min(body)]))
}

fn ipv6(mut reader: Reader, vlan: u16) -> Option<Packet> {
    let captured = reader.rest().len();
    let head = reader.take(40)?;
    let told = usize::from(u16::from_be_bytes([head[4], head[5]]));
    let bytes = if told == 0 { captured } else { told + 40 };
    let mut packet = Packet {
        src: address(&head[8..24])?,
        dst: address(&head[24..40])?,
        protocol: head[6],
        tos: head[0] << 4 | head[1] >> 4,
        vlan,
        bytes: bytes as u32,
        ..EMPTY
    };
    let mut rest = Reader::new(&reader.rest()[..reader.rest().len().min(bytes.saturating_sub(40))]);
    for _ in 0..DEEPEST {
        // What is cut off behind an extension header leaves a packet whose protocol is not known: that of the header.
        let Some((next, fragment)) = extension(packet.protocol, &mut rest) else { break };
        packet.protocol = next;
        packet.fragment = fragment.or(packet.fragment);
        if fragment.is_some_and(|fragment| !fragment.first) {
            break;
        }
    }
    Some(transport(packet, rest.rest()))
}

/// Goes past an extension header of IPv6, if it is one: what follows, and the fragment it tells of.
fn extension(kind: u8, rest: &mut Reader) -> Option<(u8, Option<Fragment>)> {
    let mut reader = *rest;
    let found = match kind {
        // Hop-by-hop, routing, destination, mobility.
        0 | 43 | 60 | 135 => {
            let (next, length) = (reader.u8()?, reader.u8()?);
            reader.take(usize::from(length) * 8 + 6)?;
            (next, None)
        }
        44 => {
            let (next, _) = (reader.u8()?, reader.u8()?);
            let (offset, id) = (reader.u16()?, reader.u32()?);
            let parts = offset & 0xfff9 != 0;
            (next, parts.then_some(Fragment { id, first: offset & 0xfff8 == 0 }))
        }
        // Authentication.
        51 => {
            let (next, length) = (reader.u8()?, reader.u8()?);
            reader.take((usize::from(length) + 2) * 4 - 2)?;
            (next, None)
        }
        _ => return None,
    };
    *rest = reader;
    Some(found)
}

/// Ports, flags, types and codes, as far as they were captured.
fn transport<'a>(mut packet: Packet<'a>, body: &'a [u8]) -> Packet<'a> {
    if packet.fragment.is_some_and(|fragment| !fragment.first) {
        return packet;
    }
    match (packet.protocol, body) {
        (TCP | UDP | SCTP, [a, b, c, d, ..]) => {
            packet.src_port = u16::from_be_bytes([*a, *b]);
            packet.dst_port = u16::from_be_bytes([*c, *d]);
        }
        (ICMP | ICMPV6, [kind, code, ..]) => packet.icmp = Some((*kind, *code)),
        _ => {}
    }
    if packet.protocol == TCP {
        packet.tcp_flags = body.get(13).copied().unwrap_or(0);
    }
    if packet.protocol == UDP {
        let told = body.get(4..6).map_or(0, |length| usize::from(u16::from_be_bytes([length[0], length[1]])));
        packet.payload = body.get(8..).map_or(&[], |payload| &payload[..payload.len().min(told.saturating_sub(8))]);
    }
    packet
}

const EMPTY: Packet<'static> = Packet {
    src: crate::Flow::EMPTY.src,
    dst: crate::Flow::EMPTY.dst,
    protocol: 0,
    src_port: 0,
    dst_port: 0,
    tcp_flags: 0,
    tos: 0,
    vlan: 0,
    icmp: None,
    bytes: 0,
    fragment: None,
    payload: &[],
};

#[cfg(test)]
mod tests {
    use super::*;

    fn udp4(fragment: u16) -> Vec<u8> {
        let mut packet =
            vec![0x45, 0, 0, 30, 0, 7, (fragment >> 8) as u8, fragment as u8, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend([0, 53, 0, 99, 0, 10, 0, 0, b'h', b'i']);
        packet
    }

    fn ethernet(kinds: &[u16], packet: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 12];
        kinds.iter().for_each(|kind| frame.extend(kind.to_be_bytes()));
        frame.extend(packet);
        frame
    }

    #[test]
    fn tags_of_vlans_are_passed_and_the_outermost_is_told() {
        let frame = ethernet(&[0x88a8, 0x6064, 0x8100, 0x0007, 0x0800], &udp4(0));
        let packet = dissect(Link::Ethernet, &frame).expect("a packet");
        assert_eq!((packet.vlan, packet.src_port, packet.dst_port, packet.bytes, packet.payload), (100, 53, 99, 30, &b"hi"[..]));
    }

    #[test]
    fn every_link_leads_to_the_same_packet() {
        let raw = udp4(0);
        let expected = dissect(Link::Raw, &raw);
        assert!(expected.is_some());
        let with = |head: &[u8]| [head, &raw].concat();
        assert_eq!(dissect(Link::Loopback, &with(&[2, 0, 0, 0])), expected);
        assert_eq!(dissect(Link::Sll, &with(&[0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0])), expected);
        assert_eq!(dissect(Link::Sll2, &with(&[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])), expected);
        assert_eq!(dissect(Link::Ethernet, &ethernet(&[0x0800], &raw)), expected);
    }

    #[test]
    fn only_the_first_fragment_has_ports() {
        let (first, second) = (udp4(0x2000), udp4(0x0003));
        let first = dissect(Link::Raw, &first).expect("a packet");
        let second = dissect(Link::Raw, &second).expect("a packet");
        assert_eq!((first.src_port, first.fragment), (53, Some(Fragment { id: 7, first: true })));
        assert_eq!((second.src_port, second.fragment), (0, Some(Fragment { id: 7, first: false })));
    }

    #[test]
    fn extension_headers_of_ipv6_are_passed() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 16, 0, 64];
        packet.extend([0; 32]);
        packet.extend([58, 0, 0, 0, 0, 0, 0, 0]);
        packet.extend([135, 0, 0, 0, 0, 0, 0, 0]);
        let packet = dissect(Link::Raw, &packet).expect("a packet");
        assert_eq!((packet.protocol, packet.icmp, packet.bytes), (58, Some((135, 0)), 56));
    }

    #[test]
    fn a_packet_cut_short_still_tells_how_long_it_was() {
        let raw = udp4(0);
        let packet = dissect(Link::Raw, &raw[..22]).expect("a packet");
        assert_eq!((packet.bytes, packet.src_port), (30, 0));
        assert!(dissect(Link::Raw, &raw[..19]).is_none());
    }
}
