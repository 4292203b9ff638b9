//! Loss and gradient of the model over whole sessions, by hand: each step forward keeps what its step back needs. The band
//! is the one that is served; keys and values are not rounded here.

use super::cpu::{Kernel, Level, Vector, run};
use super::matrix::{Add, Packed, Rectify, Set, add_outer, product};
use super::numeric::{LANES, exp, greatest, inverse_rms, ln, sum};
use super::room::Room;
use super::weights::{HEAD, HEADS, LayerWeights, PROJECTION, WIDTH, WINDOW, Weights};

/// A target that does not count.
pub(super) const NO_TARGET: u16 = u16::MAX;

/// Pieces of sessions, one after another.
#[derive(Debug, Default, Clone)]
pub(super) struct Batch {
    pub(super) inputs: Vec<u16>,
    /// As many as inputs; [`NO_TARGET`] where a piece has too little before it.
    pub(super) targets: Vec<u16>,
    /// Length of each piece.
    pub(super) lengths: Vec<usize>,
}

/// What one layer keeps for the way back; all by row.
#[derive(Default)]
struct Kept {
    entered: Vec<f32>,
    scale1: Vec<f32>,
    normed1: Vec<f32>,
    projected: Vec<f32>,
    /// [rows][heads][distance]
    attention: Vec<f32>,
    attended: Vec<f32>,
    between: Vec<f32>,
    scale2: Vec<f32>,
    normed2: Vec<f32>,
    inner: Vec<f32>,
}

impl Kept {
    fn leave(self, room: &mut Room) {
        let Kept { entered, scale1, normed1, projected, attention, attended, between, scale2, normed2, inner } = self;
        room.leave([entered, scale1, normed1, projected, attention, attended, between, scale2, normed2, inner]);
    }
}

/// The mean loss of a batch in nats and, if `gradient` is given, its gradient put there.
pub(super) fn loss(level: Level, weights: &Weights, batch: &Batch, gradient: Option<&mut Weights>, room: &mut Room) -> f32 {
    run(level, Loss { weights, batch, gradient, room })
}

struct Loss<'a> {
    weights: &'a Weights,
    batch: &'a Batch,
    gradient: Option<&'a mut Weights>,
    room: &'a mut Room,
}

impl Kernel for Loss<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<V: Vector, const ROWS: usize>(self) -> f32 {
        let Loss { weights, batch, gradient, room } = self;
        let rows = batch.inputs.len();
        let mut stream = room.zeros(rows * WIDTH);
        for (input, place) in batch.inputs.iter().zip(stream.chunks_exact_mut(WIDTH)) {
            place.copy_from_slice(&weights.embedding[usize::from(*input) * WIDTH..][..WIDTH]);
        }
        let mut kept = Vec::with_capacity(weights.layers.len());
        for layer in &weights.layers {
            kept.push(forward::<V, ROWS>(layer, &batch.lengths, &mut stream, room));
        }
        let (scale, normed) = norm(&stream, &weights.norm, room);
        let head = Packed::transposed(&weights.head, WIDTH, Some(&weights.bias), -1e30);
        let columns = head.columns();
        let mut logits = room.zeros(rows * columns);
        product::<V, ROWS, Set>(&normed, &head, &mut logits);
        let loss = cross_entropy(&mut logits, columns, &batch.targets);
        if let Some(gradient) = gradient {
            gradient.tensors_mut().into_iter().for_each(|tensor| tensor.fill(0.0));
            add_outer::<V>(&logits, columns, &normed, WIDTH, &mut gradient.head);
            for logits in logits.chunks_exact(columns) {
                gradient.bias.iter_mut().zip(logits).for_each(|(place, x)| *place += x);
            }
            let back = back_product::<V, ROWS>(&logits, columns, &weights.head, WIDTH, room);
            let mut flow = room.zeros(rows * WIDTH);
            norm_back(&back, &stream, &weights.norm, &scale, &mut gradient.norm, &mut flow);
            for ((layer, kept), gradient) in weights.layers.iter().zip(&kept).zip(&mut gradient.layers).rev() {
                backward::<V, ROWS>(layer, kept, &batch.lengths, &mut flow, gradient, room);
            }
            for (input, flow) in batch.inputs.iter().zip(flow.chunks_exact(WIDTH)) {
                let place = &mut gradient.embedding[usize::from(*input) * WIDTH..][..WIDTH];
                place.iter_mut().zip(flow).for_each(|(place, x)| *place += x);
            }
            room.leave([back, flow]);
        }
        kept.into_iter().for_each(|kept| kept.leave(room));
        room.leave([stream, scale, normed, logits]);
        loss
    }
}

