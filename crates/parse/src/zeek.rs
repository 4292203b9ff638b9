//! Zeek's tab-separated logs, known by the columns that nearly all of them begin with: time, uid, both ends of the connection.
//!
//! A line is read by itself, without the `#fields` line above it: which log it is of shows in the columns behind, whose
//! order is Zeek's own. A log whose columns a site has changed is still read up to there.

use lapwing_model::{Detail, Event, Flow, Log, Text, Web};

use crate::address::address;
use crate::draft::keep;
use crate::line::{Line, number};
use crate::{Format, Outcome, Tools, duration, extract, flows, time};

#[derive(Debug)]
pub(crate) struct Zeek;

impl Zeek {
    pub(crate) fn build() -> Box<dyn Format> {
        Box::new(Zeek)
    }
}

/// What no column says.
const UNSET: [&[u8]; 3] = [b"-", b"(empty)", b""];

/// Columns looked at.
const MOST: usize = 40;

impl Format for Zeek {
    fn read(&mut self, line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Outcome {
        Ok(read(line, event, tools).map(|()| "zeek"))
    }
}

fn read(line: Line<'_>, event: &mut Event, tools: &mut Tools) -> Option<()> {
    let bytes = line.bytes;
    // Ten digits of seconds, six of their fraction, a tab.
    if bytes.get(10) != Some(&b'.') || bytes.get(17) != Some(&b'\t') || !bytes[0].is_ascii_digit() {
        return None;
    }
    let columns: Vec<&[u8]> = bytes.split(|&byte| byte == b'\t').take(MOST).collect();
    let [stamp, uid, from, from_port, to, to_port, ..] = columns[..] else { return None };
    let (client, destination) = (address(from)?, address(to)?);
    let ports = [from_port, to_port].map(|port| number(port).and_then(|port| u16::try_from(port).ok()));
    let [Some(source_port), Some(destination_port)] = ports else { return None };
    if uid != b"-" && !uid.first()?.is_ascii_alphabetic() {
        return None;
    }
    tools.zones.set(event, time::whole(stamp)?);
    event.client = Some(client);
    event.client_text = line.text(from);
    event.session = said(line, uid);
    for (name, value) in [("id.orig_h", from), ("id.orig_p", from_port), ("id.resp_h", to), ("id.resp_p", to_port)] {
        keep(event, name.as_bytes(), line.text(value));
    }
    let flow = Flow { destination, source_port, destination_port, ..Flow::default() };
    let rest = &columns[6..];
    if connection(line, rest, flow, event).or_else(|| request(line, rest, event)).is_none() {
        let known = NAMED.iter().find(|(is, _)| is(rest));
        for (name, value) in known.map_or(&[][..], |(_, names)| names).iter().zip(rest) {
            if !UNSET.contains(value) {
                keep(event, name.as_bytes(), line.text(value));
            }
        }
        let message =
            line.text(&bytes[rest.first().map_or(bytes.len(), |first| first.as_ptr() as usize - bytes.as_ptr() as usize)..]);
        event.detail = Detail::Log(Log { message, ..Log::default() });
        extract::from_message(event);
    }
    Some(())
}

fn said(line: Line<'_>, column: &[u8]) -> Text {
    if UNSET.contains(&column) { Text::ABSENT } else { line.text(column) }
}

/// Of conn.log: protocol, service, duration, bytes each way, state, ..., packets and bytes with headers each way.
fn connection(line: Line<'_>, rest: &[&[u8]], mut flow: Flow, event: &mut Event) -> Option<()> {
    let [protocol, service, took, sent, returned, state, _, _, _, _, packets, ip_bytes, back, ip_back, ..] = rest else {
        return None;
    };
    flow.protocol = Flow::protocol_named(protocol);
    flow.state = flows::zeek_state(state);
    let is_state = (2..=6).contains(&state.len()) && state.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if protocol.first()?.is_ascii_digit() || !is_state {
        return None;
    }
    let count = |column: &[u8], other: &[u8]| number(column).or_else(|| number(other)).unwrap_or(0);
    flow.bytes = count(ip_bytes, sent);
    flow.reverse_bytes = count(ip_back, returned);
    flow.packets = count(packets, b"");
    flow.reverse_packets = count(back, b"");
    event.duration = duration::in_seconds(took).unwrap_or_default();
    event.service = said(line, service);
    keep(event, b"conn_state", line.text(state));
    event.detail = Detail::Flow(flow);
    Some(())
}

/// Of http.log: depth, method, host, path, referrer, version, user agent, origin, lengths, status.
fn request(line: Line<'_>, rest: &[&[u8]], event: &mut Event) -> Option<()> {
    let [depth, method, host, target, referrer, version, agent, ..] = rest else { return None };
    number(depth)?;
    if method.is_empty()
        || !method.iter().all(u8::is_ascii_uppercase)
        || !(target.starts_with(b"/") || target.starts_with(b"http"))
    {
        return None;
    }
    // Older versions have no column for the origin before the two lengths.
    let tail = &rest[7..];
    let lengths = usize::from(tail.first().is_none_or(|column| number(column).is_none()));
    let tail = tail.get(lengths..).unwrap_or_default();
    let status = tail.get(2).and_then(|column| number(column)).filter(|status| (100..=599).contains(status));
    let mut web = Web {
        method: line.text(method),
        protocol: said(line, version),
        status: status.unwrap_or(0) as u16,
        bytes: tail.get(1).and_then(|column| number(column)),
        referrer: said(line, referrer),
        user_agent: said(line, agent),
        domain: said(line, host),
        ..Web::default()
    };
    web.ask(line.text(target), target);
    event.detail = Detail::Web(web);
    Some(())
}

type Known = (fn(&[&[u8]]) -> bool, &'static [&'static str]);

