//! Above which surprise a bag is unusual: from the surprises of what is known, without labels.

use super::{CountVectors, Measured};

/// At most so many distinct bags are measured to find the limit.
const MEASURED: usize = 256;

/// From which quantile on the tail is taken to be exponential.
const TAIL: f64 = 0.9;

/// How many distances [`of`] measures where so many distinct bags are known.
pub(super) fn distances(known: usize) -> u64 {
    known.min(MEASURED) as u64 * known as u64
}

pub(super) fn of(vectors: &CountVectors) -> f32 {
    let trusted = vectors.by_trust;
    let ordinary: Vec<_> = vectors.known.iter().enumerate().filter(|(_, known)| vectors.says(known)).collect();
    let step = ordinary.len().div_ceil(MEASURED).max(1);
    let mut surprises = Vec::with_capacity(MEASURED);
    for &(at, known) in ordinary.iter().step_by(step) {
        let measured = Measured { counts: known.counts.to_vec(), unknown: Vec::new(), hash: known.hash };
        // Left out, one of several equal ones is still known.
        let surprise = if trusted && known.times > 1 { 0.0 } else { vectors.radius(&measured, Some(at), &[]) };
        surprises.push((surprise, f64::from(known.times)));
    }
    surprises.retain(|(surprise, _)| surprise.is_finite());
    surprises.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    if trusted { tail(&surprises, vectors.settings.false_alarms) } else { fence(&surprises) }
}

/// Tukey's outer fence: three interquartile ranges above the upper quartile. Stands up to a quarter of dirt.
fn fence(surprises: &[(f32, f64)]) -> f32 {
    let (low, high) = (quantile(surprises, 0.25), quantile(surprises, 0.75));
    high + 3.0 * (high - low)
}

/// The surprise that a share of `alarms` exceeds, by an exponential tail. Its slope is found from the median excess: some
/// oddities that were learned on trust do not raise the limit above the next of their kind.
fn tail(surprises: &[(f32, f64)], alarms: f64) -> f32 {
    let start = quantile(surprises, TAIL);
    let total: f64 = surprises.iter().map(|(_, mass)| mass).sum();
    let beyond = &surprises[surprises.partition_point(|(surprise, _)| *surprise <= start)..];
    let share = beyond.iter().map(|(_, mass)| mass).sum::<f64>() / total;
    if beyond.is_empty() || share <= alarms {
        return start;
    }
    let slope = (quantile(beyond, 0.5) - start) / std::f32::consts::LN_2;
    start + slope * (share / alarms).ln() as f32
}

/// A quantile of values with masses, in order.
fn quantile(values: &[(f32, f64)], share: f64) -> f32 {
    let wanted = share * values.iter().map(|(_, mass)| mass).sum::<f64>();
    let mut reached = 0.0;
    let at = values.iter().find(|(_, mass)| {
        reached += mass;
        reached >= wanted
    });
    at.or(values.last()).map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fence_ignores_a_fifth_of_dirt() {
        let values: Vec<_> = (0..100).map(|n| (if n < 80 { n as f32 / 80.0 } else { 50.0 }, 1.0)).collect();
        assert!(fence(&values) < 4.0, "{}", fence(&values));
    }

    #[test]
    fn the_tail_of_an_exponential_is_where_its_quantile_is() {
        let n = 20_000;
        let values: Vec<_> = (0..n).map(|i| (-(1.0 - (f64::from(i) + 0.5) / f64::from(n)).ln() as f32, 1.0)).collect();
        let exact = -(1e-3_f32).ln();
        assert!((tail(&values, 1e-3) - exact).abs() < 0.05, "{} for {exact}", tail(&values, 1e-3));
    }

    #[test]
    fn two_oddities_learned_on_trust_do_not_raise_the_tail() {
        let ordinary = (0..20).map(|_| (1.5, 1.0));
        let mut values: Vec<_> = std::iter::once((0.0, 3000.0)).chain(ordinary).collect();
        let without = tail(&values, 5e-4);
        values.extend([(37.0, 1.0), (39.0, 1.0)]);
        assert!((tail(&values, 5e-4) - without).abs() < 0.5);
    }
}
