//! The TCP source with real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lapwing_model::{Record, Timestamp};
use lapwing_source::tcp::{Settings, Tcp};
use lapwing_source::{Block, Bookmarks, Context, Counters, Refused, Source, SourceError, Tally, intake, loss};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

struct Service {
    address: SocketAddr,
    blocks: mpsc::Receiver<Block>,
    stop: watch::Sender<bool>,
    tally: Arc<Tally>,
    task: JoinHandle<Result<(), SourceError>>,
}

fn service(settings: Settings) -> Service {
    let source = Tcp::bind(&Settings { listen: "127.0.0.1:0".into(), ..settings }).unwrap();
    let address = source.address().unwrap();
    let (intake, blocks) = intake(16);
    let (stop, stopped) = watch::channel(false);
    let counters = Arc::new(Counters::default());
    let tally = counters.source("tcp", &[]);
    let clock = || Timestamp::from_seconds(1);
    let context = Context { intake, stop: stopped, clock, bookmarks: Bookmarks::new(), counters };
    Service { address, blocks, stop, tally, task: tokio::spawn(Box::new(source).run(context)) }
}

impl Service {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Accepts blocks until there are so many records.
    async fn records(&mut self, count: usize) -> Vec<Record> {
        let mut records = Vec::new();
        while records.len() < count {
            let block = timeout(Duration::from_secs(10), self.blocks.recv()).await.expect("records in time").unwrap();
            records.extend(block.records);
            _ = block.accepted.unwrap().send(Ok(()));
        }
        records
    }

    async fn until(&self, reason: &str, count: u64) {
        let start = Instant::now();
        while self.tally.loss(reason) < count {
            assert!(start.elapsed() < Duration::from_secs(10), "{reason} is {} instead of {count}", self.tally.loss(reason));
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.body).into_owned()).collect()
}

#[tokio::test]
async fn lines_come_within_milliseconds_in_order_and_numbered() {
    let mut service = service(Settings::default());
    let mut client = service.connect().await;
    client.write_all(b"one\r\n\n{\"a\":1}\nhal").await.unwrap();
    let start = Instant::now();
    let first = service.records(2).await;
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    client.write_all(b"f\nlast without newline").await.unwrap();
    client.shutdown().await.unwrap();
    let second = service.records(2).await;
    assert_eq!(texts(&first), ["one", "{\"a\":1}"]);
    assert_eq!(texts(&second), ["half", "last without newline"]);
    let numbers: Vec<u64> = first.iter().chain(&second).map(|record| record.position.line).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(first[0].position.offset, 1_000_000_000, "numbers begin at the time of the start");
    assert_eq!(service.tally.loss(loss::BLANK), 1);
}

#[tokio::test]
async fn nothing_of_many_connections_is_lost_or_mixed() {
    let mut service = service(Settings::default());
    let address = service.address;
    for client in 0..50 {
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let text: String = (0..2_000).map(|i| format!("{client} {i}\n")).collect();
            for piece in text.as_bytes().chunks(777) {
                stream.write_all(piece).await.unwrap();
            }
        });
    }
    let records = service.records(100_000).await;
    let mut next = [0; 50];
    for record in &records {
        let text = String::from_utf8(record.body.to_vec()).unwrap();
        let (client, number) = text.split_once(' ').unwrap();
        let next: &mut usize = &mut next[client.parse::<usize>().unwrap()];
        assert_eq!(number.parse(), Ok(*next), "in order for each client");
        *next += 1;
    }
    assert_eq!(next, [2_000; 50]);
    let mut numbers: Vec<u64> = records.iter().map(|record| record.position.offset).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 100_000, "every record has its own number");
}

