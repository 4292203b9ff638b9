use lapwing_model::{Detail, Event, Log, Record, Text};

use crate::columns::{self, Columns};
use crate::line::Line;
use crate::names::Names;
use crate::session_key::{SessionKey, SessionKeys};
use crate::time::{LastDay, Zones};
use crate::{FORMATS, Format, keys, template, text};

/// What a line was read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Understood {
    /// A structured format, by its name: `combined`, `common`, `json`, `logfmt`, `syslog`...
    As(&'static str),
    /// Plain text: always possible.
    AsText,
    /// Something is wrong with it, named by the reason. An event of plain text was made all the same.
    Broken(&'static str),
}

/// What a format says of a line: its name if it read it, `None` if the line is none of its own (and the event untouched),
/// or why it could not read a line that looks like its own.
pub type Outcome = Result<Option<&'static str>, &'static str>;

/// What the readers of formats share: buffers, and what was last asked for. Nothing here changes what is read.
#[derive(Debug, Default)]
pub struct Tools {
    pub(crate) zones: Zones,
    pub(crate) last_day: LastDay,
    pub(crate) names: Names,
    /// The dotted name of the nested object that is being read.
    pub(crate) path: Vec<u8>,
    /// What the heading above the lines says of their columns.
    pub(crate) columns: Columns,
    /// A line that is wrapped in another.
    pub(crate) inner: Vec<u8>,
    pub(crate) wrapped: bool,
}

/// Turns records into events. Each worker has its own; what it remembers only saves work, so the events of a record are a
/// pure function of the record and of its origin's [`Reading`](lapwing_model::Reading).
#[derive(Debug)]
pub struct Parser {
    formats: Vec<Box<dyn Format>>,
    tools: Tools,
    session_keys: SessionKeys,
}

/// Longer lines are kept, but nothing is read from them.
const LONGEST: usize = 1 << 20;

impl Default for Parser {
    fn default() -> Self {
        Parser::new()
    }
}

impl Parser {
    #[must_use]
    pub fn new() -> Self {
        let formats = FORMATS.iter().map(|kind| (kind.build)()).collect();
        Parser { formats, tools: Tools::default(), session_keys: SessionKeys::default() }
    }

    /// Finds sessions by this key in the records of origins that name none.
    #[must_use]
    pub fn with_session_key(mut self, key: Option<SessionKey>) -> Self {
        self.session_keys.otherwise = key;
        self
    }

    /// Reads a record and appends what it tells of to `events`: always at least one event.
    pub fn parse(&mut self, record: &Record, events: &mut Vec<Event>) -> Understood {
        let bytes = without_line_end(&record.body);
        // Where it is to stay: an event is too large to be carried about.
        let at = events.len();
        events.push(Event::new(record, Detail::Log(Log::default())));
        let event = &mut events[at];
        event.raw.truncate(bytes.len());
        let bom = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let line = Line::raw(&bytes[bom..], bom);
        let understood = match self.structured(line, event) {
            Ok(Some(name)) => Understood::As(name),
            Ok(None) => {
                text::read(line, event, &mut self.tools);
                text::flaw(line.bytes).map_or(Understood::AsText, Understood::Broken)
            }
            Err(reason) => {
                *event = Event::new(record, Detail::Log(Log::default()));
                event.raw.truncate(bytes.len());
                text::read(line, event, &mut self.tools);
                Understood::Broken(reason)
            }
        };
        if let Some((start, end)) = self.session_keys.find(event.origin.reading.session_key.as_deref(), &event.raw) {
            event.session = Text::raw(start, end);
        }
        event.skeleton = skeleton(event);
        keys::set(event);
        understood
    }

    fn structured(&mut self, line: Line<'_>, event: &mut Event) -> Outcome {
        if line.bytes.len() > LONGEST {
            return Err("too-long");
        }
        if event.origin.reading.columns.is_some()
            && let Some(name) = columns::read(line, event, &mut self.tools)
        {
            return Ok(Some(name));
        }
        if event.origin.reading.format.is_some() {
            let origin = event.origin.clone();
            return self.as_told(origin.reading.format.as_deref().unwrap_or_default(), line, event);
        }
        for format in &mut self.formats {
            if let Some(name) = format.read(line, event, &mut self.tools)? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Reads a line as the one format that people said it has.
    fn as_told(&mut self, name: &str, line: Line<'_>, event: &mut Event) -> Outcome {
        if name == "text" {
            return Ok(None);
        }
        let Some(at) = FORMATS.iter().position(|kind| kind.is_named(name)) else { return Ok(None) };
        match self.formats[at].read(line, event, &mut self.tools)? {
            Some(name) => Ok(Some(name)),
            None => Err("wrong-format"),
        }
    }
}

fn skeleton(event: &Event) -> u64 {
    match &event.detail {
        Detail::Web(web) => template::path_skeleton(event.text(web.method), event.text(web.target)),
        Detail::Log(log) => template::skeleton(event.text(log.message)),
        Detail::Flow(flow) => template::skeleton(event.text(flow.message)),
    }
}

fn without_line_end(mut line: &[u8]) -> &[u8] {
    while let [rest @ .., b'\r' | b'\n'] = line {
        line = rest;
    }
    line
}
