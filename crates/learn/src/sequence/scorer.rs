//! Follows very many sessions at once: micro-batches in, surprises out.

use super::model::{Expectation, Rings, Row, SequenceModel, Step, Work};
use super::session::Session;
use super::vocabulary::Word;
use std::fmt;
use std::sync::Arc;

/// Events after which a batch is passed through the model without being asked for.
const MOST_EVENTS: usize = 1_024;
/// Rings in one allocation.
const PAGE: usize = 256;

/// Judges the next tokens of many sessions. What is [pushed](Scorer::push) is judged at the latest by
/// [`finish`](Scorer::finish); several tokens of one session in a batch are fine.
///
/// Nothing that it says depends on what else is in a batch, on where batches end, or on which rings it still had: the same
/// tokens of a session give the same bits, and a whole-window pass gives them too. It keeps at most `rings` rings of keys
/// and values (2.8 kB each with two layers), at least 1,024; a session whose ring was given to another costs up to 38
/// further tokens when it returns.
pub struct Scorer {
    model: Arc<SequenceModel>,
    rings: Pool,
    rows: Vec<Row>,
    /// Rows with a target among `rows`.
    events: usize,
    /// What is added to the surprise of each event.
    extra: Vec<f32>,
    work: Work,
    finished: bool,
}

impl fmt::Debug for Scorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scorer").field("model", &self.model).field("rings", &self.rings.owners.len()).finish_non_exhaustive()
    }
}

impl Scorer {
    /// A scorer that keeps the keys and values of up to `rings` sessions.
    #[must_use]
    pub fn new(model: Arc<SequenceModel>, rings: usize) -> Self {
        let rings = Pool::new(model.ring_len(), rings);
        let (rows, extra, work) = (Vec::new(), Vec::new(), Work::default());
        Scorer { model, rings, rows, events: 0, extra, work, finished: false }
    }

    /// The model it judges by.
    #[must_use]
    pub fn model(&self) -> &Arc<SequenceModel> {
        &self.model
    }

    /// Bytes that the rings take at present.
    #[must_use]
    pub fn ring_bytes(&self) -> usize {
        self.rings.pages.iter().map(|page| size_of_val(page.as_ref())).sum()
    }

    /// Takes the next token of a session; returns its number in the batch, which is its place in [`Outcome::steps`].
    pub fn push(&mut self, session: &mut Session, word: Word) -> usize {
        self.begin();
        session.begin(&self.model);
        self.give_ring(session);
        let class = self.model.known(word.class);
        let (input, position) = (self.model.known(session.at(session.last())), session.last());
        self.rows.push(Row { input, target: Some(class), ring: session.ring, position });
        session.append(class);
        self.rings.owners[session.ring as usize] = session.digest();
        self.extra.push(word.nats);
        self.events += 1;
        self.extra.len() - 1
    }

    /// Judges what was pushed since the last time. The next push begins a new batch.
    pub fn finish(&mut self) -> Outcome<'_> {
        self.begin();
        self.pass();
        for (step, extra) in self.work.steps.iter_mut().zip(&self.extra) {
            step.surprise += extra;
        }
        self.finished = true;
        Outcome { model: &self.model, work: &self.work }
    }

    /// Makes room: for a new batch after a finished one, for more events after many.
    fn begin(&mut self) {
        if self.finished {
            self.finished = false;
            self.extra.clear();
            self.work.clear();
        }
        if self.events >= MOST_EVENTS {
            self.pass();
        }
    }

    fn pass(&mut self) {
        self.model.pass(&self.rows, &mut self.rings, &mut self.work);
        self.rows.clear();
        self.events = 0;
        self.rings.release();
    }

    /// Sees that the session has a ring that is filled up to before its last token.
    fn give_ring(&mut self, session: &mut Session) {
        if self.rings.hold(session.ring, session.digest()) {
            return;
        }
        let ring = self.rings.take();
        session.ring = ring;
        for position in session.needed(self.model.shape().layers) {
            let input = self.model.known(session.at(position));
            self.rows.push(Row { input, target: None, ring, position });
        }
    }
}

