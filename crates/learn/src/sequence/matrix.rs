//! Products of matrices, row-major, over tiles of `ROWS` x 16 that stay in registers. Each number of a result is summed in
//! the order of the inner dimension whatever the tile, so a row comes out the same alone and among others.

use super::cpu::Vector;
use super::numeric::{LANES, Lanes};

/// The right side of a product, laid out for [`product`]: panels of 16 columns, each `inner` rows of 16.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    inner: usize,
    panels: Vec<Lanes>,
    /// What each sum starts from.
    bias: Vec<Lanes>,
}

/// What becomes of a product: a type, so that a tile is compiled for each and stays in registers.
pub(super) trait Then {
    /// What is put where `there` is.
    fn put(there: f32, sum: f32) -> f32;
}

pub(super) struct Set;
/// Set, negative numbers to 0.
pub(super) struct Rectify;
pub(super) struct Add;

impl Then for Set {
    #[inline(always)]
    fn put(_: f32, sum: f32) -> f32 {
        sum
    }
}

impl Then for Rectify {
    #[inline(always)]
    fn put(_: f32, sum: f32) -> f32 {
        if sum > 0.0 { sum } else { 0.0 }
    }
}

impl Then for Add {
    #[inline(always)]
    fn put(there: f32, sum: f32) -> f32 {
        there + sum
    }
}

impl Packed {
    /// Packs the transpose of `weights` ([columns][inner], as PyTorch keeps them); columns beyond are `padding`.
    pub(super) fn transposed(weights: &[f32], inner: usize, bias: Option<&[f32]>, padding: f32) -> Self {
        let columns = weights.len() / inner;
        let mut panels = vec![[0.0; LANES]; columns.div_ceil(LANES) * inner];
        for (column, row) in weights.chunks_exact(inner).enumerate() {
            let panel = &mut panels[column / LANES * inner..][..inner];
            for (lanes, weight) in panel.iter_mut().zip(row) {
                lanes[column % LANES] = *weight;
            }
        }
        let mut biases = vec![[padding; LANES]; columns.div_ceil(LANES)];
        for column in 0..columns {
            biases[column / LANES][column % LANES] = bias.map_or(0.0, |bias| bias[column]);
        }
        Packed { inner, panels, bias: biases }
    }

    /// Packs `weights` ([inner][columns]) as they are; `columns` is a multiple of 16.
    pub(super) fn straight(weights: &[f32], columns: usize) -> Self {
        let inner = weights.len() / columns;
        let mut panels = vec![[0.0; LANES]; columns / LANES * inner];
        for (at, row) in weights.chunks_exact(columns).enumerate() {
            for (panel, lanes) in row.as_chunks::<LANES>().0.iter().enumerate() {
                panels[panel * inner + at] = *lanes;
            }
        }
        Packed { inner, panels, bias: vec![[0.0; LANES]; columns / LANES] }
    }

    /// Columns, a multiple of 16.
    pub(super) fn columns(&self) -> usize {
        self.bias.len() * LANES
    }
}

/// Rows taken together, so that they stay in the nearest cache while the panels pass by.
const BLOCK: usize = 48;

/// `output` = `input` [rows][inner] x `packed`: [rows][columns].
#[inline(always)]
pub(super) fn product<V: Vector, const ROWS: usize, T: Then>(input: &[f32], packed: &Packed, output: &mut [f32]) {
    // Where the length of a row is known, its numbers are found without a bound to check or a pointer a row.
    match packed.inner {
        64 => panels::<V, ROWS, 64, T>(input, packed, output),
        256 => panels::<V, ROWS, 256, T>(input, packed, output),
        _ => panels::<V, ROWS, 0, T>(input, packed, output),
    }
}

/// A product with rows of `INNER` numbers, or of any number of them if that is 0.
#[inline(always)]
fn panels<V: Vector, const ROWS: usize, const INNER: usize, T: Then>(input: &[f32], packed: &Packed, output: &mut [f32]) {
    let (inner, columns) = (if INNER > 0 { INNER } else { packed.inner }, packed.columns());
    for (input, output) in input.chunks(BLOCK * inner).zip(output.chunks_mut(BLOCK * columns)) {
        for (at, (panel, bias)) in packed.panels.chunks_exact(inner).zip(&packed.bias).enumerate() {
            let mut rows = input.chunks_exact(ROWS * inner);
            let mut place = output.chunks_exact_mut(ROWS * columns);
            for (rows, place) in rows.by_ref().zip(place.by_ref()) {
                tile::<V, ROWS, INNER, T>(rows, panel, bias, &mut place[at * LANES..], columns);
            }
            let rest = rows.remainder().chunks_exact(inner);
            for (row, place) in rest.zip(place.into_remainder().chunks_exact_mut(columns)) {
                tile::<V, 1, INNER, T>(row, panel, bias, &mut place[at * LANES..], columns);
            }
        }
    }
}

#[inline(always)]
fn tile<V: Vector, const ROWS: usize, const INNER: usize, T: Then>(
    input: &[f32],
    panel: &[Lanes],
    bias: &Lanes,
    output: &mut [f32],
    columns: usize,
) {
    let inner = if INNER > 0 { INNER } else { panel.len() };
    let (input, panel) = (&input[..ROWS * inner], &panel[..inner]);
    let mut sums = [V::load(bias); ROWS];
    for at in 0..inner {
        let weights = V::load(&panel[at]);
        for row in 0..ROWS {
            sums[row] = sums[row].add_product(input[row * inner + at], weights);
        }
    }
    let mut numbers = [0.0; LANES];
    for row in 0..ROWS {
        sums[row].store(&mut numbers);
        let place = &mut output[row * columns..][..LANES];
        for lane in 0..LANES {
            place[lane] = T::put(place[lane], numbers[lane]);
        }
    }
}

