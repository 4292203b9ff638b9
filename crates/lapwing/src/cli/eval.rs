//! `lapwing eval`: how good the judgements are, on a log whose lines or sessions somebody has labelled.

mod curve;
mod labels;
mod measure;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use lapwing_model::Severity;
use serde::Serialize;

use self::labels::Labels;
use self::measure::{Best, Judged, Measured};
use super::config::Config;
use super::model::Reads;
use super::score::{By, by_line, by_session};
use super::{Exit, Failed, show};

/// Measure detection on a labelled log: precision, recall, F1, AUC, average precision, confusion by class.
///
/// Labels are a CSV file with a header: a column `line` or `session`, and a column `label` (`0`, `normal`, `benign`, `-` and
/// the like are ordinary, all else is anomalous and the name of a class). What is told is decided without labels; the best
/// that any threshold could reach on these very labels is printed apart.
#[derive(Debug, Args)]
pub struct Eval {
    /// Files, globs, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// CSV file with a header: line or session, and label
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// What is labelled; found out from the header of the labels where it is not said
    #[arg(long, value_enum)]
    by: Option<By>,
    /// Write the curve of precision over recall
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reads: Reads,
}

/// All that is printed.
#[derive(Debug, Serialize)]
struct Report {
    by: &'static str,
    /// Labelled and judged.
    measured: usize,
    anomalous: usize,
    /// Labelled, but not in the files: not part of any figure.
    labelled_but_not_found: usize,
    anomalous_but_not_found: usize,
    /// In the files, but without a label: not part of any figure.
    found_but_not_labelled: usize,
    /// Thresholds found without labels.
    without_labels: Measured,
    /// The best F1 of all thresholds, chosen by these very labels.
    best_with_labels: Best,
    auc: Option<f64>,
    average_precision: Option<f64>,
    /// For each label: how many were told, and how many not.
    classes: BTreeMap<String, Told>,
}

#[derive(Debug, Default, Serialize)]
struct Told {
    told: usize,
    not_told: usize,
}

/// Runs the command.
///
/// # Errors
/// Where labels or files cannot be read, or nothing labelled is in the files.
pub fn run(args: &Eval, config: &Config) -> Result<Exit, Failed> {
    let labels = Labels::read(&args.labels, args.by)?;
    let blueprint = args.reads.blueprint_or_error(config)?;
    let mut judged = Vec::new();
    let (mut unlabelled, mut classes) = (0, BTreeMap::<String, Told>::new());
    let mut found = std::collections::HashSet::new();
    let mut take = |id: &str, score: f64, told: bool| {
        let Some(label) = labels.get(id) else {
            unlabelled += 1;
            return;
        };
        // Of a session that came twice, the first row counts.
        if found.insert(id.to_owned()) {
            let class = classes.entry(label.name.clone()).or_default();
            *(if told { &mut class.told } else { &mut class.not_told }) += 1;
            judged.push(Judged { score, told, anomalous: label.anomalous });
        }
    };
    match labels.by {
        By::Line => by_line(&blueprint, &args.files, |row| {
            take(&row.line.to_string(), f64::from(row.score), row.severity >= config.alerts.at.max(Severity::Low));
            Ok(())
        })?,
        By::Session => by_session(&blueprint, &args.files, |row| {
            take(&row.session, f64::from(row.ratio), row.anomalous);
            Ok(())
        })?,
    }
    if judged.is_empty() {
        let hint = if labels.by == By::Session { "; is --session right?" } else { "" };
        return Err(Failed::new(format!("nothing that {} labels is in the files{hint}", args.labels.display())));
    }
    let missing = |id: &&String| !found.contains(*id);
    let report = Report {
        by: if labels.by == By::Line { "line" } else { "session" },
        measured: judged.len(),
        anomalous: judged.iter().filter(|one| one.anomalous).count(),
        labelled_but_not_found: labels.ids().filter(missing).count(),
        anomalous_but_not_found: labels.anomalous_ids().filter(missing).count(),
        found_but_not_labelled: unlabelled,
        without_labels: measure::told(&judged),
        best_with_labels: measure::best(&judged),
        auc: measure::auc(&judged),
        average_precision: measure::average_precision(&judged),
        classes,
    };
    if let Some(path) = &args.svg {
        let svg = curve::svg(&measure::curve(&judged), &report.without_labels);
        std::fs::write(path, svg).map_err(|error| Failed::new(format!("cannot write {}: {error}", path.display())))?;
    }
    if args.json {
        show::json(&mut std::io::stdout().lock(), &report)?;
    } else {
        report.print();
    }
    Ok(Exit::Clean)
}

impl Report {
    fn print(&self) {
        let Measured {
            precision,
            recall,
            f1,
            true_positives,
            false_positives,
            false_negatives,
            true_negatives,
            false_alarm_rate,
        } = &self.without_labels;
        println!("{} {}s measured, {} of them anomalous", self.measured, self.by, self.anomalous);
        if self.labelled_but_not_found > 0 {
            let (all, odd) = (self.labelled_but_not_found, self.anomalous_but_not_found);
            println!("{all} labelled {}s ({odd} anomalous) are not in the files and in no figure", self.by);
        }
        if self.found_but_not_labelled > 0 {
            println!("{} {}s have no label and are in no figure", self.found_but_not_labelled, self.by);
        }
        println!("\nthreshold found without labels");
        println!("  precision {precision:.4}  recall {recall:.4}  F1 {f1:.4}  false alarm rate {false_alarm_rate:.6}");
        println!(
            "  true positives {true_positives}, false positives {false_positives}, missed {false_negatives}, ordinary {true_negatives}"
        );
        let best = &self.best_with_labels;
        println!("best threshold, chosen by these labels");
        println!("  precision {:.4}  recall {:.4}  F1 {:.4}", best.precision, best.recall, best.f1);
        let figure = |value: Option<f64>| value.map_or("not defined".to_owned(), |value| format!("{value:.4}"));
        println!("AUC {}  average precision {}", figure(self.auc), figure(self.average_precision));
        println!("\nlabel                 told   not told");
        for (name, class) in &self.classes {
            let name = lapwing_model::printable(name.as_bytes()).within(18).to_string();
            println!("{name:<18} {:>7} {:>10}", class.told, class.not_told);
        }
    }
}
