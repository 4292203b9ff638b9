//! Joins the lines of one record: a stack trace belongs to the log line before it.
//!
//! A line goes on with the record before where it is indented, begins with `Caused by`, `at some.place` or `... 7 more`,
//! or is part of a Python traceback. Anything else begins a record, for the price of a look at its first byte.

use bytes::Bytes;
use lapwing_model::Position;

use crate::lines::Line;

/// How many lines one record may have; the next one begins a new record, so that nothing is lost.
pub const MAX_LINES: u32 = 500;

/// How many bytes one record may be joined to; the next line begins a new record.
pub const MAX_BYTES: usize = 64 << 10;

const TRACEBACK: &[u8] = b"Traceback (most recent call last):";

/// Lines in, records out. A record comes out when the next one begins, or with [`Joiner::flush`].
#[derive(Debug, Default)]
pub struct Joiner {
    held: Option<Line>,
    /// The held record's text where lines were joined to it; empty where it is one line.
    joined: Vec<u8>,
    lines: u32,
    traceback: Traceback,
}

/// How far a Python traceback in the held record has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Traceback {
    #[default]
    None,
    /// Its frames, which are indented. The line after them names the exception.
    Frames,
    /// The exception was named.
    Ended,
    /// `During handling of the above exception, ...`: another one follows.
    Chained,
}

impl Joiner {
    /// Takes a line; gives the record before it if this line begins a new one.
    #[inline]
    pub fn push(&mut self, line: Line) -> Option<Line> {
        let may_go_on = matches!(line.body.first(), Some(b' ' | b'\t' | b'C' | b'T' | b'a' | b'.'));
        if may_go_on || self.lines > 0 || self.traceback != Traceback::None {
            return self.push_with_care(line);
        }
        self.held.replace(line)
    }

    /// For the few lines whose first byte does not settle it.
    #[cold]
    fn push_with_care(&mut self, line: Line) -> Option<Line> {
        if self.held.is_some() && self.goes_on(&line.body) && self.join(&line.body) {
            return None;
        }
        let done = self.flush();
        if line.body.first() == Some(&b'T') && line.body.starts_with(TRACEBACK) {
            self.traceback = Traceback::Frames;
        }
        self.held = Some(line);
        done
    }

    /// Gives the record that is held, because the input ended or has been quiet for a while.
    pub fn flush(&mut self) -> Option<Line> {
        let mut line = self.held.take()?;
        if !self.joined.is_empty() {
            line.body = Bytes::from(std::mem::take(&mut self.joined));
        }
        self.lines = 0;
        self.traceback = Traceback::None;
        Some(line)
    }

    /// Where the record that is held begins.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.held.as_ref().map(|line| line.position)
    }

    /// How many bytes were joined so far.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.joined.len()
    }

    fn goes_on(&mut self, line: &[u8]) -> bool {
        if self.traceback != Traceback::None {
            return self.goes_on_in_traceback(line);
        }
        match line.first() {
            Some(b' ' | b'\t') => {
                self.notice_traceback();
                true
            }
            Some(b'T') if line.starts_with(TRACEBACK) => {
                self.traceback = Traceback::Frames;
                true
            }
            _ => continues(line),
        }
    }

    fn goes_on_in_traceback(&mut self, line: &[u8]) -> bool {
        let (goes_on, next) = match self.traceback {
            _ if matches!(line.first(), Some(b' ' | b'\t')) => (true, self.traceback),
            Traceback::Frames => (names_exception(line), Traceback::Ended),
            Traceback::Ended if leads_to_another(line) => (true, Traceback::Chained),
            Traceback::Chained if line.starts_with(TRACEBACK) => (true, Traceback::Frames),
            state => (continues(line), state),
        };
        self.traceback = next;
        goes_on
    }

    /// A log line may itself end with the head of a traceback; that shows only when the first frame follows.
    fn notice_traceback(&mut self) {
        if self.lines == 0 && self.held.as_ref().is_some_and(|held| held.body.ends_with(TRACEBACK)) {
            self.traceback = Traceback::Frames;
        }
    }

    /// False where the record is full.
    fn join(&mut self, line: &[u8]) -> bool {
        let Some(held) = &self.held else { return false };
        let length = if self.joined.is_empty() { held.body.len() } else { self.joined.len() };
        if self.lines + 2 > MAX_LINES || length + 1 + line.len() > MAX_BYTES {
            return false;
        }
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&held.body);
        }
        self.joined.push(b'\n');
        self.joined.extend_from_slice(line);
        self.lines += 1;
        true
    }
}

/// Whether an unindented line goes on with a stack trace of the Java or JavaScript kind.
fn continues(line: &[u8]) -> bool {
    match line.first() {
        Some(b'C') => line.starts_with(b"Caused by"),
        Some(b'a') => line.strip_prefix(b"at ").is_some_and(is_place),
        Some(b'.') => line.starts_with(b"... ") && line.ends_with(b" more"),
        _ => false,
    }
}

