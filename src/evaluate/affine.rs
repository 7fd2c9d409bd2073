//! Affine registration of one image to another by their intensities.

use rayon::prelude::*;
use tch::{Kind, Tensor};

use super::body::BodyBox;
use crate::preprocess::normalise;
use crate::volume::{Geometry, Vec3, Volume};

/// Spacings from coarse to fine, as multiples of the finest.
const LEVELS: [f64; 2] = [2.0, 1.0];
/// Heights at which the search starts, mm from the place where the middles of both bodies meet.
const STARTS_MM: [f64; 9] = [-80.0, -60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0, 80.0];
/// The best of the starts are followed on the coarsest level.
const FOLLOWED: usize = 5;
/// Steps on a level.
const STEPS: usize = 15;
/// A level is done when a step gains less correlation than this.
const LEAST_GAIN: f64 = 1e-4;
/// Most voxels of the query that are compared on a level.
const MOST_SAMPLES: usize = 40_000;
/// At least this share of the samples must lie in the reference: the rim of a scan is like that of any other.
const LEAST_OVERLAP: f64 = 0.5;
/// The lengths of a body's axes differ by no more than this factor.
const MOST_STRETCH: f64 = 1.6;
/// One axis of a body gains no more than this from another (about 15 degrees of a turn).
const MOST_SHEAR: f64 = 0.25;
/// Parameters: nine of the matrix, three of the shift, gain and offset of the intensities.
const PARAMETERS: usize = 14;

/// A map from the query's patient space to the reference's (LPS, mm): `x ↦ matrix · (x - from) + to`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Affine {
    matrix: [Vec3; 3],
    from: Vec3,
    to: Vec3,
}

impl Affine {
    /// Finds the map under which the reference's intensities are most like the query's.
    ///
    /// Both images come with their DICOM Modality and are brought to the network's intensity scale. Likeness is
    /// the normalised cross-correlation over the query's body, as far as the reference covers it: Levenberg's and
    /// Marquardt's damped least squares, with gain and offset of the intensities among the parameters, from coarse
    /// grids to `spacing_mm`. It starts with the middles of the boxes around both bodies on each other, at several
    /// heights along the patient, because two scans rarely show the same part; scaled as the boxes are across the
    /// patient, and not scaled, because arms or the edge of a scan may make a box wide or narrow. Images whose intensities do
    /// not grow together, CT and MR for instance, are registered badly.
    pub(super) fn register(
        reference: (&Volume, &str),
        query: (&Volume, &str),
        spacing_mm: [f64; 3],
    ) -> Self {
        let (there, here) = (
            BodyBox::around(reference.0, reference.1),
            BodyBox::around(query.0, query.1),
        );
        let (long, short) = (there.extent_mm(), here.extent_mm());
        // Along the patient a box is as long as the scan, whatever the patient.
        let of_boxes = std::array::from_fn(|axis| match axis {
            2 => 1.0,
            _ => (long[axis] / short[axis]).clamp(1.0 / MOST_STRETCH, MOST_STRETCH),
        });
        let start = |scale: [f64; 3], height: f64| {
            let to = there.point([0.5; 3]);
            Self {
                matrix: std::array::from_fn(|a| {
                    std::array::from_fn(|b| if a == b { scale[a] } else { 0.0 })
                }),
                from: here.point([0.5; 3]),
                to: [to[0], to[1], to[2] + height],
            }
        };
        let at_heights = |scale| STARTS_MM.map(|height| start(scale, height));
        let mut found: Vec<Self> = [of_boxes, [1.0; 3]]
            .into_iter()
            .flat_map(at_heights)
            .collect();
        for (level, factor) in LEVELS.into_iter().enumerate() {
            let spacing = spacing_mm.map(|mm| mm * factor);
            let match_ = Match {
                reference: on_scale(reference, spacing),
                samples: samples(&on_scale(query, spacing), &here),
            };
            let correlation = |map: &Self| match_.likeness(map).map_or(-1.0, |l| l.correlation());
            let best_first = |maps: &mut Vec<Self>| {
                maps.sort_by(|a, b| correlation(b).total_cmp(&correlation(a)));
            };
            if level == 0 {
                best_first(&mut found);
                found.truncate(FOLLOWED);
            }
            found = found.iter().map(|map| match_.improved(*map)).collect();
            best_first(&mut found);
            found.truncate(1);
        }
        found
            .first()
            .copied()
            .unwrap_or_else(|| start(of_boxes, 0.0))
    }

