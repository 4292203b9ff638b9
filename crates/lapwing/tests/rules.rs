//! `lapwing rules`, and rules that change while the service runs.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Service, kill};

const SHELL: &str = "title: A web shell is asked\nname: web-shell\nclass: web-shell\nlevel: high\ntags: [attack.t1505.003]\n\
                     logsource: {category: webserver}\ndetection:\n  shell: {cs-uri-stem|endswith: /shell.php}\n  \
                     condition: shell\ntests:\n  match:\n    - 'LINE'\n  no_match:\n    - 'Mar  1 10:00:00 web1 app[7]: GET /shell.php'\n";
const WINDOWS: &str = "title: w\nname: of-windows\nlogsource: {product: windows, category: process_creation}\n\
                       detection: {s: {Image|endswith: x.exe}, condition: s}\n";

fn line(path: &str) -> String {
    format!(r#"203.0.113.9 - - [01/Mar/2025:10:00:00 +0000] "GET {path} HTTP/1.1" 200 157 "-" "curl/8.0""#)
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text.replace("LINE", &line("/shell.php"))).expect("written");
    }
    folder
}

/// Whether the command ended well, and all that it said.
fn rules(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_lapwing")).current_dir(folder).arg("rules").args(arguments).output().expect("runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).expect("UTF-8"))
}

#[test]
fn check_names_the_place_of_a_mistake_and_what_was_meant() {
    let folder = folder(&[("a.yml", SHELL), ("b.yml", WINDOWS)]);
    let (well, said) = rules(folder.path(), &["check", "."]);
    assert!(well && said.contains("2 files, 2 rules and 0 filters are right; 1 of them"), "{said}");
    fs::write(folder.path().join("c.yml"), SHELL.replace("endswith", "endwith")).expect("written");
    fs::write(folder.path().join("d.yml"), WINDOWS.replace("|endswith: x.exe", "|re: '('").replace("of-", "")).expect("written");
    let (well, said) = rules(folder.path(), &["check", "."]);
    assert!(!well, "{said}");
    assert!(said.contains("./c.yml:8:23: unknown modifier 'endwith'; did you mean 'endswith'?"), "{said}");
    assert!(said.contains("./d.yml:4:"), "mistakes of rules that nothing applies to are found as well: {said}");
}

