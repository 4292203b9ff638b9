//! Rule collections of Sigma 1: `action: global` says what the documents behind it have in common.

use crate::error::{Problems, quoted};
use crate::yaml::{Entry, Kind, Node};

/// What the documents of a file that stand further up have left for those further down.
#[derive(Debug, Default)]
pub(super) struct Collection {
    global: Vec<Entry>,
    last: Vec<Entry>,
}

const ACTIONS: [&str; 3] = ["global", "reset", "repeat"];

impl Collection {
    /// Nothing where the document is no rule of its own; its entries with those of the collection, where there are such.
    pub(super) fn take(&mut self, own: &[Entry], problems: &mut Problems) -> Option<Option<Vec<Entry>>> {
        let Some(action) = own.iter().find(|entry| entry.key == "action") else {
            if self.global.is_empty() {
                // Kept only once somebody may repeat it: most files have one document and no collection.
                self.last.clear();
                return Some(None);
            }
            let merged = merged(&self.global, own);
            self.last.clone_from(&merged);
            return Some(Some(merged));
        };
        let rest: Vec<Entry> = own.iter().filter(|entry| entry.key != "action").cloned().collect();
        match action.value.scalar().map(|scalar| scalar.text.as_str()) {
            Some("global") => self.global = merged(&self.global, &rest),
            Some("reset") => *self = Collection::default(),
            Some("repeat") if self.last.is_empty() => {
                problems.add(action.position, "'action: repeat' needs a rule before it, behind an 'action: global'");
            }
            Some("repeat") => {
                self.last = merged(&self.last, &rest);
                return Some(Some(self.last.clone()));
            }
            Some(other) => problems.unknown(action.value.position, "action", other, ACTIONS),
            None => problems.add(action.value.position, format!("{} must be a single value", quoted("action"))),
        }
        None
    }
}

/// Maps are merged, everything else of `over` stands in place of what is in `under`.
fn merged(under: &[Entry], over: &[Entry]) -> Vec<Entry> {
    let mut entries = under.to_vec();
    for entry in over {
        match entries.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => match (&known.value.kind, &entry.value.kind) {
                (Kind::Map(below), Kind::Map(above)) => {
                    let kind = Kind::Map(merged(below, above));
                    known.value = Node { position: entry.value.position, kind };
                }
                _ => *known = entry.clone(),
            },
            None => entries.push(entry.clone()),
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use crate::syntax::parse;

    #[test]
    fn what_is_global_belongs_to_every_document_behind_it() {
        let yaml = "action: global\ntitle: t\nlevel: high\ndetection:\n  condition: s\n---\nname: a\ndetection:\n  s: {x: 1}\n---\n\
                    name: b\nlevel: low\ndetection:\n  s: {y: 1}\n---\naction: repeat\nname: c\n---\naction: reset\n---\nname: d\n";
        let (rules, errors) = parse("x.yml", yaml);
        let told: Vec<_> = rules.iter().map(|rule| (rule.name.as_deref().unwrap_or("?"), rule.level.name())).collect();
        assert_eq!(told, [("a", "high"), ("b", "low"), ("c", "low")]);
        assert_eq!(errors[0].to_string(), "x.yml:21:1: the rule has neither a detection nor a correlation");
    }

    #[test]
    fn an_action_that_does_not_exist_is_told_with_the_one_meant() {
        let (_, errors) = parse("x.yml", "action: globl\ntitle: t\n");
        assert_eq!(errors[0].to_string(), "x.yml:1:9: unknown action 'globl'; did you mean 'global'?");
    }
}
