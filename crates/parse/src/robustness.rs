//! Whatever comes in, parsing answers with an event, and with the same one every time.

use proptest::prelude::*;

use crate::testing::parse;
use crate::{Parser, Understood};

const REAL: &[&str] = &[
    r#"83.149.9.216 - - [17/May/2015:10:05:43 +0000] "GET /images/kibana.png?x=1 HTTP/1.1" 200 171717 "http://semicomplete.com/" "Mozilla/5.0""#,
    r#"www.example.org:443 1.2.3.4 - bob [17/May/2015:10:05:43 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8" "1.2.3.4" rt=0.5"#,
    r#"{"@timestamp":"2024-03-01T12:00:00Z","http":{"request":{"method":"POST","body":{"content":"a\u00e9\n"}}},"url":{"original":"/x"},"tags":["a"]}"#,
    r#"{"log":"{\"level\":\"error\",\"msg\":\"no\\tmore\"}\n","stream":"stderr","time":"2024-03-01T12:00:00Z"}"#,
    r#"{"timeUnixNano":"1709294400000000000","body":{"stringValue":"x"},"attributes":[{"key":"user.name","value":{"stringValue":"bob"}}]}"#,
    r#"time="2024-03-01T12:00:00Z" level=warning msg="disk \"sda\" is\nslow" took=12ms"#,
    r#"<165>1 2003-10-11T22:14:15.003Z host app 42 ID47 [id@1 iut="3" b="\]"] An event"#,
    "Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; uid=0 rhost=218.188.2.4  user=root",
    "- 1117838570 2005.06.03 R02-M1 2005-06-03-15.42.50.675872 R02-M1 RAS KERNEL INFO instruction cache parity error corrected",
    "2015-07-29 17:41:44,747 - INFO  [QuorumPeer[myid=1]/0:0:0:0:0:0:0:0:2181:FastLeaderElection@774] - Notification time out: 3200",
    "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187:5678] File does not exist: /x",
    "I0614 15:16:01.123456  1234 server.cc:42] took 3.2s status: 503 from ::ffff:1.2.3.4 HTTP/1.1\" 500",
    "I, [2024-03-01T12:00:00.123456 #77]  INFO -- web: \x1b[31mred\x1b[0m",
    "Sun, 06 Nov 1994 08:49:37 GMT | a | b | Jul 29, 2015 5:41:44 PM",
];

/// A change to a line: at a place (by share of its length), take bytes away and put others there.
fn mutated(line: &str, changes: &[(u16, u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = line.as_bytes().to_vec();
    for (place, taken, put) in changes {
        let start = usize::from(*place) * bytes.len() / 65_536;
        let end = (start + usize::from(*taken % 8)).min(bytes.len());
        bytes.splice(start..end, put.iter().copied());
    }
    bytes
}

fn any_piece() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "\"",
        "\\",
        "[",
        "]",
        "{",
        "}",
        " ",
        ":",
        "::",
        "=",
        "1",
        "9999999999",
        "\u{e9}",
        "<",
        ">",
        "/",
        "-",
        "%",
        "\x1b[",
        "null",
        "HTTP/",
        ",",
    ];
    prop_oneof![
        proptest::sample::select(pieces.to_vec()).prop_map(|piece| piece.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6),
    ]
}

/// All that detectors may ask of an event must answer.
fn ask(line: &[u8]) {
    let (_, event) = parse(line);
    for names in lapwing_model::Field::known() {
        let _ = event.get(&lapwing_model::Field::named(names[0]));
    }
    assert!(event.raw.len() <= line.len());
    assert!(event.decoded.len() <= line.len() * 20 + 64, "{} bytes decoded of {}", event.decoded.len(), line.len());
    assert!(event.others.len() <= 128 && event.skeleton != 0);
    assert!(!event.entity().name.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_bytes_are_an_event(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        ask(&bytes);
    }

    #[test]
    fn any_change_to_a_real_line_is_an_event(
        line in proptest::sample::select(REAL.to_vec()),
        changes in proptest::collection::vec((any::<u16>(), any::<u8>(), any_piece()), 1..5),
    ) {
        ask(&mutated(line, &changes));
    }

    #[test]
    fn what_came_before_does_not_change_what_is_read(
        lines in proptest::collection::vec((proptest::sample::select(REAL.to_vec()), any::<u16>(), any_piece()), 1..8),
    ) {
        let mut used = Parser::new();
        for (line, place, piece) in lines {
            let body = bytes::Bytes::from(mutated(line, &[(place, 1, piece)]));
            let record = lapwing_model::Record {
                body, origin: lapwing_model::Origin::new("test"), position: lapwing_model::Position::default(), received: crate::testing::RECEIVED,
            };
            let mut events = Vec::new();
            let understood = used.parse(&record, &mut events);
            let again = Parser::new().parse(&record, &mut events);
            prop_assert_eq!(understood, again);
            prop_assert_eq!(format!("{:?}", &events[0]), format!("{:?}", &events[1]));
        }
    }
}

#[test]
fn real_lines_are_read_as_what_they_are() {
    for line in REAL {
        assert!(!matches!(parse(line).0, Understood::Broken(_)), "{line}");
    }
}

#[test]
fn what_is_wrong_with_a_line_is_named() {
    assert_eq!(parse(b"caf\xe9").0, Understood::Broken("invalid-utf8"));
    assert_eq!(parse(b"a\0b").0, Understood::Broken("nul-bytes"));
    assert_eq!(parse(b"\r\n").0, Understood::Broken("empty"));
    assert_eq!(parse(vec![b'a'; 2 << 20]).0, Understood::Broken("too-long"));
    assert_eq!(parse("\u{feff}{\"msg\":\"after a byte order mark\"}").0, Understood::As("json"));
}

#[test]
fn hostile_lines_take_no_more_than_linear_time() {
    let begun = std::time::Instant::now();
    let pieces = ["\" 200 ", "\\\"", "[1", "{\"a\":", "a=", "::1 ", "1.1.1.", "user ", "[[", "| a", "status ", "\x1b["];
    for piece in pieces {
        parse(piece.repeat((1 << 20) / piece.len() - 1));
        parse(format!("1.2.3.4 - - [17/May/2015:10:05:43 +0000] \"GET {}", piece.repeat(1 << 17)));
        parse(format!("{{\"a\":\"{}", piece.repeat(1 << 17)));
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn a_format_can_be_demanded() {
    let reading = |format: &str| lapwing_model::Reading { format: Some(format.into()), ..Default::default() };
    let as_told = |line: &str, format: &str| crate::testing::parse_as(line.as_bytes(), reading(format)).0;
    assert_eq!(as_told(r#"{"msg":"x"}"#, "text"), Understood::AsText);
    assert_eq!(as_told(r#"{"msg":"x"}"#, "ecs"), Understood::As("json"));
    assert_eq!(as_told("plain", "json"), Understood::Broken("wrong-format"));
    assert_eq!(crate::check_format("nginx"), Ok(()));
    assert_eq!(crate::check_format("combinde"), Err("unknown format \"combinde\"; did you mean combined?".to_owned()));
}
