//! Walks through trees, eight at a time: one walk waits for memory at every step, eight wait together.
//!
//! Both orders add path lengths tree by tree, so a row's sum is the same to the last bit alone or in a batch. Indices are
//! masked and arrays have constant lengths, so that nothing needs a check within the loops.

use super::tree::{DEPTH, NODES, Node, VALUES};

const TOGETHER: usize = 8;

#[inline(always)]
fn step<const W: usize>(nodes: &[Node; NODES], at: usize, row: &[f32; W]) -> usize {
    let node = nodes[at & (NODES - 1)];
    2 * at + usize::from(row[node.feature as usize & (W - 1)] > node.threshold)
}

/// One row down to the last level of one tree.
fn walk<const W: usize>(nodes: &[Node; NODES], row: &[f32; W]) -> usize {
    (0..DEPTH).fold(1, |at, _| step(nodes, at, row))
}

/// The sum of the row's path lengths over all trees: eight trees at a time.
pub(super) fn sum_of_one<const W: usize>(nodes: &[Node], values: &[f32], row: &[f32; W]) -> f32 {
    let (trees, _) = nodes.as_chunks::<NODES>();
    let (values, _) = values.as_chunks::<VALUES>();
    let (together, alone) = trees.as_chunks::<TOGETHER>();
    let (their_values, alone_values) = values.as_chunks::<TOGETHER>();
    let mut sum = 0.0;
    for (trees, values) in together.iter().zip(their_values) {
        let mut at = [1usize; TOGETHER];
        for _ in 0..DEPTH {
            for k in 0..TOGETHER {
                at[k] = step(&trees[k], at[k], row);
            }
        }
        for k in 0..TOGETHER {
            sum += values[k][at[k] & (VALUES - 1)];
        }
    }
    for (tree, values) in alone.iter().zip(alone_values) {
        sum += values[walk(tree, row) & (VALUES - 1)];
    }
    sum
}

/// The same for each of `rows`, added to `sums`: tree by tree, eight rows at a time.
pub(super) fn sum_of_many<const W: usize>(nodes: &[Node], values: &[f32], rows: &[[f32; W]], sums: &mut [f32]) {
    let (trees, _) = nodes.as_chunks::<NODES>();
    let (values, _) = values.as_chunks::<VALUES>();
    let (together, alone) = rows.as_chunks::<TOGETHER>();
    let (their_sums, alone_sums) = sums.as_chunks_mut::<TOGETHER>();
    for (tree, values) in trees.iter().zip(values) {
        for (rows, sums) in together.iter().zip(their_sums.iter_mut()) {
            let mut at = [1usize; TOGETHER];
            for _ in 0..DEPTH {
                for k in 0..TOGETHER {
                    at[k] = step(tree, at[k], &rows[k]);
                }
            }
            for k in 0..TOGETHER {
                sums[k] += values[at[k] & (VALUES - 1)];
            }
        }
        for (row, sum) in alone.iter().zip(alone_sums.iter_mut()) {
            *sum += values[walk(tree, row) & (VALUES - 1)];
        }
    }
}
