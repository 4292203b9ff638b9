//! Lines whose columns are named by a heading above them, which travels with their origin: Zeek's ASCII logs with any columns in
//! any order (its `#separator`, `#fields`, `#unset_field`, `#empty_field` and `#path`), and flow logs of AWS VPC.

use lapwing_model::{Event, Others};

use crate::Tools;
use crate::draft::{Draft, keep, store};
use crate::firewall::vpc;
use crate::line::Line;
use crate::names::Slot;

/// The last heading, taken apart. Another one takes its place; nothing that is read depends on that.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    heading: Box<str>,
    separator: u8,
    unset: Box<[u8]>,
    empty: Box<[u8]>,
    /// Which of Zeek's logs it is; nothing for VPC.
    path: Option<Box<str>>,
    names: Vec<(Box<str>, Option<Slot>)>,
}

/// More columns are left out.
const MOST: usize = 256;

/// Reads a line by the heading of its origin; nothing, and nothing touched that another format would not overwrite, where it has
/// other columns than the heading says.
pub(crate) fn read(line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Option<&'static str> {
    let origin = event.origin.clone();
    let heading = origin.reading.columns.as_deref()?;
    // Taken out while it is used: the other tools are needed meanwhile.
    let mut columns = std::mem::take(&mut tools.columns);
    if *columns.heading != *heading {
        columns = Columns::of(heading, tools);
    }
    let read = columns.read(line, event, tools);
    tools.columns = columns;
    read
}

impl Columns {
    fn of(heading: &str, tools: &Tools) -> Columns {
        let mut columns = Columns {
            heading: heading.into(),
            separator: b'\t',
            unset: b"-"[..].into(),
            empty: b"(empty)"[..].into(),
            path: heading.starts_with('#').then(Box::default),
            names: Vec::new(),
        };
        for line in heading.lines() {
            columns.line(line);
        }
        if columns.path.is_none() {
            columns.separator = b' ';
        }
        let connection = columns.names.iter().any(|(name, _)| &**name == "id.orig_h");
        for (name, slot) in &mut columns.names {
            *slot = of_zeek(name, connection).unwrap_or_else(|| tools.names.slot(name.as_bytes()));
        }
        columns
    }

    fn line(&mut self, line: &str) {
        if !line.starts_with('#') {
            self.names = line.split(' ').take(MOST).map(|name| (name.into(), None)).collect();
            return;
        }
        let end = line.find(|c: char| c == ' ' || c == char::from(self.separator)).unwrap_or(line.len());
        let (key, rest) = line.split_at(end);
        let value = rest.get(1..).unwrap_or_default();
        match key {
            "#separator" => self.separator = separator(value),
            "#unset_field" => self.unset = value.as_bytes().into(),
            "#empty_field" => self.empty = value.as_bytes().into(),
            "#path" => self.path = Some(value.into()),
            "#fields" => {
                self.names = value.split(char::from(self.separator)).take(MOST).map(|name| (name.into(), None)).collect();
            }
            _ => {}
        }
    }

    fn read(&self, line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Option<&'static str> {
        let values = || line.bytes.split(|&byte| byte == self.separator);
        if values().take(self.names.len() + 1).count() != self.names.len() {
            return None;
        }
        let columns = self.names.iter().zip(values());
        let Some(path) = &self.path else {
            let columns = columns.map(|((name, _), value)| (&**name, value));
            return vpc::by_name(line, columns, event, tools).map(|()| "vpc");
        };
        let mut draft = Draft::default();
        if !path.is_empty() {
            let value = store(event, path.as_bytes());
            keep(event, b"_path", value);
        }
        for ((name, slot), value) in columns.filter(|(_, value)| !self.says_nothing(value)) {
            let text = line.text(value);
            let put = slot.is_some_and(|slot| {
                let name = store(event, name.as_bytes());
                draft.put(slot, name, text)
            });
            if !put && event.others.len() < Others::MOST {
                keep(event, name.as_bytes(), text);
            }
        }
        draft.tell(event, tools);
        Some("zeek")
    }

    fn says_nothing(&self, value: &[u8]) -> bool {
        value.is_empty() || *value == *self.unset || *value == *self.empty
    }
}

/// `\x09`, or the byte itself.
fn separator(written: &str) -> u8 {
    let hex = written.strip_prefix("\\x").and_then(|digits| u8::from_str_radix(digits.trim(), 16).ok());
    hex.or(written.bytes().next()).unwrap_or(b'\t')
}

