//! From the files of a series to what the network sees: one way for the node and whoever tries it.

use super::reading_ahead::SlicesAhead;
use crate::assemble::{AssembleError, OpenSeries, SeriesGrid, VolumeChoice};
use crate::preprocess::{SlicewiseInput, for_network};
use crate::volume::Volume;
use std::path::PathBuf;

/// A series as the network sees it.
#[derive(Debug)]
pub struct SeriesInput {
    /// On the network's grid and scale; see [`for_network`].
    pub volume: Volume,
    /// Where the slices lie, and what a result must know of them.
    pub series: SeriesGrid,
    /// How many of the slices had been read ahead.
    pub read_ahead: usize,
}

/// Reads a volume of a series straight onto the network's grid, of voxels of that `spacing`, mm: what was decoded of it
/// is never in memory as a whole, unless images are copies of others or the stack leans. What was read `ahead` of some
/// files is not decoded again; with it the result is the same, bit for bit.
///
/// # Errors
/// As [`crate::assemble::read_volume`].
pub fn read_input(
    files: &[PathBuf],
    choice: &VolumeChoice,
    spacing: [f64; 3],
    mut ahead: SlicesAhead,
) -> Result<SeriesInput, AssembleError> {
    let series = OpenSeries::of(files, choice)?;
    let slicewise = SlicewiseInput::of(series.geometry(), spacing);
    let Some(input) = slicewise.filter(|_| !series.has_copies()) else {
        let volume = series.volume()?;
        let series = series.grid()?;
        return Ok(SeriesInput {
            volume: for_network(&volume, &series.source.modality(), spacing),
            series,
            read_ahead: 0,
        });
    };
    let slices = 0..series.geometry().size[2];
    for k in slices.clone() {
        if let Some(slice) = series.file(k).and_then(|file| ahead.take(file)) {
            input.take_lone(k, slice);
        }
    }
    let read_ahead = slices.filter(|k| input.has(*k)).count();
    series.each_slice(|k| !input.has(k), |k, slice| input.take(k, slice))?;
    let series = series.grid()?;
    Ok(SeriesInput {
        volume: input.finish(&series.source.modality()),
        series,
        read_ahead,
    })
}
