//! A slice on its way to another grid: what lies on that grid's columns and rows, within the slice.

use super::axis_weights::Taps;

/// How slices of one grid are brought to another grid's columns and rows. Equal ones make the same plane of a slice, bit
/// for bit.
#[derive(Debug, Clone, PartialEq)]
pub struct InPlane {
    /// Columns and rows of a slice.
    size: [usize; 2],
    /// Along each of the two, what makes a voxel of the target.
    taps: [Vec<Option<Taps>>; 2],
    /// Rows are summed up before columns are.
    rows_first: bool,
}

/// A slice on the target grid's columns and rows.
#[derive(Debug)]
pub struct Plane {
    /// What is no number counts as 0.
    values: Vec<f32>,
    /// Of each value, how much is made of what is no number; `None` where all are numbers.
    missing: Option<Vec<f32>>,
    /// The lowest number; infinite where there is none.
    lowest: f32,
}

impl InPlane {
    /// Of slices of that size, by what makes the target's columns and rows, and how many of the slice's columns and rows
    /// a step of the target goes, forward or back.
    pub(super) fn of(size: [usize; 2], taps: [Vec<Option<Taps>>; 2], step: [f64; 2]) -> Self {
        Self {
            size,
            taps,
            // The stronger reduction leaves less to the other; of equal ones this, whose sums go side by side.
            rows_first: step[1].abs() >= step[0].abs(),
        }
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        let of = |taps: &Option<Taps>| {
            let weights = taps.as_ref().map_or(0, |taps| taps.weights.len());
            size_of::<Option<Taps>>() + weights * size_of::<f32>()
        };
        self.taps.iter().flatten().map(of).sum()
    }

    /// Columns and rows of the target.
    pub(super) fn target_size(&self) -> [usize; 2] {
        self.taps.each_ref().map(Vec::len)
    }

    /// Whether each of the target's columns and rows, in the order of a plane, lies within the slice.
    pub(super) fn inner(&self) -> Vec<bool> {
        let [columns, rows] = &self.taps;
        let of_row = |row: &Option<Taps>| {
            let within = row.is_some();
            columns.iter().map(move |column| within && column.is_some())
        };
        rows.iter().flat_map(of_row).collect()
    }

    /// Sums up a slice: columns times rows of voxels. What is no finite number, such as padding, is left for the lowest
    /// number of all slices.
    pub fn plane(&self, slice: &[f32]) -> Plane {
        if slice.iter().fold(true, |all, v| all & v.is_finite()) {
            return Plane {
                values: self.sums(slice),
                missing: None,
                lowest: lowest(slice),
            };
        }
        let numbers: Vec<f32> = slice.iter().copied().filter(|v| v.is_finite()).collect();
        let where_finite = |yes: fn(f32) -> f32, no: f32| -> Vec<f32> {
            let of = |v: &f32| if v.is_finite() { yes(*v) } else { no };
            self.sums(&slice.iter().map(of).collect::<Vec<f32>>())
        };
        Plane {
            values: where_finite(|v| v, 0.0),
            missing: Some(where_finite(|_| 0.0, 1.0)),
            lowest: lowest(&numbers),
        }
    }

    fn sums(&self, slice: &[f32]) -> Vec<f32> {
        let ([columns, _], [of_columns, of_rows]) = (self.size, &self.taps);
        if self.rows_first {
            along_columns(&along_rows(slice, columns, of_rows), columns, of_columns)
        } else {
            let summed = along_columns(slice, columns, of_columns);
            along_rows(&summed, of_columns.len(), of_rows)
        }
    }
}

impl Plane {
    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        let values = self.values.len() + self.missing.as_ref().map_or(0, Vec::len);
        values * size_of::<f32>()
    }

    /// The lowest number of its slice; infinite where there is none.
    pub(super) fn lowest(&self) -> f32 {
        self.lowest
    }

    /// Its values, with `lowest` for what is no number.
    pub(super) fn filled(self, lowest: f32) -> Vec<f32> {
        let mut values = self.values;
        for (value, missing) in values.iter_mut().zip(self.missing.iter().flatten()) {
            *value += lowest * missing;
        }
        values
    }
}

/// Weighted sums of rows of so many columns, one for each of `taps`.
pub(super) fn along_rows(slice: &[f32], columns: usize, taps: &[Option<Taps>]) -> Vec<f32> {
    let mut summed = vec![0.0; columns * taps.len()];
    for (row, taps) in summed.chunks_exact_mut(columns).zip(taps) {
        if let Some(taps) = taps {
            weigh(row, taps, |at| &slice[at * columns..][..columns]);
        }
    }
    summed
}

/// Weighted sums within rows of so many columns, one for each of `taps`.
pub(super) fn along_columns(slice: &[f32], columns: usize, taps: &[Option<Taps>]) -> Vec<f32> {
    let mut summed = vec![0.0; slice.len() / columns * taps.len()];
    let rows = summed.chunks_exact_mut(taps.len().max(1));
    for (sums, row) in rows.zip(slice.chunks_exact(columns)) {
        for (sum, taps) in sums.iter_mut().zip(taps) {
            if let Some(Taps { first, weights }) = taps {
                *sum = product(&row[*first..][..weights.len()], weights);
            }
        }
    }
    summed
}

/// The lowest of some numbers, looked at side by side; infinite where there is none.
fn lowest(numbers: &[f32]) -> f32 {
    let (chunks, rest) = numbers.as_chunks::<16>();
    let mut lowest = [f32::INFINITY; 16];
    for chunk in chunks {
        for (lowest, number) in lowest.iter_mut().zip(chunk) {
            *lowest = if number < lowest { *number } else { *lowest };
        }
    }
    let all = lowest.iter().chain(rest);
    all.copied().fold(f32::INFINITY, f32::min)
}

/// The sum of the products, four side by side.
fn product(values: &[f32], weights: &[f32]) -> f32 {
    let (values, last) = values.as_chunks::<4>();
    let (weights, last_weights) = weights.as_chunks::<4>();
    let mut sums = [0.0f32; 4];
    for (values, weights) in values.iter().zip(weights) {
        for ((sum, value), weight) in sums.iter_mut().zip(values).zip(weights) {
            *sum += value * weight;
        }
    }
    let last = last.iter().zip(last_weights).map(|(v, w)| v * w);
    sums.iter().sum::<f32>() + last.sum::<f32>()
}

/// Fills `out` with the weighted sum of parts.
pub(super) fn weigh<'a>(out: &mut [f32], taps: &Taps, part: impl Fn(usize) -> &'a [f32]) {
    out.fill(0.0);
    for (at, &weight) in (taps.first..).zip(&taps.weights) {
        for (out, value) in out.iter_mut().zip(part(at)) {
            *out += weight * value;
        }
    }
}
