//! What devices really send, beyond the two RFCs.

use crate::testing::check;

#[test]
fn reads_what_ciscos_devices_write_before_the_time() {
    check(&[
        (
            "<189>29: router1: Mar  1 18:46:11.123 UTC: %SYS-5-CONFIG_I: Configured from console by vty0",
            "syslog at=2025-03-01T18:46:11.123Z level=INFO service=SYS host=router1 logger=%SYS-5-CONFIG_I message=Configured from console by vty0",
        ),
        (
            "<187>123: *Mar  1 18:46:11: %LINK-3-UPDOWN: Interface FastEthernet0/1, changed state to up",
            "syslog at=2025-03-01T18:46:11Z level=ERROR service=LINK logger=%LINK-3-UPDOWN message=Interface FastEthernet0/1, changed state to up",
        ),
        (
            "*Mar  1 18:46:11: %LINK-3-UPDOWN: Interface FastEthernet0/1, changed state to up",
            "syslog at=2025-03-01T18:46:11Z service=LINK logger=%LINK-3-UPDOWN message=Interface FastEthernet0/1, changed state to up",
        ),
    ]);
}

#[test]
fn an_iso_time_without_version_missing_data_and_a_byte_order_mark_are_understood() {
    check(&[
        (
            "<34>2015-05-17T10:05:03.5+02:00 web1 su[7]: denied",
            "syslog at=2015-05-17T08:05:03.5Z level=FATAL service=su host=web1 logger=su message=denied",
        ),
        (
            "<34>1 2015-05-17T10:05:03Z web1 su 7 ID1 no data here",
            "syslog at=2015-05-17T10:05:03Z level=FATAL service=su host=web1 logger=su message=no data here +msgid=ID1",
        ),
        ("<13>May 17 10:05:03 web1 \u{feff}hello", "syslog at=2025-05-17T10:05:03Z level=INFO host=web1 message=hello"),
        (
            r#"<34>1 2015-05-17T10:05:03Z 2001:db8::1 su - - [x a="say \"hi\" \]"] text"#,
            "syslog at=2015-05-17T10:05:03Z level=FATAL service=su host=2001:db8::1 logger=su message=text +a=say \"hi\" ]",
        ),
    ]);
}

#[test]
fn fields_inside_of_a_message_are_understood() {
    for (line, expected) in [
        (
            r#"<189>date=2025-03-01 time=10:00:00 devname="fw1" devid="FG1" logid="0000000013" type="traffic" subtype="forward" level="notice" srcip=10.0.0.5 srcport=50000 dstip=198.51.100.7 dstport=443 proto=6 action="close" duration=120 sentbyte=100 rcvdbyte=2000 sentpkt=3 rcvdpkt=4"#,
            "syslog at=2025-03-01T10:00:00Z level=INFO client=10.0.0.5 host=fw1 took=120s flow=tcp:50000>198.51.100.7:443 state=closed action=allowed \
             bytes=100 packets=3 back=2000 packets-back=4",
        ),
        (
            r#"<13>Mar  1 10:00:00 ids suricata[7]: {"timestamp":"2025-03-01T09:59:58.5+0000","event_type":"flow","src_ip":"10.0.0.5","src_port":50000,"dest_ip":"198.51.100.7","dest_port":443,"proto":"TCP","flow":{"pkts_toserver":3,"pkts_toclient":4,"bytes_toserver":100,"bytes_toclient":2000,"state":"closed"}}"#,
            "syslog at=2025-03-01T09:59:58.5Z level=INFO client=10.0.0.5 service=suricata host=ids flow=tcp:50000>198.51.100.7:443 state=closed bytes=100 packets=3 \
             back=2000 packets-back=4",
        ),
        (
            r#"{"ts":1740823200.5,"uid":"C1","id.orig_h":"10.0.0.5","id.orig_p":50000,"id.resp_h":"10.0.0.1","id.resp_p":22,"proto":"tcp","conn_state":"S0","orig_pkts":3,"orig_ip_bytes":180,"resp_pkts":0,"resp_ip_bytes":0}"#,
            "json at=2025-03-01T10:00:00.5Z client=10.0.0.5 session=C1 flow=tcp:50000>10.0.0.1:22 state=attempted bytes=180 packets=3",
        ),
    ] {
        let told = crate::testing::told(line);
        let own = told.split(" +").next().unwrap().split(" message=").next().unwrap();
        assert_eq!(own, expected, "{line}");
    }
}

#[test]
fn an_alert_of_a_sensor_stays_an_event_with_its_fields() {
    let told = crate::testing::told(
        r#"{"timestamp":"2025-03-01T10:00:00Z","event_type":"alert","src_ip":"203.0.113.9","dest_ip":"10.0.0.1","proto":"TCP","alert":{"signature":"ET SCAN"}}"#,
    );
    assert!(
        told.contains("client=203.0.113.9") && told.contains("+alert.signature=ET SCAN") && !told.contains("flow="),
        "{told}"
    );
    let told = crate::testing::told(
        r#"{"timestamp":"2025-03-01T10:00:00Z","event_type":"http","src_ip":"203.0.113.9","dest_ip":"10.0.0.1","http":{"hostname":"x.example","url":"/a?b=1","http_method":"GET","status":404}}"#,
    );
    assert!(told.contains("status=404 method=GET target=/a?b=1") && told.contains("domain=x.example"), "{told}");
}
