//! From named fields (JSON, logfmt) to an event.

use std::time::Duration;

use lapwing_model::{Detail, Event, Field, Level, Log, Others, Text, Value, Web};

use crate::address::{address, with_port};
use crate::line::number;
use crate::names::{SLOTS, Slot};
use crate::{Tools, access, duration, extract, flows, level, names, time};

/// The fields of one record that Lapwing knows the meaning of.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Name and value; the name is absent where the record nests it.
    values: [(Text, Text); SLOTS],
}

impl Default for Draft {
    fn default() -> Self {
        Draft { values: [(Text::ABSENT, Text::ABSENT); SLOTS] }
    }
}

impl Draft {
    /// Puts a value into its slot. False where another field of the same meaning came before.
    pub(crate) fn put(&mut self, slot: Slot, name: Text, value: Text) -> bool {
        let place = &mut self.values[slot as usize];
        let free = place.1.is_absent();
        if free {
            *place = (name, value);
        }
        free
    }

    pub(crate) fn has(&self, slot: Slot) -> bool {
        !self.values[slot as usize].1.is_absent()
    }

    pub(crate) fn take(&mut self, slot: Slot) -> Text {
        std::mem::take(&mut self.values[slot as usize].1)
    }

    /// The same, but absent where there is nothing in it.
    fn take_said(&mut self, slot: Slot, event: &Event) -> Text {
        let text = self.take(slot);
        if matches!(event.text(text), b"" | b"-") { Text::ABSENT } else { text }
    }

    /// Makes the event what its fields say. What cannot be read as what its name says is kept as a field.
    pub(crate) fn tell(mut self, event: &mut Event, tools: &mut Tools) {
        self.time(event, tools);
        self.level(event);
        self.whom(event);
        self.took(event);
        if self.is_web(event) {
            self.web(event);
        } else {
            return self.log(event);
        }
        self.keep_rest(event);
    }

    pub(crate) fn time(&mut self, event: &mut Event, tools: &mut Tools) {
        let text = self.values[Slot::Time as usize].1;
        let (written, joined) = (event.text(text), self.date_and_time(event));
        let written = joined.as_deref().unwrap_or(written);
        if let Some(stamp) = time::whole(written) {
            tools.zones.set(event, stamp);
            self.take(Slot::Time);
        }
    }

    /// Some write the day and the time of day as two fields.
    fn date_and_time(&self, event: &Event) -> Option<Vec<u8>> {
        let day = event.text(self.values[Slot::Time as usize].1);
        if day.len() != 10 || event.others.is_empty() {
            return None;
        }
        let other =
            |name: &[u8]| event.others.iter().find(|(key, _)| event.text(*key) == name).map(|(_, value)| event.text(value));
        Some([day, b" ", other(b"time")?, other(b"tz").unwrap_or_default()].concat())
    }

