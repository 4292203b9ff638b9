//! What a line of a threat list names.

use std::net::{IpAddr, SocketAddr};

use lapwing_model::Network;

/// Something to look out for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Indicator {
    Network(Network),
    /// In lower case; what is beneath it counts as well.
    Domain(String),
    /// A file's MD5, SHA-1, SHA-256 or SHA-512, in lower-case hexadecimal.
    Hash(String),
}

/// Longer lines name nothing.
pub const MOST_BYTES: usize = 4096;

/// Networks that take in more of the world than this are a mistake, whoever says so.
const WIDEST: (u8, u8) = (8, 16);

/// Nobody can say what a line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotUnderstood;

impl Indicator {
    /// What a line names, by its column of comma-separated values (counted from 1) or else by its first word; none where it is
    /// empty or a comment.
    ///
    /// # Errors
    /// Where it is too long, no text, or names nothing.
    pub fn of_line(line: &[u8], column: Option<usize>) -> Result<Option<Indicator>, NotUnderstood> {
        if line.len() > MOST_BYTES {
            return Err(NotUnderstood);
        }
        let line = std::str::from_utf8(line).map_err(|_| NotUnderstood)?.trim();
        if line.is_empty() || line.starts_with(['#', ';', '!']) || line.starts_with("//") {
            return Ok(None);
        }
        let text = match column {
            Some(column) => field(line, column).ok_or(NotUnderstood)?,
            None => first_word(line),
        };
        Indicator::of(text).map(Some).ok_or(NotUnderstood)
    }

    /// What a text names. Dots in brackets, as analysts write them so that nobody clicks, are dots.
    #[must_use]
    pub fn of(text: &str) -> Option<Indicator> {
        let plain = text.replace("[.]", ".").replace("[:]", ":");
        if let Ok(network) = plain.parse::<Network>() {
            let widest = if network.first().is_ipv4() { WIDEST.0 } else { WIDEST.1 };
            return (network.prefix() >= widest).then(|| Indicator::Network(canonical(network)));
        }
        if let Ok(socket) = plain.parse::<SocketAddr>() {
            return Some(Indicator::Network(Network::of(socket.ip().to_canonical(), u8::MAX)));
        }
        if matches!(plain.len(), 32 | 40 | 64 | 128) && plain.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Some(Indicator::Hash(plain.to_ascii_lowercase()));
        }
        let host = host_of(&plain);
        match host.parse::<IpAddr>() {
            Ok(address) => Some(Indicator::Network(Network::of(address.to_canonical(), u8::MAX))),
            Err(_) => domain(host.trim_start_matches("*.").trim_matches('.')).map(Indicator::Domain),
        }
    }
}

/// The host of a URL, or the text itself.
fn host_of(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    host.split_once(':').map_or(host, |(host, _)| host)
}

/// The first word, or the second one of a hosts file.
fn first_word(line: &str) -> &str {
    let code = line.split(['#', ';']).next().unwrap_or(line);
    let mut words = code.split_whitespace();
    match (words.next(), words.next()) {
        (Some("0.0.0.0" | "127.0.0.1" | "::1"), Some(host)) => host,
        (first, _) => first.unwrap_or_default(),
    }
}

/// One field of comma-separated values, counted from 1.
fn field(line: &str, column: usize) -> Option<&str> {
    let mut quoted = false;
    let mut fields = line.split(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    fields.nth(column.checked_sub(1)?).map(|field| field.trim().trim_matches('"').trim())
}

/// An IPv4 address that is written as IPv6 is an IPv4 address.
fn canonical(network: Network) -> Network {
    match (network.first().to_canonical(), network.prefix().checked_sub(96)) {
        (IpAddr::V4(v4), Some(prefix)) if network.first().is_ipv6() => Network::of(v4.into(), prefix),
        _ => network,
    }
}

/// A domain of at least two labels, in lower case.
fn domain(text: &str) -> Option<String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || byte >= 0x80)
    };
    let top = text.rsplit('.').next()?;
    let sound = text.len() <= 253
        && text.contains('.')
        && text.split('.').all(label)
        && top.bytes().any(|byte| byte.is_ascii_alphabetic() || byte >= 0x80);
    sound.then(|| text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str) -> String {
        match Indicator::of_line(line.as_bytes(), None) {
            Ok(Some(Indicator::Network(network))) => network.to_string(),
            Ok(Some(Indicator::Domain(domain))) => domain,
            Ok(Some(Indicator::Hash(hash))) => format!("hash {hash}"),
            Ok(None) => "nothing".to_owned(),
            Err(NotUnderstood) => "not understood".to_owned(),
        }
    }

    #[test]
    fn lines_are_understood_as_lists_write_them() {
        for (line, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7   # seen today", "192.0.2.7"),
            ("192.0.2.0/24 ; SBL1", "192.0.2.0/24"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("192.0.2.7:443", "192.0.2.7"),
            ("192[.]0[.]2[.]7", "192.0.2.7"),
            ("Evil.Example", "evil.example"),
            ("*.evil.example.", "evil.example"),
            ("hxxp://user@evil[.]example:8080/a?b", "evil.example"),
            ("http://192.0.2.7/x.sh", "192.0.2.7"),
            ("0.0.0.0 evil.example", "evil.example"),
            ("D41D8CD98F00B204E9800998ECF8427E", "hash d41d8cd98f00b204e9800998ecf8427e"),
            ("# comment", "nothing"),
            ("", "nothing"),
            ("0.0.0.0/0", "not understood"),
            ("10.0.0.0/7", "not understood"),
            ("localhost", "not understood"),
            ("a..example", "not understood"),
            ("192.0.2", "not understood"),
        ] {
            assert_eq!(named(line), expected, "{line}");
        }
    }

    #[test]
    fn a_column_of_comma_separated_values_is_read() {
        let second = |line: &str| Indicator::of_line(line.as_bytes(), Some(2));
        let address = Indicator::Network("192.0.2.7".parse().unwrap());
        assert_eq!(second("\"2026-01-01, noon\",\"192.0.2.7\",443"), Ok(Some(address)));
        assert_eq!(second("one field"), Err(NotUnderstood));
        assert_eq!(Indicator::of_line(b"a", Some(0)), Err(NotUnderstood));
    }

    #[test]
    fn what_is_too_long_or_no_text_is_not_understood() {
        assert_eq!(Indicator::of_line(&[b'a'; MOST_BYTES + 1], None), Err(NotUnderstood));
        assert_eq!(Indicator::of_line(b"\xff\xfe\x00", None), Err(NotUnderstood));
    }
}
