use crate::testing::check;

#[test]
fn reads_rfc_3164_with_and_without_priority() {
    check(&[
        (
            "Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=218.188.2.4 ",
            "syslog at=2025-06-14T15:16:01Z client=218.188.2.4 service=sshd host=combo logger=sshd(pam_unix) \
             message=authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=218.188.2.4",
        ),
        (
            "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
            "syslog at=2025-10-11T22:14:15Z level=FATAL service=su host=mymachine logger=su message='su root' failed for lonvick on /dev/pts/8",
        ),
        (
            "Jul 27 14:41:57 combo kernel: [    1.234567] usb 1-1: new device",
            "syslog at=2025-07-27T14:41:57Z service=kernel host=combo logger=kernel message=usb 1-1: new device",
        ),
        (
            "Jun 19 04:09:11 combo syslogd 1.4.1: restart.",
            "syslog at=2025-06-19T04:09:11Z service=syslogd host=combo logger=syslogd message=restart.",
        ),
        (
            "Jul  7 08:06:15 combo  -- root[2421]: ROOT LOGIN ON tty2",
            "syslog at=2025-07-07T08:06:15Z service=root host=combo logger=root message=ROOT LOGIN ON tty2",
        ),
        (
            "Jul  7 08:06:15 combo last message repeated 2 times",
            "syslog at=2025-07-07T08:06:15Z host=combo message=last message repeated 2 times",
        ),
        ("Jul  7 08:06:15 cron[17]: started", "syslog at=2025-07-07T08:06:15Z service=cron logger=cron message=started"),
        ("<13>no time at all", "syslog level=INFO message=no time at all"),
    ]);
}

#[test]
fn reads_rfc_5424_and_rsyslogs_iso_times() {
    check(&[
        (
            r#"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 42 ID47 [exampleSDID@32473 iut="3" eventSource="Application"] An application event"#,
            "syslog at=2003-10-11T22:14:15.003Z level=INFO service=evntslog host=mymachine.example.com logger=evntslog message=An application event \
             +iut=3 +eventSource=Application +msgid=ID47",
        ),
        ("<11>1 - - app - - - \u{feff}disk failed", "syslog level=ERROR service=app logger=app message=disk failed"),
        (
            "2015-05-17T10:05:03.123456+02:00 web1 sshd[42]: Accepted publickey for alice from 203.0.113.9 port 50000 ssh2",
            "syslog at=2015-05-17T08:05:03.123456Z client=203.0.113.9 user=alice service=sshd host=web1 logger=sshd \
             message=Accepted publickey for alice from 203.0.113.9 port 50000 ssh2",
        ),
        (
            r#"<11>1 2003-10-11T22:14:15Z h a - - [x y="1] z"#,
            r#"[broken-syslog] message=<11>1 2003-10-11T22:14:15Z h a - - [x y="1] z"#,
        ),
    ]);
}

#[test]
fn a_message_may_be_a_line_of_another_format() {
    check(&[
        (
            r#"<190>Jun 14 15:16:01 web1 nginx: 1.2.3.4 - - [14/Jun/2015:15:16:01 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8""#,
            "syslog at=2015-06-14T15:16:01Z level=INFO client=1.2.3.4 service=nginx host=web1 status=200 method=GET target=/ protocol=HTTP/1.1 bytes=5 \
             agent=curl/8",
        ),
        (
            r#"Jun 14 15:16:01 web1 app[7]: @cee: {"level":"error","msg":"boom"}"#,
            "syslog at=2025-06-14T15:16:01Z level=ERROR service=app host=web1 message=boom",
        ),
        (
            r#"Jun 14 15:16:01 web1 app[7]: {"level":"error","msg":"cut of"#,
            r#"syslog at=2025-06-14T15:16:01Z service=app host=web1 logger=app message={"level":"error","msg":"cut of"#,
        ),
    ]);
}

#[test]
fn texts_that_begin_with_a_time_are_left_to_others() {
    for line in [
        "Jun 14 15:16:01 ERROR no host here",
        "2015-05-17T10:05:03Z  INFO app::mod: started",
        "2015-05-17 10:05:03 host app: text",
    ] {
        assert!(crate::testing::told(line).starts_with("text"), "{line}");
    }
}
