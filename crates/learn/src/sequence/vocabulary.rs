//! From the names of tokens to classes of the model.

use super::ModelError;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The class of what was not in the vocabulary.
pub const UNKNOWN: u16 = 0;
/// The class that every session starts with; no token is of it.
pub const START: u16 = 1;
/// Classes with a meaning of their own before those of tokens.
const RESERVED: usize = 2;
/// Classes that rare tokens share, if there are more tokens than classes.
const SHARED: usize = 64;
/// Names at most.
pub const MAX_NAMES: usize = 1_000_000;

/// A token as the model takes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Word {
    /// Its class.
    pub class: u16,
    /// Where a class is shared: negative natural logarithm of the token's share in it; else 0.
    pub nats: f32,
}

impl Word {
    /// What is not in the vocabulary.
    pub const UNKNOWN: Word = Word { class: UNKNOWN, nats: 0.0 };
}

/// Which tokens there are, and how often each was seen in training.
///
/// While they fit, each token has a class of its own. Of more, the most frequent have, and the others share 64 classes: the
/// probability of such a token is that of its class, which depends on what came before, times its share in the class, which
/// does not (a two-level softmax; Goodman: Classes for fast maximum entropy training, 2001). So time and memory do not grow
/// with the vocabulary, and probabilities still sum to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Vocabulary {
    /// By falling count, then by name.
    names: Vec<(String, u64)>,
    classes: usize,
    by_name: HashMap<String, u32>,
    /// By class: how often its tokens were seen.
    totals: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    classes: usize,
    names: Vec<(String, u64)>,
}

impl From<Vocabulary> for Written {
    fn from(vocabulary: Vocabulary) -> Self {
        Written { classes: vocabulary.classes, names: vocabulary.names }
    }
}

impl TryFrom<Written> for Vocabulary {
    type Error = ModelError;

    fn try_from(written: Written) -> Result<Self, ModelError> {
        Vocabulary::in_order(written.names, written.classes)
    }
}

impl Vocabulary {
    /// A vocabulary of at most `classes` classes (with [`UNKNOWN`] and [`START`]) for names and how often each was seen. The
    /// order of what is given does not matter.
    pub fn new(counts: impl IntoIterator<Item = (String, u64)>, classes: usize) -> Result<Self, ModelError> {
        let mut names: Vec<(String, u64)> = counts.into_iter().collect();
        names.sort_unstable_by(|(a, many), (b, few)| few.cmp(many).then_with(|| a.cmp(b)));
        let classes = classes.min(names.len() + RESERVED).max(RESERVED + 1);
        Self::in_order(names, classes)
    }

    fn in_order(names: Vec<(String, u64)>, classes: usize) -> Result<Self, ModelError> {
        let refuse = |reason: String| Err(ModelError::new(reason));
        if names.len() > MAX_NAMES {
            return refuse(format!("a vocabulary of {} names is not supported; give it at most {MAX_NAMES}", names.len()));
        }
        let sharing = names.len() + RESERVED > classes;
        let least = RESERVED + if sharing { SHARED + 1 } else { 1 };
        if !(least..=super::MAX_CLASSES).contains(&classes) {
            return refuse(format!(
                "{} names do not fit {classes} classes; give it {least} to {}",
                names.len(),
                super::MAX_CLASSES
            ));
        }
        let mut vocabulary = Vocabulary { names, classes, by_name: HashMap::new(), totals: vec![0; classes] };
        for at in 0..vocabulary.names.len() {
            let class = usize::from(vocabulary.class(at));
            let (name, count) = &vocabulary.names[at];
            vocabulary.totals[class] = vocabulary.totals[class].saturating_add((*count).max(1));
            if vocabulary.by_name.insert(name.clone(), at as u32).is_some() {
                return refuse(format!("the vocabulary names {name:?} twice"));
            }
        }
        Ok(vocabulary)
    }

