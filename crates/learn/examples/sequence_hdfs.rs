//! The sequence model alone on sessions of HDFS: `cargo run --release -p lapwing-learn --example sequence_hdfs [FOLDER]`.
//!
//! Two thirds of the normal sessions are learned from, a tenth of these held out for the loss; the last third tells false alarms.
//! A session's score is the greatest surprise in it; its end is a token, too. Limits come from the quantiles of surprise, so from
//! normal sessions alone; labels only measure.

use lapwing_learn::sequence::*;
use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "../shared/data/logs/hdfs-sessions".to_owned());
    let (normal, abnormal) =
        (read(&Path::new(&folder).join("train-normal.txt"))?, read(&Path::new(&folder).join("test-abnormal-2000.txt"))?);
    let learned: Vec<&Vec<String>> = normal.iter().enumerate().filter(|(at, _)| at % 3 > 0).map(|(_, session)| session).collect();
    let mut counts = std::collections::BTreeMap::new();
    learned.iter().flat_map(|session| session.iter()).for_each(|name| *counts.entry(name.clone()).or_insert(0) += 1);
    let vocabulary = Vocabulary::new(counts, 512)?;
    let classes = |session: &[String]| session.iter().map(|name| vocabulary.word(name).class).collect::<Vec<u16>>();
    let sessions: Vec<Vec<u16>> = learned.iter().map(|session| classes(session)).collect();

    let shape = Shape { classes: vocabulary.classes(), ..Shape::default() };
    let mut state = TrainingState::new(TrainingSettings { shape, ..TrainingSettings::default() })?;
    state.train(&sessions, |progress| {
        if let Some(holdout) = progress.holdout {
            println!("step {}: loss {:.4}, held out {holdout:.4}", progress.step, progress.loss);
        }
        ControlFlow::Continue(())
    })?;

    let model = Arc::new(SequenceModel::new(state.best().0)?);
    let words = |session: &[String]| session.iter().map(|name| vocabulary.word(name)).collect::<Vec<Word>>();
    let usual: Vec<f32> = normal.iter().step_by(3).map(|session| score(&model, &words(session))).collect();
    let unusual: Vec<f32> = abnormal.iter().map(|session| score(&model, &words(session))).collect();
    println!("{} normal and {} abnormal sessions to test: AUC {:.5}", usual.len(), unusual.len(), auc(&usual, &unusual));
    let held: Vec<&Vec<String>> = learned.iter().copied().filter(|session| state.held_out(&classes(session))).collect();
    for (which, sessions) in [("held-out", held), ("learned and held-out", learned)] {
        let surprises = Surprises::measure(&model, sessions.iter().map(|session| words(session)));
        println!("limits from {} {which} sessions:", surprises.sessions.seen());
        for probability in [1e-2, 1e-3, 1e-4] {
            let Some(limit) = surprises.sessions.limit(probability) else { continue };
            let share = |scores: &[f32]| scores.iter().filter(|score| **score >= limit).count() as f64 / scores.len() as f64;
            println!("at {probability} ({limit:.2} nats): recall {:.4}, false alarms {:.5}", share(&unusual), share(&usual));
        }
    }
    Ok(())
}

/// Names of the tokens of each line, and of its end.
fn read(path: &Path) -> Result<Vec<Vec<String>>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let names = |line: &str| line.split_whitespace().chain(["end"]).map(str::to_owned).collect();
    Ok(text.lines().map(names).collect())
}

fn score(model: &Arc<SequenceModel>, words: &[Word]) -> f32 {
    let (mut scorer, mut session) = (Scorer::new(model.clone(), 0), Session::new());
    for word in words {
        scorer.push(&mut session, *word);
    }
    scorer.finish().steps().iter().map(|step| step.surprise).fold(0.0, f32::max)
}

/// The chance that an abnormal session scores above a normal one; ties count half.
fn auc(usual: &[f32], unusual: &[f32]) -> f64 {
    let mut sorted = usual.to_vec();
    sorted.sort_by(f32::total_cmp);
    let places = |score: &f32| sorted.partition_point(|x| x < score) + sorted.partition_point(|x| x <= score);
    unusual.iter().map(places).sum::<usize>() as f64 / 2.0 / (usual.len() * unusual.len()) as f64
}
