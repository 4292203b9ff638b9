//! Syslog over TCP (RFC 6587): messages that are counted, or ended by a newline or a NUL, also mixed on one connection.
//!
//! As with [`tcp`](crate::tcp) there is no answer; a connection is read no further while the journal is behind.

use std::net::SocketAddr;

use lapwing_model::Reading;
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;

use crate::counters::loss;
use crate::listen::{self, Framing, From, Limits};
use crate::senders::Senders;
use crate::{Built, Context, Source, SourceError, Task};

pub(crate) const SUMMARY: &str = "syslog over TCP: counted, newline and NUL framing";

const NAME: &str = "syslog_tcp";

/// `sources.syslog_tcp`
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
    /// The longest message that is kept whole, in bytes.
    pub max_message: usize,
    /// How to read what comes; what is not said is found out.
    pub reading: Reading,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: false,
            listen: "127.0.0.1:5514".into(),
            connections: 1_024,
            idle_seconds: 3_600,
            max_message: 64 << 10,
            reading: Reading::default(),
        }
    }
}

pub(crate) fn build(settings: &Settings) -> Built {
    if !settings.enabled {
        return Ok(None);
    }
    Ok(Some(Box::new(SyslogTcp::bind(settings)?)))
}

/// A bound listener that nobody is accepted on yet.
pub struct SyslogTcp {
    name: &'static str,
    settings: Settings,
    listener: std::net::TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
}

impl SyslogTcp {
    /// Binds at once, so that a port in use shows at the start.
    ///
    /// # Errors
    /// [`SourceError::Bind`] where nothing can listen there.
    pub fn bind(settings: &Settings) -> Result<SyslogTcp, SourceError> {
        SyslogTcp::bind_as(NAME, settings.clone(), None)
    }

    /// The same under another name, and over TLS.
    pub(crate) fn bind_as(name: &'static str, settings: Settings, tls: Option<TlsAcceptor>) -> Result<SyslogTcp, SourceError> {
        let (listener, address) = listen::bind(name, &settings.listen)?;
        Ok(SyslogTcp { name, settings, listener, address, tls })
    }
}

impl Source for SyslogTcp {
    fn name(&self) -> &str {
        self.name
    }

    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn run(self: Box<Self>, context: Context) -> Task {
        let Settings { connections, idle_seconds, max_message, reading, .. } = self.settings;
        let limits = Limits { connections, idle_seconds, max_line: max_message };
        // What one sender loses is counted under its own name; this one is there from the start.
        _ = context.counters.source(self.name, &[loss::MALFORMED]);
        let senders = Senders::new(self.name, reading, context.counters.clone());
        Box::pin(listen::run(self.name, self.listener, context, limits, Framing::Syslog, From::Each(senders), self.tls))
    }
}

impl std::fmt::Debug for SyslogTcp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SyslogTcp").field("name", &self.name).field("address", &self.address).finish_non_exhaustive()
    }
}
