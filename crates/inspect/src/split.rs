//! A request's parts: path, parameters, the parameters of a referrer, cookies and other headers.

use crate::inspector::Inspector;
use crate::place::Place;

/// Parameters looked at one by one; what follows is looked at as one value.
pub(crate) const MOST: usize = 256;

/// Methods that nothing can be wrong with.
const USUAL: [&[u8]; 3] = [b"GET", b"POST", b"HEAD"];

impl Inspector {
    /// A request's target as asked for: path, and query after `?`.
    pub fn target(&mut self, target: &[u8]) {
        let (path, query) = cut(target, b'?');
        self.remembered(Place::Path, path, |this| this.value(Place::Path, b"", path));
        if let Some(query) = query {
            self.remembered(Place::Value, query, |this| this.query(query, Place::Name, Place::Value));
        }
    }

    /// A request's method, or the line of one that is malformed.
    pub fn line(&mut self, line: &[u8]) {
        if USUAL.contains(&line) {
            return;
        }
        self.remembered(Place::Line, line, |this| this.value(Place::Line, b"", line));
    }

    /// The parameters of a query or a form.
    pub(crate) fn query(&mut self, query: &[u8], names: Place, values: Place) {
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

    /// Any other header. Cookies are looked at one by one, by name and value.
    pub fn header(&mut self, name: &[u8], value: &[u8]) {
        if !name.ends_with(b"cookie") && !name.ends_with(b"Cookie") {
            return self.value(Place::Header, name, value);
        }
        let mut rest = Some(value);
        for _ in 0..MOST {
            let Some(text) = rest else { return };
            let (cookie, after) = cut(text, b';');
            rest = after;
            match cut(cookie.trim_ascii(), b'=') {
                (name, Some(value)) => {
                    self.value(Place::Name, b"", name);
                    self.value(Place::Header, name, value);
                }
                (lone, None) => self.value(Place::Header, b"", lone),
            }
        }
    }
}

/// Before and after the first `sign`.
pub(crate) fn cut(text: &[u8], sign: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&byte| byte == sign) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}
