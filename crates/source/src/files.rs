//! Files that are read once, from beginning to end: plain, gzip or zstd, and standard input.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use lapwing_model::{Origin, Position, Reading, Record, Timestamp};

use crate::columns::Heading;
use crate::counters::{Tally, loss};
use crate::find::{Input, find};
use crate::lines::{self, Framer, Line};
use crate::multiline::Joiner;
use crate::unpack::unpack;
use crate::{BLOCK, BLOCK_BYTES, Block, SourceError};

/// How much is cut into lines at once, in bytes.
const CHUNK: usize = 256 << 10;

/// How many chunks are kept to be used again: a little more than the records that are on their way through the pipeline.
const CHUNKS: usize = 24;

/// How to read files.
#[derive(Debug, Clone)]
pub struct Reader {
    /// What people said about the records; what is not said is found out.
    pub reading: Reading,
    /// The longest line that is kept whole, in bytes.
    pub max_line: usize,
    /// Joins stack traces to the line before them.
    pub multiline: bool,
    /// Stamps records of standard input; those of files are stamped with the time of the file's last change.
    pub clock: fn() -> Timestamp,
}

impl Reader {
    #[must_use]
    pub fn new(clock: fn() -> Timestamp) -> Reader {
        Reader { reading: Reading::default(), max_line: lines::MAX_LINE, multiline: true, clock }
    }

    /// Finds the files that the patterns mean (`-` is standard input) and makes sure that each can be opened.
    ///
    /// # Errors
    /// Where a pattern matches nothing or is a directory, and where a file can not be opened.
    pub fn open(&self, patterns: &[String]) -> Result<Files, SourceError> {
        let inputs = find(patterns)?;
        let sizes: Vec<Option<u64>> = inputs.iter().map(size).collect::<Result<_, _>>()?;
        Ok(Files {
            reader: self.clone(),
            names: inputs.iter().map(name).collect(),
            total: sizes.into_iter().sum(),
            inputs: inputs.into(),
            current: None,
            chunks: Chunks::default(),
            progress: Arc::default(),
            tally: Arc::default(),
        })
    }
}

fn name(input: &Input) -> Box<str> {
    match input {
        Input::File(path) => path.to_string_lossy().into(),
        Input::Stdin => "stdin".into(),
    }
}

/// In bytes, for those that have one. Pipes are not opened here: that can be done only once.
fn size(input: &Input) -> Result<Option<u64>, SourceError> {
    let Input::File(path) = input else { return Ok(None) };
    let metadata = path.metadata().map_err(|cause| unreadable(path, cause))?;
    if !metadata.is_file() {
        return Ok(None);
    }
    File::open(path).map_err(|cause| unreadable(path, cause))?;
    Ok(Some(metadata.len()))
}

fn unreadable(path: &Path, cause: io::Error) -> SourceError {
    SourceError::Read { name: path.to_string_lossy().into(), cause }
}

/// The records of files, as blocks in order. A file that turns out to be broken gives an error after what could be read of
/// it, and the next file follows.
pub struct Files {
    reader: Reader,
    names: Vec<Box<str>>,
    inputs: VecDeque<Input>,
    current: Option<Stream>,
    chunks: Chunks,
    total: Option<u64>,
    progress: Arc<AtomicU64>,
    tally: Arc<Tally>,
}

impl Files {
    /// The names of what is read, in the order of reading.
    #[must_use]
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// How many bytes there are to read, as they lie on disk; nothing where that can not be known.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// How many bytes were read so far, as they lie on disk. For other threads to look at.
    #[must_use]
    pub fn progress(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.progress)
    }

    /// Records, bytes and losses so far.
    #[must_use]
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    fn next_stream(&mut self) -> Option<Result<Stream, SourceError>> {
        let input = self.inputs.pop_front()?;
        let origin = Origin::read_as(name(&input), self.reader.reading.clone());
        let opened = open(&input, &self.progress, self.reader.clock);
        Some(opened.map_err(|cause| SourceError::Read { name: name(&input), cause }).map(|(source, received)| Stream {
            source,
            received,
            origin,
            framer: Framer::new(self.reader.max_line),
            heading: Heading::default(),
            joiner: self.reader.multiline.then(Joiner::default),
            capture: None,
            ended: false,
            failed: None,
        }))
    }
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("names", &self.names).field("total", &self.total).finish_non_exhaustive()
    }
}

