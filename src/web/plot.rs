//! A plot of bars over time, as SVG that takes its colours from the page's style.

use maud::{Markup, html};

/// Size of the drawing, in its own units.
const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 180.0;
/// Room for numbers at the left, and for times below.
const LEFT: f64 = 44.0;
const BELOW: f64 = 24.0;
const ABOVE: f64 = 10.0;

/// Class of the style, and height.
pub(super) type Part = (&'static str, u32);

/// A bar of parts that stand on one another.
pub(super) struct Bar {
    /// Its time, as it stands below the axis; empty where none is to stand.
    pub(super) tick: String,
    /// What a reader hears, and sees under the pointer.
    pub(super) words: String,
    /// From below.
    pub(super) parts: Vec<Part>,
}

impl Bar {
    fn height(&self) -> u32 {
        self.parts.iter().map(|(_, height)| height).sum()
    }
}

/// Bars beside one another; `name` says what they are, `summary` what they show in a sentence.
pub(super) fn plot(name: &str, summary: &str, bars: &[Bar]) -> Markup {
    let top = scale(bars.iter().map(Bar::height).max().unwrap_or(0));
    let step = (WIDTH - LEFT) / bars.len().max(1) as f64;
    let floor = HEIGHT - BELOW;
    let y = |value: u32| floor - (floor - ABOVE) * f64::from(value) / f64::from(top);
    html! {
        svg.plot viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(format!("{name}: {summary}")) {
            @for value in [0, top / 2, top] {
                line.grid x1=(LEFT) x2=(WIDTH) y1=(at(y(value))) y2=(at(y(value))) {}
                text.end x=(LEFT - 6.0) y=(at(y(value) + 4.0)) { (value) }
            }
            @for (number, bar) in bars.iter().enumerate() {
                @let x = LEFT + number as f64 * step;
                g {
                    title { (bar.words) }
                    // The whole height answers to the pointer, also where there is nothing.
                    rect.reach x=(at(x)) y=(ABOVE) width=(at(step)) height=(at(floor - ABOVE)) {}
                    @for (class, from, to) in stacked(bar) {
                        rect class=(class) x=(at(x + step * 0.12)) y=(at(y(to))) width=(at(step * 0.76))
                            height=(at(y(from) - y(to))) {}
                    }
                }
                @if !bar.tick.is_empty() { text x=(at(x)) y=(HEIGHT - 6.0) { (bar.tick) } }
            }
        }
    }
}

/// The parts of a bar that have a height: class, and where each begins and ends.
fn stacked(bar: &Bar) -> Vec<(&'static str, u32, u32)> {
    let mut from = 0;
    let mut stacked = Vec::new();
    for (class, height) in &bar.parts {
        if *height > 0 {
            stacked.push((*class, from, from + height));
        }
        from += height;
    }
    stacked
}

/// The top of the scale: an even number that people count in, not below `most`.
fn scale(most: u32) -> u32 {
    let mut unit = 1_u32;
    loop {
        for step in [2, 4, 6, 10] {
            if let Some(top) = unit.checked_mul(step).filter(|top| *top >= most) {
                return top;
            }
        }
        match unit.checked_mul(10) {
            Some(next) => unit = next,
            None => return u32::MAX,
        }
    }
}

/// A coordinate with one decimal: more is not seen.
fn at(coordinate: f64) -> String {
    format!("{coordinate:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_a_number_that_people_count_in() {
        for (most, top) in [
            (0, 2),
            (2, 2),
            (3, 4),
            (7, 10),
            (11, 20),
            (61, 100),
            (450, 600),
        ] {
            assert_eq!(scale(most), top, "{most}");
        }
        assert_eq!(scale(u32::MAX), u32::MAX);
    }

    #[test]
    fn parts_stand_on_one_another_and_empty_ones_are_not_drawn() {
        let bar = Bar {
            tick: "9:00".into(),
            words: "three".into(),
            parts: vec![("good", 2), ("bad", 0), ("soft", 1)],
        };
        assert_eq!(stacked(&bar), [("good", 0, 2), ("soft", 2, 3)]);
        let drawn = plot("Done", "three in all", &[bar]).into_string();
        assert_eq!(drawn.matches("class=\"good\"").count(), 1, "{drawn}");
        assert!(
            drawn.contains("aria-label=\"Done: three in all\""),
            "{drawn}"
        );
        // Nothing inline: the pages' policy would block it.
        assert!(!drawn.contains("style="), "{drawn}");
    }
}