/// What came of a batch.
#[derive(Debug)]
pub struct Outcome<'a> {
    model: &'a SequenceModel,
    work: &'a Work,
}

impl Outcome<'_> {
    /// One step an event, in the order of pushing.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.work.steps
    }

    /// The `count` classes that were most likely in the place of an event, the likeliest first; empty for a number that is
    /// none of the batch's. It costs about what a step does.
    #[must_use]
    pub fn expected(&self, event: usize, count: usize) -> Vec<Expectation> {
        let width = super::weights::WIDTH;
        self.work.last.chunks_exact(width).nth(event).map_or_else(Vec::new, |last| self.model.most_likely(last, count))
    }
}

/// Rings, handed out again by the second-chance rule (CLOCK) once there are enough. Who is given whose ring changes only
/// what must be computed again, not what comes out.
struct Pool {
    ring_len: usize,
    capacity: usize,
    pages: Vec<Box<[u16]>>,
    /// Digest of the session whose tokens, but for the last, each ring holds: content, not a name, so that a ring can
    /// never be taken for that of another session.
    owners: Vec<u64>,
    uses: Vec<Use>,
    hand: usize,
    held: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// By the batch that is being gathered: it must not be given away.
    Now,
    Lately,
    Idle,
}

impl Pool {
    fn new(ring_len: usize, capacity: usize) -> Self {
        // More than a batch can hold at once.
        let capacity = capacity.clamp(MOST_EVENTS, 1 << 24);
        Pool { ring_len, capacity, pages: Vec::new(), owners: Vec::new(), uses: Vec::new(), hand: 0, held: Vec::new() }
    }

    /// Keeps a ring for this batch if it is still the session's.
    fn hold(&mut self, ring: u32, digest: u64) -> bool {
        let at = ring as usize;
        let own = self.owners.get(at) == Some(&digest);
        if own && self.uses[at] != Use::Now {
            self.uses[at] = Use::Now;
            self.held.push(ring);
        }
        own
    }

    /// An empty ring for this batch.
    fn take(&mut self) -> u32 {
        let at = if self.owners.len() < self.capacity { self.grow() } else { self.reclaim() };
        self.ring(at as u32).fill(0);
        self.uses[at] = Use::Now;
        self.held.push(at as u32);
        at as u32
    }

    fn grow(&mut self) -> usize {
        if self.owners.len() == self.pages.len() * PAGE {
            let rings = PAGE.min(self.capacity - self.owners.len());
            self.pages.push(vec![0; rings * self.ring_len].into());
        }
        self.owners.push(0);
        self.uses.push(Use::Idle);
        self.owners.len() - 1
    }

    /// Ends: at most [`MOST_EVENTS`] - 1 rings are held when one is asked for, and there are more.
    fn reclaim(&mut self) -> usize {
        loop {
            let at = self.hand;
            self.hand = (at + 1) % self.owners.len();
            match self.uses[at] {
                Use::Idle => return at,
                Use::Lately => self.uses[at] = Use::Idle,
                Use::Now => {}
            }
        }
    }

    /// After a batch its rings may be given away again.
    fn release(&mut self) {
        for ring in self.held.drain(..) {
            self.uses[ring as usize] = Use::Lately;
        }
    }
}

impl Rings for Pool {
    #[inline(always)]
    fn ring(&mut self, ring: u32) -> &mut [u16] {
        let at = ring as usize;
        &mut self.pages[at / PAGE][at % PAGE * self.ring_len..][..self.ring_len]
    }
}

#[cfg(test)]
mod tests {
    use super::super::cpu::Level;
    use super::super::weights::{Shape, Weights};
    use super::*;
    use crate::mix::mix;