/// Adds to `gradient` [n][inner] the product of the transpose of the first n columns of `outer` [rows][columns] with `input`
/// [rows][inner]; `inner` is a multiple of 16.
#[inline(always)]
pub(super) fn add_outer<V: Vector>(outer: &[f32], columns: usize, input: &[f32], inner: usize, gradient: &mut [f32]) {
    // Few enough rows at a time that both sides stay in the second cache.
    const TIME: usize = 128;
    let used = gradient.len() / inner;
    for (outer, input) in outer.chunks(TIME * columns).zip(input.chunks(TIME * inner)) {
        for column in (0..used / 4 * 4).step_by(4) {
            for at in (0..inner / (2 * LANES) * 2 * LANES).step_by(2 * LANES) {
                outer_tile::<V, 4, 2>((outer, columns, column), (input, inner, at), gradient);
            }
            if !inner.is_multiple_of(2 * LANES) {
                outer_tile::<V, 4, 1>((outer, columns, column), (input, inner, inner - LANES), gradient);
            }
        }
        for column in used / 4 * 4..used {
            for at in (0..inner).step_by(LANES) {
                outer_tile::<V, 1, 1>((outer, columns, column), (input, inner, at), gradient);
            }
        }
    }
}

#[inline(always)]
fn outer_tile<V: Vector, const ROWS: usize, const WIDE: usize>(
    (outer, columns, column): (&[f32], usize, usize),
    (input, inner, at): (&[f32], usize, usize),
    gradient: &mut [f32],
) {
    let mut sums = [[V::load(&[0.0; LANES]); WIDE]; ROWS];
    for (outer, input) in outer.chunks_exact(columns).zip(input.chunks_exact(inner)) {
        let left = &outer[column..][..ROWS];
        let right = input[at..][..WIDE * LANES].as_chunks::<LANES>().0;
        for wide in 0..WIDE {
            let right = V::load(&right[wide]);
            for row in 0..ROWS {
                sums[row][wide] = sums[row][wide].add_product(left[row], right);
            }
        }
    }
    let mut numbers = [0.0; LANES];
    for row in 0..ROWS {
        for wide in 0..WIDE {
            sums[row][wide].store(&mut numbers);
            let place = &mut gradient[(column + row) * inner + at + wide * LANES..][..LANES];
            for lane in 0..LANES {
                place[lane] += numbers[lane];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cpu::{Kernel, Level, run};
    use super::*;
    use proptest::prelude::*;

    struct Product<'a, T>(&'a [f32], &'a Packed, T);

    impl<T: Then> Kernel for Product<'_, T> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<V: Vector, const ROWS: usize>(self) -> Vec<f32> {
            let mut output = vec![0.5; self.0.len() / self.1.inner * self.1.columns()];
            product::<V, ROWS, T>(self.0, self.1, &mut output);
            output
        }
    }

    struct Outer<'a>(&'a [f32], &'a [f32]);

    impl Kernel for Outer<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<V: Vector, const ROWS: usize>(self) -> Vec<f32> {
            let mut gradient = vec![0.0; 14 * 48];
            add_outer::<V>(self.0, 16, self.1, 48, &mut gradient);
            gradient
        }
    }

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        (0..count as u64).map(|i| (crate::mix::mix(i, seed) >> 40) as f32 / 8_388_608.0 - 1.0).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn every_level_gives_the_bits_of_the_sum_in_order(rows in 1usize..60, inner in 1usize..70, columns in 1usize..40, seed: u64) {
            let (input, weights, bias) = (numbers(rows * inner, seed), numbers(columns * inner, seed + 1), numbers(columns, seed + 2));
            let packed = Packed::transposed(&weights, inner, Some(&bias), -1.0);
            for level in Level::all() {
                let set = run(level, Product(&input, &packed, Set));
                let rectified = run(level, Product(&input, &packed, Rectify));
                let added = run(level, Product(&input, &packed, Add));
                for at in (0..set.len()).filter(|at| at % packed.columns() < columns) {
                    let (row, column) = (at / packed.columns(), at % packed.columns());
                    let mut sum = bias[column];
                    for at in 0..inner {
                        sum = input[row * inner + at].mul_add(weights[column * inner + at], sum);
                    }
                    prop_assert_eq!((set[at], rectified[at], added[at]), (sum, sum.max(0.0), 0.5 + sum));
                }
            }
        }

        #[test]
        fn every_level_gives_the_same_outer_product(rows in 1usize..300, seed: u64) {
            let (outer, input) = (numbers(rows * 16, seed), numbers(rows * 48, seed + 1));
            let gradients: Vec<_> = Level::all().into_iter().map(|level| run(level, Outer(&outer, &input))).collect();
            for gradient in &gradients {
                prop_assert_eq!(gradient, &gradients[0]);
            }
            let exact: f64 = (0..rows).map(|row| f64::from(outer[row * 16 + 5]) * f64::from(input[row * 48 + 40])).sum();
            prop_assert!((f64::from(gradients[0][5 * 48 + 40]) - exact).abs() < 1e-4);
        }
    }

    #[test]
    fn straight_packing_is_the_product_with_the_matrix_itself() {
        let (input, weights) = (numbers(3 * 5, 1), numbers(5 * 32, 2));
        let output = run(Level::Portable, Product(&input, &Packed::straight(&weights, 32), Set));
        let mut sum = 0.0_f32;
        for at in 0..5 {
            sum = input[5 + at].mul_add(weights[at * 32 + 30], sum);
        }
        assert_eq!(output[32 + 30], sum);
    }
}
