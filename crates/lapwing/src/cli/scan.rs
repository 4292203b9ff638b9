//! `lapwing scan`: one command on one's own log.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use lapwing_alert::{Desk, Incidents};
use lapwing_model::{Anomaly, AnomalyId, Incident, Severity};
use lapwing_parse::Understood;
use lapwing_source::{files, loss};

use super::config::Config;
use super::model::Reads;
use super::report::{Report, Summary};
use super::show::{self, Paint};
use super::{Exit, Failed};
use crate::pipeline::{self, Blueprint, Outcome};

/// Find anomalies in log files.
#[derive(Debug, Args)]
pub struct Scan {
    /// Files, globs such as 'logs/*.log.gz', or - for standard input; .gz and .zst are read as they are
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// How to print what was found
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
    /// Exit with 2 if an anomaly is at least this severe
    #[arg(long, value_name = "SEVERITY")]
    pub fail_on: Option<Severity>,
    /// Anomalies to print, the most severe first (all, where output is not pretty)
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    /// Print everything about one anomaly
    #[arg(long, value_name = "ID")]
    pub explain: Option<AnomalyId>,
    #[command(flatten)]
    pub reads: Reads,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Output {
    #[default]
    Pretty,
    Json,
    Ndjson,
    Csv,
}

/// What a piece of a file of captured packets is understood as.
const CAPTURED: Understood = Understood::As("capture");

/// Anomalies that a scan keeps; beyond it the mildest are dropped and counted.
const KEPT: usize = 20_000;

/// Runs the command.
///
/// # Errors
/// Where files cannot be read or output cannot be written.
pub fn run(args: &Scan, config: &Config, paint: Paint) -> Result<Exit, Failed> {
    let blueprint = args.reads.blueprint(config)?;
    let loaded = config.loaded(&blueprint.detectors.rulebook);
    let report = scan(&args.files, &blueprint, config)?;
    let worst = report.anomalies.iter().map(|anomaly| anomaly.severity).max();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match (args.explain, args.output) {
        (Some(id), output) => match report.anomalies.iter().find(|anomaly| anomaly.id == id) {
            Some(anomaly) if output == Output::Pretty => show::explain(&mut out, anomaly, &blueprint.enrichment, paint)?,
            Some(anomaly) => show::json(&mut out, anomaly)?,
            None => {
                return Err(Failed::new(format!(
                    "no anomaly {id} in this scan; ids are printed by `lapwing scan` without --explain"
                )));
            }
        },
        (None, Output::Pretty) => {
            show::report(&mut out, &report, &loaded, args.top.unwrap_or(10), &args.files.join(" "), paint)?;
        }
        (None, output) => {
            let top = args.top.unwrap_or(usize::MAX);
            print_data(&mut out, report, output, top)?;
        }
    }
    out.flush()?;
    Ok(Exit::by(worst, args.fail_on))
}

fn print_data(out: &mut impl Write, mut report: Report, output: Output, top: usize) -> Result<(), Failed> {
    report.anomalies.truncate(top);
    match output {
        Output::Ndjson => report.anomalies.iter().try_for_each(|anomaly| show::json(out, anomaly))?,
        Output::Csv => show::csv(out, &report.anomalies)?,
        Output::Json | Output::Pretty => show::json(out, &report)?,
    }
    Ok(())
}

/// Reads the files, the strongest anomalies first.
///
/// # Errors
/// Where a file cannot be found or read.
pub fn scan(patterns: &[String], blueprint: &Blueprint, config: &Config) -> Result<Report, Failed> {
    let files = files::Reader::new(pipeline::clock).open(patterns)?;
    let names = files.names().iter().map(ToString::to_string).collect();
    let progress = Progress::start(files.total(), files.progress());
    let tally = files.tally();
    let mut gathering = Gathering::new(config);
    let blocks = files.map(|block| block.map(|block| block.records).map_err(Failed::from));
    pipeline::through(blueprint, config.workers(), blocks, Failed::new, |outcome| {
        gathering.take(&outcome);
    })?;
    progress.end();
    gathering.lost("too-long", tally.loss(loss::TOO_LONG));
    Ok(gathering.report(names))
}

/// Gathers what comes out of the pipeline.
struct Gathering {
    desk: Desk,
    stories: Incidents,
    incidents: BTreeMap<AnomalyId, Incident>,
    anomalies: BTreeMap<AnomalyId, Anomaly>,
    summary: Summary,
    text: u64,
    /// Events that told of an absurd time.
    clamped: u64,
}

impl Gathering {
    fn new(config: &Config) -> Gathering {
        Gathering {
            desk: Desk::new(config.alerts.grouping.clone()),
            stories: Incidents::new(config.alerts.incidents.clone()),
            incidents: BTreeMap::new(),
            anomalies: BTreeMap::new(),
            summary: Summary::default(),
            text: 0,
            clamped: 0,
        }
    }

