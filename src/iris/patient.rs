//! The part of an image that shows the patient: what the network is shown of it.
//!
//! Training shows bodies with a little air around. A scan with much of it, half a metre of table and room, has other
//! means for the network's normalisation and puts the organs at other places of the window; and it costs as much as
//! anatomy. Reference and query are both cut to the patient, so that how tightly a scan was framed makes no difference.

use super::window::Window;
use tch::{Kind, Tensor};

/// What is brighter is body rather than air, on the network's scale of intensity: about -290 HU in CT; in other
/// modalities a little below the darkest hundredth of the foreground.
const BODY: f64 = -1.15;
/// What is thinner than this from front to back is none of the body: tables, cushions, blankets, tubes. mm.
const THIN_MM: f64 = 18.0;
/// Air left around the body, mm.
const MARGIN_MM: f64 = 16.0;
/// A plane with fewer voxels of body than this shows noise.
const LEAST_VOXELS: i64 = 4;

/// The box around the patient in `image [D, H, W]`, on the network's scale of intensity, its voxels `spacing_mm` (W, H, D) apart.
/// Whatever `masks [K, D, H, W]` label is in it too.
///
/// Along each axis it is a multiple of `stride` where the image is long enough. The whole image where there is no body.
pub(super) fn patient(
    image: &Tensor,
    masks: Option<&Tensor>,
    spacing_mm: [f64; 3],
    stride: i64,
) -> Result<Window, tch::TchError> {
    let size: Vec<i64> = image.size();
    let spacing = [spacing_mm[2], spacing_mm[1], spacing_mm[0]];
    let reach = (THIN_MM / spacing[1] / 2.0).round() as i64;
    let body = image.f_gt(BODY)?;
    let eroded = eroded(&body, reach)?;
    let counts = in_planes(&eroded)?;
    let labelled = match masks {
        Some(masks) => box_around(&masks.f_amax([0i64].as_slice(), false)?.f_gt(0.0)?)?,
        None => None,
    };
    let mut window = Window {
        start: [0; 3],
        size: [0; 3],
    };
    for (axis, count) in counts.iter().enumerate() {
        let Some((first, last)) = ends(&count.f_ge(LEAST_VOXELS)?)? else {
            return Ok(Window {
                start: [0; 3],
                size: std::array::from_fn(|a| size[a]),
            });
        };
        let margin = (MARGIN_MM / spacing[axis]).round() as i64;
        let eroded_by = if axis == 1 { reach } else { 0 };
        let (mut first, mut last) = (first - eroded_by - margin, last + eroded_by + margin);
        if let Some(labelled) = labelled {
            let (from, to) = labelled[axis];
            (first, last) = (first.min(from), last.max(to));
        }
        let (first, last) = (first.max(0), last.min(size[axis] - 1));
        let length = last + 1 - first;
        let rounded =
            ((length as u64).div_ceil(stride.max(1) as u64) as i64 * stride).min(size[axis]);
        window.size[axis] = rounded;
        window.start[axis] = (first - (rounded - length) / 2).clamp(0, size[axis] - rounded);
    }
    Ok(window)
}

/// The first and the last slice, row and column of `[D, H, W]` in which something is true; `None` where nothing is.
pub(super) fn box_around(is: &Tensor) -> Result<Option<[(i64, i64); 3]>, tch::TchError> {
    let [slices, rows, columns] = in_planes(is)?;
    let along = |counts: Tensor| ends(&counts.f_gt(0.0)?);
    let (Some(d), Some(h), Some(w)) = (along(slices)?, along(rows)?, along(columns)?) else {
        return Ok(None);
    };
    Ok(Some([d, h, w]))
}

/// How many voxels of `[D, H, W]` are true in every plane across each axis: `[D]`, `[H]`, `[W]`.
fn in_planes(is: &Tensor) -> Result<[Tensor; 3], tch::TchError> {
    let sum = |of: &Tensor, axis: i64| of.f_sum_dim_intlist([axis].as_slice(), false, Kind::Int);
    // Rows first: most of the voxels are looked at once.
    let rows = sum(is, 2)?;
    Ok([sum(&rows, 1)?, sum(&rows, 0)?, sum(&sum(is, 0)?, 0)?])
}

