use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{start, start_with};

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_when_to_come_back() {
    let running = start_with(r#"{"limits":{"requests_per_second":10}}"#, |_| {}).await;
    let mut refused = None;
    for _ in 0..60 {
        let answer = running.get("/stats").await;
        if answer.status != 200 {
            refused = Some(answer);
        }
    }
    let refused = refused.expect("60 requests at once are more than 10 a second");
    assert_eq!((refused.status, refused.code().as_str(), refused.header("retry-after")), (429, "rate_limit", "1"));
    assert_eq!(running.get("/health").await.status, 200);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(running.get("/stats").await.status, 200);
    running.finish().await;
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_ended() {
    let running = start_with(r#"{"limits":{"request_seconds":1}}"#, |_| {}).await;
    let mut stream = TcpStream::connect(running.address).await.expect("connected");
    stream.write_all(b"POST /logs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nslow").await.expect("written");
    let mut answer = String::new();
    let started = Instant::now();
    stream.read_to_string(&mut answer).await.expect("read");
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"code\":\"timeout\""), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(5));
    running.finish().await;
}

#[tokio::test]
async fn idle_connections_beyond_the_limit_are_closed_and_counted_and_the_service_lives() {
    let running = start_with(r#"{"limits":{"connections":50}}"#, |_| {}).await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(running.address).await.expect("connected"));
    }
    let mut closed = 0;
    for stream in &mut idle {
        let mut byte = [0];
        let read = tokio::time::timeout(Duration::from_millis(20), stream.read(&mut byte)).await;
        closed += usize::from(matches!(read, Ok(Ok(0) | Err(_))));
    }
    assert!(closed >= 150, "{closed} closed");
    drop(idle);
    let metrics = running.until("/metrics", |answer| answer.status == 200).await.text;
    let count = metrics.lines().find_map(|line| line.strip_prefix("lapwing_dropped_total{reason=\"http_connection_limit\"} "));
    assert!(count.and_then(|count| count.parse::<u64>().ok()).is_some_and(|count| count >= 150), "{metrics}");
    running.finish().await;
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_the_service_lives() {
    let running = start().await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(1 << 20));
    for garbage in
        [&b"\x16\x03\x01\x02\x00\x01"[..], b"\0\0\0\0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", long.as_bytes()]
    {
        let mut stream = TcpStream::connect(running.address).await.expect("connected");
        // It may close before all is sent.
        let _ = stream.write_all(garbage).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.expect("closed");
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(running.get("/health").await.status, 200);
    running.finish().await;
}
