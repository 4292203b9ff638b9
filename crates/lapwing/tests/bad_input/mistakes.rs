//! What people get wrong: a port in use, a key that does not exist, a rule that is none.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use super::support::{Ended, ended, fed, lapwing, name, run};

/// `lapwing run` in a directory of its own with these settings, which must end by itself.
fn started(environment: &[(&str, &str)]) -> Ended {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let mut command = lapwing(&["run"]);
    command
        .current_dir(directory.path())
        .env("LAPWING__SERVER__LISTEN", "127.0.0.1:0")
        .env("LAPWING__SOURCES__TCP__LISTEN", "127.0.0.1:0")
        .envs(environment.iter().copied());
    let ended = run(command, |_, _| Ok(()));
    assert!(!directory.path().join("data").exists(), "nothing was begun");
    ended
}

#[test]
fn a_port_in_use_ends_the_start_and_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    for (key, who, setting) in
        [("LAPWING__SERVER__LISTEN", "http", "server.listen"), ("LAPWING__SOURCES__TCP__LISTEN", "tcp", "sources.tcp.listen")]
    {
        let ended = started(&[(key, &address)]);
        assert_eq!(ended.code(), Some(1), "{ended:?}");
        let said = format!("error: cannot bind {who} {address}: address already in use; choose another port with {setting}");
        assert!(ended.stderr.contains(&said), "{ended:?}");
    }
}

#[test]
fn a_key_that_does_not_exist_is_said_with_its_place_and_the_one_meant() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let file = directory.path().join("lapwing.yaml");
    std::fs::write(&file, "workers: 1\nserver:\n  lissten: 127.0.0.1:0\n").expect("written");
    let log = directory.path().join("x.log");
    std::fs::write(&log, "x\n").expect("written");
    for command in [&["check"] as &[_], &["run"], &["scan", name(&log)], &["score", name(&log)], &["patterns", name(&log)]] {
        let ended = ended(&[&["--config", name(&file)], command].concat());
        assert_eq!(ended.code(), Some(1), "{ended:?}");
        let said = format!("{}:3:3: unknown key 'lissten'; did you mean 'listen'?", name(&file));
        assert!(ended.stderr.contains(&said), "{ended:?}");
        assert!(ended.stdout.is_empty(), "{ended:?}");
    }
    let ended = started(&[("LAPWING__SERVER__LISSTEN", "127.0.0.1:0")]);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    let said = "environment variable LAPWING__SERVER__LISSTEN: unknown key 'lissten'; did you mean 'listen'?";
    assert!(ended.stderr.contains(said), "{ended:?}");
}

/// One rule that is right among several that are not.
const RULES: &str = "\
title: a modifier that is none
detection:
  words:
    message|contians: sesame
  condition: words
---
title: a condition that names nothing
detection:
  words: [sesame]
  condition: wrods
---
title: The word was said
level: high
detection:
  words:
    message|contains: sesame
  condition: words
---
title: a field that is misspelt
detection:
  path:
    url.pth|contains: /admin
  condition: path
";

fn rules(directory: &Path) -> (PathBuf, PathBuf) {
    let (rules, config) = (directory.join("rules.yml"), directory.join("lapwing.yaml"));
    std::fs::write(&rules, RULES).expect("written");
    std::fs::write(&config, format!("rules:\n  paths: [{}]\n", name(&rules))).expect("written");
    (rules, config)
}

/// What is to be said of each rule that is wrong.
fn said(rules: &Path) -> [String; 3] {
    let file = name(rules);
    [
        format!("{file}:4:13: unknown modifier 'contians'; did you mean 'contains'?"),
        format!("{file}:10:14: unknown selection 'wrods'; did you mean 'words'?"),
        format!("{file}:22:5: no log is known to carry the field 'url.pth'; did you mean 'url.path'?"),
    ]
}

#[test]
fn rules_that_are_wrong_are_reported_with_their_place_and_the_others_work() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (rules, config) = rules(directory.path());
    let scan = fed(&["--config", name(&config), "scan", "-", "--output", "json"], |stdin, _| {
        std::io::Write::write_all(stdin, b"2025-03-01T10:00:00Z INFO open sesame\n")
    });
    for said in said(&rules) {
        assert!(scan.stderr.contains(&said), "{said} is not in {}", scan.stderr);
    }
    let report = scan.json();
    let found = report["anomalies"].as_array().expect("a list").iter().filter_map(|anomaly| anomaly["reason"].as_str());
    assert!(found.into_iter().any(|reason| reason.starts_with("The word was said")), "{report}");
}

#[test]
fn check_fails_where_a_rule_is_wrong_and_lists_them_all() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let (rules, config) = rules(directory.path());
    let check = ended(&["--config", name(&config), "check"]);
    assert_eq!(check.code(), Some(1), "{check:?}");
    for said in said(&rules) {
        assert!(check.stderr.contains(&said), "{said} is not in {}", check.stderr);
    }
    assert!(!check.stdout.contains("is valid"), "{check:?}");
}

#[test]
fn rules_that_cannot_be_read_end_the_start() {
    let ended = started(&[("LAPWING__RULES__PATHS", "[/no/such/rules]")]);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("/no/such/rules") && ended.stderr.contains("rules.paths"), "{ended:?}");
}
