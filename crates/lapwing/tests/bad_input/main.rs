//! Bad input, and bad places to run in: what is lost is counted, what is wrong is said, memory stays flat, the service lives.
//!
//! Every test runs the real binary. Input is made on the fly: nothing large is on disk or in the repository.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;

mod connections;
mod disk;
mod endless;
mod flood;
mod garbage;
mod mistakes;
mod support;
mod terminal;
mod times;
