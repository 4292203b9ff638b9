//! Real senders of syslog (util-linux's `logger`, syslog-ng and its `loggen`) over every transport into the real binary: each message
//! arrives once and as it was said, none is lost over TCP, and those lost over UDP are counted. What is not installed is said, and the
//! test passes.

#[path = "../common/mod.rs"]
mod common;
mod expected;
mod senders;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::Service;
use expected::{Said, each_arrived_once, rules, say};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use senders::{LOGGER, SyslogNg, loggen, program};

/// Only what is asked here: rules.
const SETTINGS: &[(&str, &str)] = &[
    ("LAPWING__SOURCES__SYSLOG_UDP__ENABLED", "true"),
    ("LAPWING__SOURCES__SYSLOG_UDP__LISTEN", "127.0.0.1:0"),
    ("LAPWING__SOURCES__SYSLOG_TCP__ENABLED", "true"),
    ("LAPWING__SOURCES__SYSLOG_TCP__LISTEN", "127.0.0.1:0"),
    ("LAPWING__RULES__BUILTIN", "false"),
    ("LAPWING__RULES__PATHS", "[rules.yml]"),
    ("LAPWING__DETECTORS__BEHAVIOUR__ENABLED", "false"),
    ("LAPWING__DETECTORS__SIGNATURES__ENABLED", "false"),
];

fn figure(service: &mut Service, name: &str, label: &str) -> u64 {
    let metrics = service.get("/metrics").1;
    let rows = metrics.lines().filter(|line| line.starts_with(name) && line.contains(label));
    rows.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
}

fn received(service: &mut Service, source: &str) -> u64 {
    figure(service, "lapwing_events_received_total", source)
}

/// Waits until a figure is as great as wanted, or nothing more comes; and a little longer for what should not be there.
fn until(service: &mut Service, wanted: u64, figure: impl Fn(&mut Service) -> u64) -> u64 {
    let (mut last, mut since) = (0, Instant::now());
    while last < wanted && since.elapsed() < Duration::from_secs(20) {
        let now = figure(service);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    service.settle();
    figure(service)
}

#[test]
fn what_logger_says_arrives_once_and_as_it_was_said_over_every_transport() {
    const STRUCTURED: &[(&str, &str)] =
        &[("service.name", "lapwing"), ("log.level", "WARN"), ("msgid", "ID47"), ("said", "a \"b\" [c]")];
    let Some(logger) = program("logger") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let plain = &STRUCTURED[..2];
    let all: Vec<(_, Vec<Said>)> =
        LOGGER.iter().map(|form| (form, say(form.name, 6, if form.is_structured() { STRUCTURED } else { plain }))).collect();
    rules(&directory.path().join("rules.yml"), all.iter().flat_map(|(_, said)| said));
    let mut service = Service::start(directory.path(), SETTINGS);
    for (form, said) in &all {
        let source = if form.transport[0] == "--udp" { "syslog_udp" } else { "syslog_tcp" };
        said.iter().for_each(|said| form.log(&logger, service.address(source), said));
    }
    for (source, sent) in [("syslog_udp", 12), ("syslog_tcp", 24)] {
        assert_eq!(until(&mut service, sent, |service| received(service, source)), sent, "{source}");
    }
    each_arrived_once(&mut service, all.iter().flat_map(|(_, said)| said));
    service.stop();
}

/// Certificates of an authority, of the service and of a sender, as files: `ca.pem`, `own.pem`, `own.key`, `sender.pem`, `sender.key`.
fn certify(folder: &Path) {
    let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
    // With the same name as those that it signs, these would seem to have signed themselves.
    parameters.distinguished_name.push(DnType::CommonName, "authority");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().expect("a key")).expect("signed");
    fs::write(folder.join("ca.pem"), authority.pem()).expect("written");
    for (name, subject) in [("own", "127.0.0.1"), ("sender", "sender.example")] {
        let key = KeyPair::generate().expect("a key");
        let signed = CertificateParams::new([subject.to_owned()]).expect("parameters").signed_by(&key, &authority);
        fs::write(folder.join(format!("{name}.pem")), signed.expect("signed").pem()).expect("written");
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).expect("written");
    }
}

