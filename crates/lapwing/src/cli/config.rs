//! One YAML file, overridden by environment variables `LAPWING__SECTION__KEY`; what is not said has a default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lapwing_alert::{Allowance, IncidentSettings};
use lapwing_detect::{ALL, EnsembleSettings, Rulebook, Setup, State};
use lapwing_enrich::Enrichment;
use lapwing_model::Severity;
use lapwing_parse::template;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rule_files::Rules;
use super::{Failed, model_files};
use crate::pipeline::{self, Blueprint};
use crate::server;

/// Everything that can be set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Threads that parse and judge; 0 is one per core.
    pub workers: usize,
    pub sources: lapwing_source::Settings,
    pub server: server::Settings,
    pub rules: Rules,
    pub model: Models,
    pub templates: template::Settings,
    pub flows: pipeline::Flows,
    pub enrichment: lapwing_enrich::Settings,
    pub detectors: lapwing_detect::Settings,
    pub ensemble: EnsembleSettings,
    pub alerts: Alerts,
    pub store: pipeline::Keeping,
}

/// What is known before the first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Models {
    /// The model that ships with Lapwing: what is so everywhere (`lapwing model show builtin`).
    pub builtin: bool,
}

impl Default for Models {
    fn default() -> Self {
        Models { builtin: true }
    }
}

impl Models {
    fn known(&self) -> Option<Arc<State>> {
        let opened = self.builtin.then(model_files::builtin)?;
        let opened = opened.inspect_err(|Failed(reason)| tracing::error!("{reason}; going on without it"));
        opened.ok().map(|opened| Arc::new(opened.state))
    }
}

/// Who is told what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// Only anomalies at least this severe are told; all are stored.
    pub at: Severity,
    /// Of those below `high`, no more than about so many are told, the strongest of them: `20 per day`.
    pub alert_budget: Option<Allowance>,
    /// Print alerts as JSON lines.
    pub console: bool,
    /// Append alerts as JSON lines to this file.
    pub file: Option<PathBuf>,
    pub grouping: lapwing_alert::Settings,
    /// Which anomalies make one story.
    pub incidents: IncidentSettings,
}

impl Default for Alerts {
    fn default() -> Self {
        Alerts {
            at: Severity::Low,
            alert_budget: None,
            console: true,
            file: Some("alerts.json".into()),
            grouping: lapwing_alert::Settings::default(),
            incidents: IncidentSettings::default(),
        }
    }
}

/// What is at work, for people.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub rules: usize,
    pub detectors: Vec<&'static str>,
}

/// A configuration, and where each of its values came from.
#[derive(Debug, Clone)]
pub struct Sourced {
    pub config: Config,
    /// The file that was read, where one was.
    pub file: Option<PathBuf>,
    /// `section.key` -> `lapwing.yaml` or `LAPWING__SECTION__KEY`; what is missing is a default.
    pub origins: BTreeMap<String, String>,
}

const PREFIX: &str = "LAPWING__";

impl Sourced {
    /// Reads the file (where one is given) and the environment.
    ///
    /// # Errors
    /// Where something cannot be read or is not understood, with its place and, where that helps, what may be meant.
    pub fn load(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Sourced, Failed> {
        let mut origins = BTreeMap::new();
        let mut merged = Value::Object(serde_json::Map::new());
        if let Some(path) = file {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failed::new(format!("cannot read configuration {name}: {error}; give another file with --config"))
            })?;
            read::<Config>(&name, &text)?;
            merged = read::<Option<Value>>(&name, &text)?.unwrap_or(merged);
            leaves(&merged, "", &mut |leaf, _| drop(origins.insert(leaf, name.clone())));
        }
        let mut variables: Vec<_> = environment.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        variables.sort();
        for (name, text) in variables {
            let path: Vec<_> = name[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
            let value: Value = serde_saphyr::from_str(&text).unwrap_or(Value::String(text));
            set(&mut merged, &path, value);
            check(&merged).map_err(|error| Failed::new(format!("environment variable {name}: {error}")))?;
            origins.insert(path.join("."), name);
        }
        let config = check(&merged).map_err(Failed::new)?;
        Ok(Sourced { config, file: file.map(Path::to_owned), origins })
    }
}

