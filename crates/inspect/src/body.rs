//! What a body holds: the parameters of a form, the parts of a multipart form, the names and values of JSON and of XML.

use crate::inspector::Inspector;
use crate::place::Place;
use crate::split::{MOST, cut};

impl Inspector {
    /// A body: what it holds one by one, where its first bytes tell what it is, else as it is.
    pub fn body(&mut self, body: &[u8]) {
        let start = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
        match start.first() {
            None => {}
            Some(b'{' | b'[') => {
                self.json(start);
                self.value(Place::Body, b"", body);
            }
            Some(b'-') if is_multipart(start) => self.multipart(start),
            Some(b'<') if is_xml(start) => self.xml(start),
            Some(_) if is_form(start) => self.query(start, Place::Name, Place::Value),
            Some(_) => self.value(Place::Body, b"", body),
        }
    }

    /// The strings of a JSON text.
    fn json(&mut self, text: &[u8]) {
        let mut name: &[u8] = b"";
        let mut at = 0;
        for _ in 0..2 * MOST {
            let Some(open) = text[at..].iter().position(|&byte| byte == b'"') else { return };
            let start = at + open + 1;
            let end = string_end(text, start);
            let string = &text[start..end];
            at = (end + 1).min(text.len());
            if text[at..].trim_ascii_start().first() == Some(&b':') {
                name = string;
                self.value(Place::Name, b"", string);
            } else {
                self.value(Place::Value, name, string);
            }
        }
    }

    /// The parts of a multipart form (RFC 7578): their names, names of files, and what they hold.
    fn multipart(&mut self, body: &[u8]) {
        let (boundary, _) = cut(body, b'\n');
        let boundary = boundary.trim_ascii_end();
        let mut rest = &body[boundary.len()..];
        for _ in 0..MOST {
            let (part, after) = match find(rest, boundary) {
                Some(at) => (&rest[..at], Some(&rest[at + boundary.len()..])),
                None => (rest, None),
            };
            self.part(part);
            match after {
                Some(after) if after.starts_with(b"--") && after[2..].trim_ascii().is_empty() => return,
                Some(after) => rest = after,
                None => return,
            }
        }
        self.value(Place::Body, b"", rest);
    }

    fn part(&mut self, part: &[u8]) {
        let end = [&b"\r\n\r\n"[..], b"\n\n"].iter().filter_map(|blank| Some((find(part, blank)?, blank.len()))).min();
        let (head, content) = match end {
            Some((at, length)) => (&part[..at], &part[at + length..]),
            None => (part, &b""[..]),
        };
        let name = parameter(head, b"name=");
        let file = parameter(head, b"filename=");
        self.value(Place::Name, b"", name);
        self.value(Place::Header, b"filename", file);
        // Types and further headers of the part, which some readers act upon.
        for line in head.split(|&byte| byte == b'\n').filter(|line| !starts(line, b"content-disposition")).take(8) {
            let (header, value) = cut(line, b':');
            self.value(Place::Header, header, value.unwrap_or_default().trim_ascii());
        }
        let content = content.trim_ascii();
        if is_xml(content) { self.xml(content) } else { self.value(Place::Value, name, content) }
    }

    /// XML: as a whole for what only XML does, and what its elements and attributes hold as values.
    fn xml(&mut self, text: &[u8]) {
        self.value(Place::Xml, b"", text);
        let mut name: &[u8] = b"";
        let mut rest = text;
        for _ in 0..MOST {
            let (content, after) = cut(rest, b'<');
            if !content.trim_ascii().is_empty() {
                self.value(Place::Value, name, content.trim_ascii());
            }
            let Some(after) = after else { return };
            if let Some(data) = after.strip_prefix(b"![CDATA[") {
                let end = find(data, b"]]>").unwrap_or(data.len());
                self.value(Place::Value, name, data[..end].trim_ascii());
                rest = &data[(end + 3).min(data.len())..];
                continue;
            }
            let end = tag_end(after);
            if !matches!(after.first(), Some(b'/' | b'!' | b'?')) {
                name = self.element(&after[..end]);
            }
            rest = &after[(end + 1).min(after.len())..];
        }
        self.value(Place::Body, b"", rest);
    }

    /// An element's name and attributes; returns its name.
    fn element<'a>(&mut self, tag: &'a [u8]) -> &'a [u8] {
        let length = tag.iter().take_while(|byte| !byte.is_ascii_whitespace() && **byte != b'/').count();
        let (element, mut rest) = tag.split_at(length);
        self.value(Place::Name, b"", element);
        for _ in 0..32 {
            let (name, Some(value)) = cut(rest, b'=') else { break };
            let value = value.trim_ascii_start();
            let Some(quote @ (b'"' | b'\'')) = value.first().copied() else { break };
            let (value, after) = cut(&value[1..], quote);
            self.value(Place::Name, b"", name.trim_ascii());
            self.value(Place::Value, name.trim_ascii(), value);
            rest = after.unwrap_or_default();
        }
        element
    }
}