#[test]
fn list_shows_techniques_and_which_rules_apply() {
    let folder = folder(&[("a.yml", SHELL), ("b.yml", WINDOWS)]);
    let (well, said) = rules(folder.path(), &["list", "."]);
    assert!(well && said.contains("T1505.003") && said.contains("2 rules, 1 applicable"), "{said}");
    let (_, said) = rules(folder.path(), &["list", ".", "--json"]);
    assert!(said.lines().count() == 2 && said.contains(r#""applicable":false"#), "{said}");
}

#[test]
fn test_runs_the_lines_of_rule_files_and_names_rules_without() {
    let folder = folder(&[("a.yml", SHELL), ("b.yml", WINDOWS)]);
    let (well, said) = rules(folder.path(), &["test", ".", "--coverage"]);
    assert!(
        well && said
            .contains("1 rules with 2 test lines, 0 runs of buckets, 0 of correlations, 0 values of signatures, 0 failed"),
        "{said}"
    );
    assert!(said.contains("./b.yml:1: no tests: w"), "{said}");
    let broken = SHELL.replace("endswith: /shell.php", "endswith: /other.php").replace("LINE", &line("/shell.php"));
    fs::write(folder.path().join("a.yml"), broken).expect("written");
    let (well, said) = rules(folder.path(), &["test", "."]);
    assert!(!well && said.contains("A web shell is asked does not match: 203.0.113.9"), "{said}");
}

#[test]
fn the_rules_that_come_with_lapwing_pass_their_tests_and_each_has_some() {
    let folder = folder(&[]);
    let (well, said) = rules(folder.path(), &["test", "--coverage"]);
    assert!(well && said.contains(" 0 detections without tests, 0 buckets without runs, 0 correlations without runs"), "{said}");
}

const BUCKET: &str = "title: A shop page is missing\nname: shop-page\nlogsource: {category: webserver}\nwhen: refused\ndetection:\n  \
                      gone: {http.response.status_code: 410}\n  condition: gone\nbuckets:\n  - name: gone-pages\n    class: gone\n    \
                      key: client.address\n    capacity: 3\n    leak: 10s\n    tests:\n      overflows:\n        \
                      - {times: 5, line: '203.0.113.9 - - [{clf}] \"GET /{n} HTTP/1.1\" 410 1 \"-\" \"x\"'}\n";

#[test]
fn buckets_are_checked_with_their_place_and_their_runs_are_run() {
    let folder = folder(&[("a.yml", BUCKET)]);
    let (well, said) = rules(folder.path(), &["test", "."]);
    assert!(well && said.contains("1 runs of buckets, 0 of correlations, 0 values of signatures, 0 failed"), "{said}");
    fs::write(folder.path().join("a.yml"), BUCKET.replace("times: 5", "times: 2")).expect("written");
    let (well, said) = rules(folder.path(), &["test", "."]);
    assert!(!well && said.contains("the bucket gone-pages does not overflow of its run 1"), "{said}");
    fs::write(folder.path().join("a.yml"), BUCKET.replace("capacity", "capacitie")).expect("written");
    let (well, said) = rules(folder.path(), &["check", "."]);
    assert!(!well && said.contains("./a.yml:12:5: unknown key 'capacitie' of a bucket; did you mean 'capacity'?"), "{said}");
}

#[test]
fn a_rule_that_waits_for_the_values_of_a_placeholder_is_a_warning_that_says_what_to_do() {
    let folder = folder(&[
        ("a.yml", SHELL),
        ("b.yml", &SHELL.replace("cs-uri-stem|endswith", "cs-username|expand").replace("/shell.php}", "'%admins%'}")),
    ]);
    let (well, said) = rules(folder.path(), &["check", "."]);
    assert!(well && said.contains("warning: ./b.yml:8:"), "{said}");
    assert!(said.contains("the placeholder '%admins%' has no values; give its values with rules.placeholders.admins"), "{said}");
}

#[test]
fn explain_says_of_each_condition_whether_it_held() {
    let folder = folder(&[("a.yml", SHELL)]);
    let (well, said) = rules(folder.path(), &["explain", "a.yml", "--line", &line("/index.php")]);
    assert!(well && said.contains("A web shell is asked does not match"), "{said}");
    assert!(said.contains("+ the line is of the log source webserver"), "{said}");
    assert!(said.contains("- cs-uri-stem ends with '/shell.php'; it is '/index.php'"), "{said}");
    let (well, said) = rules(folder.path(), &["explain", "login-faild", "--line", "x"]);
    assert!(!well && said.contains("did you mean login-failed?"), "{said}");
}

#[test]
fn a_rule_that_is_added_while_the_service_runs_works_and_a_broken_one_hides_none() {
    let folder = folder(&[("a.yml", SHELL)]);
    let data = folder.path().join("data").display().to_string();
    fs::create_dir(folder.path().join("more")).expect("a folder");
    let mut service = Service::start(
        folder.path(),
        &[
            ("LAPWING__RULES__PATHS", "[a.yml, more]"),
            ("LAPWING__RULES__RELOAD_SECONDS", "1"),
            ("LAPWING__STORE__DIRECTORY", &data),
        ],
    );
    let mut ask = |path: &str, class: &str| {
        let (status, said) = service.post("/logs", line(path).as_bytes()).expect("an answer");
        assert_eq!(status, 202, "{said}");
        service.settle();
        service.anomalies().iter().any(|anomaly| anomaly["class"] == class)
    };
    assert!(ask("/shell.php", "web-shell") && !ask("/late.php", "late"));
    let late = SHELL.replace("shell.php", "late.php").replace("web-shell", "late");
    fs::write(folder.path().join("more/b.yml"), late).expect("written");
    fs::write(folder.path().join("more/c.yml"), "title: [").expect("written");
    let until = Instant::now() + Duration::from_secs(30);
    while !ask("/late.php", "late") {
        assert!(Instant::now() < until, "the new rule does not take effect");
    }
    fs::write(folder.path().join("more/d.yml"), BUCKET).expect("written");
    let gone = (0..6).map(|n| line(&format!("/gone/{n}")).replace(" 200 ", " 410 ")).collect::<Vec<_>>().join("\n");
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(Instant::now() < until, "the new behaviour does not take effect");
        assert_eq!(service.post("/logs", gone.as_bytes()).expect("an answer").0, 202);
        service.settle();
        if service.anomalies().iter().any(|anomaly| anomaly["class"] == "gone") {
            break;
        }
    }
    kill(service.pid(), "-HUP");
    service.stop();
}

#[test]
fn what_is_muted_of_the_signatures_changes_while_the_service_runs() {
    let folder = folder(&[("lapwing.yaml", "rules: {reload_seconds: 1}\n")]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command.current_dir(folder.path()).args(["--config", "lapwing.yaml"]).stdout(std::process::Stdio::null());
    let mut service = Service::launch(command, &[]).expect("starts");
    let mut is_told = |path: &str| {
        let asked = serde_json::json!({"log_line": line(path)}).to_string();
        let (status, said) = service.post("/detect", asked.as_bytes()).expect("an answer");
        assert_eq!(status, 200, "{said}");
        said.contains("\"is_anomaly\":true")
    };
    assert!(is_told("/editor?text=<script>alert(1)</script>"));
    let mute = "rules: {reload_seconds: 1}\ndetectors: {signatures: {mute: [{path: /editor, parameter: text, rule: xss}]}}\n";
    fs::write(folder.path().join("lapwing.yaml"), mute).expect("written");
    let until = Instant::now() + Duration::from_secs(30);
    while is_told("/editor?text=<script>alert(1)</script>") {
        assert!(Instant::now() < until, "the mute does not take effect");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(is_told("/editor?name=<script>alert(1)</script>"), "only what is muted is");
    fs::write(folder.path().join("lapwing.yaml"), "detectors: {signature: {}}\n").expect("written");
    std::thread::sleep(Duration::from_millis(2500));
    assert!(!is_told("/editor?text=<script>alert(1)</script>"), "a configuration that is wrong changes nothing");
    service.stop();
}

const SIGNATURE: &str = "class: xss\nrules:\n- id: own-word\n  title: Our own word\n  points: 5\n  on: [value]\n  regex: evil-\\w+\n  \
                         match: [an evil-thing]\n  no_match: [evil]\n";

#[test]
fn signatures_are_checked_listed_tested_and_explained_like_other_rules() {
    let folder = folder(&[("own.yml", SIGNATURE)]);
    let (well, said) = rules(folder.path(), &["check", "."]);
    assert!(well && said.contains("1 files, 0 rules") && said.contains("1 signatures are right"), "{said}");
    let (well, said) = rules(folder.path(), &["list", "."]);
    assert!(well && said.contains("own-word  ./own.yml:3"), "{said}");
    let (well, said) = rules(folder.path(), &["test", ".", "--coverage"]);
    assert!(well && said.contains("2 values of signatures, 0 failed"), "{said}");
    let asked = line("/x?q=%65vil-deed");
    let (well, said) = rules(folder.path(), &["explain", "own.yml", "--line", &asked]);
    assert!(well && said.contains("Our own word matches") && said.contains("matched: evil-deed"), "{said}");
    fs::write(folder.path().join("own.yml"), SIGNATURE.replace("regex", "regx")).expect("written");
    let (well, said) = rules(folder.path(), &["check", "."]);
    assert!(!well && said.contains("./own.yml:7:3: unknown key 'regx'; did you mean 'regex'?"), "{said}");
    fs::write(folder.path().join("own.yml"), SIGNATURE.replace("an evil", "a")).expect("written");
    let (well, said) = rules(folder.path(), &["test", "."]);
    assert!(!well && said.contains("./own.yml:3: own-word does not match: a-thing"), "{said}");
}

#[test]
fn signatures_of_ones_own_are_at_work() {
    let folder = folder(&[("own.yml", SIGNATURE)]);
    fs::write(folder.path().join("x.log"), line("/x?q=evil-deed") + "\n").expect("written");
    let scan = |config: &[&str]| {
        let mut scan = Command::new(env!("CARGO_BIN_EXE_lapwing"));
        scan.current_dir(folder.path()).args(["scan", "--output", "ndjson", "x.log"]).args(config);
        String::from_utf8(scan.output().expect("runs").stdout).expect("UTF-8")
    };
    assert_eq!(scan(&[]), "");
    fs::write(folder.path().join("lapwing.yaml"), "rules: {paths: [own.yml]}\n").expect("written");
    let found = scan(&["--config", "lapwing.yaml"]);
    assert!(found.contains("Our own word in the parameter q: evil-deed"), "{found}");
}

const BURST: &str = "title: Missing\nname: missing\nlogsource: {category: webserver}\ndetection: {s: {http.response.status_code: 410}, \
                     condition: s}\ntests: {match: ['GONE']}\n---\ntitle: Missing twice\ncorrelation:\n  type: event_count\n  rules: \
                     [missing]\n  group-by: [client.address]\n  timespan: 1m\n  condition: {gte: 2}\nlevel: high\ntests: {match: \
                     ['GONE', 'GONE'], no_match: ['GONE']}\n";

#[test]
fn correlations_are_tested_by_runs_of_lines() {
    let gone = line("/old").replace(" 200 ", " 410 ");
    let folder = folder(&[("a.yml", &BURST.replace("GONE", &gone))]);
    let (well, said) = rules(folder.path(), &["test", "."]);
    assert!(well && said.contains("2 of correlations") && said.contains("0 correlations without runs"), "{said}");
    fs::write(folder.path().join("a.yml"), BURST.replace("GONE", &gone).replace("gte: 2", "gte: 3")).expect("written");
    let (well, said) = rules(folder.path(), &["test", "."]);
    assert!(!well && said.contains("Missing twice does not fire of the lines of 'match'"), "{said}");
}
