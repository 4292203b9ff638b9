//! A value as a database would read it: one letter per token, for rules about the order of tokens.
//!
//! | letter | token |
//! |---|---|
//! | `1` | a number (also `0x1f`, `1e5`), or a word for a value: `null`, `true` |
//! | `q` | the string within which the value begins |
//! | `s` | a string |
//! | `v` | a variable: `@@version`, `@x` |
//! | `n` | a name or any other word |
//! | `f` | a word right before a parenthesis |
//! | `&` | `and`, `or`, `xor`, `&&`, `||`, `having`, `where`, `when`, `on` |
//! | `o` | a comparison: `=`, `<`, `like`, `in`, `is`, `between`... |
//! | `a` | arithmetic: `+`, `-`, `*`... |
//! | `k` | a word that begins or continues a statement: `select`, `from`, `into`... |
//! | `u` | `union`, `except`, `intersect` |
//! | `g` | `order by`, `group by`, `limit`, `procedure` |
//! | `c` | a comment, to the end |
//! | `(` `)` `,` `;` | themselves |
//!
//! A value lands in a query bare or within quotes. So it is read three times: as it is, and as if a `'` or a `"` stood before it.
//! The idea of classifying token sequences is Nick Galbreath's (libinjection, Black Hat USA 2012); the classes and the
//! patterns, which rules give as regexes, are our own.

/// More tokens than this add nothing.
const MOST: usize = 96;

/// Writes the tokens of `text` (lower case), as it stands after an open `quote` or, without one, bare.
pub(crate) fn read(text: &[u8], quote: Option<u8>, out: &mut Vec<u8>) {
    out.clear();
    let mut at = 0;
    if let Some(quote) = quote {
        at = string_end(text, 0, quote);
        out.push(b'q');
    }
    while at < text.len() && out.len() < MOST {
        at = token(text, at, out);
    }
}

/// Reads one token; returns where it ends.
fn token(text: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let byte = text[at];
    let next = text.get(at + 1).copied().unwrap_or(0);
    match byte {
        b'\'' | b'"' => {
            out.push(b's');
            string_end(text, at + 1, byte)
        }
        b'(' | b')' | b',' | b';' => {
            out.push(byte);
            at + 1
        }
        b'#' => comment(text.len(), out),
        b'-' if next == b'-' && starts_comment(text.get(at + 2)) => comment(text.len(), out),
        b'/' if next == b'*' => comment(text.len(), out),
        b'&' if next == b'&' => logic(at + 2, out),
        b'|' if next == b'|' => logic(at + 2, out),
        b'=' | b'<' | b'>' | b'!' => operator(b'o', at, out),
        b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'~' | b'|' | b'&' | b':' => operator(b'a', at, out),
        b'0'..=b'9' => number(text, at, out),
        b'.' if next.is_ascii_digit() => number(text, at, out),
        b'@' => {
            out.push(b'v');
            word_end(text, at + 1 + usize::from(next == b'@'))
        }
        b'a'..=b'z' | b'_' | b'$' | 0x80.. => word(text, at, out),
        _ => at + 1,
    }
}

/// Several operators in a row are one.
fn operator(class: u8, at: usize, out: &mut Vec<u8>) -> usize {
    if !matches!(out.last(), Some(b'o' | b'a')) {
        out.push(class);
    }
    at + 1
}

fn comment(end: usize, out: &mut Vec<u8>) -> usize {
    out.push(b'c');
    end
}

fn logic(end: usize, out: &mut Vec<u8>) -> usize {
    out.push(b'&');
    end
}

/// `--` begins a comment where a blank, the end, or another sign follows (some databases ask for the blank, some do not).
fn starts_comment(next: Option<&u8>) -> bool {
    next.is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

/// Behind the string that began before `at`: a doubled or escaped quote does not end it.
fn string_end(text: &[u8], mut at: usize, quote: u8) -> usize {
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            byte if byte == quote && text.get(at + 1) == Some(&quote) && text.get(at + 2).is_some() => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn number(text: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let end = at + text[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'.').count();
    let digits = text[at..end].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let rest = &text[at + digits..end];
    let exponent = rest.first() == Some(&b'e') && rest[1..].iter().all(u8::is_ascii_digit);
    let hexadecimal = matches!(rest.first(), Some(b'x' | b'b')) && rest[1..].iter().all(u8::is_ascii_hexdigit);
    if rest.is_empty() || exponent || hexadecimal {
        out.push(b'1');
        return end;
    }
    // `1union`: databases read a number and a word.
    if class(rest) != b'n' {
        out.push(b'1');
        return at + digits;
    }
    out.push(b'n');
    end
}

fn word_end(text: &[u8], at: usize) -> usize {
    let at = at.min(text.len());
    at + text[at..]
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(**byte, b'_' | b'$' | b'.' | 0x80..))
        .count()
}

fn word(text: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let end = word_end(text, at);
    let class = class(&text[at..end]);
    let blanks = text[end..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let called = text.get(end + blanks) == Some(&b'(');
    match class {
        0 => {}
        b'n' if called => out.push(b'f'),
        b'n' if out.last() == Some(&b'n') => {}
        b'o' | b'a' if matches!(out.last(), Some(b'o' | b'a')) => {}
        class => out.push(class),
    }
    end
}

fn class(word: &[u8]) -> u8 {
    match word {
        b"and" | b"or" | b"xor" | b"having" | b"where" | b"when" | b"on" => b'&',
        b"div" | b"mod" => b'a',
        b"like" | b"rlike" | b"regexp" | b"in" | b"is" | b"between" | b"sounds" | b"ilike" | b"similar" | b"glob" | b"escape"
        | b"collate" | b"binary" => b'o',
        b"not" | b"all" | b"distinct" | b"by" => 0,
        b"null" | b"true" | b"false" | b"unknown" => b'1',
        b"union" | b"except" | b"intersect" | b"minus" => b'u',
        b"order" | b"group" | b"limit" | b"procedure" | b"offset" => b'g',
        b"select" | b"insert" | b"update" | b"delete" | b"drop" | b"alter" | b"create" | b"truncate" | b"exec" | b"execute"
        | b"declare" | b"shutdown" | b"waitfor" | b"from" | b"into" | b"set" | b"values" | b"table" | b"case" | b"then"
        | b"end" | b"else" | b"begin" | b"call" | b"handler" | b"replace" | b"merge" | b"grant" | b"do" => b'k',
        _ => b'n',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str, quote: Option<u8>) -> String {
        let mut out = Vec::new();
        read(text.as_bytes(), quote, &mut out);
        String::from_utf8(out).expect("letters")
    }

    #[test]
    fn each_token_is_one_letter_in_the_context_it_is_read_in() {
        assert_eq!(tokens("1 union select null,@@version from users--", None), "1uk1,vknc");
        assert_eq!(tokens("x' or 'a'='a", Some(b'\'')), "q&sos");
        assert_eq!(tokens("1) and sleep(5)#", None), "1)&f(1)c");
        assert_eq!(tokens("0x41 like 1e5", None), "1o1");
        assert_eq!(tokens("1order by 3", None), "1g1");
        assert_eq!(tokens("o'neill", Some(b'\'')), "qn");
    }

    #[test]
    fn any_bytes_are_read_to_their_end() {
        for byte in 0..=255_u8 {
            let mut out = Vec::new();
            read(&[byte; 500], Some(b'\''), &mut out);
            assert!(out.len() <= MOST);
        }
    }
}
