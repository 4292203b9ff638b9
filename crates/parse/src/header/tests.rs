use crate::testing::check;

#[test]
fn tells_the_message_from_the_usual_headers() {
    check(&[
        (
            "2015-10-18 18:01:47,978 INFO [main] org.apache.hadoop.mapreduce.v2.app.MRAppMaster: Created MRAppMaster",
            "text at=2015-10-18T18:01:47.978Z level=INFO logger=org.apache.hadoop.mapreduce.v2.app.MRAppMaster message=Created MRAppMaster",
        ),
        (
            "2015-07-29 17:41:44,747 - INFO  [QuorumPeer[myid=1]/0:0:0:0:0:0:0:0:2181:FastLeaderElection@774] - Notification time out: 3200",
            "text at=2015-07-29T17:41:44.747Z level=INFO logger=FastLeaderElection message=Notification time out: 3200",
        ),
        (
            "081109 203615 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block blk_3 terminating",
            "text at=2008-11-09T20:36:15Z level=INFO logger=dfs.DataNode$PacketResponder message=PacketResponder 1 for block blk_3 terminating",
        ),
        (
            "2024-03-01 12:00:00,001 - my.app - WARNING - low disk",
            "text at=2024-03-01T12:00:00.001Z level=WARN logger=my.app message=low disk",
        ),
        (
            "2024-03-01 12:00:00.001  INFO 4242 --- [           main] c.e.demo.Application   : Started in 2.5 seconds",
            "text at=2024-03-01T12:00:00.001Z level=INFO took=2.5s logger=c.e.demo.Application message=Started in 2.5 seconds",
        ),
        (
            "2024-03-01 12:00:00,123 ERROR 4242 [exec-1] com.acme.Api - Request failed: status 503",
            "text at=2024-03-01T12:00:00.123Z level=ERROR status=503 logger=com.acme.Api message=Request failed: status 503",
        ),
        ("12:00:00.001 [main] INFO  c.e.Foo - hello", "text level=INFO message=12:00:00.001 [main] INFO  c.e.Foo - hello"),
        (
            "[2024-03-01T12:00:00Z WARN  my_crate::io] retrying",
            "text at=2024-03-01T12:00:00Z level=WARN logger=my_crate::io message=retrying",
        ),
        (
            "2024-03-01T12:00:00.5Z  INFO my_crate::io: started",
            "text at=2024-03-01T12:00:00.5Z level=INFO logger=my_crate::io message=started",
        ),
        (
            "I0614 15:16:01.123456  1234 server.cc:42] listening",
            "text at=2025-06-14T15:16:01.123456Z level=INFO logger=server.cc:42 message=listening",
        ),
        (
            "E, [2024-03-01T12:00:00.123456 #77] ERROR -- web: failed",
            "text at=2024-03-01T12:00:00.123456Z level=ERROR logger=web message=failed",
        ),
        ("1234:M 01 Mar 2024 12:00:00.123 # Low memory", "text at=2024-03-01T12:00:00.123Z level=WARN message=Low memory"),
        (
            "2024-03-01 12:00:00.000 | INFO     | app.main:run:12 - hello",
            "text at=2024-03-01T12:00:00Z level=INFO logger=app.main:run:12 message=hello",
        ),
        (
            "2024-03-01 12:00:00.123 UTC [99] ERROR:  relation does not exist",
            "text at=2024-03-01T12:00:00.123Z level=ERROR message=relation does not exist",
        ),
        (
            "2024-03-01T12:00:00.123456Z 0 [Warning] CA is self signed",
            "text at=2024-03-01T12:00:00.123456Z level=WARN message=CA is self signed",
        ),
        (
            "03-17 16:13:38.811  1702  2395 D WindowManager: shown",
            "text at=2025-03-17T16:13:38.811Z level=DEBUG logger=WindowManager message=shown",
        ),
        ("ERROR: out of cheese", "text level=ERROR message=out of cheese"),
        ("[error] out of cheese", "text level=ERROR message=out of cheese"),
        ("\u{1b}[33mWARN\u{1b}[0m  disk almost full", "text level=WARN message=disk almost full"),
    ]);
}

#[test]
fn tells_error_logs_of_web_servers_with_their_clients() {
    check(&[
        (
            "[Sun Dec 04 04:47:44 2005] [error] [client 222.166.160.184] Directory index forbidden by rule: /var/www/html/",
            "text at=2005-12-04T04:47:44Z level=ERROR client=222.166.160.184 message=Directory index forbidden by rule: /var/www/html/",
        ),
        (
            "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187:5678] File does not exist: /x",
            "text at=2011-09-09T10:42:29.902022Z level=ERROR client=72.15.99.187 message=File does not exist: /x",
        ),
        (
            "2015/05/17 10:05:03 [error] 1234#0: *17 open() failed, client: 203.0.113.9, server: _",
            "text at=2015-05-17T10:05:03Z level=ERROR client=203.0.113.9 message=open() failed, client: 203.0.113.9, server: _",
        ),
    ]);
}

#[test]
fn words_of_the_message_stay_in_the_message() {
    check(&[
        ("2015-05-17 10:05:03 42 connections open", "text at=2015-05-17T10:05:03Z message=42 connections open"),
        ("2015-05-17 10:05:03 ERROR Timeout: gave up", "text at=2015-05-17T10:05:03Z level=ERROR message=Timeout: gave up"),
        ("2015-05-17 10:05:03 Error opening file", "text at=2015-05-17T10:05:03Z message=Error opening file"),
        ("2015-05-17 10:05:03 INFO 141 exceptions", "text at=2015-05-17T10:05:03Z level=INFO message=141 exceptions"),
        (
            "Backup finished at 2015-05-17 10:05:03 with 3 errors",
            "text message=Backup finished at 2015-05-17 10:05:03 with 3 errors",
        ),
        ("Warning signs were seen", "text message=Warning signs were seen"),
        ("2015-05-17 10:05:03", "text at=2015-05-17T10:05:03Z message=2015-05-17 10:05:03"),
        ("plain words", "text message=plain words"),
        ("   ", "[empty]"),
        ("", "[empty]"),
    ]);
}

#[test]
fn reads_the_layout_of_the_failure_data_repository() {
    check(&[
        (
            "- 1117838570 2005.06.03 R02-M1-N0-C:J12-U11 2005-06-03-15.42.50.675872 R02-M1-N0-C:J12-U11 RAS KERNEL INFO instruction cache parity error corrected",
            "text at=2005-06-03T22:42:50Z level=INFO host=R02-M1-N0-C:J12-U11 logger=KERNEL message=instruction cache parity error corrected",
        ),
        (
            "- 1131566461 2005.11.09 dn228 Nov 9 12:01:01 dn228/dn228 crond(pam_unix)[2915]: session closed for user root",
            "text at=2005-11-09T20:01:01Z user=root service=crond host=dn228/dn228 logger=crond(pam_unix) message=session closed for user root",
        ),
    ]);
}
