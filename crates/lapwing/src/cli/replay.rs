//! `lapwing replay`: what a running service thinks of each line of a log.

mod judge;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use lapwing_model::{Score, Severity, printable};
use lapwing_parse::SessionKey;
use lapwing_source::files;
use serde_json::{Value, json};

use self::judge::{Judge, session_of};
use super::client::{Access, Address, Client};
use super::config::Config;
use super::held::{HELD, Held};
use super::model::Reads;
use super::show::{Paint, span, thousands};
use super::stop::Stop;
use super::{Exit, Failed};

/// Ask a running service about each line of a log, or with --model an engine of one's own.
#[derive(Debug, Args)]
pub struct Replay {
    /// Files, globs, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The service
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    to: String,
    /// Seconds between two lines
    #[arg(long, value_name = "S", default_value = "0", value_parser = seconds)]
    delay: Duration,
    /// The most lines to ask about
    #[arg(long, value_name = "N")]
    max_logs: Option<u64>,
    /// Have the lines judged as one session, each knowing those before it
    #[arg(long, value_name = "ID", conflicts_with = "session")]
    session_id: Option<String>,
    /// Regular expression that finds the key of a session in a line: its first group, or all it matches, as in 'blk_-?\d+'
    #[arg(long, value_name = "REGEX")]
    session: Option<String>,
    /// Ask no service, but an engine of one's own that continues from what `lapwing learn --out` wrote into this directory
    #[arg(long, value_name = "DIR", conflicts_with_all = ["to", "token", "ca"])]
    model: Option<PathBuf>,
    /// How to print what was answered
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    /// Exit with 2 if an anomaly is at least this severe
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<Severity>,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Output {
    #[default]
    Pretty,
    /// The answers as they came, one a line
    Json,
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or("it must be a number of seconds, such as 0.5")
}

/// Columns of a line of output that goes to no terminal.
const COLUMNS: usize = 160;

/// Runs the command.
///
/// # Errors
/// Where files cannot be read, and where the service cannot be reached or refuses to answer.
pub fn run(args: &Replay, config: impl FnOnce() -> Result<Config, Failed>, paint: Paint) -> Result<Exit, Failed> {
    let (mut judge, key) = args.judge(config)?;
    let stop = Stop::on_signals()?;
    let mut statistics = Statistics::default();
    let began = Instant::now();
    let done = replay(args, &mut judge, key.as_ref(), &stop, paint, &mut statistics);
    // What was answered until something failed is told all the same; data alone is on standard output where it is not pretty.
    let told = match args.output {
        Output::Pretty => statistics.tell(&mut std::io::stdout().lock(), began.elapsed(), paint),
        Output::Json => statistics.tell(&mut std::io::stderr().lock(), began.elapsed(), Paint(false)),
    };
    done?;
    told?;
    Ok(Exit::by(statistics.severities.keys().copied().max(), args.fail_on))
}

impl Replay {
    /// Who is asked, and what finds sessions in lines before. A service that finds them itself need not be told.
    fn judge(&self, config: impl FnOnce() -> Result<Config, Failed>) -> Result<(Judge, Option<SessionKey>), Failed> {
        let reads = Reads { session: self.session.clone(), model: self.model.clone() };
        if self.model.is_some() {
            // Sessions are found by the key that was asked for, or by that of the model.
            return Ok((Judge::here(&reads.blueprint(&config()?)?)?, None));
        }
        let client = Client::new(&self.access, Address::parse(&self.to)?.under("/detect"))?;
        Ok((Judge::Service(client), reads.key()?))
    }
}

fn replay(
    args: &Replay,
    judge: &mut Judge,
    key: Option<&SessionKey>,
    stop: &Stop,
    paint: Paint,
    statistics: &mut Statistics,
) -> Result<(), Failed> {
    let (output, width) = (args.output, columns());
    let mut printer = Printer { output, width, paint, held: Held::default(), statistics, taken: 0 };
    let done = ask_all(args, judge, key, stop, &mut printer);
    printer.print(0)?;
    done
}

fn ask_all(
    args: &Replay,
    judge: &mut Judge,
    key: Option<&SessionKey>,
    stop: &Stop,
    printer: &mut Printer<'_>,
) -> Result<(), Failed> {
    let mut left = args.max_logs.unwrap_or(u64::MAX);
    let mut first = true;
    // People who let lines come slowly, or as they are written, want to see them as they come.
    let is_live = args.delay > Duration::ZERO || args.files.iter().any(|file| file == "-");
    let hold = if is_live { 0 } else { HELD };
    for block in files::Reader::new(crate::pipeline::clock).open(&args.files)? {
        for record in block?.records {
            if left == 0 || stop.wait(if std::mem::take(&mut first) { Duration::ZERO } else { args.delay }) {
                return Ok(());
            }
            left -= 1;
            let session = session_of(&record.body, args.session_id.as_deref(), key);
            let Some(answer) = judge.ask(stop, &record.body, session.as_deref())? else { return Ok(()) };
            printer.take(record.body, answer.body, answer.took).ok_or_else(|| not_lapwing(judge))?;
            printer.print(hold)?;
        }
    }
    Ok(())
}

/// Prints answers; holds them back for a while, since a later one may be about the lines of earlier ones as well.
struct Printer<'a> {
    output: Output,
    width: usize,
    paint: Paint,
    held: Held<u64, Row>,
    statistics: &'a mut Statistics,
    taken: u64,
}

