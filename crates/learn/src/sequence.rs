//! A model of what comes next in a session: a small causal Transformer over classes of tokens.
mod attention;
mod cpu;
mod file;
mod gradient;
mod matrix;
mod model;
mod numeric;
mod safetensors;
mod scorer;
mod session;
mod train;
mod vocabulary;
mod weights;
#[cfg(test)]
mod whole;

pub use file::SequenceBundle;
pub use model::{Expectation, SequenceModel, Step};
pub use scorer::{Outcome, Scorer};
pub use session::Session;
pub use train::{Progress, TrainingSettings, TrainingState};
pub use vocabulary::{START, UNKNOWN, Vocabulary, Word};
pub use weights::{MAX_CLASSES, Shape, WINDOW, Weights};

/// Why there is no model: what is wrong and what to do, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelError(String);

impl ModelError {
    fn new(reason: impl Into<String>) -> Self {
        ModelError(reason.into())
    }
}

impl std::fmt::Display for ModelError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ModelError {}
