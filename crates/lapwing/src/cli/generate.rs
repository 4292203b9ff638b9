//! `lapwing generate`: labelled traffic, to try things out and to measure with.

mod flows;
mod targets;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use lapwing_generate::{Flow, Kind, Line, Settings, classes, generate};
use lapwing_model::Timestamp;
use serde::Serialize;

use super::client::Access;
use super::show::{self, thousands};
use super::stop::Stop;
use super::{Exit, Failed};
use targets::Target;

/// Write log lines with named anomalies, of which it is known which lines they are.
#[derive(Debug, Args)]
pub struct Generate {
    /// Which sort of log; flows are sent as datagrams of NetFlow by udp and pcap, else as lines of Suricata's EVE
    #[arg(long, default_value = "web", value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::name)).try_map(|name| Kind::named(&name).ok_or("unknown")))]
    kind: Kind,
    /// How to send the lines
    #[arg(long, value_enum, default_value_t)]
    mode: Mode,
    /// The file (overwritten), the URL [http://127.0.0.1:8080/logs], or host:port [127.0.0.1:9090; for syslog and udp 127.0.0.1:5514; for
    /// flows by udp 127.0.0.1:2055]
    #[arg(long, value_name = "WHERE")]
    to: Option<String>,
    /// Lines per second, 0 for as fast as possible [0; 100 for http, tcp and udp]
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// How many lines, or flows [1000; flows 100000]
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// The version of NetFlow for flows by udp and pcap; 10 is IPFIX
    #[arg(long, value_name = "VERSION", default_value = "9", value_parser = PossibleValuesParser::new(["5", "9", "10"]))]
    netflow: String,
    /// Normal behaviour only
    #[arg(long, conflicts_with = "anomaly_share")]
    no_anomalies: bool,
    /// The share of lines that belong to anomalies, 0 to 0.9 [0.02]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    anomaly_share: Option<f64>,
    /// Only these classes of anomalies, separated by commas [all; see --list]
    #[arg(long, value_name = "CLASSES", value_delimiter = ',', value_parser = class)]
    only: Vec<&'static str>,
    /// Everything random follows from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Time of the first line, such as 2026-01-05T08:00:00Z [that one; for http, tcp and udp, times follow the clock]
    #[arg(long, value_name = "TIME", value_parser = start)]
    start: Option<Timestamp>,
    /// Workstations of the office (flows, as fast as possible) [90; else as many as the rate asks for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(20..=6_000))]
    hosts: Option<u32>,
    /// Lines as JSON objects (app)
    #[arg(long)]
    json: bool,
    /// Lines with the time that the request took (web)
    #[arg(long)]
    timed: bool,
    /// Write the settings and then which lines are anomalous, as JSON rows
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Print the anomalies that there are, and end
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Mode {
    #[default]
    Stdout,
    File,
    Http,
    Tcp,
    Udp,
    /// A capture of the datagrams that udp sends (flows)
    Pcap,
}

impl Mode {
    /// Whether somebody listens at the other end, now.
    fn live(self) -> bool {
        matches!(self, Mode::Http | Mode::Tcp | Mode::Udp)
    }
}

fn rate(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|rate| (0.0..=1e7).contains(rate)).ok_or("it must be a number from 0 to 10000000")
}

fn class(text: &str) -> Result<&'static str, String> {
    let known = || classes().iter().map(|class| class.name);
    known()
        .find(|name| *name == text)
        .ok_or_else(|| format!("there is no such class; there are {}", known().collect::<Vec<_>>().join(", ")))
}

fn share(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|share| (0.0..=0.9).contains(share)).ok_or("it must be a number from 0 to 0.9")
}

fn start(text: &str) -> Result<Timestamp, &'static str> {
    let time: jiff::Timestamp = text.parse().map_err(|_| "it must be a time as in RFC 3339, such as 2026-01-05T08:00:00Z")?;
    let nanos = i64::try_from(time.as_nanosecond()).ok().filter(|nanos| (0..=1 << 62).contains(nanos));
    nanos.map(Timestamp::from_nanos).ok_or("it must be between 1970 and 2116")
}

/// Runs the command.
///
/// # Errors
/// Where options contradict each other, and where lines cannot be written or sent.
pub fn run(args: &Generate) -> Result<Exit, Failed> {
    if args.list {
        return list(&mut std::io::stdout().lock());
    }
    args.check()?;
    let stop = Stop::on_signals()?;
    let settings = args.settings(crate::pipeline::clock());
    if args.is_netflow() {
        let target = flows::target(args.mode, args.to.as_deref(), &args.netflow, settings.start)?;
        return args.send(&settings, lapwing_generate::flows(&settings), target, &stop);
    }
    args.send(&settings, generate(settings.clone()), args.target(&stop)?, &stop)
}

