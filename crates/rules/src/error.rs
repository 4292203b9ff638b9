use std::fmt;
use std::sync::Arc;

/// What is wrong with a rule, and where. It is also the form of a warning of [`check`](crate::check).
///
/// Displayed as `rules/x.yml:7:13: unknown modifier 'contians'; did you mean 'contains'?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Nothing is wrong with the rule, but it waits for a setting, and is left out until then: a warning.
    pub waits: bool,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RuleError {}

/// A place in a rule file, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// Collects what is wrong while a file is read, so that one run shows every mistake.
#[derive(Debug)]
pub(crate) struct Problems {
    file: Arc<str>,
    found: Vec<RuleError>,
}

impl Problems {
    pub(crate) fn new(file: &Arc<str>) -> Problems {
        Problems { file: Arc::clone(file), found: Vec::new() }
    }

    pub(crate) fn file(&self) -> &Arc<str> {
        &self.file
    }

    pub(crate) fn add(&mut self, at: Position, message: impl Into<String>) {
        self.push(at, message.into(), None);
    }

    pub(crate) fn add_with(&mut self, at: Position, message: impl Into<String>, help: impl Into<String>) {
        self.push(at, message.into(), Some(help.into()));
    }

    /// `word` is none of `known`: says so, and which of them was probably meant.
    pub(crate) fn unknown<'a>(&mut self, at: Position, what: &str, word: &str, known: impl IntoIterator<Item = &'a str>) {
        let help = did_you_mean(word, known).map(|near| format!("did you mean '{near}'?"));
        self.push(at, format!("unknown {what} {}", quoted(word)), help);
    }

    /// The rule needs a setting that is not there.
    pub(crate) fn waits(&mut self, at: Position, message: impl Into<String>, help: impl Into<String>) {
        self.push(at, message.into(), Some(help.into()));
        self.found.iter_mut().rev().take(1).for_each(|problem| problem.waits = true);
    }

    fn push(&mut self, at: Position, message: String, help: Option<String>) {
        self.found.push(RuleError {
            file: Arc::clone(&self.file),
            line: at.line,
            column: at.column,
            message,
            help,
            waits: false,
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    pub(crate) fn into_errors(self) -> Vec<RuleError> {
        self.found
    }
}

/// Text of a rule file inside a message: one line, no control characters, not endless.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push_str("...");
    }
    format!("'{shown}'")
}

/// The nearest of the known words, if it is near enough to be a slip of the fingers.
#[must_use]
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let distance = |other: &str| strsim::damerau_levenshtein(&lower, &other.to_ascii_lowercase());
    let length = word.chars().count();
    let allowed = (length / 3).max(1);
    known
        .into_iter()
        // As far apart as their lengths they are at least.
        .filter(|other| other.len() <= 64 && !other.is_empty() && other.chars().count().abs_diff(length) <= allowed)
        .map(|other| (distance(other), other))
        .filter(|&(distance, _)| distance <= allowed)
        .min()
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_place_then_message_then_help() {
        let mut problems = Problems::new(&Arc::from("rules/x.yml"));
        problems.unknown(Position { line: 7, column: 13 }, "modifier", "contians", ["contains", "cidr"]);
        let errors = problems.into_errors();
        assert_eq!(errors[0].to_string(), "rules/x.yml:7:13: unknown modifier 'contians'; did you mean 'contains'?");
    }

    #[test]
    fn does_not_suggest_what_is_far_away() {
        assert_eq!(did_you_mean("zebra", ["contains", "cidr"]), None);
        assert_eq!(did_you_mean("Url.Orignal", ["url.original", "url.path"]), Some("url.original"));
    }

    #[test]
    fn escape_sequences_of_a_rule_file_do_not_reach_a_terminal() {
        assert_eq!(quoted("a\u{1b}[2Jb"), "'a\\u{1b}[2Jb'");
        assert!(quoted(&"x".repeat(10_000)).len() < 80);
    }
}
