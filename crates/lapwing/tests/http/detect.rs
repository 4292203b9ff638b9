use serde_json::{Value, json};

use crate::support::{CRITICAL, start};

#[tokio::test]
async fn a_line_is_judged_at_once_with_reasons() {
    let running = start().await;
    let judged = running.send("POST", "/detect", json!({"log_line": CRITICAL, "session_id": "s-1"})).await.json();
    assert_eq!(
        (&judged["is_anomaly"], &judged["severity"], &judged["class"]),
        (&json!(true), &json!("high"), &json!("fatal-error"))
    );
    assert!(judged["score"].as_f64().is_some_and(|score| (0.0..=1.0).contains(&score)));
    assert!(judged["detectors"]["rules"].is_number() && judged["reason"].is_string() && judged["template"].is_string());
    assert_eq!((&judged["session_id"], &judged["findings"][0]["detector"]), (&json!("s-1"), &json!("rules")));
    let calm = running.send("POST", "/detect", json!({"log_line": "user logged in"})).await.json();
    assert_eq!((&calm["is_anomaly"], &calm["score"], &calm["class"]), (&json!(false), &json!(0.0), &Value::Null));
    assert!(running.get("/anomalies").await.json()["items"].as_array().is_some_and(Vec::is_empty));
    running.finish().await;
}

#[tokio::test]
async fn what_is_known_of_a_client_is_told_with_and_without_a_finding() {
    let running = start().await;
    let line =
        |path: &str| format!("8.8.8.8 - - [01/Mar/2025:10:00:00 +0000] \"GET {path} HTTP/1.1\" 200 157 \"-\" \"curl/8.0\"");
    for (path, found) in [("/", false), ("/?id=1%27%20UNION%20SELECT%20login,password%20FROM%20users--", true)] {
        let judged = running.send("POST", "/detect", json!({"log_line": line(path)})).await.json();
        assert_eq!((&judged["is_anomaly"], &judged["known"]["country"]), (&json!(found), &json!("US")), "{judged}");
        assert_eq!(judged["destination_known"], Value::Null);
    }
    let unknown = running.send("POST", "/detect", json!({"log_line": CRITICAL})).await.json();
    assert_eq!(unknown["known"], Value::Null);
    running.finish().await;
}

#[tokio::test]
async fn several_lines_are_judged_in_their_order() {
    let running = start().await;
    let lines =
        json!(["fine", CRITICAL, {"level": "fatal", "message": "disk gone"}, {"log_line": CRITICAL, "session_id": "own"}]);
    let judged = running.send("POST", "/detect/batch", json!({"log_lines": lines, "session_id": "all"})).await.json();
    let results: Vec<_> = judged["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|result| (&result["is_anomaly"], &result["session_id"]))
        .collect();
    let (yes, no, all, own) = (json!(true), json!(false), json!("all"), json!("own"));
    assert_eq!(results, [(&no, &all), (&yes, &all), (&yes, &all), (&yes, &own)]);
    assert_eq!(judged["anomalies"], 3);
    running.finish().await;
}

#[tokio::test]
async fn very_many_lines_are_judged_each_and_more_are_refused() {
    let running = start().await;
    let mut lines = vec!["fine"; 10_000];
    lines[5000] = CRITICAL;
    let judged = running.send("POST", "/detect/batch", json!({"log_lines": lines})).await.json();
    assert_eq!(judged["results"].as_array().expect("results").len(), 10_000);
    assert_eq!((&judged["anomalies"], &judged["results"][5000]["is_anomaly"]), (&json!(1), &json!(true)));
    lines.push("one more");
    assert_eq!(running.send("POST", "/detect/batch", json!({"log_lines": lines})).await.status, 413);
    running.finish().await;
}

#[tokio::test]
async fn a_request_that_is_wrong_says_what_is() {
    let running = start().await;
    for (path, body, said) in [
        ("/detect", json!({"log_lin": "x"}), "did you mean 'log_line'?"),
        ("/detect", json!({"session_id": "x"}), "missing field `log_line`"),
        ("/detect", json!({"log_line": 7}), "neither a string nor an object"),
        ("/detect", json!({"log_line": "x", "session_id": "s".repeat(600)}), "longer than 512 bytes"),
        ("/detect/batch", json!({"log_lines": "x"}), "invalid type"),
        ("/detect/batch", json!({"log_lines": [null]}), "neither a string nor an object"),
    ] {
        let refused = running.send("POST", path, body).await;
        assert_eq!(refused.status, 400, "{said}");
        refused.code();
        assert!(refused.message().contains(said), "{}", refused.message());
    }
    running.finish().await;
}

#[tokio::test]
async fn what_is_asked_about_is_remembered_until_it_is_reset() {
    let running = start().await;
    let line = |name: &str| json!({"log_line": format!("connection from {name} was closed by the remote host after a timeout")});
    let mut template = String::new();
    for name in ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"] {
        template = running.send("POST", "/detect", line(name)).await.json()["template"].as_str().expect("a template").to_owned();
    }
    assert_eq!(template, "connection from <*> was closed by the remote host after a timeout");
    assert_eq!(running.post("/reset/s-1", "").await.json(), json!({"reset": "s-1"}));
    assert_eq!(running.send("POST", "/detect", line("india")).await.json()["template"], template);
    assert_eq!(running.post("/reset/all", "").await.json(), json!({"reset": "all"}));
    let afresh = running.send("POST", "/detect", line("india")).await.json();
    assert_eq!(afresh["template"], "connection from india was closed by the remote host after a timeout");
    running.finish().await;
}
