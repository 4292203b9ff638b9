//! The named anomalies.

use crate::{Kind, Settings};

/// A sort of anomaly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Class {
    /// Its name as in [`crate::Label::class`].
    pub name: &'static str,
    /// In which logs it occurs.
    pub kind: Kind,
    /// What happens, in a sentence.
    pub summary: &'static str,
    /// How many lines an incident has, fewest and most.
    pub(crate) lines: (u32, u32),
    /// Mean seconds between two of its lines.
    pub(crate) gap: f64,
}

const fn class(kind: Kind, name: &'static str, lines: (u32, u32), gap: f64, summary: &'static str) -> Class {
    Class { name, kind, summary, lines, gap }
}

pub(crate) const SILENCE: &str = "silence";
pub(crate) const SERVICE_SILENCE: &str = "service-silence";
pub(crate) const SLOW: &str = "slow-responses";

const CLASSES: &[Class] = &[
    class(Kind::Web, "server-error-burst", (15, 150), 0.4, "Many clients get 5xx answers from one part of the site for a while."),
    class(Kind::Web, "scanner", (15, 300), 0.15, "One client with a tool's agent asks for many paths that do not exist."),
    class(Kind::Web, "sql-injection", (8, 60), 1.0, "One client puts SQL into parameters of search, products and login."),
    class(Kind::Web, "xss", (8, 40), 1.5, "One client puts script into parameters and paths."),
    class(Kind::Web, "path-traversal", (8, 40), 1.0, "One client tries to read files outside the site's root."),
    class(Kind::Web, "command-injection", (8, 30), 1.5, "One client puts shell commands into parameters and headers."),
    class(
        Kind::Web,
        "brute-force",
        (15, 200),
        0.7,
        "One client tries many passwords on the login form (401, 403 or 200 with the form again).",
    ),
    class(Kind::Web, "flood", (30, 1_000), 0.02, "One client asks for the same page again and again, tens of times a second."),
    class(Kind::Web, SILENCE, (1, 1), 1.0, "The log stops for minutes; the first line afterwards is marked."),
    class(
        Kind::Web,
        SLOW,
        (10, 100),
        0.5,
        "Requests of many clients take seconds instead of milliseconds (only with request times).",
    ),
    class(Kind::App, "error-burst", (15, 150), 0.3, "One service logs the same few errors again and again."),
    class(Kind::App, "new-exception", (3, 15), 4.0, "An exception never seen before, with its stack trace on one line."),
    class(Kind::App, "fatal", (1, 3), 2.0, "A service says FATAL or CRITICAL and restarts."),
    class(
        Kind::App,
        "suspicious-keyword",
        (1, 4),
        5.0,
        "A message that speaks of unauthorized access, a breach, an attack or an exploit.",
    ),
    class(
        Kind::App,
        SERVICE_SILENCE,
        (1, 1),
        1.0,
        "One service stops logging for minutes while others go on; its first line afterwards is marked.",
    ),
    class(Kind::Auth, "ssh-brute-force", (15, 200), 1.5, "One address tries many passwords for one account."),
    class(Kind::Auth, "password-spraying", (12, 60), 4.0, "A few addresses try one password each for many existing accounts."),
    class(Kind::Auth, "user-enumeration", (12, 100), 1.0, "One address tries many account names that do not exist."),
    class(Kind::Auth, "success-after-failures", (8, 40), 2.0, "One address fails many times for one account and is then let in."),
    class(Kind::Syslog, "port-scan", (40, 300), 0.2, "One address asks one host for many ports; a firewall denies them."),
    class(Kind::Syslog, "host-sweep", (40, 200), 0.3, "One address asks many hosts for the same port; a firewall denies them."),
    class(Kind::Auth, "unusual-sudo", (1, 3), 8.0, "A user who never does runs commands as root, or tries to."),
    class(Kind::Flows, "vertical-scan", (1_000, 1_000), 0.05, "An address outside asks one host for a thousand ports."),
    class(
        Kind::Flows,
        "horizontal-scan",
        (600, 600),
        0.2,
        "A workstation asks hundreds of addresses for one port, as a worm does.",
    ),
    class(Kind::Flows, "slow-scan", (220, 220), 60.0, "An address outside asks for one port a minute, for hours."),
    class(Kind::Flows, "distributed-scan", (600, 600), 2.0, "Forty addresses share out the ports of one host."),
    class(
        Kind::Flows,
        "syn-flood",
        (12_000, 12_000),
        0.012,
        "Forged sources begin connections at one port and never establish them.",
    ),
    class(Kind::Flows, "udp-flood", (600, 600), 0.3, "Bots send one host all the datagrams they can."),
    class(Kind::Flows, "reflection", (750, 750), 0.25, "Services that amplify answer somebody who never asked."),
    class(
        Kind::Flows,
        "beacon",
        (1, u32::MAX),
        300.0,
        "A workstation asks one address outside every 300 s, give or take a tenth.",
    ),
    class(Kind::Flows, "exfiltration", (6, 6), 180.0, "A workstation sends gigabytes to somebody it never sent anything."),
    class(Kind::Flows, "dns-tunnel", (1, 1), 1.0, "A workstation and the resolver exchange thousands of packets from one port."),
    class(
        Kind::Flows,
        "brute-force",
        (301, 301),
        1.5,
        "An address outside makes hundreds of short connections to SSH, and a long one at last.",
    ),
    class(
        Kind::Flows,
        "lateral-movement",
        (40, 60),
        6.0,
        "A workstation is let in by dozens of hosts inside that it never spoke to.",
    ),
];

/// Every class of anomaly that [`crate::generate`] can make.
#[must_use]
pub fn classes() -> &'static [Class] {
    CLASSES
}

/// Those that occur with these settings.
pub(crate) fn possible(settings: &Settings) -> Vec<&'static Class> {
    let possible = |name| match name {
        SLOW => settings.timed,
        SILENCE => settings.silences,
        _ => true,
    };
    let asked = |name| settings.only.is_empty() || settings.only.contains(&name);
    CLASSES.iter().filter(|class| class.kind == settings.kind && possible(class.name) && asked(class.name)).collect()
}
