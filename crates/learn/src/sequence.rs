//! What comes next in a session, and how surprising what came was: a small causal Transformer over classes of tokens
//! (Vaswani et al. 2017; one head of keys and values: Shazeer 2019; top-k expectation: Du et al., DeepLog, 2017).
//!
//! Surprise is in nats. Each of one or two layers has width 64, four heads and a band of 20 tokens; keys and values are kept
//! in half precision in a ring per session. All results are the same bits on every processor and for any batches.
//!
//! ```
//! use lapwing_learn::sequence::*;
//! use std::{ops::ControlFlow, sync::Arc};
//!
//! let names = ["open", "read", "close"];
//! let vocabulary = Vocabulary::new(names.map(|name| (name.to_owned(), 100)), 512)?;
//! let sessions = vec![names.map(|name| vocabulary.word(name).class).to_vec(); 20];
//! let shape = Shape { classes: vocabulary.classes(), layers: 1, feed_forward: 16 };
//! let mut state = TrainingState::new(TrainingSettings { shape, steps: 60, batch: 4, rate: 1e-2, holdout: 0.0, ..Default::default() })?;
//! state.train(&sessions, |_progress| ControlFlow::Continue(()))?;
//!
//! let mut scorer = Scorer::new(Arc::new(SequenceModel::new(state.best().0)?), 1_024);
//! let (mut one, mut other) = (Session::new(), Session::new());
//! scorer.push(&mut one, vocabulary.word("open"));
//! scorer.push(&mut other, vocabulary.word("close"));
//! let steps = scorer.finish();
//! assert!(steps.steps()[0].surprise < 1.0 && steps.steps()[1].surprise > 2.0);
//! assert_eq!(steps.expected(1, 1)[0].class, vocabulary.word("open").class);
//! # Ok::<(), ModelError>(())
//! ```

mod attention;
mod cpu;
mod file;
mod gradient;
mod matrix;
mod model;
mod numeric;
mod room;
mod safetensors;
mod scorer;
mod session;
mod surprises;
#[cfg(test)]
mod tests;
mod train;
mod vocabulary;
mod weights;
#[cfg(test)]
mod whole;

pub use file::SequenceBundle;
pub use model::{Expectation, SequenceModel, Step};
pub use scorer::{Outcome, Scorer};
pub use session::Session;
pub use surprises::{Surprises, UpperQuantiles};
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
