//! Which rules are loaded, from where, and whether that has changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use lapwing_detect::behaviour::Behaviours;
use lapwing_detect::{Rulebook, logsource, signatures};
use lapwing_inspect::{Fault, Rules as Signatures};
use lapwing_model::Field;
use lapwing_rules::{Rule, RuleError};
use serde::{Deserialize, Serialize};

use super::Failed;

/// The section `rules` of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Those that come with Lapwing.
    pub builtin: bool,
    /// Files and folders of Sigma rules, behaviours and signatures (`*.yml`, `*.yaml`).
    pub paths: Vec<PathBuf>,
    /// Values for the `%names%` of rules with the modifier `expand`.
    pub placeholders: HashMap<String, Vec<String>>,
    /// How often `run` looks whether a file has changed, in seconds; 0 is never.
    pub reload_seconds: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { builtin: true, paths: Vec::new(), placeholders: HashMap::new(), reload_seconds: 5 }
    }
}

/// Rules as read, before they are compiled.
#[derive(Debug, Default)]
pub struct Read {
    pub rules: Vec<Rule>,
    pub errors: Vec<RuleError>,
    /// Files of signatures besides those that come with Lapwing: name and text.
    pub signatures: Vec<(String, String)>,
    /// Whether those that come with Lapwing belong to them.
    pub builtin: bool,
}

impl Read {
    /// The behaviours among the rules; what is wrong with their buckets is told as well.
    pub fn behaviours(&mut self) -> Behaviours {
        let (behaviours, wrong) = Behaviours::take(&mut self.rules.clone());
        self.errors.extend(wrong);
        behaviours
    }

    /// The signatures; what is wrong with them is told as well.
    pub fn signatures(&mut self) -> Arc<Signatures> {
        if self.builtin && self.signatures.is_empty() {
            return signatures::builtin();
        }
        let builtin = if self.builtin { lapwing_inspect::BUILTIN } else { &[] };
        let own = self.signatures.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let (set, faults) = Signatures::compile(&builtin.iter().copied().chain(own).collect::<Vec<_>>());
        self.errors.extend(faults.into_iter().map(told));
        Arc::new(set)
    }
}

fn told(Fault { file, line, column, message }: Fault) -> RuleError {
    RuleError { file: file.into(), line: line.max(1), column: column.max(1), message, help: None, waits: false }
}

/// What each file was like when it was looked at: a change is a change of this.
pub type Look = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

impl Rules {
    /// Reads and compiles rules, behaviours and signatures; says what is wrong with those left out, and what is probably misspelt in any of them.
    ///
    /// # Errors
    /// Where a file or folder of rules cannot be read.
    pub fn load(&self) -> Result<(Rulebook, Vec<String>), Failed> {
        let mut read = self.read()?;
        let signatures = read.signatures();
        let Read { mut rules, mut errors, .. } = read;
        errors.extend(misspelt(&rules).into_iter().filter(|warning| warning.help.is_some()));
        let (behaviours, wrong) = Behaviours::take(&mut rules);
        let (set, bad) = logsource::compile(rules);
        errors.extend(wrong.into_iter().chain(bad));
        errors.extract_if(.., |error| error.waits).for_each(|warning| tracing::warn!("{warning}"));
        let rulebook = Rulebook { rules: Arc::new(set), behaviours: Arc::new(behaviours), signatures, ..Rulebook::default() };
        Ok((rulebook, errors.iter().map(ToString::to_string).collect()))
    }

    /// # Errors
    /// Where a file or folder of rules cannot be read.
    pub fn read(&self) -> Result<Read, Failed> {
        let mut read = Read { builtin: self.builtin, ..Read::default() };
        if self.builtin {
            let builtin = lapwing_detect::rules::BUILTIN.iter().chain(lapwing_detect::behaviour::BUILTIN);
            builtin.for_each(|(name, text)| self.parse(name, text, &mut read));
        }
        for file in self.files()? {
            let text = std::fs::read(&file).map_err(|error| unreadable(&file, &error))?;
            let (name, text) = (file.display().to_string(), String::from_utf8_lossy(&text));
            if lapwing_inspect::is_rule_file(&text) {
                read.signatures.push((name, text.into_owned()));
            } else {
                self.parse(&name, &text, &mut read);
            }
        }
        Ok(read)
    }

    fn parse(&self, name: &str, text: &str, read: &mut Read) {
        let (rules, errors) = lapwing_rules::parse_with(name, text, &self.placeholders);
        read.rules.extend(rules);
        read.errors.extend(errors);
    }

    fn files(&self) -> Result<Vec<PathBuf>, Failed> {
        let mut files = Vec::new();
        for path in &self.paths {
            files.extend(files_in(path)?);
        }
        Ok(files)
    }

    /// What the files are like now. A folder that cannot be read is told about when it is loaded.
    #[must_use]
    pub fn look(&self) -> Look {
        let like = |path: PathBuf| {
            let seen = std::fs::metadata(&path).and_then(|about| Ok((about.modified()?, about.len()))).ok();
            (path, seen)
        };
        self.files().unwrap_or_default().into_iter().map(like).collect()
    }
}

/// Fields that are nearly, but not quite, one that Lapwing knows; selections that no condition uses; misspelt keys.
#[must_use]
pub fn misspelt(rules: &[Rule]) -> Vec<RuleError> {
    // A field of a log source that no event is of cannot be checked, nor is it a slip if it looks like one of ours.
    let ours: Vec<Rule> = rules.iter().filter(|rule| logsource::kinds_of(&rule.logsource) != 0).cloned().collect();
    let nearly = lapwing_rules::check(&ours, &fields()).into_iter().filter(|warning| warning.help.is_some());
    let others = lapwing_rules::check(&ours, &[]).into_iter().filter(|warning| warning.help.is_none());
    nearly.chain(others).collect()
}

/// The names that are not chosen by whoever writes a log: those of OpenTelemetry, ECS and W3C. A rule may ask for any field
/// of a record's own, but something that is nearly one of these was meant to be it. Short plain words are near too much.
fn fields() -> Vec<&'static str> {
    let own = Field::known().flatten().copied().filter(|name| name.len() > 8 || name.contains(['.', '-']));
    own.chain(logsource::names()).collect()
}

fn files_in(path: &Path) -> Result<Vec<PathBuf>, Failed> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|error| unreadable(path, &error))? {
        let path = entry.map_err(|error| unreadable(path, &error))?.path();
        if path.is_dir() {
            files.extend(files_in(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failed {
    Failed::new(format!("cannot read rules {}: {error}; correct `rules.paths` or the path given", path.display()))
}
