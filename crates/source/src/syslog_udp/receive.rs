//! Several datagrams with one system call.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt};

/// So many at most.
const MANY: usize = 64;

/// Nothing longer fits a datagram. What is never touched of it costs no memory.
const LONGEST: usize = 1 << 16;

/// Buffers, and what the last call put into them.
pub(super) struct Receiver {
    buffers: Vec<u8>,
    got: Vec<(usize, IpAddr)>,
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

    /// How long a datagram of the last call is, and where it came from.
    pub(super) fn length(&self, at: usize) -> (usize, IpAddr) {
        self.got.get(at).copied().unwrap_or((0, NOBODY))
    }

    /// How long all of them are.
    pub(super) fn bytes(&self) -> usize {
        self.got.iter().map(|(length, _)| length).sum()
    }

    pub(super) fn datagrams(&self) -> impl Iterator<Item = (&[u8], IpAddr)> {
        self.buffers.chunks_exact(LONGEST).zip(&self.got).map(|(buffer, &(length, from))| (&buffer[..length.min(LONGEST)], from))
    }
}

const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

fn address(from: &SockaddrStorage) -> IpAddr {
    match (from.as_sockaddr_in(), from.as_sockaddr_in6()) {
        (Some(v4), _) => IpAddr::V4(v4.ip()),
        (_, Some(v6)) => IpAddr::V6(v6.ip()),
        _ => NOBODY,
    }
}

/// Asks for a receive buffer of that size: beyond the system's limit where that is allowed, else up to it.
pub(super) fn set_buffer(socket: &std::net::UdpSocket, bytes: usize) {
    if setsockopt(socket, sockopt::RcvBufForce, &bytes).is_err() {
        // The system's own size is still one to work with.
        _ = setsockopt(socket, sockopt::RcvBuf, &bytes);
    }
}