    pub(crate) fn level(&mut self, event: &mut Event) {
        let level = level::of(event.text(self.values[Slot::Level as usize].1));
        if level != Level::Unset {
            event.level = level;
            self.take(Slot::Level);
            self.take(Slot::SeverityNumber);
        } else if let Some(severity @ 1..=24) = number(event.text(self.values[Slot::SeverityNumber as usize].1)) {
            const STEPS: [Level; 6] = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Fatal];
            event.level = STEPS[(severity as usize - 1) / 4];
            self.take(Slot::SeverityNumber);
        }
    }

    pub(crate) fn whom(&mut self, event: &mut Event) {
        let set = |place: &mut Text, text: Text| {
            if !text.is_absent() {
                *place = text;
            }
        };
        // Zeek's uid is that of a connection.
        let (name, uid) = self.values[Slot::User as usize];
        if event.text(name) == b"uid" && event.get(&Field::DestinationAddress) != Value::Absent {
            self.take(Slot::User);
            self.put(Slot::Session, name, uid);
        }
        let (user, session, host) =
            (self.take_said(Slot::User, event), self.take_said(Slot::Session, event), self.take_said(Slot::Host, event));
        set(&mut event.user, user);
        set(&mut event.session, session);
        set(&mut event.host, host);
        let service = if self.has(Slot::Service) { Slot::Service } else { Slot::Source };
        let service = self.take_said(service, event);
        set(&mut event.service, service);
        let client = self.values[Slot::Client as usize].1;
        let written = event.text(client);
        let first = written.split(|&byte| byte == b',').next().unwrap_or(written).trim_ascii();
        if let Some(address) = address(first).or_else(|| with_port(first)) {
            event.client_text = cut(client, written, first);
            event.client = Some(address);
            self.take(Slot::Client);
        }
    }

    fn took(&mut self, event: &mut Event) {
        const UNITS: [(Slot, f64); 4] = [(Slot::Seconds, 1e9), (Slot::Millis, 1e6), (Slot::Micros, 1e3), (Slot::Nanos, 1.0)];
        for (slot, nanos) in UNITS {
            let written = event.text(self.values[slot as usize].1);
            if let Some(took) = duration::scaled(written, nanos) {
                event.duration = took;
                self.take(slot);
                return;
            }
        }
        if let Some(took) = unit_guessed(event.text(self.values[Slot::Took as usize].1)) {
            event.duration = took;
            self.take(Slot::Took);
        }
    }

    /// A web request names what was asked for, and how: by method, request line or user agent.
    fn is_web(&self, event: &Event) -> bool {
        let request = self.values[Slot::Request as usize].1;
        if self.has(Slot::Request) && event.text(request).contains(&b' ') {
            return true;
        }
        let asked = self.has(Slot::Target) || self.has(Slot::Path);
        asked && (self.has(Slot::Method) || self.has(Slot::UserAgent) || self.has(Slot::Status))
    }

    fn web(&mut self, event: &mut Event) {
        let mut web = Web { method: self.take(Slot::Method), ..Web::default() };
        let target = self.target(event);
        web.ask(target, event.text(target));
        if target.is_absent() {
            let request = self.take(Slot::Request);
            let line = event.text(request);
            access::request(|part| cut(request, line, part), line, &mut web);
        }
        self.without_origin(event, &mut web);
        if web.protocol.is_absent() {
            web.protocol = self.take_said(Slot::Protocol, event);
        }
        web.status = self.status(event);
        web.bytes = number(event.text(self.values[Slot::Bytes as usize].1));
        if web.bytes.is_some() {
            self.take(Slot::Bytes);
        }
        web.referrer = self.take_said(Slot::Referrer, event);
        web.user_agent = self.take_said(Slot::UserAgent, event);
        if web.domain.is_absent() {
            web.domain = self.take_said(Slot::Domain, event);
        }
        // Who watches the network calls the host that was asked for simply the host.
        if web.domain.is_absent() && event.get(&Field::DestinationAddress) != Value::Absent {
            web.domain = std::mem::take(&mut event.host);
        }
        let body = if self.has(Slot::RequestBody) { Slot::RequestBody } else { Slot::Body };
        web.body = self.take_said(body, event);
        if event.client_text.is_absent() {
            event.client_text = self.take_said(Slot::Client, event);
        }
        event.detail = Detail::Web(web);
    }

    /// What was asked for; put together where path and query are apart.
    fn target(&mut self, event: &mut Event) -> Text {
        let target = self.take(Slot::Target);
        if !target.is_absent() {
            return target;
        }
        let path = self.take(Slot::Path);
        let query = self.values[Slot::Query as usize].1;
        if path.is_absent() || query.is_empty() || event.text(path).contains(&b'?') {
            return path;
        }
        self.take(Slot::Query);
        let whole = [event.text(path), b"?", event.text(query).strip_prefix(b"?").unwrap_or(event.text(query))].concat();
        store(event, &whole)
    }

    /// Some name the whole URL where others name the target only: `https://example.com/path` is `/path` of `example.com`.
    fn without_origin(&mut self, event: &Event, web: &mut Web) {
        let target = event.text(web.target);
        let Some(rest) = target.strip_prefix(b"https://").or_else(|| target.strip_prefix(b"http://")) else { return };
        let scheme = target.len() - rest.len();
        let host = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        web.domain = web.target.slice(scheme, scheme + host);
        if host < rest.len() {
            web.ask(web.target.slice(scheme + host, target.len()), &rest[host..]);
        }
    }

    fn status(&mut self, event: &Event) -> u16 {
        match number(event.text(self.values[Slot::Status as usize].1)) {
            Some(status @ 100..=599) => {
                self.take(Slot::Status);
                status as u16
            }
            _ => 0,
        }
    }

    fn log(&mut self, event: &mut Event) {
        let from = if self.has(Slot::Message) { Slot::Message } else { Slot::Body };
        let log = Log { message: self.take(from), logger: self.take_said(Slot::Logger, event), status: self.status(event) };
        event.detail = Detail::Log(log);
        if event.session.is_empty() {
            event.session = self.take_said(Slot::Trace, event);
        }
        if event.client_text.is_absent() {
            // A name is a client too where the record says so.
            let client = self.values[Slot::Client as usize].1;
            if is_host_name(event.text(client)) && event.text(client).contains(&b'.') {
                event.client_text = self.take(Slot::Client);
            }
        }
        extract::from_message(event);
        self.keep_rest(event);
        flows::from_fields(event);
    }

    pub(crate) fn keep_rest(&self, event: &mut Event) {
        for (slot, &(name, value)) in self.values.iter().enumerate().filter(|(_, (_, value))| !value.is_absent()) {
            if event.others.len() >= Others::MOST {
                return;
            }
            let name = if name.is_absent() { store(event, names::name_at(slot).as_bytes()) } else { name };
            event.keep(name, value);
        }
    }
}

/// The part of a text that `part`, cut from its bytes, is.
fn cut(text: Text, bytes: &[u8], part: &[u8]) -> Text {
    let start = (part.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize);
    text.slice(start, start.saturating_add(part.len()))
}

fn is_host_name(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.len() <= 253 && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(byte))
}

/// Keeps bytes that the record does not hold as they are.
pub(crate) fn store(event: &mut Event, bytes: &[u8]) -> Text {
    let start = event.decoded.len();
    event.decoded.extend_from_slice(bytes);
    Text::decoded(start, start + bytes.len())
}

/// Keeps a field under a name that the record does not hold.
pub(crate) fn keep(event: &mut Event, name: &[u8], value: Text) {
    if event.others.len() < Others::MOST {
        let name = store(event, name);
        event.keep(name, value);
    }
}

/// With a unit it says so itself; a whole number is of milliseconds, one with a fraction of seconds, as most write them.
fn unit_guessed(written: &[u8]) -> Option<Duration> {
    match number(written) {
        Some(millis) => (millis < 100_000_000_000).then(|| Duration::from_millis(millis)),
        None => duration::with_unit(written).or_else(|| duration::in_seconds(written)),
    }
}
