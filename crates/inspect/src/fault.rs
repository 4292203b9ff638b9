//! What is wrong with a rule file, and where.

use std::fmt;

use serde_saphyr::Location;

/// Displayed as `signatures/x.yml:7:5: unknown key 'regx'; did you mean 'regex'?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub file: String,
    /// From 1; 0 where no place is known.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.message),
        }
    }
}

impl std::error::Error for Fault {}

impl Fault {
    pub(crate) fn at(file: &str, at: Option<Location>, message: impl Into<String>) -> Fault {
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let (line, column) = at.map_or((0, 0), |at| (number(at.line()), number(at.column())));
        Fault { file: file.to_owned(), line, column, message: message.into() }
    }

    pub(crate) fn of_yaml(file: &str, error: &serde_saphyr::Error) -> Fault {
        let message = error.without_snippet().to_string();
        let message = message.split(" at line ").next().unwrap_or_default().lines().next().unwrap_or_default();
        Fault::at(file, error.location(), with_suggestion(message))
    }
}

/// Serde names what it does not know first, in backquotes, and after it what it expected.
fn with_suggestion(message: &str) -> String {
    let Some((_, rest)) = message.split_once("unknown ") else { return message.to_owned() };
    let (Some(unknown), Some((_, known))) = (rest.split('`').nth(1), rest.split_once("expected ")) else {
        return message.to_owned();
    };
    let known = known.trim_start_matches("one of ").split([',', ' ']).map(|word| word.trim_matches('`'));
    let near = known.filter(|word| !word.is_empty()).map(|word| (strsim::damerau_levenshtein(word, unknown), word)).min();
    let what = if rest.starts_with("variant") { "value" } else { "key" };
    match near.filter(|(distance, word)| *distance <= word.len().max(4) / 2) {
        Some((_, word)) => format!("unknown {what} '{unknown}'; did you mean '{word}'?"),
        None => format!("unknown {what} '{unknown}'; known are {}", rest.split_once("expected ").map_or("", |(_, known)| known)),
    }
}
