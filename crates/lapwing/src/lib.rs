//! The upper floors of Lapwing: [`pipeline`] (threads and channels), [`server`] (doors for programs), [`cli`] (doors for people).
//!
//! A module uses only the floors beneath its own; `tests/floors.rs` holds them to it.

pub mod cli;
pub mod pipeline;
pub mod server;
