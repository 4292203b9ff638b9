//! Captured packets, piece by piece, into rows. Packets that export flows tell of these as well.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::mem;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use lapwing_flow::{Aggregator, Capture, CaptureError, Decoder, Flow, Packet, Settings, dissect};
use lapwing_model::Origin;

/// So much is waited for before a frame is read, so that it is whole: more than any block of a capture may be long.
const WHOLE: usize = 1 << 20;

/// One capture while it is read.
#[derive(Debug)]
pub(super) struct Recording {
    origin: Arc<Origin>,
    state: State,
    aggregator: Aggregator,
    /// Made where a packet looks like that of an exporter. What it learns is of no use for exporters that are heard live.
    exported: Option<Box<Decoder>>,
    /// Rows made so far.
    made: u64,
    /// Frames so far, and how many of them held a packet.
    frames: u64,
    packets: u64,
}

#[derive(Debug)]
enum State {
    /// Too little is there to tell what it is.
    Beginning(Pieces),
    Open(Box<Capture<Pieces>>),
    /// Nothing more can be read.
    Over,
}

impl Recording {
    pub(super) fn of(origin: &Arc<Origin>) -> Recording {
        let state = State::Beginning(Pieces::default());
        Recording {
            origin: origin.clone(),
            state,
            aggregator: Aggregator::default(),
            exported: None,
            made: 0,
            frames: 0,
            packets: 0,
        }
    }

    pub(super) fn is_of(&self, origin: &Arc<Origin>) -> bool {
        self.origin.id == origin.id
    }

    /// The number of the first of so many new rows, from 1.
    pub(super) fn number(&mut self, new: usize) -> u64 {
        let first = self.made + 1;
        self.made += new as u64;
        first
    }

    /// Takes the next piece, an empty one at the end, and appends rows of conversations that are over. What is wrong with the
    /// capture is told once; what came before it counts.
    pub(super) fn read(&mut self, piece: &Bytes, rows: &mut Vec<Flow>) -> Result<(), &'static str> {
        let ended = piece.is_empty();
        let read = self.frames(piece, ended, rows);
        if read.is_err() {
            self.state = State::Over;
        }
        if ended {
            self.aggregator.finish(rows);
            if self.frames > 0 && self.packets == 0 {
                // Frames of other protocols (ARP) are ordinary; a capture of nothing else is a file that was not understood.
                return read.and(Err("capture-without-ip"));
            }
        }
        read
    }

    fn frames(&mut self, piece: &Bytes, ended: bool, rows: &mut Vec<Flow>) -> Result<(), &'static str> {
        match &mut self.state {
            State::Over => return Ok(()),
            State::Open(capture) => capture.get_mut().push(piece),
            State::Beginning(pieces) => {
                pieces.push(piece);
                if !ended && pieces.length < WHOLE {
                    return Ok(());
                }
                self.state = State::Open(Box::new(Capture::new(mem::take(pieces)).map_err(|error| reason(&error))?));
            }
        }
        let State::Open(capture) = &mut self.state else { return Ok(()) };
        while ended || capture.get_mut().length >= WHOLE {
            let Some(frame) = capture.next_frame().map_err(|error| reason(&error))? else { break };
            self.frames += 1;
            if let Some(packet) = frame.link.and_then(|link| dissect(link, frame.data)) {
                self.packets += 1;
                self.aggregator.packet(frame.time, &packet, rows);
                if is_export(&packet) {
                    let decoder = self.exported.get_or_insert_with(|| Box::new(Decoder::new(Settings::default())));
                    // Nobody said that it is one: what cannot be read as such is a packet like any other.
                    decoder.decode((packet.src, packet.src_port).into(), frame.time, packet.payload, rows);
                }
            }
        }
        Ok(())
    }
}

/// Whether a packet goes where collectors of NetFlow, IPFIX and sFlow listen, and begins as they do.
fn is_export(packet: &Packet<'_>) -> bool {
    const COLLECTORS: [u16; 8] = [2055, 2056, 4432, 4739, 6343, 9555, 9995, 9996];
    let version = matches!(packet.payload, [0, 5 | 7 | 9 | 10, ..] | [0, 0, 0, 5, ..]);
    version && packet.fragment.is_none() && COLLECTORS.contains(&packet.dst_port)
}

fn reason(error: &CaptureError) -> &'static str {
    match error {
        CaptureError::Unknown => "no-capture",
        CaptureError::Cut => "capture-cut",
        CaptureError::Io(_) | CaptureError::Damaged(_) => "capture-damaged",
    }
}

/// What was handed over and not yet read.
#[derive(Debug, Default)]
struct Pieces {
    queue: VecDeque<Bytes>,
    length: usize,
}

impl Pieces {
    fn push(&mut self, piece: &Bytes) {
        if !piece.is_empty() {
            self.length += piece.len();
            self.queue.push_back(piece.clone());
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(first) = self.queue.front_mut() else { return Ok(0) };
        let count = first.len().min(buffer.len());
        first.copy_to_slice(&mut buffer[..count]);
        self.length -= count;
        if first.is_empty() {
            self.queue.pop_front();
        }
        Ok(count)
    }
}
