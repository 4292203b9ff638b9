use crate::testing::check;

#[test]
fn packets_that_netfilter_logs_are_flows() {
    check(&[
        (
            "Mar  1 10:00:00 fw kernel: [1.5] DROP IN=eth0 OUT= MAC=00:01 SRC=203.0.113.9 DST=10.1.2.3 LEN=60 TOS=0x00 TTL=51 ID=1 DF PROTO=TCP SPT=4711 DPT=3389 WINDOW=29200 RES=0x00 SYN URGP=0",
            "syslog at=2025-03-01T10:00:00Z client=203.0.113.9 service=kernel host=fw flow=tcp:4711>10.1.2.3:3389 state=attempted \
             action=denied direction=inbound flags=2 bytes=60 packets=1 message=DROP IN=eth0 OUT= MAC=00:01 SRC=203.0.113.9 \
             DST=10.1.2.3 LEN=60 TOS=0x00 TTL=51 ID=1 DF PROTO=TCP SPT=4711 DPT=3389 WINDOW=29200 RES=0x00 SYN URGP=0",
        ),
        (
            "Mar  1 10:00:00 fw kernel: [UFW ALLOW] IN= OUT=eth0 SRC=fe80::1 DST=ff02::fb LEN=90 PROTO=UDP SPT=5353 DPT=5353 LEN=50",
            "syslog at=2025-03-01T10:00:00Z client=fe80::1 service=kernel host=fw flow=udp:5353>ff02::fb:5353 action=allowed \
             direction=outbound bytes=90 packets=1 message=[UFW ALLOW] IN= OUT=eth0 SRC=fe80::1 DST=ff02::fb LEN=90 PROTO=UDP SPT=5353 DPT=5353 LEN=50",
        ),
        (
            "Mar  1 10:00:00 fw kernel: IN=eth0 OUT= SRC=192.0.2.1 DST=10.0.0.1 LEN=84 PROTO=ICMP TYPE=8 CODE=0 ID=1 SEQ=1",
            "syslog at=2025-03-01T10:00:00Z client=192.0.2.1 service=kernel host=fw flow=icmp:0>10.0.0.1:2048 direction=inbound \
             bytes=84 packets=1 message=IN=eth0 OUT= SRC=192.0.2.1 DST=10.0.0.1 LEN=84 PROTO=ICMP TYPE=8 CODE=0 ID=1 SEQ=1",
        ),
    ]);
}

#[test]
fn pf_is_read_by_its_columns() {
    check(&[
        (
            "<134>Mar  1 10:00:00 gw filterlog[123]: 5,,,1000000103,em0,match,block,in,4,0x0,,64,0,0,DF,6,tcp,60,203.0.113.9,10.0.0.1,4711,22,0,S,123,,64240,,mss",
            "syslog at=2025-03-01T10:00:00Z level=INFO client=203.0.113.9 service=filterlog host=gw flow=tcp:4711>10.0.0.1:22 state=attempted \
             action=denied direction=inbound flags=2 bytes=60 packets=1 \
             message=5,,,1000000103,em0,match,block,in,4,0x0,,64,0,0,DF,6,tcp,60,203.0.113.9,10.0.0.1,4711,22,0,S,123,,64240,,mss",
        ),
        (
            "<134>Mar  1 10:00:00 gw filterlog: 5,,,1,em0,match,pass,out,6,0x00,0x00000,255,udp,17,80,2001:db8::1,2001:db8::2,53,5353,40",
            "syslog at=2025-03-01T10:00:00Z level=INFO client=2001:db8::1 service=filterlog host=gw flow=udp:53>2001:db8::2:5353 \
             action=allowed direction=outbound bytes=80 packets=1 \
             message=5,,,1,em0,match,pass,out,6,0x00,0x00000,255,udp,17,80,2001:db8::1,2001:db8::2,53,5353,40",
        ),
    ]);
}

#[test]
fn a_cisco_firewall_tells_of_connections() {
    check(&[
        (
            "<166>Mar 01 2025 10:00:00 fw1 : %ASA-4-106023: Deny tcp src outside:203.0.113.9/4711 dst inside:10.0.0.1/22 by access-group \"acl\" [0x0, 0x0]",
            "syslog at=2025-03-01T10:00:00Z level=INFO client=203.0.113.9 service=ASA host=fw1 flow=tcp:4711>10.0.0.1:22 state=attempted \
             action=denied message=Deny tcp src outside:203.0.113.9/4711 dst inside:10.0.0.1/22 by access-group \"acl\" [0x0, 0x0]",
        ),
        (
            "<166>Mar 01 2025 10:00:00: %ASA-6-302013: Built outbound TCP connection 7 for outside:198.51.100.7/443 (198.51.100.7/443) to inside:10.0.0.5/50000 (192.0.2.1/50000)",
            "syslog at=2025-03-01T10:00:00Z level=INFO client=10.0.0.5 service=ASA flow=tcp:50000>198.51.100.7:443 state=established \
             action=allowed direction=outbound message=Built outbound TCP connection 7 for outside:198.51.100.7/443 (198.51.100.7/443) to inside:10.0.0.5/50000 (192.0.2.1/50000)",
        ),
        (
            "<166>%ASA-6-302014: Teardown TCP connection 7 for outside:198.51.100.7/443 to inside:10.0.0.5/50000 duration 0:01:30 bytes 4321 TCP FINs",
            "syslog level=INFO client=10.0.0.5 service=ASA took=90s flow=tcp:50000>198.51.100.7:443 state=closed \
             action=allowed bytes=4321 message=Teardown TCP connection 7 for outside:198.51.100.7/443 to inside:10.0.0.5/50000 duration 0:01:30 bytes 4321 TCP FINs",
        ),
        (
            "<166>%ASA-4-106100: access-list acl denied udp outside/203.0.113.9(4711) -> inside/10.0.0.1(161) hit-cnt 1 first hit",
            "syslog level=INFO client=203.0.113.9 service=ASA flow=udp:4711>10.0.0.1:161 state=attempted \
             action=denied message=access-list acl denied udp outside/203.0.113.9(4711) -> inside/10.0.0.1(161) hit-cnt 1 first hit",
        ),
    ]);
}

#[test]
fn flow_logs_of_a_cloud_are_read_by_their_columns() {
    check(&[(
        "2 123456789010 eni-1235b8ca123456789 172.31.9.69 172.31.9.12 49761 3389 6 20 4249 1740823200 1740823260 REJECT OK",
        "vpc at=2025-03-01T10:00:00Z client=172.31.9.69 host=eni-1235b8ca123456789 took=60s flow=tcp:49761>172.31.9.12:3389 \
         state=attempted action=denied bytes=4249 packets=20 \
         message=2 123456789010 eni-1235b8ca123456789 172.31.9.69 172.31.9.12 49761 3389 6 20 4249 1740823200 1740823260 REJECT OK",
    )]);
}
