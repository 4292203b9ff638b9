//! What the detectors over features have in common: rows through a model, scores into probabilities, words for people.

use std::borrow::Cow;

use lapwing_learn::{AlertRate, AlertRateSettings, Rows};
use lapwing_model::{Event, Finding, Score, Severity};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::read::{Memory, Reader};
use super::{Feature, KINDS, Settings};
use crate::{Events, Findings};

/// Learns from rows of one width.
pub(crate) trait Model: std::fmt::Debug + Send + Serialize + DeserializeOwned {
    /// Scores each row by rows before it, into `scores` (emptied before): NaN before it can say; higher is more unusual. Where
    /// rows are cut makes no difference.
    fn score(&mut self, rows: Rows<'_>, scores: &mut Vec<f32>);

    /// Learns a block of rows that were scored. What scores do not follow at once changes here only.
    fn learn(&mut self, rows: Rows<'_>);

    /// Rows it remembers, as of the last block.
    fn remembered(&self) -> Rows<'_>;

    /// How much each value of a row makes it unusual; positive values do.
    fn weigh(&self, row: &[f32]) -> Vec<f32>;
}

/// How one of these detectors speaks.
#[derive(Debug, Clone)]
pub(crate) struct Speaks {
    pub(crate) detector: &'static str,
    pub(crate) class: &'static str,
    pub(crate) rate: AlertRateSettings,
    /// Events of a kind after which it knows what is one in ten thousand.
    pub(crate) mature_after: u64,
    /// How much what it says counts, where another detector says the same of the same features.
    pub(crate) weight: f32,
}

/// Makes a model for rows of so many features.
type Build<M> = Box<dyn Fn(usize) -> M + Send>;

/// One model for each kind of event.
pub(crate) struct Watch<M> {
    speaks: Speaks,
    build: Build<M>,
    settings: Settings,
    /// Made at the first event, since only one partition ever sees one.
    state: Option<State<M>>,
    rows: [Vec<f32>; KINDS.len()],
    positions: [Vec<u16>; KINDS.len()],
    scores: Vec<f32>,
}

#[derive(Debug)]
struct State<M> {
    reader: Reader,
    kinds: [Option<Watched<M>>; KINDS.len()],
}

#[derive(Debug, Serialize, Deserialize)]
struct Watched<M> {
    model: M,
    rate: AlertRate,
    seen: u64,
    /// The rows of the block that is not full.
    waiting: Vec<f32>,
}

/// Rows are learned in blocks that begin at fixed counts, so that what is found does not depend on batches.
const BLOCK: usize = 256;

/// What is saved: the signature of the lists, what the reader remembers, and the models.
#[derive(Serialize)]
struct Saved<'a, M>(u64, &'a Memory, &'a [Option<Watched<M>>; KINDS.len()]);

#[derive(Deserialize)]
struct Loaded<M>(u64, Memory, [Option<Watched<M>>; KINDS.len()]);

/// Nothing more probable is worth a word, whatever the rate: it would not count.
const RAREST: f64 = 0.003;

/// So many features at most are named.
const NAMED: usize = 3;
/// What is usual of a feature: between these shares of the remembered values.
const USUAL: (f32, f32) = (0.05, 0.95);

impl<M: Model> Watch<M> {
    pub(crate) fn new(speaks: Speaks, settings: &Settings, build: Build<M>) -> Watch<M> {
        Watch {
            speaks,
            build,
            settings: settings.clone(),
            state: None,
            rows: Default::default(),
            positions: Default::default(),
            scores: Vec::new(),
        }
    }

    pub(crate) fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        let state = self.state.get_or_insert_with(|| State { reader: Reader::new(&self.settings), kinds: Default::default() });
        for (at, event) in events.iter() {
            let kind = state.reader.read(event, &mut self.rows);
            self.positions[kind].push(at);
        }
        for kind in 0..KINDS.len() {
            let (rows, positions) = (&mut self.rows[kind], &mut self.positions[kind]);
            let features = state.reader.features(kind);
            if !rows.is_empty() {
                let new = || Watched::new((self.build)(features.len()), self.speaks.rate);
                let watched = state.kinds[kind].get_or_insert_with(new);
                let rows = Rows::new(rows, features.len());
                watched.judge(rows, &mut self.scores, |watched, number, probability| {
                    let event = positions.get(number).and_then(|&at| events.iter().find(|(place, _)| *place == at));
                    if let Some(((at, event), row)) = event.zip(rows.get(number)) {
                        let finding = self.speaks.finding(event, kind, features, row, &watched.model, probability);
                        findings.push_learning(at, finding, self.speaks.maturity(watched.seen));
                    }
                });
            }
            rows.clear();
            positions.clear();
        }
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        if let Some(State { reader, kinds }) = &self.state {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(&Saved(reader.signature(), reader.memory(), kinds)).unwrap_or_default());
        }
    }

    pub(crate) fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let mut reader = Reader::new(&self.settings);
        let Loaded(signature, memory, kinds) =
            postcard::from_bytes(state).map_err(|error| format!("the saved model cannot be read: {error}"))?;
        if signature != reader.signature() || !reader.set_memory(memory) {
            return Err("it learned from other features than the settings name; it begins anew".to_owned());
        }
        self.state = Some(State { reader, kinds });
        Ok(())
    }

    /// Of the kind of events of which it saw most; none before it saw anything.
    pub(crate) fn maturity(&self) -> Option<f32> {
        let most = self.state.as_ref()?.kinds.iter().flatten().map(|watched| watched.seen).max()?;
        Some(self.speaks.maturity(most))
    }

    pub(crate) fn entities(&self) -> usize {
        self.state.as_ref().map_or(0, |state| state.reader.clients())
    }
}

