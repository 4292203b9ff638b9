//! The file of a table, small to ship, and the flat form that is looked up. The build script turns the one into the other, so that
//! a start unpacks nothing: it only walks over the starts once, and of the rest what is asked for is read.
//!
//! ```text
//!  file: zstd( "lapwing table 1\n"  labels: count, then each number, length, text  IPv4: count, steps, values  IPv6: the same )
//!  flat: numbers of labels, ends of their texts, texts, IPv4: starts, values, IPv6: starts, values; before each its length in bytes
//! ```
//! In the file numbers are varints (LEB128). A step is how far a run starts after the one before; of IPv6 the upper 64 bits count. A
//! value is the number of a label, from 1 on; 0 stands for nothing. In the flat form all numbers are big-endian, as addresses are:
//! values of one byte where there are fewer than 256 labels, everything else of four; starts of IPv6 of eight.

use std::io::Read;

const MAGIC: &[u8] = b"lapwing table 1\n";

/// A table that claims to be larger once unpacked is refused.
const MOST_BYTES: u64 = 64 << 20;

/// The flat form of a table's file.
///
/// # Errors
/// What is wrong with the bytes.
pub fn flat(file: &[u8]) -> Result<Vec<u8>, String> {
    let said = |error: &dyn std::fmt::Display| format!("it cannot be unpacked: {error}");
    let decoder = ruzstd::decoding::StreamingDecoder::new(file).map_err(|error| said(&error))?;
    let mut bytes = Vec::new();
    decoder.take(MOST_BYTES).read_to_end(&mut bytes).map_err(|error| said(&error))?;
    let rest = bytes.strip_prefix(MAGIC).ok_or("it is no table of this version")?;
    Reader(rest).table().ok_or_else(|| "it is cut short or damaged".to_owned())
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn table(&mut self) -> Option<Vec<u8>> {
        let mut flat = Vec::new();
        let labels = self.labels(&mut flat)?;
        for width in [4, 8] {
            self.runs(width, labels, &mut flat)?;
        }
        self.0.is_empty().then_some(flat)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for (&byte, at) in self.0.iter().zip(0..10_usize) {
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.0 = &self.0[at + 1..];
                return Some(number);
            }
        }
        None
    }

    /// A count of things of which each takes a byte at least, so that a lie costs no memory.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    /// How many labels there are.
    fn labels(&mut self, flat: &mut Vec<u8>) -> Option<usize> {
        let count = self.count()?;
        let (mut numbers, mut ends, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            numbers.extend(u32::try_from(self.number()?).ok()?.to_be_bytes());
            let length = self.count()?;
            let (text, rest) = self.0.split_at(length);
            self.0 = rest;
            texts.extend(std::str::from_utf8(text).ok()?.as_bytes());
            ends.extend(u32::try_from(texts.len()).ok()?.to_be_bytes());
        }
        [numbers, ends, texts].iter().try_for_each(|part| append(part, flat))?;
        Some(count)
    }

    /// Runs whose starts take `width` bytes.
    fn runs(&mut self, width: usize, labels: usize, flat: &mut Vec<u8>) -> Option<()> {
        let count = self.count()?;
        let (mut starts, mut values, mut so_far) = (Vec::new(), Vec::new(), 0_u64);
        for _ in 0..count {
            so_far = so_far.checked_add(self.number()?)?;
            let bytes = so_far.to_be_bytes();
            let (beyond, start) = bytes.split_at(8 - width);
            if beyond.iter().any(|byte| *byte != 0) {
                return None;
            }
            starts.extend_from_slice(start);
        }
        for _ in 0..count {
            let value = self.number().filter(|value| *value <= labels as u64)? as u32;
            let bytes = value.to_be_bytes();
            values.extend_from_slice(if labels < 256 { &bytes[3..] } else { &bytes });
        }
        append(&starts, flat)?;
        append(&values, flat)
    }
}

fn append(part: &[u8], flat: &mut Vec<u8>) -> Option<()> {
    flat.extend(u32::try_from(part.len()).ok()?.to_be_bytes());
    flat.extend_from_slice(part);
    Some(())
}
