//! Panels and a legend on one sheet.

use image::{Rgb, RgbImage, imageops};

use super::color::told_apart;
use super::panel::Subject;
use super::plane::{PatientView, Plane};
use super::text::{Pen, blend};
use super::window::Window;
use crate::volume::{LabelVolume, Volume};

pub(super) const GROUND: [u8; 3] = [14, 16, 19];
pub(super) const WORDS: [u8; 3] = [226, 230, 235];
pub(super) const QUIET_WORDS: [u8; 3] = [150, 158, 168];
const PANEL_WIDTH: f64 = 440.0;
const COLUMNS: usize = 3;
const GAP: u32 = 10;
const HEADING: u32 = 44;
const LEGEND_WIDTH: u32 = 330;
const LEGEND_ROW: u32 = 26;
/// A stack at least this thick is also shown from the front and from the side, mm.
const THICK_MM: f64 = 80.0;

/// A segment on the sheet.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// Its number in the label volume.
    pub number: u16,
    /// Its name in the legend.
    pub name: String,
    /// A word beside the name, such as a volume or a Dice coefficient.
    pub note: String,
    /// 8-bit sRGB.
    pub color: [u8; 3],
}

/// What a picture shows: axial slices spread over the segments, a coronal and a sagittal one where the
/// stack is thick enough, and a legend. It holds no patient data.
#[derive(Debug)]
pub struct Sheet<'a> {
    /// The image.
    pub volume: &'a Volume,
    /// Segments on the same grid.
    pub labels: &'a LabelVolume,
    /// Other labels on the same grid, known or earlier ones, drawn as a dashed white line.
    pub compared: Option<&'a LabelVolume>,
    /// The segments to draw and name. Colours too alike to tell apart are changed, in the legend too.
    pub segments: &'a [Drawn],
    /// Which intensities are black and white.
    pub window: Window,
    /// A heading.
    pub heading: &'a str,
    /// How many axial slices.
    pub axial_slices: usize,
}

