//! `lapwing explain`: everything about one anomaly that a service has found.

use std::io::Write;

use clap::Args;
use lapwing_model::AnomalyId;
use lapwing_store::Reader;

use super::config::Config;
use super::show::{self, Paint};
use super::{Exit, Failed};

/// Print everything about one anomaly: why, what was expected, what would have silenced it.
///
/// Reads the store of `lapwing run` (store.directory), also while it runs. For a scan use `lapwing scan FILE --explain ID`.
#[derive(Debug, Args)]
pub struct Explain {
    /// 16 hexadecimal digits, as alerts and GET /anomalies print them
    #[arg(value_name = "ID")]
    id: AnomalyId,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the store cannot be read or has no such anomaly.
pub fn run(args: &Explain, config: &Config, paint: Paint) -> Result<Exit, Failed> {
    let directory = &config.store.directory;
    let found = Reader::open(directory).and_then(|reader| reader.get(args.id)).map_err(|error| Failed::new(error.to_string()))?;
    let Some(anomaly) = found else {
        let place = directory.display();
        return Err(Failed::new(format!("there is no anomaly {} in {place}; it may be too old or deleted", args.id)));
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if args.json {
        show::json(&mut out, &anomaly)?;
    } else {
        show::explain(&mut out, &anomaly, &*config.enrichment()?, paint)?;
    }
    out.flush()?;
    Ok(Exit::Clean)
}
