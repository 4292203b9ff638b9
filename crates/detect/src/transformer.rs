//! What came next in a session is not what comes next: the surprise of each template after the twenty before it, by a sequence
//! model that `lapwing learn` trained ([`lapwing_learn::sequence`]). Without a model it says nothing.
//!
//! The model is immutable and shared; each partition keeps its sessions. What it says of a session depends on nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use lapwing_learn::Lru;
use lapwing_learn::sequence::{Expectation, Scorer, SequenceBundle, SequenceModel, Session, Step, Surprises, Word};
use lapwing_model::{Event, Finding, Scope, Score, Severity, printable};
use serde::{Deserialize, Serialize};

use crate::{Detector, Events, Family, Findings, Kind, Setup};

pub const KIND: Kind = Kind {
    name: "transformer",
    summary: "the next step of a session is not one that comes after the steps before it, by a model that was trained",
    family: Family::Sequence,
    scopes: &[Scope::Session],
    enabled: |settings| settings.transformer.enabled,
    build: |setup, _| Box::new(Transformer::new(setup)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Sessions followed at once.
    pub sessions: usize,
    /// A step is noted where no more than one in so many ordinary ones is as surprising.
    pub one_in: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true, sessions: 200_000, one_in: 1000.0 }
    }
}

/// A trained model, and which templates its words stand for.
#[derive(Debug)]
pub struct TemplateModel {
    model: Arc<SequenceModel>,
    words: HashMap<u64, Word>,
    /// What a class stands for, where one template alone does, as it looks.
    texts: HashMap<u16, Box<str>>,
    surprises: Surprises,
}

impl TemplateModel {
    /// The name of a template in a model's vocabulary: its id, and an example after a space.
    #[must_use]
    pub fn name(template: u64, example: &str) -> String {
        format!("{template:016x} {example}")
    }

    /// # Errors
    /// Where the model cannot be used, or was trained on something else than templates.
    pub fn new(bundle: &SequenceBundle) -> Result<TemplateModel, String> {
        let model = Arc::new(SequenceModel::new(&bundle.weights).map_err(|error| error.to_string())?);
        let (mut words, mut texts) = (HashMap::new(), HashMap::new());
        for class in 0..bundle.vocabulary.classes() as u16 {
            let mut alone = true;
            for name in bundle.vocabulary.names(class) {
                let (id, example) = name.split_once(' ').unwrap_or((name, ""));
                let id = u64::from_str_radix(id, 16).map_err(|_| format!("its vocabulary has {name:?}, which is no template"))?;
                words.insert(id, bundle.vocabulary.word(name));
                if alone {
                    texts.insert(class, example.into());
                    alone = false;
                } else {
                    texts.remove(&class);
                }
            }
        }
        let surprises = bundle.surprises.clone().ok_or("how surprising ordinary sessions are was not measured")?;
        Ok(TemplateModel { model, words, texts, surprises })
    }

    fn word(&self, template: u64) -> Word {
        self.words.get(&template).copied().unwrap_or(Word::UNKNOWN)
    }

    /// The likeliest templates, for people.
    fn shown(&self, expected: &[Expectation]) -> String {
        let of = |one: &Expectation| {
            let text = self.texts.get(&one.class).map_or("a rare template", |text| text);
            format!("\"{text}\" ({:.0} %)", one.probability * 100.0)
        };
        expected.iter().map(of).collect::<Vec<_>>().join(", ")
    }
}

#[derive(Debug)]
struct Transformer {
    one_in: f64,
    /// Sessions and the rings of what was computed of them; nothing without a model.
    following: Option<Following>,
}

#[derive(Debug)]
struct Following {
    model: Arc<TemplateModel>,
    scorer: Scorer,
    sessions: Lru<Session>,
    /// Events of the batch that are steps of sessions.
    pushed: Vec<u16>,
}

