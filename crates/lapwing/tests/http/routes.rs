use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{CRITICAL, answer, start};

#[tokio::test]
async fn the_documentation_lists_exactly_what_is_served() {
    let running = start().await;
    let api = running.get("/openapi.json").await.json();
    assert!(api["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let mut documented = BTreeSet::new();
    for (path, item) in api["paths"].as_object().expect("paths") {
        let served = item.as_object().expect("operations");
        for method in ["get", "post", "put", "patch", "delete"] {
            // What listens forever is asked for in a test of its own.
            if (path.as_str(), method) == ("/events", "get") {
                continue;
            }
            let url = path.replace("{id}", "0000000000000000").replace("{session_id}", "s");
            let found = answer(running.request(&method.to_uppercase(), &url)).await;
            if served.contains_key(method) {
                assert_ne!(found.status, 405, "{method} {path} is documented and not served");
                assert!(found.status != 404 || path.contains("{id}"), "{method} {path}: {found:?}");
                documented.insert(format!("{method} {path}"));
            } else {
                assert_eq!(found.status, 405, "{method} {path} is served and not documented");
                assert_eq!(found.code(), "method_not_allowed");
                assert!(!found.header("allow").is_empty(), "{method} {path}");
            }
        }
    }
    for expected in [
        "post /logs",
        "post /detect",
        "post /detect/batch",
        "post /reset/{session_id}",
        "post /reset/all",
        "get /health",
        "get /ready",
        "get /anomalies",
        "post /anomalies",
        "get /anomalies/{id}",
        "patch /anomalies/{id}",
        "delete /anomalies/{id}",
        "get /stats",
        "get /metrics",
        "get /openapi.json",
        "get /docs",
        "get /",
    ] {
        assert!(documented.contains(expected), "{expected} is missing");
    }
    running.finish().await;
}

#[tokio::test]
async fn every_operation_says_what_it_does_and_who_may() {
    let running = start().await;
    let api = running.get("/openapi.json").await.json();
    assert_eq!(api["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    for (path, item) in api["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            assert!(operation["summary"].is_string(), "{method} {path}");
            let open = matches!(path.as_str(), "/health" | "/ready");
            assert_eq!(operation["security"].is_null(), open, "{method} {path}");
            assert_eq!(operation["responses"]["401"].is_null(), open, "{method} {path}");
        }
    }
    let text = api.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(api.pointer(reference).is_some(), "{reference} leads nowhere");
    }
    running.finish().await;
}

#[tokio::test]
async fn answers_have_the_form_that_is_documented() {
    let running = start().await;
    let api = running.get("/openapi.json").await.json();
    let fields = |name: &str| -> BTreeSet<String> {
        api["components"]["schemas"][name]["properties"]
            .as_object()
            .unwrap_or_else(|| panic!("no schema {name}"))
            .keys()
            .cloned()
            .collect()
    };
    let keys = |value: &Value| -> BTreeSet<String> { value.as_object().expect("an object").keys().cloned().collect() };
    let anomaly = running
        .send(
            "POST",
            "/anomalies",
            json!({"class": "c", "entity": "e", "reason": "r", "evidence": [{"file": "f", "line": 1, "text": "t"}]}),
        )
        .await
        .json();
    assert_eq!(keys(&anomaly), fields("Anomaly"));
    assert_eq!(keys(&anomaly["evidence"][0]), fields("Evidence"));
    assert_eq!(keys(&anomaly["parts"][0]), fields("Part"));
    let judged = running.send("POST", "/detect", json!({"log_line": CRITICAL})).await.json();
    assert_eq!(keys(&judged), fields("Judgement"));
    assert_eq!(keys(&judged["findings"][0]), fields("Finding"));
    assert_eq!(keys(&running.get("/stats").await.json()), fields("StatsAnswer"));
    assert_eq!(keys(&running.post("/logs", "x").await.json()), fields("Receipt"));
    assert_eq!(keys(&running.get("/anomalies").await.json()), fields("AnomalyPage"));
    running.finish().await;
}

#[tokio::test]
async fn health_is_told_to_everybody() {
    let running = start().await;
    let health = running.get("/health").await;
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("ok")));
    assert!(health.json()["version"].is_string() && health.json()["uptime_seconds"].is_u64());
    running.finish().await;
}

