use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

/// The section `server` of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// host:port; port 0 lets the system choose. Beyond loopback, tokens are required.
    pub listen: String,
    pub tokens: Vec<Token>,
    pub tls: Option<Tls>,
    /// Origins whose pages may call the API, such as `https://grafana.example`; none by default.
    pub cors_origins: Vec<String>,
    pub limits: Limits,
}

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    pub role: Role,
    pub token: Secret,
}

/// Each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Also sends logs, asks for verdicts, and says what anomalies are.
    Analyst,
    /// Also deletes and resets.
    Admin,
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest body of a request, in bytes, as sent and also once decompressed.
    pub body_bytes: usize,
    /// Seconds that a request may take.
    pub request_seconds: u64,
    /// Requests per second of one client, on average; 0 is no limit.
    pub requests_per_second: u32,
    /// Connections that may be open at once.
    pub connections: usize,
}

impl Role {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Analyst => "analyst",
            Role::Admin => "admin",
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            listen: "127.0.0.1:8080".to_owned(),
            tokens: Vec::new(),
            tls: None,
            cors_origins: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits { body_bytes: 16 << 20, request_seconds: 30, requests_per_second: 0, connections: 1000 }
    }
}

/// A word that never appears in logs, errors, metrics or a printed configuration.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let token: Token = serde_json::from_str(r#"{"role":"admin","token":"hunter2"}"#).expect("valid");
        assert!(!format!("{token:?}{}", serde_json::to_string(&token).expect("serialises")).contains("hunter2"));
        assert_eq!(token.token.reveal(), "hunter2");
    }

    #[test]
    fn roles_include_the_ones_before_them() {
        assert!(Role::Admin > Role::Analyst && Role::Analyst > Role::Viewer);
    }
}
