//! Flows as lines.

use super::Flow;
use crate::clock::{Clock, Style};
use crate::text::{push_address, push_number};

impl Flow {
    /// One line as Suricata tells of a flow of one direction: EVE JSON of the type `netflow`.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = String::with_capacity(320);
        self.write(&mut line);
        line
    }

    fn write(&self, out: &mut String) {
        let time = |out: &mut String, name: &str, at: i64| {
            out.push_str(name);
            Clock::new(Style::Iso).push(out, at);
            out.push('"');
        };
        let number = |out: &mut String, name: &str, value: u64| {
            out.push_str(name);
            push_number(out, value);
        };
        time(out, r#"{"timestamp":""#, self.begin);
        out.push_str(r#","event_type":"netflow","src_ip":""#);
        push_address(out, self.source.into());
        number(out, r#"","src_port":"#, self.source_port.into());
        out.push_str(r#","dest_ip":""#);
        push_address(out, self.destination.into());
        number(out, r#"","dest_port":"#, self.destination_port.into());
        out.push_str(match self.protocol {
            1 => r#","proto":"ICMP""#,
            6 => r#","proto":"TCP""#,
            _ => r#","proto":"UDP""#,
        });
        if self.protocol == 1 {
            number(out, r#","icmp_type":"#, u64::from(self.destination_port >> 8));
            number(out, r#","icmp_code":"#, u64::from(self.destination_port & 0xff));
        }
        number(out, r#","netflow":{"pkts":"#, self.packets);
        number(out, r#","bytes":"#, self.bytes);
        time(out, r#","start":""#, self.begin);
        time(out, r#","end":""#, self.end);
        number(out, r#","age":"#, ((self.end - self.begin) / 1_000_000_000).unsigned_abs());
        out.push('}');
        if self.protocol == 6 {
            out.push_str(&format!(r#","tcp":{{"tcp_flags":"{:02x}"}}"#, self.tcp_flags));
        }
        out.push('}');
    }
}
