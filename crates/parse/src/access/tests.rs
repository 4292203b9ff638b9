use lapwing_model::Scope;

use crate::Understood;
use crate::testing::{check, parse, told};

#[test]
fn reads_common_and_combined() {
    check(&[
        (
            r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#,
            "common at=2000-10-10T20:55:36Z client=127.0.0.1 user=frank status=200 method=GET target=/apache_pb.gif protocol=HTTP/1.0 bytes=2326",
        ),
        (
            r#"83.149.9.216 - - [17/May/2015:10:05:43 +0000] "GET /images/kibana.png?x=1 HTTP/1.1" 200 171717 "http://semicomplete.com/" "Mozilla/5.0 (Macintosh)""#,
            "combined at=2015-05-17T10:05:43Z client=83.149.9.216 status=200 method=GET target=/images/kibana.png?x=1 protocol=HTTP/1.1 bytes=171717 \
             referrer=http://semicomplete.com/ agent=Mozilla/5.0 (Macintosh)",
        ),
        (
            r#"2001:db8::7 - - [17/May/2015:10:05:43 +0000] "POST / HTTP/2.0" 304 - "-" "-""#,
            "combined at=2015-05-17T10:05:43Z client=2001:db8::7 status=304 method=POST target=/ protocol=HTTP/2.0",
        ),
        (
            r#"crawl.example.net - - [17/May/2015:10:05:43 +0000] "HEAD / HTTP/1.1" 200 0"#,
            "common at=2015-05-17T10:05:43Z client=crawl.example.net status=200 method=HEAD target=/ protocol=HTTP/1.1 bytes=0",
        ),
        (
            r#"10.0.0.7 - John Q. Doe [17/May/2015:10:05:43 +0000] "GET / HTTP/1.1" 401 12"#,
            "common at=2015-05-17T10:05:43Z client=10.0.0.7 user=John Q. Doe status=401 method=GET target=/ protocol=HTTP/1.1 bytes=12",
        ),
        (
            r#"10.0.0.7 - - [2015-05-17T10:05:43+02:00] "GET / HTTP/1.1" 200 12"#,
            "common at=2015-05-17T08:05:43Z client=10.0.0.7 status=200 method=GET target=/ protocol=HTTP/1.1 bytes=12",
        ),
    ]);
}

#[test]
fn reads_virtual_hosts_response_times_and_forwarded_clients() {
    check(&[
        (
            r#"www.example.org:443 1.2.3.4 - bob [17/May/2015:10:05:43 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8""#,
            "combined at=2015-05-17T10:05:43Z client=1.2.3.4 user=bob status=200 method=GET target=/ protocol=HTTP/1.1 bytes=12 agent=curl/8 \
             domain=www.example.org",
        ),
        (
            r#"www.example.org:80 client.example.net - - [17/May/2015:10:05:43 +0000] "GET / HTTP/1.1" 200 12"#,
            "common at=2015-05-17T10:05:43Z client=client.example.net status=200 method=GET target=/ protocol=HTTP/1.1 bytes=12 domain=www.example.org",
        ),
        (
            r#"1.2.3.4 - - [17/May/2015:10:05:43 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8" 0.250"#,
            "combined at=2015-05-17T10:05:43Z client=1.2.3.4 took=250ms status=200 method=GET target=/ protocol=HTTP/1.1 bytes=12 agent=curl/8",
        ),
        (
            r#"1.2.3.4 - - [17/May/2015:10:05:43 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8" 250000"#,
            "combined at=2015-05-17T10:05:43Z client=1.2.3.4 took=250ms status=200 method=GET target=/ protocol=HTTP/1.1 bytes=12 agent=curl/8",
        ),
        (
            r#"10.0.0.1 - - [17/May/2015:10:05:43 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8" "6.6.6.6, 203.0.113.9, 10.0.0.2" rt=0.005 uct="0.001""#,
            "combined at=2015-05-17T10:05:43Z client=203.0.113.9 took=5ms status=200 method=GET target=/ protocol=HTTP/1.1 bytes=12 agent=curl/8",
        ),
        (
            r#"198.51.100.1 - - [17/May/2015:10:05:43 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8" "6.6.6.6""#,
            "combined at=2015-05-17T10:05:43Z client=198.51.100.1 status=200 method=GET target=/ protocol=HTTP/1.1 bytes=12 agent=curl/8",
        ),
        (
            r#"6.6.6.6, 10.0.0.2 - - [17/May/2015:10:05:43 +0000] "GET / HTTP/1.1" 200 12"#,
            "common at=2015-05-17T10:05:43Z client=6.6.6.6 status=200 method=GET target=/ protocol=HTTP/1.1 bytes=12",
        ),
        (
            r#"1.2.3.4 - - [17/May/2015:10:05:43 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8" 17 "web@docker" "http://10.0.0.9:80" 33ms"#,
            "combined at=2015-05-17T10:05:43Z client=1.2.3.4 took=33ms status=200 method=GET target=/ protocol=HTTP/1.1 bytes=12 agent=curl/8",
        ),
    ]);
}

