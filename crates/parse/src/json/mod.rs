//! JSON objects, one a line: an application's own, ECS (nested or dotted), OpenTelemetry, pino, bunyan, GCP, GELF, the JSON
//! access logs of nginx, Caddy and Traefik, and what container runtimes wrap lines into.
//!
//! Nothing is built: the fields Lapwing knows become texts of the event, the others are kept with their dotted names.
//! Nesting that is deeper than [`DEEPEST`] is kept as it stands; the reader does not recurse into it.

mod lexer;

use lapwing_model::{Event, Others, Text};

use crate::draft::{Draft, store};
use crate::line::Line;
use crate::names::{Names, Slot};
use crate::{Format, Outcome, Tools, container};
use lexer::{Lexer, Malformed};

#[derive(Debug)]
pub(crate) struct Json;

impl Json {
    pub(crate) fn build() -> Box<dyn Format> {
        Box::new(Json)
    }
}

const BROKEN: &str = "broken-json";
const DEEPEST: usize = 16;

impl Format for Json {
    fn read(&mut self, line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Outcome {
        read(line, event, tools)
    }
}

/// Reads a line that is a JSON object, wherever it lies.
pub(crate) fn read(line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Outcome {
    let bytes = line.bytes.trim_ascii();
    if !begins_object(bytes) {
        return Ok(None);
    }
    let (fields, decoded) = (event.others.len(), event.decoded.len());
    let mut path = std::mem::take(&mut tools.path);
    path.clear();
    let mut reader = Reader { lexer: Lexer::new(line.within(bytes)), event, names: &tools.names, path, draft: Draft::default() };
    let read = reader.object(0).and_then(|()| reader.lexer.end());
    let draft = std::mem::take(&mut reader.draft);
    tools.path = std::mem::take(&mut reader.path);
    if read.is_err() {
        event.others.truncate(fields);
        event.decoded.truncate(decoded);
        return Err(BROKEN);
    }
    if draft.has(Slot::Container) && !draft.has(Slot::Message) && !draft.has(Slot::Method) {
        return Ok(Some(unwrap(draft, event, tools)));
    }
    draft.tell(event, tools);
    Ok(Some("json"))
}

/// `{"` or `{}`: text may begin with a brace too.
fn begins_object(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'{') && matches!(bytes[1..].trim_ascii_start().first(), Some(b'"' | b'}'))
}

/// `{"log":"...\n","stream":"stdout","time":"..."}`: the line that is wrapped is read as what it is. The runtime's time is
/// the better one: it has a zone.
fn unwrap(mut draft: Draft, event: &mut Event, tools: &mut Tools) -> &'static str {
    let name = if draft.has(Slot::Stream) { "docker" } else { "json" };
    let wrapped = draft.take(Slot::Container);
    let mut inner = std::mem::take(&mut tools.inner);
    inner.clear();
    inner.extend_from_slice(event.text(wrapped).trim_ascii_end());
    let in_decoded = (event.text(wrapped).as_ptr() as usize).wrapping_sub(event.decoded.as_ptr() as usize);
    let line = match wrapped.raw_start() {
        Some(start) => Line::raw(&inner, start),
        None => Line::decoded(&inner, in_decoded),
    };
    container::wrapped(line, event, tools);
    tools.inner = inner;
    draft.time(event, tools);
    draft.level(event);
    draft.whom(event);
    draft.keep_rest(event);
    name
}

struct Reader<'l, 'r> {
    lexer: Lexer<'l>,
    event: &'r mut Event,
    names: &'r Names,
    /// The dotted name of the object that is being read; empty at the top.
    path: Vec<u8>,
    draft: Draft,
}

impl Reader<'_, '_> {
    fn object(&mut self, depth: usize) -> Result<(), Malformed> {
        self.lexer.expect(b'{')?;
        if self.lexer.eat(b'}') {
            return Ok(());
        }
        loop {
            let key = self.lexer.string(&mut self.event.decoded)?;
            self.lexer.expect(b':')?;
            self.member(key, depth)?;
            if !self.lexer.more(b'}')? {
                return Ok(());
            }
        }
    }