#[inline(always)]
fn forward<V: Vector, const ROWS: usize>(layer: &LayerWeights, lengths: &[usize], stream: &mut [f32], room: &mut Room) -> Kept {
    let rows = stream.len() / WIDTH;
    let mut kept = Kept { entered: room.copy(stream), ..Kept::default() };
    (kept.scale1, kept.normed1) = norm(stream, &layer.norm1, room);
    kept.projected = room.zeros(rows * PROJECTION);
    product::<V, ROWS, Set>(&kept.normed1, &Packed::transposed(&layer.qkv, WIDTH, None, 0.0), &mut kept.projected);
    kept.attention = room.zeros(rows * HEADS * WINDOW);
    kept.attended = room.zeros(rows * WIDTH);
    let mut first = 0;
    for length in lengths {
        for row in first..first + length {
            attend(&kept.projected, &layer.distance, first, row, &mut kept.attention, &mut kept.attended);
        }
        first += length;
    }
    product::<V, ROWS, Add>(&kept.attended, &Packed::transposed(&layer.out, WIDTH, None, 0.0), stream);
    kept.between = room.copy(stream);
    (kept.scale2, kept.normed2) = norm(stream, &layer.norm2, room);
    let width = layer.up.len() / WIDTH;
    kept.inner = room.zeros(rows * width);
    product::<V, ROWS, Rectify>(&kept.normed2, &Packed::transposed(&layer.up, WIDTH, None, 0.0), &mut kept.inner);
    product::<V, ROWS, Add>(&kept.inner, &Packed::transposed(&layer.down, width, None, 0.0), stream);
    kept
}

/// Takes the gradient `flow` of what leaves a layer to that of what enters it.
#[inline(always)]
fn backward<V: Vector, const ROWS: usize>(
    layer: &LayerWeights,
    kept: &Kept,
    lengths: &[usize],
    flow: &mut [f32],
    gradient: &mut LayerWeights,
    room: &mut Room,
) {
    let width = layer.up.len() / WIDTH;
    add_outer::<V>(flow, WIDTH, &kept.inner, width, &mut gradient.down);
    let mut inner = back_product::<V, ROWS>(flow, WIDTH, &layer.down, width, room);
    for (x, kept) in inner.iter_mut().zip(&kept.inner) {
        *x = if *kept > 0.0 { *x } else { 0.0 };
    }
    add_outer::<V>(&inner, width, &kept.normed2, WIDTH, &mut gradient.up);
    let back = back_product::<V, ROWS>(&inner, width, &layer.up, WIDTH, room);
    norm_back(&back, &kept.between, &layer.norm2, &kept.scale2, &mut gradient.norm2, flow);
    room.leave([inner, back]);
    add_outer::<V>(flow, WIDTH, &kept.attended, WIDTH, &mut gradient.out);
    let attended = back_product::<V, ROWS>(flow, WIDTH, &layer.out, WIDTH, room);
    let mut projected = room.zeros(kept.projected.len());
    let mut first = 0;
    for length in lengths {
        for row in first..first + length {
            attend_back(kept, first, row, &attended, &mut projected, &mut gradient.distance);
        }
        first += length;
    }
    add_outer::<V>(&projected, PROJECTION, &kept.normed1, WIDTH, &mut gradient.qkv);
    let back = back_product::<V, ROWS>(&projected, PROJECTION, &layer.qkv, WIDTH, room);
    norm_back(&back, &kept.entered, &layer.norm1, &kept.scale1, &mut gradient.norm1, flow);
    room.leave([attended, projected, back]);
}

/// `flow` [rows][stride] x `weights` [columns][inner]; the columns beyond those of the weights are padding.
#[inline(always)]
fn back_product<V: Vector, const ROWS: usize>(
    flow: &[f32],
    stride: usize,
    weights: &[f32],
    inner: usize,
    room: &mut Room,
) -> Vec<f32> {
    let mut padded = weights.to_vec();
    padded.resize(stride * inner, 0.0);
    let mut output = room.zeros(flow.len() / stride * inner);
    product::<V, ROWS, Set>(flow, &Packed::straight(&padded, inner), &mut output);
    output
}

/// Scales of the rows and the normed rows.
#[inline(always)]
fn norm(stream: &[f32], gains: &[f32], room: &mut Room) -> (Vec<f32>, Vec<f32>) {
    let mut scales = room.zeros(stream.len() / WIDTH);
    let mut normed = room.zeros(stream.len());
    let rows = stream.as_chunks::<WIDTH>().0.iter().zip(normed.chunks_exact_mut(WIDTH));
    for ((row, place), kept) in rows.zip(&mut scales) {
        let scale = inverse_rms(row);
        for ((place, x), gain) in place.iter_mut().zip(row).zip(gains) {
            *place = x * scale * gain;
        }
        *kept = scale;
    }
    (scales, normed)
}

