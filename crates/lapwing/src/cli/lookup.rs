//! `lapwing lookup`: all that is known of addresses, hosts, domains and hashes.

use std::io::Write;
use std::net::IpAddr;

use clap::Args;
use lapwing_enrich::{Enrichment, class};
use lapwing_model::{Entity, Known, NetworkClass, Scope, Threat, printable};
use serde::Serialize;

use super::config::Config;
use super::show::{self, Paint};
use super::{Exit, Failed};

/// Print what is known of addresses: country, network, assets, threat and allow lists.
#[derive(Debug, Args)]
pub struct Lookup {
    /// Addresses; also names of hosts, domains and hashes of files
    #[arg(required = true, value_name = "ADDRESS")]
    of: Vec<String>,
    /// One JSON row for each
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    asked: &'a str,
    #[serde(flatten)]
    known: Known,
    allowed: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// Where tables or lists cannot be read.
pub fn run(args: &Lookup, config: &Config, paint: Paint) -> Result<Exit, Failed> {
    let tables = config.enrichment()?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for asked in &args.of {
        let row = Row { asked, known: known(asked, &tables), allowed: allowed(asked, &tables) };
        if args.json { show::json(&mut out, &row)? } else { print(&mut out, &row, paint)? }
    }
    out.flush()?;
    Ok(Exit::Clean)
}

fn known(asked: &str, tables: &Enrichment) -> Known {
    if let Ok(address) = asked.parse::<IpAddr>() {
        return tables.about(address);
    }
    let name = asked.to_ascii_lowercase();
    let lists = tables.threats().iter().filter_map(|list| {
        let entry = list.domain(&name).or_else(|| list.hash(&name).then_some(name.as_str()))?;
        Some(Threat { list: list.name.as_ref().into(), entry: entry.into() })
    });
    Known { asset: tables.host(&name).cloned(), threats: lists.collect(), ..Known::default() }
}

fn allowed(asked: &str, tables: &Enrichment) -> Option<String> {
    let scopes = [Scope::Client, Scope::User, Scope::Host];
    scopes.into_iter().find_map(|scope| show::allowed(tables, &Entity::new(scope, asked)))
}

fn print(out: &mut impl Write, row: &Row<'_>, paint: Paint) -> Result<(), Failed> {
    let Row { asked, known, allowed } = row;
    writeln!(out, "{}", paint.bold(&printable(asked.as_bytes()).to_string()))?;
    let mut line =
        |name: &str, value: String| writeln!(out, "  {} {}", paint.dim(&format!("{name:<9}")), printable(value.as_bytes()));
    if asked.parse::<IpAddr>().is_ok() {
        line("class", known.network_class.name().to_owned())?;
    }
    if asked.parse::<IpAddr>().is_ok_and(|address| class(address) == NetworkClass::Public) {
        line("country", known.country.map_or_else(|| "not known".to_owned(), |country| country.to_string()))?;
        let system = known.autonomous_system.as_ref();
        line(
            "network",
            system.map_or_else(|| "not known".to_owned(), |system| format!("AS{} {}", system.number, system.organization)),
        )?;
    }
    if let Some(asset) = &known.asset {
        line(
            "asset",
            format!(
                "{}, {}, of {}",
                asset.name,
                asset.criticality.name(),
                if asset.owner.is_empty() { "nobody" } else { &asset.owner }
            ),
        )?;
    }
    for threat in &known.threats {
        line("threat", format!("{} names {}", threat.list, threat.entry))?;
    }
    if let Some(allowed) = allowed {
        line("allowed", allowed.clone())?;
    }
    Ok(())
}
