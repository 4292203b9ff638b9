//! Flows over UDP: NetFlow v5, v7 and v9, IPFIX and sFlow, on any port; which it is shows in every datagram.
//!
//! A datagram is handed on whole, with who sent it: what it means depends on templates that came before, so it is decoded where
//! all records stand in line. See [`lapwing_model::Datagram`].

use std::net::SocketAddr;

use lapwing_model::{Network, Reading};
use serde::{Deserialize, Serialize};

use crate::datagrams::{self, Keep};
use crate::{Built, Context, Source, SourceError, Task};

pub(crate) const SUMMARY: &str = "NetFlow v5, v7 and v9, IPFIX and sFlow over UDP";

const NAME: &str = "netflow";

/// `sources.netflow`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// host:port, each; port 0 lets the system choose.
    pub listen: Vec<String>,
    /// Size of the kernel's receive buffer of each in bytes; the system may allow less (`net.core.rmem_max`).
    pub receive_buffer: usize,
    /// Networks of exporters; from others nothing is taken. None named: from everybody.
    pub allow: Vec<Network>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: false,
            listen: ["127.0.0.1:2055", "127.0.0.1:4739", "127.0.0.1:6343"].map(String::from).into(),
            receive_buffer: 32 << 20,
            allow: Vec::new(),
        }
    }
}

pub(crate) fn build(settings: &Settings) -> Built {
    if !settings.enabled {
        return Ok(None);
    }
    Ok(Some(Box::new(NetFlow::bind(settings)?)))
}

/// How what comes is read.
pub(crate) fn reading() -> Reading {
    Reading { format: Some(Reading::DATAGRAMS.into()), ..Reading::default() }
}

/// Bound sockets that nobody reads from yet; the kernel already keeps what comes.
#[derive(Debug)]
pub struct NetFlow {
    settings: Settings,
    sockets: Vec<std::net::UdpSocket>,
    addresses: Vec<SocketAddr>,
}

impl NetFlow {
    /// Binds at once, so that a port in use shows at the start.
    ///
    /// # Errors
    /// [`SourceError::Bind`] where nothing can be received there.
    pub fn bind(settings: &Settings) -> Result<NetFlow, SourceError> {
        let bound: Result<Vec<_>, _> =
            settings.listen.iter().map(|listen| datagrams::bind(NAME, listen, settings.receive_buffer)).collect();
        let (sockets, addresses) = bound?.into_iter().unzip();
        Ok(NetFlow { settings: settings.clone(), sockets, addresses })
    }
}

impl Source for NetFlow {
    fn name(&self) -> &'static str {
        NAME
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    fn run(self: Box<Self>, context: Context) -> Task {
        let keep = Keep::Whole { allowed: self.settings.allow };
        Box::pin(datagrams::run(NAME, self.sockets, reading(), keep, context))
    }
}