impl Sheet<'_> {
    /// Draws the sheet. `None` when image and labels are not on one grid, or the grid is empty.
    pub fn draw(&self) -> Option<RgbImage> {
        let geometry = &self.volume.geometry;
        let fits = |labels: &LabelVolume| {
            labels.geometry.size == geometry.size
                && labels
                    .layers
                    .iter()
                    .all(|layer| layer.len() == geometry.len())
        };
        let fits = fits(self.labels) && self.compared.is_none_or(fits);
        if geometry.is_empty() || self.volume.voxels.len() != geometry.len() || !fits {
            return None;
        }
        let segments = told_apart(self.segments);
        let pen = Pen::new()?;
        let view = PatientView::new(geometry);
        let crop = patient_box(self.volume, self.labels, self.window, &view);
        let spacing = view.spacing;
        let extent = |axis: usize| {
            let (first, last): (usize, usize) = crop[axis];
            (last - first + 1) as f64 * spacing[axis]
        };
        let mut subject = Subject {
            volume: self.volume,
            labels: self.labels,
            compared: self.compared,
            segments: &segments,
            window: self.window,
            crop,
            scale: PANEL_WIDTH / extent(0).max(extent(1) * 0.9),
            view,
        };
        if subject.scale <= 0.0 || !subject.scale.is_finite() {
            subject.scale = 1.0;
        }
        let mut rows: Vec<Vec<(Plane, usize)>> = self
            .chosen(&subject, Plane::Axial, self.axial_slices)
            .chunks(COLUMNS)
            .map(|row| row.iter().map(|&k| (Plane::Axial, k)).collect())
            .collect();
        if extent(2) >= THICK_MM {
            let row = [Plane::Coronal, Plane::Sagittal]
                .into_iter()
                .flat_map(|plane| {
                    self.chosen(&subject, plane, 1)
                        .into_iter()
                        .map(move |k| (plane, k))
                })
                .collect();
            rows.push(row);
        }
        Some(self.lay_out(&pen, &subject, &rows))
    }

    fn lay_out(&self, pen: &Pen, subject: &Subject, rows: &[Vec<(Plane, usize)>]) -> RgbImage {
        let row_size = |row: &Vec<(Plane, usize)>| {
            row.iter().fold((0, 0), |(width, height), &(plane, _)| {
                let (w, h) = subject.panel_size(plane);
                (width + w + GAP, height.max(h))
            })
        };
        let panels_width = rows.iter().map(|row| row_size(row).0).max().unwrap_or(0);
        let panels_height: u32 = rows.iter().map(|row| row_size(row).1 + GAP).sum();
        let legend_height = LEGEND_ROW * (self.segments.len() as u32 + 4);
        let mut sheet = RgbImage::from_pixel(
            GAP + panels_width + LEGEND_WIDTH,
            HEADING + panels_height.max(legend_height),
            Rgb(GROUND),
        );
        let room = (sheet.width() - 2 * GAP) as f32;
        let heading = pen.fitted(self.heading, 18.0, room);
        pen.write(&mut sheet, (GAP as f32, 29.0), 18.0, WORDS, &heading);
        let mut y = HEADING;
        for row in rows {
            let mut x = GAP;
            for &(plane, index) in row {
                let mut panel = subject.draw(plane, index);
                caption(pen, &mut panel, subject, plane, index);
                imageops::replace(&mut sheet, &panel, i64::from(x), i64::from(y));
                x += panel.width() + GAP;
            }
            y += row_size(row).1 + GAP;
        }
        self.legend(pen, &mut sheet, subject.segments, GAP + panels_width + GAP);
        sheet
    }

    fn legend(&self, pen: &Pen, sheet: &mut RgbImage, segments: &[Drawn], x: u32) {
        let mut y = HEADING;
        let right = (sheet.width() - 2 * GAP) as f32;
        for segment in segments {
            for dy in 0..15 {
                for dx in 0..15 {
                    let rim = dx == 0 || dy == 0 || dx == 14 || dy == 14;
                    let share = if rim { 1.0 } else { 0.6 };
                    blend(
                        sheet,
                        i64::from(x + dx),
                        i64::from(y + dy + 2),
                        segment.color,
                        share,
                    );
                }
            }
            let note_width = pen.width(&segment.note, 14.0);
            let left = (x + 24) as f32;
            let name = pen.fitted(&segment.name, 15.0, right - left - note_width - 8.0);
            pen.write(sheet, (left, (y + 15) as f32), 15.0, WORDS, &name);
            pen.write(
                sheet,
                (right - note_width, (y + 15) as f32),
                14.0,
                QUIET_WORDS,
                &segment.note,
            );
            y += LEGEND_ROW;
        }
        if self.compared.is_some() {
            for dx in (0..15).filter(|dx| dx % 6 < 4) {
                blend(sheet, i64::from(x + dx), i64::from(y + 9), [255; 3], 1.0);
                blend(sheet, i64::from(x + dx), i64::from(y + 10), [255; 3], 1.0);
            }
            pen.write(
                sheet,
                ((x + 24) as f32, (y + 15) as f32),
                15.0,
                WORDS,
                "Known label",
            );
            y += LEGEND_ROW;
        }
        y += LEGEND_ROW / 2;
        let quiet = "Drawn by irisnode. Not for diagnosis.";
        pen.write(sheet, (x as f32, (y + 15) as f32), 12.0, QUIET_WORDS, quiet);
    }

    /// `count` slices spread over where the segments are, each the one of its part that shows most of them;
    /// from the head down for axial ones.
    fn chosen(&self, subject: &Subject, plane: Plane, count: usize) -> Vec<usize> {
        let [across, down, through] = plane.axes();
        let view = &subject.view;
        let richness: Vec<(usize, usize)> = (0..view.size[through])
            .map(|index| {
                let mut seen = std::collections::BTreeMap::<u16, usize>::new();
                for v in 0..view.size[down] {
                    for u in 0..view.size[across] {
                        let mut at = [0; 3];
                        (at[across], at[down], at[through]) = (u, v, index);
                        let offset = view.offset(at);
                        for layer in &self.labels.layers {
                            if layer[offset] != 0 {
                                *seen.entry(layer[offset]).or_default() += 1;
                            }
                        }
                    }
                }
                (seen.len(), seen.values().sum())
            })
            .collect();
        let filled = |index: &usize| richness[*index].0 > 0;
        let all = 0..view.size[through];
        let (first, last) = match (all.clone().find(filled), all.clone().rfind(filled)) {
            (Some(first), Some(last)) => (first, last),
            _ => (0, view.size[through] - 1),
        };
        let span = last - first + 1;
        let parts = count.clamp(1, span);
        let mut slices: Vec<usize> = (0..parts)
            .filter_map(|part| {
                let (from, to) = (
                    first + part * span / parts,
                    first + (part + 1) * span / parts,
                );
                let middle = (from + to) as isize / 2;
                (from..to).max_by_key(|&index| {
                    let off_middle = (index as isize - middle).abs();
                    (richness[index], std::cmp::Reverse(off_middle))
                })
            })
            .collect();
        if plane == Plane::Axial {
            slices.reverse();
        }
        slices
    }
}