    /// Where a point of the query lies in the reference.
    pub(super) fn point(&self, point: Vec3) -> Vec3 {
        std::array::from_fn(|a| {
            let along = (0..3).map(|b| self.matrix[a][b] * (point[b] - self.from[b]));
            self.to[a] + along.sum::<f64>()
        })
    }

    /// Whether it leaves a body a body: stretched little, and turned or sheared little. A thin stack says next to
    /// nothing of what happens across it.
    fn is_plausible(&self) -> bool {
        (0..3).all(|a| {
            (0..3).all(|b| {
                let allowed = if a == b {
                    1.0 / MOST_STRETCH..=MOST_STRETCH
                } else {
                    -MOST_SHEAR..=MOST_SHEAR
                };
                allowed.contains(&self.matrix[a][b])
            })
        })
    }

    fn moved(&self, step: &[f64]) -> Self {
        let mut moved = *self;
        for a in 0..3 {
            for b in 0..3 {
                moved.matrix[a][b] += step[3 * a + b];
            }
            moved.to[a] += step[9 + a];
        }
        moved
    }
}

/// An image on a grid of `spacing` mm and the network's intensity scale.
fn on_scale((volume, modality): (&Volume, &str), spacing: [f64; 3]) -> Volume {
    let lowest = volume.voxels.iter().copied().fold(f32::INFINITY, f32::min);
    let outside = if lowest.is_finite() { lowest } else { 0.0 };
    let mut scaled = volume.resampled(&volume.geometry.canonical(spacing), outside);
    normalise(&mut scaled.voxels, modality);
    scaled
}

/// Points of the query's body with their values, evenly thinned out where there are many.
fn samples(query: &Volume, body: &BodyBox) -> Vec<(Vec3, f64)> {
    let [columns, rows, _] = query.geometry.size;
    let all: Vec<(Vec3, f64)> = query
        .voxels
        .iter()
        .enumerate()
        .map(|(n, &value)| {
            let ijk = [n % columns, n / columns % rows, n / (columns * rows)];
            (
                query.geometry.to_patient(ijk.map(|i| i as f64)),
                f64::from(value),
            )
        })
        .filter(|(point, _)| {
            let at = body.relative(*point);
            at.iter().all(|at| (-0.05..=1.05).contains(at))
        })
        .collect();
    // Not a divisor of a row's length, or the samples would stand in columns.
    let step = (all.len() / MOST_SAMPLES + 1) | 1;
    all.into_iter().step_by(step).collect()
}

/// A reference and the samples of a query that it is compared with.
struct Match {
    reference: Volume,
    samples: Vec<(Vec3, f64)>,
}

/// Sums over the samples that lie in the reference.
#[derive(Clone, Copy, Default)]
struct Likeness {
    n: f64,
    query: f64,
    reference: f64,
    squared_query: f64,
    squared_reference: f64,
    product: f64,
}

impl Likeness {
    fn variances(&self) -> [f64; 3] {
        let of = |sum: f64, a: f64, b: f64| sum / self.n - a * b / (self.n * self.n);
        [
            of(self.squared_query, self.query, self.query),
            of(self.squared_reference, self.reference, self.reference),
            of(self.product, self.query, self.reference),
        ]
    }

    /// Normalised cross-correlation, -1 to 1.
    fn correlation(&self) -> f64 {
        let [query, reference, both] = self.variances();
        both / (query * reference).sqrt().max(1e-12)
    }

    /// Gain and offset that bring the reference's values nearest to the query's.
    fn gain_and_offset(&self) -> [f64; 2] {
        let [_, reference, both] = self.variances();
        let gain = both / reference.max(1e-12);
        [gain, (self.query - gain * self.reference) / self.n]
    }
}

/// The normal equations of a step.
#[derive(Clone)]
struct Normal {
    matrix: [[f64; PARAMETERS]; PARAMETERS],
    gradient: [f64; PARAMETERS],
}

impl Match {
    /// `None` when too little of the query's body lies in the reference.
    fn likeness(&self, map: &Affine) -> Option<Likeness> {
        let mut sum = Likeness::default();
        for (point, value) in &self.samples {
            let Some((there, _)) = value_and_slope(&self.reference, map.point(*point)) else {
                continue;
            };
            sum.n += 1.0;
            sum.query += value;
            sum.reference += there;
            sum.squared_query += value * value;
            sum.squared_reference += there * there;
            sum.product += value * there;
        }
        (sum.n > 0.0 && sum.n >= LEAST_OVERLAP * self.samples.len() as f64).then_some(sum)
    }

