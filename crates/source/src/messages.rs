//! Cuts a stream into IPFIX messages (RFC 7011, 10.4), each behind who sent it, as [`Datagram`] has it.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use lapwing_model::{Datagram, Position};

use crate::lines::Line;

const VERSION: u16 = 10;
/// A message is never shorter than its header.
const HEADER: usize = 16;

/// The framer: chunks in, messages out, the same however the stream is cut into chunks.
#[derive(Debug)]
pub(crate) struct Framer {
    sender: SocketAddr,
    chunks: VecDeque<Bytes>,
    /// Of the message that has begun.
    held: BytesMut,
    /// Where the next message begins can no longer be known.
    lost: bool,
    broken: u64,
}

impl Framer {
    pub(crate) fn new(sender: SocketAddr) -> Framer {
        Framer { sender, chunks: VecDeque::new(), held: BytesMut::new(), lost: false, broken: 0 }
    }

    pub(crate) fn feed(&mut self, chunk: Bytes) {
        if !self.lost && !chunk.is_empty() {
            self.chunks.push_back(chunk);
        }
    }

    /// The next whole message.
    pub(crate) fn next_line(&mut self) -> Option<Line> {
        self.fill(4)?;
        let (version, length) = (u16::from_be_bytes([self.held[0], self.held[1]]), [self.held[2], self.held[3]]);
        let length = usize::from(u16::from_be_bytes(length));
        if version != VERSION || length < HEADER {
            self.lost = true;
            self.broken += 1;
            self.chunks.clear();
            self.held.clear();
            return None;
        }
        self.fill(length)?;
        let mut body = BytesMut::with_capacity(Datagram::HEAD + length);
        body.extend_from_slice(&Datagram::head(self.sender));
        body.extend_from_slice(&self.held);
        self.held.clear();
        Some(Line { body: body.freeze(), position: Position::default(), cut: false })
    }

    /// At the end of the stream a message that has only begun is broken.
    pub(crate) fn finish(&mut self) -> Option<Line> {
        let line = self.next_line();
        if line.is_none() && self.pending() > 0 {
            self.broken += 1;
            self.held.clear();
        }
        line
    }

    /// How many bytes are kept of a message that is not complete.
    pub(crate) fn pending(&self) -> usize {
        self.held.len()
    }

    /// Whether the stream is of something else, so that nothing more can come of it.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// How many messages broke off since the last call, or were none.
    pub(crate) fn take_broken(&mut self) -> u64 {
        std::mem::take(&mut self.broken)
    }

    /// Moves bytes until so many of the message are held; nothing where they have not come yet.
    fn fill(&mut self, wanted: usize) -> Option<()> {
        while self.held.len() < wanted {
            let chunk = self.chunks.front_mut()?;
            let more = chunk.split_to((wanted - self.held.len()).min(chunk.len()));
            self.held.extend_from_slice(&more);
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u16, fill: u8) -> Vec<u8> {
        let mut message = [VERSION.to_be_bytes(), length.to_be_bytes()].concat();
        message.resize(usize::from(length), fill);
        message
    }

    fn framer() -> Framer {
        Framer::new("192.0.2.1:4739".parse().unwrap())
    }

    #[test]
    fn messages_are_the_same_however_the_stream_is_cut() {
        let messages = [message(16, 1), message(300, 2), message(20, 3)];
        let stream = messages.concat();
        for piece in 1..stream.len() {
            let mut framer = framer();
            let mut cut = Vec::new();
            for chunk in stream.chunks(piece) {
                framer.feed(Bytes::copy_from_slice(chunk));
                while let Some(line) = framer.next_line() {
                    cut.push(Datagram::read(&line.body).expect("a sender").content.to_vec());
                }
            }
            assert_eq!(cut, messages, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_stream_of_something_else_is_given_up_and_counted_once() {
        let mut framer = framer();
        framer.feed(Bytes::from_static(b"GET / HTTP/1.1\r\n"));
        framer.feed(message(16, 1).into());
        assert!(framer.next_line().is_none() && framer.is_lost());
        assert!(framer.finish().is_none());
        assert_eq!((framer.take_broken(), framer.pending()), (1, 0));
    }

    #[test]
    fn a_message_that_breaks_off_is_counted() {
        let mut framer = framer();
        framer.feed(message(40, 1)[..39].to_vec().into());
        assert!(framer.next_line().is_none() && framer.finish().is_none());
        assert_eq!(framer.take_broken(), 1);
    }
}
