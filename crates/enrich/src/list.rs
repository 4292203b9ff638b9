//! One threat list: networks, domains and hashes, as small as can be.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use lapwing_model::{Network, Severity, hash};

use crate::indicator::{Indicator, MOST_BYTES, NotUnderstood};
use crate::{ListSettings, Networks};

/// Entries that one list may have; what is beyond is counted.
pub const MOST_ENTRIES: usize = 4_000_000;

/// What one list names. A network takes 5 bytes (17 of IPv6), a domain and a hash 8.
#[derive(Debug)]
pub struct List {
    pub name: Arc<str>,
    pub severity: Severity,
    /// The length of a network's prefix and one more, so that 0 is none.
    networks: Networks<u8>,
    domains: Vec<u64>,
    hashes: Vec<u64>,
    pub entries: usize,
    /// Lines that name nothing that is understood.
    pub malformed: usize,
    /// Entries beyond [`MOST_ENTRIES`].
    pub dropped: usize,
}

#[derive(Default)]
struct Gathered {
    networks: Vec<(Network, u8)>,
    domains: Vec<u64>,
    hashes: Vec<u64>,
    entries: usize,
    malformed: usize,
    dropped: usize,
}

impl List {
    /// Reads a list.
    ///
    /// # Errors
    /// Where it cannot be read, or most of it is not understood: then it is no list, but perhaps a page that says so.
    pub fn open(path: &Path, settings: &ListSettings) -> Result<List, String> {
        let said = |why: String| format!("cannot use threat list {} ({}): {why}", settings.name, path.display());
        let file = File::open(path).map_err(|error| said(error.to_string()))?;
        let gathered = gather(BufReader::new(file), settings.column).map_err(|error| said(error.to_string()))?;
        if gathered.malformed > gathered.entries {
            let Gathered { malformed, entries, .. } = gathered;
            return Err(said(format!("{malformed} of its lines are not understood, {entries} are; is `column` right?")));
        }
        Ok(List::new(settings, gathered))
    }

    fn new(settings: &ListSettings, gathered: Gathered) -> List {
        let Gathered { networks, mut domains, mut hashes, entries, malformed, dropped } = gathered;
        for names in [&mut domains, &mut hashes] {
            names.sort_unstable();
            names.dedup();
            names.shrink_to_fit();
        }
        let (name, severity) = (settings.name.as_str().into(), settings.severity);
        List { name, severity, networks: Networks::new(networks), domains, hashes, entries, malformed, dropped }
    }

    /// One that has not been fetched yet.
    #[must_use]
    pub fn empty(settings: &ListSettings) -> List {
        List::new(settings, Gathered::default())
    }

    /// The entry that names an address.
    #[must_use]
    pub fn address(&self, address: IpAddr) -> Option<Network> {
        let prefix = self.networks.get(address).checked_sub(1)?;
        Some(Network::of(address, prefix))
    }

    /// The entry that names a domain or one that it is beneath of. `domain` in lower case.
    #[must_use]
    pub fn domain<'a>(&self, domain: &'a str) -> Option<&'a str> {
        if self.domains.is_empty() {
            return None;
        }
        let dots = domain.match_indices('.').map(|(at, _)| at + 1);
        let mut above = std::iter::once(0).chain(dots).map(|at| &domain[at..]);
        above.find(|domain| domain.contains('.') && self.domains.binary_search(&hash(domain.as_bytes())).is_ok())
    }

    /// Whether it names a hash, in lower-case hexadecimal.
    #[must_use]
    pub fn hash(&self, hex: &str) -> bool {
        self.hashes.binary_search(&hash(hex.as_bytes())).is_ok()
    }

    #[must_use]
    pub fn has_domains(&self) -> bool {
        !self.domains.is_empty()
    }

    #[must_use]
    pub fn has_hashes(&self) -> bool {
        !self.hashes.is_empty()
    }

    /// Bytes of memory taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.networks.bytes() + 8 * (self.domains.capacity() + self.hashes.capacity())
    }
}