/// A line, and what was answered.
struct Row {
    line: Bytes,
    answer: Vec<u8>,
    took: Duration,
}

impl Printer<'_> {
    /// Nothing if the answer is no JSON object at all.
    fn take(&mut self, line: Bytes, answer: Vec<u8>, took: Duration) -> Option<()> {
        let told: Value = serde_json::from_slice(&answer).ok().filter(Value::is_object)?;
        for finding in told["findings"].as_array().into_iter().flatten() {
            for number in finding["earlier"].as_array().into_iter().flatten().filter_map(Value::as_u64) {
                if let Some(row) = self.held.get_mut(number) {
                    row.answer = also(&row.answer, finding).unwrap_or_else(|| std::mem::take(&mut row.answer));
                }
            }
        }
        self.taken += 1;
        // Numbers of the service's own are far from the end; a service that gives none gets them from there.
        let number = told["line"].as_u64().unwrap_or(u64::MAX - self.taken);
        self.held.push(number, Row { line, answer, took });
        Some(())
    }

    /// Prints all but the latest so many.
    fn print(&mut self, left: usize) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        for Row { line, answer, took } in self.held.release(left) {
            let Some(judgement) = Judgement::read(&answer) else { continue };
            self.statistics.count(&judgement, took);
            let row = match self.output {
                Output::Pretty => judgement.row(&line, self.width, self.paint).into_bytes(),
                Output::Json => one_line(answer),
            };
            out.write_all(&row)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// An answer that says what was found later of its line as well, in the same way as `/detect/batch` does.
fn also(answer: &[u8], later: &Value) -> Option<Vec<u8>> {
    let mut told: Value = serde_json::from_slice(answer).ok()?;
    let same = |own: &Value| ["detector", "rule", "entity"].iter().all(|part| own[*part] == later[*part]);
    let findings = told["findings"].as_array_mut()?;
    if findings.iter().any(same) {
        return None;
    }
    let was_calm = findings.is_empty();
    let mut finding = later.clone();
    finding.as_object_mut()?.remove("earlier");
    findings.push(finding);
    let score = later["score"].as_f64().unwrap_or(0.0);
    let severity =
        |value: &Value| value.as_str().and_then(|severity| severity.parse::<Severity>().ok()).unwrap_or(Severity::Info);
    let (own, later_is) = (severity(&told["severity"]), severity(&later["severity"]).max(Severity::of(Score::new(score as f32))));
    if later_is > own || was_calm {
        (told["class"], told["reason"], told["severity"]) = (later["class"].clone(), later["reason"].clone(), json!(later_is));
    }
    told["is_anomaly"] = json!(later_is.max(own) >= Severity::Low);
    if score > told["score"].as_f64().unwrap_or(0.0) {
        told["score"] = later["score"].clone();
    }
    if let (Some(classes), false) = (told["classes"].as_array_mut(), later["class"].is_null())
        && !classes.contains(&later["class"])
    {
        classes.push(later["class"].clone());
        classes.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
    if let (Some(detectors), Some(name)) = (told["detectors"].as_object_mut(), later["detector"].as_str()) {
        let own = detectors.entry(name).or_insert(json!(0.0));
        if score > own.as_f64().unwrap_or(0.0) {
            *own = later["score"].clone();
        }
    }
    serde_json::to_vec(&told).ok()
}

/// Columns of the terminal.
fn columns() -> usize {
    let terminal = std::io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    terminal.map_or(COLUMNS, |(width, _)| usize::from(width.0))
}

fn not_lapwing(judge: &Judge) -> Failed {
    Failed::new(format!("{} answered something that is no verdict; is this the address of a lapwing service?", judge.name()))
}

/// In JSON a line break is never part of a value.
fn one_line(mut json: Vec<u8>) -> Vec<u8> {
    json.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    json.trim_ascii().to_vec()
}

/// What the service thinks of one line, as far as it says so.
#[derive(Debug, Clone, PartialEq)]
struct Judgement {
    anomalous: bool,
    score: Score,
    severity: Severity,
    class: Option<String>,
    /// The strongest first.
    detectors: Vec<(String, Score)>,
}

impl Judgement {
    /// Nothing if it is no JSON object at all.
    fn read(body: &[u8]) -> Option<Judgement> {
        let answer: Value = serde_json::from_slice(body).ok().filter(Value::is_object)?;
        let number = |value: &Value| Score::new(value.as_f64().unwrap_or(0.0) as f32);
        let score = number(&answer["score"]);
        let severity = answer["severity"].as_str().and_then(|severity| severity.parse().ok());
        let named = answer["detectors"].as_object().into_iter().flatten();
        let mut detectors: Vec<_> = named.map(|(name, score)| (name.clone(), number(score))).collect();
        detectors.retain(|(_, score)| *score > Score::ZERO);
        detectors.sort_by(|(a, x), (b, y)| y.cmp(x).then(a.cmp(b)));
        Some(Judgement {
            anomalous: answer["is_anomaly"].as_bool().unwrap_or(false),
            score,
            severity: severity.unwrap_or(Severity::of(score)),
            class: answer["class"].as_str().map(str::to_owned),
            detectors,
        })
    }

    /// One line of output, within `width` columns.
    fn row(&self, line: &[u8], width: usize, paint: Paint) -> String {
        let (word, severity) = if self.anomalous { ("ANOMALY", self.severity) } else { ("NORMAL ", Severity::Info) };
        let head = format!("{word}  {:>3}", self.score.to_string());
        let (class, detectors) = if self.anomalous { self.why() } else { Default::default() };
        let used = head.chars().count() + class.chars().count() + detectors.chars().count() + 2;
        let line = printable(line).within(width).to_string();
        let line = cut(&line, width.saturating_sub(used).max(20));
        let head = paint.severity(severity, &head);
        if self.anomalous {
            format!("{head}{}{}  {line}", paint.bold(&class), paint.dim(&detectors))
        } else {
            format!("{head}  {line}")
        }
    }

    fn why(&self) -> (String, String) {
        let class = self.class.as_deref().unwrap_or("unnamed");
        let detectors: Vec<_> = self.detectors.iter().map(|(name, score)| format!("{name} {score}")).collect();
        let safe = |text: &str, within| format!("  {}", printable(text.as_bytes()).within(within));
        let detectors = detectors.join(", ");
        (safe(class, 40), if detectors.is_empty() { detectors } else { safe(&detectors, 60) })
    }
}

fn cut(text: &str, width: usize) -> Cow<'_, str> {
    match text.char_indices().nth(width) {
        None => text.into(),
        Some(_) => format!("{}…", text.chars().take(width.saturating_sub(1)).collect::<String>()).into(),
    }
}

/// Names from a service that are told apart; the rest are counted together.
const CLASSES: usize = 200;

/// What was answered in all.
#[derive(Debug, Default)]
struct Statistics {
    lines: u64,
    anomalies: u64,
    classes: BTreeMap<String, u64>,
    severities: BTreeMap<Severity, u64>,
    waited: Duration,
}

impl Statistics {
    fn count(&mut self, judgement: &Judgement, took: Duration) {
        self.lines += 1;
        self.waited += took;
        if judgement.anomalous {
            self.anomalies += 1;
            let class = judgement.class.as_deref().unwrap_or("unnamed");
            let room = self.classes.len() < CLASSES || self.classes.contains_key(class);
            *self.classes.entry(if room { class } else { "other" }.to_owned()).or_default() += 1;
            *self.severities.entry(judgement.severity).or_default() += 1;
        }
    }

    fn tell(&self, out: &mut impl Write, took: Duration, paint: Paint) -> std::io::Result<()> {
        let mut row = |name: &str, value: String| writeln!(out, "{} {value}", paint.dim(&format!("{name:<10}")));
        let rate = self.lines as f64 / took.as_secs_f64().max(1e-6);
        row("lines", format!("{} in {} ({rate:.0} a second)", thousands(self.lines), span(took)))?;
        row("anomalies", format!("{} ({:.1} %)", thousands(self.anomalies), share(self.anomalies, self.lines)))?;
        let severities = self.severities.iter().rev().map(|(severity, lines)| format!("{severity} {}", thousands(*lines)));
        let mut classes: Vec<_> = self.classes.iter().collect();
        classes.sort_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
        let classes = classes.into_iter().map(|(class, lines)| format!("{} {}", printable(class.as_bytes()), thousands(*lines)));
        if self.anomalies > 0 {
            row("severities", severities.collect::<Vec<_>>().join(", "))?;
            row("classes", classes.collect::<Vec<_>>().join(", "))?;
        }
        row("latency", format!("{:.2} ms on average", 1e3 * self.waited.as_secs_f64() / self.lines.max(1) as f64))
    }
}

fn share(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judgement(json: &str) -> Judgement {
        Judgement::read(json.as_bytes()).expect("an object")
    }

    #[test]
    fn what_an_answer_does_not_say_is_ordinary() {
        for bare in ["{}", r#"{"score":"high","severity":7,"class":null,"detectors":[1]}"#] {
            let expected =
                Judgement { anomalous: false, score: Score::ZERO, severity: Severity::Info, class: None, detectors: vec![] };
            assert_eq!(judgement(bare), expected);
        }
        assert_eq!(judgement(r#"{"is_anomaly":true,"score":0.8}"#).severity, Severity::High);
        assert!(Judgement::read(b"<html>").is_none() && Judgement::read(b"[]").is_none());
    }

    #[test]
    fn a_row_tells_the_class_and_the_strongest_detector_first() {
        let told = r#"{"is_anomaly":true,"score":0.85,"severity":"high","class":"critical-level","detectors":{"novelty":0.3,"rules":0.85,"windows":0}}"#;
        let row = judgement(told).row(b"CRITICAL db down", 160, Paint(false));
        assert_eq!(row, "ANOMALY   85  critical-level  rules 85, novelty 30  CRITICAL db down");
        assert_eq!(judgement("{}").row(b"ok", 160, Paint(false)), "NORMAL     0  ok");
    }

    #[test]
    fn neither_a_log_line_nor_an_answer_reaches_the_terminal_as_it_is() {
        let told = r#"{"is_anomaly":true,"class":"\u001b[2J","detectors":{"\u001b]0;x\u0007":1}}"#;
        let row = judgement(told).row(b"\x1b[31m\xff\n", 160, Paint(false));
        assert!(row.chars().all(|c| !c.is_control()), "{row:?}");
    }

    #[test]
    fn a_row_fits_the_terminal() {
        let told = r#"{"is_anomaly":true,"score":1,"class":"x","detectors":{"rules":1}}"#;
        for line in ["a".repeat(500), "\u{1b}".repeat(500), "ä".repeat(500)] {
            assert_eq!(judgement(told).row(line.as_bytes(), 80, Paint(false)).chars().count(), 80);
        }
    }

    #[test]
    fn an_answer_over_several_lines_becomes_one() {
        assert_eq!(one_line(b"{\n  \"score\": 1\r\n}\n".to_vec()), b"{   \"score\": 1  }");
    }

    #[test]
    fn statistics_add_up() {
        let mut statistics = Statistics::default();
        let anomaly = judgement(r#"{"is_anomaly":true,"score":0.8,"class":"a"}"#);
        statistics.count(&anomaly, Duration::from_millis(3));
        statistics.count(&judgement("{}"), Duration::from_millis(1));
        let mut out = Vec::new();
        statistics.tell(&mut out, Duration::from_secs(2), Paint(false)).expect("written");
        let out = String::from_utf8(out).expect("text");
        assert!(out.contains("2 in 2 s (1 a second)") && out.contains("1 (50.0 %)"), "{out}");
        assert!(out.contains("high 1") && out.contains("a 1") && out.contains("2.00 ms"), "{out}");
    }

    #[test]
    fn a_delay_is_a_length_of_time() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        assert!(seconds("-1").is_err() && seconds("NaN").is_err() && seconds("1e300").is_err());
    }
}
