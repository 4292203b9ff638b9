//! What threat lists name: addresses and networks, domains and what is beneath them, hashes of files.
//!
//! Which lists there are, and how severe it is to meet what they name, is set with `enrichment.threat_lists`. Addresses were
//! looked up when the event was read; this says what that means.

use std::borrow::Cow;

use lapwing_enrich::{Enrichment, List};
use lapwing_model::{Entity, Event, Field, Finding, Known, Scope, Score, Severity, Value, printable};
use serde::{Deserialize, Serialize};

use crate::{Detector, Events, Family, Findings, Kind};

pub const KIND: Kind = Kind {
    name: "threat_list",
    summary: "addresses, domains and hashes that threat lists name",
    family: Family::Rules,
    scopes: &[Scope::Event],
    enabled: |settings| settings.threat_list.enabled,
    build: |setup, _| Box::new(ThreatList::new(&setup.settings.threat_list)),
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// Fields that hold the name of a host.
    pub domains: Vec<String>,
    /// Fields that hold the hash of a file, in hexadecimal.
    pub hashes: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let domains = ["url.domain", "dns.question.name", "query", "rrname", "tls.client.server_name", "server_name"];
        let hashes = ["file.hash.sha256", "file.hash.sha1", "file.hash.md5", "process.hash.sha256", "sha256", "sha1", "md5"];
        Settings { enabled: true, domains: domains.map(String::from).to_vec(), hashes: hashes.map(String::from).to_vec() }
    }
}

#[derive(Debug)]
struct ThreatList {
    domains: Vec<Field>,
    hashes: Vec<Field>,
}

impl ThreatList {
    fn new(settings: &Settings) -> ThreatList {
        let fields = |names: &[String]| names.iter().map(|name| Field::named(name)).collect();
        ThreatList { domains: fields(&settings.domains), hashes: fields(&settings.hashes) }
    }

    fn judge(&self, event: &Event, tables: &Enrichment, each: &mut impl FnMut(Finding)) {
        let addresses = |known: Option<&Known>, what: &str, each: &mut dyn FnMut(Finding)| {
            for threat in known.into_iter().flat_map(|known| &known.threats) {
                if let Some(list) = tables.threat_list(&threat.list) {
                    each(finding(event, list, what, &threat.entry));
                }
            }
        };
        addresses(event.client_known.as_deref(), "it acts", each);
        addresses(event.destination_known.as_deref(), "it is spoken to", each);
        let named = |fields: &[Field], each: &mut dyn FnMut(&str)| {
            for text in fields.iter().filter_map(|field| text(event, field)) {
                each(&text);
            }
        };
        for list in tables.threats() {
            if list.has_domains() {
                named(&self.domains, &mut |name| {
                    if let Some(entry) = list.domain(host(name)) {
                        each(finding(event, list, "it is asked for", entry));
                    }
                });
            }
            if list.has_hashes() {
                named(&self.hashes, &mut |hash| {
                    if list.hash(hash) {
                        each(finding(event, list, "a file has it", hash));
                    }
                });
            }
        }
    }
}

/// What stands in a field, in lower case.
fn text<'a>(event: &'a Event, field: &Field) -> Option<Cow<'a, str>> {
    let Value::Text(text) = event.get(field) else { return None };
    let text = std::str::from_utf8(text).ok()?;
    Some(if text.bytes().any(|byte| byte.is_ascii_uppercase()) { text.to_ascii_lowercase().into() } else { text.into() })
}

/// The name of a host without its port and the dot of the root.
fn host(name: &str) -> &str {
    name.split_once(':').map_or(name, |(host, _)| host).trim_end_matches('.')
}

fn finding(event: &Event, list: &List, how: &str, entry: &str) -> Finding {
    let observed = printable(entry.as_bytes()).within(260).to_string();
    Finding {
        detector: KIND.name,
        rule: Cow::Owned(list.name.to_string()),
        class: "threat-list".into(),
        entity: who(event),
        score: score(list.severity),
        severity: list.severity,
        count: 1,
        since: None,
        reason: format!("threat list {} names {observed}: {how}", list.name),
        expected: "nothing that a threat list names".to_owned(),
        observed,
    }
}

