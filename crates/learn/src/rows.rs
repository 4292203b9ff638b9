//! The shape in which models take numbers: rows of features, one after another.

/// The most features a row may have.
pub const MAX_FEATURES: usize = 256;

/// A borrowed matrix: row-major, `width` values a row, rows `stride` values apart (what lies between is ignored).
///
/// A value may be anything: NaN means *missing*, and infinities stand for the largest finite values.
///
/// ```
/// use lapwing_learn::Rows;
/// let rows = Rows::new(&[1.0, 2.0, 3.0, 4.0], 2);
/// assert_eq!(rows.iter().collect::<Vec<_>>(), [[1.0, 2.0], [3.0, 4.0]]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    values: &'a [f32],
    width: usize,
    stride: usize,
}

impl<'a> Rows<'a> {
    /// Rows of `width` values without gaps. Values that do not fill a row at the end are no row; a width of 0 has no rows.
    #[must_use]
    pub fn new(values: &'a [f32], width: usize) -> Self {
        Rows::with_stride(values, width, width)
    }

    /// Rows that begin every `stride` values; a stride below the width means the width.
    #[must_use]
    pub fn with_stride(values: &'a [f32], width: usize, stride: usize) -> Self {
        Rows { values, width, stride: stride.max(width) }
    }

    /// How many values a row has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        if self.width == 0 || self.values.len() < self.width { 0 } else { (self.values.len() - self.width) / self.stride + 1 }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Row `at`, if there is one.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&'a [f32]> {
        let begin = at.checked_mul(self.stride)?;
        if self.width == 0 { None } else { self.values.get(begin..begin + self.width) }
    }

    /// All rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [f32]> + use<'a> {
        let rows = *self;
        (0..rows.len()).map(move |at| &rows.values[at * rows.stride..at * rows.stride + rows.width])
    }
}

/// Why nothing could be learned from rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// There are no rows, or rows without values.
    NoRows,
    /// Rows have so many values, more than [`MAX_FEATURES`].
    TooWide(usize),
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unfit::NoRows => to.write_str("cannot learn: there are no rows; give at least one row of at least one feature"),
            Unfit::TooWide(width) => write!(to, "cannot learn: rows have {width} features; give at most {MAX_FEATURES}"),
        }
    }
}

impl std::error::Error for Unfit {}

impl Rows<'_> {
    /// Refuses what nothing can be learned from.
    pub(crate) fn check(&self) -> Result<(), Unfit> {
        if self.width > MAX_FEATURES {
            return Err(Unfit::TooWide(self.width));
        }
        if self.is_empty() { Err(Unfit::NoRows) } else { Ok(()) }
    }
}

/// Infinities become the largest finite values; a missing value (NaN) stays one.
#[inline]
pub(crate) fn bounded(value: f32) -> f32 {
    value.clamp(f32::MIN, f32::MAX)
}

/// A row in an array, so that looking up feature `f & (W - 1)` needs no check. What the row does not have is missing.
#[inline]
pub(crate) fn padded<const W: usize>(row: &[f32]) -> [f32; W] {
    let mut array = [f32::NAN; W];
    for (to, &value) in array.iter_mut().zip(row) {
        *to = bounded(value);
    }
    array
}

/// Calls `$call` with the constant `W` set to the least room of 16, 64 and 256 in which `$width` features fit.
macro_rules! for_width {
    ($width:expr, $W:ident => $call:expr) => {
        match $width {
            0..=16 => {
                const $W: usize = 16;
                $call
            }
            17..=64 => {
                const $W: usize = 64;
                $call
            }
            _ => {
                const $W: usize = 256;
                $call
            }
        }
    };
}

pub(crate) use for_width;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stride_skips_what_lies_between_and_the_last_row_needs_no_gap() {
        let rows = Rows::with_stride(&[1.0, 2.0, 9.0, 3.0, 4.0], 2, 3);
        assert_eq!(rows.iter().collect::<Vec<_>>(), [[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!((rows.len(), rows.get(1), rows.get(2)), (2, Some(&[3.0, 4.0][..]), None));
    }

    #[test]
    fn odd_shapes_have_no_rows_and_never_panic() {
        for (values, width, stride) in [(&[][..], 0, 0), (&[1.0][..], 0, 3), (&[1.0][..], 2, 0), (&[][..], 5, 1)] {
            let rows = Rows::with_stride(values, width, stride);
            assert_eq!((rows.len(), rows.iter().count(), rows.get(0), rows.get(usize::MAX)), (0, 0, None, None));
            assert_eq!(rows.check(), Err(Unfit::NoRows));
        }
        assert_eq!(Rows::new(&[0.0; 600], 300).check(), Err(Unfit::TooWide(300)));
    }

    #[test]
    fn padding_bounds_infinities_and_keeps_what_is_missing_missing() {
        let row = padded::<16>(&[f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1.5]);
        assert_eq!((row[0], row[1], row[3]), (f32::MAX, f32::MIN, 1.5));
        assert!(row[2].is_nan() && row[4..].iter().all(|value| value.is_nan()));
    }
}