#[tokio::test]
async fn two_thousand_idle_connections_do_not_disturb_an_active_one() {
    let mut service = service(Settings { connections: 4_096, ..Settings::default() });
    let mut idle = Vec::new();
    for _ in 0..2_000 {
        match TcpStream::connect(service.address).await {
            Ok(stream) => idle.push(stream),
            Err(error) => {
                println!("skipped: no 2,000 connections here: {error}");
                return;
            }
        }
    }
    let mut active = service.connect().await;
    let start = Instant::now();
    for i in 0..100 {
        active.write_all(format!("line {i}\n").as_bytes()).await.unwrap();
        assert_eq!(texts(&service.records(1).await), [format!("line {i}")]);
    }
    println!("{:?} from write to block beside {} idle connections", start.elapsed() / 100, idle.len());
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_counted() {
    let mut service = service(Settings { connections: 2, ..Settings::default() });
    let mut first = service.connect().await;
    let second = service.connect().await;
    let mut third = service.connect().await;
    assert_eq!(timeout(Duration::from_secs(5), third.read(&mut [0])).await.unwrap().unwrap_or(0), 0);
    service.until(loss::CONNECTION_LIMIT, 1).await;
    first.write_all(b"still here\n").await.unwrap();
    assert_eq!(texts(&service.records(1).await), ["still here"]);
    drop(second);
    sleep(Duration::from_millis(50)).await;
    service.connect().await.write_all(b"room again\n").await.unwrap();
    assert_eq!(texts(&service.records(1).await), ["room again"]);
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_and_its_half_line_kept() {
    let mut service = service(Settings { idle_seconds: 1, ..Settings::default() });
    let mut client = service.connect().await;
    client.write_all(b"half").await.unwrap();
    let records = service.records(1).await;
    assert_eq!(texts(&records), ["half"]);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    service.until(loss::IDLE_TIMEOUT, 1).await;
}

#[tokio::test]
async fn a_line_too_long_and_invalid_utf8_harm_nobody() {
    let mut service = service(Settings { max_line: 1_000, ..Settings::default() });
    let mut client = service.connect().await;
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        client.write_all(&chunk).await.unwrap();
    }
    client.write_all(b"\n\xff\xfe\x00\nnext\n").await.unwrap();
    let records = service.records(3).await;
    assert_eq!(records[0].body.len(), 1_000);
    assert_eq!(&records[1].body[..], b"\xff\xfe\x00");
    assert_eq!(records[2].body, "next");
    assert_eq!(service.tally.loss(loss::TOO_LONG), 1);
}

#[tokio::test]
async fn reading_stops_while_the_journal_is_behind_and_goes_on_after() {
    let mut service = service(Settings::default());
    let mut client = service.connect().await;
    let text: String = (0..1_000).map(|i| format!("{i:0>99}\n")).collect();
    let writer = tokio::spawn(async move {
        for _ in 0..1_000 {
            client.write_all(text.as_bytes()).await.unwrap();
        }
    });
    // Nobody accepts: a few blocks come, then no more.
    let mut waiting = Vec::new();
    while let Ok(Some(block)) = timeout(Duration::from_millis(500), service.blocks.recv()).await {
        waiting.push(block);
    }
    let records: usize = waiting.iter().map(|block| block.records.len()).sum();
    assert!(waiting.len() <= 4 && !writer.is_finished(), "{} blocks, {records} records", waiting.len());
    waiting.into_iter().for_each(|block| _ = block.accepted.unwrap().send(Ok(())));
    assert_eq!(service.records(1_000_000 - records).await.len() + records, 1_000_000);
    writer.await.unwrap();
}

#[tokio::test]
async fn a_refused_block_closes_the_connection_and_is_counted() {
    let mut service = service(Settings::default());
    let mut client = service.connect().await;
    client.write_all(b"one\ntwo\n").await.unwrap();
    client.shutdown().await.unwrap();
    let block = service.blocks.recv().await.unwrap();
    let count = block.records.len() as u64;
    block.accepted.unwrap().send(Err(Refused("no space left on device".into()))).unwrap();
    service.until(loss::REFUSED, count).await;
    assert_eq!(client.read(&mut [0]).await.unwrap_or(0), 0);
    service.connect().await.write_all(b"the service lives\n").await.unwrap();
    assert_eq!(texts(&service.records(1).await).last().unwrap(), "the service lives");
}

#[tokio::test]
async fn what_was_received_is_handed_on_when_it_stops() {
    let mut service = service(Settings::default());
    let mut clients = Vec::new();
    for i in 0..20 {
        let mut client = service.connect().await;
        client.write_all(format!("{i} one\n{i} half").as_bytes()).await.unwrap();
        clients.push(client);
    }
    service.stop.send(true).unwrap();
    let start = Instant::now();
    assert_eq!(service.records(40).await.len(), 40);
    timeout(Duration::from_secs(2), service.task).await.expect("ends in time").unwrap().unwrap();
    println!("drained in {:?}", start.elapsed());
    assert!(TcpStream::connect(service.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_journal_that_never_answers_holds_the_stop_for_five_seconds_at_most() {
    let mut service = service(Settings::default());
    let mut client = service.connect().await;
    client.write_all(b"one\n").await.unwrap();
    let unanswered = service.blocks.recv().await.unwrap();
    service.stop.send(true).unwrap();
    let start = Instant::now();
    timeout(Duration::from_secs(7), service.task).await.expect("ends in time").unwrap().unwrap();
    assert!(start.elapsed() > Duration::from_secs(4));
    drop(unanswered);
}

#[test]
fn a_port_in_use_is_said_at_once() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let error = Tcp::bind(&Settings { listen: listen.clone(), ..Settings::default() }).unwrap_err();
    let expected = format!("cannot bind tcp {listen}: address already in use; choose another port with sources.tcp.listen");
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_heading_holds_for_what_comes_below_it_over_the_same_connection() {
    let mut service = service(Settings::default());
    let mut client = service.connect().await;
    client.write_all(b"first\n#separator \\x09\n#fields\tts\tuid\n1.0\tC1\n2.0\tC2\n#fields\tuid\nC3\n").await.unwrap();
    let mut other = service.connect().await;
    let records = service.records(4).await;
    other.write_all(b"C4\n").await.unwrap();
    let last = service.records(1).await;
    let told: Vec<_> = records
        .iter()
        .chain(&last)
        .map(|record| {
            (record.body.to_vec(), record.origin.reading.columns.as_deref().map(|columns| columns.lines().last().unwrap()))
        })
        .collect();
    let expected: [(&[u8], _); 5] = [
        (b"first", None),
        (b"1.0\tC1", Some("#fields\tts\tuid")),
        (b"2.0\tC2", Some("#fields\tts\tuid")),
        (b"C3", Some("#fields\tuid")),
        (b"C4", None),
    ];
    assert_eq!(told, expected.map(|(body, columns)| (body.to_vec(), columns)));
    assert_eq!((service.tally.loss(loss::HEADING), service.tally.records()), (3, 5));
}

/// Headings before each record must not make blocks, nor memory, grow.
#[tokio::test]
async fn many_headings_make_many_blocks_of_one_origin_each() {
    let mut service = service(Settings::default());
    let mut client = service.connect().await;
    let sending = tokio::spawn(async move {
        let long = format!("#fields\t{}\nx\n", "y\t".repeat(5_000));
        for _ in 0..300 {
            client.write_all(long.as_bytes()).await.unwrap();
        }
    });
    let mut seen = 0;
    while seen < 300 {
        let block = timeout(Duration::from_secs(10), service.blocks.recv()).await.expect("in time").unwrap();
        assert!(block.records.iter().all(|record| Arc::ptr_eq(&record.origin, &block.records[0].origin)));
        seen += block.records.len();
        _ = block.accepted.unwrap().send(Ok(()));
    }
    sending.await.unwrap();
    assert_eq!(service.tally.loss(loss::HEADING), 300);
}