    fn model(layers: usize) -> SequenceModel {
        let mut weights = Weights::random(Shape { classes: 50, layers, feed_forward: 48 }, 7).unwrap();
        for layer in &mut weights.layers {
            layer.distance.iter_mut().enumerate().for_each(|(i, x)| *x = (i % 7) as f32 * 0.2 - 0.5);
        }
        SequenceModel::new(&weights).unwrap()
    }

    fn word(class: u64) -> Word {
        Word { class: class as u16, nats: 0.0 }
    }

    /// Events of `sessions` sessions, some of them much more often than others.
    fn events(count: u64, sessions: u64) -> Vec<(usize, Word)> {
        let session = |i| (mix(i, 1) % sessions).min(mix(i, 2) % sessions) as usize;
        (0..count).map(|i| (session(i), word(mix(i, 3) % 52))).collect()
    }

    fn judge(model: &Arc<SequenceModel>, events: &[(usize, Word)], sessions: usize, batch: usize) -> Vec<Step> {
        let mut scorer = Scorer::new(model.clone(), 0);
        let mut kept = vec![Session::new(); sessions];
        let mut steps = Vec::new();
        for events in events.chunks(batch) {
            for (session, word) in events {
                scorer.push(&mut kept[*session], *word);
            }
            steps.extend_from_slice(scorer.finish().steps());
        }
        steps
    }

    #[test]
    fn batches_do_not_change_what_is_said_and_it_equals_the_whole_pass() {
        for layers in [1, 2] {
            let model = Arc::new(model(layers));
            let events = events(1_500, 30);
            let alone = judge(&model, &events, 30, 1);
            for batch in [2, 7, 96, 97, 1_500] {
                assert_eq!(alone, judge(&model, &events, 30, batch), "{layers} layers, batches of {batch}");
            }
            for session in 0..30 {
                let own = |wanted: &usize| *wanted == session;
                let classes: Vec<u16> = events.iter().filter(|(s, _)| own(s)).map(|(_, word)| word.class).collect();
                let steps: Vec<Step> = events.iter().zip(&alone).filter(|((s, _), _)| own(s)).map(|(_, step)| *step).collect();
                assert_eq!(model.whole_pass(&classes), steps);
            }
        }
    }

    #[test]
    fn every_level_says_the_same() {
        let events = events(700, 5);
        let all: Vec<_> = Level::all()
            .into_iter()
            .map(|level| judge(&Arc::new(SequenceModel { level, ..model(2) }), &events, 5, 100))
            .collect();
        for steps in &all {
            assert_eq!(steps, &all[0]);
        }
    }

    #[test]
    fn rings_given_to_others_are_computed_again_to_the_same_bits() {
        let model = Arc::new(model(2));
        // The pool has 1,024 rings; 1,300 sessions take turns.
        let events: Vec<(usize, Word)> = (0..31_000u64).map(|i| ((i % 1_300) as usize, word(mix(i, 4) % 50))).collect();
        let steps = judge(&model, &events, 1_300, 1_000);
        for session in [0, 1_111, 1_299] {
            let classes: Vec<u16> = events.iter().filter(|(s, _)| *s == session).map(|(_, word)| word.class).collect();
            let own: Vec<Step> = events.iter().zip(&steps).filter(|((s, _), _)| *s == session).map(|(_, step)| *step).collect();
            assert_eq!(model.whole_pass(&classes), own);
        }
    }

