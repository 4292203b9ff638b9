//! What stands before the message of a text line: time, level, thread, process and logger, in the usual layouts.
//!
//! Templates are mined from the message, so what varies before it must not be part of it. Where it is unclear whether a
//! word still belongs to the header, it belongs to the message: a detector can live with a logger's name in a message, and
//! not with a message that lost its first word.

use lapwing_model::Level;

use crate::line::{number, skip_spaces, word};
use crate::time::{self, Stamp};

/// A text line, taken apart. Absent parts are empty.
#[derive(Debug, Default)]
pub(crate) struct Header<'a> {
    pub(crate) stamp: Option<Stamp>,
    pub(crate) level: Level,
    pub(crate) logger: &'a [u8],
    /// What `[client ...]` of Apache's error log says.
    pub(crate) client: &'a [u8],
    pub(crate) message: &'a [u8],
    seen: Seen,
}

#[derive(Debug, Default)]
struct Seen {
    /// What comes next is the message.
    done: bool,
    brackets: u8,
    /// The process or thread stands where logcat puts it: the tag follows the level.
    numbers: u8,
    short_level: bool,
}

/// More than this many brackets before a message belong to it.
const MOST_BRACKETS: u8 = 4;

pub(crate) fn read(line: &[u8]) -> Header<'_> {
    let line = line.trim_ascii();
    let mut header = Header { message: line, ..Header::default() };
    let rest = begin(line, &mut header);
    if header.stamp.is_none() && !begins_with_level(rest) {
        header.message = rest;
        return header;
    }
    let mut rest = rest;
    while let Some(after) = step(rest, &mut header) {
        rest = after;
    }
    header.message = skip_spaces(rest);
    if header.message.is_empty() {
        header.message = line;
    }
    header
}

/// Reads the time at the beginning, bare, in brackets, or after a few words that can be nothing but a header.
fn begin<'a>(line: &'a [u8], header: &mut Header<'a>) -> &'a [u8] {
    if let Some(rest) = glog(line, header).or_else(|| ruby(line, header)) {
        return rest;
    }
    let bracketed = matches!(line.first(), Some(b'[' | b'('));
    let inner = if bracketed { &line[1..] } else { line };
    if let Some((stamp, used)) = time::leading(inner) {
        let rest = &inner[used..];
        let boundary = rest.first().is_none_or(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'/'));
        if boundary {
            header.stamp = Some(stamp);
            return if bracketed { in_bracket(rest, header) } else { rest };
        }
    }
    later(line, header).unwrap_or(line)
}

/// `[2022-01-01T00:00:00Z INFO  crate::module] message`: what stands in the bracket besides the time.
fn in_bracket<'a>(rest: &'a [u8], header: &mut Header<'a>) -> &'a [u8] {
    let Some(end) = memchr::memchr2(b']', b')', rest) else { return rest };
    let (level, logger) = word(skip_spaces(&rest[..end]));
    header.level = named(level);
    if header.level != Level::Unset && is_name(logger.trim_ascii()) {
        header.logger = logger.trim_ascii();
    }
    &rest[end + 1..]
}

/// `I0614 15:16:01.123456  1234 file.cc:123] message`
fn glog<'a>(line: &'a [u8], header: &mut Header<'a>) -> Option<&'a [u8]> {
    let (&letter, digits) = line.split_first()?;
    let level = short(letter)?;
    if !digits.iter().take(4).all(u8::is_ascii_digit) || digits.get(4) != Some(&b' ') {
        return None;
    }
    let dashed = [&digits[..2], b"-", &digits[2..digits.len().min(24)]].concat();
    let (stamp, used) = time::leading(&dashed)?;
    let rest = &digits[used - 1..];
    let end = memchr::memmem::find(&rest[..rest.len().min(200)], b"] ")?;
    header.stamp = Some(stamp);
    header.level = level;
    header.logger = rest[..end].rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    header.seen.done = true;
    Some(&rest[end + 2..])
}

