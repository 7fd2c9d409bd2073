//! Results beside what they were learnt from: a reference and a query in each row.

use image::{Rgb, RgbImage, imageops};

use super::panel::Subject;
use super::plane::{PatientView, Plane};
use super::sheet::{Drawn, GROUND, QUIET_WORDS, WORDS, patient_box};
use super::text::Pen;
use super::window::Window;
use crate::volume::{LabelVolume, Volume};

const MARGIN: u32 = 14;
/// The room that a panel may fill, pixels.
const PANEL: [u32; 2] = [500, 340];
const HEADING: u32 = 40;
const ROW_HEADING: u32 = 32;
const FOOT: u32 = 34;
/// Amber: seen on any grey.
const COLOR: [u8; 3] = [255, 196, 61];

/// An image and one segment of it.
#[derive(Debug)]
pub struct ExampleView {
    /// The image.
    pub volume: Volume,
    /// Labels on its grid.
    pub labels: LabelVolume,
    /// The number of the segment in `labels`, and in `known`.
    pub number: u16,
    /// The known labels on the same grid, drawn as a dashed white line.
    pub known: Option<LabelVolume>,
    /// Which intensities are black and white.
    pub window: Window,
}

/// A reference, and what was found by it.
#[derive(Debug)]
pub struct ExampleRow {
    /// What the row shows.
    pub heading: String,
    /// The reference with its label.
    pub reference: ExampleView,
    /// The query with what was found and what is known.
    pub query: ExampleView,
}

/// Rows of a reference and a query: one axial slice of each, where the segment is largest. Holds no patient data.
#[derive(Debug)]
pub struct ExampleSheet {
    /// A heading.
    pub heading: String,
    /// The rows, from top to bottom.
    pub rows: Vec<ExampleRow>,
}

impl ExampleSheet {
    /// Draws the sheet. `None` when there is no row, a grid is empty, or labels do not lie on their image's grid.
    pub fn draw(&self) -> Option<RgbImage> {
        let pen = Pen::new()?;
        let rows = self
            .rows
            .iter()
            .map(|row| Some([row.reference.panel()?, row.query.panel()?]))
            .collect::<Option<Vec<_>>>()?;
        let height = |panels: &[RgbImage; 2]| panels[0].height().max(panels[1].height());
        let all: u32 = rows.iter().map(|panels| height(panels) + ROW_HEADING).sum();
        if rows.is_empty() {
            return None;
        }
        let width = 3 * MARGIN + 2 * PANEL[0];
        let mut sheet = RgbImage::from_pixel(width, HEADING + all + FOOT, Rgb(GROUND));
        let room = (width - 2 * MARGIN) as f32;
        let heading = pen.fitted(&self.heading, 18.0, room);
        pen.write(&mut sheet, (MARGIN as f32, 27.0), 18.0, WORDS, &heading);
        let mut y = HEADING;
        for (row, panels) in self.rows.iter().zip(&rows) {
            let text = pen.fitted(&row.heading, 16.0, room);
            let line = (MARGIN as f32, (y + 20) as f32);
            pen.write(&mut sheet, line, 16.0, WORDS, &text);
            y += ROW_HEADING;
            for (column, (panel, name)) in panels.iter().zip(["reference", "query"]).enumerate() {
                let mut panel = panel.clone();
                pen.write_on_image(&mut panel, (8.0, 19.0), 14.0, WORDS, name);
                let x = MARGIN + column as u32 * (PANEL[0] + MARGIN);
                let x = x + (PANEL[0] - panel.width()) / 2;
                imageops::replace(&mut sheet, &panel, i64::from(x), i64::from(y));
            }
            y += height(panels);
        }
        let foot = "Amber: the reference's label, and what was found. Dashed white: what is known. \
                    Patient's right is on the left. Drawn by irisnode. Not for diagnosis.";
        let foot = pen.fitted(foot, 13.0, room);
        let line = (MARGIN as f32, (y + 22) as f32);
        pen.write(&mut sheet, line, 13.0, QUIET_WORDS, &foot);
        Some(sheet)
    }
}

