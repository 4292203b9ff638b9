//! The authentication log of a few hosts: sshd, sudo, pam and cron, as OpenSSH and Linux write them.

use crate::classes::Class;
use crate::clock::{Clock, Style};
use crate::random::Random;
use crate::text::{push_address, push_number};
use crate::world::{Actor, World};

const HOSTS: [&str; 4] = ["web-1", "web-2", "db-1", "build-1"];
/// The first three are administrators, who use sudo.
const USERS: [&str; 18] = [
    "anna", "bjorn", "chloe", "deploy", "emil", "farah", "george", "hana", "ivan", "julia", "kofi", "lena", "marco", "nadia",
    "oscar", "priya", "rosa", "tomas",
];
const ADMINISTRATORS: usize = 3;
const DEPLOY: usize = 3;
const COMMANDS: [&str; 6] = [
    "/usr/bin/systemctl restart nginx",
    "/usr/bin/systemctl status postgresql",
    "/usr/bin/apt-get update",
    "/usr/bin/journalctl -u nginx -n 200",
    "/usr/bin/tail -n 100 /var/log/syslog",
    "/usr/sbin/nginx -t",
];
const RARE_COMMANDS: [&str; 5] = [
    "/bin/cat /etc/shadow",
    "/usr/sbin/useradd -o -u 0 support",
    "/usr/bin/vim /etc/sudoers",
    "/bin/chmod u+s /tmp/.x",
    "/usr/bin/find / -name id_rsa",
];
/// Names that attackers try and nobody has.
const INVENTED: [&str; 24] = [
    "admin",
    "test",
    "oracle",
    "ubuntu",
    "postgres",
    "git",
    "jenkins",
    "ftpuser",
    "guest",
    "support",
    "pi",
    "hadoop",
    "minecraft",
    "www",
    "nagios",
    "backup",
    "dev",
    "user1",
    "steam",
    "zabbix",
    "ansible",
    "tomcat",
    "mysql",
    "vagrant",
];

#[derive(Debug)]
pub(crate) struct Hosts {
    clock: Clock,
    /// Where each user usually comes from.
    homes: Vec<[u32; 2]>,
    logins: Vec<Login>,
}

/// A login that is still open, or about to be.
#[derive(Debug, Clone, Copy)]
struct Login {
    user: usize,
    host: usize,
    address: u32,
    port: u32,
    process: u32,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Mistyped,
    Accepted,
    Opened,
    Working,
    Disconnected,
    Closed,
}

impl Hosts {
    pub(crate) fn new(random: &mut Random) -> Self {
        let homes = USERS.iter().map(|_| [random.address(), random.address()]).collect();
        let mut hosts = Hosts { clock: Clock::new(Style::Syslog), homes, logins: Vec::new() };
        hosts.logins = (0..12).map(|_| hosts.login(random)).collect();
        hosts
    }

    fn login(&self, random: &mut Random) -> Login {
        let user = if random.chance(0.3) { DEPLOY } else { random.below(USERS.len()) };
        let step = if user != DEPLOY && random.chance(0.05) { Step::Mistyped } else { Step::Accepted };
        let address = random.pick(&self.homes[user]);
        Login { user, host: random.below(HOSTS.len()), address, port: port(random), process: process(random), step }
    }

    /// The header: time, host, program and process.
    fn head(&mut self, at: i64, host: usize, program: &str, process: u32, out: &mut String) {
        self.clock.push(out, at);
        for part in [" ", HOSTS[host % HOSTS.len()], " ", program] {
            out.push_str(part);
        }
        if process > 0 {
            out.push('[');
            push_number(out, u64::from(process));
            out.push(']');
        }
        out.push_str(": ");
    }

    fn sudo(&mut self, at: i64, host: usize, user: &str, refused: bool, command: &str, out: &mut String) {
        self.head(at, host, "sudo", 0, out);
        (user.len()..8).for_each(|_| out.push(' '));
        let refusal = if refused { " : user NOT in sudoers ; TTY=pts/0 ; PWD=/home/" } else { " : TTY=pts/0 ; PWD=/home/" };
        for part in [user, refusal, user, " ; USER=root ; COMMAND=", command] {
            out.push_str(part);
        }
    }

