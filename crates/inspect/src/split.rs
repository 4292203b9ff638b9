//! A request's parts: path, parameters, the parameters of a referrer, the values of a body.

use crate::inspector::Inspector;
use crate::place::Place;

/// Parameters looked at one by one; what follows is looked at as one value.
const MOST: usize = 256;

impl Inspector {
    /// A request's target as asked for: path, and query after `?`.
    pub fn target(&mut self, target: &[u8]) {
        let (path, query) = cut(target, b'?');
        self.remembered(Place::Path, path, |this| this.value(Place::Path, b"", path));
        if let Some(query) = query {
            self.query(query, Place::Name, Place::Value);
        }
    }

    /// The parameters of a query or a form.
    fn query(&mut self, query: &[u8], names: Place, values: Place) {
        let mut rest = Some(query);
        let mut odd = false;
        for _ in 0..MOST {
            let Some(text) = rest else { break };
            let (parameter, after) = cut(text, b'&');
            rest = after;
            match cut(parameter, b'=') {
                (name, Some(value)) => {
                    self.value(names, b"", name);
                    self.value(values, name, value);
                }
                (lone, None) => {
                    odd |= !lone.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
                    odd |= lone.is_empty() && after.is_some();
                    self.value(values, b"", lone);
                }
            }
        }
        // An `&` that is part of an attack (`a&&b`, `&#x3c;`) tore it apart.
        if odd && query.contains(&b'&') {
            self.value(values, b"", query);
        }
        if let Some(rest) = rest {
            self.value(values, b"", rest);
        }
    }

    /// Where the client says that it comes from: an address of another site, with parameters of its own.
    pub fn referrer(&mut self, referrer: &[u8]) {
        self.remembered(Place::Referrer, referrer, |this| this.look_at_referrer(referrer));
    }

    fn look_at_referrer(&mut self, referrer: &[u8]) {
        let (page, query) = cut(referrer, b'?');
        self.value(Place::Referrer, b"", page);
        if let Some(query) = query {
            self.query(query, Place::Referrer, Place::Referrer);
        }
    }

    pub fn agent(&mut self, agent: &[u8]) {
        self.remembered(Place::Agent, agent, |this| this.value(Place::Agent, b"", agent));
    }

    /// A body: a form's parameters, JSON's names and values, else as it is.
    pub fn body(&mut self, body: &[u8]) {
        let start = body.trim_ascii_start();
        match start.first() {
            None => {}
            Some(b'{' | b'[') => {
                self.json(start);
                self.value(Place::Body, b"", body);
            }
            Some(_) if is_form(start) => self.query(start, Place::Name, Place::Value),
            Some(_) => self.value(Place::Body, b"", body),
        }
    }

    /// The strings of a JSON text.
    fn json(&mut self, text: &[u8]) {
        let mut name: &[u8] = b"";
        let mut at = 0;
        for _ in 0..2 * MOST {
            let Some(open) = text[at..].iter().position(|&byte| byte == b'"') else { return };
            let start = at + open + 1;
            let end = string_end(text, start);
            let string = &text[start..end];
            at = (end + 1).min(text.len());
            if text[at..].trim_ascii_start().first() == Some(&b':') {
                name = string;
                self.value(Place::Name, b"", string);
            } else {
                self.value(Place::Value, name, string);
            }
        }
    }
}

fn string_end(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at.min(text.len())
}

/// Whether a body begins as forms do: a name, then `=`.
fn is_form(body: &[u8]) -> bool {
    let name =
        body.iter().take(100).take_while(|byte| !matches!(**byte, b'=' | b'<' | b'>' | b' ' | b'\r' | b'\n' | b'"')).count();
    body.get(name) == Some(&b'=')
}

/// Before and after the first `sign`.
fn cut(text: &[u8], sign: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&byte| byte == sign) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}