/// Characters of the line that is shown.
const TEXT: usize = 100;
/// Templates named as expected.
const NAMED: usize = 3;

impl Transformer {
    fn new(setup: &Setup) -> Transformer {
        let settings = &setup.settings.transformer;
        // Each of the partitions follows its part.
        let sessions = (settings.sessions / lapwing_model::PARTITIONS).max(1);
        let following = setup.templates.as_ref().filter(|_| !setup.learning).map(|model| Following {
            model: model.clone(),
            scorer: Scorer::new(model.model.clone(), sessions),
            sessions: Lru::new(sessions),
            pushed: Vec::new(),
        });
        Transformer { one_in: settings.one_in, following }
    }
}

impl Detector for Transformer {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        let Some(Following { model, scorer, sessions, pushed }) = &mut self.following else { return };
        pushed.clear();
        let mut seen: Vec<&Event> = Vec::new();
        for (at, event, key) in events.iter().filter_map(|(at, event)| Some((at, event, key(event)?))) {
            let (session, _) = sessions.get_or_insert_with(key, Session::new);
            scorer.push(session, model.word(event.template));
            pushed.push(at);
            seen.push(event);
        }
        let outcome = scorer.finish();
        for (number, ((&at, event), step)) in pushed.iter().zip(seen).zip(outcome.steps()).enumerate() {
            let probability = model.surprises.steps.probability(step.surprise);
            if probability * self.one_in <= 1.0 {
                let expected = model.shown(&outcome.expected(number, NAMED));
                findings.push(at, finding(event, step, probability, expected));
            }
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if let Some(following) = self.following.as_ref().filter(|following| !following.sessions.is_empty()) {
            // Plain data always has a serial form.
            out.extend(postcard::to_stdvec(&following.sessions).unwrap_or_default());
        }
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let Some(following) = &mut self.following else { return Ok(()) };
        let mut sessions: Lru<Session> =
            postcard::from_bytes(state).map_err(|error| format!("the saved sessions cannot be read: {error}"))?;
        sessions.set_capacity(following.sessions.capacity());
        following.sessions = sessions;
        Ok(())
    }

    fn forget(&mut self, key: u64) {
        if let Some(following) = &mut self.following {
            following.sessions.remove(key);
        }
    }

    fn entities(&self) -> usize {
        self.following.as_ref().map_or(0, |following| following.sessions.len())
    }
}

/// The session that an event is a step of.
fn key(event: &Event) -> Option<u64> {
    let named = !event.session.is_empty() || event.origin.reading.session.is_some();
    if named { event.keys.get(Scope::Session) } else { None }
}