/// The box of the patient in the image, with the segments in it, along left, posterior and head.
///
/// A row counts when more than 2 % of it is not air: a thin cable or table does not widen the box.
pub(super) fn patient_box(
    volume: &Volume,
    labels: &LabelVolume,
    window: Window,
    view: &PatientView,
) -> [(usize, usize); 3] {
    let threshold = window.patient_threshold();
    let mut patient = [vec![0usize; view.size[0]], vec![0usize; view.size[1]]];
    let mut segment = [vec![false; view.size[0]], vec![false; view.size[1]]];
    for c in 0..view.size[2] {
        for b in 0..view.size[1] {
            for a in 0..view.size[0] {
                let offset = view.offset([a, b, c]);
                if volume.voxels[offset] > threshold {
                    patient[0][a] += 1;
                    patient[1][b] += 1;
                }
                if labels.layers.iter().any(|layer| layer[offset] != 0) {
                    segment[0][a] = true;
                    segment[1][b] = true;
                }
            }
        }
    }
    let mut shown = [
        (0, view.size[0] - 1),
        (0, view.size[1] - 1),
        (0, view.size[2] - 1),
    ];
    for axis in 0..2 {
        let line = view.size[1 - axis] * view.size[2];
        let in_box = |i: &usize| patient[axis][*i] * 50 > line || segment[axis][*i];
        let first = (0..view.size[axis]).find(in_box);
        let last = (0..view.size[axis]).rfind(in_box);
        if let (Some(first), Some(last)) = (first, last) {
            let margin = (5.0 / view.spacing[axis]).ceil() as usize;
            shown[axis] = (
                first.saturating_sub(margin),
                (last + margin).min(view.size[axis] - 1),
            );
        }
    }
    shown
}

fn caption(pen: &Pen, panel: &mut RgbImage, subject: &Subject, plane: Plane, index: usize) {
    let count = subject.view.size[plane.axes()[2]];
    let text = format!("{} {} / {count}", plane.name(), index + 1);
    let (width, height) = (panel.width() as f32, panel.height() as f32);
    pen.write_on_image(panel, (8.0, 19.0), 14.0, WORDS, &text);
    let [left, right, top, bottom] = plane.letters();
    for (letter, x, y) in [
        (left, 8.0, height / 2.0 + 5.0),
        (right, width - 18.0, height / 2.0 + 5.0),
        (top, width / 2.0 - 5.0, 19.0),
        (bottom, width / 2.0 - 5.0, height - 8.0),
    ] {
        pen.write_on_image(panel, (x, y), 14.0, QUIET_WORDS, letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Geometry;

    fn sheet_of(volume: &Volume, labels: &LabelVolume) -> Option<RgbImage> {
        let segments = [Drawn {
            number: 3,
            name: "Spleen".into(),
            note: "1 ml".into(),
            color: [200, 30, 30],
        }];
        Sheet {
            volume,
            labels,
            compared: None,
            segments: &segments,
            window: Window::SOFT_TISSUE,
            heading: "CT",
            axial_slices: 2,
        }
        .draw()
    }

    /// A patient with a segment on one side, and the same patient with columns to the right, rows to the
    /// head and slices to posterior.
    fn one_patient_twice() -> [(Volume, LabelVolume); 2] {
        let axial = Geometry::axial([24, 20, 16], [4.0; 3], [0.0; 3]);
        let coronal = Geometry {
            size: [24, 16, 20],
            spacing: [4.0; 3],
            direction: [[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]],
            origin: [92.0, 0.0, 0.0],
        };
        [axial, coronal].map(|geometry| {
            let mut volume = Volume {
                voxels: vec![-1000.0; geometry.len()],
                geometry: geometry.clone(),
            };
            let mut labels = vec![0; geometry.len()];
            for k in 0..geometry.size[2] {
                for j in 0..geometry.size[1] {
                    for i in 0..geometry.size[0] {
                        let at = geometry.index(i, j, k);
                        let [x, y, z] = geometry.to_patient([i as f64, j as f64, k as f64]);
                        if (8.0..84.0).contains(&x) && (8.0..70.0).contains(&y) {
                            volume.voxels[at] = 40.0 + z as f32;
                        }
                        if (60.0..80.0).contains(&x) && (30.0..60.0).contains(&y) && z > 10.0 {
                            labels[at] = 3;
                        }
                    }
                }
            }
            (volume, LabelVolume::exclusive(geometry, labels))
        })
    }

    #[test]
    fn the_picture_does_not_depend_on_the_order_of_the_axes() {
        let [(volume, labels), (turned, turned_labels)] = one_patient_twice();
        let picture = sheet_of(&volume, &labels).expect("a picture");
        assert_eq!(
            picture,
            sheet_of(&turned, &turned_labels).expect("a picture")
        );
        let red = |range: std::ops::Range<u32>| {
            range
                .flat_map(|x| (HEADING..HEADING + 300).map(move |y| (x, y)))
                .filter(|&(x, y)| {
                    let [r, g, _] = picture.get_pixel(x, y).0;
                    r > 60 && r > g.saturating_add(25)
                })
                .count()
        };
        let middle = GAP + PANEL_WIDTH as u32 / 2;
        assert_eq!(
            red(GAP..middle),
            0,
            "patient's right is on the left, and empty"
        );
        assert!(
            red(middle..GAP + PANEL_WIDTH as u32) > 1000,
            "patient's left is on the right"
        );
    }

    #[test]
    fn labels_of_another_grid_are_not_drawn() {
        let [(volume, _), (_, turned_labels)] = one_patient_twice();
        assert!(sheet_of(&volume, &turned_labels).is_none());
    }
}
