//! What any text tells in passing: addresses, users, sessions, levels, HTTP status, durations.
//!
//! One pass over the words of a message; a word that announces something (`status`, `user`, `took`) makes the reader look at
//! what follows it. A number is a status only where the text says so: `537.36` in a user agent is none.

mod user;
mod words;

use std::net::IpAddr;
use std::time::Duration;

use lapwing_model::{Detail, Event, Level, Text};

use crate::address::{v4, v6};
use crate::duration;
use words::{Word, Words, is_word, value_after};

/// Nothing is looked for beyond this many bytes of a message.
const LOOK: usize = 2048;
/// Level words stand near the beginning.
const LEVEL_WITHIN: usize = 160;

/// Part of a message, by its offsets.
type Part = (usize, usize);

#[derive(Debug, Default)]
struct Found {
    client: Option<(IpAddr, Part)>,
    /// The client was announced as one, not merely the first address.
    sure: bool,
    user: Option<Part>,
    session: Option<Part>,
    status: u16,
    duration: Option<Duration>,
    level: Level,
}

/// Adds to an event what the message of its log line tells, where the record itself does not say.
pub(crate) fn from_message(event: &mut Event) {
    let Detail::Log(mut log) = event.detail else { return };
    let message = log.message;
    let found = find(event.text(message), is_auth(event.text(event.service)));
    let text = |(start, end): Part| message.slice(start, end);
    if event.client.is_none()
        && event.client_text.is_empty()
        && let Some((address, part)) = found.client
    {
        event.client = Some(address);
        event.client_text = text(part);
    }
    let fill = |place: &mut Text, part: Option<Part>| {
        if place.is_empty()
            && let Some(part) = part
        {
            *place = text(part);
        }
    };
    fill(&mut event.user, found.user);
    fill(&mut event.session, found.session);
    if event.level == Level::Unset {
        event.level = found.level;
    }
    if event.duration.is_zero() {
        event.duration = found.duration.unwrap_or_default();
    }
    if log.status == 0 {
        log.status = found.status;
        event.detail = Detail::Log(log);
    }
}

/// Whether a program is one that lets people in: in its lines any address is the client's.
fn is_auth(program: &[u8]) -> bool {
    const PROGRAMS: [&[u8]; 19] = [
        b"sshd",
        b"sshd-session",
        b"login",
        b"ftpd",
        b"vsftpd",
        b"proftpd",
        b"pure-ftpd",
        b"su",
        b"sudo",
        b"telnetd",
        b"dovecot",
        b"postfix",
        b"xrdp",
        b"rshd",
        b"rlogind",
        b"klogind",
        b"systemd-logind",
        b"gdm",
        b"openvpn",
    ];
    PROGRAMS.contains(&program)
}

fn find(text: &[u8], auth: bool) -> Found {
    let text = &text[..text.len().min(LOOK)];
    let mut found = Found::default();
    let mut words = Words::new(text);
    let mut before: &[u8] = b"";
    if auth {
        found.user = user::of_sudo(text);
    }
    while let Some(word) = words.next() {
        let bytes = word.of(text);
        if bytes[0].is_ascii_digit() {
            words.at = found.number(text, word, before, auth);
        } else {
            found.word(text, word, before, auth);
            if let Some(end) = found.hexadecimal(text, word, before, auth) {
                words.at = end;
            }
        }
        before = bytes;
    }
    found
}

impl Found {
    /// A word that begins with a letter.
    fn word(&mut self, text: &[u8], word: Word, before: &[u8], auth: bool) {
        let bytes = word.of(text);
        match bytes[0] | 0x20 {
            b's' => self.status_or_session(text, word),
            b'h' if bytes == b"HTTP" => self.after_protocol(text, word),
            b'h' | b'c' | b'r' => self.status_or_session(text, word),
            b't' | b'd' | b'l' | b'e' | b'i' => self.took(text, word, before),
            b'u' | b'a' | b'f' if self.user.is_none() => self.user = user::after(text, word, before, auth),
            _ => {}
        }
        if self.level == Level::Unset && word.start < LEVEL_WITHIN {
            self.level = level(text, word);
        }
        if self.duration.is_none() && bytes.len() > 3 && bytes[bytes.len() - 3] == b'_' && bytes.ends_with(b"s") {
            self.duration = value_after(text, word.end, true)
                .and_then(|at| duration::scaled(decimal(&text[at..]), duration::nanos_in(&bytes[bytes.len() - 2..])?));
        }
    }

