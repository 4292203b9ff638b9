//! One pass over a line: words, and what shows by its form that it is a value. The hash of the fast path and the tokens of
//! the slow one come out of the same walk, so they cannot disagree.

use super::words::{is_hex, is_host, is_unit, is_value_word};

/// Stands for a value that shows by its form (digits, path, address).
pub(super) const VALUE: u64 = 1;
/// Stands for a place that was found to take many words.
pub(super) const LEARNED: u64 = 2;
/// Hashes of words are never below this.
const FIRST_WORD: u64 = 8;

/// How much of a text is looked at: more says nothing about its pattern and costs time.
pub(super) const MAX_BYTES: usize = 1024;
/// How many tokens a pattern has at most; the rest of the text is as if it were not there.
pub(super) const MAX_TOKENS: usize = 64;

const SPACE: u8 = 1;
const DIGIT: u8 = 2;
const SLASH: u8 = 4;
const COLON: u8 = 8;
const AT: u8 = 16;
const LETTER: u8 = 32;
const MARK: u8 = 64;
const END: u8 = 128;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [MARK; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'\n' => END,
            b' ' | b'\t' | b'\r' | b'=' | b',' | b';' | b'|' | b'"' | b'\'' => SPACE,
            b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' => SPACE,
            b'0'..=b'9' => DIGIT,
            b'/' | b'\\' => SLASH,
            b':' => COLON,
            b'@' => AT,
            b'a'..=b'z' | b'A'..=b'Z' | 0x80..=0xff => LETTER,
            _ => MARK,
        };
        byte += 1;
    }
    table
}

const fn class(byte: u8) -> u8 {
    CLASS[byte as usize]
}

/// A word or a value: bytes `start..end` of the text. Values that follow one another are one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) hash: u64,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Token {
    const fn new(hash: u64, start: usize, end: usize) -> Token {
        Token { hash, start: start as u32, end: end as u32 }
    }

    pub(super) fn text<'t>(&self, line: &'t [u8]) -> &'t [u8] {
        line.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// Mixes `b` into `a` by a folded multiplication: every bit of the result depends on all bits of both.