/// Where a tag ends: at the first `>` outside of quotes, or where its quotes are torn, at the first there is.
fn tag_end(tag: &[u8]) -> usize {
    let mut quote = 0;
    for (at, &byte) in tag.iter().enumerate() {
        match byte {
            b'>' if quote == 0 => return at,
            b'"' | b'\'' if quote == 0 => quote = byte,
            _ if byte == quote => quote = 0,
            _ => {}
        }
    }
    tag.iter().position(|&byte| byte == b'>').unwrap_or(tag.len())
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, part)
}

fn starts(text: &[u8], word: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word)
}

/// The value of a parameter of a header: `name="a"`, or without quotes.
fn parameter<'a>(head: &'a [u8], name: &[u8]) -> &'a [u8] {
    let begins = |at: &usize| *at > 0 && matches!(head[at - 1], b' ' | b';' | b'\t');
    let Some(at) = memchr::memmem::find_iter(head, name).find(begins) else { return b"" };
    let value = &head[at + name.len()..];
    match value.first() {
        Some(b'"') => &value[1..string_end(value, 1)],
        _ => cut(cut(value, b';').0, b'\n').0.trim_ascii(),
    }
}

fn string_end(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at.min(text.len())
}

fn is_multipart(body: &[u8]) -> bool {
    body.starts_with(b"--") && find(&body[..body.len().min(4096)], b"form-data").is_some()
}

/// Whether a document says that it is XML. Markup that does not may be a page of HTML.
fn is_xml(body: &[u8]) -> bool {
    [&b"<?xml"[..], b"<soap", b"<s:envelope", b"<env:envelope", b"<methodcall", b"<svg"].iter().any(|start| starts(body, start))
}

/// Whether a body begins as forms do: a name, then `=`.
fn is_form(body: &[u8]) -> bool {
    let name =
        body.iter().take(100).take_while(|byte| !matches!(**byte, b'=' | b'<' | b'>' | b' ' | b'\r' | b'\n' | b'"')).count();
    body.get(name) == Some(&b'=')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{BUILTIN, Rules, conclude};

    fn classes(body: &str) -> Vec<String> {
        let rules = Arc::new(Rules::compile(BUILTIN).0);
        let mut inspector = Inspector::new(rules.clone());
        inspector.begin(b"");
        inspector.body(body.as_bytes());
        conclude(&rules, inspector.hits(), false).iter().map(|found| found.class.to_owned()).collect()
    }

    fn form(name: &str, file: &str, content: &str) -> String {
        format!(
            "--x1\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\nContent-Type: text/plain\r\n\r\n{content}\r\n\
             --x1\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\nred shoes\r\n--x1--\r\n"
        )
    }

    #[test]
    fn parts_of_a_multipart_form_are_looked_at_by_name_file_and_content() {
        assert_eq!(classes(&form("a", "", "it's nice")), [""; 0]);
        assert_eq!(classes(&form("a", "; filename=\"holiday.jpg\"", "\u{fffd}JFIF")), [""; 0]);
        assert_eq!(classes(&form("a", "", "1' UNION SELECT password FROM users--")), ["sql-injection"]);
        assert_eq!(classes(&form("a", "; filename=\"x.php\"", "x")), ["backdoor"]);
        assert_eq!(classes(&form("a", "; filename=\"../../x.txt\"", "x")), ["path-traversal"]);
        assert_eq!(classes(&form("<script>alert(1)</script>", "", "x")), ["xss"]);
    }

    #[test]
    fn xml_is_no_attack_and_attacks_in_it_are() {
        let order = "<?xml version=\"1.0\"?><order xmlns=\"urn:x\" id=\"a&amp;b\"><name>O'Neill</name><![CDATA[1 < 2]]></order>";
        assert_eq!(classes(order), [""; 0]);
        assert_eq!(classes("<?xml version=\"1.0\"?><svg width=\"1\" height=\"2\"><path d=\"M1 2\"/></svg>"), [""; 0]);
        assert_eq!(classes("<?xml version=\"1.0\"?><a b=\"1' UNION SELECT password FROM users--\"/>"), ["sql-injection"]);
        assert_eq!(classes("<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/hosts\">]><a>&b;</a>"), ["xxe"]);
        assert!(classes("<svg onload=\"alert(1)\"/>").contains(&"xss".to_owned()));
        assert!(classes("<?xml version=\"1.0\"?><a><![CDATA[<script>alert(1)</script>]]></a>").contains(&"xss".to_owned()));
    }

    #[test]
    fn torn_bodies_are_read_to_their_end() {
        for body in [
            "--",
            "--x form-data",
            "--x\nform-data",
            "<?xml",
            "<?xml ?><",
            "<?xml ?><a b=",
            "<?xml ?><a b='",
            "<svg><![CDATA[",
            "{\"",
            "[\"a\\",
        ] {
            classes(body);
        }
    }
}
