//! The commands that send logs, `generate` and `replay`, against services made by hand.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

fn lapwing(args: &[&str]) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::cargo_bin("lapwing").expect("the binary");
    command.args(args).env_remove("LAPWING_TOKEN").timeout(Duration::from_secs(60));
    command
}

fn run(args: &[&str]) -> Output {
    lapwing(args).output().expect("it runs")
}

fn stdout(args: &[&str]) -> Vec<u8> {
    let output = run(args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn rows(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("labels");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// One request as it came.
#[derive(Debug)]
struct Request {
    head: String,
    body: String,
}

fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Request { head, body: String::from_utf8(body).expect("text") })
}

/// A service that answers the n-th request with `answer(n)`; tells its address and the requests.
fn http(answer: fn(usize, &Request) -> String) -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, requests) = channel();
    thread::spawn(move || {
        let mut number = 0;
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.expect("a connection"));
            while let Some(request) = read_request(&mut stream) {
                let answer = answer(number, &request);
                number += 1;
                if sender.send(request).is_err() || stream.get_mut().write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    (format!("http://{address}"), requests)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn accepted() -> String {
    answer("202 Accepted", "", r#"{"accepted":1,"not_understood":0,"reasons":{}}"#)
}

#[test]
fn the_same_options_give_the_same_bytes() {
    for kind in ["web", "app", "auth"] {
        let lines = stdout(&["generate", "--kind", kind, "--seed", "7"]);
        assert_eq!(lines, stdout(&["generate", "--kind", kind, "--seed", "7"]));
        assert_ne!(lines, stdout(&["generate", "--kind", kind, "--seed", "8"]));
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 1000);
    }
}

#[test]
fn a_file_holds_the_bytes_of_standard_output() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("web.log");
    std::fs::write(&file, "old").expect("written");
    stdout(&["generate", "--mode", "file", "--to", file.to_str().expect("text")]);
    assert_eq!(std::fs::read(&file).expect("the file"), stdout(&["generate"]));
}

#[test]
fn labels_name_the_lines_of_the_anomalies() {
    let directory = tempfile::tempdir().expect("a directory");
    let labels = directory.path().join("labels.ndjson");
    let log = stdout(&["generate", "--kind", "auth", "--count", "5000", "--labels", labels.to_str().expect("text")]);
    let lines: Vec<_> = log.split(|byte| *byte == b'\n').map(String::from_utf8_lossy).collect();
    let rows = rows(&labels);
    assert_eq!(rows[0]["settings"]["kind"], "auth");
    assert_eq!(rows[0]["settings"]["start"], "2026-01-05T08:00:00Z");
    let guesses: Vec<_> = rows.iter().filter(|row| row["class"] == "user-enumeration").collect();
    assert!(guesses.len() >= 12, "{} lines", guesses.len());
    let mut addresses: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for row in guesses {
        let line = &lines[row["line"].as_u64().expect("a number") as usize - 1];
        assert!(line.contains("sshd"), "{line}");
        let address = line.split_whitespace().find(|word| word.split('.').filter(|part| part.parse::<u8>().is_ok()).count() == 4);
        addresses.entry(row["incident"].as_u64().expect("a number")).or_default().extend(address);
    }
    for (incident, addresses) in addresses {
        assert!(addresses.len() > 5 && addresses.iter().all(|address| *address == addresses[0]), "{incident}: {addresses:?}");
    }
}

#[test]
fn without_anomalies_there_are_only_the_settings() {
    let directory = tempfile::tempdir().expect("a directory");
    let labels = directory.path().join("labels.ndjson");
    stdout(&["generate", "--no-anomalies", "--count", "5000", "--labels", labels.to_str().expect("text")]);
    let rows = rows(&labels);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["settings"]["anomaly_share"], 0.0);
}

#[test]
fn the_list_names_every_class_with_a_sentence() {
    let list = String::from_utf8(stdout(&["generate", "--list"])).expect("text");
    assert_eq!(list.lines().count(), lapwing_generate::classes().len());
    assert!(list.lines().any(|line| line.starts_with("web    scanner ") && line.ends_with('.')), "{list}");
}