/// What of `body [D, H, W]` has body for `reach` rows before and after it. What lies outside the image is not asked, so
/// that a thin stack of coronal slices keeps its body.
fn eroded(body: &Tensor, reach: i64) -> Result<Tensor, tch::TchError> {
    let eroded = body.f_detach_copy()?;
    let rows = body.size()[1];
    for shift in 1..=reach.min(rows - 1) {
        let shared = rows - shift;
        for (from, to) in [(0, shift), (shift, 0)] {
            let neighbours = body.f_narrow(1, from, shared)?;
            let _ = eroded
                .f_narrow(1, to, shared)?
                .f_logical_and_(&neighbours)?;
        }
    }
    Ok(eroded)
}

/// The first and the last that is true; `None` where none is.
fn ends(is: &Tensor) -> Result<Option<(i64, i64)>, tch::TchError> {
    let places = is.f_nonzero()?;
    match places.size()[0] {
        0 => Ok(None),
        count => Ok(Some((
            places.f_int64_value(&[0, 0])?,
            places.f_int64_value(&[count - 1, 0])?,
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AIR: f64 = -2.0;
    const STRIDE: i64 = 8;

    /// A room of air, 30 slices of 100 rows and 120 columns, 4 mm.
    fn room() -> Tensor {
        Tensor::full([30, 100, 120], AIR, (Kind::Float, tch::Device::Cpu))
    }

    fn fill(image: &Tensor, from: [i64; 3], size: [i64; 3], value: f64) {
        let part = (0..3).fold(image.shallow_clone(), |part, a| {
            part.narrow(a as i64, from[a], size[a])
        });
        let _ = part.shallow_clone().fill_(value);
    }

    fn found(image: &Tensor, masks: Option<&Tensor>) -> Window {
        patient(image, masks, [4.0; 3], STRIDE).unwrap()
    }

    #[test]
    fn the_box_holds_the_body_and_some_air_and_leaves_out_the_table_and_the_room() {
        let image = room();
        fill(&image, [0, 30, 40], [30, 40, 50], -0.1);
        // A table of three rows behind it, wider than the body.
        fill(&image, [0, 78, 5], [30, 3, 110], 0.5);
        let window = found(&image, None);
        assert_eq!(window.size[0], 30, "the body goes on beyond the scan");
        for (axis, (first, end)) in [(1, (30, 70)), (2, (40, 90))] {
            let (start, stop) = (window.start[axis], window.start[axis] + window.size[axis]);
            assert!(
                (first - 8..first).contains(&start),
                "axis {axis}: from {start}"
            );
            assert!((end..=end + 8).contains(&stop), "axis {axis}: to {stop}");
            assert_eq!(window.size[axis] % STRIDE, 0);
        }
    }

    #[test]
    fn what_is_labelled_is_in_the_box_wherever_it_lies() {
        let image = room();
        fill(&image, [0, 30, 40], [30, 40, 50], -0.1);
        let masks = room().unsqueeze(0).zeros_like();
        fill(&masks.select(0, 0), [12, 95, 2], [1, 1, 1], 1.0);
        let window = found(&image, Some(&masks));
        assert!(window.start[2] <= 2 && window.start[1] + window.size[1] > 95);
    }

    #[test]
    fn both_arms_are_in_the_box() {
        let image = room();
        fill(&image, [0, 30, 40], [30, 40, 40], -0.1);
        fill(&image, [0, 40, 10], [30, 14, 14], -0.1);
        fill(&image, [0, 40, 96], [30, 14, 14], -0.1);
        let window = found(&image, None);
        assert!(window.start[2] <= 10 && window.start[2] + window.size[2] >= 110);
    }

    #[test]
    fn an_image_without_a_body_is_seen_whole() {
        let image = room();
        assert_eq!(found(&image, None).size, [30, 100, 120]);
        // A finger, thinner than a table.
        fill(&image, [0, 50, 60], [30, 3, 3], 0.0);
        assert_eq!(found(&image, None).size, [30, 100, 120]);
    }

    #[test]
    fn a_stack_of_two_coronal_slices_keeps_its_body() {
        let image = room().narrow(1, 0, 2).contiguous();
        fill(&image, [5, 0, 30], [20, 2, 60], 0.3);
        let window = found(&image, None);
        assert_eq!(window.size[1], 2);
        assert!(window.size[2] < 120 && window.start[2] < 30);
    }
}
