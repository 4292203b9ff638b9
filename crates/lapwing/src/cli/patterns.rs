//! `lapwing patterns`: what a log is made of.

use std::collections::HashMap;
use std::io::Write;

use clap::Args;
use lapwing_model::{Event, Scope, printable};
use lapwing_source::files;
use serde::Serialize;

use super::config::Config;
use super::model::Reads;
use super::show::{self, Paint, thousands};
use super::{Exit, Failed};
use crate::pipeline::{FlowReader, Parts, Sequencer};

/// Print the templates of a log by how often they occur, with an example each.
#[derive(Debug, Args)]
pub struct Patterns {
    /// Files, globs, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Print which template each line is of, as JSON rows in input order
    #[arg(long)]
    per_line: bool,
    /// Templates to print, the most frequent first
    #[arg(long, value_name = "N", default_value_t = 50)]
    top: usize,
    /// Print templates as JSON rows
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reads: Reads,
}

#[derive(Debug, Serialize)]
struct LineRow<'a> {
    line: u64,
    template_id: String,
    template: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct TemplateRow {
    template_id: String,
    template: String,
    count: u64,
    share: f64,
    example: String,
}

/// Runs the command.
///
/// # Errors
/// Where files cannot be read or output cannot be written.
pub fn run(args: &Patterns, config: &Config, paint: Paint) -> Result<Exit, Failed> {
    let blueprint = args.reads.blueprint(config)?;
    let (mut parser, mut flows) = (blueprint.parser(), FlowReader::new(&config.flows, None));
    let mut sequencer = blueprint.sequencer(None).map_err(Failed::new)?;
    let mut lines = Vec::new();
    for block in files::Reader::new(crate::pipeline::clock).open(&args.files)? {
        let mut parts = Parts::default();
        for record in &block?.records {
            match record.origin.reading.is_in_order() {
                true => flows.read(record, &mut parts),
                false => parser.parse(record, parts.room()),
            };
        }
        for (_, events) in parts.batches() {
            let batch = sequencer.sequence(events);
            if args.per_line {
                let session = |event: &Event| event.entity_of(Scope::Session).map(|session| session.name);
                lines.extend(batch.events.iter().map(|event| (event.position.line, event.template, session(event))));
            }
        }
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if args.per_line {
        per_line(&mut out, &sequencer, &lines)?;
    } else {
        by_count(&mut out, &sequencer, args, paint)?;
    }
    out.flush()?;
    Ok(Exit::Clean)
}

/// Templates merge as more is seen, so lines are printed once all is read: under the template that they ended up in.
fn per_line(out: &mut impl Write, sequencer: &Sequencer, lines: &[(u64, u64, Option<Box<str>>)]) -> Result<(), Failed> {
    let mut texts: HashMap<u64, String> = HashMap::new();
    for (line, id, session) in lines {
        let id = sequencer.miner().current(*id);
        let text =
            texts.entry(id).or_insert_with(|| sequencer.miner().get(id).map(|template| template.text()).unwrap_or_default());
        show::json(
            out,
            &LineRow { line: *line, template_id: format!("{id:016x}"), template: text, session: session.as_deref() },
        )?;
    }
    Ok(())
}

fn by_count(out: &mut impl Write, sequencer: &Sequencer, args: &Patterns, paint: Paint) -> Result<(), Failed> {
    let mut templates: Vec<_> = sequencer.miner().templates().collect();
    templates.sort_by(|a, b| b.count.cmp(&a.count).then(a.id.cmp(&b.id)));
    let total: u64 = templates.iter().map(|template| template.count).sum();
    let rows = templates.iter().take(args.top).map(|template| TemplateRow {
        template_id: format!("{:016x}", template.id),
        template: template.text(),
        count: template.count,
        share: template.count as f64 / total.max(1) as f64,
        example: String::from_utf8_lossy(&template.example).into_owned(),
    });
    if args.json {
        return Ok(rows.into_iter().try_for_each(|row| show::json(out, &row))?);
    }
    writeln!(out, "{} templates in {} lines", thousands(templates.len() as u64), thousands(total))?;
    for row in rows {
        writeln!(out)?;
        let template = printable(row.template.as_bytes()).within(240).to_string();
        writeln!(out, "{:>10} {:>6.2} %  {}", thousands(row.count), 100.0 * row.share, paint.bold(&template))?;
        writeln!(out, "                     {}", paint.dim(&printable(row.example.as_bytes()).within(240).to_string()))?;
    }
    Ok(())
}
