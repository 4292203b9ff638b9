//! A table of what belongs to which address, and its file: small to ship, quick to read.
//!
//! ```text
//!  zstd( "lapwing table 1\n"  labels: count, then each number, length, text  IPv4: count, steps, values  IPv6: the same )
//! ```
//! Numbers are varints (LEB128). A step is how far a run starts after the one before; of IPv6 the upper 64 bits count. A value is
//! the number of a label, from 1 on; 0 stands for nothing.

use std::net::IpAddr;

use crate::ranges::{Key, Ranges};

const MAGIC: &[u8] = b"lapwing table 1\n";

/// A table that claims to be larger once unpacked is refused.
const MOST_BYTES: usize = 64 << 20;

/// Which label belongs to which address. `L` is a number that is large enough for all labels: `u8` for countries.
#[derive(Debug, Clone, Default)]
pub struct Table<L> {
    labels: Labels,
    v4: Ranges<u32, L>,
    v6: Ranges<u64, L>,
}

/// The number of a label.
pub trait Label: Copy + Default + PartialEq + Into<u32> + TryFrom<u64> {}

impl Label for u8 {}
impl Label for u32 {}

/// Numbers and texts, one after another.
#[derive(Debug, Clone, Default)]
struct Labels {
    numbers: Vec<u32>,
    ends: Vec<u32>,
    text: String,
}

impl<L: Label> Table<L> {
    /// The number and the text that belong to an address.
    #[must_use]
    pub fn get(&self, address: IpAddr) -> Option<(u32, &str)> {
        let label = match address {
            IpAddr::V4(v4) => self.v4.get(v4.to_bits()),
            IpAddr::V6(v6) => self.v6.get((v6.to_bits() >> 64) as u64),
        };
        self.labels.get(label.into())
    }

    /// Unpacks a table's file.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn read(packed: &[u8]) -> Result<Table<L>, String> {
        // In one piece, which needs no window beside it; memory is taken as it is written to.
        let bytes = zstd::bulk::decompress(packed, MOST_BYTES)
            .map_err(|error| format!("it cannot be unpacked into {MOST_BYTES} bytes: {error}"))?;
        let rest = bytes.strip_prefix(MAGIC).ok_or("it is no table of this version")?;
        Reader(rest).table().ok_or_else(|| "it is cut short or damaged".to_owned())
    }

    /// How many runs of addresses it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.v4.bytes() + self.v6.bytes() + self.labels.text.capacity() + 8 * self.labels.numbers.capacity()
    }
}

