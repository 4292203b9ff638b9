//! Where generated flows go as datagrams: to a collector, or into a capture.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lapwing_generate::{Datagram, Exporter, Flow, Version, capture_head, captured};

use super::Mode;
use super::targets::{Target, Udp, unwritable};
use crate::cli::Failed;
use crate::cli::show::thousands;

/// The exporter has run for a day when it begins.
const UP_SINCE: i64 = 86_400 * 1_000_000_000;

/// The ends of the packets of a capture: addresses for documentation (RFC 5737), NetFlow's usual port.
const ENDS: [SocketAddrV4; 2] =
    [SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 50_000), SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 2), 2_055)];

/// Takes flows and sends them in datagrams of that version of NetFlow.
pub(super) fn target(mode: Mode, to: Option<&str>, version: &str, start: i64) -> Result<Box<dyn Target<Flow>>, Failed> {
    let version = match version {
        "5" => Version::V5,
        "9" => Version::V9,
        _ => Version::Ipfix,
    };
    let out = match mode {
        Mode::Pcap => Out::capture(Path::new(to.unwrap_or_default()))?,
        _ => Out::Collector(Udp::connect(to.unwrap_or("127.0.0.1:2055"), "sources.netflow")?),
    };
    Ok(Box::new(Export { exporter: Exporter::new(version, (start - UP_SINCE).max(0)), out, datagrams: 0 }))
}

struct Export {
    exporter: Exporter,
    out: Out,
    datagrams: u64,
}

enum Out {
    Collector(Udp),
    Capture(BufWriter<File>, PathBuf),
}

impl Out {
    fn capture(path: &Path) -> Result<Out, Failed> {
        let mut file = File::create(path).map(BufWriter::new).map_err(|error| unwritable(path, &error))?;
        file.write_all(&capture_head()).map_err(|error| unwritable(path, &error))?;
        Ok(Out::Capture(file, path.to_owned()))
    }

    fn send(&mut self, datagram: &Datagram) -> Result<(), Failed> {
        match self {
            Out::Collector(udp) => udp.send(&datagram.bytes),
            Out::Capture(file, path) => {
                let [from, to] = ENDS;
                file.write_all(&captured(datagram, from, to)).map_err(|error| unwritable(path, &error))
            }
        }
    }
}

impl Export {
    fn send(&mut self, datagram: Option<Datagram>) -> Result<(), Failed> {
        let Some(datagram) = datagram else { return Ok(()) };
        self.datagrams += 1;
        self.out.send(&datagram)
    }
}

impl Target<Flow> for Export {
    fn put(&mut self, flow: &Flow) -> Result<(), Failed> {
        let datagram = self.exporter.put(*flow);
        self.send(datagram)
    }

    fn pause(&mut self, pause: Duration) -> Result<(), Failed> {
        // An exporter that is idle for a second sends what it has.
        if pause >= Duration::from_secs(1) { self.finish() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<(), Failed> {
        let datagram = self.exporter.finish();
        self.send(datagram)?;
        match &mut self.out {
            Out::Collector(_) => Ok(()),
            Out::Capture(file, path) => file.flush().map_err(|error| unwritable(path, &error)),
        }
    }

    fn tell(&self, _: u64) -> String {
        let to = match &self.out {
            Out::Collector(udp) => format!("udp {}", udp.to()),
            Out::Capture(_, path) => path.display().to_string(),
        };
        format!(" in {} datagrams to {to}", thousands(self.datagrams))
    }
}
