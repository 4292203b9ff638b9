//! Training of the sequence model: what comes after what, in the sessions of history.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use lapwing_detect::transformer::TemplateModel;
use lapwing_learn::sequence::{
    ModelError, Progress, SequenceBundle, SequenceModel, Shape, Surprises, TrainingSettings, TrainingState, Vocabulary,
};
use lapwing_model::{Event, Scope, printable};

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

/// The sessions of history, each as its templates in order.
#[derive(Debug, Default)]
pub struct History {
    sessions: Vec<Vec<u64>>,
    places: HashMap<u64, usize>,
    examples: HashMap<u64, String>,
    steps: usize,
    left_out: usize,
}

impl History {
    pub fn add(&mut self, event: &Event) {
        let named = !event.session.is_empty() || event.origin.reading.session.is_some();
        let Some(key) = event.keys.get(Scope::Session).filter(|_| named) else { return };
        let place = *self.places.entry(key).or_insert_with(|| {
            self.sessions.push(Vec::new());
            self.sessions.len() - 1
        });
        let session = &mut self.sessions[place];
        if self.steps >= MOST || session.len() >= MOST_OF_ONE {
            self.left_out += 1;
            return;
        }
        session.push(event.template);
        self.steps += 1;
        self.examples.entry(event.template).or_insert_with(|| printable(&event.raw).within(TEXT).to_string());
    }

    fn vocabulary(&self) -> Result<Vocabulary, ModelError> {
        let mut counts: HashMap<u64, u64> = HashMap::new();
        self.sessions.iter().flatten().for_each(|template| *counts.entry(*template).or_default() += 1);
        let name = |template| TemplateModel::name(template, self.examples.get(&template).map_or("", |text| text));
        Vocabulary::new(counts.into_iter().map(|(template, count)| (name(template), count)), CLASSES)
    }
}

/// Trains a model on history, or goes on with the one that is there, and writes it into the directory with its loss curve. False
/// where there is too little to learn from.
///
/// # Errors
/// Where the model cannot be trained or written.
pub fn train(history: &History, directory: &Path, before: Option<SequenceBundle>, steps: Option<u64>) -> Result<bool, Failed> {
    if history.sessions.len() < FEWEST_SESSIONS || history.steps < FEWEST || steps == Some(0) {
        return Ok(false);
    }
    if history.left_out > 0 {
        eprintln!("{} events beyond the longest sessions and the first {MOST} steps are not trained on", history.left_out);
    }
    let mut bundle = trained(history, before, steps).map_err(|error| Failed::new(error.to_string()))?;
    let curve = std::mem::take(&mut bundle.1);
    bundle.0.save(directory).map_err(|error| Failed::new(error.to_string()))?;
    std::fs::write(directory.join("loss.svg"), svg(&curve))?;
    Ok(true)
}

fn trained(
    history: &History,
    before: Option<SequenceBundle>,
    steps: Option<u64>,
) -> Result<(SequenceBundle, Vec<Progress>), ModelError> {
    let batch = TrainingSettings::default().batch;
    let usual = (history.steps * TIMES / (batch * 40)).clamp(200, 2000) as u64;
    let steps = steps.unwrap_or(usual);
    let (vocabulary, mut state) = match before.and_then(|before| Some((before.vocabulary, before.training?))) {
        Some((vocabulary, mut state)) => {
            state.extend(steps);
            (vocabulary, state)
        }
        None => {
            let vocabulary = history.vocabulary()?;
            let shape = Shape { classes: vocabulary.classes(), ..Shape::default() };
            let look_every = (steps / 20).max(1);
            let settings = TrainingSettings { shape, steps, look_every, ..TrainingSettings::default() };
            (vocabulary, TrainingState::new(settings)?)
        }
    };
    let name = |template: &u64| TemplateModel::name(*template, history.examples.get(template).map_or("", |text| text));
    let words: HashMap<u64, _> = history.examples.keys().map(|template| (*template, vocabulary.word(&name(template)))).collect();
    let class = |template: &u64| words[template].class;
    let sessions: Vec<Vec<u16>> = history.sessions.iter().map(|session| session.iter().map(class).collect()).collect();
    let (began, first) = (Instant::now(), state.step());
    let mut curve = Vec::new();
    let last = state.settings().steps;
    state.train(&sessions, |progress| {
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
    let model = Arc::new(SequenceModel::new(state.best().0)?);
    let held: Vec<bool> = sessions.iter().map(|session| state.held_out(session)).collect();
    let enough = held.iter().filter(|&&held| held).count() >= HELD_OUT;
    let measured = history.sessions.iter().zip(held).filter(|(_, held)| !enough || *held);
    let surprises = Surprises::measure(&model, measured.map(|(session, _)| session.iter().map(|template| words[template])));
    let weights = state.best().0.clone();
    let thresholds = std::collections::BTreeMap::new();
    Ok((SequenceBundle { weights, vocabulary, thresholds, surprises: Some(surprises), training: Some(state) }, curve))
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
    svg += &line(curve.iter().map(|one| place(one.step, one.loss)).collect(), "#1f5fa8");
    svg += &line(curve.iter().filter_map(|one| Some(place(one.step, one.holdout?))).collect(), "#c0392b");
    // Writing into a string cannot fail.
    let _ = writeln!(svg, "<text x=\"50\" y=\"15\">{most:.2} nats</text><text x=\"50\" y=\"436\">step {first}</text>");
    let _ = writeln!(svg, "<text x=\"450\" y=\"436\" text-anchor=\"end\">step {last}</text>");
    let _ = writeln!(svg, "<text x=\"250\" y=\"455\" text-anchor=\"middle\">loss (blue), held out (red)</text>");
    svg + "</svg>\n"
}