    /// The class of the name at a place in the order.
    fn class(&self, at: usize) -> u16 {
        let own = self.classes - RESERVED - if self.names.len() + RESERVED > self.classes { SHARED } else { 0 };
        let class = if at < own { at } else { own + (at - own) % SHARED };
        (class + RESERVED) as u16
    }

    /// Classes of a model for this vocabulary.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many names it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether it has no name, so that everything is unknown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What the model takes for a name; [`Word::UNKNOWN`] if it is not in the vocabulary.
    #[must_use]
    pub fn word(&self, name: &str) -> Word {
        let Some(at) = self.by_name.get(name).map(|at| *at as usize) else { return Word::UNKNOWN };
        let class = self.class(at);
        let total = self.totals[usize::from(class)] as f64;
        Word { class, nats: (total / self.names[at].1.max(1) as f64).ln() as f32 }
    }

    /// The names of a class, the most frequent first.
    pub fn names(&self, class: u16) -> impl Iterator<Item = &str> {
        (0..self.names.len()).filter(move |at| self.class(*at) == class).map(|at| self.names[at].0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(n: u64) -> impl Iterator<Item = (String, u64)> {
        (0..n).map(|i| (format!("t{i}"), 1_000_000 / (i + 1)))
    }

    #[test]
    fn while_they_fit_each_name_has_a_class_of_its_own() {
        let vocabulary = Vocabulary::new(counts(10), 512).unwrap();
        assert_eq!((vocabulary.classes(), vocabulary.len()), (12, 10));
        assert_eq!(vocabulary.word("t0"), Word { class: 2, nats: 0.0 });
        assert_eq!(vocabulary.word("t9"), Word { class: 11, nats: 0.0 });
        assert_eq!(vocabulary.word("else"), Word::UNKNOWN);
        assert!(vocabulary.names(11).eq(["t9"]));
        assert_eq!(vocabulary.names(UNKNOWN).count() + vocabulary.names(START).count(), 0);
    }

    #[test]
    fn a_hundred_thousand_names_share_the_rare_classes_and_shares_sum_to_one() {
        let vocabulary = Vocabulary::new(counts(100_000), 512).unwrap();
        assert_eq!(vocabulary.classes(), 512);
        assert_eq!(vocabulary.word("t445").nats, 0.0);
        for class in [448u16, 500, 511] {
            let shares: f32 = vocabulary.names(class).map(|name| (-vocabulary.word(name).nats).exp()).sum();
            assert!(vocabulary.names(class).count() > 1_500 && (shares - 1.0).abs() < 1e-3, "class {class}: {shares}");
        }
        assert!(vocabulary.word("t99999").nats > 5.0);
    }

    #[test]
    fn the_order_given_does_not_matter_and_it_survives_writing() {
        let forward = Vocabulary::new(counts(700), 256).unwrap();
        let mut backward: Vec<_> = counts(700).collect();
        backward.reverse();
        assert_eq!(forward, Vocabulary::new(backward, 256).unwrap());
        let json = serde_json::to_string(&forward).unwrap();
        assert_eq!(serde_json::from_str::<Vocabulary>(&json).unwrap(), forward);
    }

    #[test]
    fn none_at_all_makes_everything_unknown() {
        let vocabulary = Vocabulary::new([], 512).unwrap();
        assert_eq!((vocabulary.classes(), vocabulary.word("a")), (3, Word::UNKNOWN));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Vocabulary::new(counts(100), 60).unwrap_err().to_string().contains("100 names do not fit 60 classes"));
        let twice = r#"{"classes": 9, "names": [["a", 2], ["a", 1]]}"#;
        assert!(serde_json::from_str::<Vocabulary>(twice).unwrap_err().to_string().contains("names \"a\" twice"));
        let wide = r#"{"classes": 18446744073709551615, "names": []}"#;
        assert!(serde_json::from_str::<Vocabulary>(wide).is_err());
    }
}
