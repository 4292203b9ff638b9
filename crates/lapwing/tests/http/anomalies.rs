use serde_json::{Value, json};

use crate::support::{Running, start};

async fn report(running: &Running, class: &str, severity: &str, second: u32) -> Value {
    let body = json!({"class": class, "entity": "203.0.113.9", "reason": "seen by hand", "severity": severity,
        "time": format!("2015-05-17T10:05:{second:02}Z"), "detector": "waf"});
    let made = running.send("POST", "/anomalies", body).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.header("location"), format!("/anomalies/{}", made.json()["id"].as_str().expect("an id")));
    made.json()
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().expect("items").iter().filter_map(|item| item["id"].as_str()).collect()
}

#[tokio::test]
async fn anomalies_are_listed_by_what_is_asked_for_page_by_page() {
    let running = start().await;
    let mut made = Vec::new();
    for (at, (class, severity)) in (0..).zip([("scan", "low"), ("flood", "high"), ("scan", "critical"), ("scan", "medium")]) {
        made.push(report(&running, class, severity, at).await["id"].as_str().expect("an id").to_owned());
    }
    for (query, expected) in [
        ("", vec![3, 2, 1, 0]),
        ("?severity=high", vec![2, 1]),
        ("?class=scan&from=2015-05-17T10:05:01Z", vec![3, 2]),
        ("?to=2015-05-17T12:05:01%2B02:00", vec![0]),
        ("?entity=203.0.113.9&detector=waf&state=open&text=seen%20hand", vec![3, 2, 1, 0]),
        ("?state=real", vec![]),
        ("?text=flood", vec![1]),
    ] {
        let page = running.get(&format!("/anomalies{query}")).await.json();
        assert_eq!(ids(&page), expected.iter().map(|at: &usize| made[*at].as_str()).collect::<Vec<_>>(), "{query}");
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = running.get(&format!("/anomalies?limit=3{cursor}")).await.json();
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    made.reverse();
    assert_eq!(seen, made);
    running.finish().await;
}

#[tokio::test]
async fn a_list_is_asked_for_strictly() {
    let running = start().await;
    for (query, said) in [
        ("severty=high", "did you mean 'severity'?"),
        ("severity=hgih", "use one of info, low, medium, high, critical"),
        ("from=yesterday", "2015-05-17T10:05:03Z"),
        ("limit=0", "must be from 1 to 1000"),
        ("limit=many", "cannot be read"),
        ("cursor=x", "leave it out"),
        ("state=closed", "open, acknowledged, expected, real"),
    ] {
        let refused = running.get(&format!("/anomalies?{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
        refused.code();
        assert!(refused.message().contains(said), "{}", refused.message());
    }
    running.finish().await;
}

#[tokio::test]
async fn a_person_says_what_an_anomaly_is() {
    let running = start().await;
    let made = report(&running, "scan", "high", 0).await;
    let path = format!("/anomalies/{}", made["id"].as_str().expect("an id"));
    let changed = running.send("PATCH", &path, json!({"state": "expected", "note": "load test"})).await.json();
    assert_eq!((&changed["state"], &changed["note"]), (&json!("expected"), &json!("load test")));
    assert_eq!(running.get(&path).await.json(), changed);
    for (body, code) in [
        (json!({}), "nothing_to_change"),
        (json!({"state": "closed"}), "invalid_json"),
        (json!({"stat": "real"}), "invalid_json"),
        (json!({"note": "x".repeat(20_000)}), "too_long"),
    ] {
        let refused = running.send("PATCH", &path, body).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, code));
    }
    assert_eq!(running.get(&path).await.json(), changed);
    running.finish().await;
}

#[tokio::test]
async fn what_is_deleted_stays_deleted() {
    let running = start().await;
    let made = report(&running, "scan", "high", 0).await;
    let path = format!("/anomalies/{}", made["id"].as_str().expect("an id"));
    let delete = || crate::support::answer(running.request("DELETE", &path));
    assert_eq!(delete().await.status, 204);
    for gone in [delete().await, running.get(&path).await, running.send("PATCH", &path, json!({"state": "real"})).await] {
        assert_eq!((gone.status, gone.code().as_str()), (404, "not_found"));
    }
    let again = json!({"class": "scan", "entity": "203.0.113.9", "reason": "seen by hand", "time": "2015-05-17T10:05:00Z", "detector": "waf"});
    let again = running.send("POST", "/anomalies", again).await;
    assert_eq!((again.status, again.code().as_str()), (409, "deleted"));
    assert_eq!(running.get("/anomalies/xyz").await.status, 404);
    running.finish().await;
}

#[tokio::test]
async fn the_same_reported_twice_is_one_anomaly() {
    let running = start().await;
    assert_eq!(report(&running, "scan", "high", 0).await, report(&running, "scan", "high", 0).await);
    assert_eq!(ids(&running.get("/anomalies").await.json()).len(), 1);
    running.finish().await;
}

#[tokio::test]
async fn a_report_that_is_wrong_says_what_is() {
    let running = start().await;
    for (body, said) in [
        (json!({"class": "c", "entity": "e"}), "missing field `reason`"),
        (json!({"class": "c", "entity": "e", "reason": "r", "severty": "high"}), "did you mean 'severity'?"),
        (json!({"class": "c", "entity": "", "reason": "r"}), "entity is empty"),
        (json!({"class": "c", "entity": "e", "reason": "r", "score": 2}), "score must be from 0 to 1"),
    ] {
        let refused = running.send("POST", "/anomalies", body).await;
        assert_eq!(refused.status, 400);
        assert!(refused.message().contains(said), "{}", refused.message());
    }
    running.finish().await;
}

#[tokio::test]
async fn escape_sequences_of_attackers_reach_no_terminal() {
    let running = start().await;
    let hostile = "\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}gpj.exe";
    let body =
        json!({"class": "c", "entity": hostile, "reason": hostile, "evidence": [{"file": "f", "line": 1, "text": hostile}]});
    let made = running.send("POST", "/anomalies", body).await;
    let listed = running.get("/anomalies").await;
    for text in [&made.text, &listed.text] {
        assert!(text.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{text}");
    }
    assert_eq!(listed.json()["items"][0]["entity"], hostile);
    running.finish().await;
}
