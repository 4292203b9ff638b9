//! The exporter's view: conversations become flows of one direction, cut where they last long, told when they are over.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Flow;
use super::talk::{ICMP, Sent, TCP, Talk};
use crate::Label;

const NANOS: f64 = 1e9;

/// After so long a flow that goes on is told, and counted anew.
const ACTIVE: i64 = 300_000_000_000;

/// So long nothing may come before a flow without an end of its own is told.
const INACTIVE: i64 = 15_000_000_000;

/// Flows that wait until they are told.
#[derive(Debug, Default)]
pub(super) struct Router {
    waiting: BinaryHeap<Reverse<Waiting>>,
    numbered: u64,
}

/// In the order in which they are told.
#[derive(Debug)]
struct Waiting {
    number: u64,
    flow: Flow,
}

impl Waiting {
    fn key(&self) -> (i64, u64) {
        (self.flow.told, self.number)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Waiting) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Waiting) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Waiting) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Router {
    /// When the next flow is told.
    pub(super) fn due(&self) -> Option<i64> {
        self.waiting.peek().map(|Reverse(waiting)| waiting.flow.told)
    }

    pub(super) fn tell(&mut self) -> Option<Flow> {
        self.waiting.pop().map(|Reverse(waiting)| waiting.flow)
    }

    /// Sees a conversation that was thought of at that time.
    pub(super) fn see(&mut self, at: i64, talk: &Talk, label: Option<Label>) {
        let begin = at.saturating_add((talk.after.max(0.0) * NANOS) as i64);
        let lasts = (talk.lasts.max(0.0) * NANOS) as i64;
        // A FIN or RST of either side ends both.
        let ended = talk.protocol == TCP && (talk.sent.flags | talk.returned.flags) & 0x05 != 0;
        self.side(begin, lasts, (talk.client, talk.server), (talk.protocol, ended), talk.sent, label);
        // The answer comes a little later. ICMP has its type where others have the port: that of an answer is 0.
        let (client, server) =
            if talk.protocol == ICMP { ((talk.client.0, 0), (talk.server.0, 0)) } else { (talk.client, talk.server) };
        self.side(begin.saturating_add(8_000_000), lasts, (server, client), (talk.protocol, ended), talk.returned, label);
    }

    /// One direction, in pieces no longer than the active timeout; each has its share of what was sent.
    fn side(
        &mut self,
        begin: i64,
        lasts: i64,
        ends: ((u32, u16), (u32, u16)),
        (protocol, ended): (u8, bool),
        sent: Sent,
        label: Option<Label>,
    ) {
        let pieces = (1 + lasts / ACTIVE).clamp(1, (sent.packets as i64).max(1));
        let of = |total: u64, piece: i64| (u128::from(total) * piece as u128 / pieces as u128) as u64;
        for piece in (0..pieces).filter(|_| sent.packets > 0) {
            let last = piece + 1 == pieces;
            let from = begin.saturating_add(lasts / pieces * piece);
            let until = if last { begin.saturating_add(lasts) } else { from.saturating_add(lasts / pieces) };
            let share = |total| of(total, piece + 1) - of(total, piece);
            let flow = Flow {
                source: ends.0.0.into(),
                source_port: ends.0.1,
                destination: ends.1.0.into(),
                destination_port: ends.1.1,
                protocol,
                tcp_flags: flags(sent.flags, piece == 0, last),
                packets: share(sent.packets),
                bytes: share(sent.bytes),
                begin: from,
                end: until,
                told: until.saturating_add(if last && ended { 1_000_000_000 } else { INACTIVE }),
                label,
            };
            self.numbered += 1;
            self.waiting.push(Reverse(Waiting { number: self.numbered, flow }));
        }
    }
}

/// The begin has the SYN, the end the FIN, and all have the rest.
fn flags(all: u8, first: bool, last: bool) -> u8 {
    let without = if first { 0 } else { 0x02 } | if last { 0 } else { 0x05 };
    all & !without
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(talk: &Talk) -> Vec<Flow> {
        let mut router = Router::default();
        router.see(0, talk, None);
        std::iter::from_fn(|| router.tell()).collect()
    }

    #[test]
    fn a_long_connection_is_told_in_pieces_that_add_up() {
        let talk = Talk::tcp((1, 40_000), (2, 443), 1_000_001, 50_000_000).lasting(3_600.0);
        let flows = told(&talk);
        let there: Vec<_> = flows.iter().filter(|flow| flow.destination_port == 443).collect();
        assert_eq!((flows.len(), there.len()), (26, 13));
        assert_eq!(there.iter().map(|flow| flow.bytes).sum::<u64>(), talk.sent.bytes);
        assert_eq!(there.iter().map(|flow| flow.packets).sum::<u64>(), talk.sent.packets);
        assert_eq!((there[0].tcp_flags, there[1].tcp_flags, there[12].tcp_flags), (0x1a, 0x18, 0x19));
        assert!(flows.is_sorted_by_key(|flow| flow.told) && flows.iter().all(|flow| flow.told > flow.end));
    }

    #[test]
    fn what_is_not_answered_is_one_flow_and_a_refusal_two() {
        assert_eq!(told(&Talk::unanswered((1, 40_000), (2, 22), 3)).len(), 1);
        let flows = told(&Talk::refused((1, 40_000), (2, 22)));
        assert_eq!(flows.iter().map(|flow| flow.tcp_flags).collect::<Vec<_>>(), [2, 0x14]);
    }

    #[test]
    fn a_ping_has_its_type_where_netflow_has_it() {
        let flows = told(&Talk::ping(1, 2, 4, true));
        assert_eq!(flows.iter().map(|flow| flow.destination_port).collect::<Vec<_>>(), [0x800, 0]);
    }
}
