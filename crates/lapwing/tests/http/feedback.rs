//! What people say of anomalies changes what is found from then on.

use serde_json::{Value, json};

use crate::support::{Running, start};

/// A line whose anomaly is about the service that wrote it.
fn line(service: &str, second: u32) -> String {
    format!(
        "{{\"time\":\"2015-05-17T10:05:{second:02}Z\",\"level\":\"fatal\",\"service\":\"{service}\",\"message\":\"disk is gone\"}}"
    )
}

async fn items(running: &Running, query: &str) -> Vec<Value> {
    running.get(query).await.json()["items"].as_array().expect("items").clone()
}

async fn push(running: &Running, service: &str, second: u32, found: u64) {
    assert_eq!(running.post("/logs", line(service, second)).await.status, 202);
    let enough =
        |text: &Value| text["findings"].as_object().is_some_and(|by| by.values().filter_map(Value::as_u64).sum::<u64>() >= found);
    running.until("/stats", |answer| enough(&answer.json()) || answer.json()["muted"].as_u64() >= Some(found)).await;
}

#[tokio::test]
async fn what_is_marked_as_expected_is_muted_until_it_is_taken_back_and_only_there() {
    let running = start().await;
    push(&running, "shop", 1, 1).await;
    running.until("/anomalies", |answer| !answer.json()["items"].as_array().expect("items").is_empty()).await;
    let found = items(&running, "/anomalies").await.remove(0);
    assert!(found["one_in"].as_u64().is_some() && found["silenced_by"].as_str().is_some_and(|text| !text.is_empty()), "{found}");
    let id = found["id"].as_str().expect("an id");
    let path = format!("/anomalies/{id}");
    let reach = running.get(&format!("{path}/reach")).await.json();
    assert_eq!(reach["items"][0]["id"], found["id"], "it shows what it will mute");

    let said = running.send("PATCH", &path, json!({"state": "expected", "expires_days": 30})).await;
    assert_eq!(said.status, 200);
    let marks = items(&running, "/marks").await;
    assert_eq!(
        (&marks[0]["anomaly"], &marks[0]["said"], &marks[0]["entity"]),
        (&found["id"], &json!("expected"), &found["entity"])
    );
    push(&running, "shop", 2, 1).await;
    running.until("/stats", |answer| answer.json()["muted"].as_u64() >= Some(1)).await;
    assert_eq!(running.get(&path).await.json()["count"], found["count"], "muted");

    running.send("PATCH", &path, json!({"state": "open"})).await;
    assert!(items(&running, "/marks").await.is_empty(), "taken back");
    assert_eq!(running.post("/logs", line("shop", 3)).await.status, 202);
    running.until(&path, |answer| answer.json()["count"].as_u64() > found["count"].as_u64()).await;
    running.finish().await;
}

#[tokio::test]
async fn a_mark_that_makes_no_sense_is_refused() {
    let running = start().await;
    let made = running.send("POST", "/anomalies", json!({"class": "c", "entity": "e", "reason": "r"})).await.json();
    let path = format!("/anomalies/{}", made["id"].as_str().expect("an id"));
    for days in [0, 100_000] {
        let refused = running.send("PATCH", &path, json!({"state": "expected", "expires_days": days})).await;
        assert_eq!(refused.status, 400);
        assert!(refused.message().contains("expires_days"), "{}", refused.message());
    }
    assert!(items(&running, "/marks").await.is_empty());
    assert_eq!(running.get("/anomalies/00abcdef01234567/reach").await.status, 404);
    running.finish().await;
}
