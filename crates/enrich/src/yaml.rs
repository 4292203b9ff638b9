//! Files that people write, with the place of what is wrong in them.

use std::path::Path;

use serde::Deserialize;

/// Reads a list; an empty file is an empty one.
///
/// # Errors
/// Where the file cannot be read or says something else: the place and, of a misspelt key, the one that may be meant.
pub fn read<T: for<'de> Deserialize<'de>>(path: &Path, setting: &str) -> Result<Vec<T>, String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {name}: {error}; correct {setting}"))?;
    parse(&name.to_string(), &text)
}

pub fn parse<T: for<'de> Deserialize<'de>>(name: &str, text: &str) -> Result<Vec<T>, String> {
    let list: Result<Option<Vec<T>>, _> = serde_saphyr::from_str(text);
    list.map(Option::unwrap_or_default).map_err(|error| {
        let place = error.location().map(|at| format!(":{}:{}", at.line(), at.column())).unwrap_or_default();
        let message = error.without_snippet().to_string();
        let message = message.split(" at line ").next().unwrap_or(&message).lines().next().unwrap_or_default();
        format!("{name}{place}: {}", meant(message))
    })
}

/// Serde names what it does not know first, in backquotes, and after it what it expected.
fn meant(message: &str) -> String {
    let parts =
        message.split_once("unknown ").and_then(|(_, rest)| Some((rest.split('`').nth(1)?, rest.split_once("expected ")?.1)));
    let Some((unknown, known)) = parts else { return message.to_owned() };
    let known = known.trim_start_matches("one of ").split([',', ' ']).map(|word| word.trim_matches('`'));
    let near = known.filter(|word| !word.is_empty()).map(|word| (strsim::damerau_levenshtein(word, unknown), word)).min();
    match near.filter(|(distance, word)| *distance <= word.len().max(4) / 2) {
        Some((_, word)) => format!("unknown '{unknown}'; did you mean '{word}'?"),
        None => message.to_owned(),
    }
}
