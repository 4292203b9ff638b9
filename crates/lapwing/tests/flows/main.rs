//! Flows from the wire and from captures through the real binary. Where softflowd or the shared captures are missing a test says
//! so and passes.

#[path = "../common/mod.rs"]
mod common;
mod exporter;
mod pushed;
mod silence;

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::Service;
use exporter::{Exporter, data, template, v5};
use serde_json::Value;

const LISTEN: &[(&str, &str)] =
    &[("LAPWING__SOURCES__NETFLOW__ENABLED", "true"), ("LAPWING__SOURCES__NETFLOW__LISTEN", "[\"127.0.0.1:0\"]")];

fn start(directory: &Path, more: &[(&str, &str)]) -> Service {
    Service::start(directory, &[LISTEN, more].concat())
}

fn stats(service: &mut Service) -> Value {
    serde_json::from_str(&service.get("/stats").1).expect("JSON")
}

/// Waits until the figures of exporters satisfy; they are told at every quiet second.
fn until(service: &mut Service, what: &str, satisfied: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let stats = stats(service);
        if satisfied(&stats) {
            return stats;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {stats}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn of_local<'a>(stats: &'a Value, what: &str) -> &'a Value {
    &stats["exporters"]["127.0.0.1"][what]
}

fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/net").join(name);
    if !path.exists() {
        eprintln!("skipped: {name} is not beside this repository (../shared/data/net)");
        return None;
    }
    Some(path)
}

#[test]
fn a_real_exporter_is_decoded_in_every_version_without_a_flow_more_or_less() {
    let Some(capture) = shared("captures/synscan.pcap") else { return };
    for version in ["5", "9", "10"] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut service = start(directory.path(), &[]);
        let to = service.netflow.expect("listening").to_string();
        let pid = directory.path().join("softflowd.pid");
        let ended = Command::new("timeout")
            .args(["60", "softflowd", "-d", "-c", "none", "-v", version, "-n", &to, "-p"])
            .arg(pid)
            .arg("-r")
            .arg(&capture)
            .output();
        match ended {
            Ok(output) if output.status.code() == Some(127) => return eprintln!("skipped: softflowd is not installed"),
            Err(error) => return eprintln!("skipped: softflowd cannot be started: {error}"),
            Ok(_) => {}
        }
        let stats = until(&mut service, version, |stats| of_local(stats, "flows").as_u64() >= Some(2_002));
        assert_eq!(of_local(&stats, "flows"), 2_002, "v{version}: {stats}");
        for wrong in ["malformed", "missing_template", "lost", "dropped"] {
            assert_eq!(of_local(&stats, wrong), 0, "v{version} {wrong}: {stats}");
        }
        service.stop();
    }
}

#[test]
fn templates_survive_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let exporter = Exporter::new();
    let mut service = start(directory.path(), &[]);
    exporter.send(service.netflow, &template(0));
    until(&mut service, "the template", |stats| of_local(stats, "datagrams") == 1);
    service.stop();
    let mut service = start(directory.path(), &[]);
    exporter.send(service.netflow, &data(1, 20));
    let stats = until(&mut service, "the data", |stats| of_local(stats, "datagrams") == 1);
    assert_eq!((of_local(&stats, "flows"), of_local(&stats, "missing_template")), (&20.into(), &0.into()), "{stats}");
    service.stop();
}

#[test]
fn what_was_journalled_before_a_crash_is_decoded_after_it_with_its_templates() {
    let directory = tempfile::tempdir().expect("a directory");
    let exporter = Exporter::new();
    let mut service = start(directory.path(), &[("LAPWING__STORE__SNAPSHOT_SECONDS", "3600")]);
    exporter.send(service.netflow, &template(0));
    exporter.send(service.netflow, &data(1, 20));
    until(&mut service, "the data", |stats| of_local(stats, "flows") == 20);
    common::kill(service.pid(), "-KILL");
    service.wait();
    let mut service = start(directory.path(), &[]);
    until(&mut service, "the replay", |stats| of_local(stats, "flows") == 20);
    exporter.send(service.netflow, &data(2, 7));
    until(&mut service, "what comes after", |stats| of_local(stats, "flows") == 27);
    service.stop();
}

