//! Nothing is lost that can wait, and what cannot is counted: syslog over TCP and UDP, and NetFlow, into the real binary.

mod common;

use std::io::{BufWriter, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use common::{Service, sum};
use lapwing_generate::{Exporter, Kind, Settings, Version, flows};

const SYSLOG: &[(&str, &str)] = &[
    ("LAPWING__SOURCES__SYSLOG_TCP__ENABLED", "true"),
    ("LAPWING__SOURCES__SYSLOG_TCP__LISTEN", "127.0.0.1:0"),
    ("LAPWING__SOURCES__SYSLOG_UDP__ENABLED", "true"),
    ("LAPWING__SOURCES__SYSLOG_UDP__LISTEN", "127.0.0.1:0"),
    // The smallest that the kernel gives.
    ("LAPWING__SOURCES__SYSLOG_UDP__RECEIVE_BUFFER", "4096"),
    ("LAPWING__DETECTORS__BEHAVIOUR__ENABLED", "false"),
    ("LAPWING__DETECTORS__SIGNATURES__ENABLED", "false"),
];

fn message(number: u32) -> String {
    format!("<38>1 2026-01-05T08:00:00Z host-{} app {number} - - request {number} was served", number % 50)
}

/// Waits until figures of `/metrics` add up to so many, or nothing more comes; answers their sum.
fn until(service: &mut Service, wanted: u64, figure: impl Fn(&str) -> u64) -> u64 {
    let (mut last, mut since) = (0, Instant::now());
    loop {
        let now = figure(&service.get("/metrics").1);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        if now == wanted || since.elapsed() > Duration::from_secs(20) {
            return now;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn labelled(metrics: &str, name: &str, label: &str) -> u64 {
    let rows = metrics.lines().filter(|line| line.starts_with(name) && line.contains(label));
    rows.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
}

/// An optimised build takes a million; one that is not, as tests are, would take minutes.
const MESSAGES: u32 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };

#[test]
fn of_messages_over_tcp_none_is_lost() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut service = Service::start(directory.path(), SYSLOG);
    let address = service.address("syslog_tcp");
    let senders = [false, true].map(|counted| std::thread::spawn(move || stream(address, counted, MESSAGES / 2)));
    senders.into_iter().for_each(|sender| sender.join().expect("sent"));
    let received =
        until(&mut service, u64::from(MESSAGES), |metrics| labelled(metrics, "lapwing_events_received_total", "syslog_tcp"));
    assert_eq!(received, u64::from(MESSAGES));
    let parsed =
        until(&mut service, u64::from(MESSAGES), |metrics| labelled(metrics, "lapwing_events_parsed_total", "\"syslog\""));
    assert_eq!(parsed, u64::from(MESSAGES), "each was one message of syslog");
    service.stop();
}

fn stream(address: SocketAddr, counted: bool, messages: u32) {
    let connection = TcpStream::connect(address).expect("a connection");
    let mut out = BufWriter::with_capacity(1 << 16, connection);
    for number in 0..messages {
        let message = message(number);
        let framed = if counted { write!(out, "{} {message}", message.len()) } else { writeln!(out, "{message}") };
        framed.expect("sent");
    }
    out.flush().expect("sent");
    let mut connection = out.into_inner().expect("flushed");
    connection.shutdown(Shutdown::Write).expect("ended");
    // The service closes it once it has read everything.
    let _ = connection.set_read_timeout(Some(Duration::from_secs(90)));
    let _ = connection.read(&mut [0; 1]);
}

#[test]
fn datagrams_that_were_received_and_those_that_were_not_are_as_many_as_were_sent() {
    const SENT: u32 = 200_000;
    let directory = tempfile::tempdir().expect("a directory");
    let mut service = Service::start(directory.path(), SYSLOG);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(service.address("syslog_udp")).expect("an address");
    for number in 0..SENT {
        socket.send(message(number).as_bytes()).expect("sent");
    }
    let lost = |metrics: &str| labelled(metrics, "lapwing_dropped_total", "syslog_udp_kernel_drops");
    let received = |metrics: &str| labelled(metrics, "lapwing_events_received_total", "syslog_udp");
    let all = until(&mut service, SENT.into(), |metrics| received(metrics) + lost(metrics));
    let metrics = service.get("/metrics").1;
    assert_eq!(all, u64::from(SENT), "{} received, {} lost", received(&metrics), lost(&metrics));
    assert!(lost(&metrics) > 0, "with so small a buffer some are lost, or nothing was tried");
    service.stop();
}

#[test]
fn flows_that_were_lost_on_the_way_are_counted_by_their_exporters_own_count() {
    let listen = [("LAPWING__SOURCES__NETFLOW__ENABLED", "true"), ("LAPWING__SOURCES__NETFLOW__LISTEN", "[\"127.0.0.1:0\"]")];
    for (version, unit) in [(Version::V5, "flows"), (Version::V9, "datagrams"), (Version::Ipfix, "flows")] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut service = Service::start(directory.path(), &listen);
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.connect(service.address("netflow")).expect("an address");
        let (sent, dropped) = export(version, &socket);
        let rows = until(&mut service, sent, |metrics| sum(metrics, "lapwing_flow_rows_total"));
        assert_eq!(rows, sent, "{version:?}");
        let lost = sum(&service.get("/metrics").1, "lapwing_flow_lost_total");
        assert_eq!(lost, if unit == "flows" { dropped.0 } else { dropped.1 }, "{version:?}: {dropped:?}");
        service.stop();
    }
}

/// Sends generated flows, every seventh datagram excepted; how many flows were sent, and what was dropped: flows and datagrams.
fn export(version: Version, socket: &UdpSocket) -> (u64, (u64, u64)) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos() as i64;
    let start = now - 1_000_000_000_000;
    let mut exporter = Exporter::new(version, start - 3_600_000_000_000);
    let settings = Settings { kind: Kind::Flows, count: 10_000, start, ..Settings::default() };
    let (mut sent, mut dropped, mut flows_in) = (0, (0, 0), 0);
    for (number, flow) in flows(&settings).enumerate() {
        if let Some(datagram) = exporter.put(flow) {
            // The first has the template, and the last would be missed by nobody.
            if (number / 20) % 7 == 3 && number < 9_000 && sent > 2_000 {
                dropped = (dropped.0 + flows_in, dropped.1 + 1);
            } else {
                socket.send(&datagram.bytes).expect("sent");
                sent += flows_in;
                std::thread::sleep(Duration::from_micros(300));
            }
            flows_in = 0;
        }
        flows_in += 1;
    }
    let last = exporter.finish().expect("some are left");
    socket.send(&last.bytes).expect("sent");
    (sent + flows_in, dropped)
}