    /// Climbs from a map to the nearest one that no step makes better.
    fn improved(&self, start: Affine) -> Affine {
        let Some(mut likeness) = self.likeness(&start) else {
            return start;
        };
        let (mut map, mut damping) = (start, 1e-2);
        for _ in 0..STEPS {
            let normal = self.normal(&map, likeness.gain_and_offset());
            let before = likeness.correlation();
            let mut gain = None;
            while damping < 1e6 {
                let better = solved(&normal, damping)
                    .map(|step| map.moved(&step))
                    .filter(Affine::is_plausible)
                    .and_then(|moved| Some((moved, self.likeness(&moved)?)))
                    .filter(|(_, found)| found.correlation() > before);
                if let Some((moved, found)) = better {
                    (map, likeness) = (moved, found);
                    damping = (damping / 10.0).max(1e-6);
                    gain = Some(found.correlation() - before);
                    break;
                }
                damping *= 10.0;
            }
            if gain.is_none_or(|gain| gain < LEAST_GAIN) {
                break;
            }
        }
        map
    }

    fn normal(&self, map: &Affine, [gain, offset]: [f64; 2]) -> Normal {
        let zero = || Normal {
            matrix: [[0.0; PARAMETERS]; PARAMETERS],
            gradient: [0.0; PARAMETERS],
        };
        // In pieces of one length, added in order: the same sum on any number of threads.
        let pieces: Vec<Normal> = self
            .samples
            .par_chunks(4096)
            .map(|samples| {
                let mut sum = zero();
                for (point, value) in samples {
                    let Some((there, slope)) = value_and_slope(&self.reference, map.point(*point))
                    else {
                        continue;
                    };
                    let mut row = [0.0; PARAMETERS];
                    for a in 0..3 {
                        for b in 0..3 {
                            row[3 * a + b] = gain * slope[a] * (point[b] - map.from[b]);
                        }
                        row[9 + a] = gain * slope[a];
                    }
                    (row[12], row[13]) = (there, 1.0);
                    let residual = value - gain * there - offset;
                    for i in 0..PARAMETERS {
                        sum.gradient[i] += row[i] * residual;
                        for j in 0..=i {
                            sum.matrix[i][j] += row[i] * row[j];
                        }
                    }
                }
                sum
            })
            .collect();
        let mut all = zero();
        for piece in pieces {
            for i in 0..PARAMETERS {
                all.gradient[i] += piece.gradient[i];
                for j in 0..=i {
                    all.matrix[i][j] += piece.matrix[i][j];
                    all.matrix[j][i] = all.matrix[i][j];
                }
            }
        }
        all
    }
}

/// The damped step; `None` where the equations have no solution.
fn solved(normal: &Normal, damping: f64) -> Option<Vec<f64>> {
    let mut matrix = normal.matrix;
    for (i, row) in matrix.iter_mut().enumerate() {
        row[i] += damping * row[i] + 1e-9;
    }
    let n = PARAMETERS as i64;
    let matrix = Tensor::from_slice(matrix.as_flattened())
        .f_view([n, n])
        .ok()?;
    let gradient = Tensor::from_slice(&normal.gradient).f_view([n, 1]).ok()?;
    let step = Tensor::f_linalg_solve(&matrix, &gradient, true).ok()?;
    let step = Vec::<f64>::try_from(step.to_kind(Kind::Double).f_view([-1]).ok()?).ok()?;
    step.iter().all(|value| value.is_finite()).then_some(step)
}

