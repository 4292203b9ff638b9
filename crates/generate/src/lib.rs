//! Labelled traffic: log lines that look like a real site's, with named anomalies whose lines are marked.
//!
//! An iterator with a seed; no I/O and no clock, and no floating-point function of the platform's library, so the same settings give
//! the same bytes on every machine.
//!
//! ```
//! use lapwing_generate::{Kind, Settings, generate};
//! let lines = generate(Settings { kind: Kind::Auth, count: 1_000, ..Settings::default() });
//! let marked = lines.filter(|line| line.label.is_some()).count();
//! assert!((5..40).contains(&marked));
//! ```

mod app;
mod auth;
mod classes;
mod clock;
mod engine;
mod flows;
mod random;
mod syslog;
mod text;
mod web;
mod world;

use std::net::Ipv4Addr;

pub use classes::{Class, classes};
pub use flows::{Datagram, Exporter, Flow, Flows, Version, capture_head, captured, flows, flows_a_second};

/// Which sort of log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The combined access log of a web shop; with request times if [`Settings::timed`].
    Web,
    /// The log of an application of several services: time, level, logger, message; or JSON if [`Settings::json`].
    App,
    /// The authentication log of a few hosts: sshd, sudo, pam and cron under a syslog header without year.
    Auth,
    /// What the firewalls and hosts of a small network send as syslog, with its priority.
    Syslog,
    /// The flows of an office with its servers, as a router exports them: see [`flows`].
    Flows,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 5] = [Kind::Web, Kind::App, Kind::Auth, Kind::Syslog, Kind::Flows];

    /// Those that are logs: the share of anomalous lines can be chosen.
    pub const LOGS: [Kind; 4] = [Kind::Web, Kind::App, Kind::Auth, Kind::Syslog];

    /// Its name: `web`, `app`, `auth`, `syslog`, `flows`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Web => "web",
            Kind::App => "app",
            Kind::Auth => "auth",
            Kind::Syslog => "syslog",
            Kind::Flows => "flows",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What is generated. Numbers out of range are moved into it.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Which sort of log.
    pub kind: Kind,
    /// Everything random follows from it.
    pub seed: u64,
    /// How many lines.
    pub count: u64,
    /// Lines per second of event time, as a mean over the day (1e-4 to 1e7). Of [`Kind::Flows`] about so many: it decides how large the
    /// office is.
    pub rate_per_second: f64,
    /// Time of the start in nanoseconds since 1970 UTC (until the year 2116).
    pub start: i64,
    /// The share of lines that belong to anomalies (0 to 0.9); 0 for none at all. Of [`Kind::Flows`] it matters only whether it is 0.
    pub anomaly_share: f64,
    /// [`Kind::App`] only: one JSON object a line.
    pub json: bool,
    /// [`Kind::Web`] only: the request's time in seconds at the end of the line; adds the class `slow-responses`.
    pub timed: bool,
    /// The rate is the same at every hour instead of following the day.
    pub steady: bool,
    /// [`Kind::Web`] only: the log may stop for minutes (the class `silence`); to be left out where lines are sent as they happen.
    pub silences: bool,
    /// Only these classes of anomalies; all where it is empty. Names that are none of the kind's are as good as absent.
    pub only: Vec<&'static str>,
}

impl Default for Settings {
    /// Ten thousand web lines at 20 a second from Monday 2026-01-05 08:00 UTC, 2 % of them anomalous.
    fn default() -> Self {
        Settings {
            kind: Kind::Web,
            seed: 1,
            count: 10_000,
            rate_per_second: 20.0,
            start: 1_767_600_000_000_000_000,
            anomaly_share: 0.02,
            json: false,
            timed: false,
            steady: false,
            silences: true,
            only: Vec::new(),
        }
    }
}

/// A generated line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Without a line end.
    pub text: String,
    /// When it happened, nanoseconds since 1970 UTC; never before the line before it.
    pub at_nanos: i64,
    /// To which anomaly it belongs; `None` for normal behaviour.
    pub label: Option<Label>,
    /// Who sends to whom, where the line is about a flow.
    pub ends: Option<[Ipv4Addr; 2]>,
}

/// The anomaly that a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label {
    /// One of [`classes`].
    pub class: &'static str,
    /// Numbers the incidents of one run from 1: the lines of one incident share it.
    pub incident: u32,
}

/// The generated lines; see [`generate`].
#[derive(Debug)]
pub struct Lines(Inner);

#[derive(Debug)]
enum Inner {
    Log(Box<engine::Course>),
    Flows(Box<Flows>),
}

/// Labelled lines in the order of time; the same settings give the same lines.
#[must_use]
pub fn generate(settings: Settings) -> Lines {
    Lines(match settings.kind {
        Kind::Flows => Inner::Flows(Box::new(flows(&settings))),
        _ => Inner::Log(Box::new(engine::course(settings))),
    })
}

impl Iterator for Lines {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        match &mut self.0 {
            Inner::Log(course) => course.next(),
            Inner::Flows(flows) => flows.next().map(|flow| Line {
                text: flow.line(),
                at_nanos: flow.told,
                label: flow.label,
                ends: Some([flow.source, flow.destination]),
            }),
        }
    }
}
