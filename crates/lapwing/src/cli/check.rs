//! `lapwing check`: is the configuration right, and what would it do?

use std::io::Write;

use clap::Args;
use serde_json::Value;

use super::config::{Sourced, leaves};
use super::show::Paint;
use super::{Exit, Failed};

/// Validate configuration and rules, and say what would be done.
#[derive(Debug, Args)]
pub struct Check {
    /// Print every setting, also those left at their default
    #[arg(long)]
    all: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the configuration or a rule is wrong.
pub fn run(args: &Check, sourced: &Sourced, paint: Paint) -> Result<Exit, Failed> {
    let config = &sourced.config;
    let (rulebook, mut errors) = config.rulebook()?;
    let rules = &rulebook.rules;
    errors.extend(readings(config));
    let loaded = config.loaded(&rulebook);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", paint.bold("What would be done"))?;
    for kind in lapwing_source::ALL {
        writeln!(out, "  source    {:<8} {}", kind.name, kind.summary)?;
    }
    writeln!(out, "  intake    http     {}", if config.server.enabled { config.server.listen.as_str() } else { "off" })?;
    let idle = (0..rules.rules().len()).filter(|rule| !rules.applicable(*rule)).count();
    let idle = if idle == 0 { String::new() } else { format!(", {idle} of them for log sources that no event here is of") };
    writeln!(out, "  rules     {} loaded{idle}", rules.rules().len())?;
    writeln!(out, "  behaviours {} loaded", rulebook.behaviours.names().count())?;
    writeln!(out, "  signatures {} loaded", rulebook.signatures.rules().len())?;
    for kind in lapwing_detect::ALL {
        let off = if loaded.detectors.contains(&kind.name) { "" } else { " (off)" };
        writeln!(out, "  detector  {:<10} {}{off}", kind.name, kind.summary)?;
    }
    tables(&mut out, config)?;
    writeln!(out, "  store     {}", config.store.directory.display())?;
    writeln!(out)?;
    writeln!(out, "{}", paint.bold("Settings"))?;
    let tree = serde_json::to_value(config).map_err(|error| Failed::new(error.to_string()))?;
    let mut written = Ok(());
    leaves(&tree, "", &mut |key, value| {
        let origin = origin_of(sourced, &key);
        if written.is_ok() && (args.all || origin != "default") {
            written = writeln!(out, "  {key:<40} {:<24} {}", shown(value), paint.dim(origin));
        }
    });
    written?;
    if !args.all {
        writeln!(out, "  {}", paint.dim("everything else is at its default; --all shows it"))?;
    }
    if errors.is_empty() {
        writeln!(out, "\nThe configuration is valid.")?;
        return Ok(Exit::Clean);
    }
    out.flush()?;
    Err(Failed::new(errors.join("\nerror: ")))
}

/// What is known of addresses, and whom one does not want to hear about until when.
fn tables(out: &mut impl Write, config: &super::config::Config) -> Result<(), Failed> {
    let tables = config.enrichment()?;
    if config.enrichment.enabled && config.enrichment.builtin {
        writeln!(out, "  knows     {}", lapwing_enrich::ATTRIBUTION)?;
    }
    for path in &config.enrichment.databases {
        writeln!(out, "  knows     {}", path.display())?;
    }
    writeln!(out, "  assets    {}", tables.assets().len())?;
    for list in tables.threats() {
        let not = if list.malformed > 0 { format!(", {} lines not understood", list.malformed) } else { String::new() };
        let over = if list.dropped > 0 { format!(", {} beyond what is kept", list.dropped) } else { String::new() };
        let fetched = if list.entries == 0 { " (`lapwing run` fetches it)" } else { "" };
        writeln!(out, "  threats   {:<10} {} entries, {}{not}{over}{fetched}", list.name, list.entries, list.severity)?;
    }
    let now = crate::pipeline::clock();
    for allowed in tables.allow().iter() {
        let over = if allowed.until <= now { " (expired)" } else { "" };
        let shown = format!("{} until {}{over} {}", allowed.who(), allowed.until, allowed.note);
        writeln!(out, "  allowed   {}", lapwing_model::printable(shown.trim_end().as_bytes()))?;
    }
    Ok(())
}

/// A list or map that was set as a whole covers what is inside it.
fn origin_of<'a>(sourced: &'a Sourced, key: &str) -> &'a str {
    let covers = |set: &str| set == key || key.strip_prefix(set).is_some_and(|rest| rest.starts_with('.'));
    sourced.origins.iter().find(|(set, _)| covers(set)).map_or("default", |(_, origin)| origin)
}

fn shown(value: &Value) -> String {
    lapwing_model::printable(value.to_string().as_bytes()).within(100).to_string()
}

/// Formats, time zones and keys of sessions that sources name.
fn readings(config: &super::config::Config) -> Vec<String> {
    let mut errors = Vec::new();
    let Ok(tree) = serde_json::to_value(&config.sources) else { return errors };
    leaves(&tree, "sources", &mut |key, value| {
        let Some(text) = value.as_str() else { return };
        let checked = match key.rsplit('.').next() {
            Some("format") => lapwing_parse::check_format(text),
            Some("zone") => lapwing_parse::check_zone(text),
            Some("session_key") => lapwing_parse::SessionKey::new(text).map(drop),
            _ => Ok(()),
        };
        errors.extend(checked.err().map(|error| format!("{key}: {error}")));
    });
    errors
}
