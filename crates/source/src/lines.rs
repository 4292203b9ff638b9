//! Cuts a stream of bytes into lines, without copying: a line is a slice of the chunk that it came in. Only a line that
//! begins in one chunk and ends in another is copied.

use bytes::Bytes;
use lapwing_model::Position;
use memchr::memchr;

/// The longest line that is kept whole, where settings do not say: 1 MiB.
pub const MAX_LINE: usize = 1 << 20;

/// One line, without its `\n` or `\r\n`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub body: Bytes,
    /// Where it begins.
    pub position: Position,
    /// It was longer than allowed: `body` is its head, the rest is gone.
    pub cut: bool,
}

/// The framer: chunks in, lines out.
///
/// Feed a chunk, take lines until there are none, feed the next one; at the end of the input, [`Framer::finish`] gives what
/// came after the last newline. However the input is cut into chunks, the lines are the same.
#[derive(Debug)]
pub struct Framer {
    max: usize,
    chunk: Bytes,
    /// Where in `chunk` the next line begins.
    cursor: usize,
    /// The beginning of a line that has not ended yet: at most `max + 1` bytes, so that a `\r` at the very end shows.
    head: Vec<u8>,
    /// How long that line is so far, with what is skipped of it.
    length: u64,
    /// Where the next line begins.
    next: Position,
    too_long: u64,
}

impl Framer {
    /// Lines of up to `max` bytes are kept whole (at least one byte).
    #[must_use]
    pub fn new(max: usize) -> Framer {
        Framer::starting_at(Position { offset: 0, line: 1 }, max)
    }

    /// For input of which a part has been read before.
    #[must_use]
    pub fn starting_at(next: Position, max: usize) -> Framer {
        let max = max.clamp(1, usize::MAX - 1);
        Framer { max, chunk: Bytes::new(), cursor: 0, head: Vec::new(), length: 0, next, too_long: 0 }
    }

    /// Gives the framer more to cut. Lines of the chunk before that were not taken yet come first.
    pub fn feed(&mut self, chunk: Bytes) {
        if self.cursor < self.chunk.len() {
            self.chunk = [&self.chunk[self.cursor..], &chunk].concat().into();
        } else {
            self.chunk = chunk;
        }
        self.cursor = 0;
    }

    /// The next line that is there whole.
    #[inline]
    pub fn next_line(&mut self) -> Option<Line> {
        let rest = &self.chunk[self.cursor..];
        let Some(len) = memchr(b'\n', rest) else {
            self.keep_rest();
            return None;
        };
        if self.length > 0 {
            self.append(len);
            self.cursor += 1;
            return Some(self.across_chunks(1));
        }
        let (end, cut) = bounds(&rest[..len], len as u64, self.max);
        let body = self.chunk.slice(self.cursor..self.cursor + end);
        self.cursor += len + 1;
        Some(self.line(body, cut, len as u64 + 1))
    }

    /// What came after the last newline, at the end of the input.
    pub fn finish(&mut self) -> Option<Line> {
        if let Some(line) = self.next_line() {
            return Some(line);
        }
        (self.length > 0).then(|| self.across_chunks(0))
    }

    /// Where the next line begins: what is before has been given out.
    #[must_use]
    pub fn position(&self) -> Position {
        self.next
    }

    /// Counts bytes before the next chunk that are no part of any line.
    pub(crate) fn skip(&mut self, bytes: u64) {
        self.next.offset += bytes;
    }

    /// How many bytes are kept of a line that has not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.head.len()
    }

    /// Changes the longest length for the lines to come, and for the one that has begun.
    pub fn limit(&mut self, max: usize) {
        self.max = max.clamp(1, usize::MAX - 1);
    }

    /// How many lines were cut since the last call.
    pub fn take_too_long(&mut self) -> u64 {
        std::mem::take(&mut self.too_long)
    }

    fn keep_rest(&mut self) {
        self.append(self.chunk.len() - self.cursor);
        self.chunk = Bytes::new();
        self.cursor = 0;
    }

    /// Moves `len` bytes of the chunk to the line that has begun, as far as it may grow.
    fn append(&mut self, len: usize) {
        let room = (self.max + 1).saturating_sub(self.head.len());
        self.head.extend_from_slice(&self.chunk[self.cursor..self.cursor + len.min(room)]);
        self.length += len as u64;
        self.cursor += len;
    }

    /// The line that began in an earlier chunk; `newline` is the length of what ended it.
    fn across_chunks(&mut self, newline: u64) -> Line {
        let length = std::mem::take(&mut self.length);
        let mut head = std::mem::take(&mut self.head);
        let (end, cut) = bounds(&head, length, self.max);
        head.truncate(end);
        self.line(head.into(), cut, length + newline)
    }

    #[inline]
    fn line(&mut self, body: Bytes, cut: bool, consumed: u64) -> Line {
        let position = self.next;
        self.next = Position { offset: position.offset + consumed, line: position.line + 1 };
        self.too_long += u64::from(cut);
        Line { body, position, cut }
    }
}

