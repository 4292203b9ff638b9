//! A table of what belongs to which address, in the form in which it lies in the binary (see `packed`).

use std::net::IpAddr;

use crate::ranges::Ranges;

/// Which label belongs to which address. `L` is a number, big-endian, that is large enough for all labels: one byte for countries.
#[derive(Debug, Clone, Default)]
pub struct Table<L: Label> {
    labels: Labels,
    v4: Ranges<[u8; 4], L>,
    v6: Ranges<[u8; 8], L>,
}

/// The number of a label, from 1 on; 0 stands for none.
pub trait Label: Copy + Default + PartialEq + 'static {
    fn number(self) -> u32;
    /// Bytes as labels; none where they end within one.
    fn all(bytes: &'static [u8]) -> Option<&'static [Self]>;
}

impl Label for u8 {
    fn number(self) -> u32 {
        self.into()
    }

    fn all(bytes: &'static [u8]) -> Option<&'static [u8]> {
        Some(bytes)
    }
}

impl Label for [u8; 4] {
    fn number(self) -> u32 {
        u32::from_be_bytes(self)
    }

    fn all(bytes: &'static [u8]) -> Option<&'static [[u8; 4]]> {
        words(bytes)
    }
}

/// Numbers and texts, one after another.
#[derive(Debug, Clone, Copy, Default)]
struct Labels {
    numbers: &'static [[u8; 4]],
    ends: &'static [[u8; 4]],
    texts: &'static str,
}

impl<L: Label> Table<L> {
    /// None where the bytes are not the flat form of a table with labels of that width.
    #[must_use]
    pub fn of(mut flat: &'static [u8]) -> Option<Table<L>> {
        let rest = &mut flat;
        let labels =
            Labels { numbers: words(part(rest)?)?, ends: words(part(rest)?)?, texts: std::str::from_utf8(part(rest)?).ok()? };
        let v4 = Ranges::new(words(part(rest)?)?, L::all(part(rest)?)?)?;
        let v6 = Ranges::new(words(part(rest)?)?, L::all(part(rest)?)?)?;
        rest.is_empty().then_some(Table { labels, v4, v6 })
    }

    /// The label of an address, by which [`label`](Table::label) knows it.
    #[inline]
    #[must_use]
    pub fn find(&self, address: IpAddr) -> u32 {
        let label = match address {
            IpAddr::V4(v4) => self.v4.get(v4.octets()),
            IpAddr::V6(v6) => self.v6.get(((v6.to_bits() >> 64) as u64).to_be_bytes()),
        };
        label.number()
    }

    /// The number and the text of a label.
    #[must_use]
    pub fn label(&self, label: u32) -> Option<(u32, &'static str)> {
        self.labels.get(label)
    }

    /// The number and the text that belong to an address.
    #[must_use]
    pub fn get(&self, address: IpAddr) -> Option<(u32, &'static str)> {
        self.label(self.find(address))
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
}

impl Labels {
    fn get(&self, label: u32) -> Option<(u32, &'static str)> {
        let at = (label as usize).checked_sub(1)?;
        let end = |at: usize| Some(u32::from_be_bytes(*self.ends.get(at)?) as usize);
        let start = at.checked_sub(1).map_or(Some(0), end)?;
        Some((u32::from_be_bytes(*self.numbers.get(at)?), self.texts.get(start..end(at)?)?))
    }
}

/// Takes the next part off: before it stands its length in bytes.
fn part(rest: &mut &'static [u8]) -> Option<&'static [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (part, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = after;
    Some(part)
}

fn words<const N: usize>(bytes: &'static [u8]) -> Option<&'static [[u8; N]]> {
    let (words, rest) = bytes.as_chunks::<N>();
    rest.is_empty().then_some(words)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::Builder;
    use crate::packed::flat;

    fn read<L: Label>(file: &[u8]) -> Result<Table<L>, String> {
        Table::of(flat(file)?.leak()).ok_or_else(|| "it is of another form".to_owned())
    }

    /// Runs of addresses apart from one another, from random edges, with a label each.
    fn runs(edges: &[u32]) -> Vec<(u32, u32, u32)> {
        let mut edges = edges.to_vec();
        edges.sort_unstable();
        edges.dedup();
        let pairs = edges.chunks_exact(2).filter(|pair| pair[1] > pair[0]);
        pairs.enumerate().map(|(number, pair)| (pair[0], pair[1] - 1, number as u32 % 5)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

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
            let table = read::<u8>(&builder.pack().unwrap()).unwrap();
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
            let mut body = b"lapwing table 1\n".to_vec();
            body.extend(&bytes);
            let _ = read::<u8>(&zstd::encode_all(body.as_slice(), 1).unwrap());
            prop_assert!(read::<u8>(&bytes).is_err());
            let _ = Table::<u8>::of(bytes.leak());
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
        let table = read::<u8>(&small()).unwrap();
        assert_eq!(table.len(), 2);
        assert_eq!(table.get("255.255.255.255".parse().unwrap()), Some((64_500, "Example")));
        assert_eq!(table.get("ffff::1".parse().unwrap()), Some((64_501, "Other")));
        assert_eq!(table.get("192.0.1.255".parse().unwrap()), None);
    }

    #[test]
    fn a_table_cut_anywhere_or_with_more_behind_it_is_refused() {
        let whole = zstd::decode_all(small().as_slice()).unwrap();
        for cut in 0..whole.len() {
            assert!(read::<u8>(&zstd::encode_all(&whole[..cut], 1).unwrap()).is_err(), "cut at {cut}");
        }
        let more = [whole.as_slice(), b"x"].concat();
        assert_eq!(read::<u8>(&zstd::encode_all(more.as_slice(), 1).unwrap()).unwrap_err(), "it is cut short or damaged");
    }

    #[test]
    fn a_flat_table_cut_anywhere_or_of_other_labels_is_refused() {
        let whole: &[u8] = flat(&small()).unwrap().leak();
        (0..whole.len()).for_each(|cut| assert!(Table::<u8>::of(&whole[..cut]).is_none(), "cut at {cut}"));
        assert!(Table::<u8>::of(whole).is_some() && Table::<[u8; 4]>::of(whole).is_none());
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
