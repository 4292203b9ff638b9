//! How the records of one template become rows: worked out once, when the template comes, so that a record costs one step for each
//! column that it fills and nothing for the rest.

use crate::column::{self, Column, Ranked};
use crate::flow::{Direction, EndReason, Flow, ICMP, ICMPV6};
use crate::template::FieldSpec;
use crate::wire::{Reader, VARIABLE, address, uint};
use std::net::IpAddr;

/// One step: the value at `offset` is for `column`.
#[derive(Debug, Clone, Copy)]
struct Step {
    column: Column,
    offset: u16,
    length: u16,
}

/// One field of a record without offsets: how long it is told to be, and what it is for.
#[derive(Debug, Clone, Copy)]
struct Value {
    length: u16,
    column: Option<Column>,
}

/// The steps of a template, and what it does not tell.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    steps: Box<[Step]>,
    /// For records with values of variable length, which have no offsets: by field, what it is for, in the order of the fields.
    columns: Option<Box<[Value]>>,
    /// Whether its records are rows: they say who, to whom.
    pub flow: bool,
    times: Times,
    icmp: bool,
}

/// Which times the records of a template tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Times {
    start: bool,
    end: bool,
}

/// What the header of a datagram and the exporter's options tell of all its records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// A row with what all have in common.
    pub base: Flow,
    /// When it was exported, nanoseconds since 1970.
    pub exported: i64,
    /// Milliseconds since the exporter started, when it was exported; 0 where it was never told.
    pub uptime: u32,
    /// Whether a setting says how few packets are looked at; then it holds for all.
    pub sampling_forced: bool,
    /// Sampling intervals by sampler, as options data told.
    pub samplers: &'a [(u64, u32)],
}

/// What a record tells and a row has no column for.
#[derive(Default)]
struct Aside {
    duration: i64,
    sampling: Option<u32>,
    boot: i64,
    start_uptime: Option<u32>,
    end_uptime: Option<u32>,
}

const MILLIS: i64 = 1_000_000;

impl Plan {
    /// The plan of options records: they are no rows.
    pub fn options() -> Self {
        Plan::default()
    }

    pub fn new(fields: &[FieldSpec]) -> Self {
        let variable = fields.iter().any(|field| field.length == VARIABLE);
        let columns = best(fields, !variable);
        let has = |wanted: &[Column]| columns.iter().flatten().any(|column| wanted.contains(column));
        use Column::{Dst, EndBefore, EndMillis, EndNtp, EndSeconds, EndUptime, IcmpType, IcmpTypeCode, Src};
        use Column::{StartBefore, StartMillis, StartNtp, StartSeconds, StartUptime};
        let times = Times {
            start: has(&[StartUptime, StartSeconds, StartMillis, StartNtp, StartBefore]),
            end: has(&[EndUptime, EndSeconds, EndMillis, EndNtp, EndBefore]),
        };
        let mut plan = Plan { flow: has(&[Src, Dst]), times, icmp: has(&[IcmpTypeCode, IcmpType]), ..Plan::default() };
        if variable {
            plan.columns =
                Some(fields.iter().zip(columns).map(|(field, column)| Value { length: field.length, column }).collect());
        } else {
            plan.steps = steps(fields, &columns);
        }
        plan
    }

    /// Makes a row of a record; false where its times were not plausible and had to be replaced.
    #[inline]
    pub fn row(&self, record: &[u8], context: &Context, limits: &Plausible, flow: &mut Flow) -> bool {
        let mut aside = Aside::default();
        if let Some(columns) = &self.columns {
            let mut reader = Reader::new(record);
            for &Value { length, column } in columns {
                let Some(value) = reader.field(length) else { break };
                if let Some(column) = column.filter(|column| column.fits(value.len().min(usize::from(u16::MAX)) as u16)) {
                    apply(column, value, context, flow, &mut aside);
                }
            }
        } else {
            for step in &self.steps {
                let from = usize::from(step.offset);
                if let Some(value) = record.get(from..from + usize::from(step.length)) {
                    apply(step.column, value, context, flow, &mut aside);
                }
            }
        }
        if !self.icmp {
            flow.icmp_from_port();
        } else if !matches!(flow.protocol, ICMP | ICMPV6) {
            // Exporters with one template for all protocols fill the fields of ICMP with 0 for the others.
            flow.icmp = None;
        }
        if !context.sampling_forced
            && let Some(told) = aside.sampling
        {
            flow.sampling = told;
        }
        flow.scale(flow.sampling);
        self.settle_times(context, &aside, flow);
        limits.settle(flow)
    }

