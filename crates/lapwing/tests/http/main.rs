//! The HTTP door, from outside: a real listener on loopback before a real service in a temporary directory.

mod access;
mod anomalies;
mod detect;
mod events;
mod feedback;
mod limits;
mod logs;
mod routes;
mod serving;
mod support;
