//! Cuts a stream into syslog messages: octet-counted as in RFC 5425 and RFC 6587 (`57 <34>1 ...`), or ended by a newline or
//! a NUL; which of them is found out for every message anew, for senders behind one relay differ.
//!
//! However the input is cut into chunks, the messages are the same. A message is a slice of the chunk that it came in; only
//! one that begins in one chunk and ends in another is copied.

use bytes::Bytes;
use lapwing_model::Position;

use crate::lines::Line;

/// A count may have so many digits.
const DIGITS: usize = 8;

/// What is needed to tell a count from text: its digits, a space, and what follows it.
const HEAD: usize = DIGITS + 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a message; what is kept of it may still be a count.
    Start,
    /// So many bytes of a counted message are still to come.
    Counted(usize),
    /// Until a newline or NUL.
    Text,
}

/// What the beginning of a message says of how it is framed.
#[derive(Debug, PartialEq, Eq)]
enum Begin {
    /// The length of the count with its space, and the length of the message.
    Counted(usize, usize),
    Text,
    /// More bytes must come first.
    Open,
}

/// The framer: chunks in, messages out, as [`crate::lines::Framer`] does for lines.
#[derive(Debug)]
pub struct Framer {
    max: usize,
    chunk: Bytes,
    cursor: usize,
    state: State,
    /// The beginning of a message that has not ended: at most `max + 1` bytes.
    head: Vec<u8>,
    /// How long that message is so far, with what is skipped of it.
    length: u64,
    /// The message before was counted, so that this one may be without a priority and still be counted.
    counting: bool,
    next: Position,
    too_long: u64,
    broken: u64,
}

impl Framer {
    /// Messages of up to `max` bytes are kept whole (at least one byte).
    #[must_use]
    pub fn new(max: usize) -> Framer {
        Framer {
            max: max.clamp(1, usize::MAX - 1),
            chunk: Bytes::new(),
            cursor: 0,
            state: State::Start,
            head: Vec::new(),
            length: 0,
            counting: false,
            next: Position { offset: 0, line: 1 },
            too_long: 0,
            broken: 0,
        }
    }

    /// Gives the framer more to cut. Messages of the chunk before that were not taken yet come first.
    pub fn feed(&mut self, chunk: Bytes) {
        if self.cursor < self.chunk.len() {
            self.chunk = [&self.chunk[self.cursor..], &chunk].concat().into();
        } else {
            self.chunk = chunk;
        }
        self.cursor = 0;
    }

    /// The next message that is there whole.
    pub fn next_line(&mut self) -> Option<Line> {
        loop {
            match self.state {
                State::Start => self.begin()?,
                State::Counted(left) => return self.counted(left),
                State::Text => return self.text(),
            }
        }
    }

    /// What is left at the end of the input: a message without its end, or less of one than was counted.
    pub fn finish(&mut self) -> Option<Line> {
        if let Some(line) = self.next_line() {
            return Some(line);
        }
        let text = match std::mem::replace(&mut self.state, State::Start) {
            State::Start => !self.head.is_empty(),
            State::Text => true,
            State::Counted(_) => {
                self.broken += 1;
                !self.head.is_empty()
            }
        };
        self.length = self.length.max(self.head.len() as u64);
        text.then(|| self.kept())
    }

    /// How many bytes are kept of a message that has not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.head.len()
    }

    /// Changes the longest length for the messages to come, and for the one that has begun.
    pub fn limit(&mut self, max: usize) {
        self.max = max.clamp(1, usize::MAX - 1);
    }

    /// How many messages were cut since the last call.
    pub fn take_too_long(&mut self) -> u64 {
        std::mem::take(&mut self.too_long)
    }

    /// How many counted messages ended early since the last call.
    pub fn take_broken(&mut self) -> u64 {
        std::mem::take(&mut self.broken)
    }

    fn rest(&self) -> &[u8] {
        &self.chunk[self.cursor..]
    }

    /// Finds out how the next message is framed; none where nothing says so yet.
    fn begin(&mut self) -> Option<()> {
        if self.head.is_empty() {
            // Some end a counted message with a newline that they did not count, or end lines twice.
            self.cursor += self.rest().iter().take_while(|byte| matches!(byte, b'\n' | b'\r' | 0)).count();
        }
        let kept = self.head.len();
        let mut first = [0; HEAD];
        let seen = self.head.iter().chain(self.rest()).take(HEAD);
        let length = seen.zip(&mut first).map(|(from, to)| *to = *from).count();
        match begins(&first[..length], self.counting) {
            Begin::Open => {
                self.head.extend_from_slice(&self.chunk[self.cursor..]);
                self.chunk = Bytes::new();
                self.cursor = 0;
                return None;
            }
            Begin::Counted(count, length) => {
                self.cursor += count - kept;
                self.head.clear();
                self.state = State::Counted(length);
                self.counting = true;
            }
            Begin::Text => {
                self.length = kept as u64;
                self.state = State::Text;
                self.counting = false;
            }
        }
        Some(())
    }

    fn counted(&mut self, left: usize) -> Option<Line> {
        let there = self.rest().len().min(left);
        if self.length == 0 && there == left {
            return Some(self.slice(left, 0));
        }
        self.append(there);
        if there == left {
            return Some(self.kept());
        }
        self.state = State::Counted(left - there);
        self.chunk = Bytes::new();
        self.cursor = 0;
        None
    }

    fn text(&mut self) -> Option<Line> {
        let Some(length) = memchr::memchr2(b'\n', 0, self.rest()) else {
            self.append(self.rest().len());
            self.chunk = Bytes::new();
            self.cursor = 0;
            return None;
        };
        if self.length == 0 {
            return Some(self.slice(length, 1));
        }
        self.append(length);
        self.cursor += 1;
        Some(self.kept())
    }

    /// The message that is the next `length` bytes of the chunk, and `end` bytes behind it.
    fn slice(&mut self, length: usize, end: usize) -> Line {
        let whole = self.rest()[..length].strip_suffix(b"\r").filter(|_| end > 0).map_or(length, <[u8]>::len);
        let body = self.chunk.slice(self.cursor..self.cursor + whole.min(self.max));
        self.cursor += length + end;
        self.line(body, whole > self.max)
    }

    /// The message that began in an earlier chunk.
    fn kept(&mut self) -> Line {
        let mut head = std::mem::take(&mut self.head);
        let mut length = std::mem::take(&mut self.length);
        if self.state == State::Text && length == head.len() as u64 && head.last() == Some(&b'\r') {
            head.pop();
            length -= 1;
        }
        head.truncate(self.max);
        self.line(head.into(), length > self.max as u64)
    }

    fn append(&mut self, length: usize) {
        let room = (self.max + 1).saturating_sub(self.head.len());
        self.head.extend_from_slice(&self.chunk[self.cursor..self.cursor + length.min(room)]);
        self.length += length as u64;
        self.cursor += length;
    }

    fn line(&mut self, body: Bytes, cut: bool) -> Line {
        self.state = State::Start;
        let position = self.next;
        self.next.line += 1;
        self.too_long += u64::from(cut);
        Line { body, position, cut }
    }
}

