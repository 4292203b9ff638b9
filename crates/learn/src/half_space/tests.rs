use super::*;
use proptest::prelude::*;

fn learned(rows: usize, settings: HalfSpaceSettings) -> (HalfSpaceTrees, Random) {
    let (mut trees, mut random) = (HalfSpaceTrees::new(3, settings), Random::new(8));
    (0..rows).for_each(|_| trees.learn(&row(&mut random, 0.0)));
    (trees, random)
}

fn row(random: &mut Random, shift: f64) -> [f32; 3] {
    [0; 3].map(|_| (random.normal() + shift) as f32)
}

/// Evenly spread rows score 0.5: what is usual is well below, what is unusual well above.
fn assert_tells_apart(trees: &HalfSpaceTrees, usual: f32, unusual: f32) {
    let [usual, unusual] = [usual, unusual].map(|at| trees.score(&[at; 3]).unwrap());
    assert!(usual < 0.4 && unusual > 0.7, "usual {usual}, unusual {unusual}");
}

#[test]
fn judges_after_the_first_window() {
    let (mut trees, mut random) = learned(249, HalfSpaceSettings::default());
    assert_eq!(trees.score_then_learn(&row(&mut random, 0.0)), None);
    assert_tells_apart(&trees, 0.0, 6.0);
}

#[test]
fn a_long_window_judges_after_its_first_256_rows() {
    let (trees, _) = learned(256, HalfSpaceSettings { window: 100_000, ..Default::default() });
    assert_tells_apart(&trees, 0.0, 6.0);
}

#[test]
fn each_tree_counts_every_row_once_at_every_level() {
    let (trees, _) = learned(250 * 5 + 100, HalfSpaceSettings { trees: 7, ..Default::default() });
    for tree in trees.cells.chunks_exact(CELLS) {
        for level in 0..=8 {
            let cells = &tree[1 << level..2 << level];
            let sums = cells.iter().fold((0, 0), |sums, cell| (sums.0 + cell.reference, sums.1 + cell.latest));
            assert_eq!(sums, (250, 100), "level {level}");
        }
    }
}

#[test]
fn a_slow_drift_is_followed_window_by_window() {
    let (mut trees, mut random) = learned(2_000, HalfSpaceSettings::default());
    (0..20_000).for_each(|i| trees.learn(&row(&mut random, f64::from(i) / 10_000.0)));
    assert!(trees.score(&[2.0; 3]) < trees.score(&[-1.5; 3]));
}

#[test]
fn a_jump_far_outside_the_ranges_makes_new_ranges() {
    let (mut trees, mut random) = learned(2_000, HalfSpaceSettings::default());
    (0..1_000).for_each(|_| trees.learn(&row(&mut random, 1_000.0)));
    assert_tells_apart(&trees, 1_000.0, 1_006.0);
    assert_tells_apart(&trees, 1_000.0, 0.0);
}

#[test]
fn further_outside_the_ranges_is_the_outermost_box() {
    let (trees, _) = learned(2_000, HalfSpaceSettings::default());
    assert_eq!(trees.score(&[1e9, 1e9, 1e9]), trees.score(&[f32::INFINITY; 3]));
    assert_eq!(trees.score(&[-1e9, -1e9, -1e9]), trees.score(&[f32::NAN; 3]));
    assert_eq!(trees.score(&[]), trees.score(&[f32::NAN; 3]));
}

#[test]
fn memory_does_not_grow() {
    let (short, _) = learned(1_000, HalfSpaceSettings::default());
    let (long, _) = learned(50_000, HalfSpaceSettings::default());
    assert_eq!((short.cells.len(), short.kept.len()), (long.cells.len(), long.kept.len()));
}

#[test]
fn a_damaged_state_is_refused() {
    let damage: [fn(&mut HalfSpaceTrees); 4] = [
        |trees| trees.cells[1].feature = 3,
        |trees| _ = trees.cells.pop(),
        |trees| trees.ranges[0].most = f64::NAN,
        |trees| trees.filled = 250,
    ];
    for damage in damage {
        let (mut trees, _) = learned(600, HalfSpaceSettings::default());
        damage(&mut trees);
        assert!(postcard::from_bytes::<HalfSpaceTrees>(&postcard::to_allocvec(&trees).unwrap()).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_rows_are_judged_alike_with_and_without_learning_and_after_a_round_trip(
        trees in 1usize..12,
        width in 1usize..20,
        values in proptest::collection::vec(prop_oneof![3 => -9f32..9.0, 1 => any::<f32>(), 1 => Just(f32::NAN)], 1..2_000),
    ) {
        let settings = HalfSpaceSettings { trees, window: 16, depth: 8, seed: 2 };
        let mut trees = HalfSpaceTrees::new(width, settings);
        for row in values.chunks(width) {
            let back: HalfSpaceTrees = postcard::from_bytes(&postcard::to_allocvec(&trees).unwrap()).unwrap();
            prop_assert!(back == trees || back.kept.iter().any(|value| value.is_nan()));
            let score = back.score(row);
            prop_assert!(score.is_none_or(|score| score > 0.0 && score <= 1.0));
            prop_assert_eq!(trees.score_then_learn(row), score);
        }
    }
}
