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