/// What Zeek means by names that mean something else to others; none where it means what all mean.
fn of_zeek(name: &str, connection: bool) -> Option<Option<Slot>> {
    Some(match name {
        "duration" => Some(Slot::Seconds),
        "response_body_len" => Some(Slot::Bytes),
        "uid" if connection => Some(Slot::Session),
        // What both ends of a connection say they are.
        "client" | "server" | "source" | "version" if connection => None,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use lapwing_model::{Event, Field, Reading};

    use crate::Understood;
    use crate::testing::parse_as;

    fn under(heading: &str, line: &str) -> (Understood, Event) {
        parse_as(line.as_bytes(), Reading { columns: Some(heading.into()), ..Reading::default() })
    }

    #[test]
    fn a_connection_is_read_by_its_names_in_any_order_and_number() {
        let heading = "#separator \\x09\n#unset_field\t-\n#path\tconn\n#fields\tduration\tid.resp_p\tid.resp_h\torig_pkts\tproto\tid.orig_p\tid.orig_h\tts\tuid\n";
        let (understood, event) = under(heading, "1\t443\t198.51.100.7\t10\ttcp\t50000\t10.0.0.5\t1740823200.5\tC1");
        let flow = event.flow().expect("a flow without its state");
        assert_eq!(understood, Understood::As("zeek"));
        assert_eq!((flow.destination_port, flow.source_port, flow.packets, flow.protocol), (443, 50_000, 10, 6));
        assert_eq!((event.at.to_string(), event.duration.as_secs()), ("2025-03-01T10:00:00.5Z".to_owned(), 1));
        assert_eq!((event.text(event.session), event.client.unwrap().to_string()), (&b"C1"[..], "10.0.0.5".to_owned()));
    }

    #[test]
    fn separators_and_words_for_nothing_are_those_of_the_heading() {
        let heading = "#separator \\x7c\n#unset_field|~\n#empty_field|none\n#path|ssh\n#fields|ts|uid|id.orig_h|id.orig_p|id.resp_h|id.resp_p|auth_success|client|host_key\n";
        let (_, event) = under(heading, "1740823200.5|C1|10.0.0.5|50000|10.0.0.9|22|T|SSH-2.0-OpenSSH_9.6|~");
        let other = |name: &str| {
            event.others.iter().find(|(key, _)| event.text(*key) == name.as_bytes()).map(|(_, value)| event.text(value))
        };
        assert_eq!(
            (other("auth_success"), other("client"), other("host_key")),
            (Some(&b"T"[..]), Some(&b"SSH-2.0-OpenSSH_9.6"[..]), None)
        );
        assert!(event.flow().is_none());
    }

    #[test]
    fn requests_and_notices_are_what_they_are() {
        let heading = "#separator \\x09\n#path\thttp\n#fields\tts\tstatus_code\tmethod\turi\thost\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tuser_agent\tresponse_body_len\n";
        let (_, event) =
            under(heading, "1740823200.5\t404\tGET\t/a?b=1\texample.com\t10.0.0.5\t50000\t198.51.100.7\t80\tcurl/8\t512");
        let web = event.web().expect("a request");
        assert_eq!(
            (web.status, web.bytes, event.text(web.target), event.text(web.domain)),
            (404, Some(512), &b"/a?b=1"[..], &b"example.com"[..])
        );
        let heading = "#separator \\x09\n#path\tnotice\n#fields\tts\tnote\tmsg\tsrc\n";
        let (_, event) = under(heading, "1740823200.5\tScan::Port_Scan\t10.0.0.5 scanned at least 15 ports\t10.0.0.5");
        assert_eq!(event.get(&Field::Message), lapwing_model::Value::Text(b"10.0.0.5 scanned at least 15 ports"));
        assert_eq!(event.get(&Field::named("note")), lapwing_model::Value::Text(b"Scan::Port_Scan"));
    }

    #[test]
    fn a_line_with_other_columns_is_read_as_if_nothing_had_been_said() {
        let heading = "#separator \\x09\n#path\tconn\n#fields\tts\tuid\n";
        let line = "1740823200.123456\tCsRx2w45OKnoww6xl4\t10.0.0.5\t50000\t198.51.100.7\t443\ttcp\tssl\t1.5\t100\t2000\tSF\tT\tF\t0\tShADadFf\t10\t620\t12\t2640\t-";
        assert!(under(heading, line).1.flow().is_some());
        assert_eq!(under(heading, "plain words").0, Understood::AsText);
    }

    #[test]
    fn flow_logs_of_a_cloud_have_the_columns_that_their_first_line_names() {
        let heading = "action dstport srcaddr dstaddr protocol tcp-flags start bytes packets flow-direction end\n";
        let (understood, event) = under(heading, "REJECT 3389 203.0.113.9 172.31.9.12 6 2 1740823200 44 1 ingress 1740823260");
        let flow = event.flow().expect("a flow");
        assert_eq!(understood, Understood::As("vpc"));
        assert_eq!(
            (flow.destination_port, flow.tcp_flags, flow.bytes, flow.state.name(), flow.direction.name()),
            (3389, 2, 44, "attempted", "inbound")
        );
        assert_eq!(event.duration.as_secs(), 60);
    }
}
