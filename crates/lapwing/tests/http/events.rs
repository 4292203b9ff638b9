use std::time::Duration;

use reqwest::Response;
use serde_json::{Value, json};

use crate::support::{CRITICAL, Running, read, start};

/// One listener of `/events`.
struct Listener {
    response: Response,
    text: String,
}

#[derive(Debug)]
struct Event {
    kind: String,
    id: String,
    data: Value,
}

impl Listener {
    async fn new(running: &Running, last: Option<&str>) -> Listener {
        let request = running.request("GET", "/events");
        let request = last.into_iter().fold(request, |request, last| request.header("last-event-id", last));
        let response = request.send().await.expect("an answer");
        assert_eq!(
            (response.status().as_u16(), response.headers()["content-type"].to_str().expect("text")),
            (200, "text/event-stream")
        );
        Listener { response, text: String::new() }
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
                let event = Event {
                    kind: field("event:"),
                    id: field("id:"),
                    data: serde_json::from_str(&field("data:")).unwrap_or_default(),
                };
                self.text = rest.to_owned();
                return Some(event);
            }
            let chunk = tokio::time::timeout(Duration::from_secs(10), self.response.chunk())
                .await
                .expect("something is said every second");
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).expect("text"));
        }
    }

    async fn next_but_rates(&mut self) -> Event {
        loop {
            let event = self.next().await.expect("not ended");
            if event.kind != "rates" {
                return event;
            }
        }
    }
}

async fn report(running: &Running, reason: &str) {
    assert_eq!(running.send("POST", "/anomalies", json!({"class": "c", "entity": "e", "reason": reason})).await.status, 201);
}

#[tokio::test]
async fn listeners_are_told_anomalies_and_rates() {
    let running = start().await;
    let mut listener = Listener::new(&running, None).await;
    running.post("/logs", CRITICAL).await;
    let event = listener.next_but_rates().await;
    assert_eq!((event.kind.as_str(), &event.data["class"]), ("anomaly", &json!("fatal-error")));
    assert!(event.id.parse::<u64>().is_ok());
    let rates = loop {
        let event = listener.next().await.expect("not ended");
        if event.kind == "rates" && event.data["events"] == 1 {
            break event;
        }
    };
    assert!(rates.id.is_empty() && rates.data["events_per_second"].is_number());
    drop(listener);
    running.finish().await;
}

#[tokio::test]
async fn a_listener_goes_on_where_it_was() {
    let running = start().await;
    let mut listener = Listener::new(&running, None).await;
    for reason in ["one", "two", "three"] {
        report(&running, reason).await;
    }
    let first = listener.next_but_rates().await;
    assert_eq!(first.data["reason"], "one");
    drop(listener);
    let mut resumed = Listener::new(&running, Some(&first.id)).await;
    let (second, third) = (resumed.next_but_rates().await, resumed.next_but_rates().await);
    assert_eq!((&second.data["reason"], &third.data["reason"]), (&json!("two"), &json!("three")));
    assert_eq!(third.id.parse::<u64>().expect("a number"), first.id.parse::<u64>().expect("a number") + 2);
    drop(resumed);
    running.finish().await;
}

#[tokio::test]
async fn a_listener_from_another_run_or_away_for_too_long_is_told_that_it_missed_some() {
    let running = start().await;
    let mut listener = Listener::new(&running, None).await;
    report(&running, "first").await;
    let first = listener.next_but_rates().await;
    let mut other = Listener::new(&running, Some("17")).await;
    let missed = other.next().await.expect("not ended");
    assert_eq!((missed.kind.as_str(), &missed.data), ("missed", &json!({"missed": null})));
    assert_eq!(other.next_but_rates().await.id, first.id);
    let anomaly = serde_json::from_value::<lapwing_model::Anomaly>(first.data).expect("an anomaly");
    let number = |event: &Event| event.id.parse::<u64>().expect("a number");
    for _ in 0..1100 {
        let latest = running.live.notices.send(std::sync::Arc::new(anomaly.clone()));
        assert!(latest.is_ok());
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut late = Listener::new(&running, Some(&first.id)).await;
    let (missed, next) = (late.next_but_rates().await, late.next_but_rates().await);
    assert_eq!(
        (missed.kind.as_str(), missed.data["missed"].as_u64()),
        ("missed", Some(number(&next) - first.id.parse::<u64>().expect("a number") - 1))
    );
    assert_eq!(missed.data["missed"], 100);
    drop((listener, other, late));
    running.finish().await;
}

#[tokio::test]
async fn there_are_no_more_listeners_than_there_may_be() {
    let running = start().await;
    let mut listeners = Vec::new();
    for _ in 0..256 {
        listeners.push(Listener::new(&running, None).await);
    }
    let refused = read(running.request("GET", "/events").send().await.expect("an answer")).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "too_many_listeners"));
    drop(listeners);
    let mut free = false;
    for _ in 0..100 {
        free |= running.request("GET", "/events").send().await.expect("an answer").status() == 200;
        if free {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(free, "a listener that left must make room");
    running.finish().await;
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let running = start().await;
    let mut listener = Listener::new(&running, None).await;
    let started = std::time::Instant::now();
    running.finish().await;
    while listener.next().await.is_some() {}
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
