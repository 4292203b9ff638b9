//! All that the profile remembers: sites, endpoints, and who has parameters of the same name.

use std::time::Duration;

use lapwing_learn::Lru;
use lapwing_model::{Event, Timestamp, Web, hash, printable};
use serde::{Deserialize, Serialize};

use super::deviation::{Check, Deviation, NEW};
use super::endpoint::{Endpoint, Who, method};
use super::parameter::{Parameter, shown};
use super::path::{self, Walked};
use super::quarantine::Quarantine;
use super::request::Given;
use super::site::{Site, Surroundings};

const SITES: usize = 64;
const ENDPOINTS: usize = 8192;
const FOLDERS: usize = 16_384;
/// Parameters of all endpoints together.
const PARAMETERS: usize = 16_384;
/// Names of parameters, each with the endpoints that have it.
const NAMES: usize = 8192;
const KIN: usize = 6;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Memory {
    sites: Lru<Site>,
    endpoints: Lru<Endpoint>,
    /// Folders, and whether something lies in them itself.
    folders: Lru<bool>,
    names: Lru<[u64; KIN]>,
    parameters: u32,
    quarantine: Quarantine,
}

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    site: u64,
    path: &'a [u8],
    walked: Walked,
    method: u64,
    pub method_text: &'a [u8],
    status: u16,
    bytes: u64,
    /// Neither query nor body.
    pub is_plain: bool,
}

/// A deviation in words.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub reason: String,
    pub expected: String,
    pub observed: String,
}

impl Memory {
    pub(super) fn new() -> Memory {
        Memory {
            sites: Lru::new(SITES),
            endpoints: Lru::new(ENDPOINTS),
            folders: Lru::new(FOLDERS),
            names: Lru::new(NAMES),
            parameters: 0,
            quarantine: Quarantine::new(),
        }
    }

    /// Whether people called enough of a site normal.
    pub(super) fn is_vouched_for(&self, asked: &Asked<'_>) -> bool {
        self.sites.peek(asked.site).is_some_and(Site::is_vouched_for)
    }

    pub(super) fn endpoints(&self) -> usize {
        self.endpoints.len()
    }

