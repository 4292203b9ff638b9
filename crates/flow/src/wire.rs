//! Reading big-endian integers out of bytes that may be too few.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An unsigned integer of 0 to 8 bytes, the most significant first; of longer ones the last 8 bytes.
#[inline]
pub(crate) fn uint(bytes: &[u8]) -> u64 {
    match *bytes {
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_be_bytes([a, b])),
        [a, b, c, d] => u64::from(u32::from_be_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)),
    }
}

/// An address of 4 or 16 bytes.
#[inline]
pub(crate) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::V4(Ipv4Addr::from(four)));
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| IpAddr::V6(Ipv6Addr::from(sixteen)))
}

/// What is left to read. Everything answers `None` where too few bytes are left, and then nothing is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.take(4).map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// The value of a field of that length; 65,535 stands for a length told in front of it (RFC 7011, 7).
    #[inline]
    pub fn field(&mut self, length: u16) -> Option<&'a [u8]> {
        if length != VARIABLE {
            return self.take(usize::from(length));
        }
        let before = self.rest;
        let told = self.u8().and_then(|short| if short < 255 { Some(u16::from(short)) } else { self.u16() });
        let value = told.and_then(|length| self.take(usize::from(length)));
        if value.is_none() {
            self.rest = before;
        }
        value
    }
}

/// The length of a field whose values tell their own.
pub(crate) const VARIABLE: u16 = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_any_length_are_read_most_significant_byte_first() {
        assert_eq!(uint(&[]), 0);
        assert_eq!(uint(&[1, 2, 3]), 0x01_02_03);
        assert_eq!(uint(&[0xff; 8]), u64::MAX);
        assert_eq!(uint(&[9, 9, 0, 0, 0, 0, 0, 0, 0, 1]), 1);
    }

    #[test]
    fn a_field_tells_its_length_in_one_byte_or_in_three() {
        assert_eq!(Reader::new(&[2, 7, 8, 9]).field(VARIABLE), Some(&[7, 8][..]));
        assert_eq!(Reader::new(&[255, 0, 1, 7]).field(VARIABLE), Some(&[7][..]));
        let mut short = Reader::new(&[200, 1, 2]);
        assert_eq!(short.field(VARIABLE), None);
        assert_eq!(short.rest(), [200, 1, 2], "what cannot be read is not taken");
    }
}
