//! Doors for programs: HTTP.

mod settings;

pub use settings::{Limits, Role, Secret, Settings, Tls, Token};
