//! Levels as numbers.

use lapwing_model::Level;

use crate::line::number;

/// The level that a syslog severity from 0 (emergency) to 7 (debug) is.
pub(crate) fn severity(severity: u64) -> Level {
    match severity {
        0..=2 => Level::Fatal,
        3 => Level::Error,
        4 => Level::Warn,
        5 | 6 => Level::Info,
        7 => Level::Debug,
        _ => Level::Unset,
    }
}

/// A level by name, by syslog's number (0 to 7) or by pino's and bunyan's (10 to 60).
pub(crate) fn of(written: &[u8]) -> Level {
    match number(written) {
        Some(number @ 0..=7) => severity(number),
        Some(10..=19) => Level::Trace,
        Some(20..=29) => Level::Debug,
        Some(30..=39) => Level::Info,
        Some(40..=49) => Level::Warn,
        Some(50..=59) => Level::Error,
        Some(60..=69) => Level::Fatal,
        Some(_) => Level::Unset,
        None => Level::named(written),
    }
}