#[test]
fn reads_what_attackers_send() {
    check(&[
        (
            r#"1.2.3.4 - - [17/May/2015:10:05:43 +0000] "GET /a b' OR 1=1 -- HTTP/1.1" 200 12 "-" "x""#,
            "combined at=2015-05-17T10:05:43Z client=1.2.3.4 status=200 method=GET target=/a b' OR 1=1 -- protocol=HTTP/1.1 bytes=12 agent=x",
        ),
        (
            r#"1.2.3.4 - - [17/May/2015:10:05:43 +0000] "GET /?q=\"><script> HTTP/1.1" 200 12 "-" "a \"quoted\" agent""#,
            r#"combined at=2015-05-17T10:05:43Z client=1.2.3.4 status=200 method=GET target=/?q=\"><script> protocol=HTTP/1.1 bytes=12 agent=a \"quoted\" agent"#,
        ),
        (
            r#"1.2.3.4 - - [17/May/2015:10:05:43 +0000] "GET /?q="> HTTP/1.1" 200 12 "-" "not "escaped" agent""#,
            r#"combined at=2015-05-17T10:05:43Z client=1.2.3.4 status=200 method=GET target=/?q="> protocol=HTTP/1.1 bytes=12 agent=not "escaped" agent"#,
        ),
        (
            r#"1.2.3.4 - - [17/May/2015:10:05:43 +0000] "\x16\x03\x01\x02" 400 226 "-" "-""#,
            r"combined at=2015-05-17T10:05:43Z client=1.2.3.4 status=400 target=\x16\x03\x01\x02 bytes=226",
        ),
        (
            r#"1.2.3.4 - - [17/May/2015:10:05:43 +0000] "-" 408 - "-" "-""#,
            "combined at=2015-05-17T10:05:43Z client=1.2.3.4 status=408",
        ),
        (
            r#"1.2.3.4 - - [17/May/2015:10:05:43 +0000] "GET /" 200 12"#,
            "common at=2015-05-17T10:05:43Z client=1.2.3.4 status=200 method=GET target=/ bytes=12",
        ),
        (
            r#"1.2.3.4 - - [17/May/2015:10:05:43 +0000] "GET / HTTP/1.1" 200 235 "-" "Mozilla/5.0 (cut o"#,
            "combined at=2015-05-17T10:05:43Z client=1.2.3.4 status=200 method=GET target=/ protocol=HTTP/1.1 bytes=235 agent=Mozilla/5.0 (cut o",
        ),
        (
            r#""1.2.3.4 - - [17/May/2015:10:05:43 +0000] "GET / HTTP/1.1" 200 235 "-" "curl/8"""#,
            "combined at=2015-05-17T10:05:43Z client=1.2.3.4 status=200 method=GET target=/ protocol=HTTP/1.1 bytes=235 agent=curl/8",
        ),
    ]);
}

#[test]
fn bytes_that_are_no_text_do_not_prevent_reading() {
    let (understood, event) =
        parse(b"1.2.3.4 - - [17/May/2015:10:05:43 +0000] \"GET /\xff\x00\xfe HTTP/1.1\" 404 12 \"-\" \"\xc3\"\r\n");
    assert_eq!(understood, Understood::As("combined"));
    let web = event.web().unwrap();
    assert_eq!(event.text(web.target), b"/\xff\x00\xfe");
    assert_eq!(event.text(web.user_agent), b"\xc3");
    assert_eq!(event.raw.last(), Some(&b'"'), "the end of the line is no part of the event");
}

#[test]
fn a_line_that_breaks_off_is_counted_and_kept_as_text() {
    let told = told(r#"1.2.3.4 - - [17/May/2015:10:05:43 +0000] "GET /index.ht"#);
    assert!(told.starts_with("[broken-access-log]"), "{told}");
    assert!(told.contains("message=1.2.3.4 - - [17/May/2015:10:05:43 +0000] \"GET /index.ht"), "{told}");
}

#[test]
fn the_keys_of_an_event_are_the_hashes_of_its_entities() {
    for client in ["198.51.100.217", "2001:db8:1:2::3", "::ffff:9.8.7.6", "host.example.net"] {
        let (_, event) = parse(format!("v.example:80 {client} - eve [17/May/2015:10:05:43 +0000] \"GET / HTTP/1.1\" 200 1"));
        for scope in
            [Scope::Client, Scope::Network, Scope::User, Scope::Session, Scope::Service, Scope::Host, Scope::Source, Scope::All]
        {
            let of_entity = event.entity_of(scope).map(|entity| lapwing_model::hash(entity.name.as_bytes()));
            if scope == Scope::Session {
                assert_eq!(event.keys.get(scope), event.keys.get(Scope::Client), "a client without a session is its own session");
            } else {
                assert_eq!(event.keys.get(scope), of_entity, "{client} {scope}");
            }
        }
        assert_eq!(event.keys.get(Scope::Endpoint), Some(event.skeleton));
    }
}
