//! HTML character references, as browsers read them: also without the semicolon, also with many leading zeros.

use super::percent::digit;

/// Names of the characters that attacks need, in lower case.
const NAMES: &[(&[u8], u8)] = &[
    (b"lt", b'<'),
    (b"gt", b'>'),
    (b"amp", b'&'),
    (b"quot", b'"'),
    (b"apos", b'\''),
    (b"nbsp", b' '),
    (b"tab", b'\t'),
    (b"newline", b'\n'),
    (b"colon", b':'),
    (b"semi", b';'),
    (b"lpar", b'('),
    (b"rpar", b')'),
    (b"sol", b'/'),
    (b"bsol", b'\\'),
    (b"equals", b'='),
    (b"comma", b','),
    (b"period", b'.'),
    (b"excl", b'!'),
    (b"num", b'#'),
    (b"percnt", b'%'),
    (b"dollar", b'$'),
    (b"plus", b'+'),
    (b"grave", b'`'),
    (b"lbrace", b'{'),
    (b"lcub", b'{'),
    (b"rbrace", b'}'),
    (b"rcub", b'}'),
    (b"lbrack", b'['),
    (b"lsqb", b'['),
    (b"rbrack", b']'),
    (b"rsqb", b']'),
    (b"verbar", b'|'),
    (b"vert", b'|'),
    (b"lowbar", b'_'),
    (b"quest", b'?'),
    (b"commat", b'@'),
    (b"ast", b'*'),
    (b"hat", b'^'),
];

/// Decodes one layer in place. Returns whether anything changed.
pub(super) fn decode(text: &mut Vec<u8>) -> bool {
    let (mut read, mut write) = (0, 0);
    while read < text.len() {
        if text[read] == b'&'
            && let Some((character, length)) = reference(&text[read..])
        {
            write += super::put(text, write, character);
            read += length;
            continue;
        }
        text[write] = text[read];
        (read, write) = (read + 1, write + 1);
    }
    let changed = write != text.len();
    text.truncate(write);
    changed
}

/// The character that a reference at the start of `text` stands for, and the reference's length.
fn reference(text: &[u8]) -> Option<(char, usize)> {
    if text.get(1) == Some(&b'#') { number(text) } else { name(text) }
}

fn number(text: &[u8]) -> Option<(char, usize)> {
    let hexadecimal = matches!(text.get(2), Some(b'x' | b'X'));
    let (start, base) = if hexadecimal { (3, 16) } else { (2, 10) };
    let mut end = start;
    let mut value = 0_u32;
    while let Some(digit) = text.get(end).and_then(|&byte| digit(byte)).filter(|&digit| u32::from(digit) < base) {
        value = value.saturating_mul(base).saturating_add(digit.into());
        end += 1;
    }
    // A reference must never grow: `&#9` is three bytes, a character of three bytes takes at least four digits.
    let character = char::from_u32(value).filter(|character| end > start && character.len_utf8() <= end)?;
    Some((character, end + usize::from(text.get(end) == Some(&b';'))))
}

fn name(text: &[u8]) -> Option<(char, usize)> {
    let length = text[1..].iter().take(9).take_while(|byte| byte.is_ascii_alphabetic()).count();
    let word = &text[1..=length];
    let ended = text.get(length + 1) == Some(&b';');
    // Browsers take these few without a semicolon, and at once where more letters follow.
    let bare = |name: &&(&[u8], u8)| matches!(name.0, b"lt" | b"gt" | b"amp" | b"quot") && starts(word, name.0);
    if ended && let Some((_, byte)) = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
        return Some((char::from(*byte), length + 2));
    }
    NAMES.iter().find(bare).filter(|(name, _)| word.len() == name.len()).map(|(name, byte)| (char::from(*byte), name.len() + 1))
}

fn starts(word: &[u8], name: &[u8]) -> bool {
    word.len() >= name.len() && word[..name.len()].eq_ignore_ascii_case(name)
}
