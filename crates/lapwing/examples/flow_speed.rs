//! Flows per CPU-second of one thread, from the datagram to the verdict: decoding, keys, and all detectors.
//!
//! `cargo run --release -p lapwing --example flow_speed`. NetFlow v5 datagrams of 30 flows, of 10,000 hosts that talk to 500
//! servers; all of them are made before the measuring begins.

use std::time::Instant;

use lapwing::cli::config::Config;
use lapwing::pipeline::{Engine, FlowReader, Flows, Parts};
use lapwing_model::{Datagram, Origin, Position, Reading, Record, Timestamp};

const FLOWS: u32 = 30;
const DATAGRAMS: u32 = 40_000;
/// Datagrams in a block of the source, which are about as many as fit its bytes.
const BLOCK: usize = 350;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let records = records();
    let mut reader = FlowReader::new(&Flows::default(), None);
    let (rate, _) = measured(&records, |block| {
        let mut parts = Parts::default();
        block.iter().for_each(|record| _ = reader.read(record, &mut parts));
        parts.batches().map(|(_, events)| events.len()).sum()
    })?;
    println!("events {rate:.0} flows/CPU-s");
    let mut engine = Engine::new(&Config::default().blueprint().map_err(|error| format!("{error:?}"))?)?;
    let mut verdicts = 0;
    let (rate, flows) = measured(&records, |block| {
        let mut events = 0;
        engine.judge_each(block, |judged| {
            events += judged.batch.events.len();
            verdicts += judged.verdicts.len();
        });
        events
    })?;
    println!("judged {rate:.0} flows/CPU-s");
    println!("{flows} flows, {verdicts} verdicts");
    Ok(())
}

/// Flows per second of this process's own time, and how many there were.
fn measured(records: &[Record], mut take: impl FnMut(&[Record]) -> usize) -> Result<(f64, usize), std::io::Error> {
    let (begun, before) = (Instant::now(), cpu_seconds()?);
    let flows: usize = records.chunks(BLOCK).map(&mut take).sum();
    let spent = cpu_seconds()? - before;
    // Beyond the clock's steps of 10 ms the wall says nothing that counts.
    Ok((flows as f64 / if spent > 0.0 { spent } else { begun.elapsed().as_secs_f64() }, flows))
}

/// User and system time of this process (proc(5): the 14th and 15th field, in hundredths of a second).
fn cpu_seconds() -> Result<f64, std::io::Error> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / 100.0)
}

fn records() -> Vec<Record> {
    let reading = Reading { format: Some(Reading::DATAGRAMS.into()), host: Some("192.0.2.1".into()), ..Reading::default() };
    let origin = Origin::read_as("netflow/192.0.2.1", reading);
    let head = Datagram::head(([192, 0, 2, 1], 2055).into());
    let mut random = 1_u64;
    (0..DATAGRAMS)
        .map(|number| {
            // 12,000 flows a second.
            let seconds = 1_750_000_000 + number / 400;
            let body = [&head[..], &datagram(number, seconds, &mut random)].concat();
            Record {
                body: body.into(),
                origin: origin.clone(),
                position: Position { offset: u64::from(number), line: u64::from(number) },
                received: Timestamp::from_seconds(i64::from(seconds) + 1),
            }
        })
        .collect()
}

fn datagram(number: u32, seconds: u32, random: &mut u64) -> Vec<u8> {
    let mut datagram = [&5_u16.to_be_bytes()[..], &(FLOWS as u16).to_be_bytes(), &60_000_u32.to_be_bytes()].concat();
    datagram.extend(seconds.to_be_bytes());
    datagram.extend([0; 4]);
    datagram.extend((number * FLOWS).to_be_bytes());
    datagram.extend([0; 4]);
    for _ in 0..FLOWS {
        // Knuth's MMIX generator; only its upper bits are used.
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [a, b, c, d, ..] = (*random >> 16).to_be_bytes();
        let (host, server) = (u16::from_be_bytes([a, b]) % 10_000, u16::from_be_bytes([c, d]) % 500);
        let mut record = [0; 48];
        record[..2].copy_from_slice(&[10, 1]);
        record[2..4].copy_from_slice(&host.to_be_bytes());
        record[4..6].copy_from_slice(&[198, 51]);
        record[6..8].copy_from_slice(&server.to_be_bytes());
        record[16..20].copy_from_slice(&10_u32.to_be_bytes());
        record[20..24].copy_from_slice(&(500 + u32::from(d) * 40).to_be_bytes());
        record[24..28].copy_from_slice(&(58_000 + u32::from(b)).to_be_bytes());
        record[28..32].copy_from_slice(&(59_000 + u32::from(c)).to_be_bytes());
        record[32..34].copy_from_slice(&(32_768 + host).to_be_bytes());
        record[34..36].copy_from_slice(&(if d < 200 { 443_u16 } else { 80 }).to_be_bytes());
        (record[37], record[38]) = (0x1b, 6);
        datagram.extend(record);
    }
    datagram
}
