//! Attention of one token over its session's ring: four heads of queries, one of keys and values (Shazeer: Fast Transformer
//! Decoding: One Write-Head is All You Need, 2019), kept in half precision.
//!
//! The token at position p of its session (0 is the start) writes slot p mod 20 of the ring and looks at the slots of the
//! last 20 positions. Sums run in the order of the slots, so a ring that is computed again must be filled from the same
//! positions; then it is equal bit by bit.

use super::cpu::Vector;
use super::numeric::{LANES, exp, greater, narrow, widened};
use super::weights::{HEAD, HEADS, WIDTH, WINDOW};

/// Slots with padding to whole vectors.
pub(super) const SLOTS: usize = 24;
/// One layer's part of a ring: keys by number and slot, then values by slot and number.
pub(super) const LAYER_RING: usize = HEAD * SLOTS + WINDOW * HEAD;
/// What a slot outside the window scores.
const MASKED: f32 = -1e30;

/// What is added to the scores: by head and slot, in whole vectors.
pub(super) type Bias = [[f32; 2 * LANES]; HEADS];
/// One layer of a ring.
pub(super) type LayerRing = [u16; LAYER_RING];

/// The biases for a token at each position: the first 20, then by slot for all later ones.
pub(super) fn biases(distance: &[f32]) -> Vec<Bias> {
    let at = |position: usize, head: usize, slot: usize| {
        let back = (position + 2 * WINDOW - slot) % WINDOW;
        let seen = slot < WINDOW && back <= position;
        if seen { distance[head * WINDOW + back] } else { MASKED }
    };
    (0..2 * WINDOW).map(|position| std::array::from_fn(|head| std::array::from_fn(|slot| at(position, head, slot)))).collect()
}

/// Which of [`biases`] is for a position.
pub(super) fn bias_of(position: u64) -> u8 {
    let position = if position < WINDOW as u64 { position } else { WINDOW as u64 + position % WINDOW as u64 };
    position as u8
}

/// Writes the key and the value of a token into its slot.
#[inline(always)]
pub(super) fn store(ring: &mut LayerRing, slot: usize, key_value: &[f32]) {
    let (key, value) = key_value.split_at(HEAD);
    for (at, x) in key.iter().enumerate() {
        ring[at * SLOTS + slot] = narrow(*x);
    }
    for (place, x) in ring[HEAD * SLOTS + slot * HEAD..][..HEAD].iter_mut().zip(value) {
        *place = narrow(*x);
    }
}

/// What the heads see with `queries` (already divided by the root of a head's width).
#[inline(always)]
pub(super) fn attend<V: Vector>(ring: &LayerRing, bias: &Bias, queries: &[f32; WIDTH], seen: &mut [f32; WIDTH]) {
    let mut low = [V::load(&[0.0; LANES]); HEADS];
    let mut high = low;
    for head in 0..HEADS {
        let [first, second] = bias[head].as_chunks::<LANES>().0 else { return };
        (low[head], high[head]) = (V::load(first), V::load(second));
    }
    for at in 0..HEAD {
        // The second half runs on into what follows, where the bias masks it.
        let keys = ring[at * SLOTS..][..2 * LANES].as_chunks::<LANES>().0;
        let (first, second) = (V::load(&widened(&keys[0])), V::load(&widened(&keys[1])));
        for head in 0..HEADS {
            low[head] = low[head].add_product(queries[head * HEAD + at], first);
            high[head] = high[head].add_product(queries[head * HEAD + at], second);
        }
    }
    let mut scores = [[[0.0; LANES]; 2]; HEADS];
    let mut scale = [0.0; HEADS];
    for head in 0..HEADS {
        low[head].store(&mut scores[head][0]);
        high[head].store(&mut scores[head][1]);
        scale[head] = 1.0 / soften(&mut scores[head]);
    }
    let mut sums = [V::load(&[0.0; LANES]); HEADS];
    for slot in 0..WINDOW {
        let Some(values) = ring[HEAD * SLOTS + slot * HEAD..].first_chunk::<HEAD>() else { return };
        let values = V::load(&widened(values));
        for head in 0..HEADS {
            sums[head] = sums[head].add_product(scores[head][slot / LANES][slot % LANES], values);
        }
    }
    for (head, place) in seen.as_chunks_mut::<HEAD>().0.iter_mut().enumerate() {
        sums[head].store(place);
        for x in place {
            *x *= scale[head];
        }
    }
}

