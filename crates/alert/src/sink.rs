//! Where alerts go. A new sink is one new file plus two lines here.

mod file;
mod stream;

use std::fmt;
use std::time::Duration;

pub use file::File;
use lapwing_model::{Anomaly, is_harmless};
pub use stream::Stream;

/// A way to tell people.
pub trait Sink: Send {
    fn name(&self) -> &str;

    /// Tells one anomaly.
    ///
    /// # Errors
    /// [`Failure::Passing`] where trying again may help, else [`Failure::Final`].
    fn send(&mut self, anomaly: &Anomaly) -> Result<(), Failure>;
}

/// Why an alert could not be told: the one question the retry loop asks.
#[derive(Debug)]
pub enum Failure {
    Passing { after: Duration, cause: String },
    Final(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Passing { after, cause } => write!(f, "{cause}; trying again in {} s", after.as_secs()),
            Failure::Final(cause) => f.write_str(cause),
        }
    }
}

/// One anomaly as one line of JSON, ending with a newline.
///
/// Log text inside is attacker text: besides JSON's own escapes, everything that could act in a terminal is escaped.
#[must_use]
pub fn json_line(anomaly: &Anomaly) -> String {
    // An anomaly is plain data whose keys are all strings: it always has a JSON form.
    let json = serde_json::to_string(anomaly).unwrap_or_default();
    let mut line = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        if is_harmless(c) {
            line.push(c);
        } else {
            // JSON escapes C0 itself; DEL, C1 and the characters that reverse or hide text are left to us.
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| line.push_str(&format!("\\u{unit:04x}")));
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use lapwing_model::{AnomalyId, Evidence, Scope, Score, Severity, State, Timestamp};

    use super::*;

    pub(super) fn anomaly(text: &str) -> Anomaly {
        Anomaly {
            id: AnomalyId(7),
            time: Timestamp::from_seconds(0),
            last: Timestamp::from_seconds(1),
            severity: Severity::High,
            score: Score::new(0.8),
            detector: "rules".into(),
            class: "server-error".into(),
            scope: Scope::Client,
            entity: "203.0.113.9".into(),
            count: 1,
            reason: "answered 500".into(),
            parts: Vec::new(),
            expected: String::new(),
            observed: String::new(),
            one_in: 0,
            silenced_by: String::new(),
            related: Vec::new(),
            known: None,
            evidence: vec![Evidence { file: "a.log".into(), line: 1, text: text.into() }],
            state: State::Open,
            note: String::new(),
        }
    }

    #[test]
    fn a_json_line_holds_nothing_that_acts_in_a_terminal_and_reads_back_the_same() {
        let hostile = anomaly("\u{1b}[2J\u{9b}31m\u{202e}\u{7f}\n\u{e0041}\u{ad}");
        let line = json_line(&hostile);
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.trim_end().chars().all(is_harmless));
        assert_eq!(serde_json::from_str::<Anomaly>(&line).expect("valid JSON"), hostile);
    }
}
