//! Syslog-headed text as found in files and datagrams: RFC 5424, RFC 3164 with or without its priority, and rsyslog's variant
//! with an ISO time.
//!
//! `<34>1 2003-10-11T22:14:15.003Z host app procid msgid [data] message`
//! `<34>Oct 11 22:14:15 host program[pid]: message`

use lapwing_model::{Detail, Event, Level, Log, Text};

use crate::line::{Line, number, skip_spaces, word};
use crate::time::{self, Stamp};
use crate::{Format, Outcome, Tools, access, cef, draft, extract, firewall, json, level, logfmt};

#[derive(Debug)]
pub(crate) struct Syslog;

impl Syslog {
    pub(crate) fn build() -> Box<dyn Format> {
        Box::new(Syslog)
    }
}

const NAME: &str = "syslog";
const BROKEN: &str = "broken-syslog";

impl Format for Syslog {
    fn read(&mut self, line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Outcome {
        let bytes = line.bytes;
        let (priority, rest) = match priority(bytes) {
            Some((priority, rest)) => (Some(priority), rest),
            None => (None, bytes),
        };
        if priority.is_some()
            && let Some(rest) = rest.strip_prefix(b"1 ")
        {
            level_of(priority, event);
            return structured(line, rest, event, tools).ok_or(BROKEN).map(|()| Some(NAME));
        }
        let Cisco { host, marked, rest } = cisco(rest);
        if priority.is_none()
            && let Some(found) = bare(line, event, tools)?
        {
            return Ok(Some(found));
        }
        let Some((stamp, used)) = time::leading(rest) else {
            return Ok(priority.map(|_| {
                level_of(priority, event);
                body(line, rest, event, tools);
                NAME
            }));
        };
        let after = &rest[used..];
        let after = if priority.is_some() || marked { without_zone(after) } else { after };
        if marked && priority.is_none() && skip_spaces(after).first() != Some(&b'%') {
            return Ok(None);
        }
        if !after.starts_with(b" ") || (priority.is_none() && !marked && !is_headed(stamp, &rest[..used], after)) {
            return Ok(None);
        }
        level_of(priority, event);
        tools.zones.set(event, stamp);
        if !host.is_empty() {
            event.host = line.text(host);
            body(line, skip_spaces(after), event, tools);
            return Ok(Some(NAME));
        }
        host_and_body(line, skip_spaces(after), event, tools);
        Ok(Some(NAME))
    }
}

/// What needs no header to be known: CEF, LEEF and the flow logs of a cloud.
fn bare(line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Outcome {
    match line.bytes {
        [b'C' | b'L', ..] => cef::read(line, event, tools),
        [b'2'..=b'5', b' ', ..] => Ok(firewall::vpc::read(line, event, tools).map(|()| "vpc")),
        _ => Ok(None),
    }
}

/// What Cisco's devices write before the time.
struct Cisco<'a> {
    /// `router1` of `29: router1: `.
    host: &'a [u8],
    /// `*` or `.`: the clock is not set.
    marked: bool,
    rest: &'a [u8],
}

/// Steps over `29: `, `29: router1: ` and the mark of a clock that is not set; over nothing where no time follows.
fn cisco(rest: &[u8]) -> Cisco<'_> {
    let start = skip_spaces(rest);
    let digits = start.iter().take(12).take_while(|byte| byte.is_ascii_digit()).count();
    let numbered = digits > 0 && start[digits..].starts_with(b": ");
    let (mut host, mut after) = (&[][..], if numbered { skip_spaces(&start[digits + 2..]) } else { start });
    let (first, behind) = word(after);
    if numbered && first.ends_with(b":") && is_host(&first[..first.len() - 1]) && !first.starts_with(b"%") {
        (host, after) = (&first[..first.len() - 1], behind);
    }
    let marked = matches!(after.first(), Some(b'*' | b'.'));
    let after = &after[usize::from(marked)..];
    let timed = (numbered || marked) && (time::leading(after).is_some() || after.starts_with(b"%"));
    if timed { Cisco { host, marked, rest: after } } else { Cisco { host: b"", marked: false, rest } }
}

/// Steps over the zone and the colon behind a time: ` UTC:`, `:`.
fn without_zone(after: &[u8]) -> &[u8] {
    let zone = after.strip_prefix(b" ").unwrap_or(after);
    let letters = zone.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
    match zone.get(letters) {
        Some(b':') if letters > 0 || zone.len() == after.len() => &zone[letters + 1..],
        _ => after,
    }
}

