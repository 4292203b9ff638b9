use lapwing_model::Text;

/// A line to read, and where it lies: in the record as it came, or in what was decoded from it (a container's log line is
/// a JSON string that holds a line of any other format).
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    pub bytes: &'a [u8],
    base: usize,
    decoded: bool,
}

impl<'a> Line<'a> {
    /// A line that begins `base` bytes into the raw record.
    #[must_use]
    pub fn raw(bytes: &'a [u8], base: usize) -> Self {
        Line { bytes, base, decoded: false }
    }

    /// A copy of what lies in the decoded bytes of the event, from `base` on.
    #[must_use]
    pub fn decoded(bytes: &'a [u8], base: usize) -> Self {
        Line { bytes, base, decoded: true }
    }

    /// The text that `part` is; [`Text::ABSENT`] where `part` was not cut from this line.
    #[inline]
    #[must_use]
    pub fn text(&self, part: &[u8]) -> Text {
        let start = (part.as_ptr() as usize).wrapping_sub(self.bytes.as_ptr() as usize);
        if start > self.bytes.len() || part.len() > self.bytes.len() - start {
            return Text::ABSENT;
        }
        let start = self.base + start;
        if self.decoded { Text::decoded(start, start + part.len()) } else { Text::raw(start, start + part.len()) }
    }

    /// The same for a part that means nothing when it is empty or `-`.
    #[inline]
    #[must_use]
    pub fn said(&self, part: &[u8]) -> Text {
        if matches!(part, b"" | b"-") { Text::ABSENT } else { self.text(part) }
    }

    /// The part of this line that lies at `part`. All of it where `part` was not cut from it.
    #[must_use]
    pub fn within(&self, part: &[u8]) -> Line<'a> {
        let start = (part.as_ptr() as usize).wrapping_sub(self.bytes.as_ptr() as usize);
        match self.bytes.get(start..start.saturating_add(part.len())) {
            Some(bytes) => Line { bytes, base: self.base + start, decoded: self.decoded },
            None => *self,
        }
    }
}

/// Splits at the first space; the rest is without the spaces that lead it. Most words are so short that looking at their bytes one
/// by one is cheapest.
#[inline]
pub(crate) fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|&byte| byte == b' ') {
        Some(at) => (&bytes[..at], skip_spaces(&bytes[at..])),
        None => (bytes, &[]),
    }
}

#[inline]
pub(crate) fn skip_spaces(bytes: &[u8]) -> &[u8] {
    let blank = bytes.iter().take_while(|&&byte| byte == b' ' || byte == b'\t').count();
    &bytes[blank..]
}

/// The number that all of `digits` are; none where there is another byte or more than 19 of them.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_line_is_a_text_of_the_buffer_the_line_lies_in() {
        let raw = b"head GET /";
        let line = Line::raw(&raw[5..], 5);
        assert_eq!(line.text(&line.bytes[0..3]), Text::raw(5, 8));
        assert_eq!(line.within(&line.bytes[4..]).text(&line.bytes[4..5]), Text::raw(9, 10));
        assert_eq!(Line::decoded(raw, 7).text(&raw[1..2]), Text::decoded(8, 9));
    }

    #[test]
    fn a_part_of_something_else_is_absent() {
        let raw = b"some line".to_vec();
        let other = b"another line that is longer".to_vec();
        assert!(Line::raw(&raw, 0).text(&other[3..20]).is_absent());
    }

    #[test]
    fn numbers_are_digits_only() {
        assert_eq!(number(b"0042"), Some(42));
        assert_eq!(number(b""), None);
        assert_eq!(number(b"4 2"), None);
        assert_eq!(number(b"99999999999999999999"), None);
    }
}
