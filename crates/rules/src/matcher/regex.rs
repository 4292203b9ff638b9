//! Regular expressions: compiled within limits, and the literals that any match of them must hold.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::pattern::{Pattern, Piece};
use crate::rule::RegexSource;

/// Most memory of one compiled expression: refuses `(a{1000}){1000}`.
const SIZE: usize = 512 << 10;
/// Memory for the states found while matching; beyond it matching goes on, slower but still linear.
const CACHE: usize = 1 << 20;
const NESTING: u32 = 100;
/// Most bytes of an expression's text: reading and refusing a longer one would take time, and nobody can mean it.
const TEXT: usize = 16 << 10;
/// A literal shorter than this is in too many values to choose a candidate.
const SHORTEST: usize = 3;
/// More alternatives than this are not worth looking for.
const ALTERNATIVES: usize = 64;

/// A compiled expression and literals, one of which (in either case) is in every value that matches it.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) regex: Regex,
    pub(super) literals: Option<Vec<Vec<u8>>>,
    /// Bytes, one of which is in every value that matches.
    pub(super) bytes: Option<Vec<u8>>,
}

/// # Errors
/// What is wrong with the expression, and what to do about it.
pub(super) fn compile(source: &RegexSource) -> Result<Compiled, (String, Option<String>)> {
    if source.text.len() > TEXT {
        let help = "write several expressions, or a list of values";
        return Err((format!("the regular expression is longer than {TEXT} bytes"), Some(help.into())));
    }
    // As bytes first: then `.` also takes bytes that are not UTF-8, of which attackers are fond. Expressions that name
    // Unicode classes need the other way.
    build(source, false).or_else(|_| build(source, true)).map_err(|error| explain(&error))
}

/// A pattern with wildcards. Its text may be longer than that of an expression, since every byte of it is written as four.
pub(super) fn compile_pattern(pattern: &Pattern) -> Result<Compiled, (String, Option<String>)> {
    build(&of_pattern(pattern), false).map_err(|error| explain(&error))
}

fn build(source: &RegexSource, unicode: bool) -> Result<Compiled, regex::Error> {
    let regex = RegexBuilder::new(&source.text)
        .case_insensitive(source.ignore_case)
        .multi_line(source.multi_line)
        .dot_matches_new_line(source.dot_matches_new_line)
        .unicode(unicode)
        .size_limit(SIZE)
        .dfa_size_limit(CACHE)
        .nest_limit(NESTING)
        .build()?;
    let hir = regex_syntax::ParserBuilder::new()
        .case_insensitive(source.ignore_case)
        .multi_line(source.multi_line)
        .dot_matches_new_line(source.dot_matches_new_line)
        .unicode(unicode)
        .utf8(false)
        .nest_limit(NESTING)
        .build()
        .parse(&source.text);
    let hir = hir.ok();
    let literals = hir.as_ref().and_then(required);
    Ok(Compiled { regex, literals, bytes: hir.as_ref().and_then(rare_bytes) })
}

fn explain(error: &regex::Error) -> (String, Option<String>) {
    match error {
        regex::Error::CompiledTooBig(limit) => {
            let help = "use smaller counts in its repetitions";
            (format!("the regular expression needs more than {limit} bytes"), Some(help.into()))
        }
        other => {
            let text = other.to_string();
            let reason = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
            let look = reason.contains("look-around") || reason.contains("backreferences");
            let help = look.then(|| "this engine takes linear time and has neither; say it with two conditions".into());
            (format!("not a regular expression: {reason}"), help)
        }
    }
}

/// A pattern with wildcards as a regular expression over the whole value.
fn of_pattern(pattern: &Pattern) -> RegexSource {
    use std::fmt::Write;
    let mut text = String::from(r"\A");
    for piece in pattern.pieces() {
        match piece {
            Piece::Many => text.push_str(".*"),
            Piece::One => text.push_str(ONE),
            Piece::Literal(bytes) => {
                for byte in bytes {
                    // Writing to a string cannot fail.
                    let _ = write!(text, r"\x{byte:02x}");
                }
            }
        }
    }
    text.push_str(r"\z");
    RegexSource { text, ignore_case: !pattern.cased, multi_line: false, dot_matches_new_line: true }
}

/// One character of UTF-8, or one byte beyond ASCII.
const ONE: &str = r"(?:[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\x80-\xff])";

/// Literals, in small letters, one of which is in every match.
fn required(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let literals = match hir.kind() {
        HirKind::Capture(capture) => return required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => return required(&repetition.sub),
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(required(part)?);
            }
            all
        }
        HirKind::Concat(parts) => return of_sequence(parts),
        HirKind::Literal(_) | HirKind::Class(_) => vec![fixed(hir)?],
        HirKind::Empty | HirKind::Look(_) | HirKind::Repetition(_) => return None,
    };
    useful(literals)
}

fn useful(literals: Vec<Vec<u8>>) -> Option<Vec<Vec<u8>>> {
    let useful = literals.len() <= ALTERNATIVES && literals.iter().all(|literal| literal.len() >= SHORTEST);
    useful.then_some(literals)
}

/// The best of what the parts of a sequence need: runs of fixed bytes, or what one part needs by itself.
fn of_sequence(parts: &[Hir]) -> Option<Vec<Vec<u8>>> {
    let mut best: Option<Vec<Vec<u8>>> = None;
    let mut offer = |literals: Option<Vec<Vec<u8>>>| {
        let shortest = |literals: &Vec<Vec<u8>>| literals.iter().map(Vec::len).min().unwrap_or_default();
        if let Some(literals) = literals
            && best.as_ref().is_none_or(|best| shortest(best) < shortest(&literals))
        {
            best = Some(literals);
        }
    };
    let mut run = Vec::new();
    for part in parts {
        match (fixed(part), part.kind()) {
            (Some(bytes), _) => run.extend(bytes),
            (None, HirKind::Look(_)) => {}
            (None, _) => {
                offer(useful(vec![std::mem::take(&mut run)]));
                offer(required(part));
            }
        }
    }
    offer(useful(vec![run]));
    best
}

