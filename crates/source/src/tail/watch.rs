use lapwing_model::Reading;
use serde::{Deserialize, Serialize};

use crate::lines;

/// Files that are followed and read alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    /// Patterns such as `/var/log/nginx/*.log`. Files that come later are found, and read from their beginning.
    pub paths: Vec<String>,
    /// Where to begin with files that are there at the start and were never read before.
    pub start: Start,
    /// The longest line that is kept whole, in bytes.
    pub max_line: usize,
    /// Joins stack traces to the line before them.
    pub multiline: bool,
    /// How to read what is in them; what is not said is found out.
    pub reading: Reading,
}

/// Where to begin with a file that was never read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    Beginning,
    #[default]
    End,
}

impl Default for Watch {
    fn default() -> Self {
        Watch { paths: Vec::new(), start: Start::End, max_line: lines::MAX_LINE, multiline: true, reading: Reading::default() }
    }
}
