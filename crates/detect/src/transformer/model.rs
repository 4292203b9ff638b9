//! A trained model of sessions, and which templates its words stand for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use lapwing_learn::sequence::{Expectation, SequenceBundle, SequenceModel, Session, Surprises, UNKNOWN, Vocabulary, Word};

/// What `lapwing learn` trained, ready to be used.
#[derive(Debug)]
pub struct TemplateModel {
    pub(super) model: Arc<SequenceModel>,
    words: HashMap<u64, Word>,
    /// What a class stands for, where one template alone does: its id, and how it looks.
    alone: HashMap<u16, (u64, Box<str>)>,
    pub(super) surprises: Surprises,
    /// The end of a session, where it was learned as a step.
    pub(super) end: Option<End>,
}

/// What was learned of ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct End {
    pub word: Word,
    /// A session that was quiet for longer is over.
    pub quiet: Duration,
}

impl TemplateModel {
    /// Stands for the end of a session among the templates; theirs are hashes.
    pub const END: u64 = u64::MAX;

    /// How the end of a session looks.
    pub const END_TEXT: &str = "end of session";

    /// The threshold of a model that says how many seconds of quiet end a session.
    pub const QUIET: &str = "quiet_seconds";

    /// The name of a template in a model's vocabulary: its id, and an example after a space.
    #[must_use]
    pub fn name(template: u64, example: &str) -> String {
        format!("{template:016x} {example}")
    }

    /// The word of each template in a vocabulary, whatever its example was.
    ///
    /// # Errors
    /// Where the vocabulary has something else than templates.
    pub fn words(vocabulary: &Vocabulary) -> Result<HashMap<u64, Word>, String> {
        let names = (0..vocabulary.classes() as u16).flat_map(|class| vocabulary.names(class));
        names.map(|name| Ok((read(name)?.0, vocabulary.word(name)))).collect()
    }

    /// # Errors
    /// Where the model cannot be used, or was trained on something else than templates.
    pub fn new(bundle: &SequenceBundle) -> Result<TemplateModel, String> {
        let model = Arc::new(SequenceModel::new(&bundle.weights).map_err(|error| error.to_string())?);
        let words = TemplateModel::words(&bundle.vocabulary)?;
        let mut alone = HashMap::new();
        for class in 0..bundle.vocabulary.classes() as u16 {
            let mut names = bundle.vocabulary.names(class);
            if let (Some(name), None) = (names.next(), names.next()) {
                let (template, text) = read(name)?;
                alone.insert(class, (template, text.into()));
            }
        }
        let surprises = bundle.surprises.clone().ok_or("how surprising ordinary sessions are was not measured")?;
        let quiet = bundle.thresholds.get(TemplateModel::QUIET).and_then(|&quiet| Duration::try_from_secs_f64(quiet).ok());
        let end = words.get(&TemplateModel::END).zip(quiet).map(|(&word, quiet)| End { word, quiet });
        Ok(TemplateModel { model, words, alone, surprises, end })
    }

    pub(super) fn word(&self, template: u64) -> Word {
        self.words.get(&template).copied().unwrap_or(Word::UNKNOWN)
    }

    /// A session that was followed under another model, as it looks to this one.
    pub(super) fn takes_over(&self, other: &TemplateModel, session: &Session) -> Session {
        let class = |class| other.alone.get(&class).map_or(UNKNOWN, |(template, _)| self.word(*template).class);
        session.under(&self.model, class)
    }

    /// The likeliest templates, for people.
    pub(super) fn shown(&self, expected: &[Expectation]) -> String {
        let of = |one: &Expectation| {
            let text = self.alone.get(&one.class).map_or("a rare template", |(_, text)| text);
            format!("\"{text}\" ({:.0} %)", one.probability * 100.0)
        };
        expected.iter().map(of).collect::<Vec<_>>().join(", ")
    }
}

/// The template of a name, and its example.
fn read(name: &str) -> Result<(u64, &str), String> {
    let (id, example) = name.split_once(' ').unwrap_or((name, ""));
    let id = u64::from_str_radix(id, 16).map_err(|_| format!("its vocabulary has {name:?}, which is no template"))?;
    Ok((id, example))
}
