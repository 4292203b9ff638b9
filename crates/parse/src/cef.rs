//! ArcSight's Common Event Format and QRadar's LEEF: devices of all makers in one dress, mostly behind a syslog header.
//!
//! `CEF:0|Vendor|Product|1.0|100|Name|7|src=203.0.113.9 dst=10.0.0.1 spt=4711 msg=text with spaces`
//! `LEEF:2.0|Vendor|Product|1.0|100|^|src=203.0.113.9^dst=10.0.0.1`

use lapwing_model::{Event, Level, Text};

use crate::draft::{Draft, keep, store};
use crate::line::{Line, number};
use crate::names::Slot;
use crate::{Outcome, Tools};

/// Reads a line that is one of both; nothing is touched where it is neither.
pub(crate) fn read(line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Outcome {
    let bytes = line.bytes;
    if bytes.starts_with(b"CEF:") {
        return Ok(cef(line, event, tools).map(|()| "cef"));
    }
    if bytes.starts_with(b"LEEF:") { Ok(leef(line, event, tools).map(|()| "leef")) } else { Ok(None) }
}

/// The columns before the fields, `count` of them, and the fields. A `\|` is part of a column.
fn columns<const COUNT: usize>(bytes: &[u8]) -> Option<([&[u8]; COUNT], &[u8])> {
    let mut columns = [&[][..]; COUNT];
    let mut rest = bytes;
    for column in &mut columns {
        let mut at = 0;
        loop {
            at += memchr::memchr(b'|', &rest[at..])?;
            if at == 0 || rest[at - 1] != b'\\' {
                break;
            }
            at += 1;
        }
        *column = &rest[..at];
        rest = &rest[at + 1..];
    }
    Some((columns, rest))
}

fn cef(line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Option<()> {
    let ([_, vendor, product, _, signature, name, severity], mut rest) = columns::<7>(line.bytes)?;
    let mut draft = Draft::default();
    head(line, event, &mut draft, [vendor, product, signature, name]);
    let level = severity_of(severity);
    while let Some((key, value, after)) = pair(rest) {
        let value = plain(line, value, event);
        put(line, key, value, &mut draft, event, tools);
        rest = after;
    }
    tell(draft, level, event, tools);
    Some(())
}

fn leef(line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Option<()> {
    let ([version, vendor, product, _, id], mut rest) = columns::<5>(line.bytes)?;
    let mut by = b'\t';
    if version == b"LEEF:2.0" {
        let end = memchr::memchr(b'|', rest.get(..rest.len().min(8))?);
        if let Some(end) = end {
            by = match &rest[..end] {
                [by] => *by,
                [b'0', b'x' | b'X', digits @ ..] | [b'x', digits @ ..] => {
                    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
                }
                _ => b'\t',
            };
            rest = &rest[end + 1..];
        }
    }
    let mut draft = Draft::default();
    head(line, event, &mut draft, [vendor, product, id, id]);
    let mut level = Level::Unset;
    for part in rest.split(|&byte| byte == by).take(256) {
        let Some(equals) = memchr::memchr(b'=', part) else { continue };
        let (key, value) = (part[..equals].trim_ascii(), &part[equals + 1..]);
        if key == b"sev" {
            level = severity_of(value);
        }
        put(line, key, line.text(value), &mut draft, event, tools);
    }
    tell(draft, level, event, tools);
    Some(())
}

fn head(line: Line<'_>, event: &mut Event, draft: &mut Draft, [vendor, product, id, name]: [&[u8]; 4]) {
    keep(event, b"device.vendor", line.text(vendor));
    keep(event, b"device.product", line.text(product));
    keep(event, b"event.code", line.text(id));
    draft.put(Slot::Service, Text::ABSENT, line.text(product));
    draft.put(Slot::Message, Text::ABSENT, line.text(name));
}

/// 0 to 10, or a word.
fn severity_of(written: &[u8]) -> Level {
    match number(written) {
        Some(0..=3) => Level::Info,
        Some(4..=6) => Level::Warn,
        Some(7 | 8) => Level::Error,
        Some(9 | 10) => Level::Fatal,
        _ if written.eq_ignore_ascii_case(b"very-high") => Level::Fatal,
        _ if written.eq_ignore_ascii_case(b"high") => Level::Error,
        _ if written.eq_ignore_ascii_case(b"medium") => Level::Warn,
        _ if written.eq_ignore_ascii_case(b"low") => Level::Info,
        _ => Level::Unset,
    }
}

/// These formats have names of their own for what others call otherwise.
fn slot(key: &[u8]) -> Option<Slot> {
    Some(match key {
        b"src" => Slot::Client,
        b"suser" | b"usrName" => Slot::User,
        b"requestMethod" => Slot::Method,
        b"request" => Slot::Target,
        b"requestClientApplication" => Slot::UserAgent,
        b"dvchost" | b"devname" => Slot::Host,
        b"rt" | b"devTime" => Slot::Time,
        b"sproc" => Slot::Logger,
        _ => return None,
    })
}

fn put(line: Line<'_>, key: &[u8], value: Text, draft: &mut Draft, event: &mut Event, tools: &Tools) {
    let known = slot(key).or_else(|| (key != b"msg").then(|| tools.names.slot(key))?);
    if !known.is_some_and(|slot| draft.put(slot, line.text(key), value)) {
        event.keep(line.text(key), value);
    }
}

fn tell(draft: Draft, level: Level, event: &mut Event, tools: &mut Tools) {
    if level != Level::Unset {
        event.level = level;
    }
    draft.tell(event, tools);
}

/// `key=value`, where the value goes on until the next word that is a key: spaces are not escaped.
fn pair(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let bytes = bytes.trim_ascii_start();
    let equals = key_end(bytes)?;
    let value = &bytes[equals + 1..];
    let (mut end, mut from) = (value.len(), 0);
    while let Some(space) = memchr::memchr(b' ', &value[from..]) {
        let next = from + space + 1;
        if key_end(&value[next..]).is_some() {
            end = next - 1;
            break;
        }
        from = next;
    }
    Some((&bytes[..equals], &value[..end], &value[end..]))
}

/// Where the `=` behind a key is, if a key stands here.
fn key_end(bytes: &[u8]) -> Option<usize> {
    let length = bytes.iter().take(64).take_while(|byte| byte.is_ascii_alphanumeric() || b"_.-[]".contains(byte)).count();
    (length > 0 && bytes.get(length) == Some(&b'=')).then_some(length)
}

/// Without its escapes: `\=`, `\\`, `\n`, `\r`.
fn plain(line: Line<'_>, value: &[u8], event: &mut Event) -> Text {
    if memchr::memchr(b'\\', value).is_none() {
        return line.text(value);
    }
    let mut plain = Vec::with_capacity(value.len());
    let mut bytes = value.iter();
    while let Some(&byte) = bytes.next() {
        match (byte, bytes.as_slice().first()) {
            (b'\\', Some(&escaped @ (b'=' | b'\\' | b'|'))) => plain.push(escaped),
            (b'\\', Some(b'n')) => plain.push(b'\n'),
            (b'\\', Some(b'r')) => plain.push(b'\r'),
            _ => {
                plain.push(byte);
                continue;
            }
        }
        bytes.next();
    }
    store(event, &plain)
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn values_go_on_until_the_next_key_and_lose_their_escapes() {
        check(&[
            (
                r"<13>Mar  1 10:00:00 dev CEF:0|Acme|WAF|1.0|100|SQL \| injection|8|src=203.0.113.9 suser=bob msg=a \= b and c request=/x?y\=1 requestMethod=GET cs1Label=rule name",
                "syslog at=2025-03-01T10:00:00Z level=ERROR client=203.0.113.9 user=bob service=WAF host=dev method=GET target=/x?y=1 \
                 +device.vendor=Acme +device.product=WAF +event.code=100 +msg=a = b and c +cs1Label=rule name +message=SQL \\| injection",
            ),
            (
                "<13>Mar  1 10:00:00 dev CEF:0|Acme|Firewall|1.0|7|Connection|5|src=203.0.113.9 spt=4711 dst=10.0.0.1 dpt=22 proto=TCP act=blocked out=60",
                "syslog at=2025-03-01T10:00:00Z level=WARN client=203.0.113.9 service=Firewall host=dev flow=tcp:4711>10.0.0.1:22 state=attempted action=denied \
                 bytes=60 message=Connection +device.vendor=Acme +device.product=Firewall +event.code=7 +spt=4711 +dst=10.0.0.1 +dpt=22 +proto=TCP +act=blocked +out=60",
            ),
            (
                "LEEF:2.0|Acme|IDS|1.0|login|^|src=203.0.113.9^usrName=bob^sev=9^reason=no such user",
                "leef level=FATAL client=203.0.113.9 user=bob service=IDS message=login +device.vendor=Acme +device.product=IDS +event.code=login \
                 +sev=9 +reason=no such user",
            ),
        ]);
    }

    #[test]
    fn what_has_too_few_columns_is_text() {
        assert!(crate::testing::told("CEF:0|Acme|WAF").starts_with("text"));
    }
}
