//! The condition of a detection: `selection and not 1 of filter_*`.

use crate::error::{Position, Problems, quoted};

/// Deepest nesting of parentheses.
const DEPTH: usize = 50;
/// Most parts of one condition, its `of` written out.
const PARTS: usize = 20_000;

/// What must hold of an event, over the selections of its detection (by index).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    Selection(usize),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

/// Reads a condition over the selections `names`. `not` binds tighter than `and`, `and` tighter than `or`.
/// `column_of` gives the place of a byte of the text.
pub(crate) fn parse(text: &str, names: &[&str], place: impl Fn(usize) -> Position, problems: &mut Problems) -> Option<Condition> {
    let tokens = match tokens(text) {
        Ok(tokens) => tokens,
        Err(at) => {
            problems.add_with(
                place(at),
                "aggregations after '|' are no longer part of Sigma",
                "write a correlation rule (event_count, value_count) instead",
            );
            return None;
        }
    };
    let end = text.len();
    let mut reader = Reader { tokens: &tokens, at: 0, end, names, parts: 0, depth: 0 };
    let result = reader.any().and_then(|condition| match reader.peek() {
        None => Ok(condition),
        Some(token) => Err(Wrong::new(token.at, format!("expected 'and', 'or' or the end, found {}", quoted(token.text)))),
    });
    match result {
        Ok(condition) => Some(condition),
        Err(Wrong { at, message, unknown: None }) => {
            problems.add(place(at), message);
            None
        }
        Err(Wrong { at, unknown: Some(name), .. }) => {
            problems.unknown(place(at), "selection", &name, names.iter().copied());
            None
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    at: usize,
}

/// Words and parentheses; the place of a `|` if there is one.
fn tokens(text: &str) -> Result<Vec<Token<'_>>, usize> {
    let mut tokens = Vec::new();
    let mut word = None;
    for (at, character) in text.char_indices() {
        let ends = character.is_whitespace() || matches!(character, '(' | ')' | '|');
        if ends && let Some(start) = word.take() {
            tokens.push(Token { text: &text[start..at], at: start });
        }
        match character {
            '|' => return Err(at),
            '(' | ')' => tokens.push(Token { text: &text[at..=at], at }),
            _ if !ends && word.is_none() => word = Some(at),
            _ => {}
        }
    }
    if let Some(start) = word {
        tokens.push(Token { text: &text[start..], at: start });
    }
    Ok(tokens)
}

#[derive(Debug)]
struct Wrong {
    at: usize,
    message: String,
    unknown: Option<String>,
}

impl Wrong {
    fn new(at: usize, message: impl Into<String>) -> Wrong {
        Wrong { at, message: message.into(), unknown: None }
    }
}

#[derive(Debug)]
struct Reader<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    end: usize,
    names: &'a [&'a str],
    parts: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.text.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Condition, Wrong> {
        let mut parts = vec![self.all()?];
        while self.take_word("or") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Condition::Any))
    }

    fn all(&mut self) -> Result<Condition, Wrong> {
        let mut parts = vec![self.not()?];
        while self.take_word("and") {
            parts.push(self.not()?);
        }
        Ok(one_or(parts, Condition::All))
    }

    fn not(&mut self) -> Result<Condition, Wrong> {
        let mut negated = false;
        while self.take_word("not") {
            negated = !negated;
        }
        let inner = self.single()?;
        Ok(if negated { Condition::Not(Box::new(inner)) } else { inner })
    }

    fn single(&mut self) -> Result<Condition, Wrong> {
        let Some(token) = self.peek() else {
            return Err(Wrong::new(self.end, "the condition ends where a selection is expected"));
        };
        self.at += 1;
        match token.text {
            "(" => self.parenthesis(token.at),
            ")" => Err(Wrong::new(token.at, "')' without its '('")),
            _ if self.take_word("of") => self.of(token),
            name => self.selection(name, token.at),
        }
    }

    fn parenthesis(&mut self, at: usize) -> Result<Condition, Wrong> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Wrong::new(at, format!("parentheses nested deeper than {DEPTH}")));
        }
        let inner = self.any()?;
        self.depth -= 1;
        match self.peek() {
            Some(token) if token.text == ")" => {
                self.at += 1;
                Ok(inner)
            }
            Some(token) => Err(Wrong::new(token.at, format!("expected 'and', 'or' or ')', found {}", quoted(token.text)))),
            None => Err(Wrong::new(at, "'(' without its ')'")),
        }
    }

    fn selection(&mut self, name: &str, at: usize) -> Result<Condition, Wrong> {
        if name.eq_ignore_ascii_case("and") || name.eq_ignore_ascii_case("or") || name.eq_ignore_ascii_case("of") {
            return Err(Wrong::new(at, format!("expected a selection, found {}", quoted(name))));
        }
        self.count(1, at)?;
        match self.names.iter().position(|known| *known == name) {
            Some(index) => Ok(Condition::Selection(index)),
            None => Err(Wrong { at, message: String::new(), unknown: Some(name.into()) }),
        }
    }

    /// After `1 of`, `any of`, `all of`: a name with wildcards, or `them`.
    fn of(&mut self, quantity: Token<'_>) -> Result<Condition, Wrong> {
        let all = quantity.text.eq_ignore_ascii_case("all");
        if !all && !quantity.text.eq_ignore_ascii_case("any") && quantity.text != "1" {
            let message = format!("expected '1 of', 'any of' or 'all of', found '{} of'", quantity.text.escape_debug());
            return Err(Wrong::new(quantity.at, message));
        }
        let Some(token) = self.peek() else {
            return Err(Wrong::new(self.end, "the condition ends after 'of'"));
        };
        self.at += 1;
        let wanted = |name: &str| match token.text {
            // Names that begin with an underscore are helpers, not meant by `them`.
            "them" => !name.starts_with('_'),
            pattern => wildcard(pattern.as_bytes(), name.as_bytes()),
        };
        let parts: Vec<_> = (0..self.names.len()).filter(|&index| wanted(self.names[index])).map(Condition::Selection).collect();
        if parts.is_empty() {
            return Err(Wrong::new(token.at, format!("no selection is named like {}", quoted(token.text))));
        }
        self.count(parts.len(), token.at)?;
        Ok(one_or(parts, if all { Condition::All } else { Condition::Any }))
    }

    fn count(&mut self, parts: usize, at: usize) -> Result<(), Wrong> {
        self.parts += parts;
        if self.parts > PARTS {
            return Err(Wrong::new(at, format!("the condition has more than {PARTS} parts")));
        }
        Ok(())
    }
}

