//! A web shop's access log in the combined format of Apache and Nginx.
//!
//! Visitors come, look at some pages by popularity with the files each needs, search, log in (now and then with a mistyped
//! password), and go; crawlers read pages only; a probe asks for its health. Some answers are redirects, not modified, not found.

mod attacks;
mod data;

use crate::Settings;
use crate::classes::Class;
use crate::clock::{Clock, Style};
use crate::random::{Random, Zipf};
use crate::text::{push_address, push_number, push_seconds};
use crate::world::{Actor, World};
use data::{BROWSERS, COMMON_FILES, CRAWLERS, Page, REFERRERS, STALE, WORDS};

pub(crate) const LOGIN: usize = 6;
const ACCOUNT: usize = 7;
const SEARCH: usize = 2;
const HOME: &str = "https://shop.example.com";

#[derive(Debug)]
pub(crate) struct Site {
    writer: Writer,
    pages: Vec<Page>,
    popularity: Zipf,
    /// Addresses of visitors who come again and again.
    regulars: Vec<u32>,
    sessions: Vec<Session>,
    /// Sessions whose page still wants files.
    loading: Vec<usize>,
    /// Scratch for the target of the request.
    target: String,
}

/// A visitor.
#[derive(Debug, Clone)]
struct Session {
    address: u32,
    agent: &'static str,
    /// Where it came from at first; afterwards the page before.
    referrer: &'static str,
    page: Option<usize>,
    pages_left: u32,
    /// Files of the page: the next one, and how many there are.
    file: usize,
    files: usize,
    crawler: bool,
    /// Has the common files from an earlier visit.
    returning: bool,
    logging_in: bool,
}

/// Everything of a line but its time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    address: u32,
    method: &'static str,
    target: &'a str,
    status: u16,
    bytes: u32,
    referrer: (&'a str, &'a str),
    agent: &'a str,
    millis: u32,
}

/// Writes requests as lines.
#[derive(Debug)]
struct Writer {
    clock: Clock,
    timed: bool,
}

impl Writer {
    fn write(&mut self, at: i64, request: &Request<'_>, out: &mut String) {
        push_address(out, request.address);
        out.push_str(" - - [");
        self.clock.push(out, at);
        out.push_str("] \"");
        out.push_str(request.method);
        out.push(' ');
        out.push_str(request.target);
        out.push_str(" HTTP/1.1\" ");
        push_number(out, u64::from(request.status));
        out.push(' ');
        if request.bytes == 0 {
            out.push('-');
        } else {
            push_number(out, u64::from(request.bytes));
        }
        for part in [" \"", request.referrer.0, request.referrer.1, "\" \"", request.agent, "\""] {
            out.push_str(part);
        }
        if self.timed {
            out.push(' ');
            push_seconds(out, request.millis);
        }
    }
}

impl Site {
    pub(crate) fn new(settings: &Settings, random: &mut Random) -> Self {
        let pages = data::pages();
        // As many visitors at a time as make one request in eight seconds each, files apart.
        let visitors = (settings.rate_per_second * 8.0).clamp(8.0, 20_000.0) as usize;
        let mut site = Site {
            writer: Writer { clock: Clock::new(Style::Combined), timed: settings.timed },
            popularity: Zipf::new(pages.len()),
            regulars: (0..400).map(|_| random.address()).collect(),
            pages,
            sessions: Vec::with_capacity(visitors),
            loading: Vec::new(),
            target: String::new(),
        };
        for _ in 0..visitors {
            let session = site.visitor(random);
            site.sessions.push(session);
        }
        site
    }

    fn visitor(&self, random: &mut Random) -> Session {
        let crawler = random.chance(0.12);
        let returning = !crawler && random.chance(0.35);
        let direct = crawler || random.chance(0.4);
        let (address, agent) = if crawler {
            random.pick(&CRAWLERS)
        } else if returning {
            let regular = random.below(self.regulars.len());
            (self.regulars[regular], BROWSERS[regular % BROWSERS.len()])
        } else {
            (random.address(), random.pick(&BROWSERS))
        };
        Session {
            address,
            agent,
            referrer: if direct { "-" } else { random.pick(&REFERRERS) },
            page: None,
            pages_left: if crawler { random.between(3, 40) } else { 1 + (random.exponential() * 4.0) as u32 },
            file: 0,
            files: 0,
            crawler,
            returning,
            logging_in: false,
        }
    }