    fn cron(&mut self, at: i64, random: &mut Random, out: &mut String) {
        let (host, process) = (random.below(HOSTS.len()), process(random));
        self.head(at, host, "CRON", process, out);
        let opened = random.chance(0.5);
        out.push_str("pam_unix(cron:session): session ");
        out.push_str(if opened { "opened for user root(uid=0) by (uid=0)" } else { "closed for user root" });
    }

    /// Somebody connects and leaves without trying anything: load balancers, scanners of the whole internet.
    fn passer_by(&mut self, at: i64, random: &mut Random, out: &mut String) {
        let (host, process, address, port) = (random.below(HOSTS.len()), process(random), random.address(), port(random));
        self.head(at, host, "sshd", process, out);
        out.push_str("Connection closed by ");
        push_peer(out, address, port);
        out.push_str(" [preauth]");
    }

    /// The next line of a login; afterwards it is one step further, and a new one when it has ended.
    fn proceed(&mut self, i: usize, at: i64, random: &mut Random, out: &mut String) {
        let login = self.logins[i];
        let Login { user, host, address, port, process, step } = login;
        let name = USERS[user];
        if step == Step::Working {
            self.sudo(at, host, name, false, random.pick(&COMMANDS), out);
        } else {
            self.head(at, host, "sshd", process, out);
        }
        match step {
            Step::Mistyped => push_attempt(out, "Failed password for ", name, address, port),
            Step::Accepted if user == DEPLOY => {
                push_attempt(out, "Accepted publickey for ", name, address, port);
                out.push_str(": ED25519 SHA256:q1Yx8mJf0bW3uE7ZrT5nKc2LhV9dPaSgXo4iRw6tBzU");
            }
            Step::Accepted => push_attempt(out, "Accepted password for ", name, address, port),
            Step::Opened => push_session(out, "opened", user),
            Step::Working => {}
            Step::Disconnected => {
                out.push_str("Received disconnect from ");
                push_peer(out, address, port);
                out.push_str(":11: disconnected by user");
            }
            Step::Closed => push_session(out, "closed", user),
        }
        self.logins[i] = match step {
            Step::Mistyped => Login { step: Step::Accepted, ..login },
            Step::Accepted => Login { step: Step::Opened, ..login },
            Step::Opened | Step::Working if user < ADMINISTRATORS && random.chance(0.6) => Login { step: Step::Working, ..login },
            Step::Opened | Step::Working => Login { step: Step::Disconnected, ..login },
            Step::Disconnected => Login { step: Step::Closed, ..login },
            Step::Closed => self.login(random),
        };
    }
}

impl World for Hosts {
    fn normal(&mut self, at: i64, random: &mut Random, out: &mut String) -> bool {
        let dice = random.unit();
        if dice < 0.25 {
            self.cron(at, random, out);
        } else if dice < 0.27 {
            self.passer_by(at, random, out);
        } else {
            let i = random.below(self.logins.len());
            self.proceed(i, at, random, out);
        }
        false
    }

    fn actor(&mut self, class: &Class, random: &mut Random) -> Actor {
        let target = match class.name {
            "unusual-sudo" => DEPLOY + random.below(USERS.len() - DEPLOY),
            // Brute force is for root more often than not.
            "ssh-brute-force" if random.chance(0.6) => USERS.len(),
            _ => random.below(USERS.len()),
        };
        Actor { address: random.address(), target, variant: random.below(24), ..Actor::default() }
    }

