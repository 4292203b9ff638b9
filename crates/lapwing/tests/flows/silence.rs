//! An exporter that tells no more flows is missed, and one that goes on is not.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lapwing_generate::{Exporter, Flow, Version};

use crate::{start, until};

const SECOND: i64 = 1_000_000_000;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as i64
}

/// A router that exports flow by flow.
struct Router {
    socket: UdpSocket,
    exporter: Exporter,
}

impl Router {
    fn new(own: &str, to: std::net::SocketAddr, started: i64) -> Router {
        let socket = UdpSocket::bind((own, 0)).expect("an address of loopback");
        socket.connect(to).expect("an address");
        Router { socket, exporter: Exporter::new(Version::V5, started) }
    }

    fn tell(&mut self, at: i64) {
        let flow = Flow {
            source: Ipv4Addr::new(10, 0, 0, 5),
            source_port: 40_000 + (at / SECOND % 20_000) as u16,
            destination: Ipv4Addr::new(10, 0, 0, 6),
            destination_port: 443,
            protocol: 6,
            tcp_flags: 0x1b,
            packets: 9,
            bytes: 4_000,
            begin: at,
            end: at,
            told: at,
            label: None,
        };
        let datagram = self.exporter.put(flow).or_else(|| self.exporter.finish()).expect("a flow");
        self.socket.send(&datagram.bytes).expect("sent");
    }
}

#[test]
fn an_exporter_that_tells_no_more_flows_is_missed_and_one_that_goes_on_is_not() {
    const PAST: i64 = 300;
    let directory = tempfile::tempdir().expect("a directory");
    // A minute is the default: nobody waits so long here.
    let mut service = start(directory.path(), &[("LAPWING__DETECTORS__SILENCE__AT_LEAST_SECONDS", "5")]);
    let to = service.netflow.expect("listening");
    let begun = now();
    let [mut quiet, mut busy] = ["127.0.0.2", "127.0.0.3"].map(|own| Router::new(own, to, begun - 3_600 * SECOND));
    for second in 0..PAST {
        let at = begun - (PAST - second) * SECOND;
        quiet.tell(at);
        busy.tell(at);
    }
    let flows = |stats: &serde_json::Value, who: &str| stats["exporters"][who]["flows"].as_u64();
    until(&mut service, "the past", |stats| ["127.0.0.2", "127.0.0.3"].iter().all(|who| flows(stats, who) == Some(PAST as u64)));
    let waiting = Instant::now();
    let told = loop {
        busy.tell(now());
        let told = service.anomalies();
        if told.iter().any(|anomaly| anomaly["class"] == "silence") || waiting.elapsed() > Duration::from_secs(40) {
            break told;
        }
        std::thread::sleep(Duration::from_millis(500));
    };
    let told: Vec<_> = told.iter().filter(|anomaly| anomaly["class"] == "silence").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["scope"], &told[0]["entity"]), (&"source".into(), &"netflow/127.0.0.2".into()), "{}", told[0]);
    let reason = told[0]["reason"].as_str().expect("text");
    assert!(reason.starts_with("source netflow/127.0.0.2 has been quiet for "), "{reason}");
    service.stop();
}
