//! Which pixels lie in closed contours.

/// A pixel's centre this near a contour lies on it, in pixels: files round coordinates.
const ON_PATH: f64 = 1e-3;

/// Marks the pixels of a slice of `columns` x `rows` pixels (column fastest) that belong to an area with these
/// `contours`, whose points are `[column, row]` with whole numbers at pixel centres. Every contour is closed.
///
/// A pixel belongs when its centre lies inside an odd number of contours, so that an inner contour is a hole and one
/// in the hole an island, or when it lies on a contour: points along the path are part of the ROI (PS3.3
/// C.8.8.6.3). The narrow channel of a keyhole contour is passed twice, and so makes no difference.
pub(super) fn fill(contours: &[Vec<[f64; 2]>], columns: usize, rows: usize, inside: &mut [bool]) {
    let mut crossings: Vec<(usize, f64)> = Vec::new();
    for (a, b) in contours.iter().flat_map(|contour| edges(contour)) {
        mark_path(a, b, columns, rows, inside);
        let (low, high) = if a[1] <= b[1] { (a, b) } else { (b, a) };
        // An end counts on the row where the edge begins and not where it ends, so that edges that meet on a row
        // cross it once together, or twice, or not at all.
        for row in first_at(low[1], rows)..first_at(high[1], rows) {
            let along = (row as f64 - low[1]) / (high[1] - low[1]);
            crossings.push((row, low[0] + along * (high[0] - low[0])));
        }
    }
    // A closed line crosses a row an even number of times: pairs never reach over two rows.
    crossings.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    for pair in crossings.chunks_exact(2) {
        let (row, from) = pair[0];
        let (from, to) = (first_at(from, columns), first_at(pair[1].1, columns));
        inside[row * columns + from..row * columns + to.max(from)].fill(true);
    }
}

/// How many rows the edges of a contour reach over, which is what [`fill`] takes time for.
pub(super) fn work(contour: &[[f64; 2]], rows: usize) -> u64 {
    edges(contour)
        .map(|(a, b)| {
            let (low, high) = (a[1].min(b[1]), a[1].max(b[1]));
            1 + (first_at(high, rows) - first_at(low, rows)) as u64
        })
        .sum()
}

/// From point to point, and from the last to the first.
fn edges(contour: &[[f64; 2]]) -> impl Iterator<Item = ([f64; 2], [f64; 2])> {
    let next = contour.iter().cycle().skip(1);
    contour.iter().zip(next).map(|(a, b)| (*a, *b))
}

/// The first whole number from `at` on, within `0..=end`.
fn first_at(at: f64, end: usize) -> usize {
    at.ceil().clamp(0.0, end as f64) as usize
}

/// Marks the pixels whose centres lie on an edge.
fn mark_path(a: [f64; 2], b: [f64; 2], columns: usize, rows: usize, inside: &mut [bool]) {
    let (low, high) = (a[1].min(b[1]) - ON_PATH, a[1].max(b[1]) + ON_PATH);
    for row in first_at(low, rows)..first_at(high, rows) {
        // The part of the edge that is as high as the row.
        let share = |y: f64| ((y - a[1]) / (b[1] - a[1])).clamp(0.0, 1.0);
        let level = (b[1] - a[1]).abs() <= ON_PATH;
        let ends = if level {
            [0.0, 1.0]
        } else {
            [share(row as f64 - ON_PATH), share(row as f64 + ON_PATH)]
        };
        let [one, other] = ends.map(|share| a[0] + share * (b[0] - a[0]));
        let from = first_at(one.min(other) - ON_PATH, columns);
        let to = first_at(one.max(other) + ON_PATH, columns);
        inside[row * columns + from..row * columns + to.max(from)].fill(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIDE: usize = 9;

    fn filled(contours: &[Vec<[f64; 2]>]) -> Vec<bool> {
        let mut inside = vec![false; SIDE * SIDE];
        fill(contours, SIDE, SIDE, &mut inside);
        inside
    }

    /// By the definition, a pixel at a time: the angle that each contour turns about it, and its distance to each edge.
    fn by_definition(contours: &[Vec<[f64; 2]>]) -> Vec<bool> {
        let distance = |p: [f64; 2], a: [f64; 2], b: [f64; 2]| {
            let (ab, ap) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
            let length = ab[0] * ab[0] + ab[1] * ab[1];
            let along = if length > 0.0 {
                ((ap[0] * ab[0] + ap[1] * ab[1]) / length).clamp(0.0, 1.0)
            } else {
                0.0
            };
            (ap[0] - along * ab[0]).hypot(ap[1] - along * ab[1])
        };
        (0..SIDE * SIDE)
            .map(|at| {
                let p = [(at % SIDE) as f64, (at / SIDE) as f64];
                let all = || contours.iter().flat_map(|contour| edges(contour));
                if all().any(|(a, b)| distance(p, a, b) < 1e-9) {
                    return true;
                }
                let turned: f64 = all()
                    .map(|(a, b)| {
                        let (a, b) = ([a[0] - p[0], a[1] - p[1]], [b[0] - p[0], b[1] - p[1]]);
                        (a[0] * b[1] - a[1] * b[0]).atan2(a[0] * b[0] + a[1] * b[1])
                    })
                    .sum();
                // Turning twice about a point, or once there and once back, is outside again.
                (turned / std::f64::consts::TAU).round() as i64 % 2 != 0
            })
            .collect()
    }

    proptest! {
        #[test]
        fn a_pixel_is_in_by_the_definition(
            // Quarters of a pixel, so that corners, edges and centres often meet.
            contours in prop::collection::vec(
                prop::collection::vec(prop::array::uniform2((-8i32..45).prop_map(|q| f64::from(q) / 4.0)), 1..8),
                1..4,
            ),
        ) {
            prop_assert_eq!(filled(&contours), by_definition(&contours));
        }
    }

    #[test]
    fn a_contour_through_pixel_centres_holds_them() {
        let square = vec![[2.0, 3.0], [5.0, 3.0], [5.0, 6.0], [2.0, 6.0]];
        assert_eq!(filled(&[square]).iter().filter(|&&v| v).count(), 16);
        // A tool that outlines single pixels gives a contour of one point, and a line of two.
        assert_eq!(
            filled(&[vec![[4.0, 4.0]]]).iter().filter(|&&v| v).count(),
            1
        );
        let line = vec![[1.0, 1.0], [1.0, 4.0]];
        assert_eq!(filled(&[line]).iter().filter(|&&v| v).count(), 4);
    }

    #[test]
    fn what_is_far_outside_costs_and_marks_nothing() {
        let far = vec![[-1e8, -1e8], [1e8, -1e8], [0.0, -5.0]];
        assert!(filled(&[far]).iter().all(|&v| !v));
        let around = vec![[-1e8, -1e8], [1e8, -1e8], [1e8, 1e8], [-1e8, 1e8]];
        assert!(filled(&[around]).iter().all(|&v| v));
    }
}