    fn take(&mut self, outcome: &Outcome<'_>) {
        let summary = &mut self.summary;
        // Of a capture what counts is its flows, not the pieces that it was read in.
        let pieces = outcome.understood.iter().filter(|understood| **understood == CAPTURED).count();
        summary.lines += (outcome.understood.len() - pieces + outcome.captured) as u64;
        if outcome.captured > 0 {
            *summary.formats.entry("capture").or_default() += outcome.captured as u64;
        }
        for understood in outcome.understood {
            match understood {
                piece if *piece == CAPTURED => {}
                Understood::As(format) => *summary.formats.entry(format).or_default() += 1,
                Understood::AsText => self.text += 1,
                Understood::Broken(reason) => *summary.losses.entry(reason).or_default() += 1,
            }
        }
        if let Some((first, last)) = outcome.span {
            summary.first = Some(summary.first.map_or(first, |earliest| earliest.min(first)));
            summary.last = Some(summary.last.map_or(last, |latest| latest.max(last)));
        }
        for verdict in outcome.verdicts {
            if let Some((anomaly, _)) = self.desk.take(verdict) {
                if let Some(incident) = self.stories.take(anomaly) {
                    self.incidents.insert(incident.id, incident.clone());
                }
                self.anomalies.insert(anomaly.id, anomaly.clone());
            }
        }
        self.clamped = outcome.clamped;
        self.summary.allowed = outcome.allowed;
        self.desk.tick(outcome.watermark);
        if self.anomalies.len() > 2 * KEPT {
            self.drop_mildest();
        }
    }

    fn drop_mildest(&mut self) {
        let mut all: Vec<_> = std::mem::take(&mut self.anomalies).into_values().collect();
        sort(&mut all);
        *self.summary.losses.entry("anomalies_dropped").or_default() += all.len().saturating_sub(KEPT) as u64;
        self.anomalies = all.into_iter().take(KEPT).map(|anomaly| (anomaly.id, anomaly)).collect();
    }

    fn lost(&mut self, reason: &'static str, count: u64) {
        if count > 0 {
            *self.summary.losses.entry(reason).or_default() += count;
        }
    }

    fn report(mut self, files: Vec<String>) -> Report {
        self.lost("clamped-times", self.clamped);
        let mut anomalies: Vec<_> = self.anomalies.into_values().collect();
        sort(&mut anomalies);
        let summary = &mut self.summary;
        summary.files = files;
        summary.settle(self.text);
        let mut incidents: Vec<_> = self.incidents.into_values().collect();
        incidents.sort_by_key(|incident| (std::cmp::Reverse(incident.severity), incident.time, incident.id));
        incidents.truncate(KEPT);
        Report { summary: self.summary, anomalies, incidents }
    }
}

/// The most severe first; among equals the higher score, the higher count, the earlier.
fn sort(anomalies: &mut [Anomaly]) {
    anomalies.sort_by(|a, b| {
        let by = |x: &Anomaly| (x.severity, x.score, x.count);
        by(b).cmp(&by(a)).then(a.time.cmp(&b.time)).then(a.id.cmp(&b.id))
    });
}

/// A progress bar with rate and time left, on a terminal only.
struct Progress {
    bar: Option<(indicatif::ProgressBar, std::thread::JoinHandle<()>)>,
}

impl Progress {
    fn start(total: Option<u64>, read: Arc<AtomicU64>) -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress { bar: None };
        }
        let bar = total.map_or_else(indicatif::ProgressBar::no_length, indicatif::ProgressBar::new);
        let template = "{bytes} of {total_bytes} {wide_bar} {bytes_per_sec}, {eta} left";
        if let Ok(style) = indicatif::ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let shown = bar.clone();
        let thread = std::thread::spawn(move || {
            while !shown.is_finished() {
                shown.set_position(read.load(Ordering::Relaxed));
                std::thread::park_timeout(Duration::from_millis(100));
            }
        });
        Progress { bar: Some((bar, thread)) }
    }

    fn end(self) {
        if let Some((bar, thread)) = self.bar {
            bar.finish_and_clear();
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
