//! Templates of log lines and web requests, mined online: `Failed password for <*> from <*> port <*>`.
//!
//! A text goes through two steps. [`skeleton`] is pure and fast and runs wherever texts are parsed: it hashes the words of a
//! text and leaves out what shows by its form that it is a value. [`Miner::resolve`] then runs in the order of the input and
//! puts the text under a template: one lookup where the skeleton was seen before, and the text itself is not looked at.
//! Only for a new skeleton is it compared with templates of as many parts that begin or end with the same word.
//!
//! What shows by its form is not all: names of users, services and states are words. So each word makes a template of its own
//! at first, and when enough templates differ at just one place, they are merged and the place is a value from then on. How
//! many are enough depends on how the words look and where they stand (see `similar`). The ids of merged templates stay
//! known: [`Miner::current`] tells what became of them.
//!
//! Nothing depends on chance, hashing order or the machine, and memory is bounded whatever comes.

mod aliases;
mod cache;
mod leaves;
mod miner;
mod paths;
mod pattern;
mod shapes;
mod similar;
mod state;
#[cfg(test)]
mod tests;
mod tokens;
mod words;

pub use miner::{Miner, Resolved};
pub use paths::path_skeleton;
pub use pattern::{Mined, Template};
pub use tokens::skeleton;

/// What people can set of the miner.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many templates are kept; beyond that those not used for longest are forgotten. At least 64.
    pub capacity: usize,
    /// How many rare names in one place of a path make it a value (`/shop/<*>`). 2 to 100.
    pub path_values: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { capacity: 16_384, path_values: 24 }
    }
}
