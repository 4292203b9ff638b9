//! Makes the file of a table; `packed` says how it looks.

use std::net::IpAddr;

/// How every such file begins, once unpacked.
const MAGIC: &[u8] = b"lapwing table 1\n";

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
