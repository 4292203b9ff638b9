//! Packets into flows: both ways of a conversation in one row, as Zeek's `conn.log` has them.

use crate::flow::{ConnState, EndReason, Flow, ICMP, ICMPV6, TCP, UDP};
use crate::packet::{Fragment, Packet};
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// When rows are made, in the time of the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Nanoseconds without a packet after which a conversation is over.
    pub idle: i64,
    /// Nanoseconds after which one that goes on is told.
    pub active: i64,
    /// Conversations that are followed at once; the one that was silent for longest gives way.
    pub most: usize,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts { idle: 60_000_000_000, active: 1_800_000_000_000, most: 131_072 }
    }
}

/// The two ends of a conversation, the lower first, so that both ways have one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    low: (IpAddr, u16),
    high: (IpAddr, u16),
    protocol: u8,
    vlan: u16,
}

#[derive(Debug)]
struct Conversation {
    key: Key,
    flow: Flow,
    seen: Seen,
    last: i64,
    older: u32,
    newer: u32,
}

/// What was seen of TCP, by the originator (`o`) and the responder (`r`).
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    syn: bool,
    syn_ack: bool,
    o_fin: bool,
    r_fin: bool,
    /// Who aborted first: true, the originator.
    reset: Option<bool>,
}

impl Seen {
    fn closed(self) -> bool {
        self.reset.is_some() || self.o_fin && self.r_fin
    }
}

/// Follows conversations. The same packets make the same rows in the same order.
#[derive(Debug)]
pub struct Aggregator {
    timeouts: Timeouts,
    places: HashMap<Key, u32>,
    conversations: Vec<Conversation>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
    now: i64,
    /// Ports of packets in parts, by what their parts share.
    parts: HashMap<(IpAddr, IpAddr, u8, u32), (u16, u16)>,
    parts_in_order: VecDeque<(IpAddr, IpAddr, u8, u32)>,
}

const NONE: u32 = u32::MAX;
const MOST_PARTS: usize = 4_096;
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

impl Default for Aggregator {
    fn default() -> Self {
        Aggregator::new(Timeouts::default())
    }
}

impl Aggregator {
    /// An aggregator that has seen no packet yet.
    #[must_use]
    pub fn new(timeouts: Timeouts) -> Self {
        Aggregator {
            timeouts: Timeouts { most: timeouts.most.clamp(1, 1 << 30), ..timeouts },
            places: HashMap::new(),
            conversations: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
            now: i64::MIN,
            parts: HashMap::new(),
            parts_in_order: VecDeque::new(),
        }
    }

    /// Takes a packet seen at that time (nanoseconds since 1970) and appends rows of conversations that are over to `out`.
    pub fn packet(&mut self, time: i64, packet: &Packet, out: &mut Vec<Flow>) {
        // Some captures are not in order; no conversation ends because of a packet from the past.
        self.now = self.now.max(time);
        self.expire(out);
        let (src_port, dst_port) = self.ports(packet);
        let key = key(packet, src_port, dst_port);
        if let Some(&place) = self.places.get(&key) {
            let known = &self.conversations[place as usize];
            let anew = packet.tcp_flags & (SYN | ACK) == SYN && known.seen.closed();
            if anew {
                self.end(place, EndReason::End, out);
            } else if self.now.saturating_sub(known.flow.start) > self.timeouts.active {
                self.tell(place, time, out);
            }
        }
        let place = match self.places.get(&key) {
            Some(&place) => place,
            None => self.begin(key, time, packet, (src_port, dst_port), out),
        };
        self.add(place, time, packet, src_port);
    }

    /// Ends all conversations; the one that was silent for longest comes first.
    pub fn finish(&mut self, out: &mut Vec<Flow>) {
        while self.oldest != NONE {
            self.end(self.oldest, EndReason::Forced, out);
        }
    }

