//! Syslog over TLS (RFC 5425).

use std::sync::Arc;

use lapwing_model::Reading;
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;

use crate::syslog_tcp::{self, SyslogTcp};
use crate::tls::{self, Tls};
use crate::{Built, SourceError};

pub(crate) const SUMMARY: &str = "syslog over TLS";

const NAME: &str = "syslog_tls";

/// `sources.syslog_tls`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// host:port; port 0 lets the system choose.
    pub listen: String,
    pub tls: Tls,
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
        let syslog_tcp::Settings { enabled, connections, idle_seconds, max_message, reading, .. } =
            syslog_tcp::Settings::default();
        let listen = "127.0.0.1:6514".into();
        Settings { enabled, listen, tls: Tls::default(), connections, idle_seconds, max_message, reading }
    }
}

pub(crate) fn build(settings: &Settings) -> Built {
    if !settings.enabled {
        return Ok(None);
    }
    Ok(Some(Box::new(bind(settings)?)))
}

/// Reads certificate and key and binds at once, so that what is wrong shows at the start.
///
/// # Errors
/// Where the files cannot be used, or nothing can listen there.
pub fn bind(settings: &Settings) -> Result<SyslogTcp, SourceError> {
    let config = tls::load(&settings.tls, "sources.syslog_tls.tls").map_err(SourceError::Input)?;
    let Settings { enabled, listen, connections, idle_seconds, max_message, reading, .. } = settings.clone();
    let plain = syslog_tcp::Settings { enabled, listen, connections, idle_seconds, max_message, reading };
    SyslogTcp::bind_as(NAME, plain, Some(TlsAcceptor::from(Arc::new(config))))
}