#[inline]
pub(super) const fn mix(a: u64, b: u64) -> u64 {
    let product = ((a ^ 0x9E37_79B9_7F4A_7C15) as u128).wrapping_mul((b ^ 0xD6E8_FEB8_6659_FD93) as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Up to eight bytes of `line[start..end]` as a little-endian number, missing ones as zero.
#[inline]
fn eight(line: &[u8], start: usize, end: usize) -> u64 {
    let length = end - start;
    let rest = line.get(start..).unwrap_or_default();
    if let Some(chunk) = rest.first_chunk::<8>() {
        let all = u64::from_le_bytes(*chunk);
        return if length >= 8 { all } else { all & ((1 << (length * 8)) - 1) };
    }
    rest.iter().take(length).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The hash of the word `line[start..end]`; never one of the numbers that stand for values.
#[inline]
pub(super) fn word_hash(line: &[u8], start: usize, end: usize) -> u64 {
    let mut hash = mix(eight(line, start, end), (end - start) as u64);
    let mut at = start + 8;
    while at < end {
        hash = mix(hash, eight(line, at, end));
        at += 8;
    }
    if hash < FIRST_WORD { hash + FIRST_WORD } else { hash }
}

/// The words and values of a line one by one, before those that belong together are joined.
struct Pieces<'t> {
    line: &'t [u8],
    at: usize,
}

impl Pieces<'_> {
    /// The next piece; `follows_number` says whether a unit would belong to what stands before.
    #[inline]
    fn next(&mut self, follows_number: bool) -> Option<Token> {
        loop {
            let byte = *self.line.get(self.at)?;
            match class(byte) {
                SPACE | COLON => {
                    self.at += 1;
                    if byte == b'=' && self.is_empty_value() {
                        return Some(Token::new(VALUE, self.at, self.at));
                    }
                }
                MARK => {
                    let start = self.at;
                    self.skip_rule(byte);
                    if self.at - start > 2 {
                        return Some(Token::new(word_hash(self.line, start, self.at), start, self.at));
                    }
                }
                END => return None,
                _ => {
                    if let Some(piece) = self.piece(follows_number) {
                        return Some(piece);
                    }
                }
            }
        }
    }

    #[inline]
    fn ends_in_digit(&self, token: Token) -> bool {
        (token.end as usize).checked_sub(1).is_some_and(|at| self.line[at].is_ascii_digit())
    }

    /// The word or value that starts here; nothing where it has only marks in it.
    #[inline]
    fn piece(&mut self, follows_number: bool) -> Option<Token> {
        let start = self.at;
        let seen = self.skip_piece();
        let mut end = self.at;
        while end > start && class(self.line[end - 1]) & (MARK | COLON) != 0 {
            end -= 1;
        }
        if end == start {
            return None;
        }
        let hash = if is_value(self.line, start, end, seen, follows_number) { VALUE } else { word_hash(self.line, start, end) };
        Some(Token::new(hash, start, end))
    }

    /// Goes to the end of the piece that starts here; says which classes of bytes it has.
    #[inline]
    fn skip_piece(&mut self) -> u8 {
        let (start, mut at, mut seen) = (self.at, self.at, 0);
        while let Some(byte) = self.line.get(at) {
            let kind = class(*byte);
            // Most bytes are letters and digits.
            if kind & (SPACE | END | COLON | MARK) != 0 {
                // `key:value` is two pieces, `host:80`, `12:30:00` and `::1` are one.
                let key = kind == COLON && seen == LETTER && at - start > 2;
                at += usize::from(key);
                // Two dots are a leader or an ellipsis: `enable.......0`.
                if key || kind & (SPACE | END) != 0 || *byte == b'.' && self.line.get(at + 1) == Some(&b'.') {
                    break;
                }
            }
            seen |= kind;
            at += 1;
        }
        self.at = at;
        seen
    }

    /// Skips a run of one mark. Runs of three and more (`****`) are text, except dots, which lead from a name to its value.
    #[inline]
    fn skip_rule(&mut self, mark: u8) {
        self.at += 1;
        if mark != b'.' {
            while self.line.get(self.at) == Some(&mark) {
                self.at += 1;
            }
        }
    }

    /// Whether the `=` before `at` follows a key and no value follows it, as in `ruser= rhost=`.
    #[inline]
    fn is_empty_value(&self) -> bool {
        let key = self.at.checked_sub(2).is_some_and(|before| class(self.line[before]) & (LETTER | DIGIT) != 0);
        key && self.line.get(self.at).is_none_or(|byte| matches!(byte, b' ' | b',' | b';' | b')' | b']' | b'}' | b'\n' | b'\r'))
    }
}

/// Whether `line[start..end]`, in which bytes of the classes `seen` are, is a value.
#[inline]
fn is_value(line: &[u8], start: usize, end: usize, seen: u8, follows_number: bool) -> bool {
    if seen & DIGIT != 0 {
        return true;
    }
    let text = &line[start..end];
    if seen & (SLASH | AT) != 0 {
        // `PS/2` and `input/output` are words; `/etc/passwd`, `a/b/c` and `user@host` are not.
        let slashes = text.iter().filter(|byte| class(**byte) == SLASH).count();
        return seen & AT != 0 || slashes > 1 || slashes == 1 && class(text[0]) == SLASH && text.len() > 1;
    }
    match text.len() {
        1..=5 => {
            let word = eight(line, start, end);
            is_value_word(word, text.len()) || follows_number && is_unit(word, text.len())
        }
        _ => seen & MARK != 0 && is_host(text) || is_hex(text),
    }
}

/// Joins values that follow one another, and lists that repeat one word (`1 <ok> 2 <ok> 3 <ok>`), so that the length of a
/// list does not make another pattern.
struct Joiner<F> {
    each: F,
    count: usize,
    /// Values that nothing follows yet.
    run: Option<Token>,
    /// A value and the word behind it, which may turn out to repeat.
    pair: Option<(Token, Token)>,
}

impl<F: FnMut(Token)> Joiner<F> {
    /// Takes the next piece; says whether more are wanted.
    #[inline]
    fn push(&mut self, piece: Token) -> bool {
        if piece.hash == VALUE {
            self.run = Some(Token { start: self.run.map_or(piece.start, |run| run.start), ..piece });
            return true;
        }
        match (self.run.take(), &mut self.pair) {
            (Some(run), Some((value, word))) if word.hash == piece.hash => {
                value.end = run.end;
                *word = piece;
            }
            (Some(run), _) => {
                self.emit_pair();
                self.pair = Some((run, piece));
            }
            (None, _) => {
                self.emit_pair();
                self.emit(piece);
            }
        }
        self.count < MAX_TOKENS
    }

    #[inline]
    fn emit_pair(&mut self) {
        if let Some((value, word)) = self.pair.take() {
            self.emit(value);
            self.emit(word);
        }
    }

    #[inline]
    fn emit(&mut self, token: Token) {
        if self.count < MAX_TOKENS {
            self.count += 1;
            (self.each)(token);
        }
    }

    #[inline]
    fn finish(mut self) {
        self.emit_pair();
        if let Some(run) = self.run {
            self.emit(run);
        }
    }
}

/// Calls `each` for every token of the first line of `text`, in order.
#[inline]
pub(super) fn walk(text: &[u8], each: impl FnMut(Token)) {
    let mut pieces = Pieces { line: cut(text), at: 0 };
    let mut joiner = Joiner { each, count: 0, run: None, pair: None };
    while let Some(piece) = pieces.next(joiner.run.is_some_and(|run| pieces.ends_in_digit(run))) {
        if !joiner.push(piece) {
            break;
        }
    }
    joiner.finish();
}

/// The part of a text that is looked at: not cut within a word where that can be helped.
fn cut(text: &[u8]) -> &[u8] {
    if text.len() <= MAX_BYTES {
        return text;
    }
    let head = &text[..MAX_BYTES];
    match head.iter().rposition(|byte| class(*byte) & (SPACE | END) != 0) {
        Some(end) if end > 0 => &head[..end],
        _ => head,
    }
}

const TEXT: u64 = 0x2545_F491_4F6C_DD1D;

/// The hash of a text with its values masked: equal for texts that differ in numbers, paths, addresses and the like only.
/// Never 0; the same on every machine. Looks at the first line, and at 1 KiB of it at most.
#[must_use]
pub fn skeleton(text: &[u8]) -> u64 {
    let mut hash = TEXT;
    walk(text, |token| hash = mix(hash, token.hash));
    hash.max(1)
}

/// The skeleton that a text of these parts would have.
pub(super) fn skeleton_of(parts: impl Iterator<Item = u64>) -> u64 {
    parts.fold(TEXT, mix).max(1)
}