    /// Makes start and end of whatever was told of them.
    #[inline]
    fn settle_times(&self, context: &Context, aside: &Aside, flow: &mut Flow) {
        if let Some(uptime) = aside.start_uptime {
            flow.start = since_boot(uptime, context, aside);
        }
        if let Some(uptime) = aside.end_uptime {
            flow.end = since_boot(uptime, context, aside);
        }
        match self.times {
            Times { start: true, end: true } => {}
            Times { start: true, end: false } => flow.end = flow.start.saturating_add(aside.duration),
            Times { start: false, end: true } => flow.start = flow.end.saturating_sub(aside.duration),
            Times { start: false, end: false } => {
                flow.end = context.exported;
                flow.start = flow.end.saturating_sub(aside.duration);
            }
        }
    }
}

/// The time of an uptime. Uptimes wrap round after 49.7 days, so it is how long before the export that counts. Where nobody told when
/// the exporter started, the time is of 1970, and taken for implausible; how long the flow lasted still holds.
#[inline]
fn since_boot(uptime: u32, context: &Context, aside: &Aside) -> i64 {
    let now = match (context.uptime, aside.boot) {
        (0, 0) => return i64::from(uptime) * MILLIS,
        (0, boot) => (context.exported / MILLIS).wrapping_sub(boot) as u32,
        (now, _) => now,
    };
    context.exported.saturating_sub(i64::from(now.wrapping_sub(uptime) as i32) * MILLIS)
}

/// The column of each field, where it is the best of those that would fill it, or a fallback for it.
fn best(fields: &[FieldSpec], fallbacks: bool) -> Vec<Option<Column>> {
    let ranked: Vec<Option<Ranked>> = fields
        .iter()
        .map(|field| {
            column::of(field.enterprise, field.id)
                .filter(|ranked| field.length == VARIABLE || ranked.column.fits(field.length))
                .filter(|_| !field.scope)
        })
        .collect();
    let mut highest = [0_u8; 64];
    for ranked in ranked.iter().flatten() {
        let highest = &mut highest[slot(ranked.column)];
        *highest = (*highest).max(ranked.rank);
    }
    let keep = |ranked: &Ranked| ranked.rank == highest[slot(ranked.column)] || fallbacks && fallback(*ranked);
    ranked.into_iter().map(|ranked| ranked.filter(keep).map(|ranked| ranked.column)).collect()
}

/// Columns that are filled from different elements count as one: start and end of a flow each have several.
fn slot(column: Column) -> usize {
    use Column::{EndBefore, EndMillis, EndNtp, EndSeconds, EndUptime};
    use Column::{StartBefore, StartMillis, StartNtp, StartSeconds, StartUptime};
    match column {
        StartUptime | StartSeconds | StartMillis | StartNtp | StartBefore => StartUptime as usize,
        EndUptime | EndSeconds | EndMillis | EndNtp | EndBefore => EndUptime as usize,
        other => other as usize,
    }
}

/// What is of use where the better element says 0: egress flows count in OUT_BYTES, and have IN_BYTES as well.
fn fallback(ranked: Ranked) -> bool {
    matches!(ranked, Ranked { column: Column::Bytes | Column::Packets, rank: 6 })
}

/// Where the columns are in a record of fixed length. What is only a fallback comes first, and is overwritten by what is not 0.
fn steps(fields: &[FieldSpec], columns: &[Option<Column>]) -> Box<[Step]> {
    let mut steps = Vec::new();
    let mut offset = 0_usize;
    for (field, column) in fields.iter().zip(columns) {
        // A set is at most 65,531 octets, so a record that begins later never comes.
        let Ok(from) = u16::try_from(offset) else { break };
        if let Some(column) = *column {
            let rank = column::of(field.enterprise, field.id).map_or(0, |ranked| ranked.rank);
            steps.push((rank, Step { column, offset: from, length: field.length }));
        }
        offset += usize::from(field.length);
    }
    steps.sort_by_key(|&(rank, _)| rank > 6);
    steps.into_iter().map(|(_, step)| step).collect()
}

#[inline]
fn set_address(place: &mut IpAddr, value: &[u8]) {
    // Some templates have both an IPv4 and an IPv6 address, of which one is 0.
    if place.is_unspecified() || value.iter().any(|&byte| byte != 0) {
        *place = address(value).unwrap_or(*place);
    }
}

#[inline]
fn set_optional(place: &mut Option<IpAddr>, value: &[u8]) {
    if value.iter().any(|&byte| byte != 0) {
        *place = address(value);
    }
}