    fn member(&mut self, key: Text, depth: usize) -> Result<(), Malformed> {
        match self.lexer.peek() {
            Some(b'{') if depth + 1 < DEEPEST => {
                let before = self.path.len();
                self.descend(key);
                self.object(depth + 1)?;
                self.path.truncate(before);
                Ok(())
            }
            Some(b'[') if self.is_open(key) && self.lexer.begins_objects() => self.attributes(),
            Some(b'[') => {
                let span = self.lexer.array()?;
                self.tell(key, span);
                Ok(())
            }
            _ => {
                if let Some(value) = self.lexer.scalar(&mut self.event.decoded)? {
                    self.tell(key, value);
                }
                Ok(())
            }
        }
    }

    /// Makes the path that of a member. OpenTelemetry's and other containers of fields are not part of a field's name.
    fn descend(&mut self, key: Text) {
        if self.is_open(key) {
            return;
        }
        if !self.path.is_empty() {
            self.path.push(b'.');
        }
        self.path.extend_from_slice(self.event.text(key));
    }

    fn is_open(&self, key: Text) -> bool {
        const OPEN: [&[u8]; 10] = [
            b"Attributes",
            b"attributes",
            b"Resource",
            b"resource",
            b"ResourceAttributes",
            b"LogAttributes",
            b"fields",
            b"jsonPayload",
            b"value",
            b"@fields",
        ];
        self.path.is_empty() && OPEN.contains(&self.event.text(key))
    }

    /// Tells the draft of a field, or keeps it if its name says nothing to Lapwing.
    fn tell(&mut self, key: Text, value: Text) {
        const TYPED: [&[u8]; 4] = [b"stringValue", b"intValue", b"doubleValue", b"boolValue"];
        if self.path.is_empty() {
            let slot = self.names.slot(self.event.text(key));
            self.put(slot, key, value);
            return;
        }
        let before = self.path.len();
        let name = self.event.text(key);
        if !TYPED.contains(&name) {
            self.path.push(b'.');
            self.path.extend_from_slice(name);
        }
        let slot = self.names.slot(&self.path);
        self.put(slot, Text::ABSENT, value);
        self.path.truncate(before);
    }

    /// A name that is absent is the path.
    fn put(&mut self, slot: Option<Slot>, name: Text, value: Text) {
        if slot.is_some_and(|slot| self.draft.put(slot, name, value)) || self.event.others.len() >= Others::MOST {
            return;
        }
        let name = if name.is_absent() { store(self.event, &self.path) } else { name };
        self.event.keep(name, value);
    }

    /// OTLP's `[{"key":"http.request.method","value":{"stringValue":"GET"}}]`.
    fn attributes(&mut self) -> Result<(), Malformed> {
        self.lexer.expect(b'[')?;
        loop {
            self.attribute()?;
            if !self.lexer.more(b']')? {
                return Ok(());
            }
        }
    }

    fn attribute(&mut self) -> Result<(), Malformed> {
        let (mut name, mut value) = (None, None);
        self.lexer.expect(b'{')?;
        while !self.lexer.eat(b'}') {
            let key = self.lexer.string(&mut self.event.decoded)?;
            self.lexer.expect(b':')?;
            match self.event.text(key) {
                b"key" => name = self.lexer.scalar(&mut self.event.decoded)?,
                b"value" if self.lexer.peek() == Some(b'{') => value = self.lexer.only_member(&mut self.event.decoded)?,
                _ => value = self.lexer.scalar(&mut self.event.decoded)?.or(value),
            }
            if !self.lexer.more(b'}')? {
                break;
            }
        }
        if let (Some(name), Some(value)) = (name, value) {
            self.tell(name, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
