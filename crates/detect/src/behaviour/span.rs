//! Durations as people write and read them.

/// `10s`, `500ms`, `5m`, `1h`, `2d` in nanoseconds; at most 30 days.
pub(super) fn nanos(text: &str) -> Option<i64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: i64 = text[..digits].parse().ok().filter(|number| *number > 0)?;
    let unit = match &text[digits..] {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3600 * 1_000_000_000,
        "d" => 86_400 * 1_000_000_000,
        _ => return None,
    };
    number.checked_mul(unit).filter(|nanos| *nanos <= 30 * 86_400 * 1_000_000_000)
}

/// About how long, in the largest unit that fits at least twice.
pub(super) fn words(nanos: i64) -> String {
    let seconds = nanos as f64 / 1e9;
    match seconds {
        ..2.0 => format!("{seconds:.1} s"),
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.0} h", seconds / 3600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        assert_eq!(nanos("500ms"), Some(500_000_000));
        assert_eq!(nanos("2h"), Some(7_200_000_000_000));
        for wrong in ["", "s", "10", "0s", "31d", "-1s", "1.5s"] {
            assert_eq!(nanos(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_are_told_in_units_that_fit() {
        for (text, told) in [("500ms", "0.5 s"), ("119s", "119 s"), ("10m", "10 min"), ("3h", "3 h"), ("4d", "4 days")] {
            assert_eq!(words(nanos(text).unwrap()), told);
        }
    }
}
