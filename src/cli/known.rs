//! Labels that are known, to compare a result with.

use std::path::Path;

use super::images::{Image, read_labels};
use super::selection::SegmentArg;
use crate::segment::dice;
use crate::tasks::same_name;
use crate::volume::LabelVolume;

/// Grids nearer than this are one grid, mm.
pub const SAME_GRID_MM: f64 = 0.1;

/// A segment that is compared.
pub struct Compared<'a> {
    /// Its number in the result.
    pub number: u16,
    /// Its name.
    pub label: &'a str,
    /// The value it was taught by, which the known labels may share.
    pub taught_by: Option<u16>,
}

/// Known labels on the result's grid, numbered as the result's segments.
pub struct Known {
    /// The labels; those that match no segment are left out.
    pub labels: LabelVolume,
    /// The numbers that are known.
    pub numbers: Vec<u16>,
}

impl Known {
    /// Reads known labels onto the grid of `image`, the result's. Which value is which segment is said by `named`, by
    /// the own names of a DICOM-SEG or RTSTRUCT, or by the values that the task was taught by.
    pub fn read(
        path: &Path,
        named: &[SegmentArg],
        segments: &[Compared],
        image: &Image,
    ) -> miette::Result<Self> {
        let read = read_labels(path, image.grid(), named)?;
        let grid = &image.volume.geometry;
        let value_of = |segment: &Compared| -> Option<u16> {
            if !named.is_empty() {
                return named
                    .iter()
                    .find(|arg| arg.names(segment.label))
                    .map(|arg| arg.value);
            }
            if !read.segments.is_empty() {
                let own = read
                    .segments
                    .iter()
                    .find(|(_, own)| same_name(&own.label, segment.label));
                return own.map(|(number, _)| *number);
            }
            segment.taught_by
        };
        let pairs: Vec<(u16, u16)> = segments
            .iter()
            .filter_map(|segment| value_of(segment).map(|value| (value, segment.number)))
            .collect();
        let mut labels = if read.volume.geometry.is_close(grid, SAME_GRID_MM) {
            read.volume
        } else {
            read.volume.resampled(grid)
        };
        labels.renumber(|label| {
            let pair = pairs.iter().find(|(value, _)| *value == label);
            pair.map_or(0, |(_, number)| *number)
        });
        labels.geometry = grid.clone();
        Ok(Self {
            labels,
            numbers: pairs.into_iter().map(|(_, number)| number).collect(),
        })
    }

    /// Dice coefficient of a segment of the result; none when the segment is not known or in neither.
    pub fn dice(&self, result: &LabelVolume, number: u16) -> Option<f64> {
        let known = self.numbers.contains(&number);
        known
            .then(|| dice(result, number, &self.labels, number))
            .flatten()
    }
}

impl SegmentArg {
    /// Whether it means the segment of that label, as written or as the terminology writes it.
    fn names(&self, label: &str) -> bool {
        self.name
            .as_deref()
            .is_some_and(|name| same_name(name, label))
    }
}
