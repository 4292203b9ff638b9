//! Standard input as a live source: `tail -F app.log | lapwing run`.

use std::io::{self, Read};
use std::thread;

use bytes::Bytes;
use lapwing_model::{Origin, Reading};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::push::{self, Cutter, Ended, Feed, Shared, stopped};
use crate::{Built, Closed, Context, Source, SourceError, Task, lines};

pub(crate) const SUMMARY: &str = "lines from standard input";

/// How much is read at once, in bytes.
const READ: usize = 64 << 10;

/// `sources.stdin`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    /// The longest line that is kept whole, in bytes.
    pub max_line: usize,
    /// Joins stack traces to the line before them.
    pub multiline: bool,
    /// How to read what comes; what is not said is found out.
    pub reading: Reading,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: false, max_line: lines::MAX_LINE, multiline: true, reading: Reading::default() }
    }
}

pub(crate) fn build(settings: &Settings) -> Built {
    Ok(settings.enabled.then(|| Box::new(Stdin { settings: settings.clone(), input: Box::new(io::stdin()) }) as _))
}

struct Stdin {
    settings: Settings,
    input: Box<dyn Read + Send>,
}

impl Source for Stdin {
    fn name(&self) -> &'static str {
        "stdin"
    }

    fn run(self: Box<Self>, context: Context) -> Task {
        Box::pin(self.follow(context))
    }
}

impl Stdin {
    async fn follow(self, context: Context) -> Result<(), SourceError> {
        let tally = context.counters.source("stdin", &push::LOSSES);
        let origin = Origin::read_as("stdin", self.settings.reading);
        let lines = Cutter::Lines(lines::Framer::new(self.settings.max_line));
        let mut feed = Feed::new(Shared::new(&context, origin, tally), lines, self.settings.multiline);
        let (sender, mut chunks) = mpsc::channel(4);
        // A thread of its own, which nobody waits for: a read of a terminal can not be called off, and tokio's own reader
        // would keep the runtime from ending.
        let reader = thread::Builder::new().name("stdin".into()).spawn(move || read(self.input, &sender));
        reader.map_err(|cause| SourceError::Read { name: "standard input".into(), cause })?;
        pump(&mut feed, &mut chunks, context).await.unwrap_or(Ok(()))
    }
}

type Chunk = io::Result<Bytes>;

/// Reads until the end, an error, or until nobody listens.
fn read(mut input: Box<dyn Read + Send>, chunks: &mpsc::Sender<Chunk>) {
    let mut buffer = vec![0; READ];
    loop {
        let chunk = match input.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => Ok(Bytes::copy_from_slice(&buffer[..n])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = chunk.is_err();
        if chunks.blocking_send(chunk).is_err() || failed {
            return;
        }
    }
}

async fn pump(feed: &mut Feed, chunks: &mut mpsc::Receiver<Chunk>, context: Context) -> Result<Result<(), SourceError>, Closed> {
    let mut stop = context.stop;
    loop {
        let due = feed.due();
        let result = tokio::select! {
            biased;
            () = stopped(&mut stop) => Ok(()),
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                counted(feed.tick().await)?;
                continue;
            }
            chunk = chunks.recv() => match chunk {
                Some(Ok(chunk)) => {
                    counted(feed.feed(chunk).await)?;
                    continue;
                }
                Some(Err(cause)) => Err(SourceError::Read { name: "standard input".into(), cause }),
                None => Ok(()),
            },
        };
        while let Ok(Ok(chunk)) = chunks.try_recv() {
            counted(feed.feed(chunk).await)?;
        }
        counted(feed.finish().await)?;
        return Ok(result);
    }
}

/// There is nobody to tell that the journal refused something; it is counted, and the next lines may fare better.
fn counted(result: Result<(), Ended>) -> Result<(), Closed> {
    match result {
        Err(Ended::Closed) => Err(Closed),
        Ok(()) | Err(Ended::Refused | Ended::Foreign) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lapwing_model::Timestamp;
    use tokio::sync::watch;

    use super::*;
    use crate::{Bookmarks, Counters};

    #[tokio::test]
    async fn gives_every_line_also_the_last_without_newline() {
        let (intake, mut blocks) = crate::intake(16);
        let (_stop, stop) = watch::channel(false);
        let counters = Arc::new(Counters::default());
        let clock = || Timestamp::from_seconds(7);
        let context = Context { intake, stop, clock, bookmarks: Bookmarks::new(), counters: Arc::clone(&counters) };
        let input: String = (1..=3_000).map(|i| format!("line {i}\n\n")).chain(["\tand more".to_owned()]).collect();
        let stdin = Stdin { settings: Settings::default(), input: Box::new(io::Cursor::new(input)) };
        let task = tokio::spawn(Box::new(stdin).run(context));
        let mut records = Vec::new();
        while let Some(mut block) = blocks.recv().await {
            assert!(block.records.len() <= crate::BLOCK);
            records.append(&mut block.records);
            block.accepted.unwrap().send(Ok(())).unwrap();
        }
        task.await.unwrap().unwrap();
        assert_eq!(records.len(), 3_000);
        assert_eq!(records[2_999].body, "line 3000\n\tand more");
        assert!(records.iter().zip(1..).all(|(record, number)| record.position.line == number));
        assert_eq!(records[0].position.offset, 7_000_000_000);
        assert_eq!(counters.source("stdin", &[]).loss("blank"), 3_000);
    }
}
