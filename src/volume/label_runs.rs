//! Label maps in little memory: along a row, how many voxels one after the other have which label.

use std::ops::Range;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::voxel_map::VoxelMap;
use super::{Geometry, LabelVolume, norm};

/// Labels looked at together: most such pieces of a row are of one label.
const PIECE: usize = 32;
/// Labels that one thread codes at a time.
const SHARE: usize = 1 << 16;
/// Rows that one thread makes at a time.
const ROWS: usize = 64;

/// A label and how many voxels have it; one that is longer than 65,535 is several.
type Run = [u16; 2];

/// A [`LabelVolume`] as runs of one label along its rows. The organs of a scan take about a twentieth of its memory, and
/// nothing takes more than twice.
///
/// A row is the voxels of one `j` and one `k`; row `j + rows * k` is the one of both.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelRuns {
    geometry: Geometry,
    layers: Vec<Layer>,
}

/// A layer of a label map has not one label a voxel.
#[derive(Debug, thiserror::Error)]
#[error("a layer has {found} labels and its grid {expected} voxels")]
pub struct UnevenLayer {
    found: usize,
    expected: usize,
}

/// The rows of a layer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Layer {
    /// The background behind the last label of a row is left out, so that an empty row has no run.
    runs: Vec<Run>,
    /// Where the runs of each row end.
    row_ends: Vec<usize>,
}

impl LabelRuns {
    /// The runs of a label map.
    ///
    /// # Errors
    /// When a layer has not one label a voxel.
    pub fn of(labels: &LabelVolume) -> Result<Self, UnevenLayer> {
        let expected = labels.geometry.len();
        let mut runs = Self::empty(labels.geometry.clone(), labels.layers.len());
        for layer in &labels.layers {
            if layer.len() != expected {
                return Err(UnevenLayer {
                    found: layer.len(),
                    expected,
                });
            }
            runs.push_rows(layer);
        }
        Ok(runs)
    }

    /// Label maps that are made row by row, by all threads: `of_row(layer, [j, k], pieces)` gives labels and how many
    /// voxels have each, one after the other from the first column on. What it leaves out at the end is background.
    pub(crate) fn by_row(
        geometry: Geometry,
        layers: usize,
        of_row: impl Fn(usize, [usize; 2], &mut Vec<(u16, usize)>) + Sync,
    ) -> Self {
        let [_, rows, slices] = geometry.size;
        let all = rows * slices;
        let share = |layer: usize, share: usize| {
            let mut coded = Layer::default();
            let mut pieces = Vec::new();
            for row in (share * ROWS..all).take(ROWS) {
                of_row(layer, [row % rows, row / rows], &mut pieces);
                coded.push_row(pieces.drain(..));
            }
            coded
        };
        let of_layer = |layer: usize| {
            let shares = (0..all.div_ceil(ROWS)).into_par_iter();
            let coded: Vec<Layer> = shares.map(|at| share(layer, at)).collect();
            let mut whole = Layer::default();
            for coded in coded {
                whole.append(&coded);
            }
            whole
        };
        Self {
            layers: (0..layers).map(of_layer).collect(),
            geometry,
        }
    }

    /// Layers that wait for their rows.
    pub(super) fn empty(geometry: Geometry, layers: usize) -> Self {
        Self {
            geometry,
            layers: vec![Layer::default(); layers],
        }
    }

    /// Takes the labels of further whole rows: those of the first layer, then those of the next.
    pub(super) fn push_rows(&mut self, labels: &[u16]) {
        let [columns, rows, slices] = self.geometry.size;
        let columns = columns.max(1);
        let share = (SHARE / columns).max(1) * columns;
        let coded: Vec<Layer> = labels
            .par_chunks(share)
            .map(|labels| Layer::of(labels, columns))
            .collect();
        let mut open = self
            .layers
            .iter_mut()
            .skip_while(|layer| layer.row_ends.len() >= rows * slices);
        let mut layer = open.next();
        for coded in coded {
            for row in 0..coded.row_ends.len() {
                if layer
                    .as_ref()
                    .is_some_and(|layer| layer.row_ends.len() >= rows * slices)
                {
                    layer = open.next();
                }
                if let Some(layer) = &mut layer {
                    layer.push_runs(coded.row(row));
                }
            }
        }
    }