/// Adds to `flow` what came back through a norm.
#[inline(always)]
fn norm_back(back: &[f32], stream: &[f32], gains: &[f32], scales: &[f32], gradient: &mut [f32], flow: &mut [f32]) {
    let rows = back.chunks_exact(WIDTH).zip(stream.chunks_exact(WIDTH)).zip(scales).zip(flow.chunks_exact_mut(WIDTH));
    for (((back, row), scale), flow) in rows {
        let mut lanes = [0.0; LANES];
        for at in 0..WIDTH {
            lanes[at % LANES] += back[at] * gains[at] * row[at];
        }
        let along = sum(&lanes) * scale * scale * scale / WIDTH as f32;
        for at in 0..WIDTH {
            gradient[at] += back[at] * row[at] * scale;
            flow[at] += back[at] * gains[at] * scale - row[at] * along;
        }
    }
}

/// The rows that `row` looks at, the nearest first.
#[inline(always)]
fn window(first: usize, row: usize) -> usize {
    (row - first + 1).min(WINDOW)
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; HEAD];
    for at in 0..HEAD {
        lanes[at] = a[at] * b[at];
    }
    sum(&lanes)
}

#[inline(always)]
fn attend(projected: &[f32], distance: &[f32], first: usize, row: usize, attention: &mut [f32], attended: &mut [f32]) {
    let key = |back: usize| &projected[(row - back) * PROJECTION + WIDTH..][..HEAD];
    let value = |back: usize| &projected[(row - back) * PROJECTION + WIDTH + HEAD..][..HEAD];
    let seen = window(first, row);
    for head in 0..HEADS {
        let query = &projected[row * PROJECTION + head * HEAD..][..HEAD];
        let mut scores = [f32::MIN; 2 * LANES];
        for back in 0..seen {
            scores[back] = dot(query, key(back)) * 0.25 + distance[head * WINDOW + back];
        }
        let top = greatest(&scores);
        let mut lanes = [0.0; LANES];
        for at in 0..2 * LANES {
            scores[at] = exp(scores[at] - top);
            lanes[at % LANES] += scores[at];
        }
        let scale = 1.0 / sum(&lanes);
        let mut place = [0.0; HEAD];
        for back in 0..seen {
            let share = scores[back] * scale;
            attention[(row * HEADS + head) * WINDOW + back] = share;
            for (place, x) in place.iter_mut().zip(value(back)) {
                *place += share * x;
            }
        }
        attended[row * WIDTH + head * HEAD..][..HEAD].copy_from_slice(&place);
    }
}

#[inline(always)]
fn attend_back(kept: &Kept, first: usize, row: usize, flow: &[f32], gradient: &mut [f32], distance: &mut [f32]) {
    let seen = window(first, row);
    for head in 0..HEADS {
        let flow = &flow[row * WIDTH + head * HEAD..][..HEAD];
        let shares = &kept.attention[(row * HEADS + head) * WINDOW..][..WINDOW];
        let (mut changes, mut mean) = ([0.0; WINDOW], 0.0);
        for back in 0..seen {
            let at = (row - back) * PROJECTION + WIDTH + HEAD;
            changes[back] = dot(flow, &kept.projected[at..][..HEAD]);
            mean += changes[back] * shares[back];
            for (place, x) in gradient[at..][..HEAD].iter_mut().zip(flow) {
                *place += shares[back] * x;
            }
        }
        let at_query = row * PROJECTION + head * HEAD;
        let mut to_query = [0.0; HEAD];
        for back in 0..seen {
            let change = shares[back] * (changes[back] - mean);
            distance[head * WINDOW + back] += change;
            let at = (row - back) * PROJECTION + WIDTH;
            for i in 0..HEAD {
                to_query[i] += change * 0.25 * kept.projected[at + i];
                gradient[at + i] += change * 0.25 * kept.projected[at_query + i];
            }
        }
        for (place, x) in gradient[at_query..][..HEAD].iter_mut().zip(to_query) {
            *place += x;
        }
    }
}