/// `I, [2015-05-17T10:05:03.123456 #1234]  INFO -- : message`
fn ruby<'a>(line: &'a [u8], header: &mut Header<'a>) -> Option<&'a [u8]> {
    let [letter, b',', b' ', b'[', rest @ ..] = line else { return None };
    header.level = short(*letter)?;
    let (stamp, used) = time::leading(rest)?;
    let end = memchr::memchr(b']', rest).filter(|&end| end >= used)?;
    header.stamp = Some(stamp);
    let rest = skip_spaces(&rest[end + 1..]);
    let separator = memchr::memmem::find(&rest[..rest.len().min(80)], b" -- ")?;
    let rest = &rest[separator + 4..];
    let colon = memchr::memmem::find(&rest[..rest.len().min(80)], b": ")?;
    header.logger = rest[..colon].trim_ascii();
    header.seen.done = true;
    Some(&rest[colon + 2..])
}

/// A time after up to five words. A sentence may speak of a time too, so a level or, after a time since 1970, a number must
/// follow.
fn later<'a>(line: &'a [u8], header: &mut Header<'a>) -> Option<&'a [u8]> {
    let mut rest = line;
    for _ in 0..5 {
        let (skipped, next) = word(rest);
        if skipped.is_empty() || skipped.len() > 80 || next.is_empty() || matches!(skipped[skipped.len() - 1], b':' | b',' | b'=')
        {
            return None;
        }
        rest = next;
        let Some((stamp, used)) = time::leading(rest) else { continue };
        let after = skip_spaces(&rest[used..]);
        let (next, behind) = word(after);
        let redis = matches!(next, b"*" | b"#" | b"." | b"-") && line[0].is_ascii_digit();
        let counted = rest[..used].iter().all(u8::is_ascii_digit) && next.len() <= 2 && next.iter().any(u8::is_ascii_digit);
        if redis || counted {
            header.stamp = Some(stamp);
            header.level = if next == b"#" { Level::Warn } else { Level::Unset };
            header.seen.done = true;
            return Some(behind);
        }
        if level_soon(after, 0) {
            header.stamp = Some(stamp);
            return Some(after);
        }
    }
    None
}

/// Takes one part of the header from the beginning of `rest`; nothing where the message begins.
fn step<'a>(rest: &'a [u8], header: &mut Header<'a>) -> Option<&'a [u8]> {
    if header.seen.done {
        return None;
    }
    let bare = skip_spaces(rest);
    match bare {
        [] => None,
        [b'|', after @ ..] => Some(piped(after, header)),
        [b',' | b':' | b';', after @ ..] => Some(after),
        [b'-', ..] => dashes(bare, header),
        [b'[', ..] | [b'<', ..] => bracket(bare, header),
        _ => level(bare, header).or_else(|| counter(bare, header)).or_else(|| logger(bare, header)),
    }
}

fn dashes<'a>(bare: &'a [u8], header: &mut Header<'a>) -> Option<&'a [u8]> {
    let (token, after) = word(bare);
    if token.len() > 3 || token.iter().any(|&byte| byte != b'-') {
        return None;
    }
    // A dash after the level and logger, or after the level alone, is the last thing before the message; Spring's three
    // dashes stand before the thread.
    if token.len() < 3 && header.level != Level::Unset {
        header.seen.done = true;
    }
    Some(after)
}

/// `|token|`: a column without spaces is header, unless it is the last.
fn piped<'a>(after: &'a [u8], header: &mut Header<'a>) -> &'a [u8] {
    let Some(end) = memchr::memchr(b'|', &after[..after.len().min(80)]) else { return after };
    let column = after[..end].trim_ascii();
    if column.contains(&b' ') {
        header.seen.done = true;
        return after;
    }
    match named(column) {
        Level::Unset if header.logger.is_empty() && is_name(column) => header.logger = column,
        Level::Unset => {}
        level => header.level = level,
    }
    &after[end..]
}

