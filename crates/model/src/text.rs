/// A piece of text of one event: a span into the event's raw bytes or, where decoding changed it, into its decoded bytes.
///
/// Eight bytes, copied freely, nothing allocated: a field that allocates is the difference between 200 k and 1 M lines a
/// second. [`Event::text`](crate::Event::text) turns it into bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    start: u32,
    len: u32,
}

/// The top bit of `start` says that the span lies in the decoded bytes.
const DECODED: u32 = 1 << 31;

impl Text {
    /// The field is not there (which is not the same as there and empty).
    pub const ABSENT: Text = Text { start: u32::MAX, len: 0 };

    /// The bytes `start..end` of the raw record. [`Text::ABSENT`] where the span is reversed or beyond 2 GiB.
    #[must_use]
    pub const fn raw(start: usize, end: usize) -> Text {
        if end < start || end >= DECODED as usize {
            return Text::ABSENT;
        }
        Text { start: start as u32, len: (end - start) as u32 }
    }

    /// The bytes `start..end` of the decoded buffer. [`Text::ABSENT`] where the span is reversed or beyond 2 GiB.
    #[must_use]
    pub const fn decoded(start: usize, end: usize) -> Text {
        if end < start || end >= DECODED as usize - 1 {
            return Text::ABSENT;
        }
        Text { start: start as u32 | DECODED, len: (end - start) as u32 }
    }

    #[inline]
    #[must_use]
    pub const fn is_absent(self) -> bool {
        self.start == u32::MAX
    }

    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    #[inline]
    #[must_use]
    pub const fn len(self) -> usize {
        self.len as usize
    }

    /// Where this text begins in the raw bytes; nothing for decoded and absent text.
    #[must_use]
    pub const fn raw_start(self) -> Option<usize> {
        if self.start & DECODED == 0 { Some(self.start as usize) } else { None }
    }

    /// A part of this text, by offsets from its start. [`Text::ABSENT`] where that is not within it.
    #[must_use]
    pub const fn slice(self, from: usize, to: usize) -> Text {
        if self.is_absent() || to < from || to > self.len as usize {
            return Text::ABSENT;
        }
        Text { start: self.start + from as u32, len: (to - from) as u32 }
    }

    /// The bytes meant, given both buffers; empty where the text is absent or the buffers are not its own.
    #[must_use]
    #[inline]
    pub fn of<'a>(self, raw: &'a [u8], decoded: &'a [u8]) -> &'a [u8] {
        if self.is_absent() {
            return &[];
        }
        let buffer = if self.start & DECODED == 0 { raw } else { decoded };
        let start = (self.start & !DECODED) as usize;
        buffer.get(start..start + self.len as usize).unwrap_or_default()
    }
}

impl Default for Text {
    fn default() -> Self {
        Text::ABSENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_finds_its_bytes_in_the_buffer_it_was_cut_from() {
        let (raw, decoded) = (b"GET /caf%C3%A9".as_slice(), "café".as_bytes());
        assert_eq!(Text::raw(0, 3).of(raw, decoded), b"GET");
        assert_eq!(Text::decoded(0, 5).of(raw, decoded), "café".as_bytes());
        assert_eq!(Text::raw(4, 14).slice(1, 4).of(raw, decoded), b"caf");
    }

    #[test]
    fn absent_is_not_empty_and_neither_panics_out_of_range() {
        assert!(Text::ABSENT.is_absent());
        assert!(!Text::raw(2, 2).is_absent());
        assert!(Text::raw(3, 2).is_absent());
        assert!(Text::raw(0, usize::MAX).is_absent());
        assert!(Text::raw(0, 3).slice(2, 9).is_absent());
        assert_eq!(Text::raw(5, 50).of(b"short", b""), b"");
    }
}
