//! Where records come from: files that are read once, and live sources that go on until they are stopped.
//!
//! A source cuts what it reads into [`Record`](lapwing_model::Record)s and hands them on as [`Block`]s through an
//! [`Intake`], which is bounded: who is faster than the pipeline waits. Each live source is one file with its settings,
//! its `SUMMARY` and its `build`; `sources!` below makes [`Settings`] and [`ALL`] of them.
//!
//! The wall clock is read only through the `clock` that the caller gives, and only to stamp `received`.

mod block;
mod columns;
mod counters;
mod datagrams;
mod error;
pub mod files;
mod find;
pub mod frames;
pub mod lines;
mod listen;
mod messages;
pub mod multiline;
mod push;
mod senders;
pub mod tls;
mod unpack;

pub mod ipfix_tcp;
pub mod netflow;
pub mod stdin;
pub mod syslog_tcp;
pub mod syslog_tls;
pub mod syslog_udp;
pub mod tail;
pub mod tcp;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use lapwing_model::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use block::{Accepted, BLOCK, BLOCK_BYTES, Block, Bookmark, Closed, Intake, NotTaken, Refused, intake};
pub use columns::Heading;
pub use counters::{Counters, Tally, loss};
pub use error::SourceError;
pub use lapwing_model::{Network, NotANetwork};

/// Where each source was when the state was saved last, by [`Bookmark::key`].
pub type Bookmarks = HashMap<Box<str>, Vec<u8>>;

/// A running source. It ends with `Ok` at the end of its input, when it is told to stop and when the intake is closed.
pub type Task = Pin<Box<dyn Future<Output = Result<(), SourceError>> + Send>>;

/// Something that goes on giving records until it is told to stop.
pub trait Source: Send {
    /// As in [`ALL`].
    fn name(&self) -> &str;

    /// The address it listens on, where it does: the real one, also when the settings asked for port 0.
    fn address(&self) -> Option<SocketAddr> {
        None
    }

    /// All of them, where there are several.
    fn addresses(&self) -> Vec<SocketAddr> {
        self.address().into_iter().collect()
    }

    /// Reads until the end of the input, until `context.stop` is true or its sender gone, or until the intake is closed.
    fn run(self: Box<Self>, context: Context) -> Task;
}

/// What a source is given to run with.
#[derive(Debug, Clone)]
pub struct Context {
    pub intake: Intake,
    /// Becomes true when the source shall hand on what it has and end.
    pub stop: watch::Receiver<bool>,
    /// Stamps [`Record::received`](lapwing_model::Record::received).
    pub clock: fn() -> Timestamp,
    pub bookmarks: Bookmarks,
    pub counters: Arc<Counters>,
}

/// A source that is ready to run; nothing where the settings leave it off.
pub type Built = Result<Option<Box<dyn Source>>, SourceError>;

/// One kind of live source, for the configuration, the documentation, the metrics and the tests.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its key under `sources` in the configuration.
    pub name: &'static str,
    /// One sentence for people.
    pub summary: &'static str,
    /// Makes the source ready (binds, checks); nothing where the settings leave it off.
    ///
    /// # Errors
    /// Where it can not do what the settings ask.
    pub build: fn(&Settings) -> Built,
}

/// Makes [`Settings`] and [`ALL`] of the modules of the sources.
macro_rules! sources {
    ($($name:ident)*) => {
        /// The section `sources` of the configuration: one part per kind.
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Settings {
            $(pub $name: $name::Settings,)*
        }

        /// Every kind of live source.
        pub const ALL: &[Kind] = &[
            $(Kind { name: stringify!($name), summary: $name::SUMMARY, build: |settings| $name::build(&settings.$name) },)*
        ];
    };
}

sources! {
    ipfix_tcp
    netflow
    stdin
    syslog_tcp
    syslog_tls
    syslog_udp
    tail
    tcp
}

/// Makes every source ready that the settings switch on.
///
/// # Errors
/// The first source that can not do what its settings ask: a port in use, a pattern that is none.
pub fn build(settings: &Settings) -> Result<Vec<Box<dyn Source>>, SourceError> {
    ALL.iter().filter_map(|kind| (kind.build)(settings).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_key_in_the_settings_is_refused() {
        assert!(serde_json::from_str::<Settings>(r#"{"tcp":{"listen":"127.0.0.1:0"}}"#).is_ok());
        let error = serde_json::from_str::<Settings>(r#"{"tcp":{"lissten":"127.0.0.1:0"}}"#).unwrap_err();
        assert!(error.to_string().contains("lissten"), "{error}");
    }

    #[test]
    fn settings_read_back_as_they_are_written() {
        let text = serde_json::to_string(&Settings::default()).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), Settings::default());
    }

    #[test]
    fn every_kind_has_its_own_name_and_a_summary() {
        for (i, kind) in ALL.iter().enumerate() {
            assert!(!kind.summary.is_empty());
            assert!(ALL[..i].iter().all(|other| other.name != kind.name));
        }
    }
}
