use super::*;

const NOTHING_OPEN: fn(u64) -> bool = |_| false;

/// So many bags of five items; the last item varies.
fn ordinary(count: u32) -> Vec<Vec<(u64, u32)>> {
    (0..count).map(|n| vec![(10, 3), (11, 3), (12, 1), (13, 2), (14, n % 7 + 1)]).collect()
}

fn learned(trusted: bool) -> CountVectors {
    let mut vectors = CountVectors::new(CountVectorSettings::default());
    ordinary(700).iter().for_each(|bag| vectors.learn(bag, trusted));
    vectors
}

#[test]
fn what_varies_anyway_is_no_surprise_and_what_never_varied_is() {
    for trusted in [false, true] {
        let mut vectors = learned(trusted);
        let limit = vectors.limit();
        let mut surprise = |bag: &[(u64, u32)]| vectors.surprise(bag, NOTHING_OPEN);
        assert!(surprise(&[(10, 3), (11, 3), (12, 1), (13, 2), (14, 9)]) < limit);
        assert!(surprise(&[(10, 3), (11, 3), (12, 1), (13, 3), (14, 2)]) > limit, "a count that never was");
        assert!(surprise(&[(10, 3), (11, 3), (12, 1), (14, 2)]) > limit, "one is missing");
        assert!(surprise(&[(10, 3), (11, 3), (12, 1), (13, 2), (14, 2), (99, 1)]) > limit, "one is new");
    }
}

#[test]
fn equal_oddities_do_not_excuse_each_other_unless_they_are_trusted() {
    let odd = [(10, 1), (12, 1), (77, 1)];
    for trusted in [false, true] {
        let mut vectors = learned(trusted);
        (0..8).for_each(|_| vectors.learn(&odd, trusted));
        let surprise = vectors.surprise(&odd, NOTHING_OPEN);
        assert_eq!(surprise > vectors.limit(), !trusted, "{surprise}");
        // What becomes common becomes ordinary.
        (0..60).for_each(|_| vectors.learn(&odd, trusted));
        assert!(vectors.surprise(&odd, NOTHING_OPEN) < vectors.limit());
    }
}

#[test]
fn what_may_still_come_is_not_missed() {
    let mut vectors = learned(false);
    let half = [(10, 3), (11, 3), (12, 1)];
    assert!(vectors.surprise(&half, NOTHING_OPEN) > vectors.limit());
    assert!(vectors.surprise(&half, |item| item == 13 || item == 14) < 0.1);
    let more = [(10, 4), (11, 3), (12, 1)];
    assert!(vectors.surprise(&more, |_| true) > vectors.limit(), "too many is told at once");
}

#[test]
fn a_difference_names_the_item_and_what_was_expected_of_it() {
    let mut vectors = learned(false);
    let bag = [(10, 3), (11, 5), (12, 1), (14, 1), (99, 1)];
    let surprise = vectors.surprise(&bag, NOTHING_OPEN);
    let found = vectors.differences(&bag, surprise, NOTHING_OPEN);
    let told: Vec<_> = found.iter().filter(|d| d.weight > 1.0).map(|d| (d.item, d.observed, d.expected)).collect();
    assert_eq!(told.len(), 3, "{found:?}");
    for difference in [(11, 5, 3), (13, 0, 2), (99, 1, 0)] {
        assert!(told.contains(&difference), "{found:?}");
    }
}

#[test]
fn unlearning_is_the_inverse_of_learning() {
    let mut vectors = learned(false);
    let (before, bags) = (format!("{:?}", vectors.known.iter().map(|known| known.times).collect::<Vec<_>>()), vectors.bags());
    for bag in [vec![(10, 3), (11, 1)], ordinary(1).remove(0)] {
        vectors.learn(&bag, false);
        vectors.unlearn(&bag);
        vectors.unlearn(&[(1234, 1)]);
    }
    assert_eq!(vectors.bags(), bags);
    assert_eq!(format!("{:?}", vectors.known.iter().map(|known| known.times).collect::<Vec<_>>()), before);
    assert_eq!(vectors.share_with(11, 1), 1.0);
}

#[test]
fn memory_is_bounded_under_random_bags_and_the_ordinary_stays_known() {
    let settings = CountVectorSettings { vectors: 64, items: 100, memory: 2000, ..CountVectorSettings::default() };
    let mut vectors = CountVectors::new(settings);
    let common = [(1, 1), (2, 2)];
    for n in 0..5000_u64 {
        vectors.learn(&common, false);
        vectors.learn(&[(mix(n, 1), 1), (mix(n, 2), (n % 1000) as u32)], false);
    }
    assert!(vectors.distinct() <= 64 && vectors.items() <= 100 && vectors.bags() <= 2001);
    assert!(vectors.surprise(&common, NOTHING_OPEN) < vectors.limit());
}

