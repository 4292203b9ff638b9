//! Attacks in what a request says: SQL injection, cross-site scripting, traversal and some twenty classes more.
//!
//! The rules and the inspection itself are the crate `lapwing-inspect`; here an event's parts are handed to it, and what it found
//! becomes one finding per class.

use std::sync::{Arc, LazyLock};

use lapwing_inspect::{ALERT, BUILTIN, Found, Hit, Inspector, Place, Rules, conclude};
use lapwing_model::{Detail, Event, Finding, Score, Severity, Web, printable};
use serde::{Deserialize, Serialize};

use crate::{Detector, Events, Family, Findings, Kind, Rulebook, Setup};

pub const KIND: Kind = Kind {
    name: "signatures",
    summary: "attacks in what a request says: injection, cross-site scripting, traversal, scanners, known exploits",
    family: Family::Rules,
    scopes: &[lapwing_model::Scope::Event],
    enabled: |settings| settings.signatures.enabled,
    build: |setup, _| Box::new(Signatures::new(setup)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Rules that do not speak, everywhere or where the site needs what they look for. What is at work is [`Rulebook::mutes`].
    pub mute: Vec<Mute>,
}

/// What is muted: all that is given has to be so.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mute {
    /// Paths that begin so.
    pub path: Option<String>,
    /// A parameter's name.
    pub parameter: Option<String>,
    /// A rule's id, or a class of attack.
    pub rule: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true, mute: Vec::new() }
    }
}

/// The rules that ship with Lapwing, compiled once for all that use them. A test says that none is left out.
static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| Arc::new(Rules::compile(BUILTIN).0));

/// The rules that ship with Lapwing.
#[must_use]
pub fn builtin() -> Arc<Rules> {
    RULES.clone()
}

/// Words in the names of fields that hold what a client sent.
const SENT: [&[u8]; 13] =
    [b"url", b"uri", b"query", b"request", b"param", b"args", b"cookie", b"header", b"refer", b"user_agent", b"payload", b"form", b"body"];

/// The score of what people type as well: noted, never told on its own.
const QUIET: Score = Score::new(0.2);

#[derive(Debug)]
struct Signatures {
    inspector: Inspector,
    mutes: Arc<[Mute]>,
}

impl Signatures {
    fn new(setup: &Setup) -> Signatures {
        Signatures { inspector: Inspector::new(setup.rulebook.signatures.clone()), mutes: setup.rulebook.mutes.clone() }
    }

    fn inspect(&mut self, event: &Event) {
        match &event.detail {
            Detail::Web(web) => {
                self.inspector.begin(event.text(web.domain));
                let line = if web.method.is_empty() { web.target } else { web.method };
                self.inspector.line(event.text(line));
                self.inspector.target(event.text(web.target));
                self.inspector.agent(event.text(web.user_agent));
                self.inspector.referrer(event.text(web.referrer));
                self.inspector.body(event.text(web.body));
            }
            Detail::Log(_) | Detail::Flow(_) => self.inspector.begin(b""),
        }
        for (name, value) in event.others.iter() {
            let name = event.text(name);
            if SENT.iter().any(|word| name.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))) {
                let last = name.rsplit(|byte| *byte == b'.').next().unwrap_or(name);
                if name.windows(6).any(|part| part.eq_ignore_ascii_case(b"header")) || last.eq_ignore_ascii_case(b"cookie") {
                    self.inspector.header(last, event.text(value));
                } else {
                    self.inspector.value(Place::Field, name, event.text(value));
                }
            }
        }
    }

    fn muted(&self, event: &Event, hit: &Hit) -> bool {
        let rule = &self.inspector.rules().rules()[hit.rule];
        let path = event.web().map(|web| event.path(web)).unwrap_or_default();
        self.mutes.iter().any(|mute| {
            mute.path.as_ref().is_none_or(|prefix| path.starts_with(prefix.as_bytes()))
                && mute.parameter.as_ref().is_none_or(|name| name.as_bytes() == hit.name)
                && mute.rule.as_ref().is_none_or(|name| *name == rule.id || *name == rule.class)
        })
    }

    fn judge(&self, at: u16, event: &Event, findings: &mut Findings) {
        let rules = self.inspector.rules();
        let absent = matches!(Answer::of(event.web()), Answer::Absent | Answer::Refused);
        let spoken = self.inspector.hits().iter().filter(|hit| !self.muted(event, hit));
        for found in conclude(rules, spoken, absent) {
            findings.extend_event(at, finding(rules, &found, event));
        }
    }
}

