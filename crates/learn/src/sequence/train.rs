//! Training on the CPU: Adam over pieces of sessions, in an order that only the seed decides.

use super::cpu::Level;
use super::gradient::{Batch, NO_TARGET, loss};
use super::room::Room;
use super::weights::{Shape, WINDOW, Weights};
use super::{ModelError, START, UNKNOWN};
use crate::mix::mix;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// Targets of a piece; a later piece has as many tokens again before its targets, so that they are judged as when served.
const PIECE: usize = 2 * WINDOW;
/// Decay of the moments of the gradient and of its square (Kingma and Ba: Adam, 2015).
const DECAY: [f32; 2] = [0.9, 0.99];
/// A gradient longer than this is cut to it.
const LONGEST: f32 = 1.0;
/// Steps over which the rate of learning rises.
const WARM_UP: u64 = 50;
/// Pieces of the held-out part that are looked at for the loss.
const HOLDOUT_PIECES: usize = 512;

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingSettings {
    pub shape: Shape,
    /// Decides the first weights, the order, and which sessions are held out.
    pub seed: u64,
    /// Steps in all.
    pub steps: u64,
    /// Pieces of up to 40 tokens in a step.
    pub batch: usize,
    /// The greatest rate of learning; it falls to a fiftieth.
    pub rate: f32,
    /// Share of the sessions that is held out, 0 to 0.9.
    pub holdout: f32,
    /// Steps between looks at the held-out sessions.
    pub look_every: u64,
    /// Looks without a lower loss after which training ends.
    pub patience: u32,
    /// Share of the tokens that the model is shown as [`UNKNOWN`], so that it can live with such.
    pub blanked: f32,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        let shape = Shape::default();
        TrainingSettings {
            shape,
            seed: 1,
            steps: 2_000,
            batch: 64,
            rate: 2e-3,
            holdout: 0.1,
            look_every: 100,
            patience: 6,
            blanked: 0.01,
        }
    }
}

/// How far training is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Steps done, of [`TrainingSettings::steps`].
    pub step: u64,
    /// Mean surprise of the step's tokens, in nats.
    pub loss: f32,
    /// The same of held-out tokens, if this step looked at them.
    pub holdout: Option<f32>,
}

/// All that training needs to go on exactly, beside the sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingState {
    pub(super) settings: TrainingSettings,
    pub(super) step: u64,
    pub(super) weights: Weights,
    /// Moments of the gradient and of its square.
    pub(super) moments: [Weights; 2],
    pub(super) best: Weights,
    /// The lowest loss of the held-out part; infinite before the first look.
    pub(super) best_loss: f32,
    /// Looks since then.
    pub(super) stale: u32,
}

impl TrainingState {
    /// The start of training.
    pub fn new(settings: TrainingSettings) -> Result<Self, ModelError> {
        let weights = Weights::random(settings.shape, settings.seed)?;
        let sound = settings.batch > 0 && settings.rate > 0.0 && settings.rate <= 1.0 && settings.look_every > 0;
        if !sound || !(0.0..=0.9).contains(&settings.holdout) || !(0.0..=0.9).contains(&settings.blanked) {
            return Err(ModelError::new(
                "training needs batch and look_every above 0, rate above 0 up to 1, and holdout and blanked from 0 to 0.9",
            ));
        }
        let zeros = Weights::zeros(settings.shape);
        let moments = [zeros.clone(), zeros];
        Ok(TrainingState { settings, step: 0, best: weights.clone(), weights, moments, best_loss: f32::INFINITY, stale: 0 })
    }

    /// Whether a session is held out: a matter of its tokens and the seed, so that equal sessions are on one side.
    #[must_use]
    pub fn held_out(&self, session: &[u16]) -> bool {
        let hash = session.iter().fold(self.settings.seed, |hash, class| mix(hash ^ u64::from(*class), 2));
        ((hash >> 40) as f32) < self.settings.holdout * 16_777_216.0
    }

