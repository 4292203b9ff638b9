//! Cisco ASA and Firepower (FTD): `%ASA-6-302013: Built inbound TCP connection 1 for outside:203.0.113.9/4711 (...) to ...`.

use std::time::Duration;

use lapwing_model::{Action, ConnectionState, Direction, Event, Flow};

use super::{End, MOST, small, stopped, tell};
use crate::address::address;
use crate::line::{Line, number};

/// Whether a message tag such as `%ASA-4-106023` is one of these devices.
pub(super) fn is_of(tag: &[u8]) -> bool {
    [&b"%ASA-"[..], b"%FTD-", b"%PIX-", b"%FWSM-"].iter().any(|known| tag.starts_with(known))
}

/// Reads messages of connections built, torn down and denied.
pub(super) fn read(line: Line<'_>, message: &[u8], event: &mut Event) -> Option<()> {
    let words: Vec<&[u8]> = message.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).take(MOST).collect();
    let says = |word: &[u8]| words.iter().any(|said| said.eq_ignore_ascii_case(word));
    let denied = says(b"Deny") || says(b"denied") || says(b"discarded");
    if !denied && !matches!(*words.first()?, b"Built" | b"Teardown") && !says(b"permitted") {
        return None;
    }
    let mut ends = words.iter().filter_map(|word| end(word));
    let (first, second) = (ends.next()?, ends.next()?);
    let (from, to) = if backwards(&words, first, second) { (second, first) } else { (first, second) };
    let mut flow = Flow {
        protocol: words.iter().map(|word| Flow::protocol_named(lettered(word))).find(|&protocol| protocol != 0).unwrap_or(0),
        action: if denied { Action::Denied } else { Action::Allowed },
        direction: match (says(b"inbound"), says(b"outbound")) {
            (true, false) => Direction::Inbound,
            (false, true) => Direction::Outbound,
            _ => Direction::Unknown,
        },
        bytes: after(&words, b"bytes").and_then(number).unwrap_or(0),
        tcp_flags: words.iter().skip_while(|word| **word != b"flags").skip(1).map(|word| super::flag(word)).sum(),
        ..Flow::default()
    };
    if matches!(flow.protocol, Flow::ICMP | Flow::ICMP6) {
        let byte = |name: &[u8]| after(&words, name).and_then(number).map_or(0, |number| number as u8);
        flow.destination_port = u16::from_be_bytes([byte(b"type").max(byte(b"(type")), byte(b"code")]);
    }
    flow.state = match denied {
        true if flow.tcp_flags == 0 => ConnectionState::Attempted,
        true => stopped(&flow),
        false => state(message, words[0]),
    };
    if let Some(took) = after(&words, b"duration").and_then(duration) {
        event.duration = took;
    }
    tell(line, from, to, message, flow, event);
    Some(())
}

/// The other end of an outbound connection is named first; who asked is the one that is named last. Where the direction is not
/// said, who has the well-known port was asked.
fn backwards(words: &[&[u8]], first: End<'_>, second: End<'_>) -> bool {
    match words.first() {
        Some(&b"Built") => words.contains(&&b"outbound"[..]),
        Some(&b"Teardown") => first.port != 0 && first.port < 1024 && second.port >= 1024,
        _ => false,
    }
}

fn state(message: &[u8], first: &[u8]) -> ConnectionState {
    let says = |text: &[u8]| memchr::memmem::find(message, text).is_some();
    match first {
        b"Teardown" if says(b"SYN Timeout") => ConnectionState::Attempted,
        b"Teardown" if says(b"Reset") => ConnectionState::Reset,
        b"Teardown" => ConnectionState::Closed,
        _ => ConnectionState::Established,
    }
}

/// Of `tcp,` or `UDP` its letters; numbers are counts here and no protocols.
fn lettered(word: &[u8]) -> &[u8] {
    let word = word.strip_suffix(b",").unwrap_or(word);
    if word.first().is_some_and(u8::is_ascii_alphabetic) { word } else { b"" }
}

fn after<'a>(words: &[&'a [u8]], name: &[u8]) -> Option<&'a [u8]> {
    let at = words.iter().position(|word| *word == name)?;
    words.get(at + 1).map(|word| word.strip_suffix(b",").or_else(|| word.strip_suffix(b")")).unwrap_or(word))
}

/// `0:00:30`
fn duration(written: &[u8]) -> Option<Duration> {
    let seconds =
        written.split(|&byte| byte == b':').try_fold(0_u64, |sum, part| sum.checked_mul(60)?.checked_add(number(part)?))?;
    Some(Duration::from_secs(seconds))
}

/// `outside:203.0.113.9/4711`, `203.0.113.9/4711`, `outside/203.0.113.9(4711)`, `203.0.113.9`.
fn end(word: &[u8]) -> Option<End<'_>> {
    // What stands in brackets is the same end after translation.
    if word.first() == Some(&b'(') {
        return None;
    }
    let behind = |by: u8| memchr::memchr(by, word).map(|at| &word[at + 1..]);
    [Some(word), behind(b':'), behind(b'/')].into_iter().flatten().find_map(bare)
}

fn bare(word: &[u8]) -> Option<End<'_>> {
    let length = word.iter().position(|byte| matches!(byte, b'/' | b'(' | b',')).unwrap_or(word.len());
    let (written, rest) = word.split_at(length);
    let digits = rest.get(1..).unwrap_or_default();
    let digits = &digits[..digits.iter().take_while(|byte| byte.is_ascii_digit()).count()];
    Some(End { address: address(written)?, written, port: small(digits) })
}
