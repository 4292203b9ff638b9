//! Recall and false alarms per set and label, and speed: `measure FOLDER [SET/LABEL]`; with a label, prints what is missed (or,
//! for `norm`, raised).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use flate2::read::GzDecoder;
use lapwing_inspect::{BUILTIN, Inspector, Rules, conclude};

struct Request {
    label: String,
    uri: String,
    agent: String,
    referrer: String,
    body: String,
    headers: Vec<(String, String)>,
    /// Answered with 404 or 403.
    absent: bool,
}

fn read(path: &Path) -> Vec<Request> {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    BufReader::new(GzDecoder::new(file))
        .lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            Request {
                label: text("label"),
                uri: text("uri"),
                agent: text("ua"),
                referrer: text("ref"),
                body: text("body"),
                headers: headers(&row),
                absent: false,
            }
        })
        .collect()
}

fn headers(row: &serde_json::Value) -> Vec<(String, String)> {
    let extra = row["extra"].as_object();
    let pair = |(name, value): (&String, &serde_json::Value)| (name.clone(), value.as_str().unwrap_or_default().to_owned());
    extra.map(|all| all.iter().map(pair).collect()).unwrap_or_default()
}

fn access(path: &Path) -> Vec<Request> {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    let text = String::from_utf8_lossy(&text);
    let request = |line: &str| {
        let quoted: Vec<&str> = line.split('"').collect();
        let uri = quoted.get(1)?.split(' ').nth(1)?.to_owned();
        Some(Request {
            label: "norm".to_owned(),
            uri,
            agent: (*quoted.get(5)?).to_owned(),
            referrer: (*quoted.get(3)?).to_owned(),
            body: String::new(),
            headers: Vec::new(),
            absent: [" 404 ", " 403 "].iter().any(|status| quoted.get(2).is_some_and(|rest| rest.starts_with(status))),
        })
    };
    text.lines().filter_map(request).collect()
}

fn inspect(inspector: &mut Inspector, request: &Request) {
    inspector.begin(b"");
    inspector.target(request.uri.as_bytes());
    inspector.agent(request.agent.as_bytes());
    inspector.referrer(request.referrer.as_bytes());
    inspector.body(request.body.as_bytes());
    request.headers.iter().for_each(|(name, value)| inspector.header(name.as_bytes(), value.as_bytes()));
}

/// Nanoseconds that this thread was on a CPU.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number")
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("usage: measure FOLDER [SET/LABEL]");
    let shown = arguments.next().unwrap_or_default();
    let start = Instant::now();
    let (rules, errors) = Rules::compile(BUILTIN);
    println!("{} rules compiled in {:.1?}", rules.rules().len(), start.elapsed());
    errors.iter().for_each(|error| println!("error: {error}"));
    let rules = Arc::new(rules);
    let mut inspector = Inspector::new(rules.clone());
    let folder = Path::new(&folder);
    let mut sets: Vec<(&str, Vec<Request>)> = ["httpparams", "libinj", "patt", "gotestwaf", "csic", "crs-regression"]
        .into_iter()
        .map(|name| (name, read(&folder.join(format!("requests/{name}.jsonl.gz")))))
        .collect();
    sets.push(("apache-10k", access(&folder.join("access-logs/apache-10k.log"))));
    let mut fired: BTreeMap<(String, String), u32> = BTreeMap::new();
    for (set, requests) in &sets {
        // Even and odd rows apart: tuned on one half, looked at on the other.
        let mut labels: BTreeMap<&str, [[u32; 3]; 2]> = BTreeMap::new();
        for (number, request) in requests.iter().enumerate() {
            inspect(&mut inspector, request);
            let found = conclude(&rules, inspector.hits(), request.absent);
            let row = &mut labels.entry(&request.label).or_default()[number % 2];
            row[0] += u32::from(!found.is_empty());
            row[1] += 1;
            row[2] += u32::from(found.iter().any(|found| !found.quiet));
            let normal = request.label.starts_with("n");
            if normal && !found.is_empty() {
                for hit in inspector.hits() {
                    *fired.entry(((*set).to_owned(), rules.rules()[hit.rule].id.clone())).or_default() += 1;
                }
            }
            if shown == format!("{set}/{}", request.label) && found.is_empty() != normal {
                let ids: Vec<_> = inspector.hits().iter().map(|hit| rules.rules()[hit.rule].id.as_str()).collect();
                println!(
                    "{} | {} | {} | {:?} | {}",
                    request.uri,
                    request.body,
                    if request.agent.contains("Chrome/120") { "" } else { &request.agent },
                    request
                        .headers
                        .iter()
                        .filter(|(name, _)| !["accept-encoding", "accept-language", "keep-alive", "proxy-connection"]
                            .contains(&name.as_str()))
                        .collect::<Vec<_>>(),
                    ids.join(" ")
                );
            }
        }
        for (label, halves) in labels {
            let [even, odd] = halves.map(|[found, all, _]| 100.0 * f64::from(found) / f64::from(all.max(1)));
            let (found, all) = (halves[0][0] + halves[1][0], halves[0][1] + halves[1][1]);
            let percent = 100.0 * f64::from(found) / f64::from(all);
            let aloud = 100.0 * f64::from(halves[0][2] + halves[1][2]) / f64::from(all);
            println!(
                "{set:15} {label:25} {found:6}/{all:<6} {percent:7.3} %   told aloud {aloud:7.3}   halves {even:7.3} {odd:7.3}"
            );
        }
    }
    println!("raised on normals: {fired:?}");
    if !shown.is_empty() {
        return;
    }
    for (set, requests) in &sets {
        let start = cpu();
        let rounds = 200_000 / requests.len() + 1;
        for _ in 0..rounds {
            requests.iter().for_each(|request| inspect(&mut inspector, request));
        }
        let rate = (rounds * requests.len()) as f64 / ((cpu() - start) / 1e9);
        println!("{set:15} {rate:10.0} requests/CPU-s");
    }
    let long = 1 << 20;
    for (what, value) in [
        ("parentheses", "(".repeat(long)),
        ("nested percent", format!("%{}41", "25".repeat(long / 2))),
        ("a", "a".repeat(long)),
        ("a=1&", "a=1'&".repeat(long / 5)),
        ("comments", "/*".repeat(long / 2)),
        ("quotes", "'\"".repeat(long / 2)),
        ("tags", "<a on".repeat(long / 5)),
        ("dots", "../".repeat(long / 3)),
        ("select", "select ".repeat(long / 7)),
    ] {
        let start = cpu();
        inspector.begin(b"");
        inspector.target(format!("/search?q={value}").as_bytes());
        println!("{what:15} {:.1} ms", (cpu() - start) / 1e6);
    }
}
