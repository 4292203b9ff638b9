//! Decodes the datagrams that the example `speed` of lapwing-flow wrote with the crate netflow_parser, to its records and to the
//! rows that it makes of them: `netflow-peer FOLDER`

use netflow_parser::{AutoScopedParser, NetflowParser};
use std::fs;
use std::hint::black_box;
use std::net::SocketAddr;

const ROUNDS: u32 = 40;

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    for name in ["v5", "v9", "ipfix"] {
        let datagrams = read(&format!("{folder}/{name}.bin"));
        let mut parser = NetflowParser::default();
        let records = measure(&datagrams, |datagram| {
            let _ = black_box(parser.parse_bytes(datagram));
        });
        let mut parser = AutoScopedParser::new();
        let from = SocketAddr::from(([192, 0, 2, 1], 2_055));
        let mut flows = 0;
        let rows = measure(&datagrams, |datagram| {
            for packet in &parser.parse_from_source(from, datagram).packets {
                if let Ok(common) = packet.as_netflow_common() {
                    flows += common.flowsets.len();
                    black_box(&common);
                }
            }
        });
        println!("{name} {:.0} flows/CPU-s, records {:.0} flows/CPU-s, {flows} flows", flows as f64 / rows, flows as f64 / records);
    }
}

fn measure(datagrams: &[Vec<u8>], mut decode: impl FnMut(&[u8])) -> f64 {
    let begun = cpu();
    for _ in 0..ROUNDS {
        datagrams.iter().for_each(|datagram| decode(datagram));
    }
    cpu() - begun
}

fn read(path: &str) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut rest = &bytes[..];
    let mut datagrams = Vec::new();
    while let Some((length, more)) = rest.split_first_chunk::<4>() {
        let (datagram, more) = more.split_at(u32::from_be_bytes(*length) as usize);
        datagrams.push(datagram.to_vec());
        rest = more;
    }
    datagrams
}

/// Seconds of CPU that this process has used.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}
