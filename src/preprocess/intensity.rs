//! The intensity scale the network sees.

use super::percentile::Counted;
use rayon::prelude::*;

/// Knots of the piecewise linear CT scale: (HU, value).
///
/// `[-160, 240]` HU, the usual abdominal soft tissue window, takes the whole of
/// `[-1, 1]`; air and fat below it and bone and contrast above it keep an order
/// of their own in `[-2, -1]` and `[1, 2]`.
const CT_KNOTS: [(f32, f32); 4] = [(-1000.0, -2.0), (-160.0, -1.0), (240.0, 1.0), (1500.0, 2.0)];

/// Shares of all voxels between whose values the foreground begins.
const AIR_AND_TISSUE: [f64; 2] = [0.005, 0.995];
/// Shares of the foreground between which the scale of other modalities is stretched.
const FOREGROUND: [f64; 2] = [0.01, 0.99];

/// Brings intensities to the scale the network was trained on, about `[-2, 2]`, in place.
///
/// `modality` is DICOM's Modality (0008,0060).
///
/// - `CT`, voxels in Hounsfield units: a fixed curve, so that a tissue always has the same value.
///   HU are clamped to `[-1000, 1500]` and mapped linearly between the knots
///   (-1000, -2), (-160, -1), (240, 1), (1500, 2).
/// - anything else, in arbitrary units: the foreground's 1st and 99th percentiles are mapped to
///   -1 and 1 and the result is clamped to `[-2, 2]`. Foreground is what lies above a tenth of the
///   way from the volume's 0.5th to its 99.5th percentile, so that the amount of air around the
///   patient does not move the scale. An image of one single value becomes 0.
///
/// Voxels that are not finite count as the darkest. The result is the same on any number of threads.
pub fn normalise(voxels: &mut [f32], modality: &str) {
    if modality.trim() == "CT" {
        voxels.par_iter_mut().for_each(|v| *v = ct_value(*v));
    } else {
        stretch_foreground(voxels);
    }
}

fn ct_value(hu: f32) -> f32 {
    let [first, .., last] = CT_KNOTS;
    // Not `clamp`: a NaN must fall to the darkest value.
    let hu = if hu > first.0 {
        hu.min(last.0)
    } else {
        first.0
    };
    for pair in CT_KNOTS.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        if hu <= x1 {
            return y0 + (hu - x0) * (y1 - y0) / (x1 - x0);
        }
    }
    last.1
}

fn stretch_foreground(voxels: &mut [f32]) {
    let (low, high) = foreground_range(&Counted::new(voxels)).unwrap_or((0.0, 0.0));
    let scale = if high > low { 2.0 / (high - low) } else { 0.0 };
    let darkest = if scale > 0.0 { -2.0 } else { 0.0 };
    voxels.par_iter_mut().for_each(|v| {
        *v = if v.is_finite() && scale > 0.0 {
            ((*v - low) * scale - 1.0).clamp(-2.0, 2.0)
        } else {
            darkest
        };
    });
}

/// Between which values the foreground lies; `None` where there is none.
fn foreground_range(counted: &Counted<'_>) -> Option<(f32, f32)> {
    let [low, high] = counted.percentiles(counted.len(), AIR_AND_TISSUE)?;
    // A tenth of the way: air and its noise lie below it, tissue above, whatever share of the volume is air.
    let foreground = counted.above(low + 0.1 * (high - low));
    let [low, high] = counted.percentiles(foreground, FOREGROUND)?;
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(mut voxels: Vec<f32>, modality: &str) -> Vec<f32> {
        normalise(&mut voxels, modality);
        voxels
    }

    #[test]
    fn ct_keeps_the_order_of_tissues_and_stretches_soft_tissue() {
        let hu = vec![
            -3000.0,
            -1000.0,
            -100.0,
            40.0,
            60.0,
            1000.0,
            9000.0,
            f32::NAN,
        ];
        let value = normalised(hu, "CT");
        assert_eq!(value[0], -2.0);
        assert_eq!(value[1], -2.0);
        assert!((value[3]).abs() < 1e-6, "40 HU is the middle of the window");
        assert!(
            (value[4] - value[3] - 0.1).abs() < 1e-6,
            "20 HU are a tenth"
        );
        assert!(value[5] > 1.0 && value[5] < 2.0);
        assert_eq!(value[6], 2.0);
        assert_eq!(value[7], -2.0);
        assert!(value[..7].is_sorted());
    }

    #[test]
    fn other_modalities_do_not_depend_on_units_nor_on_the_air_around() {
        let tissue: Vec<f32> = (0..1000).map(|i| 300.0 + i as f32).collect();
        let tight = normalised(tissue.clone(), "MR");
        let scaled = normalised(tissue.iter().map(|v| v * 7.0).collect(), "MR");
        for (a, b) in tight.iter().zip(&scaled) {
            assert!((a - b).abs() < 1e-4);
        }
        let mut loose = tissue.clone();
        loose.extend(std::iter::repeat_n(0.0, 3000));
        let mut looser = tissue;
        looser.extend(std::iter::repeat_n(0.0, 9000));
        let (loose, looser) = (normalised(loose, "MR"), normalised(looser, "MR"));
        for (a, b) in loose[..1000].iter().zip(&looser[..1000]) {
            assert!((a - b).abs() < 0.02, "{a} {b}");
        }
    }

    #[test]
    fn an_image_of_one_value_and_no_image_are_harmless() {
        assert_eq!(normalised(vec![5.0; 10], "MR"), vec![0.0; 10]);
        assert_eq!(normalised(vec![f32::NAN; 3], "MR"), vec![0.0; 3]);
        assert!(normalised(vec![], "MR").is_empty());
        assert!(normalised(vec![], "CT").is_empty());
    }
}
