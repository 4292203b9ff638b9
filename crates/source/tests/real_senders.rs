//! Captures of real syslog, and real senders (util-linux's `logger`, syslog-ng) over every transport: each message arrives by
//! itself and exactly as it was said. What is not on the machine is skipped with its reason printed.

use std::fs;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lapwing_model::{Detail, Event, Timestamp};
use lapwing_parse::Parser;
use lapwing_source::syslog_tcp::{self, SyslogTcp};
use lapwing_source::syslog_udp::{self, SyslogUdp};
use lapwing_source::tls::Tls;
use lapwing_source::{Block, Bookmarks, Context, Counters, Source, intake, syslog_tls};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

const LISTEN: &str = "127.0.0.1:0";

struct Service {
    address: SocketAddr,
    blocks: mpsc::Receiver<Block>,
    parser: Parser,
    _stop: watch::Sender<bool>,
}

fn service(source: impl Source + 'static) -> Service {
    let address = source.address().unwrap();
    let (intake, blocks) = intake(16);
    let (stop, stopping) = watch::channel(false);
    let clock = || Timestamp::from_seconds(1_767_600_000);
    let context = Context { intake, stop: stopping, clock, bookmarks: Bookmarks::new(), counters: Arc::new(Counters::default()) };
    tokio::spawn(Box::new(source).run(context));
    Service { address, blocks, parser: Parser::new(), _stop: stop }
}

fn udp() -> Service {
    service(SyslogUdp::bind(&syslog_udp::Settings { listen: LISTEN.into(), ..Default::default() }).unwrap())
}

fn tcp() -> Service {
    service(SyslogTcp::bind(&syslog_tcp::Settings { listen: LISTEN.into(), ..Default::default() }).unwrap())
}

impl Service {
    /// The events of so many records.
    async fn events(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < count {
            let block = timeout(Duration::from_secs(20), self.blocks.recv()).await.expect("messages in time").unwrap();
            block.records.iter().for_each(|record| _ = self.parser.parse(record, &mut events));
            _ = block.accepted.unwrap().send(Ok(()));
        }
        events
    }

    /// The next messages that are none of the sender's own.
    async fn messages(&mut self, count: usize) -> Vec<String> {
        let mut messages = Vec::new();
        while messages.len() < count {
            let events = self.events(1).await;
            messages.extend(events.iter().filter(|event| event.text(event.service) != b"syslog-ng").map(message));
        }
        messages
    }
}

fn message(event: &Event) -> String {
    let Detail::Log(log) = event.detail else { panic!("no log: {:?}", event.raw) };
    String::from_utf8_lossy(event.text(log.message)).into_owned()
}

fn shared(name: &str) -> Option<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/net/syslog").join(name);
    fs::read(&path).map_err(|error| eprintln!("skipped: {}: {error}", path.display())).ok()
}

/// What the packets of a capture carry, over UDP or TCP in the order of the capture.
fn payloads(capture: &[u8]) -> Vec<Vec<u8>> {
    let word = |at: usize| u32::from_le_bytes(capture[at..at + 4].try_into().unwrap());
    let link = if word(20) == 1 { 14 } else { 0 };
    let (mut at, mut found) = (24, Vec::new());
    while at < capture.len() {
        let length = word(at + 8) as usize;
        let packet = &capture[at + 16 + link..at + 16 + length];
        let whole = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        let transport = &packet[usize::from(packet[0] & 15) * 4..whole.min(packet.len())];
        let head = if packet[9] == 17 { 8 } else { usize::from(transport[12] >> 4) * 4 };
        found.push(transport[head..].to_vec());
        at += 16 + length;
    }
    found.retain(|payload| !payload.is_empty());
    found
}

#[tokio::test]
async fn captured_datagrams_are_one_message_each() {
    for (name, expected) in [
        ("syslog-single-udp.pcap", &["robin Hello, syslog!"][..]),
        ("syslog-missing-pri.pcap", &[" This is not really a syslog message #173538 1552584410.781186"]),
        ("fake-syslog-with-padding.pcap", &[" X"; 5]),
    ] {
        let Some(capture) = shared(name) else { return };
        let mut service = udp();
        let client = UdpSocket::bind(LISTEN).unwrap();
        payloads(&capture).iter().for_each(|payload| _ = client.send_to(payload, service.address).unwrap());
        let events = service.events(expected.len()).await;
        let told: Vec<String> = events
            .iter()
            .map(|event| format!("{} {}", String::from_utf8_lossy(event.text(event.service)), message(event)))
            .collect();
        assert_eq!(told, expected, "{name}");
    }
}

#[tokio::test]
async fn captured_streams_are_cut_where_their_senders_meant() {
    for (name, expected) in [
        ("tcp-syslog-nontransparent.pcap", &["'su root' failed", "'su bob' failed"][..]),
        ("tcp-syslog.pcap", &["'su root' failed", "'su root' failed", "'su bob' failed", "'su bob' failed"]),
    ] {
        let Some(capture) = shared(name) else { return };
        let whole = payloads(&capture).concat();
        // As it was cut into packets, byte by byte, and all at once.
        for pieces in [payloads(&capture), whole.iter().map(|byte| vec![*byte]).collect(), vec![whole.clone()]] {
            let mut service = tcp();
            let address = service.address;
            let sending = tokio::task::spawn_blocking(move || {
                let mut client = TcpStream::connect(address).unwrap();
                client.set_nodelay(true).unwrap();
                pieces.iter().for_each(|piece| std::io::Write::write_all(&mut client, piece).unwrap());
            });
            let events = service.events(expected.len()).await;
            sending.await.unwrap();
            assert_eq!(events.iter().map(message).collect::<Vec<_>>(), expected, "{name}");
            assert!(events.iter().all(|event| event.text(event.host) == b"mymachine" && event.text(event.service) == b"su"));
        }
    }
}