impl Iterator for Files {
    type Item = Result<Block, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.current.is_none() {
                match self.next_stream()? {
                    Ok(stream) => self.current = Some(stream),
                    Err(error) => return Some(Err(error)),
                }
            }
            let stream = self.current.as_mut()?;
            let records = stream.records(&mut self.chunks, &self.tally);
            if !records.is_empty() {
                return Some(Ok(Block { records, accepted: None, bookmark: None }));
            }
            if let Some(Stream { failed: Some(cause), origin, .. }) = self.current.take() {
                return Some(Err(SourceError::Read { name: origin.name.clone(), cause }));
            }
        }
    }
}

type Source = Box<dyn Read + Send>;

fn open(input: &Input, progress: &Arc<AtomicU64>, clock: fn() -> Timestamp) -> io::Result<(Source, Timestamp)> {
    let progress = Arc::clone(progress);
    match input {
        Input::File(path) => {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            let received = if metadata.is_file() { timestamp(metadata.modified()?) } else { clock() };
            Ok((unpack(Counting { inner: file, progress })?, received))
        }
        Input::Stdin => Ok((unpack(Counting { inner: io::stdin(), progress })?, clock())),
    }
}

fn timestamp(time: SystemTime) -> Timestamp {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => Timestamp::EPOCH + after,
        Err(before) => Timestamp::EPOCH - before.duration(),
    }
}

/// Counts what goes through it.
struct Counting<R> {
    inner: R,
    progress: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.progress.fetch_add(n as u64, Relaxed);
        Ok(n)
    }
}

/// One file while it is read.
struct Stream {
    source: Source,
    received: Timestamp,
    origin: Arc<Origin>,
    framer: Framer,
    heading: Heading,
    joiner: Option<Joiner>,
    /// It is no text but a file of captured packets.
    capture: Option<Pieces>,
    ended: bool,
    /// Why it ended early; told after what could be read.
    failed: Option<io::Error>,
}

impl Stream {
    /// A block of records; none at the end.
    fn records(&mut self, chunks: &mut Chunks, tally: &Tally) -> Vec<Record> {
        if self.capture.is_some() {
            return self.piece(chunks, tally).into_iter().collect();
        }
        let mut records = Vec::with_capacity(if self.ended { 0 } else { BLOCK });
        let (mut bytes, mut blank, mut headings) = (0, 0, 0);
        while records.len() < BLOCK && bytes < BLOCK_BYTES {
            let line = if self.ended { self.framer.finish() } else { self.framer.next_line() };
            let done = match line {
                Some(line) if line.body.is_empty() => {
                    blank += 1;
                    continue;
                }
                Some(line) if Heading::has(&line.body) => {
                    records.extend(self.joiner.as_mut().and_then(Joiner::flush).map(|held| self.record(held)));
                    self.heading.take(&line.body, &mut self.origin);
                    headings += 1;
                    // A block has one origin, and what comes next has another.
                    if records.is_empty() {
                        continue;
                    }
                    break;
                }
                Some(line) => self.join(line),
                None if self.ended => match self.joiner.as_mut().and_then(Joiner::flush) {
                    Some(last) => Some(last),
                    None => break,
                },
                None => {
                    self.read(chunks);
                    if self.capture.is_some() {
                        return self.piece(chunks, tally).into_iter().collect();
                    }
                    continue;
                }
            };
            if let Some(line) = done {
                bytes += line.body.len();
                records.push(self.record(line));
            }
        }
        tally.received(records.len(), bytes);
        tally.lost(loss::BLANK, blank);
        tally.lost(loss::HEADING, headings);
        tally.lost(loss::TOO_LONG, self.framer.take_too_long());
        records
    }

    fn join(&mut self, line: Line) -> Option<Line> {
        match &mut self.joiner {
            Some(joiner) => joiner.push(line),
            None => Some(line),
        }
    }

    fn record(&self, line: Line) -> Record {
        Record { body: line.body, origin: Arc::clone(&self.origin), position: line.position, received: self.received }
    }