/// `<34>`: facility times eight plus severity.
fn priority(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let inner = bytes.strip_prefix(b"<")?;
    let end = memchr::memchr(b'>', &inner[..inner.len().min(4)])?;
    let priority = number(&inner[..end]).filter(|&priority| priority < 192)?;
    Some((priority, &inner[end + 1..]))
}

/// RFC 5424, table 2.
fn level_of(priority: Option<u64>, event: &mut Event) {
    if let Some(priority) = priority {
        event.level = level::severity(priority % 8);
    }
}

/// Whether what follows a time is syslog's `host program:` rather than a level or the text of another layout. A time with a
/// year is syslog's only in its ISO form, and only before `host program[pid]:`.
fn is_headed(stamp: Stamp, time: &[u8], after: &[u8]) -> bool {
    let (host, rest) = word(skip_spaces(after));
    let is_tagged = |bytes| tag(bytes).is_some_and(|tag| Level::named(tag.name) == Level::Unset);
    let is_host = is_host(host) && Level::named(host) == Level::Unset;
    match stamp {
        Stamp::Yearless { .. } => time[0].is_ascii_alphabetic() && (is_host || is_tagged(skip_spaces(after))),
        Stamp::Utc { .. } if time.get(10) == Some(&b'T') => is_host && after.get(1) != Some(&b' ') && is_tagged(rest),
        _ => false,
    }
}

fn is_host(word: &[u8]) -> bool {
    !word.is_empty()
        && word.len() <= 255
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-:/@#%()".contains(byte))
        && !word.ends_with(b":")
}

/// What follows the time of RFC 3164: host, program, message.
pub(crate) fn host_and_body(line: Line<'_>, rest: &[u8], event: &mut Event, tools: &mut Tools) {
    let (host, after) = word(rest);
    if !is_host(host) || matches!(host.first(), Some(b'%')) {
        return body(line, rest, event, tools);
    }
    event.host = line.said(host);
    body(line, after, event, tools);
}

struct Tag<'a> {
    name: &'a [u8],
    rest: &'a [u8],
}

/// `sshd(pam_unix)[19939]: `, `kernel: `, `syslogd 1.4.1: `, `-- root[2421]: `
fn tag(bytes: &[u8]) -> Option<Tag<'_>> {
    let mut bytes = bytes;
    while let [b'-', rest @ ..] = bytes {
        bytes = skip_spaces(rest);
    }
    let (first, rest) = word(bytes);
    let cut = |name: &[u8]| name.len() <= 128 && name.iter().all(|byte| !b"\"'=,;{}<>".contains(byte)) && !name.is_empty();
    if let Some(open) = memchr::memchr(b'[', first) {
        let close = memchr::memchr(b']', &first[open..])? + open;
        let digits = first[open + 1..close].iter().all(u8::is_ascii_digit);
        let ends = matches!(&first[close + 1..], b":" | b"");
        return (digits && ends && cut(&first[..open])).then_some(Tag { name: &first[..open], rest });
    }
    if let Some(name) = first.strip_suffix(b":") {
        return cut(name).then_some(Tag { name, rest });
    }
    let (second, rest) = word(rest);
    let version = second.strip_suffix(b":")?;
    let is_version = version.contains(&b'.') && version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    (is_version && cut(first)).then_some(Tag { name: first, rest })
}

/// Program and message. A message may be a line of another format: JSON (also after CEE's cookie), an access log.
fn body(line: Line<'_>, rest: &[u8], event: &mut Event, tools: &mut Tools) {
    let mut message = skip_spaces(rest);
    message = message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message);
    // Cisco has the colon behind the host apart from it.
    message = message.strip_prefix(b": ").map_or(message, skip_spaces);
    let mut program: &[u8] = b"";
    if let Some(tag) = tag(message) {
        (program, message) = (tag.name, tag.rest);
        event.service = line.said(service(program));
    }
    if program == b"kernel" {
        message = without_uptime(message);
    }
    finish(line, program, message, event, tools);
}

/// The program without its path and without the module in parentheses: `sshd` of `sshd(pam_unix)`; of `%ASA-6-302013` the
/// part of the system that speaks.
fn service(program: &[u8]) -> &[u8] {
    if let Some(tag) = program.strip_prefix(b"%") {
        return &tag[..memchr::memchr(b'-', tag).unwrap_or(tag.len())];
    }
    let name = &program[memchr::memrchr(b'/', program).map_or(0, |at| at + 1)..];
    let name = if name.is_empty() { program } else { name };
    &name[..memchr::memchr(b'(', name).filter(|&at| at > 0).unwrap_or(name.len())]
}

