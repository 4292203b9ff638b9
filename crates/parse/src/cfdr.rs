//! The log layout of the supercomputers in the Computer Failure Data Repository (BGL, Thunderbird, Spirit, Liberty):
//! `label epoch yyyy.mm.dd node` before either a syslog line or `time node facility component level message`.

use lapwing_model::{Detail, Event, Level, Log};

use crate::line::{Line, number, word};
use crate::{Tools, extract, syslog, time};

/// Reads a line of that layout; false, and nothing touched, where it is none.
pub(crate) fn read(line: Line<'_>, event: &mut Event, tools: &mut Tools) -> bool {
    let (label, rest) = word(line.bytes);
    if label.is_empty() || label.len() > 24 || !rest.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let (epoch, rest) = word(rest);
    let (date, rest) = word(rest);
    let (node, rest) = word(rest);
    if epoch.len() != 10 || !is_date(date) {
        return false;
    }
    let (Some((stamp, 10)), Some((_, used))) = (time::leading(epoch), time::leading(rest)) else { return false };
    tools.zones.set(event, stamp);
    let after = rest[used..].trim_ascii_start();
    if rest[0].is_ascii_alphabetic() {
        syslog::host_and_body(line, after, event, tools);
        return true;
    }
    event.host = line.said(node);
    let (_node, rest) = word(after);
    let (_facility, rest) = word(rest);
    let (component, rest) = word(rest);
    let (level, message) = word(rest);
    event.level = Level::named(level);
    let log = match event.level {
        Level::Unset => Log { message: line.text(after), ..Log::default() },
        _ => Log { message: line.text(message.trim_ascii()), logger: line.said(component), status: 0 },
    };
    event.detail = Detail::Log(log);
    extract::from_message(event);
    true
}

fn is_date(word: &[u8]) -> bool {
    word.len() == 10 && word[4] == b'.' && word[7] == b'.' && number(&word[..4]).is_some()
}