/// `[main]`, `[error]`, `[pid 35708]`, `[client 203.0.113.9:5678]`, `[QuorumPeer[myid=1]/0:0:0:2181:Environment@100]`, `<info>`.
fn bracket<'a>(bare: &'a [u8], header: &mut Header<'a>) -> Option<&'a [u8]> {
    let (open, close) = if bare[0] == b'[' { (b'[', b']') } else { (b'<', b'>') };
    let mut depth = 0;
    let end = bare.iter().take(250).position(|&byte| {
        depth += i32::from(byte == open) - i32::from(byte == close);
        depth == 0
    })?;
    let inner = bare[1..end].trim_ascii();
    let level = match inner {
        [letter] => short(*letter).unwrap_or_default(),
        _ => named(inner.rsplit(|&byte| byte == b':').next().unwrap_or(inner)),
    };
    if open == b'<' && level == Level::Unset {
        return None;
    }
    header.seen.brackets += 1;
    if header.seen.brackets > MOST_BRACKETS {
        return None;
    }
    if level != Level::Unset && header.level == Level::Unset {
        header.level = level;
    } else if let Some(client) = inner.strip_prefix(b"client ") {
        header.client = client;
    } else if let Some(class) = class_and_line(inner) {
        header.logger = class;
    }
    Some(nginx_process(&bare[end + 1..], header))
}

/// `Environment` of ZooKeeper's `QuorumPeer[myid=1]/0:0:0:0:0:0:0:0:2181:Environment@100`.
fn class_and_line(inner: &[u8]) -> Option<&[u8]> {
    let at = memchr::memrchr(b'@', inner)?;
    number(&inner[at + 1..])?;
    let class = &inner[..at];
    Some(&class[memchr::memrchr(b':', class).map_or(0, |colon| colon + 1)..]).filter(|class| is_name(class))
}

/// Steps over `1234#0: *17 ` of nginx's `[error] 1234#0: *17 message`.
fn nginx_process<'a>(after: &'a [u8], header: &mut Header<'a>) -> &'a [u8] {
    let (process, rest) = word(skip_spaces(after));
    let is_process = process.strip_suffix(b":").is_some_and(|ids| ids.split(|&byte| byte == b'#').all(|id| number(id).is_some()));
    if !is_process || !process.contains(&b'#') {
        return after;
    }
    header.seen.done = true;
    let (connection, message) = word(rest);
    if connection.starts_with(b"*") { message } else { rest }
}

/// `INFO`, `WARN:`, `Info   `, `error:`; also `I` where a logcat line has it.
fn level<'a>(bare: &'a [u8], header: &mut Header<'a>) -> Option<&'a [u8]> {
    if header.level != Level::Unset {
        return None;
    }
    let (token, after) = word(bare);
    let level = level_word(token, after, bare);
    if level != Level::Unset {
        header.level = level;
        if token.ends_with(b":") {
            header.seen.done = true;
        }
        return Some(&bare[token.len()..]);
    }
    if let (&[letter], 2) = (token, header.seen.numbers) {
        header.level = short(letter)?;
        header.seen.short_level = true;
        return Some(after);
    }
    None
}

/// The level that a word is, if it is written as levels are: in capitals, before a colon, or padded.
fn level_word(token: &[u8], after: &[u8], bare: &[u8]) -> Level {
    let core = token.strip_suffix(b":").or_else(|| token.strip_suffix(b",")).unwrap_or(token);
    let level = named(core);
    let padded = bare.get(token.len()..token.len() + 2) == Some(b"  ".as_slice()) || matches!(after.first(), Some(b'|' | b'-'));
    let plain = core.len() == token.len() && !padded && !core.iter().all(u8::is_ascii_uppercase);
    if plain { Level::Unset } else { level }
}

