//! How surprising it is that something never seen before appears, where few kinds of things were seen often.

/// The surprise, in nats (-ln of a probability), of a sample that has something new, after `samples` of which `distinct` kinds
/// are known and `once` of them were seen just once.
///
/// The chance of something new is about the share of what was seen once (Good, "The population frequencies of species", 1953).
/// Where nothing was seen once that says 0, which no finite sample can know: `distinct / samples` stands in (many samples of few
/// kinds: a closed set), and `allowance` is what is expected of the new thing itself: 1 where it is natural that it appears
/// some day, near 0 where it is not.
#[must_use]
pub fn surprise(samples: u32, distinct: u32, once: u32, allowance: f32) -> f32 {
    if samples == 0 {
        return 0.0;
    }
    let samples = samples as f32;
    let expected = once as f32 + distinct as f32 / samples + allowance.max(0.0);
    (-(expected / (samples + 1.0)).ln()).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_is_more_surprising_the_more_often_the_few_known_were_seen() {
        let of = |samples| surprise(samples, 2, 0, 0.0);
        assert!(of(10) < of(100) && of(100) < of(10_000));
        assert!(of(1000) > 13.0, "{}", of(1000));
    }

    #[test]
    fn where_the_new_is_common_it_is_no_surprise() {
        assert!(surprise(1000, 600, 400, 0.0) < 1.0);
        assert!(surprise(0, 0, 0, 0.0).abs() < f32::EPSILON);
        assert!(surprise(1, 1, 1, 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn what_may_well_come_some_day_is_less_surprising() {
        assert!(surprise(500, 3, 0, 1.0) < surprise(500, 3, 0, 0.1));
        assert!((surprise(999, 3, 0, 1.0) - 1000_f32.ln()).abs() < 0.01);
    }
}