/// Puts a value into its column.
#[inline]
fn apply(column: Column, value: &[u8], context: &Context, flow: &mut Flow, aside: &mut Aside) {
    match column {
        Column::Src => return set_address(&mut flow.src, value),
        Column::Dst => return set_address(&mut flow.dst, value),
        Column::NextHop => return set_optional(&mut flow.next_hop, value),
        Column::NatSrc => return set_optional(&mut flow.nat_src, value),
        Column::NatDst => return set_optional(&mut flow.nat_dst, value),
        _ => {}
    }
    let number = uint(value);
    match column {
        Column::Bytes if number != 0 => flow.bytes = number,
        Column::Packets if number != 0 => flow.packets = number,
        Column::ReverseBytes => flow.reverse_bytes = number,
        Column::ReversePackets => flow.reverse_packets = number,
        Column::SrcPort => flow.src_port = number as u16,
        Column::DstPort => flow.dst_port = number as u16,
        Column::Protocol => flow.protocol = number as u8,
        Column::TcpFlags => flow.tcp_flags |= number as u8,
        Column::ReverseTcpFlags => flow.reverse_tcp_flags |= number as u8,
        Column::Tos => flow.tos = number as u8,
        Column::Direction => flow.direction = Direction::from_number(number),
        Column::Input => flow.input = number as u32,
        Column::Output => flow.output = number as u32,
        Column::Vlan => flow.vlan = number as u16,
        Column::StartUptime => aside.start_uptime = Some(number as u32),
        Column::EndUptime => aside.end_uptime = Some(number as u32),
        Column::StartMillis => flow.start = scaled(number, MILLIS),
        Column::EndMillis => flow.end = scaled(number, MILLIS),
        _ => apply_rare(column, number, context, flow, aside),
    }
}

fn apply_rare(column: Column, number: u64, context: &Context, flow: &mut Flow, aside: &mut Aside) {
    match column {
        Column::IcmpTypeCode => {
            let [kind, code] = (number as u16).to_be_bytes();
            flow.icmp = Some((kind, code));
        }
        Column::IcmpType => flow.icmp = Some((number as u8, flow.icmp.map_or(0, |(_, code)| code))),
        Column::IcmpCode => flow.icmp = Some((flow.icmp.map_or(0, |(kind, _)| kind), number as u8)),
        Column::SrcAs => flow.src_as = number as u32,
        Column::DstAs => flow.dst_as = number as u32,
        Column::SrcMask => flow.src_mask = number as u8,
        Column::DstMask => flow.dst_mask = number as u8,
        Column::NatSrcPort => flow.nat_src_port = number as u16,
        Column::NatDstPort => flow.nat_dst_port = number as u16,
        Column::EndReason => flow.end_reason = EndReason::from_number(number),
        Column::FirewallEvent => flow.firewall_event = number as u8,
        Column::SamplingInterval if number > 0 => aside.sampling = u32::try_from(number).ok(),
        Column::SamplerId if aside.sampling.is_none() => {
            aside.sampling = context.samplers.iter().find(|(id, _)| *id == number).map(|(_, interval)| *interval);
        }
        Column::StartSeconds => flow.start = scaled(number, 1_000 * MILLIS),
        Column::EndSeconds => flow.end = scaled(number, 1_000 * MILLIS),
        Column::StartNtp => flow.start = ntp(number),
        Column::EndNtp => flow.end = ntp(number),
        Column::StartBefore => flow.start = context.exported.saturating_sub(scaled(number, 1_000)),
        Column::EndBefore => flow.end = context.exported.saturating_sub(scaled(number, 1_000)),
        Column::DurationMillis => aside.duration = scaled(number, MILLIS),
        Column::DurationMicros => aside.duration = scaled(number, 1_000),
        Column::BootMillis => aside.boot = i64::try_from(number).unwrap_or(0),
        _ => {}
    }
}

fn scaled(number: u64, unit: i64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(unit)
}

/// Seconds since 1900 and a fraction of 2^-32 s (RFC 7011, 6.1.9), as nanoseconds since 1970.
fn ntp(number: u64) -> i64 {
    const FROM_1900: i64 = 2_208_988_800;
    let seconds = (number >> 32) as i64 - FROM_1900;
    let nanos = ((number & 0xffff_ffff) * 1_000_000_000) >> 32;
    seconds * 1_000_000_000 + nanos as i64
}

/// Which times of flows are believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plausible {
    /// When the datagram was received.
    pub received: i64,
    /// How long before that a flow may have ended.
    pub oldest: i64,
    /// How long after that it may seem to have ended.
    pub ahead: i64,
}