/// Value at a point of the patient, and its slope per mm along left, posterior and head; `None` outside.
fn value_and_slope(volume: &Volume, point: Vec3) -> Option<(f64, Vec3)> {
    let grid: &Geometry = &volume.geometry;
    let at = grid.to_index(point);
    let (mut low, mut share, mut rises) = ([0usize; 3], [0.0; 3], [0.0; 3]);
    for axis in 0..3 {
        let last = grid.size[axis].checked_sub(1)?;
        if !(-0.5..=last as f64 + 0.5).contains(&at[axis]) {
            return None;
        }
        let inside = at[axis].clamp(0.0, last as f64);
        low[axis] = (inside.floor() as usize).min(last.saturating_sub(1));
        share[axis] = inside - low[axis] as f64;
        rises[axis] = if last > 0 { 1.0 } else { 0.0 };
    }
    let step = |axis: usize| usize::from(grid.size[axis] > 1);
    let corner = |x: usize, y: usize, z: usize| {
        let at = grid.index(
            low[0] + x * step(0),
            low[1] + y * step(1),
            low[2] + z * step(2),
        );
        f64::from(volume.voxels[at])
    };
    let mix = |a: f64, b: f64, share: f64| a + (b - a) * share;
    // Along x, at the four pairs of y and z.
    let (mut values, mut slopes) = ([0.0; 4], [0.0; 4]);
    for pair in 0..4 {
        let (a, b) = (
            corner(0, pair & 1, pair >> 1),
            corner(1, pair & 1, pair >> 1),
        );
        (values[pair], slopes[pair]) = (mix(a, b, share[0]), b - a);
    }
    let (front, back) = (
        mix(values[0], values[1], share[1]),
        mix(values[2], values[3], share[1]),
    );
    let along = [
        mix(
            mix(slopes[0], slopes[1], share[1]),
            mix(slopes[2], slopes[3], share[1]),
            share[2],
        ),
        mix(values[1] - values[0], values[3] - values[2], share[2]),
        back - front,
    ];
    let slope = std::array::from_fn(|a| {
        let axes = 0..3;
        axes.map(|axis| rises[axis] * along[axis] / grid.spacing[axis] * grid.direction[axis][a])
            .sum()
    });
    Some((mix(front, back, share[2]), slope))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::{Contrast, Scene};

    /// A torso, and the same one turned, stretched and moved; the map between them.
    fn moved_torso() -> (Volume, Volume, Affine) {
        let grid = Geometry::axial([64, 48, 28], [6.0; 3], [-190.0, -140.0, -50.0]);
        let reference = Scene::torso().subject(7, &grid, Contrast::Ct).volume;
        let map = Affine {
            matrix: [[0.94, 0.08, 0.0], [-0.08, 1.05, 0.03], [0.0, -0.02, 1.04]],
            from: [0.0, 0.0, 30.0],
            to: [8.0, -9.0, 52.0],
        };
        let mut query = reference.clone();
        for (n, voxel) in query.voxels.iter_mut().enumerate() {
            let ijk = [n % 64, n / 64 % 48, n / (64 * 48)].map(|i| i as f64);
            let there = value_and_slope(&reference, map.point(grid.to_patient(ijk)));
            *voxel = there.map_or(-1000.0, |(value, _)| value as f32);
        }
        (reference, query, map)
    }

    #[test]
    fn a_moved_body_is_found_again() {
        let (reference, query, map) = moved_torso();
        let found = Affine::register((&reference, "CT"), (&query, "CT"), [6.0; 3]);
        for point in [[0.0, 0.0, 30.0], [90.0, 20.0, 40.0], [-80.0, -50.0, 60.0]] {
            let (found, known) = (found.point(point), map.point(point));
            let apart: f64 = (0..3).map(|a| (found[a] - known[a]).powi(2)).sum();
            assert!(apart.sqrt() < 2.0, "{found:?}, not {known:?}");
        }
    }

    #[test]
    fn the_slope_is_that_of_the_values() {
        let (reference, _, _) = moved_torso();
        for point in [[3.1, 2.2, 31.4], [60.7, -33.9, 10.1]] {
            let (value, slope) = value_and_slope(&reference, point).unwrap();
            for axis in 0..3 {
                let mut further = point;
                further[axis] += 1e-3;
                let (there, _) = value_and_slope(&reference, further).unwrap();
                let expected = (there - value) / 1e-3;
                assert!((slope[axis] - expected).abs() < 1e-3 * expected.abs().max(1.0));
            }
        }
    }

    #[test]
    fn a_scan_of_nothing_is_registered_somewhere() {
        let geometry = Geometry::axial([6, 5, 1], [10.0; 3], [0.0; 3]);
        let nothing = Volume {
            voxels: vec![0.0; geometry.len()],
            geometry,
        };
        let map = Affine::register((&nothing, "CT"), (&nothing, "CT"), [5.0; 3]);
        assert!(map.point([10.0; 3]).iter().all(|mm| mm.is_finite()));
    }
}
