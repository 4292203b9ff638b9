//! Files of captured packets: pcap (also with nanoseconds) and pcapng, in either byte order.

use crate::packet::Link;
use std::fmt;
use std::io::{self, Read};

/// One captured frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When, nanoseconds since 1970; 0 in pcapng's simple packets, which do not tell.
    pub time: i64,
    /// How it begins; `None` for a link that is not understood.
    pub link: Option<Link>,
    /// What was captured of it.
    pub data: &'a [u8],
}

/// Why a capture could not be read, or not to its end.
#[derive(Debug)]
pub enum CaptureError {
    /// Reading failed.
    Io(io::Error),
    /// It is neither pcap nor pcapng.
    Unknown,
    /// It ends in the middle of a packet.
    Cut,
    /// It claims what cannot be, at that offset.
    Damaged(u64),
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CaptureError::Io(error) => write!(f, "cannot read the capture: {error}"),
            CaptureError::Unknown => f.write_str("neither pcap nor pcapng"),
            CaptureError::Cut => f.write_str("the capture ends in the middle of a packet"),
            CaptureError::Damaged(offset) => write!(f, "the capture is damaged at byte {offset}: a length that cannot be"),
        }
    }
}

impl std::error::Error for CaptureError {}

/// Reads frames one after another, and holds one.
#[derive(Debug)]
pub struct Capture<R> {
    input: R,
    format: Format,
    big: bool,
    offset: u64,
    buffer: Vec<u8>,
    interfaces: Vec<Interface>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Pcap,
    PcapNg,
}

/// Where frames of pcapng came from; pcap has one.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: Option<Link>,
    /// Units of time in a second.
    per_second: u64,
    /// Seconds that are added to every time.
    offset: i64,
}

/// No frame is longer; the largest snapshot length that tcpdump takes.
const LONGEST: usize = 262_144;
/// A block of pcapng holds a frame and options.
const LONGEST_BLOCK: usize = LONGEST + (64 << 10);
const MOST_INTERFACES: usize = 4_096;
const NANOS: i64 = 1_000_000_000;

impl<R: Read> Capture<R> {
    /// Reads the beginning of a capture.
    ///
    /// # Errors
    /// Where it is none.
    pub fn new(input: R) -> Result<Self, CaptureError> {
        let mut capture =
            Capture { input, format: Format::Pcap, big: false, offset: 0, buffer: Vec::new(), interfaces: Vec::new() };
        let magic: [u8; 4] = capture
            .head()
            .map_err(|error| if matches!(error, CaptureError::Cut) { CaptureError::Unknown } else { error })?
            .ok_or(CaptureError::Unknown)?;
        let per_second = match magic {
            [0x0a, 0x0d, 0x0d, 0x0a] => {
                capture.format = Format::PcapNg;
                capture.section()?;
                return Ok(capture);
            }
            [0xd4, 0xc3, 0xb2, 0xa1] => 1_000_000,
            [0x4d, 0x3c, 0xb2, 0xa1] => 1_000_000_000,
            [0xa1, 0xb2, 0xc3, 0xd4] => {
                capture.big = true;
                1_000_000
            }
            [0xa1, 0xb2, 0x3c, 0x4d] => {
                capture.big = true;
                1_000_000_000
            }
            _ => return Err(CaptureError::Unknown),
        };
        capture.fill(20)?;
        // The upper bits tell of a frame check sequence.
        let link = Link::from_number(capture.u32(16) & 0x0fff_ffff);
        capture.interfaces.push(Interface { link, per_second, offset: 0 });
        Ok(capture)
    }

