//! NetFlow v5 and v7: one layout for all records, so a template that never has to be told.

use crate::outcome::Malformed;
use crate::session::Header;
use crate::template::{Kind, Template};
use crate::wire::Reader;

const HEADER: usize = 24;

/// Element and length of each field, in v9's numbers; 0: padding.
const V5: &[(u16, u16)] = &[
    (8, 4),
    (12, 4),
    (15, 4),
    (10, 2),
    (14, 2),
    (2, 4),
    (1, 4),
    (22, 4),
    (21, 4),
    (7, 2),
    (11, 2),
    (0, 1),
    (6, 1),
    (4, 1),
    (5, 1),
    (16, 2),
    (17, 2),
    (9, 1),
    (13, 1),
    (0, 2),
];

/// As v5's, but flags that tell which fields hold, and the router whose shortcut was used (Catalyst 5000).
const V7: &[(u16, u16)] = &[
    (8, 4),
    (12, 4),
    (15, 4),
    (10, 2),
    (14, 2),
    (2, 4),
    (1, 4),
    (22, 4),
    (21, 4),
    (7, 2),
    (11, 2),
    (0, 1),
    (6, 1),
    (4, 1),
    (5, 1),
    (16, 2),
    (17, 2),
    (9, 1),
    (13, 1),
    (0, 2),
    (0, 4),
];

/// The layout of v5 or v7 as a template.
pub(crate) fn template(version: u16) -> Option<Template> {
    let fields = match version {
        5 => V5,
        7 => V7,
        _ => return None,
    };
    let words = std::iter::once(fields.len() as u16).chain(fields.iter().flat_map(|&(id, length)| [id, length]));
    let definition: Vec<u8> = words.flat_map(u16::to_be_bytes).collect();
    Template::new(Kind::Netflow9, &definition)
}

/// A datagram of v5 or v7.
#[derive(Debug)]
pub(crate) struct Fixed<'a> {
    pub header: Header,
    /// How many flows it says it holds, and holds.
    pub count: u32,
    /// One packet in so many was looked at; 0 where it is not told.
    pub sampling: u32,
    pub data: &'a [u8],
}

/// Reads the header. A datagram that claims more flows than it holds is refused whole: it is damaged, and nobody knows where.
pub(crate) fn read<'a>(version: u16, length: usize, datagram: &'a [u8]) -> Result<Fixed<'a>, Malformed> {
    let mut reader = Reader::new(datagram);
    let head = reader.take(HEADER).ok_or(Malformed::Header)?;
    let mut words = Reader::new(&head[2..]);
    let mut header = || {
        let count = words.u16()?;
        let (uptime, seconds, nanos, sequence) = (words.u32()?, words.u32()?, words.u32()?, words.u32()?);
        Some((count, uptime, seconds, nanos, sequence, words.u16()?, words.u16()?))
    };
    let (count, uptime, seconds, nanos, sequence, engine, sampling) = header().ok_or(Malformed::Header)?;
    if count == 0 {
        return Err(Malformed::Length);
    }
    let data = reader.take(usize::from(count) * length).ok_or(Malformed::Length)?;
    let exported = i64::from(seconds) * 1_000_000_000 + i64::from(nanos.min(999_999_999));
    Ok(Fixed {
        header: Header { version, exported, uptime, sequence, domain: if version == 5 { u32::from(engine) } else { 0 } },
        count: u32::from(count),
        sampling: if version == 5 { u32::from(sampling & 0x3fff) } else { 0 },
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_as_long_as_cisco_says() {
        assert_eq!(template(5).map(|template| template.length), Some(48));
        assert_eq!(template(7).map(|template| template.length), Some(52));
    }
}
