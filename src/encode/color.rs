//! Recommended Display CIELab Value (PS3.3 C.10.7.1.1).

/// The colour as DICOM stores it: L* of 0..100, a* and b* of -128..127, each spread over 0..65535.
///
/// sRGB's own white point (D65) is kept, as other writers of DICOM-SEG do, so that a colour comes back as it went.
pub(super) fn cielab(rgb: [u8; 3]) -> [u16; 3] {
    let [r, g, b] = rgb.map(|c| {
        let c = f64::from(c) / 255.0;
        if c > 0.04045 {
            ((c + 0.055) / 1.055).powf(2.4)
        } else {
            c / 12.92
        }
    });
    // IEC 61966-2-1, over the D65 white.
    let x = (r * 0.4124 + g * 0.3576 + b * 0.1805) / WHITE[0];
    let y = r * 0.2126 + g * 0.7152 + b * 0.0722;
    let z = (r * 0.0193 + g * 0.1192 + b * 0.9505) / WHITE[2];
    let [x, y, z] = [x, y, z].map(|c| {
        if c > (6.0_f64 / 29.0).powi(3) {
            c.cbrt()
        } else {
            c * 841.0 / 108.0 + 4.0 / 29.0
        }
    });
    [
        (116.0 * y - 16.0) / 100.0 * 65535.0,
        (500.0 * (x - y) + 128.0) / 255.0 * 65535.0,
        (200.0 * (y - z) + 128.0) / 255.0 * 65535.0,
    ]
    .map(|c| c.round().clamp(0.0, 65535.0) as u16)
}

/// CIE XYZ of D65.
const WHITE: [f64; 3] = [0.95047, 1.0, 1.08883];

/// The sRGB colour of a stored CIELab value; colours beyond sRGB go to its edge.
pub(super) fn srgb(stored: [u16; 3]) -> [u8; 3] {
    let [l, a, b] = stored.map(|v| f64::from(v) / 65535.0);
    let (l, a, b) = (l * 100.0, a * 255.0 - 128.0, b * 255.0 - 128.0);
    let y = (l + 16.0) / 116.0;
    let [x, y, z] = [y + a / 500.0, y, y - b / 200.0].map(|c| {
        if c > 6.0 / 29.0 {
            c.powi(3)
        } else {
            (c - 4.0 / 29.0) * 108.0 / 841.0
        }
    });
    let (x, z) = (x * WHITE[0], z * WHITE[2]);
    // The inverse of the matrix above.
    [
        3.240_625_5 * x - 1.537_208_0 * y - 0.498_628_6 * z,
        -0.968_930_7 * x + 1.875_756_1 * y + 0.041_517_5 * z,
        0.055_710_1 * x - 0.204_021_1 * y + 1.056_995_9 * z,
    ]
    .map(|c| {
        let c = if c > 0.003_130_8 {
            1.055 * c.powf(1.0 / 2.4) - 0.055
        } else {
            12.92 * c
        };
        (c * 255.0).round().clamp(0.0, 255.0) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_colour_comes_back_as_it_went(rgb in any::<[u8; 3]>()) {
            prop_assert_eq!(srgb(cielab(rgb)), rgb);
        }
    }
}
