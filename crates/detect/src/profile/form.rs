//! What a value looks like: its characters, which of them stand side by side, its runs, its length; in one pass, nothing kept.

use lapwing_learn::Marks;
use lapwing_model::hash;

/// Kinds of characters. Letters of all scripts are one kind: whose name is written with an accent does not matter.
const LETTER: u8 = 0;
const DIGIT: u8 = 1;
const CONTROL: u8 = 2;
const BREAK: u8 = 3;
/// The beginning and the end of a value.
const EDGE: u8 = 4;
/// Each printable ASCII character that is no letter or digit is a kind of its own.
const FIRST_SIGN: u8 = 5;
const KINDS: usize = 5 + 33;

/// Marks of the first word from here on: a sign stands in more than one place. Only for the 26 signs that texts do not repeat.
const REPEATED: u8 = KINDS as u8;
const ALL_KINDS: u64 = (1 << REPEATED) - 1;
const OFTEN: &[u8] = b" -._,'\"";

/// The mark of a sign's repetition by its kind; 0 where it has none.
const REPETITION: [u8; KINDS] = {
    let (mut marks, mut byte, mut next) = ([0; KINDS], 32, REPEATED);
    while byte < 127 {
        let (mut often, mut at) = (false, 0);
        while at < OFTEN.len() {
            often |= OFTEN[at] as usize == byte;
            at += 1;
        }
        if KIND[byte] >= FIRST_SIGN && !often && next < 64 {
            marks[KIND[byte] as usize] = next;
            next += 1;
        }
        byte += 1;
    }
    marks
};

/// The kind of each byte.
const KIND: [u8; 256] = {
    let (mut kinds, mut byte, mut sign) = ([LETTER; 256], 0, FIRST_SIGN);
    while byte < 128 {
        kinds[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'\t' | b'\n' | b'\r' => BREAK,
            0..=31 | 127 => CONTROL,
            _ => {
                sign += 1;
                sign - 1
            }
        };
        byte += 1;
    }
    kinds
};

/// Words of the marks that stand for kinds, and for pairs of neighbours.
pub(super) const CHARACTERS: std::ops::Range<usize> = 0..1;
pub(super) const NEIGHBOURS: std::ops::Range<usize> = 1..5;

/// Runs after which the shape of a value is not looked at any more.
const MOST_RUNS: u32 = 12;

/// Bytes of a value that are looked at: the length counts on.
const MOST_BYTES: usize = 4096;

/// What one value looks like.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Form {
    /// Runs of letters and digits with their lengths, and the signs between them: `8 digits, 1 letter`.
    pub shape: u64,
    pub marks: Marks,
    /// Characters after decoding.
    pub length: u32,
}

/// The kinds that are natural in a syntax only.
const SYNTAX: u64 = {
    let (mut syntax, mut byte) = (1 << CONTROL | 1 << BREAK, b' ');
    while byte < 127 {
        if KIND[byte as usize] >= FIRST_SIGN && natural(byte) < SOME {
            syntax |= 1 << KIND[byte as usize];
        }
        byte += 1;
    }
    syntax
};

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Writing {
    /// `a+b%20c`
    #[default]
    Form,
    /// As it is.
    Plain,
}

impl Form {
    pub(super) fn of(bytes: &[u8], writing: Writing) -> Form {
        let mut form = Form::default();
        let (mut last, mut run, mut runs) = (EDGE, 0_u64, 0_u32);
        let mut at = 0;
        let most = bytes.len().min(MOST_BYTES);
        while at < most {
            let (byte, width) = if writing == Writing::Form { decoded(bytes, at) } else { (bytes[at], 1) };
            at += width;
            form.length += 1;
            let kind = KIND[usize::from(byte)];
            if kind == last {
                run += 1;
                continue;
            }
            form.doubled(last, run);
            form.mark(last, kind);
            form.ends(last, run, runs);
            (last, run, runs) = (kind, 1, runs + 1);
        }
        form.doubled(last, run);
        form.mark(last, EDGE);
        form.ends(last, run, runs);
        form.length += (bytes.len() - most) as u32;
        form.shape = if runs > MOST_RUNS { u64::MAX } else { form.shape };
        form
    }