/// A process or thread number: only where a level follows, or after it where three dashes or a bracket do.
fn counter<'a>(bare: &'a [u8], header: &mut Header<'a>) -> Option<&'a [u8]> {
    let (token, after) = word(bare);
    if token.len() > 20 || !token.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let belongs = if header.level == Level::Unset {
        level_soon(bare, header.seen.numbers)
    } else {
        after.starts_with(b"--- ") || after.starts_with(b"[")
    };
    header.seen.numbers += u8::from(belongs);
    belongs.then_some(after)
}

/// Whether a level follows within three words, after so many numbers.
fn level_soon(bare: &[u8], before: u8) -> bool {
    let mut rest = bare;
    for numbers in before..3 {
        let (token, after) = word(skip_spaces(rest));
        let inner = token.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(token);
        if level_word(token, after, rest) != Level::Unset || (inner.len() < token.len() && named(inner) != Level::Unset) {
            return true;
        }
        if let (&[letter], 2) = (token, numbers) {
            return short(letter).is_some();
        }
        if !token.iter().all(u8::is_ascii_digit) {
            return false;
        }
        rest = after;
    }
    false
}

/// `org.apache.hadoop.ipc.Client:`, `c.e.Foo   :`, `root -`, `CBS    `, `nova.api [`.
fn logger<'a>(bare: &'a [u8], header: &mut Header<'a>) -> Option<&'a [u8]> {
    if !header.logger.is_empty() {
        return None;
    }
    let (token, after) = word(bare);
    let levelled = header.level != Level::Unset;
    if let Some(name) = token.strip_suffix(b":").filter(|name| is_name(name)) {
        if !header.seen.short_level && !is_made_up(name) {
            return None;
        }
        header.logger = name;
        header.seen.done = true;
        return Some(after);
    }
    if !is_name(token) {
        return None;
    }
    let padded = bare.get(token.len()..token.len() + 2) == Some(b"  ".as_slice());
    let accepted = match after {
        [b':', b' ', ..] => true,
        [b'-', b' ', ..] | [b'-', b'-', ..] => true,
        [b'[', ..] => levelled && token.contains(&b'.'),
        _ if levelled => padded && !after.is_empty(),
        _ => level_soon(after, 0) && is_made_up(token),
    };
    if !accepted {
        return None;
    }
    header.logger = token;
    if levelled && let Some(message) = after.strip_prefix(b": ") {
        header.seen.done = true;
        return Some(message);
    }
    if padded && !matches!(after.first(), Some(b'-' | b':')) {
        header.seen.done = true;
    }
    Some(after)
}

fn begins_with_level(line: &[u8]) -> bool {
    let (token, after) = word(line);
    if let Some(inner) = token.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")) {
        return named(inner) != Level::Unset;
    }
    level_word(token, after, line) != Level::Unset
}

/// A word that can be the name of a logger, class or program.
fn is_name(word: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"._$/-:<>@#()*".contains(byte);
    (2..=120).contains(&word.len())
        && (word[0].is_ascii_alphabetic() || matches!(word[0], b'_' | b'/'))
        && word.iter().all(fits)
        && !word.ends_with(b":")
}

/// Whether a name looks like one that programs have rather than like a word of a sentence, such as `Timeout`.
fn is_made_up(name: &[u8]) -> bool {
    let inner_capital = name.windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    inner_capital || name[0].is_ascii_lowercase() || name.iter().any(|byte| b"._$/:0123456789".contains(byte))
}

/// The level that a word stands for, with the ones that only databases write.
fn named(word: &[u8]) -> Level {
    match Level::named(word) {
        Level::Unset if matches!(word, b"LOG" | b"Note" | b"System" | b"STATEMENT" | b"DETAIL" | b"HINT") => Level::Info,
        level => level,
    }
}

/// The level that a letter stands for.
fn short(letter: u8) -> Option<Level> {
    Some(match letter {
        b'V' | b'T' => Level::Trace,
        b'D' => Level::Debug,
        b'I' | b'N' => Level::Info,
        b'W' => Level::Warn,
        b'E' => Level::Error,
        b'F' | b'C' | b'A' => Level::Fatal,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