fn finding(event: &Event, step: &Step, probability: f64, expected: String) -> Finding {
    let entity = event.entity_of(Scope::Session).unwrap_or_else(|| event.entity());
    let text = printable(&event.raw).within(TEXT).to_string();
    let rank = u64::from(step.rank) + 1;
    Finding {
        detector: KIND.name,
        rule: "next-step".into(),
        class: "unexpected-step".into(),
        reason: format!("in session {}, \"{text}\" came, which {} steps were likelier than: one in {:.0} is as surprising", entity.name, rank - 1, 1.0 / probability),
        entity,
        score: Score::of_tail(probability),
        severity: Severity::Info,
        count: 1,
        since: None,
        expected,
        observed: format!("\"{text}\", {:.1} nats, rank {rank}", step.surprise),
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use lapwing_learn::sequence::{Shape, TrainingSettings, TrainingState, Vocabulary};
    use lapwing_model::{Level, Text};

    use super::*;
    use crate::testing::{Line, judge, setup};
    use crate::{Shard, State};

    const USUAL: [&str; 4] = ["open", "read", "write", "close"];

    fn template(message: &str) -> u64 {
        lapwing_model::hash(message.as_bytes())
    }

    /// Trained on sessions that do the usual in its order.
    fn model() -> Arc<TemplateModel> {
        let names = USUAL.map(|message| (TemplateModel::name(template(message), message), 100));
        let vocabulary = Vocabulary::new(names, 512).expect("a small vocabulary");
        let word = |message: &&str| vocabulary.word(&TemplateModel::name(template(message), message));
        let sessions = vec![USUAL.iter().map(|message| word(message).class).collect::<Vec<u16>>(); 40];
        let shape = Shape { classes: vocabulary.classes(), layers: 1, feed_forward: 16 };
        let settings = TrainingSettings { shape, steps: 80, batch: 4, rate: 1e-2, holdout: 0.0, ..TrainingSettings::default() };
        let mut state = TrainingState::new(settings).expect("sound settings");
        state.train(&sessions, |_| ControlFlow::Continue(())).expect("it trains");
        let weights = state.best().0.clone();
        let served = Arc::new(SequenceModel::new(&weights).expect("finite weights"));
        let ordinary = (0..400).map(|_| USUAL.iter().map(word).collect::<Vec<Word>>());
        let surprises = Some(Surprises::measure(&served, ordinary));
        let bundle = SequenceBundle { weights, vocabulary, thresholds: Default::default(), surprises, training: None };
        Arc::new(TemplateModel::new(&bundle).expect("a model of templates"))
    }

    fn steps(sessions: &[&[&str]]) -> Vec<Event> {
        let mut events = Vec::new();
        for (n, messages) in sessions.iter().enumerate() {
            for message in *messages {
                let number = events.len() as u64;
                let name = format!("s{n}");
                let mut event = Line::new(number as f64, "", 0).log(number, Level::Info, &format!("{message} {name}"));
                event.session = Text::raw(message.len() + 1, message.len() + 1 + name.len());
                event.keys.name(Scope::Session, name.as_bytes());
                event.template = template(message);
                events.push(event);
            }
        }
        events
    }

    fn told(shards: &mut [Shard], events: &[Event], batch: usize) -> Vec<String> {
        let found = judge(shards, events, batch);
        let mine = found.iter().filter(|found| found.finding.detector == KIND.name);
        mine.map(|found| format!("{} {} {:?}", found.finding.entity.name, found.finding.expected, found.finding.score)).collect()
    }

    #[test]
    fn a_step_out_of_order_is_told_with_what_was_expected_for_any_batches_and_after_a_restart() {
        let setup = Setup { templates: Some(model()), ..setup() };
        let mut sessions = vec![&USUAL[..]; 30];
        sessions.push(&["open", "read", "open", "close"]);
        sessions.push(&["open", "panic"]);
        let events = steps(&sessions);
        let shards = |count: usize| (0..count).map(|index| Shard::new(&setup, index, count)).collect::<Vec<_>>();
        let whole = told(&mut shards(1), &events, 1000);
        assert!(whole.iter().any(|told| told.starts_with("s30 \"write\"")), "{whole:?}");
        assert!(whole.iter().any(|told| told.starts_with("s31 \"read\"")), "what the vocabulary has not: {whole:?}");
        assert!(whole.iter().all(|told| told.starts_with("s30") || told.starts_with("s31")), "{whole:?}");
        assert_eq!(told(&mut shards(3), &events, 7), whole);
        let (mut before, mut after, mut state) = (shards(2), shards(5), State::new());
        let mut parts = told(&mut before, &events[..122], 50);
        before.iter().for_each(|shard| shard.save(&mut state));
        after.iter_mut().for_each(|shard| shard.load(&state).expect("its own state"));
        parts.extend(told(&mut after, &events[122..], 50));
        assert_eq!(parts, whole);
    }

    #[test]
    fn without_a_model_nothing_is_said_and_nothing_remembered() {
        let mut shards = [Shard::whole(&setup())];
        assert!(told(&mut shards, &steps(&[&["panic", "panic", "open"]]), 10).is_empty());
        assert_eq!(shards[0].entities()[KIND.name], 0);
    }
}
