//! What is known of a whole site: how closed the set of its paths is, what its files and folders are, which characters its
//! parameters have.

use lapwing_learn::{ClosedSet, Coverage, surprise};
use serde::{Deserialize, Serialize};

use super::deviation::{Check, Deviation, MODEST};
use super::parameter::Backing;
use super::path;
use super::request::Given;

/// Requests below which a site says nothing of paths it does not know.
const LEAST: u32 = 200;

/// Surprise of a new path below which the set of paths is open: one in thirty requests asks for a new one.
const CLOSED: f32 = 3.4;

/// Parameters of a site that must be well known before it says anything of the characters of those that are not.
const GROWN: u32 = 16;

/// Kinds of files up to which they are a closed set.
const EXTENSIONS: u16 = 48;

/// What a kind of file that the site never had adds, where it is one that pages are made of, and where not; a new folder,
/// and one at the top; and what has the name of a known file with something behind it.
const COMMON_FILE: f32 = 1.0;
const OTHER_FILE: f32 = 4.0;
const NEW_FOLDER: f32 = 1.0;
const NEW_TOP: f32 = 2.5;
const OF_FILE: f32 = 4.0;

/// What is left of it where it was refused: it is not there, and somebody was told so. Who asks for many such is another matter.
const REFUSED: f32 = 0.5;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Site {
    requests: u32,
    /// Endpoints that are remembered, and those of them that were asked for once.
    endpoints: u32,
    once: u32,
    extensions: ClosedSet,
    /// Of all values of all parameters.
    characters: Coverage,
    /// Parameters that were seen often enough to speak.
    grown: u32,
    /// Requests that people called normal.
    vouched: u32,
}

/// What is known of the surroundings of a path that is not known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Surroundings {
    pub folder: bool,
    /// Its first folder is known.
    pub top: bool,
    /// The path goes through a known file, or is one with something behind it.
    pub of_file: bool,
}

impl Site {
    pub(super) fn new() -> Site {
        Site { requests: 0, endpoints: 0, once: 0, extensions: ClosedSet::new(EXTENSIONS), characters: Coverage::default(), grown: 0, vouched: 0 }
    }

    /// Learns a request of an endpoint that now has been asked for `times`.
    #[inline]
    pub(super) fn learn(&mut self, times: u32) {
        self.requests = self.requests.saturating_add(1);
        match times {
            1 => {
                self.endpoints += 1;
                self.once += 1;
            }
            2 => self.once = self.once.saturating_sub(1),
            _ => {}
        }
        if self.requests >= 1 << 24 {
            self.requests /= 2;
        }
    }

    pub(super) fn learn_extension(&mut self, extension: &[u8]) {
        self.extensions.learn(key(extension));
    }

    /// Once its parameters are well known, one value in eight is enough to go on.
    #[inline]
    pub(super) fn learn_value(&mut self, given: &Given<'_>) {
        if self.characters.samples() < 4096 || given.identity & 7 == 0 {
            self.characters.learn(&given.form().marks);
        }
    }

    /// So many more parameters are well known.
    pub(super) fn grow(&mut self, parameters: u32) {
        self.grown = self.grown.saturating_add(parameters);
    }

    /// People called a request normal.
    pub(super) fn vouch(&mut self) {
        self.vouched = self.vouched.saturating_add(1);
    }

    /// Whether people called enough of it normal.
    pub(super) fn is_vouched_for(&self) -> bool {
        self.vouched >= LEAST
    }

    /// What it adds to what its parameters know.
    pub(super) fn backing(&self) -> Backing<'_> {
        Backing { characters: (self.grown >= GROWN).then_some(&self.characters), vouched: self.is_vouched_for() }
    }

    /// Whether a kind of files is known.
    pub(super) fn has_files(&self, extension: &[u8]) -> bool {
        !extension.is_empty() && self.extensions.has(key(extension))
    }

    /// An endpoint was forgotten, which had been asked for `times`.
    pub(super) fn forget(&mut self, times: u32) {
        self.endpoints = self.endpoints.saturating_sub(1);
        self.once = self.once.saturating_sub(u32::from(times == 1));
    }

    /// Judges a path that is not known.
    pub(super) fn judge(&self, last: &[u8], around: Surroundings, status: u16, item: u64) -> Option<Deviation> {
        if self.requests < LEAST {
            return None;
        }
        let mut evidence = surprise(self.requests, self.endpoints, self.once, 0.0);
        if evidence < CLOSED {
            return None;
        }
        let mut check = Check::Path;
        let extension = path::extension(last);
        if !around.folder {
            evidence += if around.top { NEW_FOLDER } else { NEW_TOP };
        }
        if !self.extensions.has(key(extension)) {
            check = Check::Extension;
            evidence += if path::is_common(extension) { COMMON_FILE } else { OTHER_FILE };
        }
        if around.of_file {
            check = Check::PathOfFile;
            evidence += OF_FILE;
        } else if around.top && path::is_common(extension) {
            // Another picture or style sheet, wherever it lies.
            evidence = evidence.min(MODEST);
        }
        if status >= 400 {
            evidence = (evidence * REFUSED).min(MODEST);
        }
        Some(Deviation { check, evidence, item, given: None, parameter: None })
    }

    /// What was expected of a path, for people.
    pub(super) fn expected(&self) -> String {
        let share = 100.0 * f64::from(self.once) / f64::from(self.requests.max(1));
        format!("one of {} known paths; {share:.1} % of {} requests asked for a new one", self.endpoints, self.requests)
    }

    pub(super) fn requests(&self) -> u32 {
        self.requests
    }
}

fn key(extension: &[u8]) -> u64 {
    lapwing_model::hash(&extension.to_ascii_lowercase())
}
