//! A trained model as files: weights in safetensors, all else in JSON.

use super::ModelError;
use super::safetensors::{decode, encode};
use super::surprises::Surprises;
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
/// A line for each other file: its CRC-32 in hexadecimal, its length, its name. So files of two models, or one that is damaged,
/// are not taken for a model.
const CHECKSUMS: &str = "sequence.crc32";
/// A file beyond this is not read.
const LARGEST: u64 = 1 << 28;

/// A model with what is needed to use it: weights, the vocabulary they are for, and thresholds.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceBundle {
    pub weights: Weights,
    pub vocabulary: Vocabulary,
    /// Limits by name, as whoever trained the model found them: finite numbers of a unit that the name says.
    pub thresholds: BTreeMap<String, f64>,
    /// How surprising ordinary sessions are, if that was measured.
    pub surprises: Option<Surprises>,
    /// How far training is, if it may go on.
    pub training: Option<TrainingState>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: String,
    version: u32,
    shape: Shape,
    vocabulary: Vocabulary,
    #[serde(default)]
    thresholds: BTreeMap<String, f64>,
    #[serde(default)]
    surprises: Option<Surprises>,
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
    /// the checksums, which tie the others together, last.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        self.check()?;
        fs::create_dir_all(folder).map_err(|error| ModelError::new(format!("cannot make {}: {error}", folder.display())))?;
        let mut files = vec![(WEIGHTS, encode(&with_names("", &self.weights)))];
        if let Some(state) = &self.training {
            let mut tensors = with_names("present.", &state.weights);
            tensors.extend(with_names("moment1.", &state.moments[0]));
            tensors.extend(with_names("moment2.", &state.moments[1]));
            tensors.extend(with_names("best.", &state.best));
            files.push((TRAINING, encode(&tensors)));
        }
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
            vocabulary: self.vocabulary.clone(),
            thresholds: self.thresholds.clone(),
            surprises: self.surprises.clone(),
            training: self.training.as_ref().map(stage),
        };
        let text =
            serde_json::to_vec(&description).map_err(|error| ModelError::new(format!("cannot write the model: {error}")))?;
        files.push((DESCRIPTION, text));
        write_all(folder, &files)
    }

    /// Reads what [`save`](SequenceBundle::save) or `tools/export_pytorch.py` wrote; refuses what is damaged, does not fit
    /// together, or cannot give finite numbers, and says why.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let files = Files::open(folder)?;
        let description: Description = serde_json::from_slice(&files.read(DESCRIPTION)?)
            .map_err(|error| ModelError::new(format!("cannot read {}: {error}", folder.join(DESCRIPTION).display())))?;
        if description.format != FORMAT || description.version != VERSION {
            let Description { format, version, .. } = description;
            return Err(ModelError::new(format!(
                "{} is {format:?} version {version}, not {FORMAT:?} version {VERSION}; train it anew",
                folder.join(DESCRIPTION).display()
            )));
        }
        description.shape.check()?;
        let mut weights = Weights::zeros(description.shape);
        decode(&files.read(WEIGHTS)?, with_names_mut("", &mut weights))?;
        let training = description.training.map(|stage| stage.load(&files)).transpose()?;
        let Description { vocabulary, thresholds, surprises, .. } = description;
        let bundle = SequenceBundle { weights, vocabulary, thresholds, surprises, training };
        bundle.check()?;
        Ok(bundle)
    }

    /// Takes the model out of a folder; what else is in the folder stays.
    pub fn remove(folder: &Path) -> Result<(), ModelError> {
        // The checksums first: without them the rest is no model.
        for name in [CHECKSUMS, DESCRIPTION, WEIGHTS, TRAINING] {
            match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(ModelError::new(format!("cannot remove {}: {error}", folder.join(name).display())));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ModelError> {
        self.weights.check()?;
        let (named, weighed) = (self.vocabulary.classes(), self.weights.shape().classes);
        if named != weighed {
            return Err(ModelError::new(format!("the vocabulary has {named} classes, but the weights are for {weighed}")));
        }
        if self.surprises.as_ref().is_some_and(|surprises| !surprises.is_sound()) {
            return Err(ModelError::new("the quantiles of surprises are no rising numbers; measure them anew"));
        }
        match self.thresholds.iter().find(|(_, limit)| !limit.is_finite()) {
            Some((name, limit)) => Err(ModelError::new(format!("threshold {name:?} is {limit}"))),
            None => Ok(()),
        }
    }
}

impl Stage {
    fn load(self, files: &Files) -> Result<TrainingState, ModelError> {
        let mut state = TrainingState::new(self.settings)?;
        (state.step, state.stale) = (self.step, self.stale);
        state.best_loss = self.best_loss.unwrap_or(f32::INFINITY);
        let mut tensors = with_names_mut("present.", &mut state.weights);
        let [first, second] = &mut state.moments;
        tensors.extend(with_names_mut("moment1.", first));
        tensors.extend(with_names_mut("moment2.", second));
        tensors.extend(with_names_mut("best.", &mut state.best));
        decode(&files.read(TRAINING)?, tensors)?;
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

/// The files of a model, by name: checksum and length.
struct Files<'a> {
    folder: &'a Path,
    listed: BTreeMap<String, (u32, u64)>,
}

impl<'a> Files<'a> {
    fn open(folder: &'a Path) -> Result<Self, ModelError> {
        let text = String::from_utf8_lossy(&read(folder, CHECKSUMS)?).into_owned();
        let entry = |line: &str| {
            let mut words = line.split(' ');
            let checksum = u32::from_str_radix(words.next()?, 16).ok()?;
            let length = words.next()?.parse().ok()?;
            Some((words.next()?.to_owned(), (checksum, length))).filter(|_| words.next().is_none())
        };
        match text.lines().map(entry).collect() {
            Some(listed) => Ok(Files { folder, listed }),
            None => Err(ModelError::new(format!("{} is damaged; copy the model anew", folder.join(CHECKSUMS).display()))),
        }
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, ModelError> {
        let path = self.folder.join(name);
        let Some(listed) = self.listed.get(name) else {
            return Err(ModelError::new(format!("{CHECKSUMS} does not list {}; copy the model anew", path.display())));
        };
        let bytes = read(self.folder, name)?;
        if (crc32fast::hash(&bytes), bytes.len() as u64) != *listed {
            return Err(ModelError::new(format!(
                "{} is damaged or of another model than {CHECKSUMS}: {} bytes instead of {}, or another checksum; copy all files \
                 of the model together",
                path.display(),
                bytes.len(),
                listed.1
            )));
        }
        Ok(bytes)
    }
}

fn write_all(folder: &Path, files: &[(&str, Vec<u8>)]) -> Result<(), ModelError> {
    let mut checksums = String::new();
    for (name, bytes) in files {
        write(folder, name, bytes)?;
        checksums += &format!("{:08x} {} {name}\n", crc32fast::hash(bytes), bytes.len());
    }
    write(folder, CHECKSUMS, checksums.as_bytes())
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
    use super::super::{Progress, SequenceModel, Word};
    use super::*;
    use std::ops::ControlFlow;
    use std::sync::Arc;

    fn bundle() -> SequenceBundle {
        let vocabulary = Vocabulary::new((0..7).map(|i| (format!("t{i}"), 9 - i)), 512).unwrap();
        let shape = Shape { classes: vocabulary.classes(), layers: 2, feed_forward: 16 };
        let settings = TrainingSettings { shape, steps: 20, batch: 2, look_every: 5, ..TrainingSettings::default() };
        let mut state = TrainingState::new(settings).unwrap();
        let stop = |p: Progress| if p.step == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        state.train(&sessions(), stop).unwrap();
        let thresholds = BTreeMap::from([("surprise_nats".to_owned(), 0.1 + 0.2)]);
        let weights = state.best().0.clone();
        let model = Arc::new(SequenceModel::new(&weights).unwrap());
        let words = sessions().into_iter().map(|session| session.into_iter().map(|class| Word { class, nats: 0.0 }));
        let surprises = Some(Surprises::measure(&model, words));
        SequenceBundle { weights, vocabulary, thresholds, surprises, training: Some(state) }
    }

    const ALL: [&str; 4] = [WEIGHTS, DESCRIPTION, TRAINING, CHECKSUMS];

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
        for name in ALL {
            assert_eq!(fs::read(folder.path().join(name)).unwrap(), fs::read(again.path().join(name)).unwrap(), "{name}");
        }
    }

    #[test]
    fn one_seed_gives_the_same_files() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        folders.iter().for_each(|folder| bundle().save(folder.path()).unwrap());
        for name in ALL {
            let [one, other] = folders.each_ref().map(|folder| fs::read(folder.path().join(name)).unwrap());
            assert!(one == other, "{name} differs");
        }
    }

    #[test]
    fn a_flipped_bit_or_a_cut_anywhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let kept = bundle();
        kept.save(folder.path()).unwrap();
        for name in ALL {
            let path = folder.path().join(name);
            let whole = fs::read(&path).unwrap();
            for cut in [0, 1, 7, 8, 40, whole.len() / 2, whole.len() - 2] {
                fs::write(&path, &whole[..cut]).unwrap();
                assert!(SequenceBundle::load(folder.path()).is_err(), "{name} cut to {cut}");
            }
            for i in 0..120u64 {
                let mut damaged = whole.clone();
                let reach = if i % 2 == 0 { whole.len() } else { whole.len().min(4_000) };
                let at = (crate::mix::mix(i, 1) % reach as u64) as usize;
                damaged[at] ^= 1 << (i % 8);
                fs::write(&path, &damaged).unwrap();
                // In the checksums, a digit may be written in two ways.
                let loaded = SequenceBundle::load(folder.path());
                let as_it_was = name == CHECKSUMS && loaded.as_ref() == Ok(&kept);
                assert!(loaded.is_err() || as_it_was, "{name} with bit {} of byte {at} flipped", i % 8);
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
        let text = fs::read_to_string(folder.path().join(DESCRIPTION)).unwrap();
        let [weights, training] = [WEIGHTS, TRAINING].map(|name| fs::read(folder.path().join(name)).unwrap());
        // With checksums that fit: what is refused is what the file says.
        let reason = |from: &str, to: &str| {
            assert!(text.contains(from), "{from} in {text:.300}");
            let changed = text.replacen(from, to, 1).into_bytes();
            let files = [(WEIGHTS, weights.clone()), (TRAINING, training.clone()), (DESCRIPTION, changed)];
            write_all(folder.path(), &files).unwrap();
            SequenceBundle::load(folder.path()).unwrap_err().to_string()
        };
        assert!(reason("\"version\":1", "\"version\":2").contains("version 2, not \"lapwing-sequence\" version 1"));
        assert!(reason("\"feed_forward\":16", "\"feed_forward\":32").contains("instead of F32 [32, 64]"));
        assert!(reason("\"classes\":9", "\"classes\":99999999999").contains("is not supported"));
        assert!(reason("\"reached\":[", "\"reached\":[1e9,").contains("no rising numbers"));
        write_all(folder.path(), &[(WEIGHTS, weights), (DESCRIPTION, text.clone().into_bytes())]).unwrap();
        assert!(SequenceBundle::load(folder.path()).unwrap_err().to_string().contains("sequence.crc32 does not list"));
        let mut wild = good;
        wild.weights.norm[0] = f32::INFINITY;
        assert!(wild.save(folder.path()).unwrap_err().to_string().contains("norm.weight holds inf"));
        assert!(
            SequenceBundle::load(Path::new("nowhere"))
                .unwrap_err()
                .to_string()
                .starts_with("cannot read nowhere/sequence.crc32: ")
        );
    }
}
