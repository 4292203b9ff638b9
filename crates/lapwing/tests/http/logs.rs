use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use lapwing_source::{Block, Refused};
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{Answer, CRITICAL, Running, answer, start, start_with};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).expect("into memory");
    encoder.finish().expect("into memory")
}

async fn packed(running: &Running, coding: &str, body: Vec<u8>) -> Answer {
    answer(running.request("POST", "/logs").header("content-encoding", coding).body(body)).await
}

/// A server whose blocks come out here instead of in the pipeline.
async fn intercepted(bound: usize, json: &str) -> (Running, mpsc::Receiver<Block>) {
    let (intake, blocks) = lapwing_source::intake(bound);
    (start_with(json, |live| live.intake = intake).await, blocks)
}

/// Takes every block and keeps what was in it.
fn collect(mut blocks: mpsc::Receiver<Block>) -> tokio::task::JoinHandle<Vec<Block>> {
    tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some(mut block) = blocks.recv().await {
            block.accepted.take().expect("pushed data asks for an answer").send(Ok(())).expect("somebody waits");
            all.push(block);
        }
        all
    })
}

#[tokio::test]
async fn lines_that_name_columns_hold_for_what_is_below_them_in_the_body() {
    let (running, blocks) = intercepted(16, "{}").await;
    let collected = collect(blocks);
    let body = "first\n#separator \\x09\n#path\tconn\n#fields\tid.orig_h\tts\n10.0.0.5\t1.0\n#close\t2\n\
                #separator \\x09\n#fields\tuid\nC1\nC2\n";
    let sent = running.post("/logs", body).await;
    assert_eq!(sent.json(), json!({"accepted": 4, "not_understood": 0, "reasons": {}}));
    assert_eq!(running.post("/logs", "C3\n").await.status, 202);
    running.finish().await;
    let all: Vec<_> = collected.await.expect("no panic").into_iter().map(|block| block.records).collect();
    let told = |records: &Vec<lapwing_model::Record>| {
        let columns = records[0].origin.reading.columns.clone().unwrap_or_default();
        assert!(records.iter().all(|record| record.origin == records[0].origin), "a block has one origin");
        let fields = columns.lines().find(|line| line.starts_with("#fields")).unwrap_or_default().to_owned();
        (fields, records.iter().map(|record| String::from_utf8_lossy(&record.body).into_owned()).collect::<Vec<_>>())
    };
    let told: Vec<_> = all.iter().map(told).collect();
    let told: Vec<_> = told.iter().map(|(fields, bodies)| (fields.as_str(), bodies.join(" "))).collect();
    let expected = [("", "first"), ("#fields\tid.orig_h\tts", "10.0.0.5\t1.0"), ("#fields\tuid", "C1 C2"), ("", "C3")];
    assert_eq!(told, expected.map(|(fields, bodies)| (fields, bodies.to_owned())));
}

#[tokio::test]
async fn what_is_sent_in_any_form_arrives_as_the_same_records() {
    let (running, blocks) = intercepted(16, "{}").await;
    let collected = collect(blocks);
    let forms: [(&str, &str); 5] = [
        ("application/json", "[{\"a\":1}, {\"b\": 2}]"),
        ("application/json", "{\"a\":1}\n{\"b\": 2}\n"),
        ("application/x-ndjson", "{\"a\":1}\r\n\r\n{\"b\": 2}"),
        ("text/plain", "{\"a\":1}\n{\"b\": 2}"),
        ("application/x-www-form-urlencoded", "{\"a\":1}\n{\"b\": 2}"),
    ];
    for (kind, body) in forms {
        let sent = answer(
            running.request("POST", "/logs?source=shop&service=cart&session_id=s").header("content-type", kind).body(body),
        )
        .await;
        assert_eq!((sent.status, sent.json()), (202, json!({"accepted": 2, "not_understood": 0, "reasons": {}})), "{kind}");
    }
    assert_eq!(packed(&running, "gzip", gzip(b"{\"a\":1}\n{\"b\": 2}")).await.status, 202);
    assert_eq!(
        packed(&running, "zstd", zstd::encode_all(&b"{\"a\":1}\n{\"b\": 2}"[..], 3).expect("into memory")).await.status,
        202
    );
    running
        .finish_without(collected, |blocks| {
            assert_eq!(blocks.len(), 7);
            for block in &blocks {
                let bodies: Vec<_> = block.records.iter().map(|record| &record.body[..]).collect();
                assert_eq!(bodies, [&b"{\"a\":1}"[..], b"{\"b\": 2}"]);
            }
            let origin = &blocks[0].records[0].origin;
            assert_eq!(
                (&*origin.name, origin.reading.service.as_deref(), origin.reading.session.as_deref()),
                ("http/shop", Some("cart"), Some("s"))
            );
            assert_eq!(&*blocks[6].records[0].origin.name, "http");
        })
        .await;
}

