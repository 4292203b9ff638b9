//! Inspection of HTTP requests: values of a request in, hits out.
//!
//! Each value is decoded as often as an attacker may have encoded it and read as the databases, shells, file systems and browsers
//! behind the server would read it ([`View`]). One automaton over the literals of all rules tells which rules are worth a try, and
//! one regex each confirms it. Everything is linear in the length of the value, which is bounded. Rules are data: see
//! `signatures/*.yml`.

mod body;
pub mod decode;
mod examples;
mod fault;
mod inspector;
mod literals;
pub mod marks;
mod place;
mod recent;
mod rule;
mod rules;
mod split;
mod tokens;
mod verdict;
mod views;

pub use examples::{Broken, broken};
pub use fault::Fault;
pub use inspector::{Hit, Inspector};
pub use place::Place;
pub use recent::Recent;
pub use rule::Rule;
pub use rules::Rules;
pub use verdict::{ALERT, Found, conclude};
pub use views::View;

/// Whether a YAML file is one of these rules, rather than of Sigma's: it has a list of rules at its top.
#[must_use]
pub fn is_rule_file(text: &str) -> bool {
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    has("rules:") && !["title:", "detection:", "correlation:", "filter:"].into_iter().any(has)
}

/// The rules that ship with this crate: file name and text.
pub const BUILTIN: &[(&str, &str)] = &[
    ("backdoor.yml", include_str!("../../../signatures/backdoor.yml")),
    ("code-injection.yml", include_str!("../../../signatures/code-injection.yml")),
    ("command-injection.yml", include_str!("../../../signatures/command-injection.yml")),
    ("crlf.yml", include_str!("../../../signatures/crlf.yml")),
    ("exploit.yml", include_str!("../../../signatures/exploit.yml")),
    ("file-inclusion.yml", include_str!("../../../signatures/file-inclusion.yml")),
    ("ldap-injection.yml", include_str!("../../../signatures/ldap-injection.yml")),
    ("log4shell.yml", include_str!("../../../signatures/log4shell.yml")),
    ("nosql-injection.yml", include_str!("../../../signatures/nosql-injection.yml")),
    ("open-redirect.yml", include_str!("../../../signatures/open-redirect.yml")),
    ("path-traversal.yml", include_str!("../../../signatures/path-traversal.yml")),
    ("protocol.yml", include_str!("../../../signatures/protocol.yml")),
    ("scanner.yml", include_str!("../../../signatures/scanner.yml")),
    ("sensitive-file.yml", include_str!("../../../signatures/sensitive-file.yml")),
    ("sql-injection.yml", include_str!("../../../signatures/sql-injection.yml")),
    ("ssi.yml", include_str!("../../../signatures/ssi.yml")),
    ("ssrf.yml", include_str!("../../../signatures/ssrf.yml")),
    ("template-injection.yml", include_str!("../../../signatures/template-injection.yml")),
    ("xss-words.yml", include_str!("../../../signatures/xss-words.yml")),
    ("xss.yml", include_str!("../../../signatures/xss.yml")),
    ("xxe.yml", include_str!("../../../signatures/xxe.yml")),
];