#[test]
fn http_sends_every_line_once_and_waits_when_asked_to() {
    let (url, requests) = http(|number, _| match number {
        1 => answer(
            "429 Too Many Requests",
            "Retry-After: 1\r\n",
            r#"{"error":{"code":"x","message":"behind","help":"wait"},"accepted":200}"#,
        ),
        _ => accepted(),
    });
    let began = Instant::now();
    let output = lapwing(&["generate", "--mode", "http", "--to", &url, "--rate", "0", "--count", "1200"])
        .env("LAPWING_TOKEN", "a-secret-0123456789")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(began.elapsed() >= Duration::from_secs(1));
    let requests: Vec<_> = requests.try_iter().collect();
    let lines: Vec<Vec<_>> = requests.iter().map(|request| request.body.lines().collect()).collect();
    assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [500, 500, 300, 200]);
    assert_eq!(lines[1][200..], lines[2][..]);
    assert!(requests.iter().all(|request| request.head.starts_with("POST /logs HTTP/1.1")));
    assert!(requests.iter().all(|request| request.head.to_lowercase().contains("authorization: bearer a-secret-0123456789")));
    assert!(said.contains("1,200 lines") && said.contains("1 requests repeated") && !said.contains("a-secret"), "{said}");
}

#[test]
fn http_keeps_to_the_rate_and_to_the_clock() {
    let (url, requests) = http(|_, _| accepted());
    let began = Instant::now();
    let args = ["generate", "--kind", "app", "--json", "--mode", "http", "--to", &url, "--rate", "100", "--count", "150"];
    assert!(run(&args).status.success());
    assert!((0.8..4.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    let requests: Vec<_> = requests.try_iter().collect();
    assert!((3..=20).contains(&requests.len()), "{} requests", requests.len());
    let first: Value = serde_json::from_str(requests[0].body.lines().next().expect("a line")).expect("JSON");
    let time = ["timestamp", "time", "@timestamp", "ts"].iter().find_map(|key| first[key].as_str()).expect("a time");
    let time: lapwing_model::Timestamp = serde_json::from_value(time.into()).expect("RFC 3339");
    assert!(lapwing::pipeline::clock().since(time) < Duration::from_secs(30), "{time}");
}

#[test]
fn http_says_why_it_was_refused() {
    let (url, _requests) = http(|_, _| {
        answer("401 Unauthorized", "", r#"{"error":{"code":"unauthorized","message":"this address asks for a token"}}"#)
    });
    let output = run(&["generate", "--mode", "http", "--to", &url, "--rate", "0"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("asks for a token") && said.contains("LAPWING_TOKEN"), "{said}");
}

fn count_lines(listener: TcpListener, counts: Sender<usize>) {
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        counts.send(BufReader::new(stream).lines().map_while(Result::ok).count())
    });
}

#[test]
fn tcp_sends_every_line() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = listener.local_addr().expect("an address").to_string();
    let (sender, counts) = channel();
    count_lines(listener, sender);
    stdout(&["generate", "--mode", "tcp", "--to", &to, "--rate", "0", "--count", "20000"]);
    assert_eq!(counts.recv_timeout(Duration::from_secs(10)), Ok(20_000));
}

#[test]
fn an_interrupt_ends_it_cleanly_and_what_was_sent_is_labelled() {
    let directory = tempfile::tempdir().expect("a directory");
    let labels = directory.path().join("labels.ndjson");
    let binary = assert_cmd::cargo::cargo_bin("lapwing");
    let mut command = std::process::Command::new(binary);
    command.args(["generate", "--rate", "200", "--count", "1000000", "--labels"]).arg(&labels);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("output")).lines();
    lines.by_ref().take(20).for_each(|line| assert!(line.is_ok()));
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let written = 20 + lines.count();
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).starts_with(&format!("{written} lines")), "{written} lines: {output:?}");
    assert!(rows(&labels).iter().skip(1).all(|row| row["line"].as_u64().expect("a number") <= written as u64));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let binary = assert_cmd::cargo::cargo_bin("lapwing");
    let mut command = std::process::Command::new(binary);
    command.args(["generate", "--count", "1000000"]).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().expect("it runs");
    let mut first = [0; 100];
    child.stdout.take().expect("output").read_exact(&mut first).expect("lines");
    assert!(child.wait().expect("it ends").success());
}

