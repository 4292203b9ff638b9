use std::io::Write;
use std::net::IpAddr;

/// The name of the pseudo-field in which keyword rules search: everything the event says, usually the raw line.
pub const KEYWORDS: &str = "";

/// One event, as a rule sees it.
pub trait Fields {
    /// The value of the field `field`, an index into [`RuleSet::fields`](crate::RuleSet::fields): the caller resolves the
    /// names once per rule set, not once per event.
    fn get(&self, field: usize) -> Value<'_>;

    /// The kinds that the event is of, one bit each: only rules for these are asked, see
    /// [`RuleSet::compile_for`](crate::RuleSet::compile_for).
    fn kinds(&self) -> u64 {
        u64::MAX
    }
}

/// What a field holds. Borrowed from the event: nothing is copied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// The event has no such field (Sigma: `null`).
    Absent,
    /// Bytes as they came; they need not be UTF-8.
    Text(&'a [u8]),
    Number(f64),
    Address(IpAddr),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Value<'a> {
        Value::Text(text.as_bytes())
    }
}

impl<'a> Value<'a> {
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Value::Absent)
    }

    /// The value as text; `buffer` is used where it has to be written out. Nothing where it is absent.
    pub(crate) fn text<'b>(&self, buffer: &'b mut TextBuffer) -> Option<&'b [u8]>
    where
        'a: 'b,
    {
        match self {
            Value::Absent => None,
            Value::Text(text) => Some(text),
            Value::Number(number) => Some(buffer.write(|out| write!(out, "{number}"))),
            Value::Address(address) => Some(buffer.write(|out| write!(out, "{address}"))),
        }
    }

    /// The value as a number; text counts if all of it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Text(text) => parse_number(text),
            Value::Absent | Value::Address(_) => None,
        }
    }

    /// The value as an address; text counts if all of it is one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Value::Address(address) => Some(*address),
            // 45 is the length of the longest textual IPv6 address.
            Value::Text(text) if text.len() <= 45 => std::str::from_utf8(text).ok()?.parse().ok(),
            _ => None,
        }
    }
}

/// Room on the stack to write a number or an address out.
#[derive(Debug)]
pub(crate) struct TextBuffer([u8; 352]);

impl TextBuffer {
    pub(crate) fn new() -> TextBuffer {
        TextBuffer([0; 352])
    }

    /// A number too long for the buffer (only fractions below 1e-340) is cut; no rule can mean such a text.
    fn write(&mut self, write: impl FnOnce(&mut &mut [u8]) -> std::io::Result<()>) -> &[u8] {
        let room = self.0.len();
        let mut rest = &mut self.0[..];
        let _ = write(&mut rest);
        let used = room - rest.len();
        &self.0[..used]
    }
}

/// Decimal text as a number. Signs, a point and an exponent are understood; `inf`, `nan` and hexadecimal are not numbers.
pub(crate) fn parse_number(text: &[u8]) -> Option<f64> {
    let first = *text.first()?;
    if text.len() > 40 || !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return None;
    }
    if text.len() <= 15 && text.iter().all(u8::is_ascii_digit) {
        let digits = text.iter().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
        return Some(digits as f64);
    }
    if !text.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_wholly_a_number_is_a_number() {
        for (text, number) in [("404", 404.0), ("0404", 404.0), ("-1.5", -1.5), ("1e3", 1000.0)] {
            assert_eq!(parse_number(text.as_bytes()), Some(number), "{text}");
        }
        for text in ["", "40x", "inf", "NaN", "0x10", " 4", "-", "1e", "١"] {
            assert_eq!(parse_number(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_and_addresses_read_as_people_write_them() {
        let mut buffer = TextBuffer::new();
        assert_eq!(Value::Number(404.0).text(&mut buffer), Some(&b"404"[..]));
        let address = Value::Address("2001:db8::1".parse().unwrap());
        assert_eq!(address.text(&mut buffer), Some(&b"2001:db8::1"[..]));
        assert_eq!(Value::Number(f64::MAX).text(&mut buffer).map(<[u8]>::len), Some(309));
    }
}
