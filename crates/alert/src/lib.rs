//! From verdicts to what people are told: the [`Desk`] puts verdicts that belong together into one anomaly, and says when
//! an anomaly is worth telling; a [`Sink`] tells it.

mod budget;
mod desk;
mod incidents;
pub mod sink;

pub use budget::{Allowance, Budget};
pub use desk::{Change, Desk, Settings};
pub use incidents::{IncidentSettings, Incidents};
pub use sink::{Failure, Sink};
