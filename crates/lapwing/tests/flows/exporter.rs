//! Datagrams as the RFCs have them: NetFlow v5 (Cisco), v9 (RFC 3954), IPFIX (RFC 7011).

use std::net::{SocketAddr, UdpSocket};
use std::time::{SystemTime, UNIX_EPOCH};

/// One socket: exporters are told apart by their ports, too.
pub struct Exporter(UdpSocket);

impl Exporter {
    pub fn new() -> Exporter {
        Exporter(UdpSocket::bind("127.0.0.1:0").expect("a port"))
    }

    pub fn send(&self, to: Option<SocketAddr>, datagram: &[u8]) {
        self.0.send_to(datagram, to.expect("listening")).expect("sent");
    }
}

/// Source and destination, packets, octets, protocol, ports: element and length, the same numbers in v9 and IPFIX.
const FIELDS: [(u16, u16); 7] = [(8, 4), (12, 4), (2, 4), (1, 4), (4, 1), (7, 2), (11, 2)];

fn now() -> u32 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs() as u32
}

fn set(id: u16, content: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes()[..], &(content.len() as u16 + 4).to_be_bytes(), content].concat()
}

fn definition() -> Vec<u8> {
    let fields = FIELDS.iter().flat_map(|&(element, length)| [element, length]);
    [256, FIELDS.len() as u16].into_iter().chain(fields).flat_map(u16::to_be_bytes).collect()
}

fn records(count: u16) -> Vec<u8> {
    let record = |port: u16| {
        let ends = [203, 0, 113, 9, 10, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 44, 6, 0x11, 0x5c];
        [&ends[..], &port.to_be_bytes()].concat()
    };
    (1..=count).flat_map(record).collect()
}

fn v9(sequence: u32, set: &[u8], count: u16) -> Vec<u8> {
    let head = [&[0, 9][..], &count.to_be_bytes(), &60_000_u32.to_be_bytes(), &now().to_be_bytes(), &sequence.to_be_bytes()];
    [&head.concat()[..], &[0, 0, 0, 1], set].concat()
}

pub fn template(sequence: u32) -> Vec<u8> {
    v9(sequence, &set(0, &definition()), 1)
}

pub fn data(sequence: u32, count: u16) -> Vec<u8> {
    v9(sequence, &set(256, &records(count)), count)
}

fn ipfix(sequence: u32, set: &[u8]) -> Vec<u8> {
    let length = set.len() as u16 + 16;
    [&[0, 10][..], &length.to_be_bytes(), &now().to_be_bytes(), &sequence.to_be_bytes(), &[0, 0, 0, 1], set].concat()
}

pub fn ipfix_template(sequence: u32) -> Vec<u8> {
    ipfix(sequence, &set(2, &definition()))
}

pub fn ipfix_data(sequence: u32, count: u16) -> Vec<u8> {
    ipfix(sequence, &set(256, &records(count)))
}

/// `sequence` is the number of the first of `count` flows.
pub fn v5(sequence: u32, count: u16) -> Vec<u8> {
    let mut datagram = [&[0, 5][..], &count.to_be_bytes(), &60_000_u32.to_be_bytes(), &now().to_be_bytes(), &[0; 4]].concat();
    datagram.extend(sequence.to_be_bytes());
    datagram.extend([0; 4]);
    for port in 1..=count {
        let mut record = [0; 48];
        record[..8].copy_from_slice(&[203, 0, 113, 9, 10, 0, 0, 2]);
        (record[19], record[23], record[37], record[38]) = (1, 44, 2, 6);
        record[24..28].copy_from_slice(&59_000_u32.to_be_bytes());
        record[28..32].copy_from_slice(&59_500_u32.to_be_bytes());
        record[34..36].copy_from_slice(&port.to_be_bytes());
        datagram.extend(record);
    }
    datagram
}
