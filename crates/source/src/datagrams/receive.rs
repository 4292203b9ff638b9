//! Several datagrams with one system call.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, getsockopt, recvmmsg, setsockopt, sockopt};

/// So many at most.
const MANY: usize = 64;

/// Nothing longer fits a datagram. What is never touched of it costs no memory.
const LONGEST: usize = 1 << 16;

/// Buffers, and what the last call put into them.
pub(super) struct Receiver {
    buffers: Vec<u8>,
    got: Vec<(usize, SocketAddr)>,
}

impl Default for Receiver {
    fn default() -> Self {
        Receiver { buffers: vec![0; MANY * LONGEST], got: Vec::new() }
    }
}

impl Receiver {
    /// Receives what is there; how many datagrams that was.
    pub(super) fn receive(&mut self, socket: &impl AsRawFd) -> io::Result<usize> {
        self.got.clear();
        // The headers hold pointers and cannot be kept: a task may move to another thread while it waits.
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(MANY, None);
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            self.buffers.chunks_exact_mut(LONGEST).map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let received = recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
        self.got.extend(received.map(|message| (message.bytes, message.address.as_ref().map_or(NOBODY, address))));
        Ok(self.got.len())
    }

    /// How long all of them are.
    pub(super) fn bytes(&self) -> usize {
        self.got.iter().map(|(length, _)| length).sum()
    }

    /// The datagrams of the last call, and where they came from.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (&[u8], SocketAddr)> {
        self.buffers.chunks_exact(LONGEST).zip(&self.got).map(|(buffer, &(length, from))| (&buffer[..length.min(LONGEST)], from))
    }
}

const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

fn address(from: &SockaddrStorage) -> SocketAddr {
    match (from.as_sockaddr_in(), from.as_sockaddr_in6()) {
        (Some(v4), _) => SocketAddr::new(v4.ip().into(), v4.port()),
        (_, Some(v6)) => SocketAddr::new(v6.ip().into(), v6.port()),
        _ => NOBODY,
    }
}

/// Bytes that the system keeps for a socket until they are received, as it counts them.
pub(super) fn buffer(socket: &std::net::UdpSocket) -> usize {
    getsockopt(socket, sockopt::RcvBuf).unwrap_or(0)
}

/// Asks for a receive buffer of that size: beyond the system's limit where that is allowed, else up to it.
pub(super) fn set_buffer(socket: &std::net::UdpSocket, bytes: usize) {
    if setsockopt(socket, sockopt::RcvBufForce, &bytes).is_err() {
        // The system's own size is still one to work with.
        _ = setsockopt(socket, sockopt::RcvBuf, &bytes);
    }
}
