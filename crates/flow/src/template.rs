//! Templates of NetFlow v9 (RFC 3954, 5) and IPFIX (RFC 7011, 3.4): the shape of the records to come.

use crate::plan::Plan;
use crate::wire::{Reader, VARIABLE};

/// One field of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSpec {
    /// Private enterprise number; 0 for IANA's elements and everything of NetFlow v9.
    pub enterprise: u32,
    /// Number of the information element, or of the kind of scope (RFC 3954, 6.1) where `scope` is set for NetFlow v9.
    pub id: u16,
    /// Octets of a value; 65,535 where each value tells its own.
    pub length: u16,
    /// Whether it says what an options record is about.
    pub scope: bool,
}

/// What kind of template a set holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Netflow9,
    Netflow9Options,
    Ipfix,
    IpfixOptions,
}

impl Kind {
    /// The kind of templates in a set with that id, if it holds any.
    pub fn of_set(version: u16, set: u16) -> Option<Self> {
        match (version, set) {
            (9, 0) => Some(Kind::Netflow9),
            (9, 1) => Some(Kind::Netflow9Options),
            (10, 2) => Some(Kind::Ipfix),
            (10, 3) => Some(Kind::IpfixOptions),
            _ => None,
        }
    }

    pub fn to_number(self) -> u8 {
        self as u8
    }

    pub fn from_number(number: u8) -> Option<Self> {
        [Kind::Netflow9, Kind::Netflow9Options, Kind::Ipfix, Kind::IpfixOptions].get(usize::from(number)).copied()
    }
}

/// A template, and how its records become rows.
#[derive(Debug)]
pub(crate) struct Template {
    pub kind: Kind,
    /// The definition as it came: what is compared with a repeated one, and saved.
    pub definition: Box<[u8]>,
    pub fields: Box<[FieldSpec]>,
    /// Octets of a record; of one with values of variable length the fewest there can be.
    pub length: usize,
    pub variable: bool,
    pub plan: Plan,
    /// When it was last used or told, in datagrams.
    pub used: u64,
}

/// What was read of a set of templates.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told<'a> {
    /// A template with that id and definition.
    Template(u16, &'a [u8]),
    /// That the template with that id is gone (RFC 7011, 8.1).
    Withdrawn(u16),
}

impl Template {
    /// Understands a definition that [`next`] cut out. `None` for one without a field that has a length.
    pub fn new(kind: Kind, definition: &[u8]) -> Option<Self> {
        let fields = fields(kind, definition)?;
        let length: usize = fields.iter().map(|field| if field.length == VARIABLE { 1 } else { usize::from(field.length) }).sum();
        if length == 0 {
            return None;
        }
        let variable = fields.iter().any(|field| field.length == VARIABLE);
        let options = matches!(kind, Kind::Netflow9Options | Kind::IpfixOptions);
        let plan = if options { Plan::options() } else { Plan::new(&fields) };
        Some(Template { kind, definition: definition.into(), fields: fields.into(), length, variable, plan, used: 0 })
    }

    pub fn options(&self) -> bool {
        matches!(self.kind, Kind::Netflow9Options | Kind::IpfixOptions)
    }

    /// Cuts the next record from a set's data; `None` where only padding is left.
    #[inline]
    pub fn record<'a>(&self, data: &mut Reader<'a>) -> Option<&'a [u8]> {
        if !self.variable {
            return data.take(self.length);
        }
        if data.rest().len() < self.length {
            return None;
        }
        let before = data.rest();
        let mut after = *data;
        for field in &self.fields {
            after.field(field.length)?;
        }
        *data = after;
        before.get(..before.len() - after.rest().len())
    }

    /// Whether a set of data can be of this template: whole records and at most a little padding.
    pub fn fits(&self, data: &[u8]) -> bool {
        let mut reader = Reader::new(data);
        let mut records = 0_usize;
        while self.record(&mut reader).is_some() {
            records += 1;
        }
        records > 0 && reader.rest().len() < 4
    }

    /// The values of a record, in the template's order.
    pub fn values<'a>(&self, record: &'a [u8]) -> impl Iterator<Item = (FieldSpec, &'a [u8])> {
        let mut reader = Reader::new(record);
        self.fields.iter().map_while(move |field| reader.field(field.length).map(|value| (*field, value)))
    }
}

/// Cuts the next definition out of a set of templates. `Ok(None)` at its end, where only padding is left.
///
/// # Errors
/// `Err` where a template claims more than there is, or an id that templates cannot have.
pub(crate) fn next<'a>(kind: Kind, set: &mut Reader<'a>) -> Result<Option<Told<'a>>, ()> {
    if set.rest().len() < 4 || set.rest().iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    let mut reader = *set;
    let id = reader.u16().ok_or(())?;
    let count = reader.u16().ok_or(())?;
    if matches!(kind, Kind::Ipfix | Kind::IpfixOptions) && count == 0 {
        *set = reader;
        return Ok(Some(Told::Withdrawn(id)));
    }
    if id < 256 {
        return Err(());
    }
    let start = set.rest();
    skip(kind, count, &mut reader).ok_or(())?;
    let definition = &start[2..start.len() - reader.rest().len()];
    *set = reader;
    Ok(Some(Told::Template(id, definition)))
}