/// The kernel's `[12345.678901] `.
fn without_uptime(message: &[u8]) -> &[u8] {
    let Some(inner) = message.strip_prefix(b"[") else { return message };
    let digits = inner.iter().take(24).take_while(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'.')).count();
    if digits > 0 && inner[digits..].starts_with(b"]") { skip_spaces(&inner[digits + 1..]) } else { message }
}

fn finish(line: Line<'_>, program: &[u8], message: &[u8], event: &mut Event, tools: &mut Tools) {
    let (at, clock) = (event.at, event.clock);
    let inner = message.strip_prefix(b"@cee:").map_or(message, skip_spaces);
    let found = match inner.first() {
        Some(b'{') => json::read(line.within(inner), event, tools),
        Some(b'C' | b'L') if inner.starts_with(b"CEF:") || inner.starts_with(b"LEEF:") => {
            cef::read(line.within(inner), event, tools)
        }
        // FortiGate writes pairs and nothing else.
        Some(b'd' | b'l') if inner.starts_with(b"date=") || inner.starts_with(b"logver=") => {
            logfmt::read(line.within(inner), event, tools)
        }
        Some(_) if memchr::memchr(b'[', &inner[..inner.len().min(200)]).is_some() => {
            access::read(line.within(inner), event, tools)
        }
        _ => Ok(None),
    };
    if let Ok(Some(_)) = found {
        if event.clock == lapwing_model::Clock::Received {
            (event.at, event.clock) = (at, clock);
        }
        return;
    }
    if firewall::read(line, program, message, event) {
        return;
    }
    let log = Log { message: line.text(message.trim_ascii()), logger: line.said(program), status: 0 };
    event.detail = Detail::Log(log);
    extract::from_message(event);
}

/// RFC 5424 after its version.
fn structured(line: Line<'_>, rest: &[u8], event: &mut Event, tools: &mut Tools) -> Option<()> {
    let (stamp, rest) = word(rest);
    if stamp != b"-" {
        tools.zones.set(event, time::whole(stamp)?);
    }
    let (host, rest) = word(rest);
    let (app, rest) = word(rest);
    let (_process, rest) = word(rest);
    let (id, rest) = word(rest);
    event.host = line.said(host);
    event.service = line.said(app);
    let rest = match rest {
        [b'-', after @ ..] => after,
        [b'[', ..] => data(line, rest, event)?,
        // Some leave the data out, and not even write that there is none.
        _ => rest,
    };
    if line.said(id) != Text::ABSENT {
        draft::keep(event, b"msgid", line.text(id));
    }
    let message = skip_spaces(rest);
    finish(line, app, message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message), event, tools);
    Some(())
}

/// `[exampleSDID@32473 iut="3" eventSource="Application"][...]`: parameters become fields.
fn data<'a>(line: Line<'_>, mut rest: &'a [u8], event: &mut Event) -> Option<&'a [u8]> {
    while let Some(inner) = rest.strip_prefix(b"[") {
        let end = memchr::memchr2(b' ', b']', inner)?;
        rest = &inner[end..];
        while let Some(parameter) = rest.strip_prefix(b" ") {
            let equals = memchr::memmem::find(parameter, b"=\"")?;
            let value = &parameter[equals + 2..];
            let close = unescaped_quote(value)?;
            let name = line.text(&parameter[..equals]);
            let value_text = unescaped(line, &value[..close], event);
            event.keep(name, value_text);
            rest = &value[close + 1..];
        }
        rest = rest.strip_prefix(b"]")?;
    }
    Some(rest)
}

/// Without the backslashes before `"`, `]` and themselves.
fn unescaped(line: Line<'_>, value: &[u8], event: &mut Event) -> Text {
    if memchr::memchr(b'\\', value).is_none() {
        return line.text(value);
    }
    let mut plain = Vec::with_capacity(value.len());
    for (at, &byte) in value.iter().enumerate() {
        let escapes = byte == b'\\' && matches!(value.get(at + 1), Some(b'"' | b']' | b'\\'));
        let escaped = at > 0 && value[..at].iter().rev().take_while(|before| **before == b'\\').count() % 2 == 1;
        if !escapes || escaped {
            plain.push(byte);
        }
    }
    draft::store(event, &plain)
}

fn unescaped_quote(value: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', &value[at..])?;
        if value[at] == b'"' {
            return Some(at);
        }
        at += 2;
        if at > value.len() {
            return None;
        }
    }
}

#[cfg(test)]
mod sent;
#[cfg(test)]
mod tests;
