//! Syslog over UDP (RFC 5426): a datagram is a message.

use std::net::SocketAddr;

use lapwing_model::Reading;
use serde::{Deserialize, Serialize};

use crate::datagrams::{self, Keep};
use crate::{Built, Context, Source, SourceError, Task};

pub(crate) const SUMMARY: &str = "syslog over UDP";

const NAME: &str = "syslog_udp";

/// `sources.syslog_udp`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// host:port; port 0 lets the system choose.
    pub listen: String,
    /// Size of the kernel's receive buffer in bytes; the system may allow less (`net.core.rmem_max`).
    pub receive_buffer: usize,
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
            receive_buffer: 8 << 20,
            max_message: 64 << 10,
            reading: Reading::default(),
        }
    }
}

pub(crate) fn build(settings: &Settings) -> Built {
    if !settings.enabled {
        return Ok(None);
    }
    Ok(Some(Box::new(SyslogUdp::bind(settings)?)))
}

/// A bound socket that nobody reads from yet; the kernel already keeps what comes.
#[derive(Debug)]
pub struct SyslogUdp {
    settings: Settings,
    socket: std::net::UdpSocket,
    address: SocketAddr,
}

impl SyslogUdp {
    /// Binds at once, so that a port in use shows at the start.
    ///
    /// # Errors
    /// [`SourceError::Bind`] where nothing can be received there.
    pub fn bind(settings: &Settings) -> Result<SyslogUdp, SourceError> {
        let (socket, address) = datagrams::bind(NAME, &settings.listen, settings.receive_buffer)?;
        Ok(SyslogUdp { settings: settings.clone(), socket, address })
    }
}

impl Source for SyslogUdp {
    fn name(&self) -> &'static str {
        NAME
    }

    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn run(self: Box<Self>, context: Context) -> Task {
        let keep = Keep::Message { max: self.settings.max_message.max(1) };
        Box::pin(datagrams::run(NAME, vec![self.socket], self.settings.reading, keep, context))
    }
}
