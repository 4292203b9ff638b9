//! sFlow version 5 (sflow.org, July 2004): samples of packets, and counters of interfaces.

use crate::flow::Flow;
use crate::outcome::Malformed;
use crate::packet::{Link, dissect};
use crate::rows::{Out, Run};
use crate::wire::{Reader, address};
use std::net::IpAddr;

/// The header of a datagram, and what follows it.
#[derive(Debug)]
pub(crate) struct Datagram<'a> {
    pub sub_agent: u32,
    pub sequence: u32,
    pub uptime: u32,
    samples: u32,
    body: Reader<'a>,
}

pub(crate) fn header(datagram: &[u8]) -> Result<Datagram<'_>, Malformed> {
    let mut reader = Reader::new(datagram);
    let mut read = || {
        reader.u32()?;
        told_address(&mut reader)?;
        let (sub_agent, sequence, uptime, samples) = (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
        Some(Datagram { sub_agent, sequence, uptime, samples, body: reader })
    };
    read().ok_or(Malformed::Header)
}

/// An address with its kind before it; `Some(None)` for an unknown one.
fn told_address(reader: &mut Reader) -> Option<Option<IpAddr>> {
    match reader.u32()? {
        0 => Some(None),
        1 => Some(address(reader.take(4)?)),
        2 => Some(address(reader.take(16)?)),
        _ => None,
    }
}

/// Decodes all samples. Those before a damaged one are decoded.
pub(crate) fn samples(datagram: &Datagram, run: &mut Run) -> Result<(), Malformed> {
    let mut reader = datagram.body;
    for _ in 0..datagram.samples {
        let (kind, content) = block(&mut reader).ok_or(Malformed::Length)?;
        match kind {
            1 | 3 => {
                let flow = sample(kind == 3, content, run, datagram.sub_agent).ok_or(Malformed::Sample)?;
                put(flow, run);
            }
            // Counters (2, 4), drops (5) and what vendors have of their own.
            _ => run.outcome.others += 1,
        }
    }
    Ok(())
}

/// A kind, a length, and as much content.
fn block<'a>(reader: &mut Reader<'a>) -> Option<(u32, &'a [u8])> {
    let (kind, length) = (reader.u32()?, reader.u32()?);
    Some((kind, reader.take(usize::try_from(length).ok()?)?))
}

fn put(flow: Option<Flow>, run: &mut Run) {
    match (flow, &mut run.out) {
        (Some(flow), Out::Flows(flows)) => {
            flows.push(flow);
            run.outcome.flows += 1;
        }
        _ => run.outcome.others += 1,
    }
}

/// One sample; `Some(None)` where it is not of an IP packet.
fn sample(expanded: bool, content: &[u8], run: &Run, sub_agent: u32) -> Option<Option<Flow>> {
    let mut reader = Reader::new(content);
    reader.take(if expanded { 12 } else { 8 })?;
    let (rate, _pool, _drops) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let (input, output) = (interface(expanded, &mut reader)?, interface(expanded, &mut reader)?);
    let mut flow =
        Flow { input, output, packets: 1, start: run.limits.received, end: run.limits.received, domain: sub_agent, ..run.base };
    let mut found = false;
    for _ in 0..reader.u32()? {
        let (kind, content) = block(&mut reader)?;
        found |= record(kind, content, &mut flow)?;
    }
    flow.scale(run.forced.unwrap_or(rate));
    Some(found.then_some(flow))
}

/// An interface's index; 0 where it is not one interface but many, none, or unknown.
fn interface(expanded: bool, reader: &mut Reader) -> Option<u32> {
    let (format, index) = if expanded {
        (reader.u32()?, reader.u32()?)
    } else {
        let word = reader.u32()?;
        (word >> 30, word & 0x3fff_ffff)
    };
    Some(if format == 0 && index != 0x3fff_ffff { index } else { 0 })
}

/// One record of a sample: true where it told of the packet itself.
fn record(kind: u32, content: &[u8], flow: &mut Flow) -> Option<bool> {
    let mut reader = Reader::new(content);
    match kind {
        1 => return raw(&mut reader, flow),
        3 | 4 => return sampled(kind, &mut reader, flow),
        1_001 => flow.vlan = reader.u32()? as u16,
        1_002 => {
            flow.next_hop = told_address(&mut reader)?;
            (flow.src_mask, flow.dst_mask) = (reader.u32()? as u8, reader.u32()? as u8);
        }
        1_003 => gateway(&mut reader, flow)?,
        1_007 => {
            flow.nat_src = told_address(&mut reader)?;
            flow.nat_dst = told_address(&mut reader)?;
        }
        _ => {}
    }
    Some(false)
}

/// The first bytes of a frame.
fn raw(reader: &mut Reader, flow: &mut Flow) -> Option<bool> {
    let (protocol, _frame, _stripped, length) = (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
    let header = reader.take(usize::try_from(length).ok()?)?;
    let link = match protocol {
        1 => Link::Ethernet,
        11 | 12 => Link::Raw,
        _ => return Some(false),
    };
    let Some(packet) = dissect(link, header) else { return Some(false) };
    (flow.src, flow.dst, flow.protocol) = (packet.src, packet.dst, packet.protocol);
    (flow.src_port, flow.dst_port, flow.icmp) = (packet.src_port, packet.dst_port, packet.icmp);
    (flow.tcp_flags, flow.tos) = (packet.tcp_flags, packet.tos);
    flow.bytes = u64::from(packet.bytes);
    if flow.vlan == 0 {
        flow.vlan = packet.vlan;
    }
    Some(true)
}

/// What agents tell that do not send the frame: length, protocol, addresses, ports, flags, type of service.
fn sampled(kind: u32, reader: &mut Reader, flow: &mut Flow) -> Option<bool> {
    let width = if kind == 3 { 4 } else { 16 };
    let (bytes, protocol) = (reader.u32()?, reader.u32()?);
    let (src, dst) = (address(reader.take(width)?)?, address(reader.take(width)?)?);
    let (src_port, dst_port, flags, tos) = (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
    if flow.bytes == 0 {
        flow.bytes = u64::from(bytes);
    }
    (flow.src, flow.dst, flow.protocol) = (src, dst, protocol as u8);
    (flow.src_port, flow.dst_port, flow.tcp_flags, flow.tos) = (src_port as u16, dst_port as u16, flags as u8, tos as u8);
    flow.icmp_from_port();
    Some(true)
}

/// Autonomous systems: of the source, and the last of the path to the destination.
fn gateway(reader: &mut Reader, flow: &mut Flow) -> Option<()> {
    flow.next_hop = told_address(reader)?.or(flow.next_hop);
    let (_own, src_as, _peer) = (reader.u32()?, reader.u32()?, reader.u32()?);
    flow.src_as = src_as;
    for _ in 0..reader.u32()? {
        let (_kind, length) = (reader.u32()?, reader.u32()?);
        let path = reader.take(usize::try_from(length).ok()?.checked_mul(4)?)?;
        flow.dst_as = path.last_chunk().map_or(flow.dst_as, |last: &[u8; 4]| u32::from_be_bytes(*last));
    }
    Some(())
}
