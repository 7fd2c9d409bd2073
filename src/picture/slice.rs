//! One slice at a time, for looking through a volume.

use image::RgbImage;

use super::panel::Subject;
use super::plane::{PatientView, Plane};
use super::sheet::{Drawn, patient_box};
use super::window::Window;
use crate::volume::{LabelVolume, Volume};

/// Longer side of a slice, pixels.
const LONGER_SIDE: f64 = 640.0;

/// A volume with its segments, ready for slices to be drawn of it.
#[derive(Debug)]
pub struct Slices {
    volume: Volume,
    labels: LabelVolume,
    segments: Vec<Drawn>,
    window: Window,
    /// The patient in the image.
    shown: [(usize, usize); 3],
}

impl Slices {
    /// Looks where in the image the patient is. `None` when image and labels are not on one grid, or the grid is empty.
    pub fn new(
        volume: Volume,
        labels: LabelVolume,
        segments: Vec<Drawn>,
        window: Window,
    ) -> Option<Self> {
        let length = volume.geometry.len();
        let fits = labels.geometry.size == volume.geometry.size
            && labels.layers.iter().all(|layer| layer.len() == length);
        if volume.geometry.is_empty() || volume.voxels.len() != length || !fits {
            return None;
        }
        let view = PatientView::new(&volume.geometry);
        let shown = patient_box(&volume, &labels, window, &view);
        Some(Self {
            volume,
            labels,
            segments,
            window,
            shown,
        })
    }

    /// How many slices there are in a plane.
    pub fn count(&self, plane: Plane) -> usize {
        PatientView::new(&self.volume.geometry).size[plane.axes()[2]]
    }

    /// The slice in the middle of the segments, or of the image where there is none.
    pub fn middle(&self, plane: Plane) -> usize {
        let view = PatientView::new(&self.volume.geometry);
        let [across, down, through] = plane.axes();
        let has_segment = |index: &usize| {
            (0..view.size[down]).any(|v| {
                (0..view.size[across]).any(|u| {
                    let mut at = [0; 3];
                    (at[across], at[down], at[through]) = (u, v, *index);
                    let offset = view.offset(at);
                    self.labels.layers.iter().any(|layer| layer[offset] != 0)
                })
            })
        };
        let all = 0..view.size[through];
        match (all.clone().find(has_segment), all.rev().find(has_segment)) {
            (Some(first), Some(last)) => (first + last) / 2,
            _ => view.size[through] / 2,
        }
    }

    /// Draws slice `index` (from 0: from the feet, from the front, from the right) of a plane; the last one where there
    /// are not so many.
    pub fn draw(&self, plane: Plane, index: usize) -> RgbImage {
        let mut subject = Subject {
            volume: &self.volume,
            labels: &self.labels,
            compared: None,
            segments: &self.segments,
            window: self.window,
            view: PatientView::new(&self.volume.geometry),
            crop: self.shown,
            scale: 1.0,
        };
        let (width, height) = subject.panel_size(plane);
        subject.scale = LONGER_SIDE / f64::from(width.max(height));
        subject.draw(plane, index.min(self.count(plane) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Geometry;

    #[test]
    fn slices_are_counted_and_drawn_in_the_patients_planes() {
        // A coronal stack: columns to the left, rows to the feet, slices to posterior.
        let geometry = Geometry {
            size: [6, 10, 4],
            spacing: [2.0, 3.0, 5.0],
            direction: [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]],
            origin: [0.0; 3],
        };
        let mut labels = vec![0; geometry.len()];
        labels[geometry.index(3, 8, 2)] = 1;
        let volume = Volume {
            voxels: vec![40.0; geometry.len()],
            geometry: geometry.clone(),
        };
        let drawn = Drawn {
            number: 1,
            name: "Spleen".into(),
            note: String::new(),
            color: [200, 30, 30],
        };
        let labels = LabelVolume::exclusive(geometry, labels);
        let window = Window::SOFT_TISSUE;
        let slices = Slices::new(volume, labels, vec![drawn], window).unwrap();
        let planes = [Plane::Axial, Plane::Coronal, Plane::Sagittal];
        assert_eq!(planes.map(|plane| slices.count(plane)), [10, 4, 6]);
        // The row nearest the feet but one is the second slice from the feet.
        assert_eq!(planes.map(|plane| slices.middle(plane)), [1, 2, 3]);
        let red = |image: RgbImage| image.pixels().any(|p| p.0[0] > p.0[1].saturating_add(40));
        assert!(red(slices.draw(Plane::Axial, 1)));
        assert!(!red(slices.draw(Plane::Axial, 2)));
        assert!(slices.draw(Plane::Coronal, 99).width() <= 640);
    }
}
