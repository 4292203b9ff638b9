//! From records to events: what format a line has, what stands in it, when it happened and whom it is about.
//!
//! [`Parser::parse`] is a pure function of a record and of what people said about its origin. The format of a line is found
//! out from that line alone, by a fixed order of cheap tests, so mixed logs work and nothing depends on earlier lines.
//!
//! A new format is one new file and two adjacent lines below: its module and its entry in [`FORMATS`].

mod address;
mod cef;
mod cfdr;
mod columns;
mod draft;
mod duration;
mod extract;
mod firewall;
mod flows;
mod header;
pub mod keys;
mod level;
mod line;
mod names;
mod parser;
#[cfg(test)]
mod robustness;
mod session_key;
pub mod template;
#[cfg(test)]
mod testing;
mod text;
mod time;

use lapwing_model::Event;
pub use line::Line;
pub use parser::{Outcome, Parser, Tools, Understood};
pub use session_key::SessionKey;
pub use time::check_zone;

mod access;
mod container;
mod json;
mod logfmt;
mod syslog;
mod zeek;

/// The structured formats, in the order in which they are tried. What none of them reads is plain text.
pub const FORMATS: &[Kind] = &[
    Kind { name: "json", also: &["docker", "ecs", "ndjson"], build: json::Json::build },
    Kind { name: "combined", also: &["common", "access", "apache", "nginx"], build: access::Access::build },
    Kind { name: "cri", also: &["kubernetes", "containerd"], build: container::Container::build },
    Kind { name: "syslog", also: &["rfc3164", "rfc5424"], build: syslog::Syslog::build },
    Kind { name: "zeek", also: &["bro"], build: zeek::Zeek::build },
    Kind { name: "logfmt", also: &[], build: logfmt::Logfmt::build },
];

/// A way to read lines.
pub trait Format: std::fmt::Debug + Send {
    /// Reads a line into an event. A line that is none of this format's must be refused cheaply, and the event be left as it was.
    fn read(&mut self, line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Outcome;
}

/// A format that can be asked for by name.
#[derive(Debug)]
pub struct Kind {
    pub name: &'static str,
    /// Other names it is known by.
    pub also: &'static [&'static str],
    pub build: fn() -> Box<dyn Format>,
}

impl Kind {
    fn is_named(&self, name: &str) -> bool {
        self.name == name || self.also.contains(&name)
    }
}

/// Whether `name` is a format that lines can be read as.
///
/// # Errors
/// Says what is wrong, with the nearest name that exists.
pub fn check_format(name: &str) -> Result<(), String> {
    if name == "text" || FORMATS.iter().any(|kind| kind.is_named(name)) {
        return Ok(());
    }
    let names = FORMATS.iter().flat_map(|kind| std::iter::once(&kind.name).chain(kind.also)).copied().chain(["text"]);
    let hint = match nearest(name, names) {
        Some(known) => format!("did you mean {known}?"),
        None => format!("formats are {} and text", FORMATS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ")),
    };
    Err(format!("unknown format {name:?}; {hint}"))
}

/// The name that was probably meant.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| strsim::jaro_winkler(&known.to_lowercase(), &name.to_lowercase());
    let best = names.map(|known| (likeness(known), known)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then_some(best.1)
}