    /// The probe of the load balancer, always the same.
    fn probe(&mut self, at: i64, random: &mut Random, out: &mut String) {
        let request = Request {
            address: u32::from_be_bytes([10, 0, 0, 5]),
            method: "GET",
            target: "/health",
            status: 200,
            bytes: 15,
            referrer: ("-", ""),
            agent: "kube-probe/1.31",
            millis: random.between(0, 2),
        };
        self.writer.write(at, &request, out);
    }

    /// The next file of the visitor's page.
    fn file(&mut self, i: usize, at: i64, random: &mut Random, out: &mut String) {
        let session = &mut self.sessions[i];
        let (page, number) = (session.page.unwrap_or(0), session.file);
        session.file += 1;
        let session = session.clone();
        let mut target = std::mem::take(&mut self.target);
        target.clear();
        let bytes = match COMMON_FILES.get(number) {
            Some((path, bytes)) => {
                target.push_str(path);
                *bytes
            }
            None => self.pages[page].image(number - COMMON_FILES.len(), &mut target),
        };
        let unchanged = session.returning && random.chance(0.8);
        let request = Request {
            address: session.address,
            method: "GET",
            target: &target,
            status: if unchanged { 304 } else { 200 },
            bytes: if unchanged { 0 } else { bytes },
            referrer: (HOME, &self.pages[page].path),
            agent: session.agent,
            millis: 1 + (random.exponential() * 3.0) as u32 + bytes / 60_000,
        };
        self.writer.write(at, &request, out);
        self.target = target;
    }

    /// The next page of a visitor; a new visitor if this one has seen enough.
    fn page(&mut self, i: usize, at: i64, random: &mut Random, out: &mut String) {
        if self.sessions[i].pages_left == 0 {
            self.sessions[i] = self.visitor(random);
        }
        let mut session = self.sessions[i].clone();
        session.pages_left -= 1;
        let before = session.page;
        let mut target = std::mem::take(&mut self.target);
        target.clear();
        let (method, status, bytes, millis) = self.answer(&mut session, &mut target, random);
        let referrer = match before {
            Some(page) if !session.crawler => (HOME, self.pages[page].path.as_str()),
            _ => (session.referrer, ""),
        };
        let request =
            Request { address: session.address, method, target: &target, status, bytes, referrer, agent: session.agent, millis };
        self.writer.write(at, &request, out);
        self.target = target;
        if status == 200 && !session.crawler {
            session.file = if session.returning && random.chance(0.5) { COMMON_FILES.len() } else { 0 };
            session.file = if before.is_some() { COMMON_FILES.len() } else { session.file };
            session.files = COMMON_FILES.len() + session.page.map_or(0, |page| self.pages[page].images);
            if session.file < session.files {
                self.loading.push(i);
            }
        }
        self.sessions[i] = session;
    }

    /// What the visitor asks for next and what the site answers: method, status, bytes, milliseconds; the target is written.
    fn answer(&self, session: &mut Session, target: &mut String, random: &mut Random) -> (&'static str, u16, u32, u32) {
        if session.logging_in {
            return self.login(session, target, random);
        }
        if random.chance(0.012) {
            let (path, status) = random.pick(&STALE);
            target.push_str(path);
            return ("GET", status, if status == 404 { 548 } else { 162 }, random.between(1, 4));
        }
        let mut page = self.popularity.rank(random);
        if session.crawler && page == LOGIN {
            page = 0;
        }
        session.page = Some(page);
        session.logging_in = page == LOGIN && random.chance(0.7);
        session.pages_left += u32::from(session.logging_in);
        let Page { path, bytes, millis, .. } = &self.pages[page];
        target.push_str(path);
        if page == SEARCH {
            target.push_str("?q=");
            target.push_str(random.pick(&WORDS));
            if random.chance(0.4) {
                target.push('+');
                target.push_str(random.pick(&WORDS));
            }
        }
        let millis = millis / 2 + (random.exponential() * f64::from(*millis) / 2.0) as u32;
        if random.chance(0.000_3) {
            return ("GET", random.pick(&[500, 502, 504]), 574, millis * 20);
        }
        ("GET", 200, bytes + random.between(0, bytes / 50), millis)
    }