impl Running {
    /// Ends a server whose intake is not the service's own.
    async fn finish_without(mut self, collected: tokio::task::JoinHandle<Vec<Block>>, check: impl FnOnce(Vec<Block>)) {
        let (unused, _) = lapwing_source::intake(1);
        self.live.intake = unused;
        self.finish().await;
        check(collected.await.expect("no panic"));
    }
}

#[tokio::test]
async fn a_line_that_was_sent_becomes_an_anomaly() {
    let running = start().await;
    let sent = running.post("/logs?source=shop", CRITICAL).await;
    assert_eq!((sent.status, sent.json()["accepted"].as_u64()), (202, Some(1)));
    let found = running.until("/anomalies?class=fatal-error&detector=rules", |answer| answer.json()["items"][0].is_object());
    let found = found.await.json();
    assert_eq!(found["items"][0]["evidence"][0]["text"], CRITICAL);
    assert_eq!(found["items"][0]["evidence"][0]["file"], "http/shop");
    running.finish().await;
}

#[tokio::test]
async fn what_is_not_understood_is_told_and_metrics_agree() {
    let running = start().await;
    let body =
        [&b"plain\n{\"a\":\ncaf\xe9\na\0b\n{\"ok\":1}\n203.0.113.9 - - [17/May/2015:10:05:03 +0000] \"GET /a\n"[..]].concat();
    let sent = running.post("/logs", body).await.json();
    let reasons = json!({"broken-json": 1, "invalid-utf8": 1, "nul-bytes": 1, "broken-access-log": 1});
    assert_eq!(sent, json!({"accepted": 6, "not_understood": 4, "reasons": reasons}));
    running.until("/stats", |answer| answer.json()["not_understood"] == reasons).await;
    let sent = running.post("/logs?format=combined", "no access log").await.json();
    assert_eq!(sent["reasons"], json!({"wrong-format": 1}));
    running.finish().await;
}

#[tokio::test]
async fn nothing_to_take_is_taken_too() {
    let running = start().await;
    for body in ["", "\n\n", "[]"] {
        assert_eq!(running.post("/logs", body).await.json(), json!({"accepted": 0, "not_understood": 0, "reasons": {}}));
    }
    running.finish().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_as_sent_and_unpacked() {
    let running = start_with(r#"{"limits":{"body_bytes":100000}}"#, |_| {}).await;
    let lines = "x\n".repeat(50_001).into_bytes();
    for refused in [
        running.post("/logs", lines.clone()).await,
        packed(&running, "gzip", gzip(&vec![b'x'; 1 << 30 >> 4])).await,
        packed(&running, "zstd", zstd::encode_all(&vec![b'x'; 1 << 26][..], 3).expect("into memory")).await,
    ] {
        assert_eq!((refused.status, refused.code().as_str()), (413, "too_large"));
    }
    // Without a length, in chunks.
    let chunks: Vec<Result<Vec<u8>, std::io::Error>> = lines.chunks(1000).map(|chunk| Ok(chunk.to_vec())).collect();
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    assert_eq!(running.post("/logs", body).await.status, 413);
    assert_eq!(running.post("/logs", lines[..100_000].to_vec()).await.json()["accepted"], 50_000);
    running.finish().await;
}

#[tokio::test]
async fn a_body_that_is_not_what_it_says_is_refused() {
    let running = start().await;
    let json =
        |body: &'static str| answer(running.request("POST", "/logs").header("content-type", "application/json").body(body));
    for body in ["[{\"a\":1},", "{\"a\":", "hello"] {
        let refused = json(body).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "invalid_json"), "{body}");
    }
    let mut cut = gzip(b"a line that is long enough to be cut");
    cut.truncate(cut.len() - 4);
    for (coding, body) in [("gzip", b"no gzip".to_vec()), ("gzip", cut), ("zstd", b"no zstd".to_vec())] {
        let refused = packed(&running, coding, body).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "invalid_encoding"), "{coding}");
    }
    let refused = packed(&running, "br", b"x".to_vec()).await;
    assert_eq!(
        (refused.status, refused.code().as_str(), refused.header("accept-encoding")),
        (415, "unsupported_encoding", "gzip, zstd, identity")
    );
    running.finish().await;
}