    pub(super) fn ask<'a>(&self, event: &'a Event, web: &Web) -> Asked<'a> {
        let name = [web.domain, event.service].into_iter().find(|text| !text.is_empty());
        let site = name.map_or(1, |name| hash(event.text(name)));
        let target = event.text(web.target);
        let walked = path::walk(site, target, |_, _| {});
        let path = &target[..walked.end];
        Asked {
            site,
            path,
            walked,
            method: method(event.text(web.method)),
            method_text: event.text(web.method),
            status: web.status,
            bytes: web.bytes.unwrap_or(0),
            is_plain: path.len() == target.len() && web.body.is_empty(),
        }
    }

    /// Learns a request without parameters where nothing of it is new. False where something is, or may be.
    #[inline]
    pub(super) fn learn_expected(&mut self, asked: &Asked<'_>, web: &Web, at: Timestamp, who: Who, generation: Duration) -> bool {
        let Some(endpoint) = self.endpoints.get(asked.walked.key) else { return false };
        if !endpoint.expects(asked.method, web) {
            return false;
        }
        endpoint.answers.learn(web);
        endpoint.learn(asked.method, &[], who, |_| false);
        endpoint.age(at, generation);
        let times = endpoint.requests;
        let site = self.sites.get_or_insert_with(asked.site, Site::new).0;
        site.learn(times);
        if who.trusted {
            site.vouch();
        }
        true
    }

    /// Judges a request. Answers whether a value has signs that payloads have, in a parameter that never had them.
    pub(super) fn judge(&self, asked: &Asked<'_>, given: &[Given<'_>], status: u16, out: &mut Vec<Deviation>) -> bool {
        let Some(site) = self.sites.peek(asked.site) else {
            return given.iter().any(|given| given.form().has_syntax());
        };
        let mut syntax = false;
        let mut value = |parameter: Option<&Parameter>, given: &Given<'_>| {
            if parameter.is_some_and(|parameter| parameter.expects(given)) {
                return None;
            }
            syntax |= given.form().has_syntax();
            self.judge_value(site, parameter, given)
        };
        match self.endpoints.peek(asked.walked.key) {
            Some(endpoint) => endpoint.judge(asked.method, given, &mut value, out),
            None => {
                let last = asked.path.get(asked.walked.last..).unwrap_or_default();
                out.extend(site.judge(last, self.surroundings(site, asked), status, asked.walked.key));
                let about = |(at, one): (usize, &Given<'_>)| Some(Deviation { given: Some(at), ..value(None, one)? });
                out.extend(given.iter().enumerate().filter_map(about));
            }
        }
        out.retain(|deviation| deviation.evidence < NEW || !self.quarantine.has_served(item(asked, deviation, given)));
        syntax
    }

    /// Judges what a request was answered.
    pub(super) fn judge_answer(&self, asked: &Asked<'_>, web: &Web, out: &mut Vec<Deviation>) {
        if let Some(endpoint) = self.endpoints.peek(asked.walked.key) {
            endpoint.answers.judge(web, out);
        }
    }

    /// Learns what a request was answered, where it is for an endpoint that is known.
    pub(super) fn learn_answer(&mut self, asked: &Asked<'_>, web: &Web) {
        if let Some(endpoint) = self.endpoints.get(asked.walked.key) {
            endpoint.answers.learn(web);
        }
    }

    fn judge_value(&self, site: &Site, parameter: Option<&Parameter>, given: &Given<'_>) -> Option<Deviation> {
        let endpoints = self.names.peek(given.key).copied().unwrap_or_default();
        let others = endpoints.iter().filter_map(|key| self.endpoints.peek(*key)?.parameter(given.key));
        let mut kin: Vec<&Parameter> = others.filter(|other| parameter.is_none_or(|own| !std::ptr::eq(own, *other))).collect();
        match parameter {
            Some(own) => own.judge(given, &kin, &site.backing()),
            None if kin.is_empty() => Parameter::new(given).judge(given, &[], &site.backing()),
            None => {
                let first = kin.remove(0);
                first.judge(given, &kin, &site.backing()).filter(|found| found.check != Check::Value)
            }
        }
    }

    /// What is around a path that is not known.
    fn surroundings(&self, site: &Site, asked: &Asked<'_>) -> Surroundings {
        let mut around = Surroundings::default();
        let mut start = 0;
        path::walk(asked.site, asked.path, |folder, end| {
            let segment = &asked.path[start.min(end)..end];
            // The path goes on behind what looks like a file, and no folder does.
            around.of_file |= self.folders.peek(folder).is_none() && site.has_files(path::extension(segment));
            around.top |= start == 1 && self.folders.peek(folder).is_some();
            start = end + 1;
        });
        let extension = path::extension(asked.path.get(asked.walked.last..).unwrap_or_default());
        let original = &asked.path[..asked.path.len().saturating_sub(extension.len())];
        if !extension.is_empty() && original.len() > 1 {
            around.of_file |= self.endpoints.peek(path::walk(asked.site, original, |_, _| {}).key).is_some();
        }
        // At the top nearly everything is new that is looked for blindly; elsewhere a known folder is enough.
        let direct = self.folders.peek(asked.walked.folder).copied();
        around.folder = if around.top { direct.is_some() } else { direct == Some(true) };
        around
    }

    /// Puts what is new into quarantine. True where all of it has served already.
    pub(super) fn detain(
        &mut self,
        asked: &Asked<'_>,
        given: &[Given<'_>],
        deviations: &[Deviation],
        at: Timestamp,
        client: u64,
    ) -> bool {
        let mut items: Vec<u64> = Vec::new();
        items.extend(deviations.iter().filter(|deviation| deviation.evidence >= NEW).map(|deviation| item(asked, deviation, given)));
        if items.is_empty() {
            let syntax = given.iter().filter(|given| given.form().has_syntax());
            // Wherever on the site a parameter of that name stands.
            items.extend(syntax.map(|given| asked.site ^ given.key.rotate_left(7) ^ given.form().marks[0].rotate_left(13)));
        }
        let served = items.iter().all(|&item| self.quarantine.has_served(item));
        items.iter().for_each(|&item| self.quarantine.see(item, client, at));
        served
    }

    pub(super) fn learn(&mut self, asked: &Asked<'_>, given: &[Given<'_>], at: Timestamp, who: Who, generation: Duration) {
        let key = asked.walked.key;
        if self.endpoints.peek(key).is_none() {
            self.begin(asked, at);
        }
        let site = self.sites.get_or_insert_with(asked.site, Site::new).0;
        let Some(endpoint) = self.endpoints.get(key) else { return };
        let (names, parameters) = (&mut self.names, &mut self.parameters);
        let grown = endpoint.learn(asked.method, given, who, |name| {
            let room = (*parameters as usize) < PARAMETERS;
            if room {
                *parameters += 1;
                let (kin, _) = names.get_or_insert_with(name, Default::default);
                if !kin.contains(&key) {
                    kin.rotate_right(1);
                    kin[0] = key;
                }
            }
            room
        });
        *parameters = parameters.saturating_sub(endpoint.age(at, generation) as u32);
        site.learn(endpoint.requests);
        site.grow(grown);
        if who.trusted {
            site.vouch();
        }
        given.iter().for_each(|given| site.learn_value(given));
    }

    /// Makes room for an endpoint, and makes its folders known.
    fn begin(&mut self, asked: &Asked<'_>, at: Timestamp) {
        let site = self.sites.get_or_insert_with(asked.site, Site::new).0;
        if self.endpoints.len() >= ENDPOINTS
            && let Some((_, oldest)) = self.endpoints.oldest()
        {
            site.forget(oldest.requests);
            self.parameters = self.parameters.saturating_sub(oldest.parameters.len() as u32);
        }
        let extension = path::extension(asked.path.get(asked.walked.last..).unwrap_or_default());
        site.learn_extension(extension);
        self.endpoints.get_or_insert_with(asked.walked.key, || Endpoint::new(at));
        let folders = &mut self.folders;
        path::walk(asked.site, asked.path, |folder, _| {
            folders.get_or_insert_with(folder, || false);
        });
        if let Some(direct) = folders.get(asked.walked.folder) {
            *direct = true;
        }
    }

    /// A deviation in words.
    pub(super) fn tell(&self, deviation: &Deviation, asked: &Asked<'_>, given: &[Given<'_>]) -> Told {
        let endpoint = self.endpoints.peek(asked.walked.key);
        let parameter = endpoint.zip(deviation.parameter).and_then(|(endpoint, at)| endpoint.parameters.get(at));
        let one = deviation.given.and_then(|at| given.get(at));
        let path = printable(asked.path).within(120).to_string();
        let name = one.map_or_else(String::new, |one| printable(one.name).within(64).to_string());
        let requests = endpoint.map_or(0, |endpoint| endpoint.requests);
        let site = || self.sites.peek(asked.site);
        let (what, expected, observed) = match deviation.check {
            Check::Path | Check::PathOfFile | Check::Extension => {
                let what = match deviation.check {
                    Check::PathOfFile => format!("path {path} is a known file with something behind it"),
                    Check::Extension => format!("path {path} is of a kind that this site never had"),
                    _ => format!("path {path} was never seen before"),
                };
                (what, site().map(Site::expected).unwrap_or_default(), path)
            }
            Check::Method => {
                let method = printable(asked.method_text).within(20).to_string();
                (format!("method {method} was never used for {path}"), format!("a method of its {requests} requests"), method)
            }
            Check::Unexpected => {
                (format!("parameter '{name}' was never given to {path}"), format!("one of the parameters of {requests} requests"), name)
            }
            Check::Missing => {
                let name = parameter.map_or("", |parameter| &parameter.name);
                let seen = parameter.map_or(0, |parameter| parameter.present);
                (format!("parameter '{name}' of {path} is missing"), format!("'{name}', which {seen} requests had"), "none".to_owned())
            }
            Check::Status => {
                let expected = endpoint.map(|endpoint| endpoint.answers.expected_status()).unwrap_or_default();
                (format!("{path} is answered with another status than usual"), expected, asked.status.to_string())
            }
            Check::Size => {
                let expected = endpoint.map(|endpoint| endpoint.answers.expected_size()).unwrap_or_default();
                (format!("{path} is answered with a page of another size than usual"), expected, format!("{} bytes", asked.bytes))
            }
            Check::Bare => (format!("{path} is asked for without parameters"), format!("those of {requests} requests"), "none".to_owned()),
            check => {
                let value = one.map_or_else(String::new, |one| shown(one.value));
                let expected = match (parameter, check) {
                    (_, Check::SiteCharacters) | (None, _) => {
                        format!("characters that parameters of this site have had in {} requests", site().map_or(0, Site::requests))
                    }
                    (Some(parameter), check) => parameter.expected(check),
                };
                (format!("parameter '{name}' of {path} is {}", how(check)), expected, value)
            }
        };
        let reason = format!("{what}: expected {expected}; observed {observed}");
        Told { reason, expected, observed }
    }
}

fn how(check: Check) -> &'static str {
    match check {
        Check::Value => "none of its values",
        Check::Characters | Check::SiteCharacters => "made of other characters",
        Check::Neighbours => "put together in another way",
        Check::Shape => "of another shape",
        _ => "too long",
    }
}

/// What is new about a deviation, to be known again.
fn item(asked: &Asked<'_>, deviation: &Deviation, given: &[Given<'_>]) -> u64 {
    let name = deviation.given.and_then(|at| given.get(at)).map_or(0, |given| given.key);
    let parts = [asked.walked.key, deviation.check as u64, name, deviation.item];
    parts.iter().fold(0, |hash: u64, part| (hash ^ part).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31))
}

