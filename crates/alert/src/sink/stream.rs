use std::io::Write;
use std::time::Duration;

use lapwing_model::Anomaly;

use super::{Failure, Sink, json_line};

/// Writes alerts as lines of JSON into anything that takes bytes: the console.
pub struct Stream<W> {
    name: &'static str,
    out: W,
}

impl<W> std::fmt::Debug for Stream<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<W: Write + Send> Stream<W> {
    pub const fn new(name: &'static str, out: W) -> Self {
        Stream { name, out }
    }
}

impl<W: Write + Send> Sink for Stream<W> {
    fn name(&self) -> &str {
        self.name
    }

    fn send(&mut self, anomaly: &Anomaly) -> Result<(), Failure> {
        let written = self.out.write_all(json_line(anomaly).as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|error| match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::Final(format!("cannot write alerts to the {}: {error}", self.name)),
            _ => Failure::Passing {
                after: Duration::from_secs(1),
                cause: format!("cannot write alerts to the {}: {error}", self.name),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::tests::anomaly;

    #[test]
    fn writes_one_line_an_alert() {
        let mut out = Vec::new();
        let mut sink = Stream::new("console", &mut out);
        sink.send(&anomaly("a")).expect("memory takes all");
        sink.send(&anomaly("b")).expect("memory takes all");
        assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 2);
    }
}