    fn login(&self, session: &mut Session, target: &mut String, random: &mut Random) -> (&'static str, u16, u32, u32) {
        target.push_str(&self.pages[LOGIN].path);
        let mistyped = random.chance(0.08);
        session.logging_in = mistyped;
        session.pages_left += u32::from(mistyped);
        session.page = Some(if mistyped { LOGIN } else { ACCOUNT });
        let millis = random.between(60, 140);
        if mistyped { ("POST", 401, 2_310, millis) } else { ("POST", 302, 0, millis) }
    }
}

impl World for Site {
    fn normal(&mut self, at: i64, random: &mut Random, out: &mut String) -> bool {
        if random.chance(0.01) {
            self.probe(at, random, out);
            return false;
        }
        if !self.loading.is_empty() && random.chance(0.8) {
            let place = random.below(self.loading.len());
            let i = self.loading[place];
            self.file(i, at, random, out);
            if self.sessions[i].file >= self.sessions[i].files {
                self.loading.swap_remove(place);
            }
            return false;
        }
        let i = random.below(self.sessions.len());
        // One that still loads a page does not ask for the next one; there is always another.
        let i = if self.sessions[i].file < self.sessions[i].files { self.idle(i) } else { i };
        self.page(i, at, random, out);
        false
    }

    fn actor(&mut self, class: &Class, random: &mut Random) -> Actor {
        attacks::actor(class, random)
    }

    fn attack(&mut self, class: &Class, actor: &mut Actor, at: i64, random: &mut Random, out: &mut String) {
        let mut target = std::mem::take(&mut self.target);
        target.clear();
        let victim = self.sessions[random.below(self.sessions.len())].clone();
        let request = attacks::request(class, actor, &victim, &self.pages, &mut target, random);
        self.writer.write(at, &request, out);
        self.target = target;
    }
}

impl Site {
    /// The next visitor after `i` that waits for nothing; `i` itself gives up its files where all are loading.
    fn idle(&mut self, i: usize) -> usize {
        let idle = |session: &Session| session.file >= session.files;
        let n = self.sessions.len();
        if let Some(found) = (1..n.min(16)).map(|step| (i + step) % n).find(|&other| idle(&self.sessions[other])) {
            return found;
        }
        self.loading.retain(|&other| other != i);
        self.sessions[i].file = self.sessions[i].files;
        i
    }
}

#[cfg(test)]
mod tests {
    use crate::{Kind, Line, Settings, generate};
    use std::collections::BTreeMap;

    fn normal(count: u64) -> Vec<Line> {
        generate(Settings { kind: Kind::Web, count, anomaly_share: 0.0, ..Settings::default() }).collect()
    }

    fn status(line: &Line) -> u16 {
        line.text.split("\" ").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    #[test]
    fn lines_have_the_parts_of_the_combined_format() {
        for line in normal(5_000) {
            let quotes: Vec<&str> = line.text.split('"').collect();
            assert_eq!(quotes.len(), 7, "{}", line.text);
            assert!(quotes[0].contains(" - - [05/Jan/2026:08:") && quotes[0].ends_with("+0000] "), "{}", line.text);
            assert!(quotes[1].ends_with(" HTTP/1.1") && quotes[2].split_whitespace().count() == 2, "{}", line.text);
        }
    }

    #[test]
    fn the_mix_of_answers_is_that_of_a_healthy_site() {
        let mut counts: BTreeMap<u16, u32> = BTreeMap::new();
        normal(100_000).iter().for_each(|line| *counts.entry(status(line)).or_default() += 1);
        let share = |from: u16, to: u16| counts.range(from..to).map(|(_, n)| f64::from(*n)).sum::<f64>() / 1e5;
        assert!(share(200, 201) > 0.75 && (0.02..0.25).contains(&share(304, 305)), "{counts:?}");
        assert!((0.001..0.01).contains(&share(404, 405)) && share(301, 303) > 0.001, "{counts:?}");
        assert!((0.000_02..0.001).contains(&share(500, 600)) && share(401, 402) > 0.000_05, "{counts:?}");
    }

    #[test]
    fn popular_pages_are_asked_for_far_more_often_than_others() {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for line in normal(50_000) {
            let target = line.text.split(' ').nth(6).unwrap_or("").split('?').next().unwrap_or("").to_owned();
            *counts.entry(target).or_default() += 1;
        }
        assert!(counts["/"] > 10 * counts["/help/returns"] && counts.len() > 150, "{} targets", counts.len());
    }
}