/// Every rule that matches something in the event, whatever its points.
#[must_use]
pub fn hits(rules: &Arc<Rules>, event: &Event) -> Vec<Hit> {
    let mut signatures = Signatures { inspector: Inspector::new(rules.clone()), mutes: Arc::default() };
    signatures.inspect(event);
    signatures.inspector.hits().to_vec()
}

impl Detector for Signatures {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        // A flow that came as a binary row has no text that could hold anything.
        for (at, event) in events.iter().filter(|(_, event)| !event.raw.is_empty()) {
            self.inspect(event);
            if !self.inspector.hits().is_empty() {
                self.judge(at, event, findings);
            }
        }
    }

    fn save(&self, _: &mut Vec<u8>) {}

    fn load(&mut self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn reload(&mut self, rulebook: &Rulebook) {
        if !Arc::ptr_eq(self.inspector.rules(), &rulebook.signatures) {
            self.inspector = Inspector::new(rulebook.signatures.clone());
        }
        self.mutes = rulebook.mutes.clone();
    }
}

fn finding(rules: &Rules, found: &Found<'_>, event: &Event) -> Option<Finding> {
    let hit = found.hits.first()?;
    let rule = &rules.rules()[hit.rule];
    let answer = Answer::of(event.web());
    let points = found.points as f32;
    let field = if hit.name.is_empty() {
        hit.place.name().to_owned()
    } else {
        format!("{} {}", hit.place, printable(&hit.name).within(60))
    };
    let also: Vec<_> = found.hits[1..].iter().take(4).map(|hit| rules.rules()[hit.rule].id.as_str()).collect();
    let also = if also.is_empty() { String::new() } else { format!("; also {}", also.join(", ")) };
    Some(Finding {
        detector: KIND.name,
        rule: rule.id.clone().into(),
        class: found.class.to_owned().into(),
        entity: event.entity(),
        score: if found.quiet { QUIET } else { Score::new(points / (points + 2.0) * answer.weight()) },
        severity: if found.quiet { Severity::Info } else { answer.severity(found.points) },
        count: 1,
        since: None,
        reason: format!("{} in the {field}: {}{}{also}", rule.title, printable(&hit.matched).within(120), answer.words()),
        expected: format!("no {} of {ALERT} points or more", found.class),
        observed: format!("{} points; {field}: {}", found.points, printable(&hit.value).within(200)),
    })
}

/// What the server made of the request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Unknown,
    Served,
    Refused,
    /// There is nothing of the kind.
    Absent,
    Failed,
}

impl Answer {
    fn of(web: Option<&Web>) -> Answer {
        match web.map_or(0, |web| web.status) {
            200..300 => Answer::Served,
            404 | 410 => Answer::Absent,
            400 | 401 | 403..=407 | 411..=431 | 444 | 451 => Answer::Refused,
            500.. => Answer::Failed,
            _ => Answer::Unknown,
        }
    }

    fn weight(self) -> f32 {
        match self {
            Answer::Served | Answer::Failed => 1.0,
            Answer::Unknown | Answer::Absent => 0.95,
            Answer::Refused => 0.8,
        }
    }

    fn severity(self, points: u32) -> Severity {
        match (self, points >= 2 * ALERT) {
            (Answer::Refused, false) => Severity::Low,
            (Answer::Refused, true) | (Answer::Unknown | Answer::Absent, false) => Severity::Medium,
            (Answer::Served | Answer::Failed, false) => Severity::Medium,
            (Answer::Unknown | Answer::Absent | Answer::Served | Answer::Failed, true) => Severity::High,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Answer::Unknown => "",
            Answer::Absent => ", and there is nothing of the kind",
            Answer::Served => ", and it was served",
            Answer::Refused => ", and it was refused",
            Answer::Failed => ", and the server failed at it",
        }
    }
}

