//! A log of Zeek's with columns of a site's own, pushed: read as its file would be, also from the journal after a crash.

use std::io::Write;
use std::net::TcpStream;

use crate::{common, start};

const PORTS: u64 = 200;

/// Who tries each of so many ports of one host once.
fn connections(client: &str) -> String {
    let heading =
        "#separator \\x09\n#path\tconn\n#fields\tid.resp_p\tid.resp_h\tid.orig_h\tid.orig_p\tts\tuid\tproto\tconn_state\n";
    let line = |port: u64| {
        let second = 1_767_600_000 + port;
        format!("{port}\t10.0.0.5\t{client}\t{}\t{second}.0\tC{port}\ttcp\tS0\n", 40_000 + port)
    };
    (1..=PORTS).map(line).fold(heading.to_owned(), |text, line| text + &line)
}

fn zeek(service: &mut common::Service) -> u64 {
    service.settle();
    let metrics = service.get("/metrics").1;
    metrics.lines().find_map(|line| line.strip_prefix("lapwing_events_parsed_total{format=\"zeek\"} ")?.parse().ok()).unwrap_or(0)
}

#[test]
fn a_log_with_columns_of_its_own_is_read_as_its_file_would_be_also_after_a_crash() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut service = start(directory.path(), &[("LAPWING__STORE__SNAPSHOT_SECONDS", "3600")]);
    let (status, receipt) = service.post("/logs", connections("203.0.113.9").as_bytes()).expect("an answer");
    assert_eq!((status, receipt), (202, format!(r#"{{"accepted":{PORTS},"not_understood":0,"reasons":{{}}}}"#)));
    TcpStream::connect(service.tcp).expect("a connection").write_all(connections("203.0.113.77").as_bytes()).expect("sent");
    let begun = std::time::Instant::now();
    while zeek(&mut service) < 2 * PORTS && begun.elapsed().as_secs() < 20 {}
    assert_eq!(zeek(&mut service), 2 * PORTS);
    let mut told: Vec<_> =
        service.anomalies().iter().map(|anomaly| format!("{} {}", anomaly["class"], anomaly["entity"])).collect();
    told.sort();
    assert_eq!(told, [r#""port-scan" "203.0.113.77""#, r#""port-scan" "203.0.113.9""#]);
    common::kill(service.pid(), "-KILL");
    service.wait();
    let mut service = start(directory.path(), &[]);
    assert_eq!(zeek(&mut service), 2 * PORTS, "the journal keeps what stands above records");
    service.stop();
}
