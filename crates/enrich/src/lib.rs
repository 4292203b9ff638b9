//! What is known of an address besides what a record says of it: where it is, whose, how much it matters, who warns of it.
//!
//! An [`Enrichment`] holds all tables and lists; it is immutable and exchanged as a whole. An [`Enricher`] adds what it knows to
//! events. Nothing here asks anybody: tables come with Lapwing or lie in files.

mod allow;
mod assets;
mod builder;
mod builtin;
mod class;
mod database;
mod enricher;
mod enrichment;
mod indicator;
mod list;
mod networks;
#[cfg(test)]
mod packed;
mod ranges;
pub mod reverse;
mod settings;
mod table;
mod yaml;

pub use allow::{AllowList, Allowed};
pub use assets::Assets;
pub use builder::Builder;
pub use builtin::ATTRIBUTION;
pub use class::class;
pub use database::Database;
pub use enricher::Enricher;
pub use enrichment::Enrichment;
pub use indicator::{Indicator, NotUnderstood};
pub use list::List;
pub use networks::Networks;
pub use settings::{ListSettings, NetworkLists, ReverseDns, Settings};
pub use table::{Label, Table};