#[test]
fn data_before_their_template_wait_for_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let exporter = Exporter::new();
    let mut service = start(directory.path(), &[]);
    exporter.send(service.netflow, &data(0, 5));
    exporter.send(service.netflow, &template(1));
    let stats = until(&mut service, "both", |stats| of_local(stats, "flows") == 5);
    assert_eq!(of_local(&stats, "missing_template"), 1, "{stats}");
    service.stop();
}

#[test]
fn malformed_datagrams_and_gaps_are_counted_and_nothing_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let exporter = Exporter::new();
    let mut service = start(directory.path(), &[]);
    exporter.send(service.netflow, &v5(1, 30));
    exporter.send(service.netflow, b"\x00\x63nothing of ours");
    exporter.send(service.netflow, &v5(31 + 60, 30));
    let stats = until(&mut service, "all", |stats| of_local(stats, "datagrams") == 3);
    assert_eq!(of_local(&stats, "flows"), 60);
    assert_eq!(of_local(&stats, "malformed"), 1);
    assert_eq!(of_local(&stats, "lost"), 60);
    assert_eq!(stats["not_understood"]["flow-version"], 1);
    let metrics = service.get("/metrics").1;
    assert_eq!(common::sum(&metrics, "lapwing_flow_rows_total"), 60, "{metrics}");
    service.stop();
}

#[test]
fn exporters_that_are_not_allowed_are_counted_and_not_heard() {
    let directory = tempfile::tempdir().expect("a directory");
    let exporter = Exporter::new();
    let mut service = start(directory.path(), &[("LAPWING__SOURCES__NETFLOW__ALLOW", "[\"192.0.2.0/24\"]")]);
    exporter.send(service.netflow, &v5(1, 30));
    let stats = until(&mut service, "the refusal", |stats| stats["dropped"]["netflow_not_allowed"] == 1);
    assert_eq!(stats["exporters"], serde_json::json!({}));
    service.stop();
    let wrong = [LISTEN, &[("LAPWING__SOURCES__NETFLOW__ALLOW", "[\"192.0.2.0/240\"]")]].concat();
    let said = Service::try_start(directory.path(), &wrong).err().expect("refused");
    assert!(said.contains("'192.0.2.0/240' is no network"), "{said}");
}

#[test]
fn ipfix_over_tcp_is_cut_into_messages_and_a_foreign_stream_is_closed() {
    let directory = tempfile::tempdir().expect("a directory");
    let environment = [("LAPWING__SOURCES__IPFIX_TCP__ENABLED", "true"), ("LAPWING__SOURCES__IPFIX_TCP__LISTEN", "127.0.0.1:0")];
    let mut service = Service::start(directory.path(), &environment);
    let address = service.ipfix.expect("listening");
    let mut exporter = TcpStream::connect(address).expect("a connection");
    let stream = [exporter::ipfix_template(0), exporter::ipfix_data(0, 50), exporter::ipfix_data(50, 50)].concat();
    for piece in stream.chunks(700) {
        exporter.write_all(piece).expect("sent");
    }
    until(&mut service, "the flows", |stats| of_local(stats, "flows") == 100);
    let mut foreign = TcpStream::connect(address).expect("a connection");
    foreign.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
    until(&mut service, "the foreign stream", |stats| stats["dropped"]["ipfix_tcp/127.0.0.1_malformed"] == 1);
    service.stop();
}

#[test]
fn captures_are_scanned_as_flows_plain_and_packed() {
    let Some(capture) = shared("captures/synscan.pcap") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let packed = directory.path().join("packed");
    let mut encoder = flate2::write::GzEncoder::new(std::fs::File::create(&packed).expect("a file"), Default::default());
    encoder.write_all(&std::fs::read(&capture).expect("the capture")).expect("packed");
    encoder.finish().expect("packed");
    for (file, workers) in [(&capture, "1"), (&packed, "3")] {
        let summary = scan(file, workers)["summary"].clone();
        assert_eq!((&summary["format"], &summary["unparsed"]), (&"capture".into(), &0.into()), "{summary}");
        assert!(summary["lines"].as_u64() >= Some(1_000), "{summary}");
    }
    assert_eq!(scan(&capture, "1")["summary"]["lines"], scan(&packed, "3")["summary"]["lines"]);
}

fn scan(file: &Path, workers: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .env("LAPWING__WORKERS", workers)
        .args(["scan", "--output", "json"])
        .arg(file)
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}
