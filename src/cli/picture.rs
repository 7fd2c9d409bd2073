//! Writing the picture of a result.

use std::path::Path;

use miette::{IntoDiagnostic, WrapErr, miette};

use super::images::Image;
use super::known::Known;
use crate::picture::{Drawn, Sheet, Window};
use crate::volume::LabelVolume;

/// Axial slices on a picture.
const SLICES: usize = 6;

/// Writes a PNG of slices with segments over them.
pub fn write_picture(
    path: &Path,
    image: &Image,
    labels: &LabelVolume,
    segments: &[Drawn],
    known: Option<&Known>,
) -> miette::Result<()> {
    let geometry = &image.volume.geometry;
    let heading = format!(
        "{}, {} slices of {:.1} mm",
        image.modality, geometry.size[2], geometry.spacing[2]
    );
    let sheet = Sheet {
        volume: &image.volume,
        labels,
        compared: known.map(|known| &known.labels),
        segments,
        window: Window::for_modality(&image.volume, &image.modality),
        heading: &heading,
        axial_slices: SLICES,
    };
    let picture = sheet
        .draw()
        .ok_or_else(|| miette!("the labels do not lie on the image's grid"))?;
    picture
        .save_with_format(path, image::ImageFormat::Png)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} cannot be written", path.display()))
}

/// The word beside a segment's name.
pub fn note(volume_ml: f64, dice: Option<f64>) -> String {
    match dice {
        Some(dice) => format!("{volume_ml:.0} ml, Dice {dice:.2}"),
        None => format!("{volume_ml:.0} ml"),
    }
}
