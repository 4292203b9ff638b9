//! What is known of addresses, from files and lists to what people read.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Service, kill, sum};
use serde_json::Value;

fn lapwing(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lapwing")).current_dir(folder).args(arguments).output().expect("runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).expect("UTF-8"))
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).expect("written"));
    folder
}

fn line(client: &str, second: u32, path: &str) -> String {
    format!("{client} - - [01/Mar/2025:10:00:{second:02} +0000] \"GET {path} HTTP/1.1\" 200 157 \"-\" \"curl/8.0\"\n")
}

/// Asks again and again until it holds.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what} did not come true within 30 s");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_newcomer_sees_whose_a_client_is_without_any_setting() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let (well, said) = lapwing(&examples, &["scan", "apache-10k.log.gz"]);
    assert!(well && said.contains("client 91.236.75.25 (PL, AS213014 "), "{said}");
}

#[test]
fn rules_ask_for_what_is_known_and_behaviours_count_by_it() {
    let rule = "title: From abroad\nname: abroad\nlevel: medium\nlogsource: {category: webserver}\n\
                detection:\n  far: {source.geo.country_iso_code: [BR, ZA]}\n  condition: far\n";
    let behaviour = "title: Many pages of one country\nname: pages-of-a-country\nlogsource: {category: webserver}\n\
                     detection:\n  any: {source.geo.country_iso_code|re: .}\n  condition: any\nbuckets:\n  - name: country-rush\n    \
                     key: [log.file.path, source.geo.country_iso_code]\n    distinct: client.address\n    capacity: 3\n    leak: 1m\n    level: high\n";
    let clients = ["200.160.2.3", "8.8.8.8", "130.149.1.1", "130.149.1.2", "130.149.1.3", "130.149.1.4", "133.11.0.1"];
    let log: String = clients.iter().zip(0..).map(|(client, second)| line(client, second, "/")).collect();
    let folder = folder(&[
        ("rule.yml", rule),
        ("behaviour.yml", behaviour),
        ("access.log", &log),
        ("lapwing.yaml", "rules: {paths: [rule.yml, behaviour.yml]}\n"),
    ]);
    let (well, said) = lapwing(folder.path(), &["scan", "access.log", "--config", "lapwing.yaml", "--output", "ndjson"]);
    let anomalies: Vec<Value> = said.lines().filter_map(|row| serde_json::from_str(row).ok()).collect();
    let found = |class: &str| anomalies.iter().filter(|anomaly| anomaly["class"] == class).count();
    assert!(well && found("rule-match") == 1 && found("country-rush") == 1, "{said}");
    assert_eq!(anomalies.iter().find(|anomaly| anomaly["class"] == "rule-match").expect("found")["known"]["country"], "BR");
}

/// A capture of one packet that opens a TCP connection.
fn capture(from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
    let mut ip = [&[0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0][..], &from, &to].concat();
    let tcp = [0xc3, 0x50, 0, 22, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0];
    ip.extend(tcp);
    let frame = [&[0; 12][..], &[8, 0], &ip].concat();
    let length = (frame.len() as u32).to_le_bytes();
    let header = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1].map(u32::to_le_bytes).concat();
    [&header[..], &1_740_823_200_u32.to_le_bytes(), &[0; 4], &length, &length, &frame].concat()
}