/// Where a program is, or nothing with the reason printed.
fn program(name: &str) -> Option<PathBuf> {
    let found = ["/usr/bin", "/usr/sbin"].iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: there is no {name} on this machine");
    }
    found
}

const TEXTS: [&str; 6] = [
    "plain words",
    "  leading and inner   spaces",
    "ümläuts, 日本語 and \u{1f426}",
    "12 <34>1 looks like a count",
    "a \"quoted\" [bracket] = value; 100 % of $it",
    "the last of them",
];

#[tokio::test]
async fn what_logger_says_arrives_as_it_was_said_over_every_transport() {
    let Some(logger) = program("logger") else { return };
    for (transport, format) in [
        ("--udp", "--rfc5424"),
        ("--udp", "--rfc3164"),
        ("--tcp", "--rfc5424"),
        ("--tcp", "--rfc3164"),
        ("--tcp --octet-count", "--rfc5424"),
        ("--tcp --octet-count", "--rfc3164"),
    ] {
        let mut service = if transport == "--udp" { udp() } else { tcp() };
        let port = service.address.port().to_string();
        for text in TEXTS {
            let status = Command::new(&logger)
                .args(["--server", "127.0.0.1", "--port", &port, "--tag", "lapwing", "--priority", "auth.warning"])
                .args(transport.split(' '))
                .args([format, "--", text])
                .status()
                .unwrap();
            assert!(status.success());
        }
        let events = service.events(TEXTS.len()).await;
        let mut told: Vec<String> = events.iter().map(message).collect();
        // Each is a connection of its own: they may overtake one another.
        told.sort_unstable();
        let mut expected = TEXTS.map(str::trim_start).map(str::to_owned).to_vec();
        expected.sort_unstable();
        assert_eq!(told, expected, "{transport} {format}");
        for event in &events {
            assert_eq!((event.text(event.service), event.level.name()), (&b"lapwing"[..], "WARN"), "{transport} {format}");
        }
    }
}

/// A syslog-ng that reads lines from a file and sends them on; ended when it is dropped.
struct SyslogNg {
    child: Child,
    _directory: tempfile::TempDir,
}

impl Drop for SyslogNg {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn syslog_ng(program: &Path, destination: &str, lines: usize) -> SyslogNg {
    let directory = tempfile::tempdir().unwrap();
    let own = |name: &str| directory.path().join(name);
    let mut text = String::new();
    (0..lines).for_each(|i| text.push_str(&format!("{} {i}\n", TEXTS[i % TEXTS.len()].trim_start())));
    fs::write(own("input"), text).unwrap();
    let input = own("input").display().to_string();
    let config = format!(
        "@version: 3.38\noptions {{ keep-hostname(yes); stats-freq(0); }};\n\
         source s {{ file(\"{input}\" follow-freq(1) flags(no-parse) program-override(\"sender\")); }};\n\
         destination d {{ {destination} }};\nlog {{ source(s); destination(d); }};\n"
    );
    fs::write(own("conf"), config).unwrap();
    let mut command = Command::new(program);
    command.args(["--foreground", "--no-caps", "--stderr"]);
    for (option, name) in [("--cfgfile", "conf"), ("--persist-file", "persist"), ("--pidfile", "pid"), ("--control", "ctl")] {
        command.arg(option).arg(own(name));
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    SyslogNg { child, _directory: directory }
}

#[tokio::test]
async fn what_syslog_ng_relays_arrives_as_it_was_said_over_every_transport() {
    const LINES: usize = 600;
    let Some(program) = program("syslog-ng") else { return };
    let files = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = || {
        let tls = Tls { certificate: certificate.clone(), key: key.clone(), clients: None };
        service(syslog_tls::bind(&syslog_tls::Settings { listen: LISTEN.into(), tls, ..Default::default() }).unwrap())
    };
    for (name, mut service, driver, options) in [
        ("UDP, RFC 3164", udp(), "network", "transport(\"udp\")"),
        ("UDP, RFC 5424", udp(), "syslog", "transport(\"udp\")"),
        ("TCP, lines", tcp(), "network", "transport(\"tcp\")"),
        ("TCP, counted", tcp(), "syslog", "transport(\"tcp\")"),
        ("TLS, counted", tls(), "syslog", "transport(\"tls\") tls(peer-verify(optional-untrusted))"),
    ] {
        let destination = format!("{driver}(\"127.0.0.1\" port({}) {options});", service.address.port());
        let sender = syslog_ng(&program, &destination, LINES);
        let told = service.messages(LINES).await;
        drop(sender);
        let expected: Vec<String> = (0..LINES).map(|i| format!("{} {i}", TEXTS[i % TEXTS.len()].trim_start())).collect();
        assert_eq!(told, expected, "{name}");
    }
}