impl Config {
    /// What the pipeline is built from.
    ///
    /// # Errors
    /// Where rules cannot be read; rules that are wrong are reported and left out.
    pub fn blueprint(&self) -> Result<Blueprint, Failed> {
        let (rulebook, errors) = self.rulebook()?;
        for error in errors {
            tracing::error!("{error}");
        }
        let (settings, mode) = (self.detectors.clone(), self.ensemble.mode);
        let detectors = Setup { settings, mode, rulebook, ..Setup::default() };
        Ok(Blueprint {
            detectors,
            ensemble: self.ensemble.clone(),
            templates: self.templates.clone(),
            flows: self.flows.clone(),
            builtin: self.model.known(),
            enrichment: self.enrichment()?,
            ..Blueprint::default()
        })
    }

    /// The rules of all kinds that are to be loaded, and what is muted of them; what is wrong with the others, and what is probably misspelt in any.
    ///
    /// # Errors
    /// Where a file or folder of rules cannot be read.
    pub fn rulebook(&self) -> Result<(Rulebook, Vec<String>), Failed> {
        let (rulebook, mut errors) = self.rules.load()?;
        let mutes = self.detectors.signatures.mute.as_slice();
        errors.extend(mutes.iter().filter_map(|mute| mutes_nothing(mute.rule.as_deref()?, &rulebook)));
        Ok((Rulebook { mutes: mutes.into(), ..rulebook }, errors))
    }

    /// What is known of addresses: tables, lists, assets.
    ///
    /// # Errors
    /// Where something that is set cannot be read or used.
    pub fn enrichment(&self) -> Result<Arc<Enrichment>, Failed> {
        let (enrichment, errors) = Enrichment::open(&self.enrichment, &self.fetched(), None);
        if errors.is_empty() { Ok(Arc::new(enrichment)) } else { Err(Failed::new(errors.join("\n"))) }
    }

    /// Where lists are kept that `run` fetches.
    #[must_use]
    pub fn fetched(&self) -> PathBuf {
        self.store.directory.join(pipeline::FETCHED)
    }

    /// How many threads parse and judge.
    #[must_use]
    pub fn workers(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        if self.workers == 0 { cores() } else { self.workers }
    }

    /// What is at work with these rules.
    #[must_use]
    pub fn loaded(&self, rulebook: &Rulebook) -> Loaded {
        let detectors = ALL.iter().filter(|kind| self.ensemble.mode.includes(kind.family) && (kind.enabled)(&self.detectors));
        let detectors = detectors.map(|kind| kind.name).collect();
        Loaded { rules: rulebook.rules.rules().len(), detectors }
    }
}

/// What is wrong with a mute of that name: there is neither a signature nor a class of it.
fn mutes_nothing(name: &str, rulebook: &Rulebook) -> Option<String> {
    let known = || rulebook.signatures.rules().iter().flat_map(|rule| [rule.id.as_str(), rule.class.as_str()]);
    if known().any(|known| known == name) {
        return None;
    }
    let help = lapwing_rules::did_you_mean(name, known())
        .map_or_else(|| "`lapwing rules list` names all of them".to_owned(), |near| format!("did you mean '{near}'?"));
    Some(format!("detectors.signatures.mute: there is no signature and no class of attack '{name}'; {help}"))
}

/// Reads YAML; an error names the place and, for a key that does not exist, the one that may be meant.
fn read<T: for<'de> Deserialize<'de>>(name: &str, text: &str) -> Result<T, Failed> {
    serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location().map(|at| format!(":{}:{}", at.line(), at.column())).unwrap_or_default();
        let message = error.without_snippet().to_string();
        let message = message.split(" at line ").next().unwrap_or(&message).lines().next().unwrap_or_default();
        Failed::new(format!("{name}{place}: {}", with_suggestion(message)))
    })
}

fn check(merged: &Value) -> Result<Config, String> {
    serde_json::from_value(merged.clone()).map_err(|error| with_suggestion(&error.to_string()))
}

