//! Random numbers: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014), whose
//! 64-bit state passes BigCrush and is plenty for log lines.
//!
//! Only `+ - * /` on floating-point numbers: IEEE 754 fixes their results, while `ln` of two C libraries may differ.

#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        random.0 = random.next() ^ seed.rotate_left(32);
        random
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Even over 0..n (n > 0), by multiplication (Lemire: Fast random integer generation in an interval, 2019; the bias of at
    /// most n / 2^32 is left in).
    #[inline]
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (((self.next() >> 32) * n as u64) >> 32) as usize
    }

    /// Even over `low..=high`.
    #[inline]
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below((high - low) as usize + 1) as u32
    }

    /// Even over [0, 1).
    #[inline]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    #[inline]
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of several; `from` must not be empty.
    #[inline]
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Exponentially distributed with mean 1.
    #[inline]
    pub(crate) fn exponential(&mut self) -> f64 {
        -ln(1.0 - self.unit())
    }

    /// An address of the public internet: no private, reserved or multicast first number.
    pub(crate) fn address(&mut self) -> u32 {
        const FIRST: [u8; 24] =
            [5, 24, 31, 46, 52, 62, 66, 71, 77, 80, 84, 91, 98, 109, 118, 134, 151, 163, 176, 185, 188, 201, 212, 217];
        let rest = self.next() as u32;
        u32::from_be_bytes([self.pick(&FIRST), (rest >> 16) as u8, (rest >> 8) as u8, (rest as u8).clamp(1, 254)])
    }
}

/// Natural logarithm of a positive normal number: exponent apart, the rest by the series of the inverse hyperbolic tangent
/// (DLMF 4.6.4), good to 1e-9.
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = ((bits >> 52) as i64 - 1023) as f64;
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    // Mantissa in [1, 2): relative to the root of 2 the series' argument stays below 0.172.
    let s = (mantissa - std::f64::consts::SQRT_2) / (mantissa + std::f64::consts::SQRT_2);
    let q = s * s;
    let series = 1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0))));
    2.0 * s * series + (exponent + 0.5) * std::f64::consts::LN_2
}

/// Ranks with frequencies as 1 / rank (Zipf's law), by a table of cumulated weights.
#[derive(Debug, Clone)]
pub(crate) struct Zipf(Vec<f64>);

impl Zipf {
    /// Ranks 0..n, n > 0.
    pub(crate) fn new(n: usize) -> Self {
        let mut sum = 0.0;
        let mut cumulated: Vec<f64> = (1..=n)
            .map(|rank| {
                sum += 1.0 / rank as f64;
                sum
            })
            .collect();
        cumulated.iter_mut().for_each(|weight| *weight /= sum);
        Zipf(cumulated)
    }

    #[inline]
    pub(crate) fn rank(&self, random: &mut Random) -> usize {
        let u = random.unit();
        self.0.partition_point(|&weight| weight <= u).min(self.0.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ln_is_the_logarithm() {
        for x in [1e-16, 0.001, 0.5, 0.999_999, 1.0, 1.4, 2.0, 12_345.678] {
            assert!((ln(x) - x.ln()).abs() < 1e-8, "{x}: {} instead of {}", ln(x), x.ln());
        }
    }

    #[test]
    fn exponential_has_mean_and_deviation_one() {
        let mut random = Random::new(7);
        let values: Vec<f64> = (0..100_000).map(|_| random.exponential()).collect();
        let mean = values.iter().sum::<f64>() / 1e5;
        let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 1e5;
        assert!((mean - 1.0).abs() < 0.02 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        assert!(values.iter().all(|x| *x >= 0.0));
    }

    #[test]
    fn the_first_rank_is_twice_as_frequent_as_the_second() {
        let (zipf, mut random, mut counts) = (Zipf::new(50), Random::new(3), [0f64; 50]);
        (0..100_000).for_each(|_| counts[zipf.rank(&mut random)] += 1.0);
        assert!((1.9..2.1).contains(&(counts[0] / counts[1])) && counts[49] > 200.0, "{counts:?}");
    }

    #[test]
    fn seeds_near_each_other_give_unlike_numbers() {
        let firsts: Vec<u64> = (0..64).map(|seed| Random::new(seed).next() >> 58).collect();
        let different: std::collections::BTreeSet<u64> = firsts.iter().copied().collect();
        assert!(different.len() > 30, "{firsts:?}");
    }

    #[test]
    fn addresses_are_public() {
        let mut random = Random::new(1);
        for _ in 0..10_000 {
            let address = std::net::Ipv4Addr::from(random.address());
            assert!(!address.is_private() && !address.is_loopback() && !address.is_multicast() && address.octets()[3] > 0);
        }
    }
}