fn one_or(mut parts: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}

/// Whether a selection's name is like a pattern with `*`. Greedy with one point of return, so never exponential.
fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut back = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p + 1, n));
                p += 1;
            }
            Some(byte) if *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match back {
                Some((pattern_at, name_at)) => {
                    (p, n) = (pattern_at, name_at + 1);
                    back = Some((pattern_at, name_at + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const NAMES: [&str; 5] = ["sel_a", "sel_b", "filter", "_helper", "keywords"];

    fn read(text: &str) -> Result<String, String> {
        let mut problems = Problems::new(&Arc::from("x"));
        let place = |at| Position { line: 1, column: at + 1 };
        let condition = parse(text, &NAMES, place, &mut problems);
        condition.map(|condition| show(&condition)).ok_or_else(|| problems.into_errors()[0].to_string())
    }

    fn show(condition: &Condition) -> String {
        let join = |parts: &[Condition], by: &str| format!("({})", parts.iter().map(show).collect::<Vec<_>>().join(by));
        match condition {
            Condition::Selection(index) => NAMES[*index].into(),
            Condition::All(parts) => join(parts, " & "),
            Condition::Any(parts) => join(parts, " | "),
            Condition::Not(inner) => format!("!{}", show(inner)),
        }
    }

    #[test]
    fn not_binds_tighter_than_and_and_tighter_than_or() {
        for (written, meant) in [
            ("sel_a", "sel_a"),
            ("sel_a or sel_b and not filter", "(sel_a | (sel_b & !filter))"),
            ("not sel_a and sel_b", "(!sel_a & sel_b)"),
            ("not (sel_a and sel_b)", "!(sel_a & sel_b)"),
            ("(sel_a or sel_b) and filter", "((sel_a | sel_b) & filter)"),
            ("not not sel_a", "sel_a"),
            ("1 of sel_*", "(sel_a | sel_b)"),
            ("any of sel_*", "(sel_a | sel_b)"),
            ("all of sel_* and not 1 of filter*", "((sel_a & sel_b) & !filter)"),
            ("1 of them", "(sel_a | sel_b | filter | keywords)"),
            ("all of them", "(sel_a & sel_b & filter & keywords)"),
            ("sel_a AND NOT filter", "(sel_a & !filter)"),
            ("1 of *", "(sel_a | sel_b | filter | _helper | keywords)"),
            ("1 of _helper", "_helper"),
        ] {
            assert_eq!(read(written).as_deref(), Ok(meant), "{written}");
        }
    }

    #[test]
    fn says_where_a_condition_is_wrong() {
        for (written, wrong) in [
            ("sel_a and", "x:1:10: the condition ends where a selection is expected"),
            ("", "x:1:1: the condition ends where a selection is expected"),
            ("sel_a sel_b", "x:1:7: expected 'and', 'or' or the end, found 'sel_b'"),
            ("(sel_a", "x:1:1: '(' without its ')'"),
            ("sel_a)", "x:1:6: expected 'and', 'or' or the end, found ')'"),
            ("sel_a and and sel_b", "x:1:11: expected a selection, found 'and'"),
            ("sel_a or filtr", "x:1:10: unknown selection 'filtr'; did you mean 'filter'?"),
            ("1 of filtr*", "x:1:6: no selection is named like 'filtr*'"),
            ("2 of sel_*", "x:1:1: expected '1 of', 'any of' or 'all of', found '2 of'"),
            (
                "sel_a | count() > 5",
                "x:1:7: aggregations after '|' are no longer part of Sigma; write a correlation rule (event_count, value_count) instead",
            ),
        ] {
            assert_eq!(read(written), Err(wrong.into()), "{written}");
        }
    }

    #[test]
    fn hostile_conditions_end_with_an_error() {
        assert!(read(&"(".repeat(100_000)).unwrap_err().contains("nested deeper"));
        assert!(read(&"not ".repeat(100_000)).unwrap_err().contains("ends where"));
        assert!(read(&"1 of * or ".repeat(10_000)).unwrap_err().contains("more than"));
        assert!(!wildcard(&b"*a".repeat(500), &b"a".repeat(499)));
    }
}