/// Turns scores into `e^(score - greatest)` and returns their sum.
#[inline(always)]
fn soften(scores: &mut [[f32; LANES]; 2]) -> f32 {
    let mut top = [0.0; LANES];
    for lane in 0..LANES {
        top[lane] = greater(scores[0][lane], scores[1][lane]);
    }
    let top = super::numeric::greatest(&top);
    let mut sums = [0.0; LANES];
    for part in scores {
        for lane in 0..LANES {
            part[lane] = exp(part[lane] - top);
            sums[lane] += part[lane];
        }
    }
    super::numeric::sum(&sums)
}

#[cfg(test)]
mod tests {
    use super::super::numeric::widen;
    use super::*;

    fn seen(ring: &LayerRing, bias: &Bias, queries: &[f32; WIDTH]) -> [f32; WIDTH] {
        let mut seen = [0.0; WIDTH];
        attend::<[f32; 16]>(ring, bias, queries, &mut seen);
        seen
    }

    fn number(i: usize, salt: u64) -> f32 {
        (crate::mix::mix(i as u64, salt) >> 40) as f32 / 8_388_608.0 - 1.0
    }

    #[test]
    fn equals_the_textbook_over_the_last_twenty_tokens() {
        let distance: Vec<f32> = (0..HEADS * WINDOW).map(|i| number(i, 1)).collect();
        let table = biases(&distance);
        let mut ring = [0; LAYER_RING];
        let key_values: Vec<[f32; 2 * HEAD]> =
            (0..50).map(|p| std::array::from_fn(|at| widen(narrow(2.0 * number(p * 2 * HEAD + at, 2))))).collect();
        for position in 0..50 {
            store(&mut ring, position % WINDOW, &key_values[position]);
            let queries: [f32; WIDTH] = std::array::from_fn(|at| number(position * WIDTH + at, 3));
            let out = seen(&ring, &table[bias_of(position as u64) as usize], &queries);
            for head in 0..HEADS {
                let window = position.saturating_sub(WINDOW - 1)..=position;
                let scores: Vec<f64> = window
                    .clone()
                    .map(|u| {
                        let dot: f32 = (0..HEAD).map(|at| queries[head * HEAD + at] * key_values[u][at]).sum();
                        f64::from(dot + distance[head * WINDOW + position - u]).exp()
                    })
                    .collect();
                let total: f64 = scores.iter().sum();
                for at in 0..HEAD {
                    let exact: f64 =
                        window.clone().zip(&scores).map(|(u, s)| s / total * f64::from(key_values[u][HEAD + at])).sum();
                    assert!((f64::from(out[head * HEAD + at]) - exact).abs() < 1e-5, "position {position}");
                }
            }
        }
    }

    #[test]
    fn what_is_masked_has_no_influence_at_all() {
        let table = biases(&[0.1; HEADS * WINDOW]);
        let (mut clean, mut dirty) = ([0; LAYER_RING], [0x7bff; LAYER_RING]);
        let queries = std::array::from_fn(|at| number(at, 4));
        for (position, bias) in table.iter().enumerate().take(WINDOW) {
            let key_value: [f32; 2 * HEAD] = std::array::from_fn(|at| number(position * 32 + at, 5));
            store(&mut clean, position, &key_value);
            store(&mut dirty, position, &key_value);
            assert_eq!(seen(&clean, bias, &queries), seen(&dirty, bias, &queries), "{position}");
        }
    }
}