    #[test]
    fn saved_loaded_and_cloned_sessions_go_on_exactly() {
        let model = Arc::new(model(2));
        for length in [0u64, 1, 5, 19, 20, 21, 38, 39, 40, 41, 77] {
            let mut scorer = Scorer::new(model.clone(), 0);
            let mut session = Session::new();
            for i in 0..length {
                scorer.push(&mut session, word(mix(i, 5) % 50));
            }
            scorer.finish();
            let bytes = postcard::to_allocvec(&session).unwrap();
            let mut loaded: Session = postcard::from_bytes(&bytes).unwrap();
            let mut cloned = session.clone();
            let mut elsewhere = Scorer::new(model.clone(), 0);
            for i in 0..30 {
                // All three in one batch: the original and its clone name the same ring.
                scorer.push(&mut session, word(mix(i, 6) % 50));
                scorer.push(&mut cloned, word(mix(i, 6) % 50));
                elsewhere.push(&mut loaded, word(mix(i, 6) % 50));
                let (here, there) = (scorer.finish().steps().to_vec(), elsewhere.finish().steps().to_vec());
                assert_eq!((here[0], here[1]), (there[0], there[0]), "after {length} and {i}");
            }
        }
    }

    #[test]
    fn what_was_expected_fits_what_was_said() {
        let model = Arc::new(model(2));
        let mut scorer = Scorer::new(model, 0);
        let mut session = Session::new();
        let numbers: Vec<usize> = (0..40).map(|i| scorer.push(&mut session, word(mix(i, 8) % 60))).collect();
        assert!(numbers.iter().copied().eq(0..40));
        let outcome = scorer.finish();
        for (number, step) in outcome.steps().iter().enumerate() {
            let all = outcome.expected(number, usize::MAX);
            assert!((all.iter().map(|e| e.probability).sum::<f32>() - 1.0).abs() < 1e-5);
            assert!(all.is_sorted_by(|a, b| a.probability >= b.probability));
            let class = model_class(mix(number as u64, 8) % 60);
            let at = all.iter().position(|e| e.class == class).unwrap();
            assert_eq!(at, step.rank as usize);
            assert!((all[at].probability.ln() + step.surprise).abs() < 1e-4);
            assert_eq!(outcome.expected(number, 3), all[..3]);
        }
        assert!(outcome.expected(40, 3).is_empty());
        assert!(scorer.finish().steps().is_empty());
    }

    /// Classes that the model does not have are unknown to it.
    fn model_class(class: u64) -> u16 {
        if class < 50 { class as u16 } else { super::super::UNKNOWN }
    }

    #[test]
    fn the_rarity_of_a_shared_word_is_added() {
        let model = Arc::new(model(1));
        let mut scorer = Scorer::new(model, 0);
        scorer.push(&mut Session::new(), Word { class: 3, nats: 0.0 });
        scorer.push(&mut Session::new(), Word { class: 3, nats: 2.5 });
        let steps = scorer.finish().steps().to_vec();
        assert_eq!(steps[0].surprise + 2.5, steps[1].surprise);
    }

    #[test]
    fn memory_does_not_grow_beyond_the_rings() {
        let mut scorer = Scorer::new(Arc::new(model(2)), 2_000);
        for i in 0..20_000 {
            scorer.push(&mut Session::new(), word(i % 50));
        }
        scorer.finish();
        assert_eq!(scorer.ring_bytes(), 2_000 * 2 * 2 * 704);
    }

    #[test]
    fn a_damaged_session_and_the_largest_weights_give_finite_numbers() {
        let mut weights = Weights::random(Shape { classes: 20, layers: 2, feed_forward: 16 }, 1).unwrap();
        for tensor in weights.tensors_mut() {
            tensor.iter_mut().for_each(|x| *x = x.signum() * 1e4);
        }
        let mut scorer = Scorer::new(Arc::new(SequenceModel::new(&weights).unwrap()), 0);
        let mut session = Session::new();
        scorer.push(&mut session, word(1));
        let mut bytes = postcard::to_allocvec(&session).unwrap();
        bytes[..40].fill(0x7f);
        let mut damaged: Session = postcard::from_bytes(&bytes).unwrap();
        for i in 0..50 {
            scorer.push(&mut damaged, word(i));
            scorer.push(&mut session, word(65_535));
        }
        assert!(scorer.finish().steps().iter().all(|step| step.surprise.is_finite() && step.rank < 20));
    }
}