#[tokio::test]
async fn parameters_are_read_strictly() {
    let running = start().await;
    for (query, said) in [
        ("sorce=a", "did you mean 'source'?"),
        ("format=combinde", "did you mean combined?"),
        ("zone=Mars/Olympus", "zone"),
        ("source=a%20b", "is no name"),
        ("source=a&source=b", "is said twice"),
    ] {
        let refused = running.post(&format!("/logs?{query}"), "x").await;
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.message().contains(said), "{query}: {}", refused.message());
    }
    running.finish().await;
}

#[tokio::test]
async fn a_full_intake_is_answered_with_429_and_nothing_is_half_taken() {
    let (running, mut blocks) = intercepted(1, "{}").await;
    let first = tokio::spawn(answer(running.request("POST", "/logs").body("one")));
    while running.live.intake.depth().0 == 0 {
        tokio::task::yield_now().await;
    }
    let refused = running.post("/logs", "two\n".repeat(5000)).await;
    assert_eq!((refused.status, refused.code().as_str(), refused.header("retry-after")), (429, "intake_full", "1"));
    assert_eq!(refused.json()["accepted"], 0);
    blocks.recv().await.expect("the first block").accepted.expect("asks").send(Ok(())).expect("somebody waits");
    assert_eq!(first.await.expect("no panic").status, 202);
    running.finish_without(collect(blocks), |rest| assert!(rest.is_empty())).await;
}

#[tokio::test]
async fn a_request_that_is_cut_off_in_the_middle_says_how_far_it_came() {
    let (running, mut blocks) = intercepted(1, "{}").await;
    let sent = tokio::spawn(answer(running.request("POST", "/logs").body("line\n".repeat(5000))));
    for _ in 0..2 {
        blocks.recv().await.expect("a block").accepted.expect("asks").send(Ok(())).expect("somebody waits");
    }
    drop(blocks);
    let refused = sent.await.expect("no panic");
    assert_eq!((refused.status, refused.code().as_str()), (503, "stopping"));
    assert_eq!(refused.json()["accepted"], 2048);
    running.finish().await;
}

#[tokio::test]
async fn what_the_journal_refuses_is_told_with_its_reason() {
    let (running, mut blocks) = intercepted(4, "{}").await;
    let journal = tokio::spawn(async move {
        while let Some(block) = blocks.recv().await {
            let _ = block.accepted.expect("asks").send(Err(Refused("no space left on device".into())));
        }
        Vec::new()
    });
    let refused = running.post("/logs", "one").await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "journal_refused"));
    assert!(refused.message().contains("no space left on device") && !refused.header("retry-after").is_empty());
    running.finish_without(journal, |_| {}).await;
}

#[tokio::test]
async fn a_large_request_is_taken_whole() {
    let running = start().await;
    let lines: String = (0..100_000).map(|i| format!("2015-05-17 10:05:03 INFO request {i} done\n")).collect();
    assert_eq!(running.post("/logs", lines).await.json()["accepted"], 100_000);
    running.until("/stats", |answer| answer.json()["sources"]["http"] == 100_000).await;
    running.finish().await;
}