    /// Conversations that are followed now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none is followed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn expire(&mut self, out: &mut Vec<Flow>) {
        while let Some(conversation) = self.conversations.get(self.oldest as usize) {
            if self.now.saturating_sub(conversation.last) <= self.timeouts.idle {
                return;
            }
            self.end(self.oldest, EndReason::Idle, out);
        }
    }

    /// The ports of a packet, or of the first part of one that came in parts.
    fn ports(&mut self, packet: &Packet) -> (u16, u16) {
        let Some(Fragment { id, first }) = packet.fragment else { return (packet.src_port, packet.dst_port) };
        let part = (packet.src, packet.dst, packet.protocol, id);
        if !first {
            return self.parts.get(&part).copied().unwrap_or_default();
        }
        let ports = (packet.src_port, packet.dst_port);
        if self.parts.insert(part, ports).is_none() {
            self.parts_in_order.push_back(part);
            if self.parts_in_order.len() > MOST_PARTS
                && let Some(oldest) = self.parts_in_order.pop_front()
            {
                self.parts.remove(&oldest);
            }
        }
        ports
    }

    fn begin(&mut self, key: Key, time: i64, packet: &Packet, ports: (u16, u16), out: &mut Vec<Flow>) -> u32 {
        if self.places.len() >= self.timeouts.most {
            self.end(self.oldest, EndReason::LackOfResources, out);
        }
        // An answer to what was not seen: who asked is the originator.
        let answer = packet.protocol == TCP && packet.tcp_flags & (SYN | ACK) == SYN | ACK;
        let (src, dst) = ((packet.src, ports.0), (packet.dst, ports.1));
        let ((src, src_port), (dst, dst_port)) = if answer { (dst, src) } else { (src, dst) };
        let flow = Flow {
            start: time,
            end: time,
            src,
            dst,
            src_port,
            dst_port,
            protocol: packet.protocol,
            tos: packet.tos,
            vlan: packet.vlan,
            icmp: packet.icmp,
            ..Flow::EMPTY
        };
        let conversation = Conversation { key, flow, seen: Seen::default(), last: self.now, older: NONE, newer: NONE };
        let place = if let Some(place) = self.free.pop() {
            self.conversations[place as usize] = conversation;
            place
        } else {
            self.conversations.push(conversation);
            (self.conversations.len() - 1) as u32
        };
        self.places.insert(key, place);
        self.append(place);
        place
    }

    fn add(&mut self, place: u32, time: i64, packet: &Packet, src_port: u16) {
        self.unlink(place);
        self.append(place);
        let now = self.now;
        let Conversation { flow, seen, last, .. } = &mut self.conversations[place as usize];
        *last = now;
        flow.start = flow.start.min(time);
        flow.end = flow.end.max(time);
        let forward = packet.src == flow.src && src_port == flow.src_port;
        if forward {
            flow.bytes += u64::from(packet.bytes);
            flow.packets += 1;
            flow.tcp_flags |= packet.tcp_flags;
        } else {
            flow.reverse_bytes += u64::from(packet.bytes);
            flow.reverse_packets += 1;
            flow.reverse_tcp_flags |= packet.tcp_flags;
        }
        if packet.protocol == TCP {
            seen.take(forward, packet.tcp_flags);
        }
    }

    /// Tells of a conversation that goes on, and counts anew.
    fn tell(&mut self, place: u32, time: i64, out: &mut Vec<Flow>) {
        let Conversation { flow, seen, .. } = &mut self.conversations[place as usize];
        out.push(Flow { end_reason: EndReason::Active, state: state(flow, *seen), ..*flow });
        (flow.start, flow.end) = (time, time);
        (flow.bytes, flow.packets, flow.tcp_flags) = (0, 0, 0);
        (flow.reverse_bytes, flow.reverse_packets, flow.reverse_tcp_flags) = (0, 0, 0);
    }

    fn end(&mut self, place: u32, reason: EndReason, out: &mut Vec<Flow>) {
        self.unlink(place);
        let Conversation { key, flow, seen, .. } = &self.conversations[place as usize];
        let reason = if seen.closed() { EndReason::End } else { reason };
        out.push(Flow { end_reason: reason, state: state(flow, *seen), ..*flow });
        self.places.remove(key);
        self.free.push(place);
    }

    fn append(&mut self, place: u32) {
        let newest = self.newest;
        let conversation = &mut self.conversations[place as usize];
        (conversation.older, conversation.newer) = (newest, NONE);
        match self.conversations.get_mut(newest as usize) {
            Some(before) => before.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }

    fn unlink(&mut self, place: u32) {
        let Conversation { older, newer, .. } = self.conversations[place as usize];
        match self.conversations.get_mut(older as usize) {
            Some(before) => before.newer = newer,
            None => self.oldest = newer,
        }
        match self.conversations.get_mut(newer as usize) {
            Some(after) => after.older = older,
            None => self.newest = older,
        }
    }
}

impl Seen {
    fn take(&mut self, forward: bool, flags: u8) {
        match flags & (SYN | ACK) {
            SYN if forward => self.syn = true,
            both if both == SYN | ACK && !forward => self.syn_ack = true,
            _ => {}
        }
        if flags & FIN != 0 {
            *(if forward { &mut self.o_fin } else { &mut self.r_fin }) = true;
        }
        if flags & RST != 0 && self.reset.is_none() {
            self.reset = Some(forward);
        }
    }
}

fn key(packet: &Packet, src_port: u16, dst_port: u16) -> Key {
    // A question and its answer are one conversation, an error another.
    let kind = packet.icmp.map(|(kind, _)| match (packet.protocol, kind) {
        (ICMP, 0) => 8,
        (ICMPV6, 129) => 128,
        _ => u16::from(kind),
    });
    let (src, dst) = ((packet.src, kind.unwrap_or(src_port)), (packet.dst, kind.unwrap_or(dst_port)));
    Key { low: src.min(dst), high: src.max(dst), protocol: packet.protocol, vlan: packet.vlan }
}

/// How a conversation went. For UDP as Zeek has it: S0 without an answer, SF with one.
fn state(flow: &Flow, seen: Seen) -> Option<ConnState> {
    let answered = flow.reverse_packets > 0;
    Some(match (flow.protocol, seen) {
        (TCP, seen) => tcp_state(seen),
        (UDP, _) if answered => ConnState::Sf,
        (UDP, _) => ConnState::S0,
        _ => ConnState::Oth,
    })
}

fn tcp_state(seen: Seen) -> ConnState {
    let Seen { syn, syn_ack, o_fin, r_fin, reset } = seen;
    match (syn, syn_ack, reset) {
        (true, true, Some(true)) => ConnState::Rsto,
        (true, true, Some(false)) => ConnState::Rstr,
        (true, true, None) => match (o_fin, r_fin) {
            (true, true) => ConnState::Sf,
            (true, false) => ConnState::S2,
            (false, true) => ConnState::S3,
            (false, false) => ConnState::S1,
        },
        (true, false, Some(true)) => ConnState::Rstos0,
        (true, false, Some(false)) => ConnState::Rej,
        (true, false, None) if o_fin => ConnState::Sh,
        (true, false, None) => ConnState::S0,
        (false, true, Some(false)) => ConnState::Rstrh,
        (false, true, _) => ConnState::Shr,
        (false, false, _) => ConnState::Oth,
    }
}