fn list(out: &mut impl Write) -> Result<Exit, Failed> {
    for class in classes() {
        writeln!(out, "{:<6} {:<23} {}", class.kind.name(), class.name, class.summary)?;
    }
    Ok(Exit::Clean)
}

impl Generate {
    fn check(&self) -> Result<(), Failed> {
        let wrong = [
            (self.json && self.kind != Kind::App, "--json is for --kind app"),
            (self.timed && self.kind != Kind::Web, "--timed is for --kind web"),
            (self.mode == Mode::File && self.to.is_none(), "--mode file needs to know the file: add --to FILE"),
            (self.mode == Mode::Pcap && self.to.is_none(), "--mode pcap needs to know the file: add --to FILE"),
            (self.mode == Mode::Pcap && self.kind != Kind::Flows, "--mode pcap is for --kind flows"),
            (
                self.kind == Kind::Flows && self.anomaly_share.is_some(),
                "flows have each attack once a day, not by share; leave out --anomaly-share",
            ),
            (self.hosts.is_some() && self.kind != Kind::Flows, "--hosts is for --kind flows"),
            (self.hosts.is_some() && self.rate() > 0.0, "the rate decides how many hosts there are; leave out --hosts or --rate"),
            (self.mode == Mode::Stdout && self.to.is_some(), "--to needs to know how: add --mode file, http, tcp, udp or pcap"),
        ];
        wrong.into_iter().find(|(wrong, _)| *wrong).map_or(Ok(()), |(_, why)| Err(Failed::new(why)))
    }

    /// Whether datagrams are sent instead of lines.
    fn is_netflow(&self) -> bool {
        self.kind == Kind::Flows && matches!(self.mode, Mode::Udp | Mode::Pcap)
    }

    fn count(&self) -> u64 {
        self.count.unwrap_or(if self.kind == Kind::Flows { 100_000 } else { 1_000 })
    }

    fn send<T: Item>(
        &self,
        settings: &Settings,
        items: impl Iterator<Item = T>,
        mut target: Box<dyn Target<T> + '_>,
        stop: &Stop,
    ) -> Result<Exit, Failed> {
        let mut labels = Labels::create(self.labels.as_deref(), settings)?;
        let mut sent = Sent::default();
        let began = Instant::now();
        let mut pace = Pace::new(self.rate() > 0.0);
        pace.begin(settings.start);
        let sending = send(items, pace, target.as_mut(), &mut labels, &mut sent, stop);
        // What went well until something failed is told and kept all the same.
        let labelled = labels.finish();
        sent.tell(&target.tell(sent.lines), if self.is_netflow() { "flows" } else { "lines" }, began.elapsed());
        sending.and(labelled).map(|()| Exit::Clean)
    }

    fn rate(&self) -> f64 {
        self.rate.unwrap_or(if self.mode.live() { 100.0 } else { 0.0 })
    }

    fn target<'a>(&self, stop: &'a Stop) -> Result<Box<dyn Target<Line> + 'a>, Failed> {
        let to = |otherwise: &'static str| self.to.as_deref().unwrap_or(otherwise);
        Ok(match self.mode {
            Mode::Stdout => Box::new(targets::stdout()),
            Mode::File => Box::new(targets::file(Path::new(to("")))?),
            Mode::Http => {
                let json = self.json || self.kind == Kind::Flows;
                Box::new(targets::Http::new(&self.access, to("http://127.0.0.1:8080/logs"), json, stop)?)
            }
            Mode::Tcp => {
                let syslog = self.kind == Kind::Syslog;
                Box::new(targets::Tcp::connect(to(if syslog { "127.0.0.1:5514" } else { "127.0.0.1:9090" }))?)
            }
            Mode::Udp => Box::new(targets::Udp::connect(to("127.0.0.1:5514"), "sources.syslog_udp")?),
            Mode::Pcap => return Err(Failed::new("--mode pcap is for --kind flows")),
        })
    }

    /// Live, times follow the clock: normal lines come at the rate that leaves room for the anomalous ones, the log never
    /// stops for minutes, and what is sent as fast as possible ends about now.
    fn settings(&self, now: Timestamp) -> Settings {
        let defaults = Settings::default();
        let anomaly_share = if self.no_anomalies { 0.0 } else { self.anomaly_share.unwrap_or(defaults.anomaly_share) };
        let paced = self.rate() > 0.0;
        let otherwise = self.hosts.map_or(defaults.rate_per_second, lapwing_generate::flows_a_second);
        let rate = if paced { self.rate() * (1.0 - anomaly_share) } else { otherwise };
        let live = self.mode.live() && self.start.is_none();
        let past = Duration::try_from_secs_f64(if paced { 0.0 } else { self.count() as f64 / rate }).unwrap_or(Duration::MAX);
        Settings {
            kind: self.kind,
            seed: self.seed,
            count: self.count(),
            rate_per_second: rate,
            start: if live { (now - past).nanos().max(0) } else { self.start.map_or(defaults.start, Timestamp::nanos) },
            anomaly_share,
            json: self.json,
            timed: self.timed,
            steady: paced || live,
            silences: !live,
            only: self.only.clone(),
        }
    }
}