impl ExampleView {
    fn panel(&self) -> Option<RgbImage> {
        let geometry = &self.volume.geometry;
        let fits = |labels: &LabelVolume| {
            let whole = |layer: &Vec<u16>| layer.len() == geometry.len();
            labels.geometry.size == geometry.size && labels.layers.iter().all(whole)
        };
        let all_fit = fits(&self.labels) && self.known.as_ref().is_none_or(fits);
        if geometry.is_empty() || self.volume.voxels.len() != geometry.len() || !all_fit {
            return None;
        }
        let known = self.known.as_ref().map(|known| {
            let mut known = known.clone();
            known.renumber(|number| if number == self.number { number } else { 0 });
            known
        });
        let view = PatientView::new(geometry);
        let slice = self.largest_slice(&view);
        let crop = patient_box(&self.volume, &self.labels, self.window, &view);
        let fitting = (0..2).map(|axis| {
            let (first, last) = crop[axis];
            f64::from(PANEL[axis]) / ((last - first + 1) as f64 * view.spacing[axis])
        });
        let segment = Drawn {
            number: self.number,
            name: String::new(),
            note: String::new(),
            color: COLOR,
        };
        let subject = Subject {
            volume: &self.volume,
            labels: &self.labels,
            compared: known.as_ref(),
            segments: &[segment],
            window: self.window,
            scale: fitting.fold(f64::INFINITY, f64::min),
            crop,
            view,
        };
        let (width, height) = subject.panel_size(Plane::Axial);
        // A hair of rounding, or a grid so long and thin that a panel would be huge.
        let fits_in = width <= PANEL[0] && height <= PANEL[1];
        let drawn = subject.draw(Plane::Axial, slice);
        Some(if fits_in {
            drawn
        } else {
            imageops::crop_imm(&drawn, 0, 0, width.min(PANEL[0]), height.min(PANEL[1])).to_image()
        })
    }

    /// The axial slice that shows most of the segment: of the known one where it is known.
    fn largest_slice(&self, view: &PatientView) -> usize {
        let labels = self.known.as_ref().unwrap_or(&self.labels);
        let area = |index: usize| -> usize {
            let rows = (0..view.size[1]).flat_map(|b| (0..view.size[0]).map(move |a| (a, b)));
            rows.filter(|&(a, b)| {
                let at = view.offset([a, b, index]);
                labels.layers.iter().any(|layer| layer[at] == self.number)
            })
            .count()
        };
        let slices = 0..view.size[2];
        slices.max_by_key(|&index| area(index)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Geometry;

    /// A body with a segment in one corner of one slice.
    fn view(known: bool) -> ExampleView {
        let geometry = Geometry::axial([40, 30, 5], [5.0; 3], [0.0; 3]);
        let mut labels = vec![0; geometry.len()];
        for j in 5..15 {
            for i in 22..34 {
                labels[geometry.index(i, j, 3)] = 2;
                labels[geometry.index(i, j + 14, 3)] = 7;
            }
        }
        let labels = LabelVolume::exclusive(geometry.clone(), labels);
        ExampleView {
            volume: Volume {
                voxels: vec![40.0; geometry.len()],
                geometry,
            },
            known: known.then(|| labels.clone()),
            labels,
            number: 2,
            window: Window::SOFT_TISSUE,
        }
    }

    #[test]
    fn a_panel_shows_the_segment_asked_for_and_no_other() {
        let amber = |panel: &RgbImage| -> Vec<(u32, u32)> {
            let pixels = panel.enumerate_pixels();
            let is_amber = |p: &Rgb<u8>| p.0[0] > p.0[2].saturating_add(40);
            pixels
                .filter(|(_, _, p)| is_amber(p))
                .map(|(x, y, _)| (x, y))
                .collect()
        };
        let panel = view(false).panel().expect("a panel");
        let found = amber(&panel);
        assert!(found.len() > 500);
        assert!(
            found
                .iter()
                .all(|&(x, y)| x > panel.width() / 2 && y < panel.height() / 2)
        );
        // Neither the tint nor the grey is as blue as the dashed line of what is known.
        let has_white = |panel: &RgbImage| panel.pixels().any(|p| p.0[2] > 145);
        assert!(!has_white(&panel));
        assert!(has_white(&view(true).panel().expect("a panel")));
    }

    #[test]
    fn a_row_stands_beneath_the_other() {
        let row = || ExampleRow {
            heading: "best: Liver, torso 1".into(),
            reference: view(false),
            query: view(true),
        };
        let sheet = |rows| ExampleSheet {
            heading: "one-shot".into(),
            rows,
        };
        let (one, two) = (sheet(vec![row()]).draw(), sheet(vec![row(), row()]).draw());
        let (one, two) = (one.expect("a sheet"), two.expect("a sheet"));
        assert_eq!(one.width(), two.width());
        assert!(two.height() > one.height() + 200);
        assert!(sheet(Vec::new()).draw().is_none());
    }
}
