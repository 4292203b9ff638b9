//! How long something took, as people write it.

use std::time::Duration;

/// A number with its unit: `12ms`, `3.2s`, `1.5 seconds`, `150µs`.
pub(crate) fn with_unit(bytes: &[u8]) -> Option<Duration> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let unit = bytes[digits..].trim_ascii_start();
    scaled(&bytes[..digits], nanos_in(unit)?)
}

/// Nanoseconds in a unit.
pub(crate) fn nanos_in(unit: &[u8]) -> Option<f64> {
    Some(match unit {
        b"ns" | b"nanos" | b"nanoseconds" => 1.0,
        b"us" | b"\xc2\xb5s" | b"\xce\xbcs" | b"micros" | b"usec" | b"microseconds" => 1e3,
        b"ms" | b"msec" | b"msecs" | b"millis" | b"millisecond" | b"milliseconds" => 1e6,
        b"s" | b"sec" | b"secs" | b"second" | b"seconds" => 1e9,
        b"m" | b"min" | b"mins" | b"minute" | b"minutes" => 60e9,
        b"h" | b"hour" | b"hours" => 3600e9,
        _ => return None,
    })
}

/// A number of seconds, perhaps with a fraction.
pub(crate) fn in_seconds(bytes: &[u8]) -> Option<Duration> {
    scaled(bytes, 1e9)
}

/// A plain decimal number of units of so many nanoseconds; none where it is no number or longer than a century.
pub(crate) fn scaled(number: &[u8], nanos: f64) -> Option<Duration> {
    const CENTURY: f64 = 3.2e18;
    if number.is_empty() || number.len() > 32 || !number[0].is_ascii_digit() {
        return None;
    }
    let value: f64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    let nanos = (value * nanos).round();
    (0.0..CENTURY).contains(&nanos).then(|| Duration::from_nanos(nanos as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_with_units() {
        let table = [
            ("12ms", 12_000_000),
            ("3.2s", 3_200_000_000),
            ("1.5 seconds", 1_500_000_000),
            ("150µs", 150_000),
            ("7ns", 7),
            ("2m", 120_000_000_000),
        ];
        for (text, nanos) in table {
            assert_eq!(with_unit(text.as_bytes()), Some(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_none() {
        for text in ["", "ms", "12", "12 rows", "1.2.3s", "-3s", "1e300s", "99999999999999h"] {
            assert_eq!(with_unit(text.as_bytes()), None, "{text}");
        }
        assert_eq!(in_seconds(b"nan"), None);
        assert_eq!(in_seconds(b"1e400"), None);
    }
}