/// What is sent, and when it is due.
trait Item {
    fn at(&self) -> i64;
    fn label(&self) -> Option<lapwing_generate::Label>;
    /// Who sends to whom, where that is known.
    fn ends(&self) -> Option<[Ipv4Addr; 2]>;
}

impl Item for Line {
    fn at(&self) -> i64 {
        self.at_nanos
    }

    fn label(&self) -> Option<lapwing_generate::Label> {
        self.label
    }

    fn ends(&self) -> Option<[Ipv4Addr; 2]> {
        self.ends
    }
}

impl Item for Flow {
    fn at(&self) -> i64 {
        self.told
    }

    fn label(&self) -> Option<lapwing_generate::Label> {
        self.label
    }

    fn ends(&self) -> Option<[Ipv4Addr; 2]> {
        Some([self.source, self.destination])
    }
}

fn send<T: Item>(
    items: impl Iterator<Item = T>,
    mut pace: Pace,
    target: &mut dyn Target<T>,
    labels: &mut Labels,
    sent: &mut Sent,
    stop: &Stop,
) -> Result<(), Failed> {
    for item in items {
        let pause = pace.until(&item);
        let told = if pause < Pace::SHORTEST {
            stop.told()
        } else {
            target.pause(pause)?;
            labels.flush()?;
            stop.wait(pause)
        };
        if told {
            break;
        }
        target.put(&item)?;
        sent.count(&item);
        labels.put(sent.lines, &item)?;
    }
    target.finish()
}

/// Sends each line when its time has come, so that bursts are bursts.
#[derive(Debug)]
struct Pace {
    paced: bool,
    began: Instant,
    /// The time of events when it began.
    origin: i64,
    last: i64,
}

impl Pace {
    /// Pauses shorter than this are not worth one.
    const SHORTEST: Duration = Duration::from_millis(1);

    fn new(paced: bool) -> Pace {
        Pace { paced, began: Instant::now(), origin: 0, last: 0 }
    }

    fn begin(&mut self, at: i64) {
        *self = Pace { paced: self.paced, began: Instant::now(), origin: at, last: at };
    }

    /// How long to wait before a line. The minutes of a silence are in the times of events only.
    fn until(&mut self, item: &impl Item) -> Duration {
        if !self.paced {
            return Duration::ZERO;
        }
        if item.label().is_some_and(|label| label.class == "silence") {
            self.origin += item.at() - self.last;
        }
        self.last = item.at();
        let due = Timestamp::from_nanos(item.at()).since(Timestamp::from_nanos(self.origin));
        due.saturating_sub(self.began.elapsed())
    }
}

/// Which lines are anomalous: first a row with the settings, then one for each of them.
#[derive(Debug)]
struct Labels(Option<(BufWriter<File>, PathBuf)>);

#[derive(Debug, Serialize)]
struct Head<'a> {
    settings: Row<'a>,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    kind: &'a str,
    seed: u64,
    count: u64,
    rate_per_second: f64,
    start: Timestamp,
    anomaly_share: f64,
    json: bool,
    timed: bool,
}

#[derive(Debug, Serialize)]
struct Label {
    /// Counts from 1.
    line: u64,
    class: &'static str,
    incident: u32,
    /// Who sends to whom, of flows.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Ipv4Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<Ipv4Addr>,
}