#[test]
fn nothing_known_and_empty_bags_do_no_harm() {
    let mut vectors =
        CountVectors::new(CountVectorSettings { vectors: 0, items: 0, memory: 0, ..CountVectorSettings::default() });
    assert_eq!(vectors.surprise(&[(1, 1)], NOTHING_OPEN), f32::INFINITY);
    for bag in [&[][..], &[(1, u32::MAX)], &[(1, 0)]] {
        vectors.learn(bag, true);
        assert!(!vectors.surprise(bag, NOTHING_OPEN).is_nan());
        assert!(vectors.differences(bag, 1.0, NOTHING_OPEN).len() < 3);
        vectors.unlearn(bag);
    }
}

#[test]
fn continues_exactly_after_a_round_trip() {
    let mut vectors = learned(false);
    let bytes = postcard::to_stdvec(&vectors).expect("it has a serial form");
    let mut again: CountVectors = postcard::from_bytes(&bytes).expect("it reads back");
    for bag in ordinary(300) {
        assert_eq!(vectors.surprise(&bag, NOTHING_OPEN), again.surprise(&bag, NOTHING_OPEN));
        vectors.learn(&bag, false);
        again.learn(&bag, false);
    }
    assert_eq!(postcard::to_stdvec(&vectors), postcard::to_stdvec(&again));
}

#[test]
fn large_counts_are_told_apart_to_an_eighth() {
    assert_eq!((rounded(16), rounded(17), rounded(18), rounded(1000), rounded(1001)), (16, 16, 18, 960, 960));
    assert_eq!(rounded(u32::MAX), 0xF000_0000);
}

#[test]
fn while_most_is_trusted_what_is_repeated_does_not_become_ordinary() {
    let mut vectors = learned(true);
    let odd = [(10, 1), (12, 1), (77, 1)];
    (0..600).for_each(|_| vectors.learn(&odd, false));
    assert!(vectors.surprise(&odd, NOTHING_OPEN) > vectors.limit());
    (0..200).for_each(|_| vectors.learn(&odd, false));
    assert!(vectors.surprise(&odd, NOTHING_OPEN) < vectors.limit(), "most of what came is such");
}

#[test]
fn what_may_become_a_trusted_bag_is_excused_only_while_everything_may_come() {
    let mut vectors = learned(true);
    vectors.learn(&[(10, 3), (11, 3), (14, 1)], true);
    let begun = [(10, 3), (11, 3)];
    assert_eq!(vectors.surprise(&begun, |_| true), 0.0);
    assert!(vectors.surprise(&begun, |item| item == 14) > 10.0, "nearly all others have more");
}

/// So many bags of about ten items that no other has.
fn unlike(count: u64) -> impl Iterator<Item = Vec<(u64, u32)>> {
    (0..count).map(|n| (0..8 + n % 5).map(|item| (mix(n, item), 1)).collect())
}

#[test]
fn where_every_bag_is_new_a_new_one_is_no_surprise() {
    for items in [100, 100_000] {
        let mut vectors = CountVectors::new(CountVectorSettings { items, ..CountVectorSettings::default() });
        let told = unlike(3000).filter(|bag| {
            let surprise = vectors.surprise(bag, NOTHING_OPEN);
            let told = vectors.bags() > 100 && surprise > vectors.limit();
            vectors.learn(bag, false);
            told
        });
        assert!(told.count() < 10, "of {items} items");
        assert!(vectors.items() <= items);
    }
}

#[test]
fn bags_are_equal_where_they_differ_in_items_beyond_those_learned() {
    let mut vectors = CountVectors::new(CountVectorSettings { items: 3, ..CountVectorSettings::default() });
    (0..50).for_each(|n| vectors.learn(&[(1, 1), (2, 1), (100 + n, 1)], false));
    assert_eq!((vectors.distinct(), vectors.items(), vectors.bags()), (1, 3, 50));
    assert!(vectors.surprise(&[(999, 7), (2, 1), (1, 1)], NOTHING_OPEN) < 0.1);
    assert!(vectors.surprise(&[(2, 1), (1, 1)], NOTHING_OPEN) > vectors.limit());
    vectors.unlearn(&[(1, 1), (2, 1), (5000, 1)]);
    assert_eq!(vectors.bags(), 49);
}

#[test]
fn no_surprise_exceeds_what_it_may_be_at_most_while_everything_may_come() {
    let mut vectors = learned(false);
    for n in 0..200_u64 {
        let bag: Vec<_> = (8..16).filter(|item| mix(n, *item) & 1 > 0).map(|item| (item, mix(item, n) as u32 % 4)).collect();
        assert!(vectors.surprise(&bag, |_| true) <= vectors.most_surprise(&bag), "{bag:?}");
    }
    assert_eq!(CountVectors::new(CountVectorSettings::default()).most_surprise(&[]), f32::INFINITY);
}