    fn status_or_session(&mut self, text: &[u8], word: Word) {
        let name = word.of(text);
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if self.status == 0
            && [b"status".as_slice(), b"status_code", b"statuscode", b"http_status", b"code", b"response"]
                .iter()
                .any(|known| is(known))
        {
            let announced_otherwise = is(b"code") && ends_with_word(&text[..word.start], &[b"exit", b"return", b"signal"]);
            let after = value_after(text, word.end, false).filter(|_| !announced_otherwise);
            self.status = after.and_then(|at| status(&text[at..])).unwrap_or(0);
        } else if self.session.is_none()
            && [b"session".as_slice(), b"session_id", b"sessionid", b"sid"].iter().any(|known| is(known))
        {
            self.session = value_after(text, word.end, true).map(|at| value(text, at)).filter(|(start, end)| end > start);
        }
    }

    /// `HTTP/1.1" 500`, `HTTP/1.1 500`
    fn after_protocol(&mut self, text: &[u8], word: Word) {
        let Some(rest) = text[word.end..].strip_prefix(b"/") else { return };
        let version = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        let rest = &rest[version..];
        let rest = rest.strip_prefix(b"\"").unwrap_or(rest);
        if let (0, Some(rest)) = (self.status, rest.strip_prefix(b" ")) {
            let rest = rest.strip_prefix(b"status: ").unwrap_or(rest);
            self.status = status(rest).unwrap_or(0);
        }
    }

    /// `took 3.2s`, `duration=120ms`, `started in 4 seconds`
    fn took(&mut self, text: &[u8], word: Word, before: &[u8]) {
        const ANNOUNCING: [&[u8]; 5] = [b"took", b"elapsed", b"duration", b"latency", b"time"];
        let name = word.of(text);
        let announced = match name {
            b"in" => before.ends_with(b"ed") || before == b"done",
            _ => ANNOUNCING.iter().any(|known| name.eq_ignore_ascii_case(known)),
        };
        if announced && self.duration.is_none() {
            self.duration = value_after(text, word.end, false).and_then(|at| duration::with_unit(number_and_unit(&text[at..])));
        }
    }

    /// A word that begins with a digit: an address, or a duration. Returns where to read on.
    fn number(&mut self, text: &[u8], word: Word, before: &[u8], auth: bool) -> usize {
        if text.get(word.end) == Some(&b'.')
            && !self.sure
            && let Some((address, length)) = v4(&text[word.start..])
        {
            self.client(text, IpAddr::V4(address), (word.start, word.start + length), before, auth);
            return word.start + length;
        }
        if let Some(end) = self.hexadecimal(text, word, before, auth) {
            return end;
        }
        if self.duration.is_none() && !text[..word.start].ends_with(b".") {
            let number = number_and_unit(&text[word.start..]);
            if number.ends_with(b"ms") || number.ends_with(b"us") || number.ends_with(b"\xb5s") || number.ends_with(b"\xbcs") {
                self.duration = duration::with_unit(number);
            }
        }
        word.end
    }

    /// An IPv6 address that this word is part of. Returns where it ends.
    fn hexadecimal(&mut self, text: &[u8], word: Word, before: &[u8], auth: bool) -> Option<usize> {
        let colon = text.get(word.end) == Some(&b':') || text[..word.start].ends_with(b"::");
        if self.sure || !colon || word.end - word.start > 4 || !word.of(text).iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let start = if text[..word.start].ends_with(b"::") { word.start - 2 } else { word.start };
        let length =
            text[start..].iter().take(46).take_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')).count();
        let part = &text[start..start + length];
        let part =
            part.strip_suffix(b":").filter(|part| !part.ends_with(b":")).or_else(|| part.strip_suffix(b".")).unwrap_or(part);
        let groups = memchr::memchr_iter(b':', part).count();
        let short = memchr::memmem::find(part, b"::").is_some();
        if !(short || groups == 7) || !part.iter().any(u8::is_ascii_digit) {
            return None;
        }
        let address = v6(part).filter(|address| !address.is_unspecified())?;
        let end = start + part.len();
        self.client(text, address, (start, end), before, auth);
        Some(end)
    }