    /// The grid of every layer.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// How many layers there are.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// The labels of a row of a layer and the columns that have each, in ascending order, without the background.
    pub fn row(&self, layer: usize, row: usize) -> impl Iterator<Item = (u16, Range<usize>)> + '_ {
        let mut start = 0;
        let runs = self.layers[layer].row(row).iter();
        runs.filter_map(move |&[label, length]| {
            let columns = start..start + usize::from(length);
            start = columns.end;
            (label != 0).then_some((label, columns))
        })
    }

    /// The same, voxel by voxel.
    pub fn to_volume(&self) -> LabelVolume {
        let columns = self.geometry.size[0].max(1);
        let expand = |layer: usize| {
            let mut labels = vec![0; self.geometry.len()];
            labels
                .par_chunks_mut(columns)
                .enumerate()
                .for_each(|(row, labels)| {
                    for (label, columns) in self.row(layer, row) {
                        labels[columns].fill(label);
                    }
                });
            labels
        };
        LabelVolume {
            geometry: self.geometry.clone(),
            layers: (0..self.layers.len()).map(expand).collect(),
        }
    }

    /// Gives every labelled voxel the number that `number` says; 0 takes it out.
    pub fn renumber(&mut self, number: impl Fn(u16) -> u16 + Sync) {
        let number = |label| if label == 0 { 0 } else { number(label) };
        self.layers.par_iter_mut().for_each(|layer| {
            let mut renumbered = Layer::default();
            for row in 0..layer.row_ends.len() {
                renumbered.push_row(
                    layer
                        .row(row)
                        .iter()
                        .map(|&[label, length]| (number(label), length.into())),
                );
            }
            *layer = renumbered;
        });
    }

    /// The same labels on a grid that has the same voxels, counted along other axes or from another corner; `None` where
    /// a voxel would come to lie more than `tolerance_mm` from where it was.
    pub fn onto(mut self, grid: &Geometry, tolerance_mm: f64) -> Option<Self> {
        if !has_same_voxels(&self.geometry, grid, tolerance_mm) {
            return None;
        }
        let map = VoxelMap::between(grid, &self.geometry);
        if map.agreeing_axes(grid.size) == Some([0, 1, 2]) {
            let backward = std::array::from_fn(|axis| map.matrix[axis][axis] < 0.0);
            if backward.contains(&true) {
                self = self.flipped(backward);
            }
            self.geometry = grid.clone();
            return Some(self);
        }
        Self::of(&self.to_volume().resampled(grid)).ok()
    }

    /// Counts the voxels along each of the axes that are named from the other end.
    fn flipped(&self, [columns, rows, slices]: [bool; 3]) -> Self {
        let size = self.geometry.size;
        let from = |at: usize, along: usize, backward: bool| {
            if backward { size[along] - 1 - at } else { at }
        };
        let flip = |layer: &Layer| {
            let mut flipped = Layer::default();
            for k in 0..size[2] {
                for j in 0..size[1] {
                    let row = layer.row(from(j, 1, rows) + size[1] * from(k, 2, slices));
                    if columns {
                        let pieces = || row.iter().map(|&[label, length]| (label, length.into()));
                        let behind = size[0] - pieces().map(|(_, length)| length).sum::<usize>();
                        flipped.push_row([(0, behind)].into_iter().chain(pieces().rev()));
                    } else {
                        flipped.push_runs(row);
                    }
                }
            }
            flipped
        };
        Self {
            geometry: self.geometry.clone(),
            layers: self.layers.par_iter().map(flip).collect(),
        }
    }

    /// Adds the labels to a hash: those of equal label maps alike, whatever their grid.
    pub fn update(&self, hash: &mut Sha256) {
        for layer in &self.layers {
            for row in 0..layer.row_ends.len() {
                let runs = layer.row(row);
                hash.update((runs.len() as u64).to_le_bytes());
                hash.update(bytemuck::cast_slice(runs));
            }
        }
    }
}

