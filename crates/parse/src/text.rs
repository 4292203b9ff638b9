//! Plain text: a message behind the header that most programs write before it.

use lapwing_model::{Detail, Event, Level, Log};

use crate::address::with_port;
use crate::line::Line;
use crate::{Tools, cfdr, extract, header};

/// Reads a line as text: always possible.
pub(crate) fn read(line: Line<'_>, event: &mut Event, tools: &mut Tools) {
    if cfdr::read(line, event, tools) {
        return;
    }
    if memchr::memchr(0x1b, line.bytes).is_some() {
        return coloured(line, event, tools);
    }
    let header = header::read(line.bytes);
    if let Some(stamp) = header.stamp {
        tools.zones.set(event, stamp);
    }
    if header.level != Level::Unset {
        event.level = header.level;
    }
    if !header.client.is_empty() {
        event.client_text = line.text(header.client);
        event.client = with_port(header.client);
    }
    event.detail = Detail::Log(Log { message: line.text(header.message), logger: line.said(header.logger), status: 0 });
    extract::from_message(event);
}

/// Programs that believe they write to a terminal colour their levels: the text is read without the escapes (ECMA-48 CSI).
fn coloured(line: Line<'_>, event: &mut Event, tools: &mut Tools) {
    let mut plain = Vec::with_capacity(line.bytes.len());
    let mut rest = line.bytes;
    while let Some(at) = memchr::memchr(0x1b, rest) {
        plain.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(sequence) = rest.strip_prefix(b"[") {
            let end = sequence.iter().take(32).position(|byte| (0x40..=0x7e).contains(byte));
            rest = &sequence[end.map_or(0, |end| end + 1)..];
        }
    }
    plain.extend_from_slice(rest);
    let base = event.decoded.len();
    event.decoded.extend_from_slice(&plain);
    read(Line::decoded(&plain, base), event, tools);
}

/// What is wrong with a line as text, if anything.
pub(crate) fn flaw(bytes: &[u8]) -> Option<&'static str> {
    if bytes.trim_ascii().is_empty() {
        Some("empty")
    } else if memchr::memchr(0, bytes).is_some() {
        Some("nul-bytes")
    } else if std::str::from_utf8(bytes).is_err() {
        Some("invalid-utf8")
    } else {
        None
    }
}
