//! NetFlow v9 (RFC 3954) and IPFIX (RFC 7011): a header and sets of templates and records.

use crate::held::{Held, HeldSet};
use crate::outcome::Malformed;
use crate::rows::Run;
use crate::session::{Header, Key, Session};
use crate::template::{Kind, Told, next};
use crate::wire::Reader;

/// A datagram of v9 or IPFIX.
#[derive(Debug)]
pub(crate) struct Datagram<'a> {
    pub header: Header,
    pub sets: &'a [u8],
    /// Whether it claims to be longer than it is.
    pub cut: bool,
}

const SECOND: i64 = 1_000_000_000;

/// Reads the header.
pub(crate) fn read(version: u16, datagram: &[u8]) -> Result<Datagram<'_>, Malformed> {
    header(version, datagram).ok_or(Malformed::Header)
}

fn header(version: u16, datagram: &[u8]) -> Option<Datagram<'_>> {
    let mut reader = Reader::new(datagram);
    reader.u16()?;
    let size = reader.u16()?;
    if version == 9 {
        let (uptime, seconds, sequence, domain) = (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
        let header = Header { version, exported: i64::from(seconds) * SECOND, uptime, sequence, domain };
        return Some(Datagram { header, sets: reader.rest(), cut: false });
    }
    let (seconds, sequence, domain) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let header = Header { version, exported: i64::from(seconds) * SECOND, uptime: 0, sequence, domain };
    let body = usize::from(size).checked_sub(16)?;
    let cut = body > reader.rest().len();
    Some(Datagram { header, sets: &reader.rest()[..body.min(reader.rest().len())], cut })
}

/// The sets of a datagram: id and content. Ends with an error where a set claims more than there is.
pub(crate) fn sets(bytes: &[u8]) -> impl Iterator<Item = Result<(u16, &[u8]), Malformed>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.len() < 4 {
            return None;
        }
        let mut reader = Reader::new(rest);
        let (id, length) = (reader.u16()?, reader.u16()?);
        let content = usize::from(length).checked_sub(4).and_then(|length| reader.take(length));
        let Some(content) = content else {
            // Some fill the datagram up with zeros.
            let padding = rest.iter().all(|&byte| byte == 0);
            rest = &[];
            return (!padding).then_some(Err(Malformed::Length));
        };
        rest = reader.rest();
        Some(Ok((id, content)))
    })
}

/// What a datagram of sets did to its session.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Data records, where all could be told.
    pub records: Option<u32>,
    /// Whether a template came that is new or changed.
    pub learned: bool,
}

/// Decodes all sets of a datagram.
pub(crate) fn decode(datagram: &Datagram, key: Key, session: &mut Session, held: &mut Held, run: &mut Run) -> Seen {
    let mut seen = Seen { records: Some(0), learned: false };
    if datagram.cut {
        run.outcome.malformed = Some(Malformed::Length);
        seen.records = None;
    }
    for set in sets(datagram.sets) {
        match set {
            Err(malformed) => {
                run.outcome.malformed = Some(malformed);
                seen.records = None;
            }
            Ok((id, content)) => {
                if let Some(kind) = Kind::of_set(key.version, id) {
                    learn(kind, content, session, run, &mut seen);
                } else if id >= 256 {
                    let records = data(id, content, &datagram.header, session, run);
                    if records.is_none() {
                        hold(key, id, content, &datagram.header, held, run);
                    }
                    seen.records = seen.records.zip(records).map(|(before, more)| before + more);
                }
            }
        }
    }
    seen
}

/// Decodes a set of data; `None` where its template is not known.
pub(crate) fn data(id: u16, content: &[u8], header: &Header, session: &mut Session, run: &mut Run) -> Option<u32> {
    let template = session.templates.get_mut(&id)?;
    template.used = run.clock;
    if template.options() {
        let mut reader = Reader::new(content);
        while let Some(record) = template.record(&mut reader) {
            session.options.learn(template.values(record));
        }
    }
    let template = session.templates.get(&id)?;
    let context = session.context(header, run.base, run.forced);
    Some(run.data(id, template, content, header, &context))
}

fn learn(kind: Kind, content: &[u8], session: &mut Session, run: &mut Run, seen: &mut Seen) {
    let mut reader = Reader::new(content);
    loop {
        match next(kind, &mut reader) {
            Ok(None) => return,
            Ok(Some(Told::Template(id, definition))) => {
                run.outcome.templates += 1;
                session.told = true;
                match session.learn(id, kind, definition, run.clock) {
                    Ok(new) => seen.learned |= new,
                    Err(()) => run.outcome.malformed = Some(Malformed::Template),
                }
            }
            Ok(Some(Told::Withdrawn(id))) if id < 256 => session.withdraw_all(kind),
            Ok(Some(Told::Withdrawn(id))) => session.withdraw(id),
            Err(()) => {
                run.outcome.malformed = Some(Malformed::Template);
                return;
            }
        }
    }
}

/// Puts a set of data aside until its template comes.
fn hold(key: Key, id: u16, content: &[u8], header: &Header, held: &mut Held, run: &mut Run) {
    run.outcome.missing_template += 1;
    if content.is_empty() {
        return;
    }
    let set = HeldSet { key, id, header: *header, received: run.limits.received, data: content.to_vec() };
    let (kept, dropped) = held.hold(set);
    run.outcome.held += u32::from(kept);
    run.outcome.dropped += dropped + u32::from(!kept);
}
