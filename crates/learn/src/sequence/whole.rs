//! A whole session in one pass, as a Transformer is written in books: all tokens at once through each layer, each looking at
//! the 20 last by their positions. The tests hold the served model, which goes token by token, to the bits of this.

use super::START;
use super::attention::{Bias, LAYER_RING, LayerRing, SLOTS, attend};
use super::cpu::{Kernel, Level, Vector, run};
use super::matrix::{Add, Packed, Rectify, Set, Then, product};
use super::model::{SequenceModel, Step};
use super::numeric::{LANES, inverse_rms, log_sum_exp, narrow};
use super::weights::{HEAD, HEADS, PROJECTION, WIDTH, WINDOW};

struct Product<'a, T>(&'a [f32], &'a Packed, &'a mut [f32], T);

impl<T: Then> Kernel for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) {
        product::<V, ROWS, T>(self.0, self.1, self.2);
    }
}

fn times<T: Then>(input: &[f32], packed: &Packed, then: T) -> Vec<f32> {
    let mut output = vec![0.0; input.len() / WIDTH * packed.columns()];
    run(Level::Portable, Product(input, packed, &mut output, then));
    output
}

fn normed(stream: &[f32]) -> Vec<f32> {
    let rows = stream.as_chunks::<WIDTH>().0;
    rows.iter().flat_map(|row| row.map(|x| x * inverse_rms(row))).collect()
}

/// What the token at `position` sees of those up to it.
fn seen(projected: &[[f32; PROJECTION]], distances: &Bias, position: usize) -> [f32; WIDTH] {
    let mut window: LayerRing = [0; LAYER_RING];
    let mut bias = [[-1e30; 2 * LANES]; HEADS];
    for u in position.saturating_sub(WINDOW - 1)..=position {
        let slot = u % WINDOW;
        for at in 0..HEAD {
            window[at * SLOTS + slot] = narrow(projected[u][WIDTH + at]);
            window[HEAD * SLOTS + slot * HEAD + at] = narrow(projected[u][WIDTH + HEAD + at]);
        }
        for head in 0..HEADS {
            bias[head][slot] = distances[head][position - u];
        }
    }
    let mut seen = [0.0; WIDTH];
    attend::<[f32; 16]>(&window, &bias, projected[position][..WIDTH].try_into().unwrap(), &mut seen);
    seen
}

impl SequenceModel {
    /// What is predicted after each token, [tokens + 1][classes]; the first is after the start alone.
    pub(super) fn whole_logits(&self, classes: &[u16]) -> Vec<Vec<f32>> {
        let tokens: Vec<u16> = std::iter::once(START).chain(classes.iter().map(|class| self.known(*class))).collect();
        let mut stream: Vec<f32> = tokens.iter().flat_map(|class| self.embedding[usize::from(*class)]).collect();
        for layer in &self.layers {
            let projected = times(&normed(&stream), &layer.projection, Set);
            let projected = projected.as_chunks::<PROJECTION>().0;
            // At position 19 the slot of what lies d back is 19 - d.
            let table = layer.biases[WINDOW - 1];
            let distances: Bias =
                table.map(|row| std::array::from_fn(|back| if back < WINDOW { row[WINDOW - 1 - back] } else { 0.0 }));
            let attended: Vec<f32> = (0..tokens.len()).flat_map(|position| seen(projected, &distances, position)).collect();
            run(Level::Portable, Product(&attended, &layer.out, &mut stream, Add));
            let inner = times(&normed(&stream), &layer.up, Rectify);
            run(Level::Portable, Product(&inner, &layer.down, &mut stream, Add));
        }
        let logits = times(&normed(&stream), &self.head, Set);
        logits.chunks_exact(self.head.columns()).map(<[f32]>::to_vec).collect()
    }

    /// What the model says of each token of a session.
    pub(super) fn whole_pass(&self, classes: &[u16]) -> Vec<Step> {
        let says = |(logits, class): (Vec<f32>, &u16)| {
            let own = logits[usize::from(self.known(*class))];
            let surprise = (log_sum_exp(logits.as_chunks::<LANES>().0) - own).max(0.0);
            Step { surprise, rank: logits.iter().filter(|x| **x > own).count() as u32 }
        };
        self.whole_logits(classes).into_iter().zip(classes).map(says).collect()
    }
}
