use serde::{Deserialize, Serialize};

use super::leaves::{Keys, path_keys, text_keys};
use super::paths;
use super::shapes::shape_of;
use super::tokens::{LEARNED, Token, VALUE, walk};

/// How much of the first text of a template is kept, in bytes.
const MAX_EXAMPLE: usize = 1024;
const MAX_METHOD: usize = 32;

/// What is mined: the text of a log line, or a web request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mined<'t> {
    Text(&'t [u8]),
    /// `path` may have a query, which is not looked at.
    Path {
        method: &'t [u8],
        path: &'t [u8],
    },
}

impl<'t> Mined<'t> {
    /// The hash of it with its values masked: [`super::skeleton`] or [`super::path_skeleton`].
    #[must_use]
    pub fn skeleton(self) -> u64 {
        match self {
            Mined::Text(text) => super::skeleton(text),
            Mined::Path { method, path } => super::path_skeleton(method, path),
        }
    }

    /// The text that the spans of its tokens are of.
    pub(super) const fn body(self) -> &'t [u8] {
        match self {
            Mined::Text(text) => text,
            Mined::Path { path, .. } => path,
        }
    }

    pub(super) fn tokens(self, tokens: &mut Vec<Token>) {
        tokens.clear();
        match self {
            Mined::Text(text) => walk(text, |token| tokens.push(token)),
            Mined::Path { method, path } => paths::walk(method, path, |token| tokens.push(token)),
        }
    }

    /// The shape of each token, in order.
    pub(super) fn shapes(self, tokens: &[Token], shapes: &mut Vec<u8>) {
        shapes.clear();
        let Mined::Text(text) = self else {
            shapes.resize(tokens.len(), 0);
            return;
        };
        let before = std::iter::once(None).chain(tokens.iter().map(|token| Some(*token)));
        shapes.extend(tokens.iter().zip(before).map(|(token, before)| shape_of(text, *token, before)));
    }

    fn example(self) -> Box<[u8]> {
        match self {
            Mined::Text(text) => text[..text.len().min(MAX_EXAMPLE)].into(),
            Mined::Path { method, path } => {
                [&method[..method.len().min(MAX_METHOD)], b" ", &path[..path.len().min(MAX_EXAMPLE)]].concat().into()
            }
        }
    }
}

/// A pattern of texts: words that stay, and places of values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The skeleton it was made from; never 0.
    pub id: u64,
    /// How many texts were put under it.
    pub count: u64,
    /// The first text, cut to 1 KiB, or `METHOD /path`; as it came, not made safe for showing.
    pub example: Box<[u8]>,
    pub(super) is_path: bool,
    /// When it was made and last used, in texts since the miner began.
    pub(super) made: u64,
    pub(super) used: u64,
    /// Hashes of words, [`VALUE`] or [`LEARNED`].
    pub(super) parts: Box<[u64]>,
    /// A shape per part.
    pub(super) shapes: Box<[u8]>,
}

impl Template {
    pub(super) fn new(id: u64, mined: Mined<'_>, parts: &[u64], shapes: &[u8], now: u64) -> Template {
        let is_path = matches!(mined, Mined::Path { .. });
        Template {
            id,
            count: 1,
            example: mined.example(),
            is_path,
            made: now,
            used: now,
            parts: parts.into(),
            shapes: shapes.into(),
        }
    }

    pub(super) fn keys(&self) -> Keys {
        if self.is_path { path_keys(&self.parts) } else { text_keys(&self.parts) }
    }

    /// Makes a value of every place where `line` has something else.
    pub(super) fn widen(&mut self, line: &[u64]) {
        for (part, token) in self.parts.iter_mut().zip(line) {
            if part != token {
                *part = LEARNED;
            }
        }
    }

    /// The pattern for people: the first text, with `<*>` for what varies. Not made safe for showing.
    #[must_use]
    pub fn text(&self) -> String {
        let first = self.first();
        let body = first.body();
        let mut text = Vec::with_capacity(body.len() + 8);
        if let Mined::Path { method, .. } = first {
            text.extend_from_slice(method);
            text.push(b' ');
        }
        let mut done = 0;
        for (start, end) in self.spans(first) {
            text.extend_from_slice(body.get(done..start).unwrap_or_default());
            text.extend_from_slice(b"<*>");
            done = end.max(done);
        }
        // A pattern is of the first line, and a path without its query.
        let rest = body.get(done..).unwrap_or_default();
        let end = rest.iter().position(|byte| if self.is_path { matches!(byte, b'?' | b'#') } else { *byte == b'\n' });
        text.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// What stands in `mined` where this template has `<*>`; empty where the two do not fit.
    #[must_use]
    pub fn parameters<'t>(&self, mined: Mined<'t>) -> Vec<&'t [u8]> {
        let body = mined.body();
        self.spans(mined).into_iter().map(|(start, end)| body.get(start..end).unwrap_or_default()).collect()
    }

    fn first(&self) -> Mined<'_> {
        if !self.is_path {
            return Mined::Text(&self.example);
        }
        let space = self.example.iter().position(|byte| *byte == b' ').unwrap_or(0);
        Mined::Path { method: &self.example[..space], path: self.example.get(space + 1..).unwrap_or_default() }
    }

    /// The spans of what stands at the places of this template's values, in order.
    fn spans(&self, mined: Mined<'_>) -> Vec<(usize, usize)> {
        let mut tokens = Vec::with_capacity(self.parts.len());
        mined.tokens(&mut tokens);
        let is_value = |part: &u64| *part == VALUE || *part == LEARNED;
        if tokens.len() == self.parts.len() {
            let pairs = self.parts.iter().zip(&tokens).filter(|(part, token)| is_value(part) || token.hash == VALUE);
            return pairs.map(|(_, token)| (token.start as usize, token.end as usize)).collect();
        }
        // A value may be made of several tokens, `LOCAL(0)`: it goes to the next word that the template has.
        let mut spans = Vec::new();
        let mut rest = tokens.as_slice();
        for (place, part) in self.parts.iter().enumerate() {
            let Some(first) = rest.first() else { break };
            let length = if is_value(part) {
                let next = self.parts[place + 1..].iter().find(|part| !is_value(part));
                let length = next.and_then(|next| rest.iter().position(|token| token.hash == *next)).unwrap_or(rest.len());
                spans.extend(rest[..length].last().map(|last| (first.start as usize, last.end as usize)));
                length
            } else {
                1
            };
            rest = &rest[length..];
        }
        spans
    }
}