#[tokio::test]
async fn it_is_not_ready_while_the_service_is_not_well() {
    let running = start().await;
    running.live.stats.lock().expect("not poisoned").trouble = Some("no space left on device".to_owned());
    let ready = running.get("/ready").await;
    assert_eq!((ready.status, ready.code().as_str()), (503, "not_ready"));
    assert!(ready.message().contains("no space left on device"));
    running.live.stats.lock().expect("not poisoned").trouble = None;
    assert_eq!(running.get("/ready").await.status, 200);
    running.finish().await;
}

#[tokio::test]
async fn pages_need_nothing_from_elsewhere() {
    let running = start().await;
    for path in ["/", "/docs"] {
        let page = running.get(path).await;
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert!(page.header("content-security-policy").starts_with("default-src 'none'; style-src 'self'"));
        // People may follow links; a browser fetches nothing by itself.
        let loaded = page.text.replace("<a href=\"https://", "<a");
        assert!(!loaded.contains("<script") && !loaded.contains("//"), "{path}");
    }
    assert_eq!(running.get("/docs/style.css").await.header("content-type"), "text/css; charset=utf-8");
    running.finish().await;
}

#[tokio::test]
async fn answers_are_neither_kept_nor_sniffed_nor_framed() {
    let running = start().await;
    for path in ["/anomalies", "/nothing", "/metrics"] {
        let answer = running.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
    }
    running.finish().await;
}

#[tokio::test]
async fn an_address_that_does_not_exist_is_told_with_the_one_meant() {
    let running = start().await;
    let answer = running.get("/anomalys").await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
    assert!(answer.message().contains("did you mean '/anomalies'?"), "{}", answer.message());
    running.finish().await;
}

#[tokio::test]
async fn metrics_are_what_prometheus_reads() {
    let running = start().await;
    running.post("/logs?source=shop", format!("{CRITICAL}\n{{\"broken\n")).await;
    running.post("/logs?source=203.0.113.9", "one").await;
    let ready = |answer: &crate::support::Answer| answer.text.contains("lapwing_events_received_total{source=\"other\"} 1");
    let metrics = running.until("/metrics", ready).await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    assert!(metrics.text.ends_with("# EOF\n"));
    assert!(!metrics.text.contains("203.0.113.9"));
    for line in [
        "lapwing_events_received_total{source=\"http/shop\"} 2",
        "lapwing_events_unparsed_total{reason=\"broken-json\"} 1",
        "# TYPE lapwing_processing_lag_seconds gauge",
        "# UNIT lapwing_store_size_bytes bytes",
        "lapwing_queue_depth{queue=\"intake\"}",
        "lapwing_findings_total{detector=\"rules\",severity=\"high\"}",
        "lapwing_anomalies_total{severity=\"critical\"}",
        "lapwing_http_requests_total{route=\"/logs\",status=\"202\"} 2",
        "lapwing_build_info{version=",
        "process_start_time_seconds ",
        "lapwing_dropped_total{reason=\"http_connection_limit\"} 0",
    ] {
        assert!(metrics.text.contains(line), "no {line} in\n{}", metrics.text);
    }
    running.finish().await;
}

#[tokio::test]
async fn stats_add_up() {
    let running = start().await;
    running.post("/logs?source=shop", format!("{CRITICAL}\nplain text\ncaf\u{e9}\n")).await;
    let stats = running
        .until("/stats", |answer| answer.json()["sources"]["http/shop"] == 3 && answer.json()["store"]["anomalies"] != 0)
        .await
        .json();
    let sum = |name: &str| stats[name].as_object().expect("counts").values().filter_map(Value::as_u64).sum::<u64>();
    assert_eq!(sum("formats") + sum("not_understood"), sum("sources"));
    assert!(stats["templates"].as_u64() >= Some(2));
    assert!(stats["rates"]["events_per_second"].is_number());
    assert_eq!(stats["trouble"], Value::Null);
    running.finish().await;
}
