//! Datagrams as a capture of them (pcap, draft-ietf-opsawg-pcap): each in a packet of IPv4 and UDP.

use std::net::SocketAddrV4;

use super::Datagram;

/// What a capture begins with: times in nanoseconds, packets that begin with their IP header (LINKTYPE_RAW).
#[must_use]
pub fn capture_head() -> Vec<u8> {
    let words = |major: u16, minor: u16| [major.to_le_bytes(), minor.to_le_bytes()].concat();
    let mut out = 0xa1b2_3c4d_u32.to_le_bytes().to_vec();
    out.extend(words(2, 4));
    [0_u32, 0, 65_535, 101].into_iter().for_each(|n| out.extend(n.to_le_bytes()));
    out
}

/// One packet of a capture.
#[must_use]
pub fn captured(datagram: &Datagram, from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let length = datagram.bytes.len() as u16;
    let mut ip = vec![0x45, 0];
    ip.extend((28 + length).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    ip.extend(from.ip().octets());
    ip.extend(to.ip().octets());
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    // A UDP checksum of 0 says that there is none (RFC 768).
    [from.port(), to.port(), 8 + length, 0].into_iter().for_each(|n| ip.extend(n.to_be_bytes()));
    ip.extend(&datagram.bytes);
    let (seconds, nanos) = (datagram.at.div_euclid(1_000_000_000), datagram.at.rem_euclid(1_000_000_000));
    let mut out = Vec::with_capacity(16 + ip.len());
    [seconds as u32, nanos as u32, ip.len() as u32, ip.len() as u32].into_iter().for_each(|n| out.extend(n.to_le_bytes()));
    out.extend(ip);
    out
}

/// RFC 1071.
fn checksum(header: &[u8]) -> u16 {
    let sum: u32 = header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_adds_up_as_its_reader_checks() {
        let ends = ["192.0.2.1:2055", "192.0.2.2:2055"].map(|end| end.parse().unwrap());
        let packet = captured(&Datagram { bytes: vec![7; 100], at: 5_000_000_001 }, ends[0], ends[1]);
        assert_eq!((packet.len(), checksum(&packet[16..36])), (16 + 28 + 100, 0));
        assert_eq!(packet[..8], [5, 0, 0, 0, 1, 0, 0, 0]);
    }
}
