//! Training of the sequence model: what comes after what, in the sessions of history.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lapwing_detect::transformer::TemplateModel;
use lapwing_learn::Delays;
use lapwing_learn::sequence::{
    ModelError, Progress, SequenceBundle, SequenceModel, Shape, Surprises, TrainingSettings, TrainingState, Vocabulary, Word,
};
use lapwing_model::{Event, Scope, Timestamp, printable};

use super::Failed;
use crate::cli::show::span;

/// Steps of sessions that are trained on; further ones are left out, and told.
const MOST: usize = 4_000_000;
/// Of one session.
const MOST_OF_ONE: usize = 1024;
/// With fewer there is nothing to be learned about order.
const FEWEST_SESSIONS: usize = 50;
const FEWEST: usize = 1000;
/// Classes of the model; rare templates share some.
const CLASSES: usize = 512;
/// How often each step of history is shown.
const TIMES: usize = 20;
/// Held-out sessions from which on they alone say how surprising ordinary ones are.
const HELD_OUT: usize = 200;
/// Characters of an example line.
const TEXT: usize = 80;

/// The shortest and the longest time, in milliseconds, that a session may be quiet before it is over.
const QUIET: (u64, u64) = (600_000, 86_400_000);
/// What that many sessions do not exceed, and a quarter more, is a usual pause.
const PAUSE: f64 = 0.99;
const GRACE: f64 = 1.25;

/// The sessions of history, each as its templates in order.
#[derive(Debug, Default)]
pub struct History {
    sessions: Vec<Steps>,
    places: HashMap<u64, usize>,
    examples: HashMap<u64, String>,
    steps: usize,
    left_out: usize,
    /// The latest time that an event told of.
    last: Timestamp,
}

/// The templates of one session.
#[derive(Debug)]
struct Steps {
    templates: Vec<u64>,
    last: Timestamp,
    /// The longest pause, in milliseconds.
    pause: u64,
    /// Some steps are left out.
    cut: bool,
}

impl Steps {
    fn new(at: Timestamp) -> Steps {
        Steps { templates: Vec::new(), last: at, pause: 0, cut: false }
    }

    fn at(&mut self, at: Timestamp) {
        self.pause = self.pause.max(millis(self.last, at));
        self.last = self.last.max(at);
    }
}

fn end_name() -> String {
    TemplateModel::name(TemplateModel::END, TemplateModel::END_TEXT)
}

fn millis(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX)
}

impl History {
    pub fn add(&mut self, event: &Event) {
        let named = !event.session.is_empty() || event.origin.reading.session.is_some();
        let Some(key) = event.keys.get(Scope::Session).filter(|_| named) else { return };
        let place = *self.places.entry(key).or_insert_with(|| {
            self.sessions.push(Steps::new(event.at));
            self.sessions.len() - 1
        });
        let session = &mut self.sessions[place];
        session.at(event.at);
        self.last = self.last.max(event.at);
        if self.steps >= MOST || session.templates.len() >= MOST_OF_ONE {
            self.left_out += 1;
            session.cut = true;
            return;
        }
        session.templates.push(event.template);
        self.steps += 1;
        self.examples.entry(event.template).or_insert_with(|| printable(&event.raw).within(TEXT).to_string());
    }

    /// How long a session may be quiet before it is over, in milliseconds.
    fn quiet(&self) -> u64 {
        let mut pauses = Delays::default();
        self.sessions.iter().for_each(|session| pauses.observe(session.pause));
        let usual = pauses.quantile(PAUSE).unwrap_or_default() as f64 * GRACE;
        (usual as u64).clamp(QUIET.0, QUIET.1)
    }

    /// Makes the end a step of each session that ended within history; answers how many did.
    fn end(&mut self, quiet: u64) -> usize {
        let last = self.last;
        let over = self.sessions.iter_mut().filter(|session| !session.cut && millis(session.last, last) > quiet);
        let ended = over.map(|session| session.templates.push(TemplateModel::END)).count();
        if ended > 0 {
            self.examples.insert(TemplateModel::END, TemplateModel::END_TEXT.to_owned());
        }
        ended
    }

    fn vocabulary(&self) -> Result<Vocabulary, ModelError> {
        let mut counts: HashMap<u64, u64> = HashMap::new();
        self.sessions
            .iter()
            .flat_map(|session| &session.templates)
            .for_each(|template| *counts.entry(*template).or_default() += 1);
        let name = |template| TemplateModel::name(template, self.examples.get(&template).map_or("", |text| text));
        Vocabulary::new(counts.into_iter().map(|(template, count)| (name(template), count)), CLASSES)
    }
}

/// Trains a model on history, or goes on with the one that is there, and writes it into the directory with its loss curve. False
/// where there is too little to learn from.
///
/// # Errors
/// Where the model cannot be trained or written.
pub fn train(history: History, directory: &Path, before: Option<SequenceBundle>, steps: Option<u64>) -> Result<bool, Failed> {
    if history.sessions.len() < FEWEST_SESSIONS || history.steps < FEWEST || steps == Some(0) {
        return Ok(false);
    }
    if history.left_out > 0 {
        eprintln!("{} events beyond the longest sessions and the first {MOST} steps are not trained on", history.left_out);
    }
    let (bundle, curve) = trained(history, before, steps)?;
    bundle.save(directory).map_err(|error| Failed::new(error.to_string()))?;
    std::fs::write(directory.join("loss.svg"), svg(&curve))?;
    Ok(true)
}

