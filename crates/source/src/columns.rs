//! Streams that name their columns above their records: Zeek's logs (`#separator`, `#fields` and their companions, as its ASCII
//! writer puts them) and the flow logs of AWS VPC (their first line).
//!
//! Records are parsed by themselves and in parallel, so what stands above them has to travel with them: with their origin.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use lapwing_model::{Origin, Reading};

/// No file names its columns further down, or at greater length.
const LONGEST: usize = 16 << 10;
/// Nor says more than so much of how they are written.
const SHORT: usize = 64;

/// What was said of the columns so far: in a file, over a connection, in the body of a request.
#[derive(Debug, Default)]
pub struct Heading(String);

impl Heading {
    /// The heading of a file that is read on from further down.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub(crate) fn before(file: &File, offset: u64, origin: &mut Arc<Origin>) -> io::Result<Heading> {
        let mut heading = Heading::default();
        let mut head = vec![0; LONGEST.min(usize::try_from(offset).unwrap_or(LONGEST))];
        let read = if head.is_empty() { 0 } else { file.read_at(&mut head, 0)? };
        let whole = head[..read].split_inclusive(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
        for line in whole.map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
            heading.take(line, origin);
        }
        Ok(heading)
    }

    /// Whether the line is part of a heading.
    #[must_use]
    pub fn has(line: &[u8]) -> bool {
        Part::of(line).is_some()
    }

    /// Takes a line that is part of a heading; false where it is none. What comes after it has the origin that says so, what came before
    /// and still waits has not.
    pub fn take(&mut self, line: &[u8], origin: &mut Arc<Origin>) -> bool {
        let Some((part, text)) = Part::of(line) else { return false };
        match part {
            Part::First | Part::Whole => self.0.clear(),
            Part::Next | Part::Last => {}
        }
        let names = part == Part::Whole || text.starts_with("#fields");
        if text.len() < if names { LONGEST } else { SHORT } {
            self.replace(text);
        }
        // Who says the same again says nothing.
        if names && origin.reading.columns.as_deref() != Some(self.0.as_str()) {
            let reading = Reading { columns: Some(self.0.as_str().into()), ..origin.reading.clone() };
            *origin = Origin::read_as(origin.name.clone(), reading);
        }
        true
    }

    /// Puts a line in the place of the one before that spoke of the same.
    fn replace(&mut self, text: &str) {
        let word = |line: &str| line.find(['\t', ' ', ',', '|']).unwrap_or(line.len());
        let same = |line: &str| line[..word(line)] == text[..word(text)];
        let kept: String = self.0.split_inclusive('\n').filter(|line| !same(line)).collect();
        self.0 = kept + text + "\n";
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    First,
    Next,
    Last,
    Whole,
}

impl Part {
    fn of(line: &[u8]) -> Option<(Part, &str)> {
        let part = match line.first() {
            Some(b'#') => Part::of_zeek(line),
            Some(b'a'..=b'z') => is_of_vpc(line).then_some(Part::Whole),
            _ => None,
        };
        Some((part?, std::str::from_utf8(line).ok()?))
    }

    fn of_zeek(line: &[u8]) -> Option<Part> {
        let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t' | b',' | b'|'))?;
        match &line[..end] {
            b"#separator" => Some(Part::First),
            b"#set_separator" | b"#empty_field" | b"#unset_field" | b"#path" | b"#open" | b"#fields" | b"#types" => {
                Some(Part::Next)
            }
            b"#close" => Some(Part::Last),
            _ => None,
        }
    }
}

/// Columns that every VPC flow log of use has some of, by the names that AWS gives them.
fn is_of_vpc(line: &[u8]) -> bool {
    const ENDS: [&[u8]; 4] = [b"srcaddr", b"dstaddr", b"pkt-srcaddr", b"pkt-dstaddr"];
    let is_name = |word: &[u8]| !word.is_empty() && word.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'-');
    let mut words = line.split(|&byte| byte == b' ');
    line.len() < 1_024 && words.clone().all(is_name) && words.any(|word| ENDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[&str]) -> (Vec<bool>, Option<Box<str>>) {
        let (mut heading, mut origin) = (Heading::default(), Origin::new("conn.log"));
        let taken = lines.iter().map(|line| heading.take(line.as_bytes(), &mut origin)).collect();
        (taken, origin.reading.columns.clone())
    }

    #[test]
    fn a_heading_of_zeek_travels_with_what_comes_after_it() {
        let lines = [
            "#separator \\x09",
            "#unset_field\t-",
            "#fields\tts\tuid",
            "#types\ttime\tstring",
            "1.0\tC1",
            "#close\t2025",
            "# a comment",
        ];
        let (taken, columns) = after(&lines);
        assert_eq!(taken, [true, true, true, true, false, true, false]);
        assert_eq!(columns.as_deref(), Some("#separator \\x09\n#unset_field\t-\n#fields\tts\tuid\n"));
        let (_, columns) = after(&[&lines[..3], &["#separator \\x20", "#fields id"]].concat());
        assert_eq!(columns.as_deref(), Some("#separator \\x20\n#fields id\n"), "of files one after the other, the last counts");
    }

    #[test]
    fn the_first_line_of_a_flow_log_of_vpc_is_one_and_words_are_not() {
        let (taken, columns) = after(&["version srcaddr dstaddr action"]);
        assert_eq!((taken, columns.as_deref()), (vec![true], Some("version srcaddr dstaddr action\n")));
        assert_eq!(after(&["the srcaddr was Wrong", "no address here", "srcaddr=1"]).0, [false; 3]);
    }

    #[test]
    fn who_goes_on_further_down_knows_the_heading() {
        let path = std::env::temp_dir().join(format!("lapwing-heading-{}", std::process::id()));
        std::fs::write(&path, "#separator \\x09\r\n#fields\tts\tuid\r\n1.0\tC1\r\n").expect("written");
        let mut origin = Origin::new("conn.log");
        Heading::before(&File::open(&path).expect("there"), 40, &mut origin).expect("read");
        assert_eq!(origin.reading.columns.as_deref(), Some("#separator \\x09\n#fields\tts\tuid\n"));
        std::fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn a_heading_without_an_end_takes_no_memory() {
        let (mut heading, mut origin) = (Heading::default(), Origin::new("conn.log"));
        for number in 0..100 {
            heading.take(format!("#fields\t{number}{}", "x\t".repeat(5_000)).as_bytes(), &mut origin);
            heading.take(format!("#path\t{}", "x".repeat(10 * number)).as_bytes(), &mut origin);
        }
        assert!(heading.0.len() < LONGEST);
        heading.take(b"#fields\ta", &mut origin);
        assert!(heading.0.len() < 2 * SHORT, "what stands before each record from now on: {}", heading.0);
    }

    #[test]
    fn who_says_the_same_again_is_the_same_origin() {
        let (mut heading, mut origin) = (Heading::default(), Origin::new("conn.log"));
        heading.take(b"#fields\tts", &mut origin);
        let before = origin.clone();
        assert!(heading.take(b"#fields\tts", &mut origin) && Arc::ptr_eq(&before, &origin));
    }
}
