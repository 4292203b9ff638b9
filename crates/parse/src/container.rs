//! The lines of containers: Kubernetes' (CRI) log files, and what stands inside a runtime's wrapping.
//!
//! `2016-10-06T00:17:09.669794202Z stdout F 1.2.3.4 - - [06/Oct/2016:00:17:09 +0000] "GET / HTTP/1.1" 200 5`

use lapwing_model::{Clock, Event};

use crate::line::Line;
use crate::{Format, Outcome, Tools, access, draft, json, logfmt, text, time};

#[derive(Debug)]
pub(crate) struct Container;

impl Container {
    pub(crate) fn build() -> Box<dyn Format> {
        Box::new(Container)
    }
}

impl Format for Container {
    fn read(&mut self, line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Outcome {
        let bytes = line.bytes;
        if bytes.get(10) != Some(&b'T') {
            return Ok(None);
        }
        let Some((stamp, used)) = time::leading(bytes) else { return Ok(None) };
        let rest = &bytes[used..];
        let (stream, rest) = match rest {
            [b' ', stream @ .., _] if stream.starts_with(b"stdout ") || stream.starts_with(b"stderr ") => rest[1..].split_at(6),
            _ => return Ok(None),
        };
        let (b" F " | b" P ", inner) = rest.split_at_checked(3).unwrap_or_default() else { return Ok(None) };
        wrapped(line.within(inner), event, tools);
        // The runtime's time is the better one: it has a zone.
        tools.zones.set(event, stamp);
        draft::keep(event, b"stream", line.text(stream));
        Ok(Some("cri"))
    }
}

/// Reads what a container wrote. Once only: a wrapped line that is itself wrapped is left as it is.
pub(crate) fn wrapped(line: Line<'_>, event: &mut Event, tools: &mut Tools) {
    let read = match line.bytes.first() {
        Some(b'{') if !tools.wrapped => {
            tools.wrapped = true;
            let read = json::read(line, event, tools);
            tools.wrapped = false;
            read
        }
        _ => match access::read(line, event, tools) {
            Ok(None) => logfmt::read(line, event, tools),
            read => read,
        },
    };
    if !matches!(read, Ok(Some(_))) {
        (event.at, event.clock) = (event.received, Clock::Received);
        text::read(line, event, tools);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn reads_the_line_behind_the_runtimes_header() {
        check(&[
            (
                r#"2024-03-01T12:00:00.669794202Z stdout F 1.2.3.4 - - [01/Mar/2024:12:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8""#,
                "cri at=2024-03-01T12:00:00.669794202Z client=1.2.3.4 status=200 method=GET target=/ protocol=HTTP/1.1 bytes=5 agent=curl/8 +stream=stdout",
            ),
            (
                r#"2024-03-01T12:00:00Z stderr F {"level":"error","msg":"boom"}"#,
                "cri at=2024-03-01T12:00:00Z level=ERROR message=boom +stream=stderr",
            ),
            (
                "2024-03-01T12:00:00Z stdout P WARN  half a",
                "cri at=2024-03-01T12:00:00Z level=WARN message=half a +stream=stdout",
            ),
            ("2024-03-01T12:00:00Z stdout closed", "text at=2024-03-01T12:00:00Z message=stdout closed"),
        ]);
    }
}
