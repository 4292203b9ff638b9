//! The syslog sources with real sockets.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lapwing_model::{Record, Timestamp};
use lapwing_source::syslog_tcp::{self, SyslogTcp};
use lapwing_source::syslog_udp::{self, SyslogUdp};
use lapwing_source::tls::Tls;
use lapwing_source::{Block, Bookmarks, Context, Counters, Source, intake, loss, syslog_tls};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

struct Service {
    address: SocketAddr,
    blocks: mpsc::Receiver<Block>,
    stop: watch::Sender<bool>,
    counters: Arc<Counters>,
    task: tokio::task::JoinHandle<Result<(), lapwing_source::SourceError>>,
}

fn service(source: impl Source + 'static, bound: usize) -> Service {
    let address = source.address().unwrap();
    let (intake, blocks) = intake(bound);
    let (stop, stopping) = watch::channel(false);
    let counters = Arc::new(Counters::default());
    let clock = || Timestamp::from_seconds(1);
    let context = Context { intake, stop: stopping, clock, bookmarks: Bookmarks::new(), counters: counters.clone() };
    Service { address, blocks, stop, counters, task: tokio::spawn(Box::new(source).run(context)) }
}

fn tcp() -> Service {
    let settings = syslog_tcp::Settings { listen: "127.0.0.1:0".into(), ..Default::default() };
    service(SyslogTcp::bind(&settings).unwrap(), 16)
}

fn udp(bound: usize, receive_buffer: usize) -> Service {
    let settings = syslog_udp::Settings { listen: "127.0.0.1:0".into(), receive_buffer, ..Default::default() };
    service(SyslogUdp::bind(&settings).unwrap(), bound)
}

impl Service {
    async fn records(&mut self, count: usize) -> Vec<Record> {
        let mut records = Vec::new();
        while records.len() < count {
            let block = timeout(Duration::from_secs(20), self.blocks.recv()).await.expect("records in time").unwrap();
            assert!(block.records.iter().all(|record| record.origin == block.records[0].origin), "a block has one origin");
            records.extend(block.records);
            _ = block.accepted.unwrap().send(Ok(()));
        }
        records
    }

    fn lost(&self, reason: &str) -> u64 {
        self.counters.losses().iter().filter(|(_, name, _)| *name == reason).map(|(_, _, count)| count).sum()
    }

    async fn end(self) {
        self.stop.send(true).unwrap();
        let mut blocks = self.blocks;
        let rest = tokio::spawn(async move {
            while let Some(block) = blocks.recv().await {
                _ = block.accepted.unwrap().send(Ok(()));
            }
        });
        self.task.await.unwrap().unwrap();
        rest.await.unwrap();
    }
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.body).into_owned()).collect()
}

