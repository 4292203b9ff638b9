use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::time::Duration;

use lapwing_model::Anomaly;

use super::{Failure, Sink, json_line};

/// Appends alerts as lines of JSON to a file. The file is opened anew for each alert, so that it may be rotated or deleted
/// at any time; a line is written whole or not at all.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
}

impl File {
    /// # Errors
    /// Where the file cannot be opened for appending.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, String> {
        let file = File { path: path.into() };
        file.end_last_line().and_then(|()| file.append(&[])).map_err(|error| {
            format!("cannot append alerts to {}: {error}; choose another file with `alerts.file`", file.path.display())
        })?;
        Ok(file)
    }

    /// A crash may have cut the last line short: what follows must not become part of it.
    fn end_last_line(&self) -> std::io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut last = [b'\n'];
        match std::fs::File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
            Ok(mut file) if file.metadata()?.len() > 0 => {
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
            }
            Ok(_) => {}
        }
        if last == *b"\n" { Ok(()) } else { self.append(b"\n") }
    }

    fn append(&self, line: &[u8]) -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let before = file.metadata()?.len();
        file.write_all(line).inspect_err(|_| {
            // Half a line would spoil the next one too. Where even this fails, the caller's retry reports it.
            let _ = file.set_len(before);
        })
    }
}

impl Sink for File {
    fn name(&self) -> &str {
        "file"
    }

    fn send(&mut self, anomaly: &Anomaly) -> Result<(), Failure> {
        self.append(json_line(anomaly).as_bytes()).map_err(|error| {
            let cause = format!("cannot append alerts to {}: {error}", self.path.display());
            match error.kind() {
                ErrorKind::PermissionDenied | ErrorKind::IsADirectory | ErrorKind::ReadOnlyFilesystem => Failure::Final(cause),
                _ => Failure::Passing { after: Duration::from_secs(5), cause },
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::tests::anomaly;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("lapwing-alert-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn appends_and_survives_rotation() {
        let (path, rotated) = (scratch("alerts.json"), scratch("alerts.json.1"));
        let mut sink = File::open(&path).expect("a writable directory");
        sink.send(&anomaly("a")).expect("written");
        std::fs::rename(&path, &rotated).expect("renamed");
        sink.send(&anomaly("b")).expect("written to a new file");
        for file in [&path, &rotated] {
            assert_eq!(std::fs::read_to_string(file).expect("there").lines().count(), 1);
            let _ = std::fs::remove_file(file);
        }
    }

    #[test]
    fn a_line_that_a_crash_cut_short_does_not_spoil_the_next() {
        let path = scratch("torn.json");
        std::fs::write(&path, "{\"id\":\"00").expect("written");
        File::open(&path).and_then(|mut sink| sink.send(&anomaly("a")).map_err(|failure| failure.to_string())).expect("written");
        let text = std::fs::read_to_string(&path).expect("there");
        assert!(serde_json::from_str::<Anomaly>(text.lines().nth(1).unwrap_or_default()).is_ok(), "{text}");
        let _ = std::fs::remove_file(&path);
    }

    #[test]
    fn a_directory_in_its_place_is_a_clear_error() {
        let error = File::open(std::env::temp_dir()).expect_err("a directory cannot be appended to");
        assert!(error.contains("alerts.file"), "{error}");
    }
}
