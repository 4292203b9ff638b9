use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A datagram and who sent it, as they travel in the body of one record: exporters of flows are told apart by address and
/// port, and there are more of them than origins can have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    pub sender: SocketAddr,
    pub content: &'a [u8],
}

/// So many bytes of the body stand before the content: the address as IPv6 (IPv4 mapped into it), then the port.
const HEAD: usize = 18;

impl<'a> Datagram<'a> {
    /// So many bytes of the body stand before the content.
    pub const HEAD: usize = HEAD;

    /// What stands before the content in the body of a record.
    #[must_use]
    pub fn head(sender: SocketAddr) -> [u8; HEAD] {
        let address = match sender.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let mut head = [0; HEAD];
        head[..16].copy_from_slice(&address.octets());
        head[16..].copy_from_slice(&sender.port().to_be_bytes());
        head
    }

    /// Reads the body of a record; nothing where it is too short to be one.
    #[must_use]
    pub fn read(body: &'a [u8]) -> Option<Datagram<'a>> {
        let (head, content) = body.split_first_chunk::<HEAD>()?;
        let mut address = [0; 16];
        address.copy_from_slice(&head[..16]);
        let sender = SocketAddr::new(Ipv6Addr::from(address).to_canonical(), u16::from_be_bytes([head[16], head[17]]));
        Some(Datagram { sender, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_read_back_with_its_sender() {
        for sender in ["203.0.113.9:2055", "[2001:db8::1]:65535"] {
            let sender: SocketAddr = sender.parse().unwrap();
            let body = [&Datagram::head(sender)[..], b"\x00\x05"].concat();
            assert_eq!(Datagram::read(&body), Some(Datagram { sender, content: b"\x00\x05" }));
        }
        assert_eq!(Datagram::read(&[0; 17]), None);
    }
}
