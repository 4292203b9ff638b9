//! What is kept of one session: the tokens that its ring can be computed again from.

use super::weights::{MAX_LAYERS, WINDOW};
use super::{START, SequenceModel};
use crate::mix::mix;
use serde::{Deserialize, Serialize};

/// No ring was given to it yet.
const NONE: u32 = u32::MAX;

/// One session as the model sees it: 104 bytes, serialisable, of fixed size. Its keys and values are kept by a
/// [`Scorer`](super::Scorer) while it has room; if they are gone (or the session was loaded, or cloned), they are computed
/// again from the last tokens, to the same bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The token at position p is at p mod 40.
    recent: [[u16; WINDOW]; MAX_LAYERS],
    /// Tokens so far with the start; 0 before the first.
    seen: u64,
    /// A hash of the model and of all tokens in order.
    digest: u64,
    /// The model it was begun under.
    model: u64,
    #[serde(skip, default = "none")]
    pub(super) ring: u32,
}

fn none() -> u32 {
    NONE
}

impl Default for Session {
    fn default() -> Self {
        Session { recent: [[0; WINDOW]; MAX_LAYERS], seen: 0, digest: 0, model: 0, ring: NONE }
    }
}

impl Session {
    /// A session of which nothing was seen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many tokens were seen under the present model.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.seen.saturating_sub(1)
    }

    /// Whether no token was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last tokens, at most 20, the oldest first.
    pub fn recent(&self) -> impl Iterator<Item = u16> + '_ {
        (self.seen.saturating_sub(WINDOW as u64).max(1).min(self.seen)..self.seen).map(|position| self.at(position))
    }

    /// Begins anew if it was begun under another model, or not at all.
    pub(super) fn begin(&mut self, model: &SequenceModel) {
        if self.seen == 0 || self.model != model.fingerprint() {
            *self = Session { model: model.fingerprint(), digest: model.fingerprint(), ..Session::default() };
            self.append(START);
        }
    }

    /// The same session under another model: its latest tokens, each as the class that `class` makes of its class.
    ///
    /// Nothing of what was seen is lost but what the other model has no class for.
    #[must_use]
    pub fn under(&self, model: &SequenceModel, class: impl Fn(u16) -> u16) -> Session {
        let first = self.seen.saturating_sub((MAX_LAYERS * WINDOW) as u64);
        let mut session =
            Session { model: model.fingerprint(), digest: mix(model.fingerprint(), first), seen: first, ..Session::default() };
        for position in first..self.seen {
            session.append(if position == 0 { START } else { class(self.at(position)) });
        }
        session
    }

    pub(super) fn append(&mut self, class: u16) {
        let at = (self.seen % (MAX_LAYERS * WINDOW) as u64) as usize;
        self.recent[at / WINDOW][at % WINDOW] = class;
        self.seen += 1;
        self.digest = mix(self.digest ^ u64::from(class), self.seen);
    }

    /// The token at a position, if that is among the last 40.
    pub(super) fn at(&self, position: u64) -> u16 {
        let at = (position % (MAX_LAYERS * WINDOW) as u64) as usize;
        self.recent[at / WINDOW][at % WINDOW]
    }

    /// The position of the last token, which its ring does not have yet.
    pub(super) fn last(&self) -> u64 {
        self.seen.saturating_sub(1)
    }

    /// The positions that the ring needs before the last token: through each layer 19 further back.
    pub(super) fn needed(&self, layers: usize) -> std::ops::Range<u64> {
        self.last().saturating_sub((layers * (WINDOW - 1)) as u64)..self.last()
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::super::weights::{Shape, Weights};
    use super::super::{Scorer, Word};
    use super::*;
    use std::sync::Arc;

    #[test]
    fn keeps_what_it_needs_and_gives_the_last_twenty() {
        assert_eq!(size_of::<Session>(), 112);
        let model = SequenceModel::new(&Weights::random(Shape::default(), 1).unwrap()).unwrap();
        let mut session = Session::new();
        assert_eq!((session.len(), session.recent().count()), (0, 0));
        session.begin(&model);
        assert_eq!((session.len(), session.is_empty(), session.recent().count()), (0, true, 0));
        for class in 2..100 {
            session.append(class);
        }
        assert_eq!(session.len(), 98);
        assert!(session.recent().eq(80..100));
        assert!(session.needed(2).map(|position| session.at(position)).eq(61..99));
    }

    #[test]
    fn under_another_model_it_goes_on_as_if_it_had_begun_there() {
        let models = [1, 2].map(|seed| Arc::new(SequenceModel::new(&Weights::random(Shape::default(), seed).unwrap()).unwrap()));
        let (ours, theirs) = (|i: u64| (mix(i, 3) % 50 + 2) as u16, |class: u16| class + 7);
        let word = |class| Word { class, nats: 0.0 };
        for length in [0, 1, 19, 39, 40, 41, 90] {
            let mut session = Session::new();
            let mut before = Scorer::new(models[0].clone(), 0);
            let (mut scorer, mut other, mut from_the_start) =
                (Scorer::new(models[1].clone(), 0), Scorer::new(models[1].clone(), 0), Session::new());
            for i in 0..length {
                before.push(&mut session, word(ours(i)));
                other.push(&mut from_the_start, word(theirs(ours(i))));
            }
            before.finish();
            other.finish();
            let mut session = session.under(&models[1], theirs);
            for i in length..length + 30 {
                scorer.push(&mut session, word(ours(i)));
                other.push(&mut from_the_start, word(ours(i)));
            }
            let found = scorer.finish().steps().to_vec();
            assert_eq!(found, other.finish().steps(), "after {length}");
        }
    }

    #[test]
    fn another_model_begins_it_anew() {
        let shape = Shape::default();
        let [one, other] = [1, 2].map(|seed| SequenceModel::new(&Weights::random(shape, seed).unwrap()).unwrap());
        let mut session = Session::new();
        session.begin(&one);
        session.append(5);
        session.begin(&one);
        assert_eq!(session.len(), 1);
        session.begin(&other);
        assert_eq!(session.len(), 0);
    }
}
