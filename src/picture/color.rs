//! Colours that can be told apart on one picture.

use super::sheet::Drawn;

/// Well separated colours on grey.
const PALETTE: [[u8; 3]; 12] = [
    [255, 196, 61],
    [86, 180, 233],
    [239, 99, 81],
    [80, 200, 120],
    [190, 125, 255],
    [255, 140, 200],
    [0, 201, 190],
    [255, 150, 60],
    [170, 215, 70],
    [120, 150, 255],
    [214, 170, 130],
    [240, 240, 130],
];
/// Colours nearer than this look alike as a tint.
const ALIKE: f32 = 70.0;

/// The segments with their own colours, except where one is too like an earlier one's: it gets the colour of
/// the palette farthest from all others.
pub(super) fn told_apart(segments: &[Drawn]) -> Vec<Drawn> {
    let mut shown: Vec<Drawn> = Vec::with_capacity(segments.len());
    for segment in segments {
        let nearest = |color: [u8; 3]| {
            let others = shown.iter().map(|other| distance(color, other.color));
            others.fold(f32::INFINITY, f32::min)
        };
        let mut color = segment.color;
        if nearest(color) < ALIKE {
            for candidate in PALETTE {
                if nearest(candidate) > nearest(color) {
                    color = candidate;
                }
            }
        }
        shown.push(Drawn {
            color,
            ..segment.clone()
        });
    }
    shown
}

/// Difference of two colours as the eye weighs the channels ("redmean").
fn distance(a: [u8; 3], b: [u8; 3]) -> f32 {
    let [r, g, b_] = [0, 1, 2].map(|c| f32::from(a[c]) - f32::from(b[c]));
    let red = (f32::from(a[0]) + f32::from(b[0])) / 2.0 / 256.0;
    ((2.0 + red) * r * r + 4.0 * g * g + (3.0 - red) * b_ * b_).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_colours_are_told_apart_and_distinct_ones_kept() {
        let drawn = |number, color| Drawn {
            number,
            name: String::new(),
            note: String::new(),
            color,
        };
        let before = [
            drawn(1, [221, 130, 101]),
            drawn(2, [216, 132, 105]),
            drawn(3, [40, 90, 200]),
        ];
        let after = told_apart(&before);
        assert_eq!(after[0], before[0]);
        assert_eq!(after[2], before[2]);
        assert!(distance(after[0].color, after[1].color) > 2.0 * ALIKE);
    }
}