    /// A sign beside itself is a pair too; letters beside letters say nothing.
    #[inline]
    fn doubled(&mut self, kind: u8, run: u64) {
        if run > 1 && kind >= FIRST_SIGN {
            self.mark(kind, kind);
        }
    }

    /// A run of a kind ends.
    fn ends(&mut self, kind: u8, run: u64, runs: u32) {
        if runs > 0 && runs <= MOST_RUNS {
            let run = run << 8 | u64::from(kind);
            self.shape = (self.shape ^ run).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        }
    }

    #[inline]
    fn mark(&mut self, before: u8, kind: u8) {
        let repetition = REPETITION[usize::from(kind)];
        self.marks[0] |= (self.marks[0] >> kind & u64::from(repetition != 0)) << repetition | 1 << kind;
        let pair = (((usize::from(before) * KINDS + usize::from(kind)) * 0x9E3B) >> 3) & 255;
        self.marks[1 + pair / 64] |= 1 << (pair % 64);
    }

    /// Whether it is a number.
    pub(super) fn is_number(&self) -> bool {
        self.marks[0] & ALL_KINDS & !(1 << EDGE) == 1 << DIGIT
    }

    /// Whether a sign stands in it that values rarely have by nature and payloads often.
    pub(super) fn has_syntax(&self) -> bool {
        self.marks[0] & SYNTAX != 0
    }
}

/// The hash of a value as it reads after decoding.
pub(super) fn identity(bytes: &[u8], writing: Writing) -> u64 {
    const ROOM: usize = 256;
    if writing == Writing::Plain || bytes.len() > ROOM || !bytes.iter().any(|&byte| byte == b'%' || byte == b'+') {
        return hash(bytes);
    }
    let (mut room, mut length, mut at) = ([0; ROOM], 0, 0);
    while at < bytes.len() {
        let (byte, width) = decoded(bytes, at);
        room[length] = byte;
        (length, at) = (length + 1, at + width);
    }
    hash(&room[..length])
}

/// The byte at `at`, decoded, and how many bytes it is written with.
#[inline]
fn decoded(bytes: &[u8], at: usize) -> (u8, usize) {
    match bytes[at] {
        b'+' => (b' ', 1),
        b'%' => match (hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (Some(high), Some(low)) => (high << 4 | low, 3),
            _ => (b'%', 1),
        },
        byte => (byte, 1),
    }
}

fn hex(byte: Option<&u8>) -> Option<u8> {
    match byte? {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        letter @ (b'a'..=b'f' | b'A'..=b'F') => Some((letter | 32) - b'a' + 10),
        _ => None,
    }
}

/// How natural it is that characters not seen before turn up some day, where `known` ones did: that of the least natural.
pub(super) fn allowance(kinds: u64, known: u64) -> f32 {
    if kinds & ALL_KINDS == 0 {
        return SOME;
    }
    // Who writes in words also quotes them and sets commas; and what has many different signs (a password) has others too.
    let words = known >> KIND[b' ' as usize] & 1 == 1;
    let various = signs(known).filter(|&sign| natural(sign) < 1.0).count().max(1) as f32;
    let of = |sign| match natural(sign) {
        _ if sign == b'"' && words => 1.0,
        _ if matches!(sign, b'\'' | b',') && !words => (SOME * various).min(1.0),
        SOME => (SOME * various).min(1.0),
        natural => natural,
    };
    signs(kinds).map(of).fold(1.0, f32::min)
}

/// How natural most signs are.
pub(super) const SOME: f32 = 0.1;

