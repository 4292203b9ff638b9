use std::path::{Path, PathBuf};

use lapwing_model::Severity;
use serde::{Deserialize, Serialize};

/// The section `enrichment` of the configuration: what is known of addresses besides what records say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// The country of addresses, by the table that comes with Lapwing.
    pub builtin: bool,
    /// Files in MaxMind's format (MMDB); the first that knows something is believed, before the built-in table.
    pub databases: Vec<PathBuf>,
    pub networks: NetworkLists,
    /// A YAML file of what is one's own, and how much it matters.
    pub assets: Option<PathBuf>,
    pub threat_lists: Vec<ListSettings>,
    /// A YAML file of whom one does not want to hear about, and until when.
    pub allow: Option<PathBuf>,
    /// How often `run` looks for changed files, in seconds; 0 is never.
    pub reload_seconds: u64,
    /// How often `run` fetches the lists that have a URL, in seconds.
    pub fetch_seconds: u64,
    pub reverse_dns: ReverseDns,
}

/// Files with an address or a network in each line.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkLists {
    pub tor: Vec<PathBuf>,
    pub vpn: Vec<PathBuf>,
    pub hosting: Vec<PathBuf>,
}

/// One list of what others warn of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListSettings {
    pub name: String,
    pub path: Option<PathBuf>,
    /// Fetched by `run` and kept in the store's directory.
    pub url: Option<String>,
    /// Of comma-separated values, counted from 1; without it a line begins with what it names.
    pub column: Option<usize>,
    /// How severe it is to meet what the list names.
    pub severity: Severity,
}

/// Asks for the name of addresses that anomalies are about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReverseDns {
    pub enabled: bool,
    /// Address and port; that of the system where nothing is said.
    pub server: Option<std::net::SocketAddr>,
    pub timeout_ms: u64,
    /// Names that are remembered.
    pub names: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            builtin: true,
            databases: Vec::new(),
            networks: NetworkLists::default(),
            assets: None,
            threat_lists: Vec::new(),
            allow: None,
            reload_seconds: 60,
            fetch_seconds: 3600,
            reverse_dns: ReverseDns::default(),
        }
    }
}

impl Default for ListSettings {
    fn default() -> Self {
        ListSettings { name: String::new(), path: None, url: None, column: None, severity: Severity::Medium }
    }
}

impl Default for ReverseDns {
    fn default() -> Self {
        ReverseDns { enabled: false, server: None, timeout_ms: 2000, names: 10_000 }
    }
}

impl ListSettings {
    /// Where the list lies; one that is fetched, in that directory.
    ///
    /// # Errors
    /// Where it has no good name, or not one place.
    pub fn place(&self, fetched: &Path) -> Result<PathBuf, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let named = !self.name.is_empty() && !self.name.starts_with('.') && self.name.bytes().all(plain);
        match (&self.path, &self.url) {
            _ if !named => Err(format!("'{}' is no name for a threat list; use letters, digits, '-', '_' and '.'", self.name)),
            (Some(path), None) => Ok(path.clone()),
            (None, Some(_)) => Ok(fetched.join(format!("{}.list", self.name))),
            _ => Err(format!("threat list {} needs either a path or a url", self.name)),
        }
    }
}

impl Settings {
    /// All files that are read.
    pub fn files(&self, fetched: &Path) -> Vec<PathBuf> {
        let NetworkLists { tor, vpn, hosting } = &self.networks;
        let own = self.databases.iter().chain(tor).chain(vpn).chain(hosting).chain(&self.assets).chain(&self.allow).cloned();
        own.chain(self.threat_lists.iter().filter_map(|list| list.place(fetched).ok())).collect()
    }
}