/// Goes past the fields of a template whose second word is `count`.
fn skip(kind: Kind, count: u16, reader: &mut Reader) -> Option<()> {
    match kind {
        Kind::Netflow9 => reader.take(usize::from(count) * 4).map(|_| ()),
        Kind::Netflow9Options => {
            let options = reader.u16()?;
            if !count.is_multiple_of(4) || !options.is_multiple_of(4) {
                return None;
            }
            reader.take(usize::from(count) + usize::from(options)).map(|_| ())
        }
        Kind::Ipfix => ipfix_fields(count, reader),
        Kind::IpfixOptions => {
            let scopes = reader.u16()?;
            if scopes == 0 || scopes > count {
                return None;
            }
            ipfix_fields(count, reader)
        }
    }
}

fn ipfix_fields(count: u16, reader: &mut Reader) -> Option<()> {
    (0..count).try_for_each(|_| ipfix_field(reader).map(|_| ()))
}

fn ipfix_field(reader: &mut Reader) -> Option<FieldSpec> {
    let (id, length) = (reader.u16()?, reader.u16()?);
    let enterprise = if id & 0x8000 == 0 { 0 } else { reader.u32()? };
    Some(FieldSpec { enterprise, id: id & 0x7fff, length, scope: false })
}

fn netflow9_field(reader: &mut Reader) -> Option<FieldSpec> {
    Some(FieldSpec { enterprise: 0, id: reader.u16()?, length: reader.u16()?, scope: false })
}

/// The fields of a definition. Grows with what is there, never with what is claimed.
fn fields(kind: Kind, definition: &[u8]) -> Option<Vec<FieldSpec>> {
    let mut reader = Reader::new(definition);
    let first = reader.u16()?;
    let scopes = match kind {
        Kind::Netflow9 | Kind::Ipfix => 0,
        Kind::Netflow9Options => {
            reader.u16()?;
            usize::from(first / 4)
        }
        Kind::IpfixOptions => usize::from(reader.u16()?),
    };
    let one = if matches!(kind, Kind::Ipfix | Kind::IpfixOptions) { ipfix_field } else { netflow9_field };
    let mut fields = Vec::new();
    let mut count = 0;
    while !reader.rest().is_empty() {
        let field = one(&mut reader)?;
        // A field without length holds nothing, and thousands of them would make every record cost as much.
        if field.length > 0 {
            fields.push(FieldSpec { scope: count < scopes, ..field });
        }
        count += 1;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn one_set_holds_several_templates_and_padding() {
        let bytes = words(&[256, 1, 8, 4, 257, 2, 1, 4, 2, 4, 0]);
        let mut set = Reader::new(&bytes);
        assert_eq!(next(Kind::Netflow9, &mut set), Ok(Some(Told::Template(256, &bytes[2..8]))));
        assert_eq!(next(Kind::Netflow9, &mut set), Ok(Some(Told::Template(257, &bytes[10..20]))));
        assert_eq!(next(Kind::Netflow9, &mut set), Ok(None));
    }

    #[test]
    fn a_template_that_claims_more_fields_than_there_are_is_refused() {
        for kind in [Kind::Netflow9, Kind::Ipfix] {
            assert_eq!(next(kind, &mut Reader::new(&words(&[256, 65_535, 8, 4]))), Err(()));
        }
        assert_eq!(next(Kind::Netflow9Options, &mut Reader::new(&words(&[256, 65_532, 65_532, 8, 4]))), Err(()));
        assert_eq!(next(Kind::IpfixOptions, &mut Reader::new(&words(&[256, 2, 3, 8, 4, 8, 4]))), Err(()));
    }

    #[test]
    fn an_ipfix_template_without_fields_withdraws() {
        assert_eq!(next(Kind::Ipfix, &mut Reader::new(&words(&[300, 0]))), Ok(Some(Told::Withdrawn(300))));
    }

    #[test]
    fn fields_without_length_alone_make_no_template() {
        assert!(Template::new(Kind::Netflow9, &words(&[3, 8, 0, 12, 0, 1, 0])).is_none());
    }

    #[test]
    fn records_of_variable_length_are_cut_where_their_values_end() {
        let template = Template::new(Kind::Ipfix, &words(&[2, 82, VARIABLE, 7, 2])).expect("a template");
        let mut data = Reader::new(&[2, b'a', b'b', 0, 80, 0, 0, 81, 9, 0]);
        assert_eq!(template.record(&mut data), Some(&[2, b'a', b'b', 0, 80][..]));
        assert_eq!(template.record(&mut data), Some(&[0, 0, 81][..]));
        assert_eq!(template.record(&mut data), None, "nine bytes are told and one is there: padding");
    }
}