impl Labels {
    fn get(&self, label: u32) -> Option<(u32, &str)> {
        let at = (label as usize).checked_sub(1)?;
        let start = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        let text = self.text.get(start as usize..*self.ends.get(at)? as usize)?;
        Some((*self.numbers.get(at)?, text))
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn table<L: Label>(&mut self) -> Option<Table<L>> {
        let labels = self.labels()?;
        let v4 = self.ranges(labels.numbers.len(), |so_far: u32, step| so_far.checked_add(u32::try_from(step).ok()?))?;
        let v6 = self.ranges(labels.numbers.len(), u64::checked_add)?;
        self.0.is_empty().then_some(Table { labels, v4, v6 })
    }

    #[inline]
    fn number(&mut self) -> Option<u64> {
        // Most numbers are small, and there are nearly a million of them.
        match self.0 {
            [byte @ 0..0x80, rest @ ..] => {
                self.0 = rest;
                Some(u64::from(*byte))
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Option<u64> {
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

    fn labels(&mut self) -> Option<Labels> {
        let count = self.count()?;
        let mut labels = Labels { numbers: Vec::with_capacity(count), ends: Vec::with_capacity(count), text: String::new() };
        for _ in 0..count {
            labels.numbers.push(u32::try_from(self.number()?).ok()?);
            let length = self.count()?;
            let (text, rest) = self.0.split_at(length);
            self.0 = rest;
            labels.text.push_str(std::str::from_utf8(text).ok()?);
            labels.ends.push(u32::try_from(labels.text.len()).ok()?);
        }
        labels.text.shrink_to_fit();
        Some(labels)
    }

    fn ranges<K: Key, L: Label>(&mut self, labels: usize, add: impl Fn(K, u64) -> Option<K>) -> Option<Ranges<K, L>> {
        let count = self.count()?;
        // Grown to their size at once: half a million of each would be copied, and kept twice, on the way.
        let (mut starts, mut values) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut so_far = K::default();
        for _ in 0..count {
            so_far = add(so_far, self.number()?)?;
            starts.push(so_far);
        }
        for _ in 0..count {
            let value = self.number().filter(|value| *value <= labels as u64)?;
            values.push(L::try_from(value).ok()?);
        }
        Ranges::new(starts, values)
    }
}

/// Gathers a table and packs it.
#[derive(Debug, Default)]
pub struct Builder {
    labels: Vec<(u32, String)>,
    numbers: std::collections::HashMap<(u32, String), u32>,
    v4: Vec<(u128, u32)>,
    v6: Vec<(u128, u32)>,
}

impl Builder {
    /// From `first` to `last` belongs that label. Runs come in order; of IPv6 at least a /64 belongs together.
    ///
    /// # Errors
    /// Where a run does not come after the one before, or its ends are of two kinds.
    pub fn add(&mut self, first: IpAddr, last: IpAddr, number: u32, text: &str) -> Result<(), String> {
        let label = self.label(number, text);
        let (runs, first, after) = match (first, last) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (&mut self.v4, u128::from(a.to_bits()), u128::from(b.to_bits()) + 1),
            (IpAddr::V6(a), IpAddr::V6(b)) => (&mut self.v6, a.to_bits() >> 64, (b.to_bits() >> 64) + 1),
            _ => return Err(format!("{first} and {last} are of two kinds")),
        };
        match runs.last() {
            Some(&(end, _)) if end > first || first >= after => {
                return Err(format!("{first:x} does not come after what is before it"));
            }
            Some(&(end, 0)) if end == first => drop(runs.pop()),
            _ => {}
        }
        if runs.last().is_none_or(|&(_, before)| before != label) {
            runs.push((first, label));
        }
        runs.push((after, 0));
        Ok(())
    }

    fn label(&mut self, number: u32, text: &str) -> u32 {
        let labels = &mut self.labels;
        *self.numbers.entry((number, text.to_owned())).or_insert_with(|| {
            labels.push((number, text.to_owned()));
            labels.len() as u32
        })
    }

    /// The table's file.
    ///
    /// # Errors
    /// Where it cannot be packed.
    pub fn pack(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = MAGIC.to_vec();
        put(&mut bytes, self.labels.len() as u64);
        for (number, text) in &self.labels {
            put(&mut bytes, u64::from(*number));
            put(&mut bytes, text.len() as u64);
            bytes.extend_from_slice(text.as_bytes());
        }
        for (runs, bits) in [(&self.v4, 32), (&self.v6, 64)] {
            // What ends with the last address of all has no end.
            let runs: Vec<_> = runs.iter().filter(|(start, _)| *start < 1 << bits).collect();
            put(&mut bytes, runs.len() as u64);
            let starts = || runs.iter().map(|(start, _)| *start as u64);
            std::iter::once(0).chain(starts()).zip(starts()).for_each(|(before, start)| put(&mut bytes, start - before));
            runs.iter().for_each(|(_, label)| put(&mut bytes, u64::from(*label)));
        }
        zstd::encode_all(bytes.as_slice(), 19)
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    /// Runs of addresses apart from one another, from random edges, with a label each.
    fn runs(edges: &[u32]) -> Vec<(u32, u32, u32)> {
        let mut edges = edges.to_vec();
        edges.sort_unstable();
        edges.dedup();
        let pairs = edges.chunks_exact(2).filter(|pair| pair[1] > pair[0]);
        pairs.enumerate().map(|(number, pair)| (pair[0], pair[1] - 1, number as u32 % 5)).collect()
    }

    proptest! {
        #[test]
        fn every_edge_reads_back_as_a_walk_over_the_runs_says(edges in prop::collection::vec(any::<u32>(), 0..80)) {
            let runs = runs(&edges);
            let mut builder = Builder::default();
            let wide = |bits: u32, rest: u128| Ipv6Addr::from_bits(u128::from(bits) << 96 | rest);
            for &(first, last, label) in &runs {
                let text = format!("label {label}");
                builder.add(Ipv4Addr::from_bits(first).into(), Ipv4Addr::from_bits(last).into(), label, &text).unwrap();
                builder.add(wide(first, 0).into(), wide(last, u128::MAX >> 32).into(), label, &text).unwrap();
            }
            let table = Table::<u8>::read(&builder.pack().unwrap()).unwrap();
            for edge in edges.iter().flat_map(|edge| [edge.wrapping_sub(1), *edge, edge.wrapping_add(1)]) {
                let naive = runs.iter().find(|(first, last, _)| (*first..=*last).contains(&edge));
                let naive = naive.map(|(_, _, label)| (*label, format!("label {label}")));
                let got = |address: IpAddr| table.get(address).map(|(number, text)| (number, text.to_owned()));
                prop_assert_eq!(got(Ipv4Addr::from_bits(edge).into()), naive.clone());
                prop_assert_eq!(got(wide(edge, 1).into()), naive.clone());
                prop_assert_eq!(got(wide(edge, u128::MAX >> 32).into()), naive);
            }
        }

        #[test]
        fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut body = MAGIC.to_vec();
            body.extend(&bytes);
            let _ = Table::<u8>::read(&zstd::encode_all(body.as_slice(), 1).unwrap());
            prop_assert!(Table::<u8>::read(&bytes).is_err());
        }
    }

    fn small() -> Vec<u8> {
        let mut builder = Builder::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        builder.add(address("192.0.2.0"), address("192.0.2.255"), 64_500, "Example").unwrap();
        builder.add(address("192.0.3.0"), address("255.255.255.255"), 64_500, "Example").unwrap();
        builder.add(address("2001:db8::"), address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 64_501, "Other").unwrap();
        builder.pack().unwrap()
    }

    #[test]
    fn neighbours_with_one_label_are_one_run_and_the_last_address_belongs_to_its_run() {
        let table = Table::<u32>::read(&small()).unwrap();
        assert_eq!(table.len(), 2);
        assert_eq!(table.get("255.255.255.255".parse().unwrap()), Some((64_500, "Example")));
        assert_eq!(table.get("ffff::1".parse().unwrap()), Some((64_501, "Other")));
        assert_eq!(table.get("192.0.1.255".parse().unwrap()), None);
    }

    #[test]
    fn a_table_cut_anywhere_or_with_more_behind_it_is_refused() {
        let whole = zstd::decode_all(small().as_slice()).unwrap();
        for cut in 0..whole.len() {
            assert!(Table::<u32>::read(&zstd::encode_all(&whole[..cut], 1).unwrap()).is_err(), "cut at {cut}");
        }
        let more = [whole.as_slice(), b"x"].concat();
        assert_eq!(Table::<u32>::read(&zstd::encode_all(more.as_slice(), 1).unwrap()).unwrap_err(), "it is cut short or damaged");
    }

    #[test]
    fn runs_out_of_order_are_refused() {
        let mut builder = Builder::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        builder.add(address("192.0.2.0"), address("192.0.2.255"), 1, "a").unwrap();
        assert!(builder.add(address("192.0.2.128"), address("192.0.3.0"), 1, "a").is_err());
        assert!(builder.add(address("192.0.3.0"), address("2001:db8::"), 1, "a").is_err());
    }
}