    /// An address was found. The first that is announced as a client's (`from`, `rhost=`) is the client; else the first that
    /// stands alone: with neither a port nor a slash.
    fn client(&mut self, text: &[u8], address: IpAddr, (start, end): Part, before: &[u8], auth: bool) {
        const ANNOUNCING: [&[u8]; 20] = [
            b"from",
            b"rhost",
            b"client",
            b"ip",
            b"addr",
            b"address",
            b"by",
            b"peer",
            b"src",
            b"source",
            b"remote",
            b"clientip",
            b"remote_addr",
            b"client_ip",
            b"remote_ip",
            b"src_ip",
            b"source_ip",
            b"ip_address",
            b"rip",
            b"attacker",
        ];
        const VERSIONS: [&[u8]; 5] = [b"version", b"ver", b"release", b"build", b"v"];
        let is = |known: &&[u8]| before.eq_ignore_ascii_case(known);
        let prior = start.checked_sub(1).map_or(b' ', |at| text[at]);
        let next = &text[end..];
        let cut_off = is_word(prior) || matches!(prior, b'.' | b'-' | b'+') || next.first().is_some_and(|&byte| is_word(byte));
        let continued =
            matches!(next, [b'-', letter, ..] if letter.is_ascii_alphabetic()) || matches!(next, [b'/', b'0'..=b'9', ..]);
        if cut_off || continued || VERSIONS.iter().any(is) {
            return;
        }
        let announced = prior != b'/' && ANNOUNCING.iter().any(is);
        let alone = prior != b'/' && !matches!(next, [b':', b'0'..=b'9', ..]);
        if announced || auth || (alone && self.client.is_none()) {
            self.client = Some((address, (start, end)));
            self.sure = announced || auth;
        }
    }
}

/// Three digits from 100 to 599 with nothing that makes them another number.
fn status(text: &[u8]) -> Option<u16> {
    let &[a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', ref rest @ ..] = text else { return None };
    let another = match rest {
        [b'.' | b',' | b':' | b'-', b'0'..=b'9', ..] => true,
        [next, ..] => is_word(*next) || *next == b'%',
        [] => false,
    };
    (!another).then(|| u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
}

/// A level word in capitals, or one before a colon.
fn level(text: &[u8], word: Word) -> Level {
    let bytes = word.of(text);
    if !(3..=9).contains(&bytes.len()) {
        return Level::Unset;
    }
    let before_colon = text.get(word.end) == Some(&b':') && text.get(word.end + 1).is_none_or(|&byte| byte == b' ');
    let capitals = bytes.iter().all(u8::is_ascii_uppercase);
    if before_colon || capitals { Level::named(bytes) } else { Level::Unset }
}

fn ends_with_word(text: &[u8], words: &[&[u8]]) -> bool {
    let text = text.trim_ascii_end();
    words.iter().any(|word| text.len() >= word.len() && text[text.len() - word.len()..].eq_ignore_ascii_case(word))
}

/// A value up to what ends it.
fn value(text: &[u8], at: usize) -> Part {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"',;()[]{}<>".contains(byte);
    let end = at + text[at..].iter().take(128).position(ends).unwrap_or((text.len() - at).min(128));
    let end = if text[at..end].ends_with(b".") { end - 1 } else { end };
    (at, end)
}

/// The digits, with a fraction, at the beginning.
fn decimal(text: &[u8]) -> &[u8] {
    let digits = text.iter().take(20).take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    &text[..digits]
}

/// The number at the beginning and the word that follows it, perhaps after a space.
fn number_and_unit(text: &[u8]) -> &[u8] {
    let digits = decimal(text).len();
    let space = usize::from(text.get(digits) == Some(&b' '));
    let unit = text[digits + space..].iter().take(14).take_while(|byte| byte.is_ascii_alphabetic() || **byte > 127).count();
    &text[..digits + space + unit]
}

#[cfg(test)]
mod tests;
