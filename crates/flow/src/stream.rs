//! IPFIX over TCP (RFC 7011, 10.4): messages one after another, each telling its length.

use std::fmt;

/// Cuts a stream into messages. Holds at most one message, 65,535 octets, beside what was pushed last.
#[derive(Debug, Default)]
pub struct Framer {
    held: Vec<u8>,
}

/// The stream is not of IPFIX, or no longer: where its next message begins cannot be known, so it has to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotIpfix;

impl fmt::Display for NotIpfix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an IPFIX message: version or length is wrong, so the connection has to be closed")
    }
}

impl std::error::Error for NotIpfix {}

const HEADER: usize = 16;

impl Framer {
    /// A framer at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Framer::default()
    }

    /// Takes what was read of the stream, and hands on each whole message.
    ///
    /// # Errors
    /// [`NotIpfix`] where a message begins with another version, or is shorter than its header. Messages before it were handed on.
    pub fn push(&mut self, mut bytes: &[u8], mut message: impl FnMut(&[u8])) -> Result<(), NotIpfix> {
        loop {
            if self.held.is_empty() {
                // Whole messages are handed on as they are, without a copy.
                while let Some(length) = length(bytes)? {
                    let Some((whole, rest)) = bytes.split_at_checked(length) else { break };
                    message(whole);
                    bytes = rest;
                }
                self.held.extend_from_slice(bytes);
                return Ok(());
            }
            let wanted = length(&self.held)?.unwrap_or(4);
            let (more, rest) = bytes.split_at(wanted.saturating_sub(self.held.len()).min(bytes.len()));
            self.held.extend_from_slice(more);
            bytes = rest;
            match length(&self.held)? {
                Some(length) if self.held.len() >= length => {
                    message(&self.held);
                    self.held.clear();
                }
                _ if bytes.is_empty() => return Ok(()),
                _ => {}
            }
        }
    }
}

/// The length of the message that begins here; `None` where too little is there to tell.
fn length(bytes: &[u8]) -> Result<Option<usize>, NotIpfix> {
    let &[major, minor, high, low, ..] = bytes else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if (major, minor) == (0, 10) && length >= HEADER { Ok(Some(length)) } else { Err(NotIpfix) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u16, fill: u8) -> Vec<u8> {
        let mut message = vec![0, 10];
        message.extend(length.to_be_bytes());
        message.resize(usize::from(length), fill);
        message
    }

    #[test]
    fn messages_are_the_same_however_the_stream_is_cut() {
        let stream = [message(16, 1), message(300, 2), message(20, 3)].concat();
        for piece in 1..stream.len() {
            let mut framer = Framer::new();
            let mut lengths = Vec::new();
            for bytes in stream.chunks(piece) {
                framer.push(bytes, |message| lengths.push(message.len())).expect("IPFIX");
            }
            assert_eq!(lengths, [16, 300, 20], "in pieces of {piece}");
        }
    }

    #[test]
    fn a_stream_of_something_else_is_refused() {
        assert_eq!(Framer::new().push(b"GET / HTTP/1.1", |_| {}), Err(NotIpfix));
        assert_eq!(Framer::new().push(&[0, 10, 0, 15], |_| {}), Err(NotIpfix));
    }
}