#[test]
fn flows_that_are_read_in_the_line_are_known_at_both_ends_for_any_number_of_workers() {
    let rule = "title: From there to the database\nname: there\nlevel: medium\ndetection:\n  s: {source.geo.country_iso_code: US, \
                destination.asset.criticality: critical, destination.network.class: private}\n  condition: s\n";
    let folder = folder(&[
        ("rule.yml", rule),
        ("assets.yaml", "- {name: db, criticality: critical, addresses: [10.0.0.5]}\n"),
        ("lapwing.yaml", "rules: {paths: [rule.yml]}\nenrichment: {assets: assets.yaml}\n"),
    ]);
    fs::write(folder.path().join("a.pcap"), capture([8, 8, 8, 8], [10, 0, 0, 5])).expect("written");
    let scan = |workers: &str| {
        let arguments = ["scan", "a.pcap", "--config", "lapwing.yaml", "--output", "ndjson"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
        let output = command.current_dir(folder.path()).env("LAPWING__WORKERS", workers).args(arguments).output().expect("runs");
        String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8")
    };
    let one = scan("1");
    assert!(one.contains(r#""class":"rule-match""#) && one.contains(r#""rule":"db (critical)""#), "{one}");
    assert_eq!([scan("2"), scan("7")], [one.clone(), one]);
}

#[test]
fn lookup_prints_what_is_known_and_check_what_is_set() {
    let folder = folder(&[
        ("lapwing.yaml", "enrichment:\n  assets: a.yaml\n  allow: b.yaml\n  threat_lists: [{name: feed, path: c.txt}]\n"),
        ("a.yaml", "- {name: db, owner: ops, criticality: critical, addresses: [10.0.0.5]}\n"),
        ("b.yaml", "- {addresses: [10.0.0.0/8], until: 2025-01-01, note: migration}\n"),
        ("c.txt", "203.0.113.0/24\nevil.example\n"),
    ]);
    let asked = ["lookup", "--config", "lapwing.yaml", "8.8.8.8", "10.0.0.5", "203.0.113.9", "www.evil.example"];
    let (well, said) = lapwing(folder.path(), &asked);
    for expected in [
        "country   US",
        "asset     db, critical, of ops",
        "feed names 203.0.113.0/24",
        "feed names evil.example",
        "until 2025-01-01T00:00:00Z migration",
    ] {
        assert!(well && said.contains(expected), "{expected} is missing in {said}");
    }
    let (well, said) = lapwing(folder.path(), &["check", "--config", "lapwing.yaml"]);
    for expected in ["IPtoASN", "feed       2 entries, medium", "10.0.0.0/8 until 2025-01-01T00:00:00Z (expired) migration"] {
        assert!(well && said.contains(expected), "{expected} is missing in {said}");
    }
    fs::write(folder.path().join("a.yaml"), "- {name: db, adresses: [10.0.0.5]}\n").expect("written");
    let (well, said) = lapwing(folder.path(), &["check", "--config", "lapwing.yaml"]);
    assert!(!well && said.contains("a.yaml:1:14: unknown 'adresses'; did you mean 'addresses'?"), "{said}");
}

/// What `/detect` says of a flow from one of one's own databases to a public address.
fn asked(service: &mut Service) -> Value {
    let flow = r#"{"log_line": {"timestamp": "2025-03-01T10:00:00Z", "event_type": "flow", "src_ip": "10.0.0.5", "src_port": 50000,
        "dest_ip": "8.8.8.8", "dest_port": 443, "proto": "TCP", "flow": {"pkts_toserver": 9, "bytes_toserver": 900}}}"#;
    let (status, answer) = service.post("/detect", flow.as_bytes()).expect("an answer");
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(&answer).expect("JSON")
}

#[test]
fn who_asks_about_a_flow_is_told_what_is_known_of_both_ends_and_a_signal_reads_that_again() {
    let assets = |name: &str| format!("- {{name: {name}, owner: ops, criticality: critical, addresses: [10.0.0.5]}}\n");
    let folder = folder(&[
        ("assets.yaml", &assets("db")),
        ("feed.txt", "8.8.8.0/24\n"),
        (
            "lapwing.yaml",
            "enrichment: {assets: assets.yaml, threat_lists: [{name: feed, path: feed.txt, severity: high}], reload_seconds: 0}\n",
        ),
    ]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command.current_dir(folder.path()).stdout(std::process::Stdio::null()).args(["run", "--config", "lapwing.yaml"]);
    let mut service = Service::launch(command, &[]).expect("it starts");
    let told = asked(&mut service);
    assert_eq!(told["class"], "threat-list", "{told}");
    assert_eq!(told["findings"][0]["entity"], "10.0.0.5", "what the finding is about: {told}");
    assert_eq!((&told["known"]["asset"]["name"], &told["known"]["network_class"]), (&"db".into(), &"private".into()), "{told}");
    let far = &told["destination_known"];
    assert_eq!((&far["country"], &far["threats"][0]["list"]), (&"US".into(), &"feed".into()), "{told}");
    assert_eq!(far["autonomous_system"]["number"], 15_169, "{told}");
    fs::write(folder.path().join("assets.yaml"), assets("ledger")).expect("written");
    assert_eq!(asked(&mut service)["known"]["asset"]["name"], "db", "nobody looks for changes");
    kill(service.pid(), "-HUP");
    until("the new name is known", || (asked(&mut service)["known"]["asset"]["name"] == "ledger").then_some(()));
    fs::write(folder.path().join("assets.yaml"), "- {nam: x}\n").expect("written");
    kill(service.pid(), "-HUP");
    until("the mistake is counted", || (sum(&service.get("/metrics").1, "lapwing_dropped_total") > 0).then_some(()));
    assert_eq!(asked(&mut service)["known"]["asset"]["name"], "ledger", "a bad file keeps what was known");
    service.stop();
}

/// Serves one text over HTTP on loopback, whatever is asked for; the text can be changed.
fn serve(text: Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/list", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let read = BufReader::new(connection.try_clone().expect("cloned"));
            read.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let text = text.lock().expect("not poisoned").clone();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
            let _ = connection.write_all(&[head.as_bytes(), text.as_bytes()].concat());
        }
    });
    url
}

