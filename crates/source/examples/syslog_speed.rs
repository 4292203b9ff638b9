//! How many syslog messages a CPU-second takes in, from the socket to the parsed event. The sender is a process of its own.
//!
//! `cargo run --release -p lapwing-source --example syslog_speed -- udp|tcp [COUNT]`

use std::error::Error;
use std::io::{BufWriter, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use lapwing_model::Timestamp;
use lapwing_parse::Parser;
use lapwing_source::syslog_tcp::{self, SyslogTcp};
use lapwing_source::syslog_udp::{self, SyslogUdp};
use lapwing_source::{Bookmarks, Context, Counters, Source, intake};
use tokio::sync::watch;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["send", protocol, address, count] => send(protocol, address, count),
        [protocol @ ("udp" | "tcp")] => receive(protocol, "1000000"),
        [protocol @ ("udp" | "tcp"), count] => receive(protocol, count),
        _ => Err("usage: syslog_speed udp|tcp [COUNT]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Lines as sshd, a packet filter and a web server's relay send them.
fn message(i: u64) -> String {
    let (second, host) = (i / 1000 % 60, i % 8);
    match i % 3 {
        0 => format!(
            "<38>Jan  5 08:00:{second:02} web-{host} sshd[{}]: Failed password for root from 203.0.113.{} port {} ssh2",
            1000 + i % 9000,
            i % 250,
            20_000 + i % 40_000
        ),
        1 => format!(
            "<6>Jan  5 08:00:{second:02} fw-{host} kernel: DROP IN=eth0 OUT= SRC=203.0.113.{} DST=10.0.0.{host} LEN=60 TTL=51 ID={} DF PROTO=TCP SPT={} DPT=22 WINDOW=29200 RES=0x00 SYN URGP=0",
            i % 250,
            i % 65_536,
            20_000 + i % 40_000
        ),
        _ => format!(
            "<134>1 2026-01-05T08:00:{second:02}.123Z app-{host} orders {} - - order {i} accepted in {} ms",
            i % 9000,
            i % 300
        ),
    }
}

fn send(protocol: &str, address: &str, count: &str) -> Result<(), Box<dyn Error>> {
    let (address, count): (SocketAddr, u64) = (address.parse()?, count.parse()?);
    if protocol == "tcp" {
        let mut out = BufWriter::with_capacity(64 << 10, TcpStream::connect(address)?);
        for i in 0..count {
            let text = message(i);
            write!(out, "{} {text}", text.len())?;
        }
        return Ok(out.flush()?);
    }
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    for i in 0..count {
        // A full queue of the sender's own is no news.
        _ = socket.send_to(message(i).as_bytes(), address);
    }
    Ok(())
}

fn receive(protocol: &str, count: &str) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listen = "127.0.0.1:0".to_owned();
        let source: Box<dyn Source> = match protocol {
            "udp" => Box::new(SyslogUdp::bind(&syslog_udp::Settings { listen, ..Default::default() })?),
            _ => Box::new(SyslogTcp::bind(&syslog_tcp::Settings { listen, ..Default::default() })?),
        };
        let address = source.address().ok_or("no address")?.to_string();
        let (intake, mut blocks) = intake(16);
        let (_stop, stopping) = watch::channel(false);
        let counters = Arc::new(Counters::default());
        let clock = || Timestamp::from_seconds(1_767_600_000);
        let context = Context { intake, stop: stopping, clock, bookmarks: Bookmarks::new(), counters: counters.clone() };
        let task = tokio::spawn(source.run(context));
        let before = cpu()?;
        let mut child = Command::new(std::env::current_exe()?).args(["send", protocol, &address, count]).spawn()?;
        let (mut parser, mut events, mut received, mut flows) = (Parser::new(), Vec::new(), 0, 0);
        while let Ok(Some(block)) = tokio::time::timeout(Duration::from_millis(500), blocks.recv()).await {
            block.records.iter().for_each(|record| _ = parser.parse(record, &mut events));
            received += events.len();
            flows += events.iter().filter(|event| event.flow().is_some()).count();
            events.clear();
            _ = block.accepted.map(|accepted| accepted.send(Ok(())));
        }
        let used = cpu()? - before;
        child.wait()?;
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        task.abort();
        let lost: u64 = counters.losses().iter().map(|(_, _, count)| count).sum();
        println!(
            "{protocol}: {:.0} messages/CPU-s ({received} received, {flows} of them flows, {lost} lost, {used:.2} CPU-s)",
            received as f64 / used
        );
        Ok(())
    })
}

/// CPU seconds of this process, user and system.
fn cpu() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let columns: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = columns.get(11).ok_or("no times")?.parse::<f64>()? + columns.get(12).ok_or("no times")?.parse::<f64>()?;
    Ok(ticks / 100.0)
}
