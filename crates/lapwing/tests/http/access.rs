use serde_json::json;

use crate::support::{Answer, Running, answer, start, start_with};

const TOKENS: &str = r#"{"tokens":[{"role":"viewer","token":"viewer-0123456789"},{"role":"analyst","token":"analyst-0123456789"},{"role":"admin","token":"admin-0123456789"}]}"#;

async fn as_role(running: &Running, role: &str, method: &str, path: &str) -> Answer {
    let request = running.request(method, path).body("{}");
    answer(if role.is_empty() { request } else { request.header("authorization", format!("Bearer {role}-0123456789")) }).await
}

#[tokio::test]
async fn each_role_may_do_what_it_may_and_no_more() {
    let running = start_with(TOKENS, |_| {}).await;
    let id = "0000000000000000";
    let routes = [
        ("GET", "/anomalies", "viewer"),
        ("GET", "/anomalies/ID", "viewer"),
        ("GET", "/stats", "viewer"),
        ("GET", "/metrics", "viewer"),
        ("GET", "/openapi.json", "viewer"),
        ("GET", "/docs", "viewer"),
        ("GET", "/", "viewer"),
        ("POST", "/logs", "analyst"),
        ("POST", "/detect", "analyst"),
        ("POST", "/detect/batch", "analyst"),
        ("POST", "/anomalies", "analyst"),
        ("PATCH", "/anomalies/ID", "analyst"),
        ("DELETE", "/anomalies/ID", "admin"),
        ("POST", "/reset/s", "admin"),
        ("POST", "/reset/all", "admin"),
    ];
    let roles = ["", "viewer", "analyst", "admin"];
    for (method, path, needed) in routes {
        for role in roles {
            let found = as_role(&running, role, method, &path.replace("ID", id)).await;
            let rank = |role: &str| roles.iter().position(|known| *known == role);
            match role {
                "" => {
                    assert_eq!((found.status, found.code().as_str()), (401, "unauthorized"), "{method} {path}");
                    assert!(found.header("www-authenticate").starts_with("Bearer"));
                }
                role if rank(role) < rank(needed) => {
                    assert_eq!((found.status, found.code().as_str()), (403, "forbidden"), "{role} {method} {path}");
                    assert!(found.message().contains(needed));
                }
                _ => assert!(!matches!(found.status, 401 | 403), "{role} {method} {path}: {found:?}"),
            }
        }
    }
    let events = running.request("GET", "/events").send().await.expect("an answer").status();
    assert_eq!(events, 401);
    for path in ["/health", "/ready"] {
        assert_eq!(as_role(&running, "", "GET", path).await.status, 200);
    }
    assert_eq!(as_role(&running, "wrong", "GET", "/anomalies").await.status, 401);
    running.finish().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_only_to_who_may_read() {
    let running = start_with(TOKENS, |_| {}).await;
    running.live.stats.lock().expect("not poisoned").trouble = Some("cannot write to store /srv/secret/lapwing.db".to_owned());
    assert!(!running.get("/ready").await.text.contains("/srv/secret"));
    assert!(as_role(&running, "viewer", "GET", "/ready").await.text.contains("/srv/secret"));
    running.live.stats.lock().expect("not poisoned").trouble = None;
    running.finish().await;
}

#[tokio::test]
async fn a_page_of_another_site_can_neither_read_nor_write() {
    let running = start().await;
    let with = |method: &str, name: &str, value: &str| answer(running.request(method, "/logs").header(name, value).body("x"));
    for (method, name, value) in [
        ("POST", "host", "evil.example"),
        ("POST", "origin", "https://evil.example"),
        ("POST", "origin", "null"),
        ("POST", "sec-fetch-site", "cross-site"),
    ] {
        let refused = with(method, name, value).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "foreign_request"), "{name}: {value}");
    }
    let rebound = answer(running.request("GET", "/anomalies").header("host", "evil.example:8080")).await;
    assert_eq!(rebound.status, 403);
    assert_eq!(with("POST", "sec-fetch-site", "same-origin").await.status, 202);
    assert_eq!(with("POST", "origin", &format!("http://{}", running.address)).await.status, 202);
    assert_eq!(with("POST", "host", "localhost:1").await.status, 202);
    let read = answer(running.request("GET", "/anomalies").header("origin", "https://evil.example")).await;
    assert!(read.headers.get("access-control-allow-origin").is_none());
    running.finish().await;
}

#[tokio::test]
async fn pages_of_allowed_origins_may_call_the_api() {
    let running = start_with(r#"{"cors_origins":["https://grafana.example"]}"#, |_| {}).await;
    let preflight = answer(
        running
            .request("OPTIONS", "/anomalies/0000000000000000")
            .header("origin", "https://grafana.example")
            .header("access-control-request-method", "PATCH")
            .header("access-control-request-headers", "authorization,content-type"),
    )
    .await;
    assert_eq!(preflight.header("access-control-allow-origin"), "https://grafana.example");
    assert!(preflight.header("access-control-allow-methods").contains("PATCH"));
    let posted =
        running.request("POST", "/detect").header("origin", "https://grafana.example").body(json!({"log_line": "x"}).to_string());
    let posted = answer(posted).await;
    assert_eq!((posted.status, posted.header("access-control-allow-origin")), (200, "https://grafana.example"));
    let other = answer(running.request("POST", "/detect").header("origin", "https://evil.example").body("{}")).await;
    assert_eq!((other.status, other.header("access-control-allow-origin")), (403, ""));
    running.finish().await;
}