/// Of 1 for what any text may have, down to what only a syntax needs.
const fn natural(byte: u8) -> f32 {
    match byte {
        b' ' | b'-' | b'.' | b'_' | b',' | b'\'' => 1.0,
        b'"' => 0.3,
        b'/' | b':' | b'@' | b'(' | b')' | b'!' | b'&' | b'+' | b'?' | b'#' | b'*' | b'$' => SOME,
        _ => 0.02,
    }
}

/// The signs among kinds; one control character stands for all.
pub(super) fn signs(kinds: u64) -> impl Iterator<Item = u8> {
    let printable = (b' '..127).filter(|byte| !byte.is_ascii_alphanumeric());
    let control = [(b'\n', BREAK), (0, CONTROL)];
    let all = printable.map(|byte| (byte, KIND[usize::from(byte)])).chain(control);
    all.filter(move |(_, kind)| kinds >> kind & 1 == 1).map(|(byte, _)| byte)
}

/// Kinds in words: `letters, digits, '@'`.
pub(super) fn in_words(kinds: u64) -> String {
    let word = |(kind, word): (u8, &str)| (kinds >> kind & 1 == 1).then(|| word.to_owned());
    let words = [(LETTER, "letters"), (DIGIT, "digits")].into_iter().filter_map(word);
    let signs = signs(kinds).map(|byte| match byte {
        b' ' => "spaces".to_owned(),
        b'\n' => "line breaks".to_owned(),
        0 => "control characters".to_owned(),
        sign => format!("'{}'", char::from(sign)),
    });
    words.chain(signs).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::of(text.as_bytes(), Writing::Form)
    }

    #[test]
    fn a_value_is_looked_at_as_it_reads_after_decoding() {
        let same = |a: &str, b: &str| identity(a.as_bytes(), Writing::Form) == identity(b.as_bytes(), Writing::Form);
        assert!(same("a%20b", "a+b") && same("%61b", "ab") && !same("a+b", "ab"));
        assert_eq!(form("a%20b").length, 3);
        assert_eq!(Form::of(b"a+b", Writing::Plain).length, 3);
        assert_eq!(form("100%").length, 4, "a lone percent sign is a character");
    }

    #[test]
    fn a_shape_is_made_of_runs_with_their_lengths() {
        assert_eq!(form("12345678A").shape, form("87654321z").shape);
        assert_ne!(form("12345678A").shape, form("1234567A").shape);
        assert_eq!(form(&"a-".repeat(40)).shape, form(&"b/".repeat(50)).shape);
    }

    #[test]
    fn characters_are_told_in_words() {
        assert_eq!(in_words(form("bob@example.com").marks[0]), "letters, '.', '@'");
        assert_eq!(in_words(form("a+1%00").marks[0]), "letters, digits, spaces, control characters");
    }

    #[test]
    fn a_sign_in_two_places_is_marked_but_not_where_texts_repeat_it() {
        let new = |a: &str, b: &str| form(b).marks[0] & !form(a).marks[0];
        assert_eq!(new("bob@example.com", "bob@ex@ample.com") & ALL_KINDS, 0);
        assert_ne!(new("bob@example.com", "bob@ex@ample.com"), 0);
        assert_eq!(new("a.b c", "a.b.c d e"), 0);
    }

    #[test]
    fn what_a_syntax_needs_is_less_natural_than_what_names_need() {
        let (name, words) = (form("O'Brien-Smith").marks[0], form("a b").marks[0]);
        assert!(allowance(name, words) > 0.9 && allowance(name, 0) < 0.2);
        assert!(allowance(form("a;b").marks[0], words) < 0.05);
        assert!(form("<b>").has_syntax() && form("a;b").has_syntax() && !form("a, b (c)").has_syntax());
    }

    #[test]
    fn a_huge_value_is_cut_but_its_length_counts() {
        assert_eq!(Form::of(&vec![b'a'; 1 << 20], Writing::Form).length, 1 << 20);
    }
}