#[tokio::test]
async fn every_framing_comes_through_one_connection_and_a_sender_has_its_own_origin() {
    let mut service = tcp();
    let mut client = TcpStream::connect(service.address).await.unwrap();
    client.write_all(b"<1>one\n9 <2>two\n..\n<3>three\0<4>fo").await.unwrap();
    client.flush().await.unwrap();
    let first = service.records(3).await;
    client.write_all(b"ur\r\n").await.unwrap();
    let second = service.records(1).await;
    assert_eq!(texts(&first), ["<1>one", "<2>two\n..", "<3>three"]);
    assert_eq!(texts(&second), ["<4>four"]);
    assert_eq!(&*first[0].origin.name, "syslog_tcp/127.0.0.1");
    assert_eq!(first[0].origin.reading.host.as_deref(), Some("127.0.0.1"));
    service.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_messages_over_tcp_none_is_lost() {
    const MANY: usize = 200_000;
    let mut service = tcp();
    let address = service.address;
    let sender = tokio::task::spawn_blocking(move || {
        use std::io::Write;
        let mut out = std::io::BufWriter::new(std::net::TcpStream::connect(address).unwrap());
        for i in 0..MANY {
            let text = format!("<13>1 2026-01-05T08:00:00Z host app - - - message {i}");
            if i % 2 == 0 { write!(out, "{} {text}", text.len()) } else { writeln!(out, "{text}") }.unwrap();
        }
    });
    let records = service.records(MANY).await;
    sender.await.unwrap();
    for (i, record) in records.iter().enumerate() {
        assert!(record.body.ends_with(format!("message {i}").as_bytes()), "{i}: {record:?}");
    }
    assert_eq!(service.counters.losses().iter().map(|(_, _, count)| count).sum::<u64>(), 0);
    service.end().await;
}

#[tokio::test]
async fn each_datagram_is_a_message_whatever_is_in_it() {
    let mut service = udp(16, 1 << 20);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let long = vec![b'x'; 60_000];
    for datagram in [b"<1>one".as_slice(), b"<2>two\nlines\n", b"<3>padded\0\0\0", b"", b"\n", &long] {
        client.send_to(datagram, service.address).unwrap();
    }
    let records = service.records(4).await;
    assert_eq!(texts(&records[..3]), ["<1>one", "<2>two\nlines", "<3>padded"]);
    assert_eq!(records[3].body, long);
    assert_eq!(service.lost(loss::BLANK), 2);
    service.end().await;
}

/// Sends so much that some is lost; what is counted as lost must be what was sent and not received.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_over_udp_is_counted_exactly() {
    const MANY: u64 = 60_000;
    let mut service = udp(2, 16 << 10);
    let address = service.address;
    let sender = tokio::task::spawn_blocking(move || {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        (0..MANY).filter(|i| client.send_to(format!("<13>message {i}").as_bytes(), address).is_ok()).count() as u64
    });
    let sent = sender.await.unwrap();
    let start = Instant::now();
    let mut received = 0;
    loop {
        while let Ok(Some(block)) = timeout(Duration::from_millis(200), service.blocks.recv()).await {
            received += block.records.len() as u64;
            _ = block.accepted.unwrap().send(Ok(()));
        }
        let lost = service.lost(loss::INTAKE_FULL) + service.lost(loss::KERNEL);
        if received + lost == sent {
            assert!(lost > 0, "nothing was lost, nothing is shown");
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(15), "{sent} sent, {received} received, {lost} lost");
    }
    service.end().await;
}

#[tokio::test]
async fn tls_takes_messages_from_those_with_a_certificate_only_where_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = parameters.self_signed(&authority_key).unwrap();
    let client_key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::new(parameters, authority_key);
    let client = rcgen::CertificateParams::new(["sender".to_owned()]).unwrap().signed_by(&client_key, &issuer).unwrap();
    let tls = Tls {
        certificate: write("cert.pem", own.cert.pem()),
        key: write("key.pem", own.signing_key.serialize_pem()),
        clients: Some(write("clients.pem", authority.pem())),
    };
    let settings = syslog_tls::Settings { listen: "127.0.0.1:0".into(), tls, ..Default::default() };
    let mut service = service(syslog_tls::bind(&settings).unwrap(), 16);

    let mut roots = rustls::RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let config = || {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        builder.with_root_certificates(roots.clone())
    };
    let key = rustls::pki_types::PrivateKeyDer::try_from(client_key.serialize_der()).unwrap();
    let known = config().with_client_auth_cert(vec![client.der().clone()], key).unwrap();
    let address = service.address;
    let connect = |config: rustls::ClientConfig| async move {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
    };
    let mut stream = connect(known).await.unwrap();
    stream.write_all(b"9 <1>secret10 <2>secrets").await.unwrap();
    stream.flush().await.unwrap();
    let records = service.records(2).await;
    assert_eq!(texts(&records), ["<1>secret", "<2>secrets"]);
    assert_eq!(&*records[0].origin.name, "syslog_tls/127.0.0.1");

    // With TLS 1.3 the client hears of the refusal only after it has begun.
    if let Ok(mut stream) = connect(config().with_no_client_auth()).await {
        _ = stream.write_all(b"9 <1>secret").await;
    }
    let start = Instant::now();
    while service.lost(loss::BROKEN) == 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "the stranger was let in");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(service.blocks.try_recv().is_err());
    drop(stream);
    service.end().await;
}
