//! Newline-delimited text or JSON over TCP.
//!
//! The protocol has no answer. What was received is handed on with `accepted`, and a connection is read no further while
//! the journal is behind, so that the sender's own TCP holds back. Where the journal refuses a block the connection is
//! closed: the only way to say so.

use std::net::SocketAddr;

use lapwing_model::{Origin, Reading};
use serde::{Deserialize, Serialize};

use crate::listen::{self, Framing, From, Limits};
use crate::{Built, Context, Source, SourceError, Task, lines};

pub(crate) const SUMMARY: &str = "newline-delimited text or JSON over TCP";

/// `sources.tcp`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// host:port; port 0 lets the system choose.
    pub listen: String,
    /// How many connections may be open; further ones are closed and counted.
    pub connections: usize,
    /// A connection that sends nothing for so many seconds is closed.
    pub idle_seconds: u64,
    /// The longest line that is kept whole, in bytes.
    pub max_line: usize,
    /// Joins stack traces to the line before them, which delays the last line of a connection by half a second.
    pub multiline: bool,
    /// How to read what comes; what is not said is found out.
    pub reading: Reading,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            listen: "127.0.0.1:9090".into(),
            connections: 1_024,
            idle_seconds: 300,
            max_line: lines::MAX_LINE,
            multiline: false,
            reading: Reading::default(),
        }
    }
}

pub(crate) fn build(settings: &Settings) -> Built {
    if !settings.enabled {
        return Ok(None);
    }
    Ok(Some(Box::new(Tcp::bind(settings)?)))
}

/// A bound listener that nobody is accepted on yet.
#[derive(Debug)]
pub struct Tcp {
    settings: Settings,
    listener: std::net::TcpListener,
    address: SocketAddr,
}

impl Tcp {
    /// Binds at once, so that a port in use shows at the start.
    ///
    /// # Errors
    /// [`SourceError::Bind`] where nothing can listen there.
    pub fn bind(settings: &Settings) -> Result<Tcp, SourceError> {
        let (listener, address) = listen::bind("tcp", &settings.listen)?;
        Ok(Tcp { settings: settings.clone(), listener, address })
    }
}

impl Source for Tcp {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn run(self: Box<Self>, context: Context) -> Task {
        let Settings { connections, idle_seconds, max_line, multiline, reading, .. } = self.settings;
        let limits = Limits { connections, idle_seconds, max_line };
        let from = From::One(Origin::read_as("tcp", reading));
        Box::pin(listen::run("tcp", self.listener, context, limits, Framing::Lines { multiline }, from, None))
    }
}