/// No meter keeps a flow for longer without telling of it.
const LONGEST: i64 = 30 * 86_400 * 1_000 * MILLIS;

impl Plausible {
    /// Puts the receive time where the end of a flow cannot be true, and keeps how long it lasted where that can be.
    #[inline]
    pub fn settle(&self, flow: &mut Flow) -> bool {
        let lasted = flow.end.saturating_sub(flow.start);
        let lasts = (0..=LONGEST).contains(&lasted);
        let ends = flow.end >= self.received.saturating_sub(self.oldest) && flow.end <= self.received.saturating_add(self.ahead);
        if lasts && ends {
            return true;
        }
        if !ends {
            flow.end = self.received;
        }
        flow.start = flow.end.saturating_sub(if lasts { lasted } else { 0 });
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(id: u16, length: u16) -> FieldSpec {
        FieldSpec { enterprise: 0, id, length, scope: false }
    }

    fn row(fields: &[FieldSpec], record: &[u8], context: &Context) -> (Flow, bool) {
        let limits = Plausible { received: context.exported, oldest: 3_600_000 * MILLIS, ahead: 60_000 * MILLIS };
        let mut flow = context.base;
        let plausible = Plan::new(fields).row(record, context, &limits, &mut flow);
        (flow, plausible)
    }

    const CONTEXT: Context = Context {
        base: Flow::EMPTY,
        exported: 1_700_000_000_000 * MILLIS,
        uptime: 10_000,
        sampling_forced: false,
        samplers: &[(7, 100)],
    };

    #[test]
    fn uptimes_are_counted_back_from_the_export_across_the_wrap() {
        let (flow, plausible) = row(&[field(22, 4), field(21, 4)], &[0xff, 0xff, 0xff, 0xff, 0, 0, 0x23, 0x28], &CONTEXT);
        assert!(plausible);
        assert_eq!(CONTEXT.exported - flow.end, 1_000 * MILLIS);
        assert_eq!(CONTEXT.exported - flow.start, 10_001 * MILLIS);
    }

    #[test]
    fn times_that_cannot_be_are_replaced_and_the_duration_is_kept() {
        let (flow, plausible) = row(&[field(150, 4), field(151, 4)], &[0, 0, 0, 1, 0, 0, 0, 4], &CONTEXT);
        assert!(!plausible);
        assert_eq!(flow.end, CONTEXT.exported);
        assert_eq!(flow.end - flow.start, 3_000 * MILLIS);
    }

    #[test]
    fn the_better_of_two_elements_is_used_and_out_bytes_where_it_is_zero() {
        let fields = [field(1, 4), field(85, 4), field(23, 4), field(8, 4)];
        let record = |delta: u8, out: u8| [0, 0, 0, delta, 0, 0, 0, 99, 0, 0, 0, out, 10, 0, 0, 1];
        assert_eq!(row(&fields, &record(5, 7), &CONTEXT).0.bytes, 5);
        assert_eq!(row(&fields, &record(0, 7), &CONTEXT).0.bytes, 7);
    }

    #[test]
    fn a_sampler_named_by_the_record_multiplies() {
        let (flow, _) = row(&[field(48, 1), field(1, 2), field(2, 1)], &[7, 1, 0, 3], &CONTEXT);
        assert_eq!((flow.bytes, flow.packets, flow.sampling), (25_600, 300, 100));
    }

    #[test]
    fn of_two_addresses_the_one_that_is_not_zero_is_used() {
        let fields = [field(8, 4), field(27, 16)];
        let mut record = vec![10, 0, 0, 1];
        record.extend([0; 16]);
        assert_eq!(row(&fields, &record, &CONTEXT).0.src, IpAddr::from([10, 0, 0, 1]));
        let turned = [field(27, 16), field(8, 4)];
        record.rotate_left(4);
        assert_eq!(row(&turned, &record, &CONTEXT).0.src, IpAddr::from([10, 0, 0, 1]));
    }

    #[test]
    fn ntp_times_have_a_binary_fraction_and_begin_in_1900() {
        assert_eq!(ntp((2_208_988_801 << 32) | 0x8000_0000), 1_500_000_000);
    }

    #[test]
    fn values_of_variable_length_fill_columns_too() {
        let fields = [field(82, VARIABLE), field(7, 2), field(1, VARIABLE)];
        let (flow, _) = row(&fields, &[1, b'x', 0, 80, 2, 1, 0], &CONTEXT);
        assert_eq!((flow.src_port, flow.bytes), (80, 256));
    }
}
