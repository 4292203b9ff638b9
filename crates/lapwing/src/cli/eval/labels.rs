//! Labels: a CSV file that says of lines or sessions what they are.

use std::collections::HashMap;
use std::path::Path;

use super::{By, Failed};

/// What each line or session is.
#[derive(Debug)]
pub struct Labels {
    pub by: By,
    of: HashMap<String, Label>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub name: String,
    pub anomalous: bool,
}

const LINES: [&str; 4] = ["line", "lineid", "linenumber", "number"];
const SESSIONS: [&str; 6] = ["session", "sessionid", "blockid", "block", "traceid", "id"];
const LABELS: [&str; 6] = ["label", "anomalous", "anomaly", "isanomaly", "class", "attack"];
const ORDINARY: [&str; 10] = ["", "0", "-", "0.0", "false", "no", "normal", "norm", "benign", "ok"];

impl Labels {
    /// # Errors
    /// Where the file cannot be read, its header does not name what is needed, or a row has too few columns.
    pub fn read(path: &Path, by: Option<By>) -> Result<Labels, Failed> {
        let name = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failed::new(format!("cannot read the labels {name}: {error}; give a CSV file")))?;
        parse(&text, by).map_err(|(line, error)| Failed::new(format!("{name}:{line}: {error}")))
    }

    pub fn get(&self, id: &str) -> Option<&Label> {
        self.of.get(id)
    }

    pub fn ids(&self) -> impl Iterator<Item = &String> {
        self.of.keys()
    }

    pub fn anomalous_ids(&self) -> impl Iterator<Item = &String> {
        self.of.iter().filter(|(_, label)| label.anomalous).map(|(id, _)| id)
    }
}

fn parse(text: &str, by: Option<By>) -> Result<Labels, (usize, String)> {
    let mut lines = text.lines().enumerate();
    let header = lines.next().map(|(_, header)| fields(header)).unwrap_or_default();
    let names: Vec<String> = header.iter().map(|name| name.to_lowercase().replace(['_', ' ', '-'], "")).collect();
    let find = |known: &[&str]| known.iter().find_map(|known| names.iter().position(|name| name == known));
    let told = |by: By| find(if by == By::Line { &LINES } else { &SESSIONS }).map(|at| (by, at));
    let place = match by {
        Some(by) => told(by),
        None => told(By::Session).or_else(|| told(By::Line)),
    };
    let advice = "the header must name a column line or session, and a column label";
    let ((by, id), label) = place.zip(find(&LABELS)).ok_or_else(|| (1, advice.to_owned()))?;
    let mut of = HashMap::new();
    for (at, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let fields = fields(line);
        let (Some(id), Some(label)) = (fields.get(id), fields.get(label)) else {
            return Err((at + 1, format!("there are {} columns where the header names {}", fields.len(), names.len())));
        };
        let anomalous = !ORDINARY.contains(&label.to_lowercase().as_str());
        of.insert(id.clone(), Label { name: label.clone(), anomalous });
    }
    Ok(Labels { by, of })
}

/// The fields of a line of CSV (RFC 4180, without line breaks in quotes).
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field).trim().to_owned()),
            c => field.push(c),
        }
    }
    fields.push(field.trim().to_owned());
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_their_names_and_classes_kept() {
        let labels = parse("session,first_seen_unix,anomalous\nblk_1,12,0\nblk_2,13,1\n", None).expect("labels");
        assert_eq!(labels.by, By::Session);
        assert_eq!(labels.anomalous_ids().collect::<Vec<_>>(), ["blk_2"]);
        let labels = parse("LineId,Text,Label\r\n1,\"a, \"\"b\"\"\",-\r\n2,c,sqli\r\n", None).expect("labels");
        assert_eq!(labels.by, By::Line);
        assert_eq!(labels.get("2"), Some(&Label { name: "sqli".to_owned(), anomalous: true }));
        assert!(!labels.get("1").expect("labelled").anomalous);
    }

    #[test]
    fn what_cannot_be_understood_is_told_with_its_line() {
        assert!(parse("a,b\n1,2\n", None).is_err_and(|(line, error)| line == 1 && error.contains("must name a column")));
        assert!(parse("line,label\n1,0\n2\n", None).is_err_and(|(line, error)| line == 3 && error.contains("1 columns")));
        assert!(parse("line,label\n", Some(By::Session)).is_err());
        assert!(parse("", None).is_err());
    }
}