impl<M: Model> Watched<M> {
    fn new(model: M, rate: AlertRateSettings) -> Watched<M> {
        Watched { model, rate: AlertRate::new(rate), seen: 0, waiting: Vec::new() }
    }

    /// Judges rows, each by what was before it, and learns them. Calls `tell` with the number and the probability of a row that is
    /// worth a word.
    fn judge(&mut self, rows: Rows<'_>, scores: &mut Vec<f32>, mut tell: impl FnMut(&Watched<M>, usize, f64)) {
        let (width, mut from) = (rows.width(), 0);
        while from < rows.len() {
            let begin = self.waiting.len();
            let room = BLOCK.saturating_sub(begin / width).max(1);
            let to = rows.len().min(from + room);
            (from..to).filter_map(|at| rows.get(at)).for_each(|row| self.waiting.extend_from_slice(row));
            self.model.score(Rows::new(&self.waiting[begin..], width), scores);
            for (number, &score) in (from..to).zip(scores.iter()) {
                self.seen += 1;
                let judged = self.rate.judge(f64::from(score));
                // What a quiet time saved up does not make the ordinary worth a word.
                if judged.alert && judged.probability <= RAREST {
                    tell(self, number, judged.probability);
                }
            }
            from = to;
            if self.waiting.len() / width >= BLOCK {
                self.model.learn(Rows::new(&self.waiting, width));
                self.waiting.clear();
            }
        }
    }
}

impl Speaks {
    fn maturity(&self, seen: u64) -> f32 {
        (seen as f64 / self.mature_after.max(1) as f64).min(1.0) as f32
    }

    fn finding<M: Model>(
        &self,
        event: &Event,
        kind: usize,
        features: &[Feature],
        row: &[f32],
        model: &M,
        probability: f64,
    ) -> Finding {
        let told = strongest(&model.weigh(row));
        let told: Vec<Told> =
            told.into_iter().filter_map(|at| Told::of(features.get(at)?, row[at], model.remembered(), at)).collect();
        let parts: Vec<_> = told.iter().map(|told| format!("{} {} (usually {})", told.label, told.value, told.usual)).collect();
        let expected: Vec<_> = told.iter().map(|told| format!("{} {}", told.label, told.usual)).collect();
        let observed: Vec<_> = told.iter().map(|told| format!("{} {}", told.label, told.value)).collect();
        Finding {
            detector: self.detector,
            rule: Cow::Borrowed(KINDS.get(kind).copied().unwrap_or_default()),
            class: Cow::Borrowed(self.class),
            entity: event.entity(),
            score: Score::new(Score::of_tail(probability).value() * self.weight),
            severity: Severity::Info,
            count: 1,
            since: None,
            reason: format!("Only one in {} {} events is as unusual: {}", one_in(probability), KINDS[kind], parts.join(", ")),
            expected: expected.join(", "),
            observed: observed.join(", "),
        }
    }
}

/// What is said of one feature.
struct Told {
    label: String,
    value: String,
    usual: String,
}

impl Told {
    fn of(feature: &Feature, value: f32, remembered: Rows<'_>, at: usize) -> Option<Told> {
        let mut values: Vec<f32> =
            remembered.iter().filter_map(|row| row.get(at).copied()).filter(|value| !value.is_nan()).collect();
        values.sort_unstable_by(f32::total_cmp);
        let quantile = |share: f32| values.get(((values.len().max(1) - 1) as f32 * share) as usize).copied().unwrap_or(f32::NAN);
        let (low, high) = (feature.shown(quantile(USUAL.0)), feature.shown(quantile(USUAL.1)));
        let usual = if low == high { low } else { format!("{low} to {high}") };
        Some(Told { label: feature.label(), value: feature.shown(value), usual })
    }
}

/// The places of the features that weigh most, the heaviest first; those of a fourth of its weight and more.
fn strongest(weights: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..weights.len()).filter(|&at| weights[at] > 0.0).collect();
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
    let least = order.first().map_or(0.0, |&first| weights[first] / 4.0);
    order.retain(|&at| weights[at] >= least);
    order.truncate(NAMED);
    order
}

/// In two digits: nobody knows more.
pub(crate) fn one_in(probability: f64) -> String {
    let many = (1.0 / probability.max(1e-9)).round();
    let step = 10_f64.powf((many.log10().floor() - 1.0).max(0.0));
    let digits = format!("{:.0}", (many / step).round() * step);
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_events_are_round() {
        assert_eq!([1.0 / 1234.0, 1.0 / 98.7, 1e-6, 0.0].map(one_in), ["1,200", "99", "1,000,000", "1,000,000,000"]);
    }

    #[test]
    fn features_that_weigh_little_are_not_named() {
        assert_eq!(strongest(&[0.1, 2.0, -3.0, 0.9, 0.6, 0.7]), [1, 3, 5]);
        assert_eq!(strongest(&[0.0, -1.0]), [0_usize; 0]);
    }
}