    /// The settings it was begun with.
    #[must_use]
    pub fn settings(&self) -> TrainingSettings {
        self.settings
    }

    /// Goes on for so many further steps, however finished it was.
    pub fn extend(&mut self, steps: u64) {
        self.settings.steps = self.step.saturating_add(steps);
        self.stale = 0;
    }

    /// Steps done.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Whether all steps are done, or the held-out loss has long not fallen.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.step >= self.settings.steps || self.stale >= self.settings.patience
    }

    /// The weights with the lowest held-out loss, or the last where nothing is held out; and that loss, if there is one.
    #[must_use]
    pub fn best(&self) -> (&Weights, Option<f32>) {
        if self.best_loss.is_finite() { (&self.best, Some(self.best_loss)) } else { (&self.weights, None) }
    }

    /// Trains on sessions of classes until it is finished or `progress` breaks; call it again, also after saving and loading,
    /// to go on as if nothing had happened.
    pub fn train(
        &mut self,
        sessions: &[Vec<u16>],
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        let (held, learned): (Vec<usize>, Vec<usize>) = (0..sessions.len()).partition(|at| self.held_out(&sessions[*at]));
        let (held, learned) = (pieces(sessions, &held), pieces(sessions, &learned));
        if learned.is_empty() {
            return Err(ModelError::new("there is no session with a token to learn from; give more or longer sessions"));
        }
        let level = Level::best();
        let (mut gradient, mut room) = (Weights::zeros(self.settings.shape), Room::default());
        while !self.finished() {
            let batch = self.batch(sessions, &learned);
            let loss = loss(level, &self.weights, &batch, Some(&mut gradient), &mut room);
            self.descend(&mut gradient);
            if !loss.is_finite() || self.weights.check().is_err() {
                return Err(ModelError::new(format!("training left the finite numbers at step {}; lower the rate", self.step)));
            }
            let look = self.step.is_multiple_of(self.settings.look_every) || self.step == self.settings.steps;
            let holdout = if look && !held.is_empty() { Some(self.look(sessions, &held)) } else { None };
            if progress(Progress { step: self.step, loss, holdout }).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The batch of the present step: each pass over the pieces has an order of its own.
    fn batch(&self, sessions: &[Vec<u16>], pieces: &[Piece]) -> Batch {
        let mut batch = Batch::default();
        for i in 0..self.settings.batch as u64 {
            let number = self.step * self.settings.batch as u64 + i;
            let (pass, place) = (number / pieces.len() as u64, number % pieces.len() as u64);
            let piece = shuffled(place, pieces.len() as u64, mix(self.settings.seed, pass));
            pieces[piece as usize].add_to(&mut batch, sessions);
        }
        for (at, input) in batch.inputs.iter_mut().enumerate() {
            let draw = mix(at as u64, mix(self.settings.seed ^ 0xb1a4, self.step)) >> 40;
            let usual = *input == START || draw as f32 >= self.settings.blanked * 16_777_216.0;
            *input = self.sound(if usual { *input } else { UNKNOWN });
        }
        batch.targets.iter_mut().filter(|target| **target != NO_TARGET).for_each(|target| *target = self.sound(*target));
        batch
    }

    fn sound(&self, class: u16) -> u16 {
        if usize::from(class) < self.settings.shape.classes { class } else { UNKNOWN }
    }

    fn look(&mut self, sessions: &[Vec<u16>], held: &[Piece]) -> f32 {
        let mut batch = Batch::default();
        for piece in held.iter().take(HOLDOUT_PIECES) {
            piece.add_to(&mut batch, sessions);
        }
        batch.inputs.iter_mut().for_each(|input| *input = self.sound(*input));
        batch.targets.iter_mut().filter(|target| **target != NO_TARGET).for_each(|target| *target = self.sound(*target));
        let loss = loss(Level::best(), &self.weights, &batch, None, &mut Room::default());
        if loss < self.best_loss {
            (self.best_loss, self.stale) = (loss, 0);
            self.best.clone_from(&self.weights);
        } else {
            self.stale += 1;
        }
        loss
    }

    /// One step of Adam.
    fn descend(&mut self, gradient: &mut Weights) {
        self.step += 1;
        let square: f64 = gradient.tensors().into_iter().flatten().map(|x| f64::from(x * x)).sum();
        let cut = (LONGEST / square.sqrt() as f32).min(1.0);
        let rise = (self.step as f32 / WARM_UP as f32).min(1.0);
        let fall = (1.0 - self.step as f32 / self.settings.steps.max(1) as f32).max(0.02);
        let steps = self.step.min(1 << 20) as i32;
        let bias = [1.0 - DECAY[0].powi(steps), 1.0 - DECAY[1].powi(steps)];
        let rate = self.settings.rate * rise * fall / bias[0];
        let [first, second] = &mut self.moments;
        let moments = first.tensors_mut().into_iter().zip(second.tensors_mut());
        for ((weights, gradient), (first, second)) in self.weights.tensors_mut().into_iter().zip(gradient.tensors()).zip(moments)
        {
            for ((w, g), (m, v)) in weights.iter_mut().zip(gradient).zip(first.iter_mut().zip(second)) {
                let g = g * cut;
                *m = DECAY[0] * *m + (1.0 - DECAY[0]) * g;
                *v = DECAY[1] * *v + (1.0 - DECAY[1]) * g * g;
                *w -= rate * *m / ((*v / bias[1]).sqrt() + 1e-8);
            }
        }
    }
}

/// A part of a session: 20 targets with 20 tokens before them, or its first 40.
#[derive(Debug, Clone, Copy)]
struct Piece {
    session: usize,
    /// Position of its first input; the start has position 0.
    first: usize,
}

fn pieces(sessions: &[Vec<u16>], which: &[usize]) -> Vec<Piece> {
    let starts = |session: usize| {
        let further = sessions[session].len().saturating_sub(PIECE).div_ceil(WINDOW);
        let whole = usize::from(!sessions[session].is_empty());
        (0..further + whole).map(move |i| Piece { session, first: i * WINDOW })
    };
    which.iter().flat_map(|session| starts(*session)).collect()
}

impl Piece {
    fn add_to(self, batch: &mut Batch, sessions: &[Vec<u16>]) {
        let session = &sessions[self.session];
        let end = session.len().min(self.first + PIECE);
        for position in self.first..end {
            batch.inputs.push(if position == 0 { START } else { session[position - 1] });
            let known = self.first == 0 || position >= self.first + WINDOW;
            batch.targets.push(if known { session[position] } else { NO_TARGET });
        }
        batch.lengths.push(end - self.first);
    }
}

/// The number that stands at `place` of 0..n in an order that the seed decides: a Feistel permutation, so that no order has
/// to be kept or saved.
fn shuffled(place: u64, n: u64, seed: u64) -> u64 {
    let half = (64 - n.leading_zeros()).div_ceil(2).max(1);
    let mask = (1u64 << half) - 1;
    let mut at = place;
    loop {
        let (mut left, mut right) = (at >> half, at & mask);
        for round in 0..4 {
            (left, right) = (right, left ^ (mix(right, seed ^ round) & mask));
        }
        at = left << half | right;
        if at < n {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Scorer, SequenceModel, Session, Word};
    use super::*;
    use std::sync::Arc;

    /// open (read* | write sync) close, again and again.
    fn grammar(count: u64) -> Vec<Vec<u16>> {
        let session = |s: u64| {
            let mut tokens = Vec::new();
            let mut i = 0;
            while tokens.len() < 12 + (mix(s, 1) % 60) as usize {
                i += 1;
                tokens.push(2);
                match mix(s, i) % 3 {
                    0 => tokens.extend([4, 5]),
                    reads => tokens.extend(std::iter::repeat_n(3, reads as usize)),
                }
                tokens.push(6);
            }
            tokens
        };
        (0..count).map(session).collect()
    }

    fn settings() -> TrainingSettings {
        let shape = Shape { classes: 9, layers: 2, feed_forward: 32 };
        TrainingSettings { shape, steps: 60, batch: 16, look_every: 20, ..TrainingSettings::default() }
    }

    #[test]
    fn every_place_is_taken_once_in_an_order_of_its_own() {
        for n in [1, 2, 3, 17, 1_000] {
            let mut all: Vec<u64> = (0..n).map(|place| shuffled(place, n, 5)).collect();
            let shuffled_at_all = !all.is_sorted();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..n) && (n < 17 || shuffled_at_all), "{n}");
        }
    }

    #[test]
    fn every_token_is_a_target_once() {
        let sessions: Vec<Vec<u16>> = [0usize, 1, 39, 40, 41, 60, 61, 100].iter().map(|n| vec![2; *n]).collect();
        for (at, session) in sessions.iter().enumerate() {
            let mut batch = Batch::default();
            pieces(&sessions, &[at]).iter().for_each(|piece| piece.add_to(&mut batch, &sessions));
            assert_eq!(batch.targets.iter().filter(|t| **t != NO_TARGET).count(), session.len());
            assert_eq!(batch.lengths.iter().sum::<usize>(), batch.inputs.len());
        }
    }

    #[test]
    fn a_grammar_is_learned_and_what_breaks_it_surprises() {
        let sessions = grammar(300);
        let mut state = TrainingState::new(TrainingSettings { steps: 200, ..settings() }).unwrap();
        let mut losses = Vec::new();
        state
            .train(&sessions, |progress| {
                losses.push(progress.loss);
                ControlFlow::Continue(())
            })
            .unwrap();
        let (weights, holdout) = state.best();
        assert!(losses[0] > 1.5 && holdout.unwrap() < 0.6, "{} to {holdout:?}", losses[0]);
        let mut scorer = Scorer::new(Arc::new(SequenceModel::new(weights).unwrap()), 0);
        let mut session = Session::new();
        for class in [2, 4, 5, 6, 2, 3, 6, 2, 4, 5, 6, /* a write without sync */ 2, 4, 6, /* unknown */ 0] {
            scorer.push(&mut session, Word { class, nats: 0.0 });
        }
        let outcome = scorer.finish();
        let steps = outcome.steps();
        let usual = steps[..13].iter().map(|step| step.surprise).fold(0.0, f32::max);
        assert!(usual < 3.0 && steps[13].surprise > 4.0 && steps[14].surprise > 4.0, "{steps:?}");
        assert_eq!((outcome.expected(13, 1)[0].class, steps[14].rank > 1), (5, true));
    }

    #[test]
    fn one_seed_gives_one_model_and_going_on_is_as_if_never_stopped() {
        let sessions = grammar(50);
        let train = |settings| {
            let mut state = TrainingState::new(settings).unwrap();
            state.train(&sessions, |_| ControlFlow::Continue(())).unwrap();
            state
        };
        let (once, again, other) = (train(settings()), train(settings()), train(TrainingSettings { seed: 2, ..settings() }));
        assert_eq!(once, again);
        assert_ne!(once.weights, other.weights);
        let mut stopped = TrainingState::new(settings()).unwrap();
        for until in [1, 25, 60] {
            let stop =
                |progress: Progress| if progress.step == until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            stopped.train(&sessions, stop).unwrap();
            assert_eq!(stopped.step(), until);
        }
        assert_eq!(once, stopped);
    }

    #[test]
    fn what_cannot_be_trained_is_refused() {
        let mut state = TrainingState::new(settings()).unwrap();
        assert!(state.train(&[vec![]], |_| ControlFlow::Continue(())).unwrap_err().to_string().contains("no session"));
        assert!(TrainingState::new(TrainingSettings { rate: f32::NAN, ..settings() }).is_err());
        assert!(TrainingState::new(TrainingSettings { batch: 0, ..settings() }).is_err());
    }
}