/// Serde names what it does not know first, in backquotes, and after it what it expected.
fn with_suggestion(message: &str) -> String {
    let Some((_, rest)) = message.split_once("unknown ") else { return message.to_owned() };
    let (Some(unknown), Some((_, known))) = (rest.split('`').nth(1), rest.split_once("expected ")) else {
        return message.to_owned();
    };
    let known = known.trim_start_matches("one of ").split([',', ' ']).map(|word| word.trim_matches('`'));
    let near = known.filter(|word| !word.is_empty()).map(|word| (strsim::damerau_levenshtein(word, unknown), word)).min();
    let what = if rest.starts_with("variant") { "value" } else { "key" };
    match near.filter(|(distance, word)| *distance <= word.len().max(4) / 2) {
        Some((_, word)) => format!("unknown {what} '{unknown}'; did you mean '{word}'?"),
        None => message.replace("unknown field", "unknown key"),
    }
}

fn set(tree: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else { return *tree = value };
    if !tree.is_object() {
        *tree = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(map) = tree {
        set(map.entry(first.clone()).or_insert(Value::Null), rest, value);
    }
}

/// Calls `each` with the dotted path and value of every leaf.
pub fn leaves(tree: &Value, path: &str, each: &mut impl FnMut(String, &Value)) {
    match tree {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(value, &path, each);
            }
        }
        leaf => each(path.to_owned(), leaf),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn an_unknown_key_is_reported_with_its_place_and_the_one_meant() {
        let error = read::<Config>("lapwing.yaml", "workers: 2\nserver:\n  lissten: 1.2.3.4:80\n").expect_err("a wrong key");
        assert_eq!(error.to_string(), "lapwing.yaml:3:3: unknown key 'lissten'; did you mean 'listen'?");
    }

    #[test]
    fn an_unknown_value_is_reported_with_the_one_meant() {
        let error = read::<Config>("lapwing.yaml", "alerts:\n  at: hgih\n").expect_err("a wrong value");
        assert_eq!(error.to_string(), "lapwing.yaml:2:7: unknown value 'hgih'; did you mean 'high'?");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_reported_with_its_place() {
        let error = read::<Config>("lapwing.yaml", "workers: many\n").expect_err("a wrong type").to_string();
        assert!(error.starts_with("lapwing.yaml:1:10: "), "{error}");
    }

    #[test]
    fn the_environment_overrides_and_is_named_where_it_is_wrong() {
        let sourced =
            Sourced::load(None, environment(&[("LAPWING__SERVER__LISTEN", "127.0.0.1:1"), ("HOME", "/")])).expect("valid");
        assert_eq!(sourced.config.server.listen, "127.0.0.1:1");
        assert_eq!(sourced.origins["server.listen"], "LAPWING__SERVER__LISTEN");
        let error = Sourced::load(None, environment(&[("LAPWING__SERVER__LISSTEN", "x")])).expect_err("a wrong key");
        assert_eq!(
            error.to_string(),
            "environment variable LAPWING__SERVER__LISSTEN: unknown key 'lissten'; did you mean 'listen'?"
        );
    }

    #[test]
    fn a_mute_of_what_there_is_not_is_told_with_the_one_meant() {
        let rulebook = Rulebook::default();
        let wrong = |name: &str| mutes_nothing(name, &rulebook);
        assert_eq!((wrong("xss"), wrong("sqli-quote-comment")), (None, None));
        assert!(wrong("sqli-quote-coment").is_some_and(|told| told.ends_with("did you mean 'sqli-quote-comment'?")));
        assert!(wrong("x").is_some_and(|told| told.contains("`lapwing rules list`")));
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        assert_eq!(read::<Option<Config>>("x", "").expect("empty is fine").unwrap_or_default(), Config::default());
    }

    #[test]
    fn a_printed_default_configuration_reads_back_as_the_default() {
        let text = serde_saphyr::to_string(&Config::default()).expect("serialises");
        assert_eq!(read::<Config>("x", &text).expect("reads back"), Config::default());
    }
}