impl Layer {
    fn of(labels: &[u16], columns: usize) -> Self {
        let mut layer = Self::default();
        for row in labels.chunks(columns) {
            let mut rest = row;
            layer.push_row(std::iter::from_fn(|| {
                let &label = rest.first()?;
                let length = run_length(rest, label);
                rest = &rest[length..];
                Some((label, length))
            }));
        }
        layer
    }

    fn row(&self, row: usize) -> &[Run] {
        let start = row.checked_sub(1).map_or(0, |above| self.row_ends[above]);
        &self.runs[start..self.row_ends[row]]
    }

    /// Adds a row of labels and their lengths, which need not be all that have one label.
    fn push_row(&mut self, pieces: impl Iterator<Item = (u16, usize)>) {
        let (mut label, mut length) = (0, 0);
        for (next, more) in pieces {
            if next == label {
                length += more;
            } else {
                self.push_run(label, length);
                (label, length) = (next, more);
            }
        }
        if label != 0 {
            self.push_run(label, length);
        }
        self.row_ends.push(self.runs.len());
    }

    fn push_run(&mut self, label: u16, mut length: usize) {
        while length > 0 {
            let part = u16::try_from(length).unwrap_or(u16::MAX);
            self.runs.push([label, part]);
            length -= usize::from(part);
        }
    }

    /// Adds the rows of another.
    fn append(&mut self, further: &Self) {
        let before = self.runs.len();
        self.runs.extend_from_slice(&further.runs);
        let ends = further.row_ends.iter().map(|end| before + end);
        self.row_ends.extend(ends);
    }

    fn push_runs(&mut self, row: &[Run]) {
        self.runs.extend_from_slice(row);
        self.row_ends.push(self.runs.len());
    }
}

/// How many of the labels from the first on are `label`.
fn run_length(labels: &[u16], label: u16) -> usize {
    let is_whole =
        |piece: &&[u16]| piece.iter().fold(0, |other, &next| other | (next ^ label)) == 0;
    let whole = labels.chunks_exact(PIECE).take_while(is_whole).count() * PIECE;
    let rest = &labels[whole..];
    let more = rest.iter().position(|&next| next != label);
    whole + more.unwrap_or(rest.len())
}

