//! When an event happened: the layouts people write times in, and what a time without zone or year stands for.

mod calendar;
mod layout;
mod zone;

pub(crate) use layout::{LastDay, clf, leading, whole};
pub(crate) use zone::Zones;
pub use zone::check_zone;

/// A time as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// Seconds since 1970 in UTC.
    Utc { second: i64, nano: u32 },
    /// Seconds since 1970 on the clock of a zone that is not written.
    Local { second: i64, nano: u32 },
    /// Neither zone nor year are written; `second` is that of the day.
    Yearless { month: u32, day: u32, second: u32, nano: u32 },
}

#[cfg(test)]
mod tests;
