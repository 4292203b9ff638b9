//! Network telemetry: datagrams and captures in, flows out.
//!
//! [`Decoder`] reads what exporters send: NetFlow v5, v7 and v9 (RFC 3954), IPFIX (RFC 7011, also cut out of a stream by
//! [`Framer`]) and sFlow v5. Templates are compiled to a plan when they come, so that a record costs a step for each column it
//! fills. [`Capture`] reads pcap and pcapng, [`dissect`] a frame of it, and [`Aggregator`] makes flows of packets. One [`Flow`] is
//! what all of them make.
//!
//! Everything in a datagram was written by others: nothing panics, allocates what is only claimed, or takes longer than the bytes
//! that are there. What is kept is bounded. There is no clock: when something was received is told by the caller.

mod aggregate;
mod capture;
mod column;
mod decoder;
mod fixed;
mod flow;
mod held;
mod outcome;
mod packet;
mod plan;
mod recent;
mod rows;
mod saved;
mod sequence;
mod session;
mod sets;
mod settings;
mod sflow;
mod stream;
mod template;
mod wire;

pub use aggregate::{Aggregator, Timeouts};
pub use capture::{Capture, CaptureError, Frame};
pub use decoder::Decoder;
pub use flow::{ConnState, Direction, EndReason, Flow};
pub use outcome::{Counters, Malformed, Outcome};
pub use packet::{Fragment, Link, Packet, dissect};
pub use rows::Record;
pub use saved::BadState;
pub use settings::Settings;
pub use stream::{Framer, NotIpfix};
pub use template::FieldSpec;