fn trained(
    mut history: History,
    before: Option<SequenceBundle>,
    steps: Option<u64>,
) -> Result<(SequenceBundle, Vec<Progress>), Failed> {
    let quiet = history.quiet();
    // A model that was begun without ends has no word for one.
    let known = before.as_ref().is_none_or(|before| before.vocabulary.word(&end_name()) != Word::UNKNOWN);
    let ended = if known { history.end(quiet) } else { 0 };
    eprintln!(
        "training on {} sessions, {ended} of which ended; {} of quiet end one",
        history.sessions.len(),
        span(Duration::from_millis(quiet))
    );
    let failed = |error: ModelError| Failed::new(error.to_string());
    let mut thresholds = before.as_ref().map(|before| before.thresholds.clone()).unwrap_or_default();
    if ended > 0 {
        thresholds.insert(TemplateModel::QUIET.to_owned(), quiet as f64 / 1000.0);
    }
    let (vocabulary, mut state) = begun(&history, before, steps).map_err(failed)?;
    let words = TemplateModel::words(&vocabulary).map_err(Failed::new)?;
    let word = |template: &u64| words.get(template).copied().unwrap_or(Word::UNKNOWN);
    let of = |session: &Steps| session.templates.iter().map(|template| word(template).class).collect();
    let sessions: Vec<Vec<u16>> = history.sessions.iter().map(of).collect();
    let curve = progress(&mut state, &sessions).map_err(failed)?;
    let model = Arc::new(SequenceModel::new(state.best().0).map_err(failed)?);
    let held: Vec<bool> = sessions.iter().map(|session| state.held_out(session)).collect();
    let enough = held.iter().filter(|&&held| held).count() >= HELD_OUT;
    let measured = history.sessions.iter().zip(held).filter(|(_, held)| !enough || *held);
    let surprises = Surprises::measure(&model, measured.map(|(session, _)| session.templates.iter().map(word)));
    let weights = state.best().0.clone();
    Ok((SequenceBundle { weights, vocabulary, thresholds, surprises: Some(surprises), training: Some(state) }, curve))
}

/// Where training stands before it goes on.
fn begun(
    history: &History,
    before: Option<SequenceBundle>,
    steps: Option<u64>,
) -> Result<(Vocabulary, TrainingState), ModelError> {
    let batch = TrainingSettings::default().batch;
    let usual = (history.steps * TIMES / (batch * 40)).clamp(200, 2000) as u64;
    let steps = steps.unwrap_or(usual);
    if let Some((vocabulary, mut state)) = before.and_then(|before| Some((before.vocabulary, before.training?))) {
        state.extend(steps);
        return Ok((vocabulary, state));
    }
    let vocabulary = history.vocabulary()?;
    let shape = Shape { classes: vocabulary.classes(), ..Shape::default() };
    let look_every = (steps / 20).max(1);
    let settings = TrainingSettings { shape, steps, look_every, ..TrainingSettings::default() };
    Ok((vocabulary, TrainingState::new(settings)?))
}

/// Trains, and prints how it goes.
fn progress(state: &mut TrainingState, sessions: &[Vec<u16>]) -> Result<Vec<Progress>, ModelError> {
    let (began, first, last) = (Instant::now(), state.step(), state.settings().steps);
    let mut curve = Vec::new();
    state.train(sessions, |progress| {
        curve.push(progress);
        if let Some(holdout) = progress.holdout {
            let left = began.elapsed().mul_f64((last - progress.step) as f64 / (progress.step - first).max(1) as f64);
            eprintln!(
                "step {} of at most {last}: loss {:.4}, held out {holdout:.4} nats, {} left",
                progress.step,
                progress.loss,
                span(left)
            );
        }
        ControlFlow::Continue(())
    })?;
    Ok(curve)
}

/// The loss of each step, and that of what was held out, as a picture.
fn svg(curve: &[Progress]) -> String {
    const SIDE: f32 = 400.0;
    let (first, last) = (curve.first().map_or(0, |one| one.step), curve.last().map_or(1, |one| one.step));
    let most = curve.iter().map(|one| one.loss).fold(f32::MIN_POSITIVE, f32::max);
    let place = |step: u64, loss: f32| {
        let x = 50.0 + SIDE * (step - first) as f32 / (last - first).max(1) as f32;
        format!("{x:.1},{:.1}", 20.0 + SIDE * (1.0 - loss / most))
    };
    let line = |points: Vec<String>, colour: &str| {
        format!("<polyline points=\"{}\" stroke=\"{colour}\" fill=\"none\" stroke-width=\"1.5\"/>\n", points.join(" "))
    };
    let mut svg =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 500 470\" font-family=\"sans-serif\" font-size=\"12\">\n\
                   <rect width=\"500\" height=\"470\" fill=\"white\"/>\n"
            .to_owned();
    for tenth in (0..=10).step_by(2) {
        let y = 20.0 + SIDE * (1.0 - tenth as f32 / 10.0);
        let nats = most * tenth as f32 / 10.0;
        // Writing into a string cannot fail.
        let _ = writeln!(
            svg,
            "<path d=\"M50 {y}H450\" stroke=\"#ddd\"/><text x=\"44\" y=\"{}\" text-anchor=\"end\">{nats:.1}</text>",
            y + 4.0
        );
    }
    svg += &line(curve.iter().map(|one| place(one.step, one.loss)).collect(), "#1f5fa8");
    svg += &line(curve.iter().filter_map(|one| Some(place(one.step, one.holdout?))).collect(), "#c0392b");
    let _ = writeln!(svg, "<text x=\"50\" y=\"15\">nats</text><text x=\"50\" y=\"436\">step {first}</text>");
    let _ = writeln!(svg, "<text x=\"450\" y=\"436\" text-anchor=\"end\">step {last}</text>");
    let _ = writeln!(svg, "<text x=\"250\" y=\"455\" text-anchor=\"middle\">loss (blue), held out (red)</text>");
    svg + "</svg>\n"
}
