//! Programs that send syslog: util-linux's `logger`, and syslog-ng with its `loggen`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::expected::Said;

/// Where a program is, or nothing with the reason printed.
pub fn program(name: &str) -> Option<PathBuf> {
    let found = ["/usr/bin", "/usr/sbin"].iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: there is no {name} on this machine");
    }
    found
}

/// How one transport and one form of header are asked for.
pub struct Form {
    pub name: &'static str,
    pub transport: &'static [&'static str],
    pub header: &'static [&'static str],
}

const DATA: &[&str] = &["--rfc5424", "--msgid", "ID47", "--sd-id", "test@32473", "--sd-param", "said=\"a \\\"b\\\" [c\\]\""];

pub const LOGGER: &[Form] = &[
    Form { name: "udp-3164", transport: &["--udp"], header: &["--rfc3164"] },
    Form { name: "udp-5424", transport: &["--udp"], header: DATA },
    Form { name: "tcp-3164", transport: &["--tcp"], header: &["--rfc3164"] },
    Form { name: "tcp-5424", transport: &["--tcp"], header: DATA },
    Form { name: "counted-3164", transport: &["--tcp", "--octet-count"], header: &["--rfc3164"] },
    Form { name: "counted-5424", transport: &["--tcp", "--octet-count"], header: DATA },
];

impl Form {
    pub fn is_structured(&self) -> bool {
        self.header.len() > 1
    }

    /// Says one thing.
    pub fn log(&self, logger: &Path, to: SocketAddr, said: &Said) {
        let status = Command::new(logger)
            .args(["--server", &to.ip().to_string(), "--port", &to.port().to_string()])
            .args(["--tag", "lapwing", "--priority", "auth.warning"])
            .args(self.transport)
            .args(self.header)
            .args(["--", &said.text])
            .status();
        assert!(status.expect("logger starts").success(), "{}", self.name);
    }
}

/// Sends so many messages of 200 bytes as fast as it goes; how many it says that it sent.
pub fn loggen(program: &Path, to: SocketAddr, messages: u32, transport: &[&str]) -> u64 {
    let output = Command::new("timeout")
        .arg("300")
        .arg(program)
        .args(["--inet", "--size", "200", "--rate", "10000000", "--interval", "300", "--number", &messages.to_string()])
        .args(transport)
        .args([to.ip().to_string(), to.port().to_string()])
        .output()
        .expect("timeout starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    // It says how far it is, again and again, and how many they were at last.
    let last = said.rsplit("count=").next().filter(|_| said.contains("average rate"));
    let count = last.and_then(|rest| rest.split(',').next()?.trim().parse().ok());
    count.unwrap_or_else(|| panic!("loggen does not say how many it sent: {said}"))
}

/// A syslog-ng that reads lines from a file and sends them on; ended when it is dropped.
pub struct SyslogNg {
    child: Child,
    _directory: tempfile::TempDir,
}

impl Drop for SyslogNg {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl SyslogNg {
    /// Each thing said goes to each of the destinations that its form names.
    pub fn start(program: &Path, relays: &[(String, Vec<Said>)]) -> SyslogNg {
        let directory = tempfile::tempdir().expect("a directory");
        let own = |name: &str| directory.path().join(name);
        let mut config = "@version: 3.38\noptions { keep-hostname(yes); stats-freq(0); };\n".to_owned();
        for (number, (destination, said)) in relays.iter().enumerate() {
            let input = own(&format!("input-{number}"));
            let lines: String = said.iter().map(|said| format!("{}\n", said.text)).collect();
            fs::write(&input, lines).expect("written");
            config += &format!(
                "log {{ source {{ file(\"{}\" follow-freq(1) flags(no-parse) program-override(\"lapwing\")); }};\n\
                 destination {{ {destination} }}; flags(flow-control); }};\n",
                input.display()
            );
        }
        fs::write(own("conf"), config).expect("written");
        let mut command = Command::new(program);
        command.args(["--foreground", "--no-caps", "--stderr"]);
        for (option, name) in [("--cfgfile", "conf"), ("--persist-file", "persist"), ("--pidfile", "pid"), ("--control", "ctl")] {
            command.arg(option).arg(own(name));
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        SyslogNg { child, _directory: directory }
    }
}