/// The columns behind the connection, of logs that have no event of their own.
const NAMED: [Known; 2] = [
    (
        |rest| matches!(rest, [b"udp" | b"tcp", id, ..] if number(id).is_some() || *id == b"-"),
        &[
            "proto",
            "trans_id",
            "rtt",
            "query",
            "qclass",
            "qclass_name",
            "qtype",
            "qtype_name",
            "rcode",
            "rcode_name",
            "AA",
            "TC",
            "RD",
            "RA",
            "Z",
            "answers",
            "TTLs",
            "rejected",
        ],
    ),
    (
        |rest| matches!(rest, [b"1" | b"2" | b"-", b"T" | b"F" | b"-", ..]),
        &[
            "version",
            "auth_success",
            "auth_attempts",
            "direction",
            "client",
            "server",
            "cipher_alg",
            "mac_alg",
            "compression_alg",
            "kex_alg",
            "host_key_alg",
            "host_key",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn each_log_is_known_by_its_own_columns() {
        check(&[
            (
                "1740823200.123456\tCsRx2w45OKnoww6xl4\t10.0.0.5\t50000\t198.51.100.7\t443\ttcp\tssl\t1.5\t100\t2000\tSF\tT\tF\t0\tShADadFf\t10\t620\t12\t2640\t-",
                "zeek at=2025-03-01T10:00:00.123456Z client=10.0.0.5 session=CsRx2w45OKnoww6xl4 service=ssl took=1.5s flow=tcp:50000>198.51.100.7:443 \
                 state=closed bytes=620 packets=10 back=2640 packets-back=12 +id.orig_h=10.0.0.5 +id.orig_p=50000 +id.resp_h=198.51.100.7 \
                 +id.resp_p=443 +conn_state=SF",
            ),
            (
                "1740823200.123456\tC1\t10.0.0.5\t50000\t10.0.0.1\t53\tudp\t4711\t0.01\tevil.example\t1\tC_INTERNET\t16\tTXT\t0\tNOERROR\tF\tF\tT\tT\t0\t-\t-\tF",
                "zeek at=2025-03-01T10:00:00.123456Z client=10.0.0.5 session=C1 message=udp\t4711\t0.01\tevil.example\t1\tC_INTERNET\t16\tTXT\t0\tNOERROR\tF\tF\tT\tT\t0\t-\t-\tF \
                 +id.orig_h=10.0.0.5 +id.orig_p=50000 +id.resp_h=10.0.0.1 +id.resp_p=53 +proto=udp +trans_id=4711 +rtt=0.01 +query=evil.example \
                 +qclass=1 +qclass_name=C_INTERNET +qtype=16 +qtype_name=TXT +rcode=0 +rcode_name=NOERROR +AA=F +TC=F +RD=T +RA=T +Z=0 +rejected=F",
            ),
            (
                "1740823200.123456\tC2\t10.0.0.5\t50000\t198.51.100.7\t80\t1\tGET\texample.com\t/a?b=1\t-\t1.1\tcurl/8\t-\t0\t512\t404\tNot Found",
                "zeek at=2025-03-01T10:00:00.123456Z client=10.0.0.5 session=C2 status=404 method=GET target=/a?b=1 protocol=1.1 bytes=512 agent=curl/8 \
                 domain=example.com +id.orig_h=10.0.0.5 +id.orig_p=50000 +id.resp_h=198.51.100.7 +id.resp_p=80",
            ),
        ]);
    }
}