#[test]
fn a_list_is_fetched_and_a_bad_refresh_keeps_it_and_is_counted() {
    let served = Arc::new(Mutex::new("203.0.113.0/24\n".to_owned()));
    let url = serve(served.clone());
    let config = format!(
        "enrichment:\n  reload_seconds: 1\n  fetch_seconds: 1\n  threat_lists: [{{name: far, url: \"{url}\", severity: high}}]\n"
    );
    let folder = folder(&[("lapwing.yaml", &config)]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command.current_dir(folder.path()).stdout(std::process::Stdio::null()).args(["run", "--config", "lapwing.yaml"]);
    let mut service = Service::launch(command, &[]).expect("it starts");
    let list = folder.path().join("data/lists/far.list");
    until("the list is fetched", || list.exists().then_some(()));
    let mut second = 0;
    let mut told = |service: &mut Service, client: &str| {
        second += 1;
        service.post("/logs", line(client, second % 60, "/").as_bytes()).expect("taken");
        service.settle();
        service.anomalies().into_iter().find(|anomaly| anomaly["entity"] == client && anomaly["class"] == "threat-list")
    };
    let anomaly = until("what it names is told", || told(&mut service, "203.0.113.9"));
    assert_eq!((anomaly["severity"].as_str(), anomaly["observed"].as_str()), (Some("high"), Some("203.0.113.0/24")));
    *served.lock().expect("not poisoned") = "<html>\nsorry, come back later\n</html>\n".to_owned();
    until("the bad refresh is counted", || {
        let metrics = service.get("/metrics").1;
        metrics.lines().any(|line| line.starts_with("lapwing_dropped_total{reason=\"threat_lists_not_fetched\"}")).then_some(())
    });
    assert!(told(&mut service, "203.0.113.10").is_some(), "what was there is still there");
    assert_eq!(fs::read_to_string(&list).expect("kept"), "203.0.113.0/24\n");
    *served.lock().expect("not poisoned") = "198.51.100.7\n".to_owned();
    until("a good refresh takes effect", || told(&mut service, "198.51.100.7"));
    assert!(sum(&service.get("/metrics").1, "lapwing_events_received_total") > 0);
    service.stop();
}

/// Answers every question for a pointer with one name.
fn name_server(name: &'static [u8]) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let mut answer = buffer[..length].to_vec();
            (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
            answer.extend([0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 60, 0, name.len() as u8]);
            answer.extend(name);
            let _ = socket.send_to(&answer, from);
        }
    });
    address
}

#[test]
fn the_name_of_an_address_appears_on_the_anomaly_and_a_server_that_is_silent_stops_nothing() {
    let server = name_server(b"\x04host\x07example\x00");
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    for (server, expected) in [(server, Some("host.example")), (silent.local_addr().expect("an address").to_string(), None)] {
        let folder = folder(&[]);
        let environment =
            [("LAPWING__ENRICHMENT__REVERSE_DNS__ENABLED", "true"), ("LAPWING__ENRICHMENT__REVERSE_DNS__SERVER", &server)];
        let mut service = Service::start(folder.path(), &environment);
        let attack = line("203.0.113.9", 1, "/?id=1%27%20UNION%20SELECT%20login,password%20FROM%20users--");
        service.post("/logs", attack.as_bytes()).expect("taken");
        let domain = |service: &mut Service| service.anomalies().first().map(|anomaly| anomaly["known"]["domain"].clone());
        let anomaly = until("the anomaly is stored", || domain(&mut service));
        match expected {
            Some(name) => until("the name is known", || domain(&mut service).filter(|domain| domain == name).map(drop)),
            None => assert_eq!(anomaly, Value::Null),
        }
        service.stop();
    }
}