/// How the message is framed that begins like this (at most [`HEAD`] bytes).
fn begins(first: &[u8], counting: bool) -> Begin {
    let digits = first.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match (first.first(), first.get(digits), first.get(digits + 1)) {
        (None, ..) => Begin::Open,
        (Some(b'1'..=b'9'), None, _) if digits <= DIGITS => Begin::Open,
        (Some(b'1'..=b'9'), Some(b' '), None) if digits <= DIGITS => Begin::Open,
        (Some(b'1'..=b'9'), Some(b' '), Some(after)) if digits <= DIGITS && (*after == b'<' || counting) => {
            let length = first[..digits].iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
            Begin::Counted(digits + 1, length)
        }
        _ => Begin::Text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(framer: &mut Framer, chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = Vec::new();
        for chunk in chunks {
            framer.feed(Bytes::copy_from_slice(chunk));
            lines.extend(std::iter::from_fn(|| framer.next_line()));
        }
        lines.extend(std::iter::from_fn(|| framer.finish()));
        lines.into_iter().map(|line| String::from_utf8_lossy(&line.body).into_owned()).collect()
    }

    fn framed(input: &str) -> Vec<String> {
        all(&mut Framer::new(1000), &[input.as_bytes()])
    }

    #[test]
    fn all_framings_are_told_apart_on_one_connection() {
        assert_eq!(framed("<1>a\n<2>b\r\n7 <3>c\nc\n<4>d\0<5>e"), ["<1>a", "<2>b", "<3>c\nc\n", "<4>d", "<5>e"]);
        assert_eq!(framed("6 <1>abc6 <2>abc"), ["<1>abc", "<2>abc"]);
    }

    #[test]
    fn a_line_that_begins_with_a_number_is_no_count() {
        assert_eq!(framed("2015-05-17 x\n12 monkeys\n123456789012 <1>x\n"), ["2015-05-17 x", "12 monkeys", "123456789012 <1>x"]);
    }

    #[test]
    fn a_message_without_priority_may_follow_a_counted_one() {
        assert_eq!(framed("6 <1>abc5 hello5 world"), ["<1>abc", "hello", "world"]);
    }

    #[test]
    fn what_is_too_long_is_cut_and_counted_and_does_not_reach_into_the_next() {
        let mut framer = Framer::new(4);
        assert_eq!(all(&mut framer, &[b"10 <1>abcdefg", b"5 <2>xy<3>uvwxyz", b"abc\n<4>o\n"]), ["<1>a", "<2>x", "<3>u", "<4>o"]);
        assert_eq!(framer.take_too_long(), 3);
    }

    #[test]
    fn a_counted_message_that_ends_early_is_given_and_counted() {
        let mut framer = Framer::new(100);
        assert_eq!(all(&mut framer, &[b"50 <1>abc"]), ["<1>abc"]);
        assert_eq!(framer.take_broken(), 1);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_messages(
            input in "([1-9]{1,2} )?[<>ab\r\n\0 0-9]{0,60}", cuts in proptest::collection::vec(0usize..64, 0..8), max in 1usize..20,
        ) {
            let input = input.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).chain([0, input.len()]).collect();
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
            let (mut one, mut many) = (Framer::new(max), Framer::new(max));
            prop_assert_eq!(all(&mut one, &[input]), all(&mut many, &chunks));
            prop_assert_eq!(one.take_too_long(), many.take_too_long());
            prop_assert_eq!(one.take_broken(), many.take_broken());
        }

        #[test]
        fn counted_messages_come_out_as_they_went_in(
            texts in proptest::collection::vec("<[0-9]>[ -~\n\0]{0,40}", 1..10), cuts in proptest::collection::vec(0usize..400, 0..8),
        ) {
            let input: Vec<u8> = texts.iter().flat_map(|text| format!("{} {text}", text.len()).into_bytes()).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).chain([0, input.len()]).collect();
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
            prop_assert_eq!(all(&mut Framer::new(1000), &chunks), texts);
        }
    }
}
