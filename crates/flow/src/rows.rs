//! Data sets into rows, or into records with every field as it came.

use crate::flow::Flow;
use crate::outcome::Outcome;
use crate::plan::{Context, Plausible};
use crate::session::Header;
use crate::template::{FieldSpec, Template};
use crate::wire::Reader;

/// A record with all its fields, also those that no row has a column for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Version of the protocol: 5, 7, 9 or 10 (IPFIX).
    pub version: u16,
    /// The template it was made with; 0 for v5 and v7, which have none.
    pub template: u16,
    /// Whether it tells of the exporter, not of a flow.
    pub options: bool,
    /// The number of its datagram.
    pub sequence: u32,
    /// When the datagram was exported, nanoseconds since 1970.
    pub exported: i64,
    /// Milliseconds since the exporter started; 0 where the version does not tell.
    pub uptime: u32,
    /// Fields and their octets, in the order they came.
    pub values: Vec<(FieldSpec, Vec<u8>)>,
}

/// Where to put what is decoded.
#[derive(Debug)]
pub(crate) enum Out<'a> {
    Flows(&'a mut Vec<Flow>),
    Records(&'a mut Vec<Record>),
}

/// One datagram on its way through.
pub(crate) struct Run<'a> {
    pub out: Out<'a>,
    pub outcome: Outcome,
    pub limits: Plausible,
    /// A row with what all have in common.
    pub base: Flow,
    /// The sampling interval that a setting gives this exporter.
    pub forced: Option<u32>,
    /// How many datagrams came before it.
    pub clock: u64,
}

impl Run<'_> {
    /// Decodes a set of records and answers how many there were.
    pub fn data(&mut self, id: u16, template: &Template, data: &[u8], header: &Header, context: &Context) -> u32 {
        match &mut self.out {
            Out::Flows(flows) => rows(template, data, context, &self.limits, flows, &mut self.outcome),
            Out::Records(records) => self.outcome.add(template.plan.flow, all_fields(id, template, data, header, records)),
        }
    }
}

impl Outcome {
    fn add(&mut self, flows: bool, records: u32) -> u32 {
        *(if flows { &mut self.flows } else { &mut self.others }) += records;
        records
    }
}

fn rows(
    template: &Template,
    data: &[u8],
    context: &Context,
    limits: &Plausible,
    flows: &mut Vec<Flow>,
    outcome: &mut Outcome,
) -> u32 {
    let mut reader = Reader::new(data);
    if !template.plan.flow {
        let mut records = 0;
        while template.record(&mut reader).is_some() {
            records += 1;
        }
        return outcome.add(false, records);
    }
    flows.reserve(data.len() / template.length);
    let before = flows.len();
    let (mut records, mut replaced) = (0, 0);
    while let Some(record) = template.record(&mut reader) {
        records += 1;
        // Made in its place: a row is large, and copying it once more would cost as much as reading the record.
        flows.push(context.base);
        let Some(flow) = flows.last_mut() else { break };
        let plausible = template.plan.row(record, context, limits, flow);
        if is_padding(flow, record) {
            flows.pop();
            continue;
        }
        replaced += u32::from(!plausible);
    }
    outcome.times_replaced += replaced;
    outcome.flows += (flows.len() - before) as u32;
    records
}

/// Whether a record is only zeros, as some exporters pad with.
#[inline]
fn is_padding(flow: &Flow, record: &[u8]) -> bool {
    flow.packets == 0 && flow.bytes == 0 && flow.src.is_unspecified() && record.iter().all(|&byte| byte == 0)
}

fn all_fields(id: u16, template: &Template, data: &[u8], header: &Header, records: &mut Vec<Record>) -> u32 {
    let mut reader = Reader::new(data);
    let mut count = 0;
    while let Some(record) = template.record(&mut reader) {
        count += 1;
        records.push(Record {
            version: header.version,
            template: id,
            options: template.options(),
            sequence: header.sequence,
            exported: header.exported,
            uptime: header.uptime,
            values: template.values(record).map(|(field, value)| (field, value.to_vec())).collect(),
        });
    }
    count
}
