//! `lapwing feedback`, as a person at a terminal uses it: what is marked stays so when the service starts anew.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{Service, sum};
use serde_json::Value;

fn feedback(service: &Service, args: &[&str]) -> Output {
    let to = format!("http://{}", service.http);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command.arg("feedback").args(args).args(["--to", &to]).output().expect("it runs")
}

fn said(service: &Service, args: &[&str]) -> String {
    let output = feedback(service, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Sends a line whose anomaly is about the service that wrote it.
fn fatal(service: &mut Service, shop: &str, second: u32) {
    let line = format!(
        "{{\"time\":\"2015-05-17T10:05:{second:02}Z\",\"level\":\"fatal\",\"service\":\"{shop}\",\"message\":\"disk is gone\"}}"
    );
    assert_eq!(service.post("/logs", line.as_bytes()).expect("an answer").0, 202);
    service.settle();
}

fn start(directory: &Path) -> Service {
    Service::start(directory, &[])
}

#[test]
fn a_person_sees_what_a_mark_mutes_takes_it_back_and_finds_it_again_after_a_restart() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let mut service = start(directory.path());
    assert!(said(&service, &["list"]).starts_with("nothing was said yet"));
    ["shop", "bank"].iter().zip(1..).for_each(|(name, second)| fatal(&mut service, name, second));
    let found = service.anomalies();
    let shop = found.iter().find(|anomaly| anomaly["entity"] == "shop").expect("it is told");
    let id = shop["id"].as_str().expect("an id").to_owned();

    let preview = said(&service, &["preview", &id]);
    assert!(preview.contains("about service shop: 1 of the anomalies") && preview.contains(&id), "{preview}");
    let muted = said(&service, &["expected", &id, "--days", "7"]);
    assert!(muted.contains("muted for 7 days: ") && muted.contains(&format!("feedback undo {id}")), "{muted}");
    service.stop();

    let mut service = start(directory.path());
    let mark: Value = serde_json::from_str(&said(&service, &["export"])).expect("one mark a line");
    assert_eq!((&mark["anomaly"], &mark["said"], &mark["entity"]), (&shop["id"], &"expected".into(), &"shop".into()));
    ["shop", "bank"].iter().zip(11..).for_each(|(name, second)| fatal(&mut service, name, second));
    let counts = |service: &mut Service| {
        let mut counts: Vec<_> =
            service.anomalies().iter().map(|one| (one["entity"].to_string(), one["count"].as_u64())).collect();
        counts.sort();
        counts
    };
    assert_eq!(counts(&mut service), [("\"bank\"".into(), Some(2)), ("\"shop\"".into(), Some(1))]);
    assert_eq!(sum(&service.get("/metrics").1, "lapwing_findings_muted_total"), 1);

    assert!(said(&service, &["undo", &id]).contains("is now open"));
    fatal(&mut service, "shop", 21);
    assert_eq!(counts(&mut service)[1].1, Some(2));
    assert!(said(&service, &["real", &id]).contains("is now real") && said(&service, &["list"]).contains("real"));
    service.stop();
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let service = start(directory.path());
    for (args, reason) in [
        (&["expected", "0123456789abcdef"][..], "there is no anomaly 0123456789abcdef"),
        (&["expected", "0123456789abcdef", "--days", "0"], "--days"),
        (&["preview", "yesterday"], "16 hexadecimal digits"),
    ] {
        let output = feedback(&service, args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(reason), "{args:?}: {said}");
    }
    service.stop();
}