/// `com.example.Shop.buy(Shop.java:12)` is a place in a program; `10:00 the shop opens` is not.
fn is_place(text: &[u8]) -> bool {
    let word = text.split(|&byte| byte == b' ').next().unwrap_or(text);
    text.ends_with(b")") || (word.contains(&b'.') && !word.first().is_some_and(u8::is_ascii_digit))
}

/// `ValueError: no such thing`, `requests.exceptions.Timeout`: a dotted name, then a colon or nothing.
fn names_exception(line: &[u8]) -> bool {
    let name = line.split(|&byte| byte == b':').next().unwrap_or(line);
    name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
}

fn leads_to_another(line: &[u8]) -> bool {
    line.starts_with(b"During handling of the above exception") || line.starts_with(b"The above exception was the direct cause")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::Framer;

    fn records(text: &str) -> Vec<(u64, String)> {
        let mut framer = Framer::new(1 << 20);
        framer.feed(Bytes::copy_from_slice(text.as_bytes()));
        let mut joiner = Joiner::default();
        let mut records = Vec::new();
        while let Some(line) = framer.finish() {
            if !line.body.is_empty() {
                records.extend(joiner.push(line));
            }
        }
        records.extend(joiner.flush());
        records.into_iter().map(|line| (line.position.line, String::from_utf8(line.body.to_vec()).unwrap())).collect()
    }

    fn first_lines(text: &str) -> Vec<u64> {
        records(text).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn a_java_stack_trace_is_one_record_at_the_place_of_its_first_line() {
        let text = "10:00 ERROR failed\n\tat shop.Cart.add(Cart.java:7)\nat shop.Main.main(Main.java:1)\n\
                    Caused by: java.io.IOException: gone\n\t... 3 more\n... 2 more\n10:01 INFO next\n";
        let found = records(text);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 7]);
        assert_eq!(found[0].1, text.rsplit_once("\n10:01").unwrap().0);
        assert_eq!(found[1].1, "10:01 INFO next");
    }

    #[test]
    fn a_python_traceback_ends_with_the_line_that_names_the_exception() {
        let text = "ERROR:root:no\nTraceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\n\
                    ValueError: bad\n\nDuring handling of the above exception, another exception occurred:\n\n\
                    Traceback (most recent call last):\n  File \"a.py\", line 3\nKeyboardInterrupt\nINFO:root:next\n";
        assert_eq!(first_lines(text), [1, 12]);
        let within_the_line =
            "10:00 ERROR Traceback (most recent call last):\n  File \"a.py\"\nKeyError: 'x'\n10:01 all is well\n";
        assert_eq!(first_lines(within_the_line), [1, 4]);
    }

    #[test]
    fn tracebacks_that_follow_one_another_are_records_of_their_own() {
        let one = "Traceback (most recent call last):\n  File \"a.py\"\nKeyError: 'x'\n";
        assert_eq!(first_lines(&one.repeat(3)), [1, 4, 7]);
    }

    #[test]
    fn a_traceback_without_its_end_does_not_swallow_the_next_log_line() {
        let text = "Traceback (most recent call last):\n  File \"a.py\"\n2024-01-01 10:00:00 INFO next\n";
        assert_eq!(first_lines(text), [1, 3]);
    }

    #[test]
    fn ordinary_lines_stay_alone() {
        assert_eq!(
            first_lines("at 10:00 the shop opens\nat noon it closes\nCause unknown\n...\n}\n{\"a\":1}\n"),
            [1, 2, 3, 4, 5, 6]
        );
        assert_eq!(first_lines("  indented first\nsecond\n"), [1, 2]);
    }

    #[test]
    fn a_record_is_bounded_and_loses_nothing() {
        let text = format!("start\n{}", " more\n".repeat(1_200));
        let found = records(&text);
        assert_eq!(found.iter().map(|(_, text)| text.lines().count()).collect::<Vec<_>>(), [500, 500, 201]);
        let long = format!("start\n{}", format!(" {}\n", "x".repeat(999)).repeat(200));
        let found = records(&long);
        assert!(found.iter().all(|(_, text)| text.len() <= MAX_BYTES));
        assert_eq!(found.iter().map(|(_, text)| text.lines().count()).sum::<usize>(), 201);
    }

    proptest::proptest! {
        #[test]
        fn joining_loses_no_line_and_keeps_the_order(
            picks in proptest::collection::vec(0..LINES.len(), 0..60),
        ) {
            let text: String = picks.iter().map(|&pick| format!("{}\n", LINES[pick])).collect();
            let found = records(&text);
            let joined: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
            proptest::prop_assert_eq!(joined.join("\n"), text.trim_end_matches('\n'));
            let mut line = 1;
            for (number, text) in &found {
                proptest::prop_assert_eq!(*number, line);
                line += text.split('\n').count() as u64;
            }
        }
    }

    const LINES: [&str; 9] = [
        "10:00 INFO a",
        " indented",
        "Caused by: x",
        "at a.B.c(D.java:1)",
        "Traceback (most recent call last):",
        "KeyError: 'x'",
        "During handling of the above exception, another exception occurred:",
        "... 3 more",
        "10:00 Traceback (most recent call last):",
    ];
}
