//! From what people type to the files they mean, with errors that help.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::SourceError;

/// What is to be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Input {
    File(PathBuf),
    Stdin,
}

/// The files that the patterns mean, each once: by name, but of rotated files the oldest first, standard input last.
pub(crate) fn find(patterns: &[String]) -> Result<Vec<Input>, SourceError> {
    if patterns.is_empty() {
        return Err(SourceError::Input(
            "nothing to read: name a file, a pattern such as 'logs/*.log', or - for standard input".into(),
        ));
    }
    let mut files = BTreeSet::new();
    for pattern in patterns.iter().filter(|pattern| *pattern != "-") {
        files.extend(matches(pattern)?);
    }
    let mut files: Vec<PathBuf> = files.into_iter().collect();
    files.sort_by_cached_key(|path| age(path));
    let stdin = patterns.iter().any(|pattern| pattern == "-").then_some(Input::Stdin);
    Ok(files.into_iter().map(Input::File).chain(stdin).collect())
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>, SourceError> {
    let path = Path::new(pattern);
    if path.is_dir() {
        let glob = path.join("*");
        return Err(SourceError::Input(format!("'{pattern}' is a directory; use a pattern such as '{}'", glob.display())));
    }
    if path.exists() {
        return Ok(vec![path.to_owned()]);
    }
    if !pattern.contains(['*', '?', '[']) {
        return Err(SourceError::Input(format!("cannot read '{pattern}': no such file{}", suggestion(path))));
    }
    let paths = glob::glob(pattern).map_err(|error| {
        SourceError::Input(format!("'{pattern}' is no pattern: {} at character {}", error.msg, error.pos + 1))
    })?;
    let files: Vec<PathBuf> = paths.filter_map(Result::ok).filter(|path| !path.is_dir()).collect();
    if files.is_empty() {
        return Err(SourceError::Input(format!(
            "nothing matched '{pattern}': no file has such a name; see what is there with ls"
        )));
    }
    Ok(files)
}

/// `; did you mean ...?` where there is a file with nearly that name.
fn suggestion(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return format!("; there is no directory '{}'", folder.display());
    }
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    let near = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .map(|name| (strsim::jaro_winkler(&name, &wanted), name))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, name)) => format!("; did you mean '{}'?", path.with_file_name(name).display()),
        None => format!("; see what is there with ls '{}'", folder.display()),
    }
}

/// Sorts rotated files from the oldest to the one that is written now: `a.log-20240101`, `a.log.2.gz`, `a.log.1`, `a.log`.
pub(crate) fn age(path: &Path) -> (PathBuf, Reverse<u64>, PathBuf) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unpacked = [".gz", ".zst"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
    let rotated = unpacked
        .rsplit_once(['.', '-'])
        .filter(|(stem, number)| !stem.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
    let Some((stem, number)) = rotated else { return (path.with_file_name(unpacked), Reverse(0), path.to_owned()) };
    // A date counts upwards, a rotation number counts backwards.
    let order = match number.parse() {
        Ok(number) if number < 1_000_000 => Reverse(number),
        _ => Reverse(u64::MAX),
    };
    (path.with_file_name(stem), order, path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        folder
    }

    fn found(folder: &tempfile::TempDir, pattern: &str) -> Result<Vec<String>, String> {
        let pattern = folder.path().join(pattern).to_string_lossy().into_owned();
        let inputs = find(&[pattern.clone(), pattern]).map_err(|error| error.to_string())?;
        Ok(inputs
            .into_iter()
            .map(|input| match input {
                Input::File(path) => path.file_name().unwrap().to_string_lossy().into_owned(),
                Input::Stdin => "-".into(),
            })
            .collect())
    }

    #[test]
    fn rotated_files_come_oldest_first_and_each_file_once() {
        let folder = folder(&["b.log", "a.log", "a.log.1", "a.log.2.gz", "a.log.10.gz", "a.log-20240102", "a.log-20240101.gz"]);
        let expected = ["a.log-20240101.gz", "a.log-20240102", "a.log.10.gz", "a.log.2.gz", "a.log.1", "a.log", "b.log"];
        assert_eq!(found(&folder, "*.log*").unwrap(), expected);
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_near_one() {
        let folder = folder(&["access.log", "other.txt"]);
        let error = found(&folder, "acces.log").unwrap_err();
        assert!(error.contains("no such file; did you mean '") && error.contains("access.log'?"), "{error}");
        assert!(found(&folder, "missing/a.log").unwrap_err().contains("there is no directory"));
    }

    #[test]
    fn a_directory_and_an_empty_match_are_errors_that_say_what_to_do() {
        let folder = folder(&[]);
        assert!(found(&folder, "").unwrap_err().contains("is a directory; use a pattern such as"));
        assert!(found(&folder, "*.log").unwrap_err().starts_with("nothing matched"));
        assert!(find(&[]).is_err());
    }

    #[test]
    fn a_name_with_brackets_is_a_file_before_it_is_a_pattern() {
        let folder = folder(&["a[1].log"]);
        assert_eq!(found(&folder, "a[1].log").unwrap(), ["a[1].log"]);
    }
}
