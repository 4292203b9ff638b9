//! Sigma's strings: literal text with the wildcards `*` and `?`.

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Literal(Vec<u8>),
    /// `*`: any bytes, also none.
    Many,
    /// `?`: one character (a byte that is not UTF-8 counts as one).
    One,
}

/// A string that a value must equal as a whole, but for its wildcards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pattern {
    pieces: Vec<Piece>,
    /// Letters must have the same case. Otherwise ASCII letters match in either.
    pub cased: bool,
}

impl Pattern {
    /// Reads a Sigma string. A backslash makes a following `*`, `?` or backslash literal; before anything else it is an
    /// ordinary backslash (Sigma rules specification, "Escaping").
    #[must_use]
    pub fn parse(text: &str) -> Pattern {
        let mut pattern = Pattern::default();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '*' => pattern.push(Piece::Many),
                '?' => pattern.push(Piece::One),
                '\\' => match characters.next_if(|next| matches!(next, '*' | '?' | '\\')) {
                    Some(escaped) => pattern.push_char(escaped),
                    None => pattern.push_char('\\'),
                },
                other => pattern.push_char(other),
            }
        }
        pattern
    }

    /// The bytes themselves, without wildcards.
    #[must_use]
    pub fn literal(bytes: &[u8]) -> Pattern {
        let mut pattern = Pattern::default();
        if !bytes.is_empty() {
            pattern.push(Piece::Literal(bytes.to_vec()));
        }
        pattern
    }

    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The text of a pattern without wildcards.
    #[must_use]
    pub fn as_literal(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [] => Some(b""),
            [Piece::Literal(literal)] => Some(literal),
            _ => None,
        }
    }

    /// The same with something before it.
    #[must_use]
    pub fn after_anything(&self) -> Pattern {
        let mut pattern = Pattern { pieces: Vec::new(), cased: self.cased };
        pattern.push(Piece::Many);
        pattern.append(self);
        pattern
    }

    /// The same with something after it.
    #[must_use]
    pub fn before_anything(mut self) -> Pattern {
        self.push(Piece::Many);
        self
    }

    /// The same anywhere.
    #[must_use]
    pub fn anywhere(&self) -> Pattern {
        self.after_anything().before_anything()
    }

    pub(crate) fn append(&mut self, other: &Pattern) {
        for piece in &other.pieces {
            self.push(piece.clone());
        }
    }

    pub(crate) fn push(&mut self, piece: Piece) {
        match (self.pieces.last_mut(), piece) {
            (Some(Piece::Many), Piece::Many) => {}
            (Some(Piece::Literal(literal)), Piece::Literal(more)) => literal.extend(more),
            (_, piece) => self.pieces.push(piece),
        }
    }

    fn push_char(&mut self, character: char) {
        self.push(Piece::Literal(character.to_string().into_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        let show = |piece: &Piece| match piece {
            Piece::Literal(bytes) => format!("<{}>", String::from_utf8_lossy(bytes)),
            Piece::Many => "*".into(),
            Piece::One => "?".into(),
        };
        Pattern::parse(text).pieces().iter().map(show).collect()
    }

    #[test]
    fn backslashes_escape_as_the_specification_says() {
        for (written, meant) in [
            (r"C:\Windows\System32", r"<C:\Windows\System32>"),
            (r"a\*b", "<a*b>"),
            (r"a\?b", "<a?b>"),
            (r"a\\*b", r"<a\>*<b>"),
            (r"a\\\*b", r"<a\*b>"),
            (r"\\\\server", r"<\\server>"),
            (r"\\server", r"<\server>"),
            (r"end\", r"<end\>"),
            (r"\\", r"<\>"),
            ("a*b?c", "<a>*<b>?<c>"),
            ("**", "*"),
            ("", ""),
        ] {
            assert_eq!(show(written), meant, "{written}");
        }
    }

    #[test]
    fn anywhere_adds_wildcards_once() {
        assert_eq!(Pattern::parse("*x").anywhere(), Pattern::parse("*x*"));
        assert_eq!(Pattern::parse("").anywhere(), Pattern::parse("*"));
    }
}
