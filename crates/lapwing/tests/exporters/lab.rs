//! A network of the test's own: hosts are network namespaces with cables between them, gone when the test ends.
//!
//! The test runs twice: outside, where it lays the network and starts itself anew in the host of the collector; and inside, where it
//! starts the service on loopback and whatever speaks on the other hosts.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// Says, to the test inside, which network it is in.
const INSIDE: &str = "LAPWING_TEST_LAB";

/// No test takes longer; what it started ends with it.
const LONGEST: &str = "100";

pub struct Lab {
    name: String,
    /// Whether it is to be taken down here.
    owned: bool,
    hosts: Vec<&'static str>,
}

/// A cable: host, address with the length of its network; the other host and its address.
pub type Cable = ((&'static str, &'static str), (&'static str, &'static str));

impl Lab {
    /// Inside, the lab; outside, nothing, after the test ran inside. Without the means for it the reason is printed.
    ///
    /// # Panics
    /// Where the test failed inside.
    pub fn enter(test: &str, programs: &[&str], hosts: &[&'static str], cables: &[Cable]) -> Option<Lab> {
        if let Ok(name) = std::env::var(INSIDE) {
            return Some(Lab { name, owned: false, hosts: hosts.to_vec() });
        }
        for program in programs {
            if program_path(program).is_none() {
                eprintln!("skipped: {program} is not installed");
                return None;
            }
        }
        // Short, as names of interfaces are; no two tests of one process have the same.
        let name = format!("lw{}{}", std::process::id(), test.len() % 100);
        let lab = Lab { name, owned: true, hosts: hosts.to_vec() };
        if let Err(reason) = lab.lay(cables) {
            eprintln!("skipped: there can be no network namespaces here: {reason}");
            return None;
        }
        lab.again(test);
        None
    }

    fn lay(&self, cables: &[Cable]) -> Result<(), String> {
        for host in &self.hosts {
            ip(&["netns", "add", &self.host(host)])?;
            ip(&["-n", &self.host(host), "link", "set", "lo", "up"])?;
        }
        for (number, (one, other)) in cables.iter().enumerate() {
            let ends = [format!("e{number}a"), format!("e{number}b")];
            let (first, second) = (self.host(one.0), self.host(other.0));
            ip(&["link", "add", &ends[0], "netns", &first, "type", "veth", "peer", "name", &ends[1], "netns", &second])?;
            for ((host, address), end) in [one, other].into_iter().zip(&ends) {
                ip(&["-n", &self.host(host), "addr", "add", address, "dev", end])?;
                ip(&["-n", &self.host(host), "link", "set", end, "up"])?;
            }
        }
        Ok(())
    }

    /// The same test, in the host of the collector, which is the first.
    fn again(&self, test: &str) {
        let own = std::env::current_exe().expect("a path of its own");
        let mut command = Command::new("timeout");
        command.args([LONGEST, "ip", "netns", "exec", &self.host(self.hosts[0])]).arg(own).args(["--exact", test, "--nocapture"]);
        let ended = command.env(INSIDE, &self.name).status().expect("ip starts");
        assert!(ended.success(), "{test} failed in its network: {ended}");
    }

    fn host(&self, host: &str) -> String {
        format!("{}-{host}", self.name)
    }

    /// A program on one of the hosts.
    pub fn on(&self, host: &str, program: &str) -> Command {
        let mut command = Command::new("timeout");
        command.args([LONGEST, "ip", "netns", "exec", &self.host(host)]);
        command.arg(program_path(program).unwrap_or_else(|| program.into()));
        command
    }

    /// Runs a program there to its end.
    ///
    /// # Panics
    /// Where it fails.
    pub fn run(&self, host: &str, program: &str, arguments: &[&str]) -> Output {
        let output = self.on(host, program).args(arguments).output().expect("timeout starts");
        assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Starts a program there that ends with the test.
    pub fn start(&self, host: &str, program: &str, arguments: &[&str]) -> Running {
        let mut command = self.on(host, program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().expect("timeout starts"))
    }

    /// A cable on which packets are played that nobody receives; the name of its interface.
    pub fn stage(&self, host: &str) -> &'static str {
        let host = self.host(host);
        for arguments in [
            &["link", "add", "d0", "type", "veth", "peer", "name", "d1"][..],
            &["link", "set", "d0", "up"],
            &["link", "set", "d1", "up"],
        ] {
            ip(&[&["-n", &host][..], arguments].concat()).expect("a cable");
        }
        "d0"
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.owned {
            for host in &self.hosts {
                let _ = ip(&["netns", "del", &self.host(host)]);
            }
        }
    }
}

/// A program that is told to end, and waited for, when it is dropped: exporters tell of what they still have then.
pub struct Running(Child);

impl Running {
    /// Ends it.
    pub fn stop(self) {}
}

impl Drop for Running {
    fn drop(&mut self) {
        // What was started is `timeout`, which passes the signal on.
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| format!("ip: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("ip {}: {}", arguments.join(" "), said.trim())) }
}

fn program_path(name: &str) -> Option<PathBuf> {
    let places = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&places).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    places.map(|place| place.join(name)).find(|path| path.is_file())
}