/// Who acts, even where it is the other end that is named: that is whom people have to look at.
fn who(event: &Event) -> Entity {
    event.entity_of(Scope::Client).unwrap_or_else(|| event.entity())
}

const fn score(severity: Severity) -> Score {
    Score::new(match severity {
        Severity::Info => 0.1,
        Severity::Low => 0.3,
        Severity::Medium => 0.6,
        Severity::High => 0.85,
        Severity::Critical => 0.97,
    })
}

impl Detector for ThreatList {
    fn observe(&mut self, events: Events<'_>, findings: &mut Findings) {
        let Some(tables) = events.enrichment().filter(|tables| !tables.threats().is_empty()) else { return };
        for (at, event) in events.iter() {
            self.judge(event, tables, &mut |finding| findings.push(at, finding));
        }
    }

    fn save(&self, _: &mut Vec<u8>) {}

    fn load(&mut self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use lapwing_enrich::{Enricher, ListSettings, Settings as Tables};

    use super::*;
    use crate::Batch;
    use crate::testing::{Line, detector, flow, read, tcp};

    /// A file of its own, gone with the guard.
    struct Listed(PathBuf);

    impl Drop for Listed {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn found(name: &str, list: &str, mut events: Vec<Event>) -> Vec<Finding> {
        let file = Listed(std::env::temp_dir().join(format!("lapwing-{}-{name}", std::process::id())));
        std::fs::write(&file.0, list).unwrap();
        let list = ListSettings { name: name.into(), path: Some(file.0.clone()), severity: Severity::High, ..ListSettings::default() };
        let (tables, errors) = Enrichment::open(&Tables { threat_lists: vec![list], ..Tables::default() }, Path::new("."), None);
        assert_eq!(errors, Vec::<String>::new());
        let tables = Arc::new(tables);
        Enricher::new(tables.clone()).enrich(&mut events);
        let mine: Vec<u16> = (0..events.len() as u16).collect();
        let mut batch = Batch::new(0, events, Vec::new());
        batch.enrichment = tables;
        let mut findings = Findings::default();
        detector("threat_list", Scope::Event).observe(batch.events(&mine), &mut findings);
        findings.as_slice().iter().map(|found| found.finding.clone()).collect()
    }

    #[test]
    fn an_address_that_a_list_names_is_found_at_either_end_and_told_of_who_acts() {
        let events = vec![
            Line::new(0.0, "203.0.113.9", 200).web(0),
            flow(1, 1.0, "10.0.0.1", tcp("203.0.113.77", 5, 443, 2)),
            Line::new(2.0, "203.0.114.1", 200).web(2),
        ];
        let found = found("bad-networks", "203.0.113.0/24\n", events);
        let told: Vec<_> = found.iter().map(|finding| (&*finding.entity.name, finding.severity, &*finding.reason)).collect();
        assert_eq!(told, [
            ("203.0.113.9", Severity::High, "threat list bad-networks names 203.0.113.0/24: it acts"),
            ("10.0.0.1", Severity::High, "threat list bad-networks names 203.0.113.0/24: it is spoken to"),
        ]);
    }

    #[test]
    fn domains_and_hashes_are_found_in_the_fields_that_hold_them() {
        let hash = "d41d8cd98f00b204e9800998ecf8427e";
        let events = vec![
            read("{\"@timestamp\":\"2026-01-01T00:00:00Z\",\"dns.question.name\":\"A.Evil.Example.\"}"),
            read("{\"@timestamp\":\"2026-01-01T00:00:00Z\",\"dns.question.name\":\"notevil.example\"}"),
            read("{\"@timestamp\":\"2026-01-01T00:00:00Z\",\"file.hash.md5\":\"D41D8CD98F00B204E9800998ECF8427E\"}"),
        ];
        let found = found("names", &format!("evil.example\n{hash}\n"), events);
        let told: Vec<_> = found.iter().map(|finding| &*finding.observed).collect();
        assert_eq!(told, ["evil.example", hash]);
    }

    #[test]
    fn without_lists_nothing_is_looked_at() {
        let event = Line::new(0.0, "203.0.113.9", 200).web(0);
        assert!(crate::testing::observe(&mut *detector("threat_list", Scope::Event), &[event]).is_empty());
    }
}