    /// The next frame; `Ok(None)` at the end.
    ///
    /// # Errors
    /// Where the capture ends within a frame or is damaged; there is nothing to be read behind that.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        match self.format {
            Format::Pcap => self.next_pcap(),
            Format::PcapNg => self.next_block(),
        }
    }

    /// What it is read from. Nothing may be read there by others; but more may be put there.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.input
    }

    fn next_pcap(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        let Some(head) = self.head::<16>()? else { return Ok(None) };
        let word = |at: usize| word(self.big, &head, at);
        let (seconds, fraction, length) = (word(0), word(4), word(8) as usize);
        if length > LONGEST {
            return Err(CaptureError::Damaged(self.offset - 8));
        }
        self.fill(length)?;
        let Some(interface) = self.interfaces.first() else { return Err(CaptureError::Unknown) };
        let unit = NANOS / interface.per_second as i64;
        let time = i64::from(seconds) * NANOS + i64::from(fraction).saturating_mul(unit);
        Ok(Some(Frame { time, link: interface.link, data: &self.buffer }))
    }

    /// Blocks of pcapng up to the next that holds a frame.
    fn next_block(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        loop {
            let Some(kind) = self.head::<4>()? else { return Ok(None) };
            if kind == [0x0a, 0x0d, 0x0d, 0x0a] {
                self.section()?;
                continue;
            }
            let kind = word(self.big, &kind, 0);
            self.block(8)?;
            let frame = match kind {
                1 => {
                    self.interface()?;
                    None
                }
                2 => Some(self.obsolete()?),
                3 => Some(self.simple()?),
                6 => Some(self.enhanced()?),
                _ => None,
            };
            if let Some((interface, time, from, length)) = frame {
                let interface = self.interfaces.get(interface).copied();
                let interface = interface.ok_or(CaptureError::Damaged(self.offset))?;
                let data = self.buffer.get(from..from + length).ok_or(CaptureError::Damaged(self.offset))?;
                return Ok(Some(Frame { time: interface.time(time), link: interface.link, data }));
            }
        }
    }

    /// The head of a section: its byte order. Interfaces of the section before are gone.
    fn section(&mut self) -> Result<(), CaptureError> {
        let Some(head) = self.head::<8>()? else { return Err(CaptureError::Cut) };
        self.big = match [head[4], head[5], head[6], head[7]] {
            [0x1a, 0x2b, 0x3c, 0x4d] => true,
            [0x4d, 0x3c, 0x2b, 0x1a] => false,
            _ => return Err(CaptureError::Damaged(self.offset)),
        };
        self.interfaces.clear();
        let length = word(self.big, &head, 0) as usize;
        self.body(length, 12)
    }

    /// The length of a block, and its content into the buffer.
    fn block(&mut self, read: usize) -> Result<(), CaptureError> {
        let Some(length) = self.head::<4>()? else { return Err(CaptureError::Cut) };
        let length = word(self.big, &length, 0) as usize;
        self.body(length, read)
    }

    /// The rest of a block of which `read` bytes were read; at its end stands its length once more.
    fn body(&mut self, length: usize, read: usize) -> Result<(), CaptureError> {
        let rest = length.checked_sub(read + 4).filter(|rest| rest.is_multiple_of(4) && *rest <= LONGEST_BLOCK);
        let Some(rest) = rest else { return Err(CaptureError::Damaged(self.offset)) };
        self.fill(rest)?;
        self.head::<4>()?.map(|_| ()).ok_or(CaptureError::Cut)
    }

    /// An interface: its link, and how it counts time.
    fn interface(&mut self) -> Result<(), CaptureError> {
        if self.buffer.len() < 8 || self.interfaces.len() >= MOST_INTERFACES {
            return Err(CaptureError::Damaged(self.offset));
        }
        let link = Link::from_number(u32::from(self.u16(0)));
        let mut interface = Interface { link, per_second: 1_000_000, offset: 0 };
        let mut at = 8;
        while at + 4 <= self.buffer.len() {
            let (code, length) = (self.u16(at), usize::from(self.u16(at + 2)));
            let Some(value) = self.buffer.get(at + 4..at + 4 + length) else { break };
            match (code, value) {
                (0, _) => break,
                (9, &[unit, ..]) => interface.per_second = per_second(unit),
                (14, &[a, b, c, d, e, f, g, h]) => {
                    let bytes = [a, b, c, d, e, f, g, h];
                    interface.offset = if self.big { i64::from_be_bytes(bytes) } else { i64::from_le_bytes(bytes) };
                }
                _ => {}
            }
            at += 4 + length.next_multiple_of(4);
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// Interface, time, and where the frame lies in the buffer.
    fn enhanced(&self) -> Result<(usize, u64, usize, usize), CaptureError> {
        self.wants(20)?;
        Ok((self.u32(0) as usize, u64::from(self.u32(4)) << 32 | u64::from(self.u32(8)), 20, self.u32(12) as usize))
    }

    fn obsolete(&self) -> Result<(usize, u64, usize, usize), CaptureError> {
        self.wants(20)?;
        Ok((usize::from(self.u16(0)), u64::from(self.u32(4)) << 32 | u64::from(self.u32(8)), 20, self.u32(12) as usize))
    }

    fn simple(&self) -> Result<(usize, u64, usize, usize), CaptureError> {
        self.wants(4)?;
        Ok((0, 0, 4, (self.u32(0) as usize).min(self.buffer.len() - 4)))
    }

    fn wants(&self, length: usize) -> Result<(), CaptureError> {
        if self.buffer.len() < length { Err(CaptureError::Damaged(self.offset)) } else { Ok(()) }
    }

    fn u16(&self, at: usize) -> u16 {
        let bytes = [self.buffer[at], self.buffer[at + 1]];
        if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn u32(&self, at: usize) -> u32 {
        word(self.big, &self.buffer, at)
    }

    /// The next bytes; `None` at the end of the input.
    fn head<const N: usize>(&mut self) -> Result<Option<[u8; N]>, CaptureError> {
        let mut bytes = [0; N];
        let mut read = 0;
        while read < N {
            match self.input.read(&mut bytes[read..]) {
                Ok(0) if read == 0 => return Ok(None),
                Ok(0) => return Err(CaptureError::Cut),
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(CaptureError::Io(error)),
            }
        }
        self.offset += N as u64;
        Ok(Some(bytes))
    }

    /// Reads that many bytes into the buffer, which grows with what is there.
    fn fill(&mut self, length: usize) -> Result<(), CaptureError> {
        self.buffer.clear();
        let read = (&mut self.input).take(length as u64).read_to_end(&mut self.buffer).map_err(CaptureError::Io)?;
        self.offset += read as u64;
        if read < length { Err(CaptureError::Cut) } else { Ok(()) }
    }
}

fn word(big: bool, bytes: &[u8], at: usize) -> u32 {
    let bytes = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}

/// Units in a second: a power of 10, or of 2 where the highest bit is set.
fn per_second(unit: u8) -> u64 {
    let power = u32::from(unit & 0x7f);
    let units = if unit & 0x80 == 0 { 10_u64.checked_pow(power) } else { 2_u64.checked_pow(power) };
    units.unwrap_or(u64::MAX)
}

impl Interface {
    fn time(&self, units: u64) -> i64 {
        let nanos = u128::from(units) * NANOS as u128 / u128::from(self.per_second);
        i64::try_from(nanos).unwrap_or(i64::MAX).saturating_add(self.offset.saturating_mul(NANOS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Owned = (i64, Option<Link>, Vec<u8>);

    fn frames(bytes: &[u8]) -> Result<Vec<Owned>, CaptureError> {
        let mut capture = Capture::new(bytes)?;
        let mut frames = Vec::new();
        while let Some(frame) = capture.next_frame()? {
            frames.push((frame.time, frame.link, frame.data.to_vec()));
        }
        Ok(frames)
    }

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = (body.len() as u32 + 12).to_be_bytes();
        [&kind.to_be_bytes()[..], &length, &body, &length].concat()
    }

    #[test]
    fn pcapng_of_either_resolution_and_several_sections_is_read() {
        let section = block(0x0a0d_0d0a, &[0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
        let micros = block(1, &[0, 1, 0, 0, 0, 0, 0, 0]);
        let nanos = block(1, &[0, 101, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0]);
        let packet = |time: u8| block(6, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, time, 0, 0, 0, 2, 0, 0, 0, 2, 7, 8]);
        let file = [&section[..], &micros, &packet(5), &section, &nanos, &packet(6)].concat();
        let frames = frames(&file).expect("a capture");
        assert_eq!(frames, [(5_000, Some(Link::Ethernet), vec![7, 8]), (6, Some(Link::Raw), vec![7, 8])]);
    }

    #[test]
    fn a_pcap_that_is_cut_gives_what_is_before_and_says_so() {
        let mut file = vec![0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 113];
        file.extend([0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 42]);
        assert_eq!(frames(&file).expect("a capture"), [(1_000_000_009, Some(Link::Sll), vec![42])]);
        file.extend([0, 0, 0, 1]);
        assert!(matches!(frames(&file), Err(CaptureError::Cut)));
        assert!(matches!(frames(b"PK"), Err(CaptureError::Unknown)));
    }

    #[test]
    fn a_length_that_cannot_be_is_refused_before_it_is_believed() {
        let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0];
        file.extend([0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 127, 1, 0, 0, 0]);
        assert!(matches!(frames(&file), Err(CaptureError::Damaged(_))));
    }
}
