//! IP addresses as people write them in logs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address that all of `bytes` are: IPv4 (no leading zeros: those are version numbers and dates), IPv6 (also in
/// brackets, or with a zone such as `%eth0`). An IPv4 address mapped into IPv6 is told as the IPv4 address it is.
pub(crate) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Some((address, used)) = v4(bytes) {
        return (used == bytes.len()).then_some(IpAddr::V4(address));
    }
    let inner = bytes.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(bytes);
    v6(inner)
}

/// The same, perhaps with a port: `203.0.113.9:443`, `[2001:db8::1]:443`.
pub(crate) fn with_port(bytes: &[u8]) -> Option<IpAddr> {
    if let Some((address, used)) = v4(bytes) {
        return (used == bytes.len() || is_port(&bytes[used..])).then_some(IpAddr::V4(address));
    }
    if bytes.first() == Some(&b'[') {
        let end = memchr::memchr(b']', bytes)?;
        return (end + 1 == bytes.len() || is_port(&bytes[end + 1..])).then(|| v6(&bytes[1..end]))?;
    }
    v6(bytes)
}

fn is_port(bytes: &[u8]) -> bool {
    matches!(bytes, [b':', digits @ ..] if (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit))
}

/// The IPv4 address at the beginning of `bytes`, and the bytes it takes. What follows it is not looked at, but for digits
/// and a further dot with a digit.
pub(crate) fn v4(bytes: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let mut octets = [0_u8; 4];
    let mut at = 0;
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            if bytes.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        let first = bytes.get(at).filter(|byte| byte.is_ascii_digit())? - b'0';
        let mut value = u32::from(first);
        at += 1;
        while let Some(digit) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
            value = value * 10 + u32::from(digit - b'0');
            at += 1;
            if value > 255 || first == 0 {
                return None;
            }
        }
        *octet = value as u8;
    }
    let continues = matches!(bytes[at..], [b'.', b'0'..=b'9', ..]);
    (!continues).then_some((Ipv4Addr::from(octets), at))
}

/// The IPv6 address that all of `bytes` are.
pub(crate) fn v6(bytes: &[u8]) -> Option<IpAddr> {
    let bytes = &bytes[..memchr::memchr(b'%', bytes).unwrap_or(bytes.len())];
    if !(2..=45).contains(&bytes.len()) || !bytes.contains(&b':') {
        return None;
    }
    let address: Ipv6Addr = std::str::from_utf8(bytes).ok()?.parse().ok()?;
    Some(IpAddr::V6(address).to_canonical())
}

/// Whether an address is of a network of one's own: loopback, private, link-local, unique local.
pub(crate) fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || matches!(v6.segments()[0], 0xfc00..=0xfdff | 0xfe80..=0xfebf),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_in_all_their_spellings() {
        let table = [
            ("203.0.113.9", "203.0.113.9"),
            ("0.0.0.0", "0.0.0.0"),
            ("2001:DB8::1", "2001:db8::1"),
            ("[::1]", "::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
        ];
        for (text, address_text) in table {
            assert_eq!(address(text.as_bytes()), address_text.parse().ok(), "{text}");
        }
        assert_eq!(with_port(b"203.0.113.9:443"), "203.0.113.9".parse().ok());
        assert_eq!(with_port(b"[::1]:80"), "::1".parse().ok());
    }

    #[test]
    fn versions_dates_and_times_are_no_addresses() {
        for text in
            ["1.2.3", "2005.06.03.01", "32.0.1700.77", "1.2.3.4.5", "1.2.3.04", "10:05:03", "", "256.1.1.1", "1.2.3.4:x", "a:b"]
        {
            assert_eq!(address(text.as_bytes()), None, "{text}");
            assert_eq!(with_port(text.as_bytes()), None, "{text}");
        }
    }
}
