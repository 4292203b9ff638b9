//! The words of Lapwing: what a record, an event, a finding, a verdict and an anomaly are.
//!
//! Nothing here does anything: no I/O, no clock, no thread, no async. Every other crate stands on this one.
//!
//! One word for one thing, everywhere: a [`Record`] is bytes as they came; an [`Event`] is what was understood of them; a
//! [`Finding`] is what one detector says of one event; a [`Verdict`] is what the ensemble concludes of one event; an
//! [`Anomaly`] is verdicts that belong together, stored and listed; an *alert* is the telling of it to people.

mod anomaly;
mod datagram;
mod entity;
mod event;
mod field;
mod finding;
mod flow;
mod incident;
mod known;
mod mark;
mod network;
mod others;
mod printable;
mod record;
mod score;
mod text;
mod time;

pub use anomaly::{Anomaly, AnomalyId, Evidence, State};
pub use datagram::Datagram;
pub use entity::{Entity, Keys, PARTITIONS, Scope, hash, partition};
pub use event::{Clock, Detail, Event, Level, Log, Web, network_name};
pub use field::{Field, Homes, Value};
pub use finding::{Finding, Part, Verdict};
pub use flow::{Action, ConnectionState, Direction, Flow};
pub use incident::{Incident, Stage, Step};
pub use known::{Asset, AutonomousSystem, Country, Criticality, Fact, Known, NetworkClass, Threat};
pub use mark::Mark;
pub use network::{Network, NotANetwork, allows};
pub use others::Others;
pub use printable::{Printable, is_harmless, printable};
pub use record::{Origin, Position, Reading, Record};
pub use score::{Score, Severity};
pub use text::Text;
pub use time::Timestamp;