#[cfg(test)]
mod tests {
    use lapwing_model::Scope;

    use super::*;
    use crate::testing::{Line, detector, observe};

    fn found(path: &str, status: u16, agent: &str) -> Vec<Finding> {
        let line = Line { path: path.to_owned(), agent: agent.to_owned(), ..Line::new(0.0, "203.0.113.9", status) };
        observe(&mut *detector("signatures", Scope::Event), &[line.web(0)])
    }

    #[test]
    fn every_rule_that_ships_compiles() {
        assert_eq!(Rules::compile(BUILTIN).1, []);
    }

    #[test]
    fn a_finding_names_class_rule_field_value_and_match() {
        let findings = found("/item?id=1%27%20UNION%20SELECT%20password%20FROM%20users--", 200, "curl/8");
        assert_eq!(findings.len(), 1);
        assert_eq!(&*findings[0].class, "sql-injection");
        assert!(findings[0].reason.contains("in the parameter id: "), "{}", findings[0].reason);
        assert!(findings[0].observed.contains("UNION SELECT password FROM users"), "{}", findings[0].observed);
    }

    #[test]
    fn what_was_refused_is_less_severe_than_what_was_served() {
        let (served, refused) = (found("/?q=<script>alert(1)</script>", 200, "x"), found("/?q=<script>alert(1)</script>", 403, "x"));
        assert!(served[0].severity > refused[0].severity);
        assert!(served[0].score > refused[0].score);
    }

    #[test]
    fn one_probe_of_what_is_not_there_is_not_told_and_one_that_is_answered_is() {
        for path in ["/fckeditor/editor.html", "/.env", "/c99.php"] {
            assert_eq!(found(path, 200, "x").len(), 1, "{path}");
            assert_eq!(found(path, 404, "x"), [], "{path}");
            assert_eq!(found(path, 403, "x"), [], "{path}");
        }
        assert!(found("/.env?x=../../etc/passwd", 404, "x").iter().all(|finding| &*finding.class != "sensitive-file"));
        assert!(!found("/.env?x=../../etc/passwd", 404, "x").is_empty());
    }

    #[test]
    fn a_lone_word_is_noted_and_not_told() {
        let findings = found("/search?q=onclick", 200, "x");
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].severity, Severity::of(findings[0].score)), (Severity::Info, Severity::Info));
    }

    #[test]
    fn ordinary_requests_are_not_found() {
        for path in ["/", "/a/b.html?page=2&q=red+shoes", "/search?q=O%27Neill", "/img/../a.png?v=1.2"] {
            let findings = found(path, 200, "Mozilla/5.0 (X11; Linux x86_64)");
            assert!(findings.is_empty() || path.contains(".."), "{path}: {findings:?}");
        }
    }

    #[test]
    fn a_muted_rule_does_not_speak_where_it_is_muted() {
        let mut setup = crate::testing::setup();
        let mute = Mute { path: Some("/admin".to_owned()), parameter: Some("q".to_owned()), rule: Some("xss".to_owned()) };
        setup.rulebook.mutes = vec![mute].into();
        let mut muted = Signatures::new(&setup);
        let line = |path: &str| Line { path: path.to_owned(), ..Line::new(0.0, "203.0.113.9", 200) }.web(0);
        assert!(observe(&mut muted, &[line("/admin?q=<script>alert(1)</script>")]).is_empty());
        assert_eq!(observe(&mut muted, &[line("/shop?q=<script>alert(1)</script>")]).len(), 1);
        assert_eq!(observe(&mut muted, &[line("/admin?x=<script>alert(1)</script>")]).len(), 1);
        muted.reload(&Rulebook::default());
        assert_eq!(observe(&mut muted, &[line("/admin?q=<script>alert(1)</script>")]).len(), 1);
    }
}
