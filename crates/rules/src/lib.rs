//! A Sigma engine: reads rules, compiles them, matches events, correlates matches over time.
//!
//! It depends on nothing of Lapwing and knows no log format: whoever uses it hands in events through the trait [`Fields`].
//!
//! 1. [`parse`] reads the YAML of a file into [`Rule`]s. Every error has a line and a column, and one broken document does
//!    not hide the others.
//! 2. [`RuleSet::compile`] makes one automaton per field of all the literals of all rules. [`check()`] warns of what is allowed
//!    but probably not meant.
//!    [`RuleSet::compile_for`] routes as well: a rule is asked about events of its log source only.
//! 3. [`RuleSet::matches`] names the detections that hold of an event, without allocating.
//! 4. [`Correlations`] counts what matched, per group and time window, in bounded memory and by the events' own time.
//!
//! Semantics are those of the Sigma rules specification 2.1: text compares without regard to (ASCII) case, `*` and `?` are
//! wildcards, a list is a disjunction, a map is a conjunction, a keyword is looked for everywhere. Filters (documents with
//! `filter`) narrow the rules that they name, and collections (`action: global`) are understood. Top-level keys that Sigma
//! does not know are kept ([`Rule::extra`]); three of them mean something here: `class`, `entity` and `tests`.
//!
//! ```
//! use lapwing_rules::{Fields, RuleSet, Scratch, Value, parse};
//!
//! struct Event<'a> { path: &'a str }
//! impl Fields for Event<'_> {
//!     fn get(&self, _field: usize) -> Value<'_> { Value::from(self.path) } // the rule asks for one field only
//! }
//!
//! let yaml = "title: Traversal\nlevel: high\ndetection:\n  dots:\n    url.path|contains: '../'\n  condition: dots\n";
//! let (rules, errors) = parse("traversal.yml", yaml);
//! let (set, more) = RuleSet::compile(rules);
//! assert!(errors.is_empty() && more.is_empty() && set.fields() == ["url.path"]);
//!
//! let (mut scratch, mut found) = (Scratch::new(), Vec::new());
//! set.matches(&mut scratch, &Event { path: "/../../etc/passwd" }, &mut found);
//! assert_eq!(set.rules()[found[0]].title, "Traversal");
//! ```

mod check;
mod condition;
mod correlation;
mod date;
mod encode;
mod error;
mod explain;
mod filters;
mod matcher;
mod modifier;
mod names;
mod pattern;
mod plan;
mod rule;
mod syntax;
mod value;
mod yaml;

pub use check::check;
pub use condition::Condition;
pub use correlation::{Correlations, Counters, Fired, Limits, LoadError};
pub use date::TimePart;
pub use error::{Position, RuleError, did_you_mean};
pub use explain::{Line, explain};
pub use matcher::{RuleSet, Scratch};
pub use modifier::Placeholders;
pub use pattern::{Pattern, Piece};
pub use rule::{
    Alias, Body, Comparison, Correlation, CorrelationKind, Criteria, Detection, Filter, Item, Level, LogSource, Network,
    Reference, RegexSource, Relation, Rule, Selection, Status, Test, Tests,
};
pub use syntax::{parse, parse_with};
pub use value::{Fields, KEYWORDS, Value};
pub use yaml::{Entry, Kind, Node, Scalar};
