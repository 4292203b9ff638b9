//! Doors for people: the command line.

mod check;
mod client;
pub mod config;
mod eval;
mod explain;
mod feedback;
mod generate;
mod held;
mod learn;
mod lookup;
mod model;
mod model_files;
mod patterns;
mod reload;
mod replay;
mod report;
mod rule_files;
mod rules;
mod run;
mod scan;
mod score;
mod show;
mod stop;

use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use config::Sourced;
use lapwing_model::Severity;
use show::Paint;

/// Real-time anomaly detection for logs, HTTP access logs and network flows.
#[derive(Debug, Parser)]
#[command(name = "lapwing", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// Configuration file (YAML); environment variables LAPWING__SECTION__KEY override it
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// When to colour output
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Scan(scan::Scan),
    Score(score::Score),
    Learn(learn::Learn),
    Model(model::Model),
    Eval(eval::Eval),
    Patterns(patterns::Patterns),
    Run(run::Run),
    Check(check::Check),
    Rules(rules::Rules),
    Generate(generate::Generate),
    Replay(replay::Replay),
    Explain(explain::Explain),
    Feedback(feedback::Feedback),
    Lookup(lookup::Lookup),
    /// Print shell completions
    Completions {
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man,
}

/// How a command ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Clean,
    /// Anomalies at or above the severity that was asked about.
    Anomalies,
}

impl Exit {
    fn by(worst: Option<Severity>, fail_on: Option<Severity>) -> Exit {
        match (worst, fail_on) {
            (Some(worst), Some(limit)) if worst >= limit => Exit::Anomalies,
            _ => Exit::Clean,
        }
    }
}

/// Why a command could not do what it was asked: one sentence that says what failed, why, and what to do.
#[derive(Debug)]
pub struct Failed(String);

impl Failed {
    fn new(message: impl Into<String>) -> Failed {
        Failed(message.into())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Failed {
        Failed(format!("cannot read or write: {error}"))
    }
}

impl From<lapwing_source::SourceError> for Failed {
    fn from(error: lapwing_source::SourceError) -> Failed {
        Failed(error.to_string())
    }
}

/// Reads the command line, does what it says, and maps the outcome to an exit code: 0 clean, 1 error, 2 anomalies.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; everything else is 1, since 2 stands for anomalies.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match cli.run() {
        Ok(Exit::Clean) => ExitCode::SUCCESS,
        Ok(Exit::Anomalies) => ExitCode::from(2),
        // Whoever reads our output (`head`) has seen enough.
        Err(Failed(message)) if message.contains("Broken pipe") => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", lapwing_model::printable(error.0.as_bytes()).to_string().replace("\\n", "\n"));
            ExitCode::FAILURE
        }
    }
}

impl Cli {
    fn run(self) -> Result<Exit, Failed> {
        let paint = self.paint();
        log_to_stderr();
        let config = || Sourced::load(self.config.as_deref(), std::env::vars());
        match self.command {
            Command::Scan(args) => scan::run(&args, &config()?.config, paint),
            Command::Score(args) => score::run(&args, &config()?.config),
            Command::Learn(args) => learn::run(&args, &config()?.config),
            Command::Model(args) => model::run(&args, &config()?.config),
            Command::Eval(args) => eval::run(&args, &config()?.config),
            Command::Patterns(args) => patterns::run(&args, &config()?.config, paint),

            Command::Run(args) => run::run(&args, &config()?),
            Command::Check(args) => check::run(&args, &config()?, paint),
            Command::Rules(args) => rules::run(&args, &config()?.config, paint),
            Command::Generate(args) => generate::run(&args),
            Command::Replay(args) => replay::run(&args, || Ok(config()?.config), paint),
            Command::Explain(args) => explain::run(&args, &config()?.config, paint),
            Command::Feedback(args) => feedback::run(&args),
            Command::Lookup(args) => lookup::run(&args, &config()?.config, paint),
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut Cli::command(), "lapwing", &mut std::io::stdout());
                Ok(Exit::Clean)
            }
            Command::Man => {
                clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?;
                Ok(Exit::Clean)
            }
        }
    }

    fn paint(&self) -> Paint {
        Paint(match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        })
    }
}

/// Lapwing's own log goes to standard error: standard output holds data. `LAPWING_LOG` sets its level.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LAPWING_LOG").unwrap_or_else(|_| "info".into());
    // Set already where tests run several commands in one process.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).try_init();
}