/// Finds every line with `CRITICAL` anomalous.
fn judge(_: usize, request: &Request) -> String {
    let asked: Value = serde_json::from_str(&request.body).expect("JSON");
    match asked["log_line"].as_str().expect("a line").contains("CRITICAL") {
        true => answer(
            "200 OK",
            "",
            r#"{"is_anomaly":true,"score":0.85,"severity":"high","class":"critical-level","detectors":{"rules":0.85}}"#,
        ),
        false => answer("200 OK", "", r#"{"is_anomaly":false,"score":0.02}"#),
    }
}

const LOG: &str = "INFO all well\nCRITICAL db \x1b[2J down\nINFO all well again\n";

#[test]
fn replay_tells_what_is_thought_of_each_line() {
    let (url, requests) = http(judge);
    let args = ["replay", "-", "--to", &url, "--session-id", "s-1", "--fail-on", "high"];
    let output = lapwing(&args).write_stdin(LOG).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).expect("text");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[0], "NORMAL     2  INFO all well");
    assert_eq!(lines[1], "ANOMALY   85  critical-level  rules 85  CRITICAL db \\x1b[2J down");
    assert!(lines[3].starts_with("lines      3 in "), "{said}");
    assert!(said.contains("severities high 1") && said.contains("classes    critical-level 1"), "{said}");
    let request = requests.try_iter().next().expect("a request");
    assert!(request.head.starts_with("POST /detect HTTP/1.1"), "{}", request.head);
    assert_eq!(request.body, r#"{"log_line":"INFO all well","session_id":"s-1"}"#);
}

#[test]
fn replay_gives_answers_as_data_and_ends_after_so_many() {
    let (url, _requests) = http(judge);
    let output =
        lapwing(&["replay", "-", "--to", &url, "-o", "json", "--max-logs", "2"]).write_stdin(LOG).output().expect("it runs");
    assert!(output.status.success());
    let rows: Vec<Value> =
        String::from_utf8_lossy(&output.stdout).lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(rows.iter().map(|row| row["is_anomaly"].as_bool()).collect::<Vec<_>>(), [Some(false), Some(true)]);
}

#[test]
fn replay_without_a_service_says_how_to_start_it() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let output = lapwing(&["replay", "-", "--to", &format!("http://{free}")]).write_stdin(LOG).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("connection refused; start the service with lapwing run"), "{said}");
}

#[test]
fn flows_go_into_a_capture_in_every_version_and_are_read_back_with_their_labels() {
    let directory = tempfile::tempdir().expect("a directory");
    let own = |name: &str| directory.path().join(name).display().to_string();
    for version in ["5", "9", "10"] {
        let (capture, labels) = (own("flows.pcap"), own("labels"));
        let flows = ["generate", "--kind", "flows", "--mode", "pcap", "--netflow", version, "--count", "30000"];
        stdout(&[&flows[..], &["--to", &capture, "--labels", &labels]].concat());
        let found: Value = serde_json::from_slice(&stdout(&["scan", "--output", "json", &capture])).expect("JSON");
        // And the exporter's own conversation.
        assert_eq!(found["summary"]["lines"], 30_001, "version {version}: {}", found["summary"]);
        let labelled = rows(Path::new(&labels));
        assert!(
            labelled.len() > 1_000 && labelled[1]["source"].is_string() && labelled[1]["class"].is_string(),
            "{}",
            labelled[1]
        );
    }
}

#[test]
fn what_makes_no_sense_for_flows_is_refused_with_the_reason() {
    for (args, reason) in [
        (&["--kind", "flows", "--anomaly-share", "0.1"][..], "each attack once a day"),
        (&["--kind", "web", "--mode", "pcap", "--to", "x"], "--mode pcap is for --kind flows"),
        (&["--kind", "flows", "--mode", "pcap"], "add --to FILE"),
        (&["--kind", "web", "--hosts", "50"], "--hosts is for --kind flows"),
    ] {
        let output = run(&[&["generate"], args].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(reason), "{args:?}: {said}");
    }
}
