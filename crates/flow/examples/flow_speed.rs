//! How many flows a CPU-second decodes: `cargo run --release -p lapwing-flow --example flow_speed [FOLDER]`
//!
//! Decodes datagrams of v5, v9 and IPFIX as softflowd lays them out, 2,000 each, again and again into one vector. With a folder, they
//! are written there as well (`v9.bin`: each after its length in four bytes, the most significant first), so that other programs
//! can be given the same.

use lapwing_flow::{Decoder, Flow};
use std::fs;
use std::hint::black_box;
use std::net::SocketAddr;

const DATAGRAMS: u32 = 2_000;
const ROUNDS: u32 = 60;
const EXPORTED: u32 = 1_700_000_000;

/// softflowd's template for IPv4, and whether a field counts on or is drawn.
const FIELDS: &[(u16, u16)] = &[
    (8, 4),
    (12, 4),
    (22, 4),
    (21, 4),
    (1, 4),
    (2, 4),
    (10, 4),
    (14, 4),
    (7, 2),
    (11, 2),
    (4, 1),
    (6, 1),
    (60, 1),
    (5, 1),
    (32, 2),
    (58, 2),
];

fn main() {
    let folder = std::env::args().nth(1);
    for (name, flows, datagrams) in [("v5", 30, fixed()), ("v9", 30, templated(9)), ("ipfix", 30, templated(10))] {
        if let Some(folder) = &folder {
            let framed: Vec<u8> =
                datagrams.iter().flat_map(|datagram| [&(datagram.len() as u32).to_be_bytes()[..], datagram].concat()).collect();
            if let Err(error) = fs::write(format!("{folder}/{name}.bin"), framed) {
                return eprintln!("error: cannot write into {folder}: {error}");
            }
        }
        let rate = measure(&datagrams, flows);
        println!("{name} {rate:.0} flows/CPU-s");
    }
}

fn measure(datagrams: &[Vec<u8>], flows: u32) -> f64 {
    let (mut decoder, mut out) = (Decoder::default(), Vec::<Flow>::new());
    let from = SocketAddr::from(([192, 0, 2, 1], 2_055));
    let begun = cpu();
    let mut decoded = 0;
    for _ in 0..ROUNDS {
        for datagram in datagrams {
            out.clear();
            decoded += u64::from(decoder.decode(from, i64::from(EXPORTED) * 1_000_000_000, datagram, &mut out).flows);
            black_box(&out);
        }
    }
    let used = cpu() - begun;
    assert_eq!(decoded, u64::from(flows * DATAGRAMS * ROUNDS), "a speed counts only where every flow was decoded");
    decoded as f64 / used
}

/// Seconds of CPU that this process has used.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}

fn value(id: u16, number: u32) -> u32 {
    match id {
        8 => 0x0a00_0000 + number % 5_000,
        12 => 0xc0a8_0000 + number % 700,
        22 => 50_000,
        21 => 55_000 + number % 1_000,
        1 => 40 + number % 90_000,
        2 => 1 + number % 60,
        4 => 6,
        6 => 0x1b,
        60 => 4,
        7 => 1_024 + number % 60_000,
        11 => 443,
        _ => 0,
    }
}

fn templated(version: u16) -> Vec<Vec<u8>> {
    let mut number = 0;
    (0..DATAGRAMS).map(|sequence| one(version, sequence, &mut number)).collect()
}

fn one(version: u16, sequence: u32, number: &mut u32) -> Vec<u8> {
    let mut body = Vec::new();
    if sequence.is_multiple_of(20) {
        let mut template = words(&[1_024, FIELDS.len() as u16]);
        FIELDS.iter().for_each(|&(id, length)| template.extend(words(&[id, length])));
        body.extend(words(&[if version == 9 { 0 } else { 2 }, template.len() as u16 + 4]));
        body.extend(template);
    }
    let mut data: Vec<u8> = Vec::new();
    for _ in 0..30 {
        *number += 1;
        for &(id, length) in FIELDS {
            data.extend(&value(id, *number).to_be_bytes()[4 - usize::from(length)..]);
        }
    }
    body.extend(words(&[1_024, data.len() as u16 + 4]));
    body.extend(data);
    let mut datagram = Vec::new();
    if version == 9 {
        datagram.extend(words(&[9, 30]));
        [60_000, EXPORTED, sequence, 1].iter().for_each(|word| datagram.extend(word.to_be_bytes()));
    } else {
        datagram.extend(words(&[10, body.len() as u16 + 16]));
        [EXPORTED, sequence * 30, 1].iter().for_each(|word| datagram.extend(word.to_be_bytes()));
    }
    datagram.extend(body);
    datagram
}

fn fixed() -> Vec<Vec<u8>> {
    let mut number = 0;
    let flow = |number: u32| {
        let mut flow = Vec::new();
        [value(8, number), value(12, number), 0].iter().for_each(|word| flow.extend(word.to_be_bytes()));
        flow.extend([0; 4]);
        [2, 1, 22, 21].iter().for_each(|&id| flow.extend(value(id, number).to_be_bytes()));
        flow.extend(words(&[value(7, number) as u16, value(11, number) as u16]));
        flow.extend([0, 0x1b, 6, 0]);
        flow.extend([0; 8]);
        flow
    };
    (0..DATAGRAMS)
        .map(|sequence| {
            let mut datagram = words(&[5, 30]);
            [60_000, EXPORTED, 0, sequence * 30, 0].iter().for_each(|word| datagram.extend(word.to_be_bytes()));
            for _ in 0..30 {
                number += 1;
                datagram.extend(flow(number));
            }
            datagram
        })
        .collect()
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}
