//! Access logs of web servers: NCSA's Common Log Format, Apache's and nginx's Combined, and what people add to them.
//!
//! `[vhost:port] client ident user [time] "request" status bytes ["referrer" "user agent" [more]]`, where `more` may be the
//! response time (`0.005` in seconds, `5000` in microseconds, `5ms`, `rt=0.005`) and a quoted `X-Forwarded-For`.
//!
//! Fields are bytes: attackers put `\xff` and NUL into paths, and the line must be read all the same.

use std::net::IpAddr;
use std::time::Duration;

use lapwing_model::{Detail, Event, Text, Web};
use memchr::{memchr, memchr_iter, memrchr};

use crate::address::{address, is_internal};
use crate::line::{Line, number, skip_spaces, word};
use crate::time::{self, Stamp};
use crate::{Format, Outcome, Tools, duration};

#[derive(Debug)]
pub(crate) struct Access;

impl Access {
    pub(crate) fn build() -> Box<dyn Format> {
        Box::new(Access)
    }
}

const BROKEN: &str = "broken-access-log";
/// The time stands within this many bytes; a user name may be long.
const HEAD: usize = 1024;

impl Format for Access {
    fn read(&mut self, line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Outcome {
        read(line, event, tools)
    }
}

/// Reads a line of an access log, wherever it lies.
pub(crate) fn read(line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Outcome {
    let line = unwrapped(line);
    let Some((head, stamp, rest)) = opening(line.bytes, tools) else { return Ok(None) };
    let end = closing(rest, is_status_next).ok_or(BROKEN)?;
    let mut web = Web::default();
    request(|part| line.said(part), &rest[..end], &mut web);
    let (status, rest) = word(skip_spaces(&rest[end + 1..]));
    web.status = number(status).and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
    let (bytes, rest) = word(rest);
    web.bytes = number(bytes);
    who(line, head, event, &mut web);
    let combined = after_size(line, rest, event, &mut web).ok_or(BROKEN)?;
    tools.zones.set(event, stamp);
    event.detail = Detail::Web(web);
    Ok(Some(if combined { "combined" } else { "common" }))
}

/// Some exports put a line as a whole into quotes.
fn unwrapped(line: Line<'_>) -> Line<'_> {
    match line.bytes {
        [b'"', inner @ .., b'"'] => line.within(inner),
        _ => line,
    }
}

/// What stands before the time, the time, and what follows the quote that opens the request. Nothing where this is no
/// access log: `[`, a time and `] "` are what makes one.
fn opening<'a>(bytes: &'a [u8], tools: &mut Tools) -> Option<(&'a [u8], Stamp, &'a [u8])> {
    let head = &bytes[..bytes.len().min(HEAD)];
    for at in memchr_iter(b'[', head).take(8) {
        let inner = &bytes[at + 1..];
        if at < 2 || bytes[at - 1] != b' ' || !inner.first()?.is_ascii_digit() {
            continue;
        }
        let (stamp, used) = match time::clf(inner, &mut tools.last_day) {
            Some(stamp) => (stamp, 26),
            None => time::leading(inner)?,
        };
        let rest = inner[used..].strip_prefix(b"] \"")?;
        let head = &bytes[..at - 1];
        return (!is_headed(head)).then_some((head, stamp, rest));
    }
    None
}

/// Whether syslog or a container runtime put a header before the line: those are read first.
fn is_headed(head: &[u8]) -> bool {
    let dated = head[0].is_ascii_alphabetic() || head.get(4) == Some(&b'-');
    head[0] == b'<' || (dated && time::leading(head).is_some())
}

/// Who asked: `[vhost[:port]] client ident user`. A user name may hold spaces; a client may be a list that proxies made.
fn who(line: Line<'_>, head: &[u8], event: &mut Event, web: &mut Web) {
    // docker compose: `web_1  | 1.2.3.4 - - `
    let head = memchr(b'|', head).map_or(head, |bar| skip_spaces(&head[bar + 1..]));
    let (mut first, mut rest) = word(head);
    event.client = address(first);
    if let Some(claimed) = first.strip_suffix(b",") {
        (first, event.client) = (claimed, address(claimed));
        while let Some(next) = word(rest).0.strip_suffix(b",") {
            rest = skip_spaces(&rest[next.len() + 1..]);
        }
        rest = word(rest).1;
    } else if event.client.is_none() {
        let (second, third) = word(rest);
        let client = address(second);
        if !third.is_empty() && (client.is_some() || (has_port(first) && third.contains(&b' '))) {
            web.domain = line.said(without_port(first));
            (first, rest, event.client) = (second, third, client);
        }
    }
    event.client_text = line.said(first);
    event.user = line.said(word(rest).1);
}

fn has_port(name: &[u8]) -> bool {
    memrchr(b':', name).is_some_and(|at| number(&name[at + 1..]).is_some())
}

fn without_port(name: &[u8]) -> &[u8] {
    if has_port(name) { &name[..memrchr(b':', name).unwrap_or(name.len())] } else { name }
}

/// `GET /path HTTP/1.1`. Attackers send spaces in paths, and things that are no HTTP at all.
pub(crate) fn request(text: impl Fn(&[u8]) -> Text, request: &[u8], web: &mut Web) {
    let method = memchr(b' ', request).unwrap_or(0);
    if method == 0
        || method > 32
        || !request[..method].iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_'))
    {
        web.ask(text(request), request);
        return;
    }
    web.method = text(&request[..method]);
    let rest = &request[method + 1..];
    let protocol = memrchr(b' ', rest).filter(|&at| rest[at + 1..].starts_with(b"HTTP/"));
    match protocol {
        Some(at) => {
            web.ask(text(&rest[..at]), &rest[..at]);
            web.protocol = text(&rest[at + 1..]);
        }
        None => web.ask(text(rest), rest),
    }
}

/// What follows the size: referrer, user agent and more. Returns whether a user agent is among it; none where a quote is
/// never closed.
fn after_size(line: Line<'_>, rest: &[u8], event: &mut Event, web: &mut Web) -> Option<bool> {
    let Some(quoted) = rest.strip_prefix(b"\"") else {
        more(line, rest, event, web);
        return Some(false);
    };
    let end = closing(quoted, |after| after.is_empty() || after.starts_with(b" \""))?;
    web.referrer = line.said(&quoted[..end]);
    let rest = skip_spaces(&quoted[end + 1..]);
    let Some(quoted) = rest.strip_prefix(b"\"") else {
        more(line, rest, event, web);
        return Some(false);
    };
    // Where the line was cut off, the user agent is what is left of it.
    let end = closing(quoted, is_more_next).or_else(|| memrchr(b'"', quoted)).unwrap_or(quoted.len());
    web.user_agent = line.said(&quoted[..end]);
    more(line, skip_spaces(quoted.get(end + 1..).unwrap_or_default()), event, web);
    Some(true)
}

/// What people add at the end: the time it took, and whom a proxy asked for.
fn more(line: Line<'_>, mut rest: &[u8], event: &mut Event, web: &mut Web) {
    while let Some(first) = rest.first() {
        if *first == b'"' {
            let Some(end) = closing(&rest[1..], is_more_next) else { return };
            forwarded(line, &rest[1..=end], event);
            rest = skip_spaces(&rest[end + 2..]);
            continue;
        }
        let (token, after) = word(rest);
        rest = after;
        if let Some(host) = token.strip_prefix(b"host=") {
            web.domain = line.said(host.trim_ascii());
        } else if let Some(took) = took(token).filter(|_| event.duration.is_zero() || token.ends_with(b"ms")) {
            event.duration = took;
        }
    }
}

/// `0.005` (seconds), `5000` (microseconds: Apache's `%D`), `5ms`, `rt=0.005`, `request_time=0.005`.
fn took(token: &[u8]) -> Option<Duration> {
    if !token.is_ascii() || token.is_empty() {
        return None;
    }
    let value = [b"rt=".as_slice(), b"request_time="].iter().find_map(|name| token.strip_prefix(*name)).unwrap_or(token);
    let value = value.trim_ascii_start();
    if let Some(micros) = number(value) {
        return Some(Duration::from_micros(micros));
    }
    duration::with_unit(value).or_else(|| duration::in_seconds(value))
}

/// Behind a proxy of one's own the client is the last address in `X-Forwarded-For` that is not one's own: the ones before
/// it are what the client claims.
fn forwarded(line: Line<'_>, list: &[u8], event: &mut Event) {
    if !event.client.is_some_and(is_internal) {
        return;
    }
    let outside = |part: &&[u8]| address(part).is_some_and(|address: IpAddr| !is_internal(address));
    if let Some(client) = list.rsplit(|&byte| byte == b',').map(<[u8]>::trim_ascii).find(outside) {
        event.client = address(client);
        event.client_text = line.text(client);
    }
}

/// Where the quote is that closes a field: the first that is not escaped and that is followed by what must follow.
/// Servers that do not escape quotes leave the others in the text; some write a lone backslash before the last quote.
fn closing(bytes: &[u8], follows: impl Fn(&[u8]) -> bool) -> Option<usize> {
    let mut escaped = None;
    for at in memchr_iter(b'"', bytes) {
        if follows(&bytes[at + 1..]) {
            let slashes = bytes[..at].iter().rev().take_while(|&&byte| byte == b'\\').count();
            if slashes % 2 == 0 {
                return Some(at);
            }
            escaped.get_or_insert(at);
        }
    }
    escaped
}

fn is_status_next(after: &[u8]) -> bool {
    match after {
        [b' ', a, b, c, rest @ ..] if a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit() => {
            matches!(rest, [] | [b' ', ..])
        }
        [b' ', b'-', rest @ ..] => matches!(rest, [] | [b' ', ..]),
        _ => false,
    }
}

fn is_more_next(after: &[u8]) -> bool {
    match after {
        [] | [b' ', b'"' | b'0'..=b'9' | b'-', ..] => true,
        [b' ', rest @ ..] => rest.is_empty() || word(rest).0.contains(&b'='),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