/// The bytes that the expression stands for, if they are always the same but for ASCII case.
fn fixed(hir: &Hir) -> Option<Vec<u8>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(literal.0.to_ascii_lowercase()),
        HirKind::Class(class) => {
            let letters: Vec<u8> = match class {
                Class::Bytes(class) => class
                    .ranges()
                    .iter()
                    .map(|range| (range.start() == range.end()).then_some(range.start()))
                    .collect::<Option<_>>()?,
                Class::Unicode(class) => class
                    .ranges()
                    .iter()
                    .map(|range| {
                        u8::try_from(range.start()).ok().filter(|byte| range.end() == char::from(*byte) && byte.is_ascii())
                    })
                    .collect::<Option<_>>()?,
            };
            match letters.as_slice() {
                [large, small] if large.to_ascii_lowercase() == *small => Some(vec![*small]),
                [one] => Some(vec![one.to_ascii_lowercase()]),
                _ => None,
            }
        }
        _ => None,
    }
}

/// More bytes than this are in too many values.
const BYTES: usize = 12;

/// Bytes that ordinary values seldom have, one of which is in every match.
fn rare_bytes(hir: &Hir) -> Option<Vec<u8>> {
    let rare = |byte: &u8| !(byte.is_ascii_alphanumeric() || b"/.-_ :,=&?+".contains(byte));
    let mut bytes = match hir.kind() {
        HirKind::Literal(literal) => vec![*literal.0.iter().find(|byte| rare(byte))?],
        HirKind::Class(Class::Bytes(class)) => {
            let size: usize = class.ranges().iter().map(|range| range.len()).sum();
            let ranges = (size <= BYTES).then(|| class.ranges())?;
            ranges.iter().flat_map(|range| range.start()..=range.end()).collect()
        }
        HirKind::Class(Class::Unicode(_)) | HirKind::Empty | HirKind::Look(_) => return None,
        HirKind::Repetition(repetition) if repetition.min > 0 => return rare_bytes(&repetition.sub),
        HirKind::Repetition(_) => return None,
        HirKind::Capture(capture) => return rare_bytes(&capture.sub),
        HirKind::Concat(parts) => return parts.iter().filter_map(rare_bytes).min_by_key(Vec::len),
        HirKind::Alternation(parts) => {
            let parts: Vec<Vec<u8>> = parts.iter().map(rare_bytes).collect::<Option<_>>()?;
            parts.concat()
        }
    };
    bytes.sort_unstable();
    bytes.dedup();
    (!bytes.is_empty() && bytes.len() <= BYTES && bytes.iter().all(rare)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> RegexSource {
        RegexSource { text: text.into(), ignore_case: false, multi_line: false, dot_matches_new_line: false }
    }

    fn literals(text: &str) -> Vec<String> {
        let compiled = compile(&source(text)).unwrap();
        let texts = compiled.literals.unwrap_or_default();
        texts.iter().map(|literal| String::from_utf8_lossy(literal).into_owned()).collect()
    }

    #[test]
    fn knows_the_literals_that_every_match_holds() {
        for (regex, needed) in [
            ("union.*select", vec!["select"]),
            ("(?i)UNION\\s+(ALL\\s+)?select", vec!["select"]),
            ("(foo|barbar)+x?", vec!["foo", "barbar"]),
            ("a|bcd", vec![]),
            ("x*", vec![]),
            ("(?:/etc/(?:passwd|shadow))", vec!["passwd", "shadow"]),
            ("[0-9]{3}", vec![]),
            ("\\bwget\\b", vec!["wget"]),
            ("(abc)?", vec![]),
        ] {
            assert_eq!(literals(regex), needed, "{regex}");
        }
    }

    #[test]
    fn knows_the_rare_bytes_that_every_match_holds() {
        for (regex, needed) in [
            ("(?i)(?:'|%27)(?:or|and)", Some("%'")),
            ("[;|]\\s*(?:cat|id)", Some(";|")),
            ("abc", None),
            ("(<x)+", Some("<")),
            ("(<x)*y", None),
            ("<|y", None),
            ("[^a]", None),
        ] {
            let bytes = compile(&source(regex)).unwrap().bytes;
            assert_eq!(bytes.as_deref(), needed.map(str::as_bytes), "{regex}");
        }
    }

    #[test]
    fn an_expression_that_would_fill_the_memory_is_refused() {
        for text in ["(a{1000}){1000}", "((((a{100}){100}){100}){100})", "(?i)[a-z]{500000}"] {
            let (message, _) = compile(&source(text)).unwrap_err();
            assert!(message.contains("more than") || message.contains("exceeds"), "{message}");
        }
        assert!(compile(&source(&"(".repeat(100_000))).is_err());
    }

    #[test]
    fn look_around_is_refused_with_advice() {
        let (message, help) = compile(&source("a(?=b)")).unwrap_err();
        assert!(message.contains("look-around") && help.is_some(), "{message}");
    }

    #[test]
    fn bytes_that_are_not_utf8_do_not_hide_a_match() {
        assert!(compile(&source("etc.passwd")).unwrap().regex.is_match(b"etc\xffpasswd"));
        assert!(compile(&source(r"\p{Greek}")).unwrap().regex.is_match("λ".as_bytes()));
    }
}