#[test]
fn what_syslog_ng_relays_arrives_once_and_as_it_was_said_over_every_transport() {
    const LINES: usize = 300;
    let Some(program) = program("syslog-ng") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let own = |name: &str| directory.path().join(name).display().to_string();
    certify(directory.path());
    let (certificate, key, authority) = (own("own.pem"), own("own.key"), own("ca.pem"));
    let tls = [
        ("LAPWING__SOURCES__SYSLOG_TLS__ENABLED", "true"),
        ("LAPWING__SOURCES__SYSLOG_TLS__LISTEN", "127.0.0.1:0"),
        ("LAPWING__SOURCES__SYSLOG_TLS__TLS__CERTIFICATE", &*certificate),
        ("LAPWING__SOURCES__SYSLOG_TLS__TLS__KEY", &*key),
        ("LAPWING__SOURCES__SYSLOG_TLS__TLS__CLIENTS", &*authority),
    ];
    let trusted = format!("transport(\"tls\") tls(ca-file(\"{authority}\") peer-verify(required-trusted)");
    let known = format!("{trusted} cert-file(\"{}\") key-file(\"{}\"))", own("sender.pem"), own("sender.key"));
    let udp = "transport(\"udp\")".to_owned();
    let forms = [
        ("udp-3164", "network", "syslog_udp", udp.clone()),
        ("udp-5424", "syslog", "syslog_udp", udp),
        ("tcp-lines", "network", "syslog_tcp", "transport(\"tcp\")".to_owned()),
        ("tcp-counted", "syslog", "syslog_tcp", "transport(\"tcp\")".to_owned()),
        ("tls-lines", "network", "syslog_tls", known.clone()),
        ("tls-counted", "syslog", "syslog_tls", known),
        ("tls-stranger", "syslog", "syslog_tls", trusted + ")"),
    ];
    let all = forms.map(|form| (say(form.0, LINES, &[("service.name", "lapwing")]), form));
    rules(&directory.path().join("rules.yml"), all.iter().flat_map(|(said, _)| said));
    let mut service = Service::start(directory.path(), &[SETTINGS, &tls].concat());
    let relay = |(said, (name, driver, source, options)): (Vec<Said>, (&str, &str, &str, String))| {
        let port = service.address(source).port();
        (format!("{driver}(\"127.0.0.1\" port({port}) {options} persist-name(\"{name}\"));"), said)
    };
    let relays = all.map(relay);
    let sender = SyslogNg::start(&program, &relays);
    let (refused, welcome) = relays.split_last().expect("seven");
    for source in ["syslog_udp", "syslog_tcp", "syslog_tls"] {
        let sent = 2 * LINES as u64;
        assert_eq!(until(&mut service, sent, |service| received(service, source)), sent, "{source}");
    }
    each_arrived_once(&mut service, welcome.iter().flat_map(|(_, said)| said));
    let broken =
        until(&mut service, 1, |service| figure(service, "lapwing_dropped_total", "syslog_tls/127.0.0.1_broken_connection"));
    drop(sender);
    assert!(broken > 0, "who shows no certificate is refused, and that is counted");
    let classes: Vec<_> = service.anomalies().iter().map(|anomaly| anomaly["class"].clone()).collect();
    assert!(refused.1.iter().all(|said| classes.iter().all(|class| *class != said.class)), "nothing of the stranger's arrived");
    service.stop();
}

/// An optimised build takes a million in seconds; one that is not, as tests are, takes minutes.
const MESSAGES: u32 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };

#[test]
fn of_what_loggen_sends_over_tcp_none_is_lost_and_over_udp_what_is_lost_is_counted() {
    let Some(program) = program("loggen") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    rules(&directory.path().join("rules.yml"), say("unused", 1, &[]).iter());
    // The smallest buffer that the kernel gives: some are lost.
    let settings = [SETTINGS, &[("LAPWING__SOURCES__SYSLOG_UDP__RECEIVE_BUFFER", "4096")]].concat();
    let mut service = Service::start(directory.path(), &settings);
    let mut sent = 0;
    for transport in [&["--stream"][..], &["--stream", "--syslog-proto"]] {
        sent += loggen(&program, service.address("syslog_tcp"), MESSAGES, transport);
    }
    assert_eq!(sent, u64::from(2 * MESSAGES));
    assert_eq!(until(&mut service, sent, |service| received(service, "syslog_tcp")), sent);
    assert_eq!(figure(&mut service, "lapwing_events_parsed_total", "\"syslog\""), sent, "each was one message of syslog");
    let sent = loggen(&program, service.address("syslog_udp"), 100_000, &["--dgram"]);
    let lost = |service: &mut Service| figure(service, "lapwing_dropped_total", "syslog_udp");
    let all = until(&mut service, sent, |service| received(service, "syslog_udp") + lost(service));
    assert_eq!(all, sent, "{} were lost", lost(&mut service));
    assert!(lost(&mut service) > 0, "with so small a buffer some are lost, or nothing was tried");
    service.stop();
}