/// Whether two grids have the same voxels, counted along other axes or from another corner.
fn has_same_voxels(one: &Geometry, other: &Geometry, tolerance_mm: f64) -> bool {
    let [a, b, c] = one.size.map(|size| size.saturating_sub(1) as f64);
    let corners = [
        [0.0, 0.0, 0.0],
        [a, 0.0, 0.0],
        [0.0, b, 0.0],
        [0.0, 0.0, c],
        [a, b, c],
    ];
    one.len() == other.len()
        && corners.iter().all(|corner| {
            let point = one.to_patient(*corner);
            let at = other.to_index(point);
            let near = other.to_patient(at.map(f64::round));
            let inside =
                (0..3).all(|axis| at[axis] > -0.5 && at[axis] < other.size[axis] as f64 - 0.5);
            inside && norm(std::array::from_fn(|axis| near[axis] - point[axis])) <= tolerance_mm
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::any_geometry;
    use proptest::prelude::*;

    /// Label maps of some layers, with long runs and short.
    fn any_labels() -> impl Strategy<Value = LabelVolume> {
        (any_geometry(), 1usize..80, 1usize..4).prop_flat_map(|(geometry, columns, layers)| {
            let geometry = Geometry {
                size: [columns, geometry.size[1], geometry.size[2]],
                ..geometry
            };
            let pieces = prop::collection::vec((0u16..4, 1usize..60), 0..60);
            prop::collection::vec(pieces, layers).prop_map(move |layers| LabelVolume {
                layers: layers
                    .into_iter()
                    .map(|pieces| {
                        let mut labels: Vec<u16> = pieces
                            .into_iter()
                            .flat_map(|(label, length)| vec![label * 9000; length])
                            .collect();
                        labels.resize(geometry.len(), 0);
                        labels
                    })
                    .collect(),
                geometry: geometry.clone(),
            })
        })
    }

    fn hash(runs: &LabelRuns) -> String {
        let mut hash = Sha256::new();
        runs.update(&mut hash);
        format!("{:x}", hash.finalize())
    }

    proptest! {
        #[test]
        fn runs_are_the_label_map(labels in any_labels()) {
            let runs = LabelRuns::of(&labels).unwrap();
            prop_assert_eq!(runs.layers(), labels.layers.len());
            prop_assert_eq!(runs.to_volume(), labels);
        }

        #[test]
        fn rows_that_are_made_one_by_one_are_those_of_the_label_map(labels in any_labels()) {
            let [columns, rows, _] = labels.geometry.size;
            let made = LabelRuns::by_row(labels.geometry.clone(), labels.layers.len(), |layer, [j, k], pieces| {
                let row = &labels.layers[layer][columns * (j + rows * k)..][..columns];
                pieces.extend(row.iter().map(|&label| (label, 1)));
            });
            prop_assert_eq!(made, LabelRuns::of(&labels).unwrap());
        }

        #[test]
        fn rows_may_come_in_any_portions(labels in any_labels(), portion in 1usize..9) {
            let mut runs = LabelRuns::empty(labels.geometry.clone(), labels.layers.len());
            let all = labels.layers.concat();
            for rows in all.chunks(portion * labels.geometry.size[0]) {
                runs.push_rows(rows);
            }
            prop_assert_eq!(runs, LabelRuns::of(&labels).unwrap());
        }

        #[test]
        fn renumbered_labels_have_the_runs_of_such_a_label_map(labels in any_labels()) {
            let number = |label| if label == 9000 { 0 } else { 3 };
            let mut runs = LabelRuns::of(&labels).unwrap();
            runs.renumber(number);
            let mut meant = labels;
            meant.renumber(number);
            let meant = LabelRuns::of(&meant).unwrap();
            prop_assert_eq!(hash(&runs), hash(&meant));
            prop_assert_eq!(runs, meant);
        }

        #[test]
        fn other_corners_and_axes_leave_every_label_in_its_place(
            labels in any_labels(),
            backward in prop::array::uniform3(any::<bool>()),
            order in Just([0, 1, 2]).prop_shuffle(),
            off in 0.0..0.2f64,
        ) {
            let grid = &labels.geometry;
            let last = std::array::from_fn(|axis| if backward[axis] { (grid.size[axis] - 1) as f64 } else { 0.0 });
            let sign = |axis: usize| if backward[axis] { -1.0 } else { 1.0 };
            let moved = grid.to_patient(last);
            let target = Geometry {
                size: order.map(|axis| grid.size[axis]),
                spacing: order.map(|axis| grid.spacing[axis]),
                direction: order.map(|axis| grid.direction[axis].map(|d| d * sign(axis))),
                origin: [moved[0] + off, moved[1], moved[2]],
            };
            let runs = LabelRuns::of(&labels).unwrap();
            let turned = runs.onto(&target, 0.1);
            if off < 0.099 {
                let turned = turned.unwrap();
                prop_assert_eq!(turned.geometry(), &target);
                prop_assert_eq!(turned.to_volume(), labels.resampled(&target));
            } else if off > 0.101 {
                prop_assert!(turned.is_none());
            }
        }
    }

    #[test]
    fn a_row_longer_than_a_run_can_be_is_several_runs() {
        let geometry = Geometry::axial([200_000, 1, 1], [1.0; 3], [0.0; 3]);
        let mut labels = vec![7; 200_000];
        labels[150_000..].fill(0);
        let labels = LabelVolume::exclusive(geometry, labels);
        let runs = LabelRuns::of(&labels).unwrap();
        let found: Vec<_> = runs.row(0, 0).collect();
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].1.start, found[2].1.end), (0, 150_000));
        assert_eq!(runs.to_volume(), labels);
    }

    #[test]
    fn a_layer_without_a_label_for_each_voxel_is_refused() {
        let geometry = Geometry::axial([4, 3, 2], [1.0; 3], [0.0; 3]);
        let error = LabelRuns::of(&LabelVolume::exclusive(geometry, vec![0; 23])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a layer has 23 labels and its grid 24 voxels"
        );
    }
}
