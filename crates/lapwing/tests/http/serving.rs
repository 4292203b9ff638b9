use std::sync::Arc;
use std::time::Duration;

use lapwing::server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{settings, start, start_with};

#[tokio::test]
async fn a_port_in_use_is_told_with_what_to_do() {
    let taken = server::bind(&settings("{}")).await.expect("a free port");
    let again = settings(&format!(r#"{{"listen":"{}"}}"#, taken.address()));
    let error = server::bind(&again).await.expect_err("in use");
    assert_eq!(
        error,
        format!("cannot bind http {}: address already in use; choose another port with server.listen", taken.address())
    );
}

#[tokio::test]
async fn beyond_loopback_a_token_is_required() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let error = server::bind(&settings(&format!(r#"{{"listen":"{listen}"}}"#))).await.expect_err("open to everybody");
        assert!(error.contains("a token is required") && error.contains("server.tokens"), "{error}");
    }
    let guarded = settings(r#"{"listen":"0.0.0.0:0","tokens":[{"role":"admin","token":"0123456789abcdef"}]}"#);
    assert!(server::bind(&guarded).await.is_ok());
    assert!(server::bind(&settings(r#"{"listen":"localhost:0"}"#)).await.is_ok());
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_before_anything_starts() {
    for (json, said) in [
        (r#"{"listen":"localhost"}"#, "write server.listen as host:port"),
        (
            r#"{"listen":"203.0.113.7:0","tokens":[{"role":"admin","token":"0123456789abcdef"}]}"#,
            "choose an address of this machine",
        ),
        (r#"{"tokens":[{"role":"viewer","token":""}]}"#, "token of role viewer"),
        (r#"{"cors_origins":["*"]}"#, "server.cors_origins"),
        (r#"{"tls":{"certificate":"no.pem","key":"no.pem"}}"#, "server.tls.certificate no.pem: no such file"),
    ] {
        let error = server::bind(&settings(json)).await.expect_err(json);
        assert!(error.contains(said), "{error}");
        assert!(!error.contains("os error"), "{error}");
    }
}

#[tokio::test]
async fn what_was_begun_is_finished_when_the_server_stops() {
    let running = start().await;
    let mut stream = TcpStream::connect(running.address).await.expect("connected");
    stream.write_all(b"POST /logs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\none\n").await.expect("written");
    tokio::time::sleep(Duration::from_millis(100)).await;
    running.stop.send_replace(true);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(running.address).await.is_err(), "no new connections");
    stream.write_all(b"two\n").await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    assert!(answer.starts_with("HTTP/1.1 202 ") && answer.contains("\"accepted\":2"), "{answer}");
    running.finish().await;
}

#[tokio::test]
async fn serves_tls() {
    let directory = tempfile::tempdir().expect("a directory");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let bound = server::bind(&settings(&serde_json::json!({"tls": {"certificate": certificate, "key": key}}).to_string()))
        .await
        .expect("bound");
    let plain = start_with("{}", |_| {}).await;
    let address = bound.address();
    let served = tokio::spawn(bound.serve(plain.live.clone(), plain.stop.subscribe()));

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    let stream = TcpStream::connect(address).await.expect("connected");
    let mut stream = connector.connect(ServerName::try_from("localhost").expect("a name"), stream).await.expect("a handshake");
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"status\":\"ok\""), "{answer}");
    plain.finish().await;
    served.await.expect("no panic").expect("served well");
}
