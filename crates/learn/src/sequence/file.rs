//! A trained model as files: weights in safetensors, all else in JSON.

use super::ModelError;
use super::safetensors::{decode, encode};
use super::train::{TrainingSettings, TrainingState};
use super::vocabulary::Vocabulary;
use super::weights::{Named, Shape, Weights, names};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

const FORMAT: &str = "lapwing-sequence";
/// Raised when older programs would misread a model.
const VERSION: u32 = 1;
const WEIGHTS: &str = "sequence.safetensors";
const DESCRIPTION: &str = "sequence.json";
const TRAINING: &str = "sequence-training.safetensors";
/// A file beyond this is not read.
const LARGEST: u64 = 1 << 28;

/// A model with what is needed to use it: weights, the vocabulary they are for, and thresholds.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceBundle {
    pub weights: Weights,
    pub vocabulary: Vocabulary,
    /// Limits by name, as whoever trained the model found them: finite numbers of a unit that the name says.
    pub thresholds: BTreeMap<String, f64>,
    /// How far training is, if it may go on.
    pub training: Option<TrainingState>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: String,
    version: u32,
    shape: Shape,
    /// The length of the file of weights: files of two models are not taken for one.
    weights_bytes: u64,
    vocabulary: Vocabulary,
    #[serde(default)]
    thresholds: BTreeMap<String, f64>,
    #[serde(default)]
    training: Option<Stage>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stage {
    settings: TrainingSettings,
    step: u64,
    /// None before the first look at held-out sessions.
    best_loss: Option<f32>,
    stale: u32,
}

impl SequenceBundle {
    /// Writes the model into a folder, which is made if need be. Each file is written beside its place and then moved there;
    /// the description last.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        self.check()?;
        fs::create_dir_all(folder).map_err(|error| ModelError::new(format!("cannot make {}: {error}", folder.display())))?;
        let weights = encode(&with_names("", &self.weights));
        if let Some(state) = &self.training {
            let mut tensors = with_names("present.", &state.weights);
            tensors.extend(with_names("moment1.", &state.moments[0]));
            tensors.extend(with_names("moment2.", &state.moments[1]));
            tensors.extend(with_names("best.", &state.best));
            write(folder, TRAINING, &encode(&tensors))?;
        }
        write(folder, WEIGHTS, &weights)?;
        let stage = |state: &TrainingState| Stage {
            settings: state.settings,
            step: state.step,
            best_loss: Some(state.best_loss).filter(|loss| loss.is_finite()),
            stale: state.stale,
        };
        let description = Description {
            format: FORMAT.to_owned(),
            version: VERSION,
            shape: self.weights.shape(),
            weights_bytes: weights.len() as u64,
            vocabulary: self.vocabulary.clone(),
            thresholds: self.thresholds.clone(),
            training: self.training.as_ref().map(stage),
        };
        let text =
            serde_json::to_vec(&description).map_err(|error| ModelError::new(format!("cannot write the model: {error}")))?;
        write(folder, DESCRIPTION, &text)
    }

    /// Reads what [`save`](SequenceBundle::save) or `tools/export_pytorch.py` wrote; refuses what is damaged, does not fit
    /// together, or cannot give finite numbers, and says why.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let description: Description = serde_json::from_slice(&read(folder, DESCRIPTION)?)
            .map_err(|error| ModelError::new(format!("cannot read {}: {error}", folder.join(DESCRIPTION).display())))?;
        if description.format != FORMAT || description.version != VERSION {
            let Description { format, version, .. } = description;
            return Err(ModelError::new(format!(
                "{} is {format:?} version {version}, not {FORMAT:?} version {VERSION}; train it anew",
                folder.join(DESCRIPTION).display()
            )));
        }
        description.shape.check()?;
        let bytes = read(folder, WEIGHTS)?;
        if bytes.len() as u64 != description.weights_bytes {
            return Err(ModelError::new(format!(
                "{WEIGHTS} has {} bytes, but {DESCRIPTION} is of one with {}; copy both files together",
                bytes.len(),
                description.weights_bytes
            )));
        }
        let mut weights = Weights::zeros(description.shape);
        decode(&bytes, with_names_mut("", &mut weights))?;
        let training = description.training.map(|stage| stage.load(folder)).transpose()?;
        let Description { vocabulary, thresholds, .. } = description;
        let bundle = SequenceBundle { weights, vocabulary, thresholds, training };
        bundle.check()?;
        Ok(bundle)
    }

    fn check(&self) -> Result<(), ModelError> {
        self.weights.check()?;
        let (named, weighed) = (self.vocabulary.classes(), self.weights.shape().classes);
        if named != weighed {
            return Err(ModelError::new(format!("the vocabulary has {named} classes, but the weights are for {weighed}")));
        }
        match self.thresholds.iter().find(|(_, limit)| !limit.is_finite()) {
            Some((name, limit)) => Err(ModelError::new(format!("threshold {name:?} is {limit}"))),
            None => Ok(()),
        }
    }
}

impl Stage {
    fn load(self, folder: &Path) -> Result<TrainingState, ModelError> {
        let mut state = TrainingState::new(self.settings)?;
        (state.step, state.stale) = (self.step, self.stale);
        state.best_loss = self.best_loss.unwrap_or(f32::INFINITY);
        let bytes = read(folder, TRAINING)?;
        let mut tensors = with_names_mut("present.", &mut state.weights);
        let [first, second] = &mut state.moments;
        tensors.extend(with_names_mut("moment1.", first));
        tensors.extend(with_names_mut("moment2.", second));
        tensors.extend(with_names_mut("best.", &mut state.best));
        decode(&bytes, tensors)?;
        for weights in [&state.weights, &state.moments[0], &state.moments[1], &state.best] {
            weights.check()?;
        }
        Ok(state)
    }
}

