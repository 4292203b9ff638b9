//! Which kinds of bytes a value has: one pass tells which work it needs at all.

pub const PERCENT: u16 = 1;
pub const PLUS: u16 = 1 << 1;
pub const AMPERSAND: u16 = 1 << 2;
pub const BACKSLASH: u16 = 1 << 3;
pub const HIGH: u16 = 1 << 4;
pub const SLASH: u16 = 1 << 5;
pub const STAR: u16 = 1 << 6;
/// `'`, `"` and a backtick.
pub const QUOTE: u16 = 1 << 7;
/// `$`, `^`, `{`.
pub const SHELL: u16 = 1 << 8;
pub const CONTROL: u16 = 1 << 9;
pub const BLANK: u16 = 1 << 10;
pub const UPPER: u16 = 1 << 11;
/// `<`, `(`, `=`, `:`.
pub const MARKUP: u16 = 1 << 12;
/// `-`, `_`, `,`, `@`: in names, numbers and addresses.
pub const JOINT: u16 = 1 << 13;
pub const DOT: u16 = 1 << 15;
/// Everything else that is no letter and no digit.
pub const OTHER: u16 = 1 << 14;

/// Signs that paths and words do without.
pub const SIGNS: u16 = PERCENT | PLUS | AMPERSAND | BACKSLASH | HIGH | STAR | QUOTE | SHELL | CONTROL | BLANK | MARKUP | OTHER;

/// Only letters, digits and what joins them: nothing to decode, nothing to hide behind.
pub const PLAIN: u16 = UPPER | JOINT;

static TABLE: [u16; 256] = table();

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | b'0'..=b'9' => 0,
            b'A'..=b'Z' => UPPER,
            b'%' => PERCENT,
            b'+' => PLUS,
            b'&' => AMPERSAND,
            b'\\' => BACKSLASH,
            b'/' => SLASH,
            b'*' => STAR,
            b'\'' | b'"' | b'`' => QUOTE,
            b'$' | b'^' | b'{' => SHELL,
            b' ' => BLANK,
            0..=31 | 127 => CONTROL,
            b'<' | b'(' | b'=' | b':' => MARKUP,
            b'-' | b'_' | b',' | b'@' => JOINT,
            b'.' => DOT,
            0x80..=0xff => HIGH,
            _ => OTHER,
        };
        byte += 1;
    }
    table
}

/// The marks of all bytes together.
#[must_use]
pub fn marks(text: &[u8]) -> u16 {
    text.iter().fold(0, |marks, &byte| marks | TABLE[byte as usize])
}
