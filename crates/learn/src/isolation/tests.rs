use super::*;
use proptest::prelude::*;

fn cloud(rows: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..rows * width).map(|_| random.normal() as f32).collect()
}

fn forest(values: &[f32], width: usize) -> IsolationForest {
    let settings = ForestSettings { trees: 37, sample: 64, seed: 5 };
    IsolationForest::fit(Rows::new(values, width), &settings).unwrap()
}

/// The path length by the definition: down the tree, then `c(n)` of the rows in the leaf.
fn path_by_definition(forest: &IsolationForest, tree: usize, row: &[f32]) -> f32 {
    let nodes = &forest.nodes[tree * NODES..];
    let (mut at, mut depth) = (1, 0);
    while at < NODES && nodes[at].threshold < NO_SPLIT {
        at = 2 * at + usize::from(row[nodes[at].feature as usize] > nodes[at].threshold);
        depth += 1;
    }
    let left_in_leaf = forest.values[tree * VALUES + at] - depth as f32;
    assert!(left_in_leaf >= 0.0 && depth <= 6, "sample 64: at most 6 splits");
    depth as f32 + left_in_leaf
}

#[test]
fn the_score_is_that_of_the_mean_path_length_of_the_paper() {
    let values = cloud(500, 3, 1);
    let forest = forest(&values, 3);
    for row in values.chunks(3).take(50) {
        let mean = (0..37).map(|tree| f64::from(path_by_definition(&forest, tree, row))).sum::<f64>() / 37.0;
        assert!((f64::from(forest.score(row)) - (-mean / mean_path(64)).exp2()).abs() < 1e-6);
    }
}

#[test]
fn every_training_row_ends_in_a_leaf_that_holds_it() {
    // Two values in one feature: one split isolates nothing further, so leaves hold c(n) of what is in them.
    let values: Vec<f32> = (0..64).map(|i| if i < 4 { 1.0 } else { 0.0 }).collect();
    let forest = IsolationForest::fit(Rows::new(&values, 1), &ForestSettings { trees: 1, sample: 64, seed: 1 }).unwrap();
    let path = |score: f32| f64::from(-score.log2()) * mean_path(64);
    assert!((path(forest.score(&[1.0])) - (1.0 + mean_path(4))).abs() < 1e-3);
    assert!((path(forest.score(&[0.0])) - (1.0 + mean_path(60))).abs() < 1e-3);
}

#[test]
fn the_mean_path_of_a_search_tree_is_the_known_one() {
    assert_eq!((mean_path(0), mean_path(1), mean_path(2)), (0.0, 0.0, 1.0));
    assert!((mean_path(256) - 10.2448).abs() < 1e-3, "{}", mean_path(256));
}

#[test]
fn what_lies_further_out_is_never_less_unusual() {
    let forest = forest(&cloud(1_000, 2, 2), 2);
    let scores: Vec<f32> = (0..100).map(|i| forest.score(&[4.0 + i as f32 / 10.0, 0.0])).collect();
    assert!(scores.windows(2).all(|pair| pair[0] <= pair[1]) && scores[0] > forest.score(&[0.0, 0.0]) + 0.1);
}

#[test]
fn parts_add_up_to_the_score_and_name_the_feature_that_is_odd() {
    let forest = forest(&cloud(1_000, 8, 3), 8);
    for odd in 0..8 {
        let mut row = [0.1f32; 8];
        row[odd] = 9.0;
        let parts = forest.explain(&row);
        let score = f64::from(parts.iter().sum::<f32>() - 1.0).exp2();
        assert!((score - f64::from(forest.score(&row))).abs() < 1e-5);
        let most = (0..8).max_by(|&a, &b| parts[a].total_cmp(&parts[b]));
        assert_eq!(most, Some(odd), "{parts:?}");
    }
}

#[test]
fn a_missing_value_is_unusual_only_where_it_was_rare() {
    let with = |missing: usize| (0..1_000).map(move |i| if i % missing == 0 { f32::NAN } else { 3.0 }).collect::<Vec<f32>>();
    let (rare, usual) = (forest(&with(100), 1), forest(&with(2), 1));
    assert!(rare.score(&[f32::NAN]) > rare.score(&[3.0]) + 0.2);
    assert!((usual.score(&[f32::NAN]) - usual.score(&[3.0])).abs() < 0.1);
}

#[test]
fn constant_features_change_nothing_and_constant_rows_score_a_half() {
    let constant = forest(&[2.0; 300], 3);
    assert_eq!(constant.score(&[2.0; 3]), constant.score(&[9.0, f32::NAN, -9.0]));
    assert!((constant.score(&[2.0; 3]) - 0.5).abs() < 1e-6);
    let values = cloud(500, 1, 4);
    let beside: Vec<f32> = values.iter().flat_map(|&x| [7.0, x]).collect();
    assert!(forest(&beside, 2).explain(&[7.0, 5.0])[0] == 0.0);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_another_forest() {
    let values = cloud(500, 4, 5);
    let bytes = |seed| {
        let settings = ForestSettings { seed, ..Default::default() };
        postcard::to_allocvec(&IsolationForest::fit(Rows::new(&values, 4), &settings).unwrap()).unwrap()
    };
    assert!(bytes(1) == bytes(1) && bytes(1) != bytes(2));
}

#[test]
fn nothing_to_learn_from_is_refused_and_one_row_is_a_model() {
    let settings = ForestSettings::default();
    assert_eq!(IsolationForest::fit(Rows::new(&[], 3), &settings), Err(Unfit::NoRows));
    assert_eq!(IsolationForest::fit(Rows::new(&[0.0; 900], 300), &settings), Err(Unfit::TooWide(300)));
    let one = IsolationForest::fit(Rows::new(&[1.0, 2.0], 2), &settings).unwrap();
    assert_eq!((one.score(&[1.0, 2.0]), one.score(&[]), one.explain(&[5.0])), (0.5, 0.5, vec![0.0, 0.0]));
}

#[test]
fn a_damaged_forest_is_refused() {
    let damage: [fn(&mut IsolationForest); 4] = [
        |forest| forest.nodes[3].feature = 4,
        |forest| _ = forest.values.pop(),
        |forest| forest.width = 0,
        |forest| forest.values[9] = f32::NAN,
    ];
    for damage in damage {
        let mut forest = forest(&cloud(100, 4, 6), 4);
        damage(&mut forest);
        assert!(postcard::from_bytes::<IsolationForest>(&postcard::to_allocvec(&forest).unwrap()).is_err());
    }
}

fn any_value() -> impl Strategy<Value = f32> {
    prop_oneof![4 => -10f32..10.0, 1 => Just(0.0), 1 => any::<f32>(), 1 => Just(f32::NAN), 1 => Just(f32::INFINITY)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_rows_give_scores_that_are_the_same_alone_in_a_batch_and_after_a_round_trip(
        width in 1usize..70,
        values in proptest::collection::vec(any_value(), 70..3_000),
    ) {
        let rows = Rows::new(&values, width);
        let forest = IsolationForest::fit(rows, &ForestSettings { trees: 21, sample: 100, seed: 1 }).unwrap();
        let back: IsolationForest = postcard::from_bytes(&postcard::to_allocvec(&forest).unwrap()).unwrap();
        let mut scores = Vec::new();
        back.score_rows(rows, &mut scores);
        prop_assert_eq!(scores.len(), rows.len());
        for (row, score) in rows.iter().zip(scores) {
            prop_assert!(score > 0.0 && score <= 1.0, "{}", score);
            prop_assert_eq!(forest.score(row).to_bits(), score.to_bits());
        }
    }
}