/// How much of a line is its body, and whether that is less than there was. `kept` is what there is of its `length` bytes.
#[inline]
fn bounds(kept: &[u8], length: u64, max: usize) -> (usize, bool) {
    if (kept.len() as u64) < length {
        return (kept.len().min(max), true);
    }
    let body = kept.len() - usize::from(kept.last() == Some(&b'\r'));
    (body.min(max), body > max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(framer: &mut Framer, chunks: &[&[u8]]) -> Vec<Line> {
        let mut lines = Vec::new();
        for chunk in chunks {
            framer.feed(Bytes::copy_from_slice(chunk));
            lines.extend(std::iter::from_fn(|| framer.next_line()));
        }
        lines.extend(framer.finish());
        lines
    }

    /// What a framer should give, said in the plainest way.
    fn split(input: &[u8], max: usize) -> Vec<Line> {
        let (mut lines, mut offset) = (Vec::new(), 0);
        for (i, piece) in input.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let body = piece.strip_suffix(b"\n").unwrap_or(piece);
            let body = body.strip_suffix(b"\r").unwrap_or(body);
            let position = Position { offset, line: i as u64 + 1 };
            let cut = body.len() > max;
            lines.push(Line { body: Bytes::copy_from_slice(&body[..body.len().min(max)]), position, cut });
            offset += piece.len() as u64;
        }
        lines
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_lines_of_a_split(
            input in "[ab\r\n]{0,60}", cuts in proptest::collection::vec(0usize..60, 0..8), max in 1usize..12,
        ) {
            let input = input.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).chain([0, input.len()]).collect();
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
            let mut framer = Framer::new(max);
            let lines = all(&mut framer, &chunks);
            let expected = split(input, max);
            prop_assert_eq!(framer.take_too_long(), expected.iter().filter(|line| line.cut).count() as u64);
            prop_assert_eq!(framer.position().offset, input.len() as u64);
            prop_assert_eq!(lines, expected);
        }
    }

    #[test]
    fn a_line_within_one_chunk_is_not_copied() {
        let chunk = Bytes::from_static(b"first\r\nsecond\n");
        let mut framer = Framer::new(MAX_LINE);
        framer.feed(chunk.clone());
        assert_eq!(framer.next_line().unwrap().body.as_ptr(), chunk.as_ptr());
        assert_eq!(framer.next_line().unwrap().body.as_ptr(), chunk[7..].as_ptr());
        assert_eq!(framer.next_line(), None);
    }

    #[test]
    fn a_chunk_fed_too_early_loses_nothing() {
        let mut framer = Framer::new(MAX_LINE);
        framer.feed(Bytes::from_static(b"a\nb"));
        framer.feed(Bytes::from_static(b"c\n"));
        assert_eq!(framer.next_line().unwrap().body, "a");
        assert_eq!(framer.next_line().unwrap().body, "bc");
    }

    #[test]
    fn a_gibibyte_without_newline_keeps_its_head_only() {
        let chunk = Bytes::from(vec![0_u8; 1 << 20]);
        let mut framer = Framer::new(1 << 16);
        for _ in 0..1_024 {
            framer.feed(chunk.clone());
            assert_eq!(framer.next_line(), None);
            assert!(framer.pending() <= (1 << 16) + 1 && framer.head.capacity() <= 1 << 18);
        }
        let line = framer.finish().unwrap();
        assert!(line.cut && line.body.len() == 1 << 16);
        assert_eq!((framer.position().offset, framer.take_too_long()), (1 << 30, 1));
    }

    #[test]
    fn a_limit_that_is_lowered_cuts_the_line_that_has_begun() {
        let mut framer = Framer::new(100);
        framer.feed(Bytes::from_static(&[b'x'; 50]));
        assert_eq!(framer.next_line(), None);
        framer.limit(10);
        framer.feed(Bytes::from_static(b"y\nz\n"));
        let line = framer.next_line().unwrap();
        assert!(line.cut && line.body == "xxxxxxxxxx");
        assert_eq!(framer.next_line().unwrap().body, "z");
    }
}