impl Labels {
    fn create(path: Option<&Path>, settings: &Settings) -> Result<Labels, Failed> {
        let Some(path) = path else { return Ok(Labels(None)) };
        let file = File::create(path).map_err(|error| targets::unwritable(path, &error))?;
        let mut labels = Labels(Some((BufWriter::new(file), path.to_owned())));
        let settings = Row {
            kind: settings.kind.name(),
            seed: settings.seed,
            count: settings.count,
            rate_per_second: settings.rate_per_second,
            start: Timestamp::from_nanos(settings.start),
            anomaly_share: settings.anomaly_share,
            json: settings.json,
            timed: settings.timed,
        };
        labels.write(|out| show::json(out, &Head { settings }))?;
        Ok(labels)
    }

    fn put(&mut self, number: u64, item: &impl Item) -> Result<(), Failed> {
        let Some(label) = item.label() else { return Ok(()) };
        let [source, destination] = item.ends().map_or([None; 2], |ends| ends.map(Some));
        let row = Label { line: number, class: label.class, incident: label.incident, source, destination };
        self.write(|out| show::json(out, &row))
    }

    fn flush(&mut self) -> Result<(), Failed> {
        self.write(BufWriter::flush)
    }

    fn finish(mut self) -> Result<(), Failed> {
        self.flush()
    }

    fn write(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Result<(), Failed> {
        let Some((out, path)) = &mut self.0 else { return Ok(()) };
        write(out).map_err(|error| targets::unwritable(path, &error))
    }
}

/// What was sent.
#[derive(Debug, Default)]
struct Sent {
    lines: u64,
    classes: BTreeMap<&'static str, u64>,
}

impl Sent {
    fn count(&mut self, item: &impl Item) {
        self.lines += 1;
        if let Some(label) = item.label() {
            *self.classes.entry(label.class).or_default() += 1;
        }
    }

    /// The closing statistic. Standard output holds the lines themselves.
    fn tell(&self, told: &str, what: &str, took: Duration) {
        let anomalous: u64 = self.classes.values().sum();
        let classes: Vec<_> = self.classes.iter().map(|(class, lines)| format!("{class} {}", thousands(*lines))).collect();
        let classes = if classes.is_empty() { String::new() } else { format!(" ({})", classes.join(", ")) };
        let rate = thousands((self.lines as f64 / took.as_secs_f64().max(1e-6)) as u64);
        eprintln!(
            "{} {what}{told} in {} ({rate} a second), {} of them anomalous{classes}",
            thousands(self.lines),
            show::span(took),
            thousands(anomalous)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        generate: Generate,
    }

    fn settings(options: &str) -> Settings {
        let words = std::iter::once("lapwing").chain(options.split_whitespace());
        Command::parse_from(words).generate.settings(Timestamp::from_seconds(2_000_000_000))
    }

    #[test]
    fn a_file_does_not_depend_on_the_clock_and_a_service_gets_the_time_of_now() {
        assert_eq!(settings("").start, Settings::default().start);
        assert_eq!(settings("--mode http").start, 2_000_000_000 * 1_000_000_000);
        assert_eq!(settings("--mode tcp --start 2026-01-05T09:00:00+01:00").start, Settings::default().start);
    }

    #[test]
    fn what_is_sent_at_once_ends_now() {
        let settings = settings("--mode http --rate 0 --count 20000 --no-anomalies");
        let last = generate(settings).last().expect("lines").at_nanos;
        assert!((last - 2_000_000_000 * 1_000_000_000).abs() < 60 * 1_000_000_000, "{last}");
    }

    #[test]
    fn lines_in_all_come_at_the_rate_even_with_many_anomalies() {
        let settings = settings("--mode http --rate 50 --count 20000 --anomaly-share 0.5");
        let start = settings.start;
        let seconds = (generate(settings).last().expect("lines").at_nanos - start) as f64 / 1e9;
        assert!((seconds / 400.0 - 1.0).abs() < 0.15, "{seconds} s instead of 400");
    }

    #[test]
    fn a_silence_is_not_waited_for() {
        let mut pace = Pace::new(true);
        pace.begin(0);
        let silence = lapwing_generate::Label { class: "silence", incident: 1 };
        let mut until =
            |seconds: i64, label| pace.until(&Line { text: String::new(), at_nanos: seconds * 1_000_000_000, label, ends: None });
        assert!(until(10, None) > Duration::from_secs(9));
        assert!(until(1_000, Some(silence)) <= Duration::from_secs(10));
        assert!(until(1_005, None) > Duration::from_secs(14));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for wrong in ["-1", "NaN", "inf", "1e9", "fast"] {
            assert!(rate(wrong).is_err() && share(wrong).is_err(), "{wrong}");
        }
        assert!(start("2200-01-01T00:00:00Z").is_err() && start("yesterday").is_err());
    }
}