fn prefixed(prefix: &str, shape: Shape) -> impl Iterator<Item = Named> {
    names(shape).into_iter().map(move |named| Named { name: format!("{prefix}{}", named.name), ..named })
}

fn with_names<'a>(prefix: &str, weights: &'a Weights) -> Vec<(Named, &'a Vec<f32>)> {
    prefixed(prefix, weights.shape()).zip(weights.tensors()).collect()
}

fn with_names_mut<'a>(prefix: &str, weights: &'a mut Weights) -> Vec<(Named, &'a mut Vec<f32>)> {
    prefixed(prefix, weights.shape()).zip(weights.tensors_mut()).collect()
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, ModelError> {
    let path = folder.join(name);
    let failed = |error: std::io::Error| ModelError::new(format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    fs::File::open(&path).map_err(failed)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(ModelError::new(format!("{} is larger than any model", path.display())));
    }
    Ok(bytes)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), ModelError> {
    let (path, beside) = (folder.join(name), folder.join(format!("{name}.new")));
    let whole = || -> std::io::Result<()> {
        let mut file = fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    };
    whole().map_err(|error| ModelError::new(format!("cannot write {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::super::{Progress, SequenceModel};
    use super::*;
    use std::ops::ControlFlow;

    fn bundle() -> SequenceBundle {
        let vocabulary = Vocabulary::new((0..7).map(|i| (format!("t{i}"), 9 - i)), 512).unwrap();
        let shape = Shape { classes: vocabulary.classes(), layers: 2, feed_forward: 16 };
        let settings = TrainingSettings { shape, steps: 20, batch: 2, look_every: 5, ..TrainingSettings::default() };
        let mut state = TrainingState::new(settings).unwrap();
        let stop = |p: Progress| if p.step == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        state.train(&sessions(), stop).unwrap();
        let thresholds = BTreeMap::from([("surprise_nats".to_owned(), 0.1 + 0.2)]);
        SequenceBundle { weights: state.best().0.clone(), vocabulary, thresholds, training: Some(state) }
    }

    fn sessions() -> Vec<Vec<u16>> {
        (0..40).map(|s| (0..30).map(|i| 2 + (s * i % 7) as u16).collect()).collect()
    }

    #[test]
    fn what_was_saved_is_loaded_and_training_goes_on_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = bundle();
        kept.save(folder.path()).unwrap();
        let mut loaded = SequenceBundle::load(folder.path()).unwrap();
        assert_eq!(kept, loaded);
        for bundle in [&mut kept, &mut loaded] {
            bundle.training.as_mut().unwrap().train(&sessions(), |_| ControlFlow::Continue(())).unwrap();
        }
        assert_eq!(kept, loaded);
        let again = tempfile::tempdir().unwrap();
        kept.save(folder.path()).unwrap();
        loaded.save(again.path()).unwrap();
        for name in [WEIGHTS, DESCRIPTION, TRAINING] {
            assert_eq!(fs::read(folder.path().join(name)).unwrap(), fs::read(again.path().join(name)).unwrap(), "{name}");
        }
    }

    #[test]
    fn damage_anywhere_is_refused_or_harmless_and_never_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        bundle().save(folder.path()).unwrap();
        for name in [WEIGHTS, DESCRIPTION, TRAINING] {
            let path = folder.path().join(name);
            let whole = fs::read(&path).unwrap();
            for cut in [0, 1, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
                fs::write(&path, &whole[..cut]).unwrap();
                assert!(SequenceBundle::load(folder.path()).is_err(), "{name} cut to {cut}");
            }
            for i in 0..120u64 {
                let mut damaged = whole.clone();
                let at = (crate::mix::mix(i, 1) % whole.len().min(4_000) as u64) as usize;
                damaged[at] ^= 1 << (i % 8);
                fs::write(&path, &damaged).unwrap();
                if let Ok(bundle) = SequenceBundle::load(folder.path()) {
                    SequenceModel::new(&bundle.weights).unwrap();
                }
            }
            let mut long = whole.clone();
            long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
            fs::write(&path, &long).unwrap();
            assert!(SequenceBundle::load(folder.path()).is_err(), "{name} with a length of its own");
            fs::write(&path, &whole).unwrap();
        }
        SequenceBundle::load(folder.path()).unwrap();
    }

    #[test]
    fn what_does_not_fit_together_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let good = bundle();
        good.save(folder.path()).unwrap();
        let path = folder.path().join(DESCRIPTION);
        let text = fs::read_to_string(&path).unwrap();
        let reason = |from: &str, to: &str| {
            assert!(text.contains(from), "{from} in {text:.300}");
            fs::write(&path, text.replacen(from, to, 1)).unwrap();
            SequenceBundle::load(folder.path()).unwrap_err().to_string()
        };
        assert!(reason("\"version\":1", "\"version\":2").contains("version 2, not \"lapwing-sequence\" version 1"));
        assert!(reason("\"feed_forward\":16", "\"feed_forward\":32").contains("instead of F32 [32, 64]"));
        assert!(reason("\"classes\":9", "\"classes\":99999999999").contains("is not supported"));
        assert!(reason("\"weights_bytes\":", "\"weights_bytes\":1").contains("copy both files together"));
        let mut wild = good;
        wild.weights.norm[0] = f32::INFINITY;
        assert!(wild.save(folder.path()).unwrap_err().to_string().contains("norm.weight holds inf"));
        assert!(
            SequenceBundle::load(Path::new("nowhere"))
                .unwrap_err()
                .to_string()
                .starts_with("cannot read nowhere/sequence.json: ")
        );
    }
}