    fn chunk(&mut self, chunks: &mut Chunks) -> Bytes {
        let (chunk, end) = chunks.fill(&mut self.source);
        match end {
            Ok(ended) => self.ended = ended,
            Err(cause) => {
                self.ended = true;
                self.failed = Some(cause);
            }
        }
        chunk
    }

    /// The next piece of a capture; an empty one at its end, and then none.
    fn piece(&mut self, chunks: &mut Chunks, tally: &Tally) -> Option<Record> {
        let first = self.capture.as_mut()?.first.take();
        let body = match first {
            Some(chunk) => chunk,
            None if self.ended => Bytes::new(),
            None => self.chunk(chunks),
        };
        let pieces = self.capture.as_mut().filter(|pieces| !pieces.over)?;
        pieces.over = body.is_empty();
        let position = Position { offset: pieces.offset, line: 0 };
        pieces.offset += body.len() as u64;
        tally.received(1, body.len());
        Some(self.record(Line { body, position, cut: false }))
    }

    fn read(&mut self, chunks: &mut Chunks) {
        let chunk = self.chunk(chunks);
        let first = self.framer.position().offset == 0 && self.framer.pending() == 0;
        if first && self.origin.reading.format.is_none() && is_capture(&chunk) {
            let reading = Reading { format: Some(Reading::CAPTURE.into()), ..self.origin.reading.clone() };
            self.origin = Origin::read_as(self.origin.name.clone(), reading);
            self.capture = Some(Pieces { first: Some(chunk), offset: 0, over: false });
            return;
        }
        let marked = first && chunk.starts_with(BYTE_ORDER_MARK);
        if marked {
            self.framer.skip(BYTE_ORDER_MARK.len() as u64);
        }
        self.framer.feed(if marked { chunk.slice(BYTE_ORDER_MARK.len()..) } else { chunk });
    }
}

/// Where in a capture its reader is.
struct Pieces {
    /// What showed that it is one.
    first: Option<Bytes>,
    offset: u64,
    /// Its end was told.
    over: bool,
}

/// Whether bytes are the beginning of a file of captured packets: pcap in either byte order, of micro- or nanoseconds
/// (draft-ietf-opsawg-pcap), or pcapng.
fn is_capture(head: &[u8]) -> bool {
    matches!(
        head,
        [0xa1, 0xb2, 0xc3, 0xd4, ..]
            | [0xd4, 0xc3, 0xb2, 0xa1, ..]
            | [0xa1, 0xb2, 0x3c, 0x4d, ..]
            | [0x4d, 0x3c, 0xb2, 0xa1, ..]
            | [0x0a, 0x0d, 0x0d, 0x0a, ..]
    )
}

/// What some programs put before UTF-8 text; no part of the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Buffers that are read into again once no record lies in them any more. Fresh memory for each would cost more than the
/// reading (the system zeroes it page by page).
#[derive(Default)]
struct Chunks {
    used: VecDeque<Bytes>,
}

impl Chunks {
    /// Reads a chunk full. Answers with it whether the end was reached, or what went wrong after the bytes that are there.
    fn fill(&mut self, source: &mut dyn Read) -> (Bytes, io::Result<bool>) {
        let mut buffer = self.take();
        let (n, end) = read_full(source, &mut buffer);
        let whole = buffer.freeze();
        let chunk = whole.slice(..n);
        if self.used.len() >= CHUNKS {
            self.used.pop_front();
        }
        self.used.push_back(whole);
        (chunk, end)
    }

    fn take(&mut self) -> BytesMut {
        match self.used.pop_front().map(Bytes::try_into_mut) {
            Some(Ok(buffer)) => return buffer,
            Some(Err(in_use)) => self.used.push_back(in_use),
            None => {}
        }
        BytesMut::zeroed(CHUNK)
    }
}

fn read_full(source: &mut dyn Read, buffer: &mut [u8]) -> (usize, io::Result<bool>) {
    let mut n = 0;
    while n < buffer.len() {
        match source.read(&mut buffer[n..]) {
            Ok(0) => return (n, Ok(true)),
            Ok(more) => n += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (n, Err(error)),
        }
    }
    (n, Ok(false))
}
