//! A picture of a reference with its labels, for the person who decides.

use super::{Finding, Material};
use crate::picture::{Drawn, Sheet, Window};
use image::RgbImage;

/// Axial slices on a picture.
const SLICES: usize = 6;

/// Draws what a proposal would teach. `None` when there is nothing to draw.
pub fn picture(material: &Material, finding: &Finding) -> Option<RgbImage> {
    let geometry = &material.image.geometry;
    let heading = format!(
        "{}, {} slices of {:.1} mm",
        material.modality, geometry.size[2], geometry.spacing[2]
    );
    let segments: Vec<Drawn> = finding
        .segments
        .iter()
        .flat_map(|segment| {
            segment.values.iter().map(|&number| Drawn {
                number,
                name: segment.label.clone(),
                note: format!("{:.1} ml", segment.ml),
                color: segment.color,
            })
        })
        .collect();
    let sheet = Sheet {
        volume: &material.image,
        labels: &material.labels,
        compared: None,
        segments: &segments,
        window: Window::for_modality(&material.image, &material.modality),
        heading: &heading,
        axial_slices: SLICES,
    };
    sheet.draw()
}
