//! Everything Lapwing keeps on disk.
//!
//! - [`Store`] and [`Reader`]: anomalies and counters per minute, in SQLite. Only this crate knows SQL.
//! - [`Journal`]: what was pushed and accepted, until it is part of a snapshot.
//! - [`snapshot`]: one consistent state of the whole pipeline.
//!
//! Plain blocking code: no thread, no async, no clock. Times are passed in.

mod anomalies;
mod disk;
mod error;
mod journal;
pub mod snapshot;

pub use anomalies::{Change, Cursor, Page, Query, Reader, Stats, Store};
pub use error::{Cause, Result, StoreError};
pub use journal::{Damage, Journal, Replay, Settings};