fn gather(mut lines: impl BufRead, column: Option<usize>) -> io::Result<Gathered> {
    let mut gathered = Gathered::default();
    let mut line = Vec::new();
    while next_line(&mut lines, &mut line)? {
        match Indicator::of_line(&line, column) {
            Ok(None) => {}
            Err(NotUnderstood) => gathered.malformed += 1,
            Ok(Some(_)) if gathered.entries >= MOST_ENTRIES => gathered.dropped += 1,
            Ok(Some(indicator)) => gathered.take(indicator),
        }
    }
    Ok(gathered)
}

impl Gathered {
    fn take(&mut self, indicator: Indicator) {
        self.entries += 1;
        match indicator {
            Indicator::Network(network) => self.networks.push((network, network.prefix() + 1)),
            Indicator::Domain(domain) => self.domains.push(hash(domain.as_bytes())),
            Indicator::Hash(hex) => self.hashes.push(hash(hex.as_bytes())),
        }
    }
}

/// The next line, of one that is too long only its beginning; `false` at the end.
fn next_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let buffer = lines.fill_buf()?;
        if buffer.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        line.extend_from_slice(&part[..part.len().min((MOST_BYTES + 1).saturating_sub(line.len()))]);
        let used = end.map_or(buffer.len(), |end| end + 1);
        lines.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &[u8]) -> List {
        List::new(&ListSettings::default(), gather(text, None).unwrap())
    }

    #[test]
    fn an_entry_is_told_as_the_list_has_it() {
        let list = list(b"192.0.2.0/24\n192.0.2.7\nevil.example\nd41d8cd98f00b204e9800998ecf8427e\n2001:db8::/32\n");
        let entry = |address: &str| list.address(address.parse().unwrap()).map(|network| network.to_string());
        assert_eq!(entry("192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(entry("192.0.2.8").as_deref(), Some("192.0.2.0/24"));
        assert_eq!(entry("2001:db8::9").as_deref(), Some("2001:db8::/32"));
        assert_eq!(entry("192.0.3.1"), None);
        assert_eq!(list.domain("a.b.evil.example"), Some("evil.example"));
        assert_eq!(list.domain("notevil.example"), None);
        assert!(list.hash("d41d8cd98f00b204e9800998ecf8427e") && !list.hash("0"));
    }

    #[test]
    fn garbage_and_huge_lines_are_counted_and_take_no_memory() {
        let mut text = b"192.0.2.1\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', 8 << 20));
        text.extend(b"\n\xff\xff\xff\n192.0.2.2");
        let list = list(&text);
        assert_eq!((list.entries, list.malformed), (2, 2));
        assert!(list.bytes() < 64 << 10, "{} bytes", list.bytes());
    }

    #[test]
    fn a_million_entries_take_few_bytes_each() {
        use std::fmt::Write;
        let mut text = String::new();
        for n in 0..1_000_000_u32 {
            let _ = writeln!(text, "{}", std::net::Ipv4Addr::from_bits(n.wrapping_mul(0x9E37_79B1) | 0x1000_0000));
        }
        let list = list(text.as_bytes());
        assert_eq!((list.entries, list.malformed), (1_000_000, 0));
        assert!(list.bytes() < 24 << 20, "{} bytes", list.bytes());
        assert!(list.address(std::net::Ipv4Addr::from_bits(7_u32.wrapping_mul(0x9E37_79B1) | 0x1000_0000).into()).is_some());
    }

    #[test]
    fn a_page_that_is_no_list_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        std::fs::write(&path, "<html>\n<body>\nservice unavailable\n</body>\n").unwrap();
        let error = List::open(&path, &ListSettings::default()).unwrap_err();
        assert!(error.contains("4 of its lines are not understood, 0 are"), "{error}");
    }
}
