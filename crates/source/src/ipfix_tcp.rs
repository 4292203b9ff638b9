//! IPFIX over TCP (RFC 7011, 10.4): messages one after another, each telling its length.
//!
//! Each message is handed on as the source [`netflow`](crate::netflow) hands on a datagram.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::counters::loss;
use crate::listen::{self, Framing, From, Limits};
use crate::senders::Senders;
use crate::{Built, Context, Source, SourceError, Task, netflow};
use lapwing_model::Network;

pub(crate) const SUMMARY: &str = "IPFIX over TCP";

const NAME: &str = "ipfix_tcp";

/// `sources.ipfix_tcp`
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
    /// Networks of exporters; connections of others are closed and counted. None named: from everybody.
    pub allow: Vec<Network>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: false, listen: "127.0.0.1:4739".into(), connections: 256, idle_seconds: 3_600, allow: Vec::new() }
    }
}

pub(crate) fn build(settings: &Settings) -> Built {
    if !settings.enabled {
        return Ok(None);
    }
    Ok(Some(Box::new(IpfixTcp::bind(settings)?)))
}

/// A bound listener that nobody is accepted on yet.
#[derive(Debug)]
pub struct IpfixTcp {
    settings: Settings,
    listener: std::net::TcpListener,
    address: SocketAddr,
}

impl IpfixTcp {
    /// Binds at once, so that a port in use shows at the start.
    ///
    /// # Errors
    /// [`SourceError::Bind`] where nothing can listen there.
    pub fn bind(settings: &Settings) -> Result<IpfixTcp, SourceError> {
        let (listener, address) = listen::bind(NAME, &settings.listen)?;
        Ok(IpfixTcp { settings: settings.clone(), listener, address })
    }
}

impl Source for IpfixTcp {
    fn name(&self) -> &'static str {
        NAME
    }

    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn run(self: Box<Self>, context: Context) -> Task {
        let Settings { connections, idle_seconds, allow, .. } = self.settings;
        // No message is longer than its length can tell.
        let limits = Limits { connections, idle_seconds, max_line: 1 << 16 };
        _ = context.counters.source(NAME, &[loss::MALFORMED, loss::NOT_ALLOWED]);
        let senders = Senders::new(NAME, netflow::reading(), context.counters.clone());
        Box::pin(listen::run(NAME, self.listener, context, limits, Framing::Ipfix { allow }, From::Each(senders), None))
    }
}
