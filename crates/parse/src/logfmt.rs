//! logfmt: `level=info msg="started worker" took=12ms`.

use lapwing_model::{Event, Text};

use crate::draft::{Draft, store};
use crate::line::{Line, skip_spaces};
use crate::names::Slot;
use crate::{Format, Outcome, Tools};

#[derive(Debug)]
pub(crate) struct Logfmt;

impl Logfmt {
    pub(crate) fn build() -> Box<dyn Format> {
        Box::new(Logfmt)
    }
}

const NAME: &str = "logfmt";

impl Format for Logfmt {
    fn read(&mut self, line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Outcome {
        read(line, event, tools)
    }
}

/// A key and its value, and whether the value was quoted and holds escapes.
struct Pair<'a> {
    key: &'a [u8],
    value: &'a [u8],
    escaped: bool,
}

/// Reads a line that consists of pairs, wherever it lies. Text that merely begins with a pair is none.
pub(crate) fn read(line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Outcome {
    if !is_logfmt(line.bytes) {
        return Ok(None);
    }
    let mut draft = Draft::default();
    let mut rest = skip_spaces(line.bytes);
    while let Some((pair, after)) = pair(rest).or_else(|| bare(rest)) {
        let value = value(line, &pair, event);
        let slot = tools.names.slot(pair.key);
        if !slot.is_some_and(|slot| draft.put(slot, line.text(pair.key), value)) {
            event.keep(line.text(pair.key), value);
        }
        rest = skip_spaces(after);
    }
    if draft.has(Slot::Container) && !draft.has(Slot::Message) {
        let wrapped = draft.take(Slot::Container);
        draft.put(Slot::Message, Text::ABSENT, wrapped);
    }
    draft.tell(event, tools);
    Ok(Some(NAME))
}

/// Whether all that the line consists of are pairs, at least two; one word in eight may be bare.
fn is_logfmt(bytes: &[u8]) -> bool {
    let (mut pairs, mut bares) = (0, 0);
    let mut rest = skip_spaces(bytes);
    while !rest.is_empty() {
        match pair(rest) {
            Some((_, after)) => {
                pairs += 1;
                rest = after;
            }
            None if pairs < 2 => return false,
            None => {
                bares += 1;
                let Some((_, after)) = bare(rest) else { return false };
                rest = after;
            }
        }
        if bares * 8 > pairs {
            return false;
        }
        rest = skip_spaces(rest);
    }
    pairs >= 2
}

/// `key=value`, `key="a value"`, `key=`.
fn pair(bytes: &[u8]) -> Option<(Pair<'_>, &[u8])> {
    let length = bytes.iter().take(128).take_while(|byte| byte.is_ascii_alphanumeric() || b"_.-/@$".contains(byte)).count();
    if length == 0 || bytes.get(length) != Some(&b'=') {
        return None;
    }
    let (key, value) = (&bytes[..length], &bytes[length + 1..]);
    if let Some(quoted) = value.strip_prefix(b"\"") {
        let (end, escaped) = closing(quoted)?;
        let after = &quoted[end + 1..];
        let boundary = after.first().is_none_or(|byte| matches!(byte, b' ' | b'\t' | b','));
        return boundary.then_some((Pair { key, value: &quoted[..end], escaped }, after));
    }
    let end = memchr::memchr2(b' ', b'\t', value).unwrap_or(value.len());
    Some((Pair { key, value: &value[..end], escaped: false }, &value[end..]))
}

/// A key alone: it is there.
fn bare(bytes: &[u8]) -> Option<(Pair<'_>, &[u8])> {
    let end = memchr::memchr2(b' ', b'\t', bytes).unwrap_or(bytes.len());
    (end > 0).then(|| (Pair { key: &bytes[..end], value: &bytes[end..end], escaped: false }, &bytes[end..]))
}

/// Where a quoted value ends, and whether there are escapes in it.
fn closing(quoted: &[u8]) -> Option<(usize, bool)> {
    let mut at = 0;
    let mut escaped = false;
    loop {
        at += memchr::memchr2(b'"', b'\\', quoted.get(at..)?)?;
        if quoted[at] == b'"' {
            return Some((at, escaped));
        }
        escaped = true;
        at += 2;
    }
}

fn value(line: Line<'_>, pair: &Pair<'_>, event: &mut Event) -> Text {
    if !pair.escaped {
        return line.text(pair.value);
    }
    let mut plain = Vec::with_capacity(pair.value.len());
    let mut bytes = pair.value.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'r') => b'\r',
                Some(&other) => other,
                None => byte,
            },
            _ => byte,
        });
    }
    store(event, &plain)
}

#[cfg(test)]
mod tests;