    fn attack(&mut self, class: &Class, actor: &mut Actor, at: i64, random: &mut Random, out: &mut String) {
        let (address, port, process) = (actor.address, port(random), process(random));
        let host = actor.variant;
        let name = USERS.get(actor.target).copied().unwrap_or("root");
        if class.name == "unusual-sudo" {
            let command = RARE_COMMANDS[(actor.variant + actor.written as usize) % RARE_COMMANDS.len()];
            self.sudo(at, host, name, actor.variant.is_multiple_of(2), command, out);
            return;
        }
        self.head(at, if class.name == "password-spraying" { random.below(HOSTS.len()) } else { host }, "sshd", process, out);
        match class.name {
            "password-spraying" => {
                // Up to three neighbouring addresses, and a user each.
                let user = USERS[(actor.target + actor.written as usize) % USERS.len()];
                push_attempt(out, "Failed password for ", user, address ^ random.below(3) as u32, port);
            }
            "user-enumeration" => {
                let user = INVENTED[(actor.variant + actor.written as usize / 2) % INVENTED.len()];
                if actor.written.is_multiple_of(2) {
                    out.push_str("Invalid user ");
                    out.push_str(user);
                    out.push_str(" from ");
                    push_peer(out, address, port);
                } else {
                    push_attempt(out, "Failed password for invalid user ", user, address, port);
                }
            }
            "success-after-failures" if actor.left == 0 => push_attempt(out, "Accepted password for ", name, address, port),
            _ => push_attempt(out, "Failed password for ", name, address, port),
        }
    }
}

fn port(random: &mut Random) -> u32 {
    random.between(32_768, 60_999)
}

fn process(random: &mut Random) -> u32 {
    random.between(1_000, 99_999)
}

fn push_peer(out: &mut String, address: u32, port: u32) {
    push_address(out, address);
    out.push_str(" port ");
    push_number(out, u64::from(port));
}

fn push_attempt(out: &mut String, what: &str, user: &str, address: u32, port: u32) {
    out.push_str(what);
    out.push_str(user);
    out.push_str(" from ");
    push_peer(out, address, port);
    out.push_str(" ssh2");
}

fn push_session(out: &mut String, what: &str, user: usize) {
    for part in ["pam_unix(sshd:session): session ", what, " for user ", USERS[user]] {
        out.push_str(part);
    }
    if what == "opened" {
        out.push_str("(uid=");
        push_number(out, 1_000 + user as u64);
        out.push_str(") by (uid=0)");
    }
}

#[cfg(test)]
mod tests {
    use crate::{Kind, Line, Settings, generate};

    fn lines(anomaly_share: f64) -> Vec<Line> {
        generate(Settings { kind: Kind::Auth, count: 20_000, anomaly_share, ..Settings::default() }).collect()
    }

    #[test]
    fn lines_have_a_syslog_header_without_year() {
        for line in lines(0.1) {
            let (time, rest) = line.text.split_at(15);
            assert!(time.starts_with("Jan  5 ") && time.matches(':').count() == 2, "{}", line.text);
            let words: Vec<&str> = rest.split_whitespace().collect();
            assert!(words[0].contains('-') && words[1].ends_with(':'), "{}", line.text);
        }
    }

    #[test]
    fn normal_users_mistype_rarely_and_are_let_in_then() {
        let lines = lines(0.0);
        let count = |part: &str| lines.iter().filter(|line| line.text.contains(part)).count();
        assert!(count("Failed password") * 10 < count("Accepted ") && count("Failed password") > 20);
        assert_eq!(count("Invalid user") + count("NOT in sudoers"), 0);
        assert!(count("session opened for user anna") > 10 && count("COMMAND=") > 100);
    }

    #[test]
    fn success_after_failures_ends_with_being_let_in() {
        let marked: Vec<Line> =
            lines(0.05).into_iter().filter(|l| l.label.is_some_and(|l| l.class == "success-after-failures")).collect();
        let first = marked[0].label;
        let incident: Vec<&str> = marked.iter().filter(|line| line.label == first).map(|line| line.text.as_str()).collect();
        let (last, failures) = incident.split_last().unwrap();
        assert!(failures.len() >= 7 && failures.iter().all(|text| text.contains("Failed password")), "{incident:?}");
        assert!(last.contains("Accepted password"), "{last}");
    }
}
