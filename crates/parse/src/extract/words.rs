/// A word of a text, by its offsets: letters, digits and underscores.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Word {
    pub(super) fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start..self.end]
    }
}

/// The words of a text, one after the other; the reader may jump ahead.
#[derive(Debug)]
pub(super) struct Words<'t> {
    text: &'t [u8],
    pub(super) at: usize,
}

const WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_';
        byte += 1;
    }
    table
};

pub(super) fn is_word(byte: u8) -> bool {
    WORD[usize::from(byte)]
}

impl<'t> Words<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Words { text, at: 0 }
    }

    pub(super) fn next(&mut self) -> Option<Word> {
        let start = self.at + self.text.get(self.at..)?.iter().position(|&byte| is_word(byte))?;
        let length = self.text[start..].iter().position(|&byte| !is_word(byte)).unwrap_or(self.text.len() - start);
        self.at = start + length;
        Some(Word { start, end: self.at })
    }
}

/// Where the value that a name announces begins: after `=`, `: `, `":"` or, unless `strict`, a space.
pub(super) fn value_after(text: &[u8], end: usize, strict: bool) -> Option<usize> {
    let is = |at: usize, set: &[u8]| text.get(at).is_some_and(|byte| set.contains(byte));
    let mut at = end + usize::from(is(end, b"\"'"));
    if is(at, b"=:") {
        at += 1;
    } else if strict || !is(at, b" ") {
        return None;
    }
    while is(at, b" ") && at < end + 4 {
        at += 1;
    }
    if is(at, b"\"'[(") {
        at += 1;
    }
    (at < text.len()).then_some(at)
}
