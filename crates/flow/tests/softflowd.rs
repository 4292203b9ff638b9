//! A real exporter: softflowd reads a capture and sends what it found, over UDP of this machine. Where softflowd or the capture is
//! missing the test says so and passes.

use lapwing_flow::{Decoder, Flow};
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_nanos() as i64
}

/// What softflowd exports of a capture in that version, decoded; `None` where it is not installed.
fn exported(version: &str, capture: &PathBuf) -> Option<Vec<Flow>> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let to = socket.local_addr().expect("an address").to_string();
    let private = std::env::temp_dir().join(format!("lapwing-softflowd-{}-{version}", std::process::id()));
    let softflowd = Command::new("softflowd")
        .args(["-d", "-v", version, "-n", &to, "-r"])
        .arg(capture)
        .arg("-p")
        .arg(private.with_extension("pid"))
        // With a control socket it sometimes waits for somebody to ask, for ever.
        .args(["-c", "none"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut softflowd = match softflowd {
        Ok(softflowd) => softflowd,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: softflowd is not installed (apt-get install softflowd)");
            return None;
        }
        Err(error) => panic!("softflowd: {error}"),
    };
    let begun = Instant::now();
    let (mut decoder, mut flows, mut buffer) = (Decoder::default(), Vec::new(), vec![0; 65_536]);
    // Ends when softflowd has ended and nothing more comes.
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                let outcome = decoder.decode(from, now(), &buffer[..length], &mut flows);
                assert_eq!((outcome.malformed, outcome.missing_template), (None, 0), "v{version}: {outcome:?}");
                assert_eq!(outcome.lost, 0, "v{version}: {outcome:?}");
            }
            Err(_) if softflowd.try_wait().expect("softflowd's state").is_some() => break,
            Err(_) if begun.elapsed() > Duration::from_secs(30) => {
                softflowd.kill().expect("softflowd ends");
                softflowd.wait().expect("softflowd ended");
                panic!("softflowd -v {version} did not end within 30 s");
            }
            Err(_) => {}
        }
    }
    Some(flows)
}

#[test]
fn all_flows_of_a_scan_come_through_in_each_version_and_no_more() {
    let capture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/net/captures/synscan.pcap");
    if !capture.exists() {
        eprintln!("skipped: captures/synscan.pcap is not beside this repository (../shared/data/net)");
        return;
    }
    for version in ["5", "9", "10"] {
        let Some(flows) = exported(version, &capture) else { return };
        let packets: u64 = flows.iter().map(|flow| flow.packets).sum();
        let bytes: u64 = flows.iter().map(|flow| flow.bytes).sum();
        assert_eq!((flows.len(), packets, bytes), (2_002, 2_011, 88_518), "v{version}");
        assert!(flows.iter().all(|flow| flow.protocol == 6 && flow.tcp_flags != 0 && flow.dst_port != 0), "v{version}");
    }
}
