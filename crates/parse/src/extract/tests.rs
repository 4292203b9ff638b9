use super::*;

/// What a message tells, as `client=... user=...`.
fn told(message: &str, auth: bool) -> String {
    let found = find(message.as_bytes(), auth);
    let part = |(start, end): Part| message[start..end].to_owned();
    let parts = [
        ("client", found.client.map(|(address, _)| address.to_string())),
        ("user", found.user.map(part)),
        ("session", found.session.map(part)),
        ("status", (found.status != 0).then(|| found.status.to_string())),
        ("took", found.duration.map(|took| format!("{took:?}"))),
        ("level", (found.level != Level::Unset).then(|| found.level.name().to_owned())),
    ];
    let said = parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    said.collect::<Vec<_>>().join(" ")
}

fn check(auth: bool, table: &[(&str, &str)]) {
    for (message, expected) in table {
        assert_eq!(told(message, auth), *expected, "{message}");
    }
}

#[test]
fn knows_who_came_from_where_in_the_phrases_of_sshd_pam_and_sudo() {
    check(
        true,
        &[
            ("Failed password for root from 183.62.140.253 port 36027 ssh2", "client=183.62.140.253 user=root"),
            (
                "Failed password for invalid user webmaster from 173.234.31.186 port 38926 ssh2",
                "client=173.234.31.186 user=webmaster",
            ),
            ("Invalid user admin from 2001:db8::9", "client=2001:db8::9 user=admin"),
            ("Invalid user  from 1.2.3.4", "client=1.2.3.4"),
            ("input_userauth_request: invalid user webmaster [preauth]", "user=webmaster"),
            ("Accepted publickey for alice from ::1 port 4 ssh2: RSA SHA256:abc", "client=::1 user=alice"),
            ("Connection closed by authenticating user bob 203.0.113.9 port 22 [preauth]", "client=203.0.113.9 user=bob"),
            (
                "reverse mapping checking getaddrinfo for ns.x.com [173.234.31.186] failed - POSSIBLE BREAK-IN ATTEMPT!",
                "client=173.234.31.186",
            ),
            (
                "authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=112.95.230.3  user=root",
                "client=112.95.230.3 user=root",
            ),
            ("session opened for user root by (uid=0)", "user=root"),
            ("check pass; user unknown", ""),
            ("Too many authentication failures for root [preauth]", "user=root"),
            ("   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/ls", "user=alice"),
            ("New session 5 of user eve.", "user=eve"),
            (
                "error: maximum authentication attempts exceeded for root from 1.2.3.4 port 2 ssh2 [preauth]",
                "client=1.2.3.4 user=root level=ERROR",
            ),
        ],
    );
}

#[test]
fn takes_addresses_only_where_they_are_addresses() {
    check(
        false,
        &[
            ("connection from 82.252.162.81 (lns.proxad.net)", "client=82.252.162.81"),
            ("node 10.0.0.1:99 gave way, request from 203.0.113.9:4711 refused", "client=203.0.113.9"),
            ("Receiving block blk_1 src: /10.251.109.209:48041 dest: /10.251.109.209:50010", ""),
            ("Unauthorized access attempt by 2001:db8::1.", "client=2001:db8::1"),
            ("upgraded to version 1.2.3.4", ""),
            ("Chrome/32.0.1700.77 AppleWebKit/537.36", ""),
            ("build 10.0.0.1-beta and lib-1.2.3.4 and v1.2.3.4", ""),
            ("at 2005.06.03.01 and 12:30:45 from 00:11:43:e3:ba:c3", ""),
            ("route 10.0.0.0/8 added", ""),
            ("std::string a::b dead::beef", ""),
            ("loaded 192.0.2.7 twice", "client=192.0.2.7"),
        ],
    );
}

#[test]
fn takes_a_status_only_where_it_is_spoken_of_as_one() {
    check(
        false,
        &[
            ("status=503", "status=503"),
            ("upstream answered with status: 503 again", "status=503"),
            (r#""status":404,"#, "status=404"),
            (r#"10.11.10.1 "GET /v2 HTTP/1.1" status: 200 len: 1893"#, "client=10.11.10.1 status=200"),
            (r#""GET /v2 HTTP/1.1" 500 12"#, "status=500"),
            ("failed with code 502", "status=502"),
            ("status code 503", "status=503"),
            ("exit code 137", ""),
            ("AppleWebKit/537.36 (KHTML) Safari/537.36", ""),
            ("500 rows, 404 columns", ""),
            ("status 503ms status 5031 code 50.5 status 200% code 500.5", "took=503ms"),
        ],
    );
}

#[test]
fn takes_durations_with_their_units() {
    check(
        false,
        &[
            ("query took 3.2s", "took=3.2s"),
            ("GET /x 200 in 12ms", "took=12ms"),
            ("duration_ms=120 rows=3", "took=120ms"),
            ("Completed in 1.5 seconds", "took=1.5s"),
            ("latency: 250µs", "took=250µs"),
            ("duration=120", ""),
            ("retrying in 5 seconds", ""),
            ("Failed to renew lease for 30 seconds", ""),
        ],
    );
}

#[test]
fn takes_levels_and_sessions_from_messages_without_header() {
    check(
        false,
        &[
            ("worker 7 ERROR disk failed", "level=ERROR"),
            ("fatal: cannot read", "level=FATAL"),
            ("an error was found", ""),
            ("login ok session_id=ab-12, next", "session=ab-12"),
            ("session closed", ""),
        ],
    );
}
