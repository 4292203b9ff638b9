//! `lapwing model`, and the model that a command reads with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use lapwing_detect::transformer::TemplateModel;
use lapwing_parse::SessionKey;

use super::config::Config;
use super::model_files::{BUILTIN, Manifest, Opened, builtin, open, refused};
use super::show::span;
use super::{Exit, Failed};
use crate::pipeline::{Blueprint, Engine, Reload};

/// Show or check a model that `lapwing learn --out` wrote.
#[derive(Debug, Args)]
pub struct Model {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print what a model is and what it was learned from
    Show {
        /// As `lapwing learn --out` wrote it; `builtin` is the one that ships with Lapwing
        directory: PathBuf,
    },
    /// Check that a model is whole and can be used with this configuration
    Verify { directory: PathBuf },
}

/// How records are read and what is known before the first of them: for every command that reads.
#[derive(Debug, Clone, Default, Args)]
pub struct Reads {
    /// Regular expression that finds the key of a session in a line: its first group, or all it matches, as in 'blk_-?\d+'
    #[arg(long, value_name = "REGEX")]
    pub session: Option<String>,
    /// Directory that `lapwing learn --out` wrote; one that is damaged is refused, and everything else goes on
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Where there is no model, or it is not sound.
pub fn run(args: &Model, config: &Config) -> Result<Exit, Failed> {
    match &args.command {
        Command::Show { directory } => show(&find(directory)?),
        Command::Verify { directory } => {
            let opened = find(directory)?;
            let knowledge = opened.clone().knowledge().map_err(|error| refused(directory, &error))?;
            Engine::new(&config.blueprint()?.knowing(knowledge)).map_err(|error| refused(directory, &error))?;
            println!("{}: sound", directory.display());
            show(&opened)
        }
    }
}

/// A directory, or the model that ships with Lapwing by its name.
fn find(directory: &Path) -> Result<Opened, Failed> {
    if directory == Path::new(BUILTIN) && !directory.is_dir() { builtin() } else { open(directory) }
}

fn show(opened: &Opened) -> Result<Exit, Failed> {
    let Manifest { general, learned, .. } = &opened.manifest;
    println!("{}", opened.manifest.written_by());
    println!("learned from {} lines, {} sessions of {} patterns", learned.lines, learned.sessions, learned.patterns);
    if *general {
        println!("general: what is so everywhere, and nothing of where it was learned");
    } else {
        println!("session key: {}", opened.manifest.session().unwrap_or("as records name it"));
    }
    let mut detectors: Vec<_> = opened.state.keys().filter_map(|name| name.split('/').next()).collect();
    detectors.dedup();
    println!("states of: {}", detectors.join(", "));
    if let Some(bundle) = &opened.templates {
        let held = bundle.training.as_ref().and_then(|state| state.best().1);
        let held = held.map(|loss| format!(", {loss:.3} nats for steps that were held out")).unwrap_or_default();
        println!("what comes after what: {} templates in {} classes{held}", bundle.vocabulary.len(), bundle.vocabulary.classes());
        if let Some(quiet) = bundle.thresholds.get(TemplateModel::QUIET) {
            println!("a session is over after {} of quiet", span(Duration::from_secs_f64(quiet.max(0.0))));
        }
    }
    opened.manifest.files().for_each(|file| println!("{file}"));
    Ok(Exit::Clean)
}

impl Reads {
    /// The blueprint of what is configured, with the model and the key of sessions that were asked for. A model that is damaged
    /// or does not fit is told about and left out.
    ///
    /// # Errors
    /// Where rules cannot be read, there is no model, or the key is no regular expression.
    pub fn blueprint(&self, config: &Config) -> Result<Blueprint, Failed> {
        match self.strictly(config) {
            Err(Refused::Model(reason)) => {
                tracing::error!("{reason}; going on without it");
                Reads { model: None, ..self.clone() }.strictly(config).map_err(Failed::from)
            }
            other => other.map_err(Failed::from),
        }
    }

    /// The same; a model that is damaged or does not fit is an error.
    ///
    /// # Errors
    /// As above, and where the model cannot be used.
    pub fn blueprint_or_error(&self, config: &Config) -> Result<Blueprint, Failed> {
        self.strictly(config).map_err(Failed::from)
    }

    /// What finds the key of a session in a line, where that was asked for.
    ///
    /// # Errors
    /// Where it is no regular expression.
    pub fn key(&self) -> Result<Option<SessionKey>, Failed> {
        let key = self.session.as_deref().map(SessionKey::new).transpose();
        key.map_err(|error| Failed::new(format!("--session {error}")))
    }

    fn strictly(&self, config: &Config) -> Result<Blueprint, Refused> {
        let mut blueprint = config.blueprint().map_err(Refused::Asked)?;
        let mut session = self.session.clone();
        if let Some(directory) = &self.model {
            if !directory.is_dir() {
                let directory = directory.display();
                return Err(Refused::Asked(Failed::new(format!(
                    "there is no model {directory}; make one with lapwing learn FILE... --out {directory}"
                ))));
            }
            let opened = open(directory).map_err(|Failed(reason)| Refused::Model(reason))?;
            session = session.or(opened.manifest.session().map(str::to_owned));
            let knowledge = opened.knowledge().map_err(|error| Refused::Model(refused(directory, &error).0))?;
            blueprint = blueprint.knowing(knowledge);
            Engine::new(&blueprint).map_err(|error| Refused::Model(refused(directory, &error).0))?;
        }
        blueprint.session_key = Reads { session, model: None }.key().map_err(Refused::Asked)?;
        Ok(blueprint)
    }
}

/// Why a blueprint was not made: of the model alone one can do without.
enum Refused {
    Asked(Failed),
    Model(String),
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Failed {
        match refused {
            Refused::Asked(failed) => failed,
            Refused::Model(reason) => Failed(reason),
        }
    }
}

/// Has a running service continue from a model.
///
/// # Errors
/// Where it is damaged, does not fit, or finds sessions in another way than the service does.
pub fn renewed(directory: &Path, session: Option<&str>, reload: &Reload) -> Result<(), Failed> {
    let opened = open(directory)?;
    if opened.manifest.session().is_some() && opened.manifest.session() != session {
        return Err(refused(directory, "it finds sessions by another key than the service, which would have to start again"));
    }
    opened.knowledge().and_then(|knowledge| reload.model(knowledge)).map_err(|error| refused(directory, &error))
}
