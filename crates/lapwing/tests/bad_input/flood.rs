//! A million of everything that state is kept for: memory is as high at the end as it was after the first part.

use std::io::{BufWriter, Write};

use super::support::{MIB, assert_below, fed};

const LINES: u64 = 1_000_000;
const FIRST: u64 = 200_000;

/// A number that looks like chance and is the same every time (SplitMix64).
fn random(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

/// Scans a million lines; answers the summary after it has seen that memory does not follow their number.
fn flat(what: &str, limit: u64, line: impl Fn(u64, &mut dyn Write) -> std::io::Result<()>) -> serde_json::Value {
    let mut early = 0;
    let scan = fed(&["scan", "-", "--output", "json", "--top", "5"], |stdin, peak| {
        let mut out = BufWriter::with_capacity(1 << 16, stdin);
        (0..FIRST).try_for_each(|n| line(n, &mut out))?;
        early = peak();
        (FIRST..LINES).try_for_each(|n| line(n, &mut out))?;
        out.flush()
    });
    println!("{what}: peak {} MiB after {FIRST} lines", early / MIB);
    assert_below(&format!("{what}, {LINES} lines"), scan.peak, limit);
    assert!(scan.peak < early * 3 / 2 + 8 * MIB, "{what}: from {} to {} MiB", early / MIB, scan.peak / MIB);
    let summary = scan.json()["summary"].clone();
    assert_eq!(summary["lines"], LINES, "{summary}");
    summary
}

/// A line every 2 ms of the 17th of May 2015.
fn clock(n: u64) -> (u64, u64, u64) {
    let second = n / 500;
    (10 + second / 3600, second / 60 % 60, second % 60)
}

#[test]
fn a_million_random_clients_do_not_grow_memory() {
    flat("random clients", 128 * MIB, |n, out| {
        let ([a, b, c, d], (hour, minute, second)) = ((random(n) as u32).to_be_bytes(), clock(n));
        let (status, agent) = ([200, 404, 304][n as usize % 3], random(!n));
        writeln!(
            out,
            "{a}.{b}.{c}.{d} - - [17/May/2015:{hour}:{minute:02}:{second:02} +0000] \"GET /a HTTP/1.1\" {status} 12 \"-\" \"agent {agent:x}\""
        )
    });
}

#[test]
fn anomalies_of_hundreds_of_thousands_of_random_entities_do_not_grow_memory_and_are_counted() {
    let summary = flat("anomalies of random services", 224 * MIB, |n, out| {
        let (service, (hour, minute, second)) = (random(n), clock(n));
        // Every third has an anomaly of its own.
        let level = if n % 3 == 0 { "fatal" } else { "info" };
        writeln!(
            out,
            "{{\"timestamp\":\"2015-05-17T{hour}:{minute:02}:{second:02}Z\",\"level\":\"{level}\",\"service\":\"svc-{service:x}\",\"message\":\"down\"}}"
        )
    });
    assert!(summary["losses"]["anomalies_dropped"].as_u64() > Some(200_000), "{summary}");
}

#[test]
fn a_million_random_templates_do_not_grow_memory() {
    flat("random templates", 144 * MIB, |n, out| {
        let (hour, minute, second) = clock(n);
        write!(out, "2015-05-17 {hour}:{minute:02}:{second:02} INFO")?;
        for word in 0..3 + random(n) % 8 {
            let mut letters = random(n * 16 + word);
            out.write_all(b" ")?;
            for _ in 0..6 {
                out.write_all(&[b'a' + (letters % 26) as u8])?;
                letters /= 26;
            }
        }
        out.write_all(b"\n")
    });
}
