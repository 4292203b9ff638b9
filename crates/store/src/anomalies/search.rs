use lapwing_model::{Anomaly, hash};

/// Most of an anomaly's evidence that is found by full-text search, in bytes.
const INDEXED: usize = 8 << 10;

/// Most words of a question that are looked at, and how long one may be in bytes.
const WORDS: usize = 16;
const LONGEST: usize = 128;

/// What the full-text index has of an anomaly, in the order of its columns.
pub(super) struct Texts {
    pub(super) reason: String,
    pub(super) entity: String,
    pub(super) class: String,
    pub(super) evidence: String,
}

impl Texts {
    pub(super) fn of(anomaly: &Anomaly) -> Texts {
        let joined = |text: &str| {
            let mut joined = String::with_capacity(text.len() + 16);
            join_numbers(&mut joined, cut(text, INDEXED));
            joined
        };
        let mut evidence = String::new();
        for text in anomaly.evidence.iter().flat_map(|line| [&line.text, &line.file]) {
            let left = INDEXED.saturating_sub(evidence.len() + 1);
            join_numbers(&mut evidence, cut(text, left));
            evidence.push(' ');
        }
        Texts { reason: joined(&anomaly.reason), entity: joined(&anomaly.entity), class: joined(&anomaly.class), evidence }
    }

    /// Changes with any of the texts: indexing is the dearest part of an update.
    pub(super) fn hash(&self) -> i64 {
        hash([&*self.reason, &self.entity, &self.class, &self.evidence].join("\0").as_bytes()) as i64
    }
}

/// Turns what a person typed into an FTS5 expression that matches rows with all its words; a word that ends with `*` is the
/// beginning of one. Nothing else typed has a meaning of its own. Nothing is returned where there is no word in it.
///
/// A beginning is dear where rows have many words that begin so: SQLite collects all their rows before the first is known.
pub(super) fn expression(typed: &str) -> Option<String> {
    let mut expression = String::new();
    let words = typed.split(|c: char| c.is_whitespace() || c.is_control() || c == '"');
    for word in words.filter(|word| word.chars().any(char::is_alphanumeric)).take(WORDS) {
        // A string in FTS5: its tokens in this order. Quotes and NUL, which would end it, have become gaps above.
        expression.push('"');
        join_numbers(&mut expression, cut(word, LONGEST));
        expression.push_str(if word.len() <= LONGEST && word.ends_with('*') { "\" * " } else { "\" " });
    }
    (!expression.is_empty()).then_some(expression)
}

/// Appends a text with the dots within numbers and addresses changed to a character of private use, which FTS5 takes for a
/// letter: `203.0.113.9` is one word, found at once, and not four that every other address has too.
fn join_numbers(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(dot) = rest.find('.') {
        let digit = |index: Option<usize>| index.and_then(|index| rest.as_bytes().get(index)).is_some_and(u8::is_ascii_digit);
        out.push_str(&rest[..dot]);
        out.push(if digit(dot.checked_sub(1)) && digit(Some(dot + 1)) { '\u{e000}' } else { '.' });
        rest = &rest[dot + 1..];
    }
    out.push_str(rest);
}

/// The beginning of a text, at most this many bytes and no half character.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_a_string_and_no_operator() {
        assert_eq!(expression("sql injection").as_deref(), Some("\"sql\" \"injection\" "));
        assert_eq!(expression("a OR b").as_deref(), Some("\"a\" \"OR\" \"b\" "));
        assert_eq!(expression("x\0y\"z").as_deref(), Some("\"x\" \"y\" \"z\" "));
        assert_eq!(expression("/wp-login.php").as_deref(), Some("\"/wp-login.php\" "));
        assert_eq!(expression("wp-log* \"*x").as_deref(), Some("\"wp-log*\" * \"*x\" "));
    }

    #[test]
    fn an_address_is_one_word_and_a_sentence_is_not() {
        let mut joined = String::new();
        join_numbers(&mut joined, ".5. 203.0.113.9. end.of 1.x.2.3");
        assert_eq!(joined.replace('\u{e000}', "_"), ".5. 203_0_113_9. end.of 1.x.2_3");
    }

    #[test]
    fn there_is_nothing_to_ask_without_a_word() {
        assert_eq!(expression(""), None);
        assert_eq!(expression("\"*( -"), None);
    }

    #[test]
    fn a_question_is_bounded() {
        let typed = "ä".repeat(10_000) + &" word".repeat(10_000);
        assert!(expression(&typed).is_some_and(|expression| expression.len() < 1000));
    }
}