/// The mean loss over the targets that count; puts the gradient of it in the place of the logits.
#[inline(always)]
fn cross_entropy(logits: &mut [f32], columns: usize, targets: &[u16]) -> f32 {
    let counted = targets.iter().filter(|target| **target != NO_TARGET).count().max(1) as f32;
    let mut total = 0.0;
    for (logits, target) in logits.chunks_exact_mut(columns).zip(targets) {
        if *target == NO_TARGET {
            logits.fill(0.0);
            continue;
        }
        let mut top = [f32::MIN; LANES];
        for lanes in logits.as_chunks::<LANES>().0 {
            for lane in 0..LANES {
                top[lane] = super::numeric::greater(top[lane], lanes[lane]);
            }
        }
        let top = greatest(&top);
        let own = logits[usize::from(*target)];
        let mut lanes = [0.0; LANES];
        for part in logits.as_chunks_mut::<LANES>().0 {
            for lane in 0..LANES {
                part[lane] = exp(part[lane] - top);
                lanes[lane] += part[lane];
            }
        }
        let sum = sum(&lanes);
        total += f64::from(ln(sum) + top - own);
        let scale = 1.0 / (sum * counted);
        logits.iter_mut().for_each(|x| *x *= scale);
        logits[usize::from(*target)] -= 1.0 / counted;
    }
    (total / f64::from(counted)) as f32
}

#[cfg(test)]
mod tests {
    use super::super::weights::{Shape, names};
    use super::super::{START, SequenceModel};
    use super::*;
    use crate::mix::mix;

    fn batch(classes: u64) -> Batch {
        let mut batch = Batch::default();
        for (piece, length) in [7usize, 1, 45, 21].into_iter().enumerate() {
            for i in 0..length as u64 {
                batch.inputs.push(if i == 0 { START } else { (mix(i, piece as u64) % classes) as u16 });
                batch.targets.push(if i == 3 { NO_TARGET } else { (mix(i + 1, piece as u64) % classes) as u16 });
            }
            batch.lengths.push(length);
        }
        batch
    }

    fn weights() -> Weights {
        let mut weights = Weights::random(Shape { classes: 21, layers: 2, feed_forward: 32 }, 3).unwrap();
        for (at, tensor) in weights.tensors_mut().into_iter().enumerate() {
            tensor.iter_mut().enumerate().for_each(|(i, x)| *x += (mix(i as u64, at as u64) % 101) as f32 * 0.006 - 0.3);
        }
        weights
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences_in_every_tensor() {
        let (mut weights, batch) = (weights(), batch(21));
        let mut gradient = Weights::zeros(weights.shape());
        loss(Level::best(), &weights, &batch, Some(&mut gradient), &mut Room::default());
        for (tensor, named) in names(weights.shape()).iter().enumerate() {
            let slopes = gradient.tensors()[tensor].clone();
            // Along the gradient itself the slope is its length: every number of the tensor takes part.
            let length = slopes.iter().map(|x| x * x).sum::<f32>().sqrt();
            let at_distance = |weights: &mut Weights, by: f32| {
                let saved = weights.tensors()[tensor].clone();
                weights.tensors_mut()[tensor].iter_mut().zip(&slopes).for_each(|(w, g)| *w += by * g / length);
                let loss = f64::from(loss(Level::best(), weights, &batch, None, &mut Room::default()));
                *weights.tensors_mut()[tensor] = saved;
                loss
            };
            let by = 4e-3;
            let measured = (at_distance(&mut weights, by) - at_distance(&mut weights, -by)) / f64::from(2.0 * by);
            let error = (measured - f64::from(length)).abs() / f64::from(length);
            assert!(length > 0.0 && error < 0.01, "{}: {measured} measured, {length} computed", named.name);
        }
    }

    #[test]
    fn every_level_gives_the_same_loss_and_gradient() {
        let (weights, batch) = (weights(), batch(21));
        // Whatever the memory held before.
        let mut room = Room::default();
        let all: Vec<_> = Level::all()
            .into_iter()
            .map(|level| {
                let mut gradient = Weights::zeros(weights.shape());
                (loss(level, &weights, &batch, Some(&mut gradient), &mut room), gradient)
            })
            .collect();
        for each in &all {
            assert_eq!(each, &all[0]);
        }
    }

    #[test]
    fn the_loss_is_the_mean_surprise_of_the_served_model() {
        let (weights, classes) = (weights(), (0..60).map(|i| (mix(i, 9) % 21) as u16).collect::<Vec<_>>());
        let inputs = std::iter::once(START).chain(classes[..59].iter().copied()).collect();
        let batch = Batch { inputs, targets: classes.clone(), lengths: vec![60] };
        let steps = SequenceModel::new(&weights).unwrap().whole_pass(&classes);
        let mean = steps.iter().map(|step| step.surprise).sum::<f32>() / 60.0;
        assert!((mean - loss(Level::best(), &weights, &batch, None, &mut Room::default())).abs() < 1e-3);
    }
}
