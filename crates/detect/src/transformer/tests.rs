use std::ops::ControlFlow;

use lapwing_learn::sequence::{
    SequenceBundle, SequenceModel, Shape, Surprises, TrainingSettings, TrainingState, Vocabulary, Word,
};
use lapwing_model::{Level, Text};

use super::*;
use crate::testing::{Line, judge, setup};
use crate::{Batch, Shard, State};

const USUAL: [&str; 4] = ["open", "read", "write", "close"];

fn template(message: &str) -> u64 {
    hash(message.as_bytes())
}

/// Trained on sessions that do the usual in its order; where ends were seen, a minute of quiet is one.
fn trained(usual: &[(u64, &str)], ends: bool) -> Knowledge {
    let names = usual.iter().map(|(template, message)| (TemplateModel::name(*template, message), 100));
    let vocabulary = Vocabulary::new(names, 512).expect("a small vocabulary");
    let word = |(template, message): &(u64, &str)| vocabulary.word(&TemplateModel::name(*template, message));
    let sessions = vec![usual.iter().map(|name| word(name).class).collect::<Vec<u16>>(); 40];
    let shape = Shape { classes: vocabulary.classes(), layers: 1, feed_forward: 16 };
    let settings = TrainingSettings { shape, steps: 80, batch: 4, rate: 1e-2, holdout: 0.0, ..TrainingSettings::default() };
    let mut state = TrainingState::new(settings).expect("sound settings");
    state.train(&sessions, |_| ControlFlow::Continue(())).expect("it trains");
    let weights = state.best().0.clone();
    let served = Arc::new(SequenceModel::new(&weights).expect("finite weights"));
    let ordinary = (0..400).map(|_| usual.iter().map(word).collect::<Vec<Word>>());
    let surprises = Some(Surprises::measure(&served, ordinary));
    let thresholds = if ends { [(TemplateModel::QUIET.to_owned(), 60.0)].into() } else { Default::default() };
    let bundle = SequenceBundle { weights, vocabulary, thresholds, surprises, training: None };
    let templates = Some(Arc::new(TemplateModel::new(&bundle).expect("a model of templates")));
    Knowledge { templates, ..Knowledge::default() }
}

fn model() -> Knowledge {
    trained(&USUAL.map(|message| (template(message), message)), false)
}

fn model_with_ends() -> Knowledge {
    let end = (TemplateModel::END, TemplateModel::END_TEXT);
    trained(&[&USUAL.map(|message| (template(message), message))[..], &[end]].concat(), true)
}

fn shards_with(model: Knowledge, count: usize) -> Vec<Shard> {
    let setup = Setup { templates: model.templates, ..setup() };
    (0..count).map(|index| Shard::new(&setup, index, count)).collect()
}

fn renew(shard: &mut Shard, model: Knowledge) {
    let mut batch = Batch::new(0, Vec::new(), Vec::new());
    batch.model = Some(model);
    shard.judge(&batch, &mut Findings::default());
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
    let mut sessions = vec![&USUAL[..]; 30];
    sessions.push(&["open", "read", "open", "close"]);
    sessions.push(&["open", "panic"]);
    let events = steps(&sessions);
    let shards = |count: usize| shards_with(model(), count);
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

#[test]
fn a_session_that_ends_where_others_go_on_is_told_once_it_is_over_and_not_if_it_goes_on() {
    let mut sessions = vec![&USUAL[..]; 90];
    sessions[20] = &["open", "read"];
    sessions[30] = &["open", "read", "write"];
    let mut events = steps(&sessions);
    // What the 30th lacks comes late, but it comes.
    let mut late = steps(&vec![&["close"][..]; 31]).pop().expect("a step");
    late.at = events[250].at;
    events.insert(251, late);
    let whole = told(&mut shards_with(model_with_ends(), 1), &events, 1000);
    assert_eq!(whole.len(), 2, "{whole:?}");
    assert!(whole[0].starts_with("s20 \"write\""), "{whole:?}");
    assert!(whole[1].starts_with("s30 \"close\""), "its first end was none: {whole:?}");
    assert_eq!(told(&mut shards_with(model_with_ends(), 3), &events, 7), whole);
    let (mut before, mut after, mut state) = (shards_with(model_with_ends(), 2), shards_with(model_with_ends(), 5), State::new());
    let mut parts = told(&mut before, &events[..101], 50);
    before.iter().for_each(|shard| shard.save(&mut state));
    after.iter_mut().for_each(|shard| shard.load(&state).expect("its own state"));
    parts.extend(told(&mut after, &events[101..], 50));
    assert_eq!(parts, whole);
    assert!(told(&mut shards_with(model(), 1), &events, 1000).is_empty(), "a model without ends says nothing of them");
}

#[test]
fn a_changed_model_takes_over_the_sessions_that_go_on() {
    let mut sessions = vec![&USUAL[..]; 40];
    sessions.push(&["open", "read", "open"]);
    let events = steps(&sessions);
    let other = || {
        let reversed: Vec<_> = USUAL.iter().rev().map(|message| (template(message), *message)).collect();
        trained(&reversed, false)
    };
    for cut in [1, 2, 157, 158] {
        let mut shard = shards_with(other(), 1);
        told(&mut shard, &events[..cut], 10);
        renew(&mut shard[0], model());
        let after = told(&mut shard, &events[cut..160], 10);
        assert!(after.is_empty(), "nothing is odd to the new model after {cut}: {after:?}");
        assert_eq!(told(&mut shard, &events[160..], 10).len(), 1, "after {cut}");
    }
    let mut shard = shards_with(model(), 1);
    renew(&mut shard[0], Knowledge::default());
    assert!(told(&mut shard, &events, 10).is_empty(), "a model without one of sessions says nothing of them");
}
