use lapwing_model::Detail;
use proptest::prelude::*;

use super::lexer::Lexer;
use crate::Understood;
use crate::line::Line;
use crate::testing::{check, parse, told};

#[test]
fn reads_what_applications_write() {
    check(&[
        (
            r#"{"timestamp":"2024-03-01T12:00:00Z","level":"ERROR","source":"auth-service","message":"Login failed for user bob from 203.0.113.9"}"#,
            "json at=2024-03-01T12:00:00Z level=ERROR client=203.0.113.9 user=bob service=auth-service message=Login failed for user bob from 203.0.113.9",
        ),
        (
            r#"{"level":50,"time":1709294400123,"pid":42,"hostname":"web1","req":{"method":"GET","url":"/a","remoteAddress":"::1"},"res":{"statusCode":500},"responseTime":12,"msg":"request errored"}"#,
            "json at=2024-03-01T12:00:00.123Z level=ERROR client=::1 host=web1 took=12ms status=500 method=GET target=/a +pid=42 +msg=request errored",
        ),
        (
            r#"{"name":"myapp","hostname":"h","pid":1,"level":30,"msg":"listening","time":"2024-03-01T12:00:00.5Z","v":0}"#,
            "json at=2024-03-01T12:00:00.5Z level=INFO service=myapp host=h message=listening +pid=1 +v=0",
        ),
        (
            r#"{"severity":"WARNING","textPayload":"slow \"query\"","timestamp":"2024-03-01T12:00:00Z","labels":{"zone":"eu\u002d1"}}"#,
            r#"json at=2024-03-01T12:00:00Z level=WARN message=slow "query" +labels.zone=eu-1"#,
        ),
        (
            r#"{"version":"1.1","host":"gelf1","short_message":"disk full","timestamp":1709294400.25,"level":3,"_disk":"sda"}"#,
            "json at=2024-03-01T12:00:00.25Z level=ERROR host=gelf1 message=disk full +version=1.1 +_disk=sda",
        ),
        ("{}", "json"),
        (r#" { "msg" : "spaced" , "n" : null } "#, "json message=spaced"),
    ]);
}

#[test]
fn reads_ecs_nested_and_dotted_alike() {
    let expected = "json at=2024-03-01T12:00:00Z client=203.0.113.9 status=403 method=POST target=/login?x=1 bytes=7 referrer=http://a/ agent=sqlmap/1.7 \
                    body=user=admin'--";
    check(&[
        (
            r#"{"@timestamp":"2024-03-01T12:00:00Z","http":{"request":{"method":"POST","referrer":"http://a/","body":{"content":"user=admin'--"}},"response":{"status_code":403,"body":{"bytes":7}}},"url":{"original":"/login?x=1"},"user_agent":{"original":"sqlmap/1.7"},"source":{"ip":"203.0.113.9"}}"#,
            expected,
        ),
        (
            r#"{"@timestamp":"2024-03-01T12:00:00Z","http.request.method":"POST","http.request.referrer":"http://a/","http.request.body.content":"user=admin'--","http.response.status_code":403,"http.response.body.bytes":7,"url.original":"/login?x=1","user_agent.original":"sqlmap/1.7","source.ip":"203.0.113.9"}"#,
            expected,
        ),
        (
            r#"{"url":{"path":"/a","query":"b=1","domain":"x.org"},"http":{"request":{"method":"GET"}},"event":{"duration":5000000},"user":{"name":"eve"}}"#,
            "json user=eve took=5ms method=GET target=/a?b=1 domain=x.org",
        ),
    ]);
}

#[test]
fn reads_opentelemetry_in_both_spellings() {
    check(&[
        (
            r#"{"Timestamp":"1709294400000000000","SeverityText":"ERROR","SeverityNumber":17,"Body":"boom","Attributes":{"http.method":"GET","k8s.pod":"p"},"Resource":{"service.name":"cart"},"TraceId":"abc"}"#,
            "json at=2024-03-01T12:00:00Z level=ERROR session=abc service=cart message=boom +k8s.pod=p +http.method=GET",
        ),
        (
            r#"{"timeUnixNano":"1709294400000000000","severityNumber":13,"body":{"stringValue":"careful"},"attributes":[{"key":"user.name","value":{"stringValue":"bob"}},{"key":"n","value":{"intValue":"3"}}]}"#,
            "json at=2024-03-01T12:00:00Z level=WARN user=bob message=careful +n=3",
        ),
    ]);
}

#[test]
fn reads_access_logs_written_as_json() {
    check(&[
        (
            r#"{"time_iso8601":"2024-03-01T12:00:00+00:00","remote_addr":"198.51.100.7","remote_user":"","request":"GET /x?y=\"1\" HTTP/1.1","status":"502","body_bytes_sent":"157","request_time":"0.250","http_referer":"-","http_user_agent":"curl/8","http_host":"example.org"}"#,
            r#"json at=2024-03-01T12:00:00Z client=198.51.100.7 took=250ms status=502 method=GET target=/x?y="1" protocol=HTTP/1.1 bytes=157 agent=curl/8 domain=example.org"#,
        ),
        (
            r#"{"level":"info","ts":1709294400.5,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"1.2.3.4","proto":"HTTP/2.0","method":"GET","host":"example.org","uri":"/","headers":{"User-Agent":["curl/8"]}},"duration":0.0025,"size":10,"status":200}"#,
            "json at=2024-03-01T12:00:00.5Z level=INFO client=1.2.3.4 took=2.5ms status=200 method=GET target=/ protocol=HTTP/2.0 bytes=10 agent=curl/8 \
             domain=example.org +msg=handled request +logger=http.log.access",
        ),
        (
            r#"{"httpRequest":{"requestMethod":"GET","requestUrl":"https://example.org/a?b","status":404,"remoteIp":"1.2.3.4","latency":"0.012s","userAgent":"x"},"severity":"WARNING"}"#,
            "json level=WARN client=1.2.3.4 took=12ms status=404 method=GET target=/a?b agent=x domain=example.org",
        ),
        (
            r#"{"ClientHost":"1.2.3.4","RequestMethod":"GET","RequestPath":"/a","DownstreamStatus":200,"Duration":1000000}"#,
            "json client=1.2.3.4 took=1ms status=200 method=GET target=/a",
        ),
    ]);
}

#[test]
fn reads_the_line_that_a_container_wrote() {
    check(&[
        (
            r#"{"log":"1.2.3.4 - - [01/Mar/2024:12:00:00 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"curl/8\"\n","stream":"stdout","time":"2024-03-01T12:00:00.7Z"}"#,
            "docker at=2024-03-01T12:00:00.7Z client=1.2.3.4 status=200 method=GET target=/ protocol=HTTP/1.1 bytes=5 agent=curl/8 +stream=stdout",
        ),
        (
            r#"{"log":"{\"level\":\"error\",\"msg\":\"no\\tmore\"}\n","stream":"stderr","time":"2024-03-01T12:00:00Z"}"#,
            "docker at=2024-03-01T12:00:00Z level=ERROR message=no\tmore +stream=stderr",
        ),
        (
            r#"{"log":"WARN  disk almost full","stream":"stdout","time":"2024-03-01T12:00:00Z"}"#,
            "docker at=2024-03-01T12:00:00Z level=WARN message=disk almost full +stream=stdout",
        ),
        (
            r#"{"log":"level=warn msg=\"low disk\" n=1\n","stream":"stdout","time":"2024-03-01T12:00:00Z"}"#,
            "docker at=2024-03-01T12:00:00Z level=WARN message=low disk +n=1 +stream=stdout",
        ),
    ]);
}

#[test]
fn fields_that_are_not_known_are_kept_under_dotted_names() {
    check(&[(
        r#"{"msg":"m","a":{"b":{"c":1}},"tags":["x","y"],"one":["z"],"ok":true,"status":"fine","esc\n":"v"}"#,
        "json message=m +a.b.c=1 +tags=[\"x\",\"y\"] +one=z +ok=true +esc\n=v +status=fine",
    )]);
}

#[test]
fn fields_are_bounded_in_number_and_depth() {
    let many: Vec<String> = (0..1_000).map(|n| format!("\"f{n}\":{n}")).collect();
    let (_, event) = parse(format!("{{{}}}", many.join(",")));
    assert_eq!(event.others.len(), 128);
    let deep = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let (understood, event) = parse(deep(100_000));
    assert_eq!((understood, event.others.len()), (Understood::As("json"), 1));
    let (name, value) = event.others.iter().next().unwrap();
    assert_eq!(event.text(name), ["a"; 16].join(".").as_bytes());
    assert!(event.text(value).starts_with(b"{\"a\":"));
    let (understood, _) = parse("[".repeat(50_000));
    assert_eq!(understood, Understood::AsText);
    assert_eq!(parse(format!("{{\"a\":{}", "[".repeat(50_000))).0, Understood::Broken("broken-json"));
}

#[test]
fn broken_objects_are_counted_and_kept_as_text() {
    for line in
        [r#"{"a":1"#, r#"{"a":1} x"#, r#"{"a" 1}"#, r#"{"a":}"#, r#"{"a":"b}"#, r#"{"a":"\q"}"#, r#"{"a":[1}}"#, r#"{"a":nul}"#]
    {
        assert_eq!(told(line), format!("[broken-json] message={line}"), "{line}");
    }
    assert_eq!(told("{not json} at all"), "text message={not json} at all");
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        (-1e9_f64..1e9).prop_map(serde_json::Value::from),
        "\\PC*".prop_map(serde_json::Value::from),
        proptest::collection::vec(any::<char>(), 0..8)
            .prop_map(|text| serde_json::Value::from(text.into_iter().collect::<String>())),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            proptest::collection::btree_map("\\PC{1,8}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_object_that_serde_json_writes_is_read(value in proptest::collection::btree_map("[a-z]{3}\\PC{0,5}", any_json(), 0..8)) {
        let value = serde_json::Value::Object(value.into_iter().collect());
        let (understood, _) = parse(value.to_string());
        prop_assert_eq!(understood, Understood::As("json"));
    }

    #[test]
    fn strings_are_decoded_as_serde_json_does(text in proptest::collection::vec(any::<char>(), 0..40)) {
        let text: String = text.into_iter().collect();
        let written = serde_json::to_string(&text).unwrap();
        let mut decoded = Vec::new();
        let string = Lexer::new(Line::raw(written.as_bytes(), 0)).string(&mut decoded).unwrap();
        prop_assert_eq!(string.of(written.as_bytes(), &decoded), text.as_bytes());
        let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let (_, event) = parse(format!("{{\"message\":\"{escaped}\"}}"));
        let Detail::Log(log) = event.detail else { panic!("no log") };
        prop_assert_eq!(event.text(log.message), text.as_bytes());
    }
}
