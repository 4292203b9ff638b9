//! The tokens of JSON (RFC 8259), as texts: of the line or, where a string has escapes, of the bytes decoded from it. Lenient where it costs nothing: control characters in strings and bytes that
//! are no UTF-8 are kept as they are, because attackers send them and the line must be read all the same.

use lapwing_model::Text;
use memchr::memchr2;

use crate::line::Line;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

#[derive(Debug)]
pub(super) struct Lexer<'a> {
    line: Line<'a>,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(line: Line<'a>) -> Self {
        Lexer { line, bytes: line.bytes, at: 0 }
    }

    fn plain(&self, start: usize, end: usize) -> Text {
        self.line.text(&self.bytes[start..end])
    }

    /// The next byte that is no blank.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.eat(byte) { Ok(()) } else { Err(Malformed) }
    }

    /// After a member: whether another follows a comma, or `close` ends the list.
    pub(super) fn more(&mut self, close: u8) -> Result<bool, Malformed> {
        if self.eat(b',') {
            return Ok(true);
        }
        self.expect(close).map(|()| false)
    }

    /// Nothing but blanks may be left.
    pub(super) fn end(&mut self) -> Result<(), Malformed> {
        if self.peek().is_none() { Ok(()) } else { Err(Malformed) }
    }

    pub(super) fn string(&mut self, decoded: &mut Vec<u8>) -> Result<Text, Malformed> {
        self.expect(b'"')?;
        let start = self.at;
        let stop = start + memchr2(b'"', b'\\', &self.bytes[start..]).ok_or(Malformed)?;
        if self.bytes[stop] == b'"' {
            self.at = stop + 1;
            return Ok(self.plain(start, stop));
        }
        let begun = decoded.len();
        decoded.extend_from_slice(&self.bytes[start..stop]);
        self.at = stop;
        self.unescape(decoded)?;
        Ok(Text::decoded(begun, decoded.len()))
    }

    /// Decodes the rest of a string, from its first backslash on.
    fn unescape(&mut self, decoded: &mut Vec<u8>) -> Result<(), Malformed> {
        loop {
            let stop = self.at + memchr2(b'"', b'\\', &self.bytes[self.at..]).ok_or(Malformed)?;
            decoded.extend_from_slice(&self.bytes[self.at..stop]);
            self.at = stop + 1;
            if self.bytes[stop] == b'"' {
                return Ok(());
            }
            let escape = *self.bytes.get(self.at).ok_or(Malformed)?;
            self.at += 1;
            decoded.push(match escape {
                b'"' | b'\\' | b'/' => escape,
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'b' => 8,
                b'f' => 12,
                b'u' => {
                    let character = self.unicode()?;
                    decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                // nginx's own `escape=default` writes `\x22`; no JSON, but common.
                b'x' => {
                    let byte = hex(self.bytes.get(self.at..self.at + 2)).ok_or(Malformed)?;
                    self.at += 2;
                    byte as u8
                }
                _ => return Err(Malformed),
            });
        }
    }

    /// `\uXXXX`, and the second half of a surrogate pair. A half that is alone becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, Malformed> {
        let high = hex(self.bytes.get(self.at..self.at + 4)).ok_or(Malformed)?;
        self.at += 4;
        if !(0xD800..0xDC00).contains(&high) || !self.bytes[self.at..].starts_with(b"\\u") {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        match hex(self.bytes.get(self.at + 2..self.at + 6)) {
            Some(low @ 0xDC00..0xE000) => {
                self.at += 6;
                let character = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                Ok(char::from_u32(character).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            _ => Ok(char::REPLACEMENT_CHARACTER),
        }
    }

    /// A string, number, `true` or `false`; nothing for `null`. A list or an object is one value, as it stands.
    pub(super) fn scalar(&mut self, decoded: &mut Vec<u8>) -> Result<Option<Text>, Malformed> {
        match self.peek().ok_or(Malformed)? {
            b'"' => self.string(decoded).map(Some),
            b'{' | b'[' => self.nested().map(Some),
            b'n' => self.literal(b"null").map(|_| None),
            b't' => self.literal(b"true").map(Some),
            b'f' => self.literal(b"false").map(Some),
            _ => self.number().map(Some),
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<Text, Malformed> {
        let start = self.at;
        if !self.bytes[start..].starts_with(word) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(self.plain(start, self.at))
    }

    fn number(&mut self) -> Result<Text, Malformed> {
        let start = self.at;
        let part = |byte: &&u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let length = self.bytes[start..].iter().take_while(part).count();
        self.at += length;
        let digits = self.bytes[start..self.at].iter().any(u8::is_ascii_digit);
        if digits { Ok(self.plain(start, self.at)) } else { Err(Malformed) }
    }

    /// Steps over a list or an object without recursion, however deep it is.
    fn nested(&mut self) -> Result<Text, Malformed> {
        let start = self.at;
        let mut open = Vec::new();
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'{' => open.push(b'}'),
                b'[' => open.push(b']'),
                b'}' | b']' => {
                    if open.pop() != Some(byte) {
                        return Err(Malformed);
                    }
                    if open.is_empty() {
                        return Ok(self.plain(start, self.at));
                    }
                }
                b'"' => self.skip_string()?,
                _ => {}
            }
        }
        Err(Malformed)
    }

    fn skip_string(&mut self) -> Result<(), Malformed> {
        loop {
            let stop = self.at + memchr2(b'"', b'\\', self.bytes.get(self.at..).ok_or(Malformed)?).ok_or(Malformed)?;
            self.at = stop + 1;
            if self.bytes[stop] == b'"' {
                return Ok(());
            }
            self.at += 1;
        }
    }

    /// A list as it stands; the string in it where it holds but one without escapes, as Caddy writes headers.
    pub(super) fn array(&mut self) -> Result<Text, Malformed> {
        self.peek();
        let start = self.at;
        let span = self.nested()?;
        let inner = self.bytes[start + 1..self.at - 1].trim_ascii();
        match inner {
            [b'"', text @ .., b'"'] if memchr2(b'"', b'\\', text).is_none() => {
                let offset = (text.as_ptr() as usize) - (self.bytes.as_ptr() as usize);
                Ok(self.plain(offset, offset + text.len()))
            }
            _ => Ok(span),
        }
    }

    /// Whether the list that comes next is of objects.
    pub(super) fn begins_objects(&mut self) -> bool {
        self.peek() == Some(b'[') && self.bytes[self.at + 1..].trim_ascii_start().first() == Some(&b'{')
    }

    /// The value of the object that comes next if it has one member only, such as `{"stringValue":"x"}`; else all of it.
    pub(super) fn only_member(&mut self, decoded: &mut Vec<u8>) -> Result<Option<Text>, Malformed> {
        let start = self.at;
        let whole = self.nested()?;
        let end = self.at;
        self.at = start + 1;
        let member = self.member_alone(end, decoded);
        self.at = end;
        Ok(member.unwrap_or(Some(whole)))
    }

    fn member_alone(&mut self, end: usize, decoded: &mut Vec<u8>) -> Option<Option<Text>> {
        self.string(decoded).ok()?;
        self.expect(b':').ok()?;
        let value = self.scalar(decoded).ok()?;
        (self.eat(b'}') && self.at == end).then_some(value)
    }
}

fn hex(digits: Option<&[u8]>) -> Option<u32> {
    digits?.iter().try_fold(0, |sum, &digit| Some(sum << 4 | char::from(digit).to_digit(16)?))
}
