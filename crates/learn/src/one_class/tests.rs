use super::*;
use proptest::prelude::*;

fn cloud(rows: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..rows * 2).map(|_| random.normal() as f32).collect()
}

fn fit(values: &[f32], width: usize, nu: f64) -> OneClassSvm {
    OneClassSvm::fit(Rows::new(values, width), &OneClassSettings { nu, ..Default::default() }).unwrap()
}

#[test]
fn nu_bounds_the_share_outside_and_the_share_of_support_vectors() {
    let values = cloud(1_000, 1);
    for nu in [0.02, 0.1, 0.5] {
        let svm = fit(&values, 2, nu);
        let outside = values.chunks(2).filter(|row| svm.decision(row) < -1e-2).count() as f64 / 1_000.0;
        assert!(svm.converged() && outside <= nu + 0.01, "{nu}: {outside}");
        assert!(svm.support_vectors() as f64 >= nu * 1_000.0);
        let weights: f32 = svm.weights.iter().sum();
        assert!((f64::from(weights) - nu * 1_000.0).abs() < 1e-2, "weights add up to nu times the rows");
    }
}

#[test]
fn further_away_is_further_outside() {
    let svm = fit(&cloud(1_000, 2), 2, 0.05);
    let decisions: Vec<f32> = (25..60).map(|i| svm.decision(&[i as f32 / 10.0, 0.0])).collect();
    assert!(decisions.windows(2).all(|pair| pair[0] >= pair[1]) && decisions[10] < 0.0, "{decisions:?}");
    assert!((f64::from(svm.decision(&[1e20, f32::NEG_INFINITY])) + svm.rho()).abs() < 1e-3);
}

#[test]
fn gamma_is_chosen_as_scikit_learn_does() {
    let values = [0.0, 2.0, 4.0, 6.0];
    assert_eq!(gamma(&values, 2, Gamma::Scale), 1.0 / (2.0 * 5.0));
    assert_eq!(gamma(&values, 2, Gamma::Auto), 0.5);
    assert_eq!((gamma(&values, 2, Gamma::Value(3.0)), gamma(&values, 2, Gamma::Value(f64::NAN))), (3.0, 0.5));
    assert_eq!(gamma(&[1.0; 4], 2, Gamma::Scale), 1.0);
}

#[test]
fn what_is_missing_is_the_mean() {
    let mut values = cloud(500, 3);
    values[7] = f32::NAN;
    let svm = fit(&values, 2, 0.1);
    assert_eq!(svm.decision(&[0.3]), svm.decision(&[0.3, svm.means[1]]));
    assert_eq!(svm.decision(&[f32::NAN, 1.0]), svm.decision(&[svm.means[0], 1.0]));
}

#[test]
fn more_rows_than_the_sample_are_a_seeded_choice() {
    let values = cloud(3_000, 4);
    let settings = OneClassSettings { sample: 400, ..Default::default() };
    let train = |seed| OneClassSvm::fit(Rows::new(&values, 2), &OneClassSettings { seed, ..settings }).unwrap();
    assert!(train(1) == train(1) && train(1) != train(2) && train(1).support_vectors() < 100);
}

#[test]
fn nothing_to_learn_from_is_refused_and_a_damaged_state_too() {
    let settings = OneClassSettings::default();
    assert_eq!(OneClassSvm::fit(Rows::new(&[], 2), &settings), Err(Unfit::NoRows));
    let mut svm = fit(&cloud(100, 5), 2, 0.1);
    svm.weights.pop();
    assert!(postcard::from_bytes::<OneClassSvm>(&postcard::to_allocvec(&svm).unwrap()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_rows_give_a_model_with_numbers_that_survives_a_round_trip(
        width in 1usize..9,
        nu in prop_oneof![0f64..1.0, Just(f64::NAN), Just(1.0)],
        values in proptest::collection::vec(prop_oneof![3 => -9f32..9.0, 1 => any::<f32>(), 1 => Just(1.0), 1 => Just(f32::NAN)], 9..400),
    ) {
        let rows = Rows::new(&values, width);
        let svm = OneClassSvm::fit(rows, &OneClassSettings { nu, ..Default::default() }).unwrap();
        let back: OneClassSvm = postcard::from_bytes(&postcard::to_allocvec(&svm).unwrap()).unwrap();
        let mut decisions = Vec::new();
        back.decisions(rows, &mut decisions);
        for (row, decision) in rows.iter().zip(decisions) {
            prop_assert!(decision.is_finite());
            prop_assert_eq!(svm.decision(row).to_bits(), decision.to_bits());
        }
    }
}
