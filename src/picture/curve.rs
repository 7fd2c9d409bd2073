//! The curve of a training run, as SVG.

use plotters::prelude::*;

/// What is drawn over the steps of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What it shows.
    pub name: String,
    /// Step and value, steps rising.
    pub points: Vec<(f64, f64)>,
}

const SIZE: (u32, u32) = (900, 420);
/// Blue, orange, green and vermilion of Okabe and Ito: told apart with any colour vision.
const COLORS: [RGBColor; 4] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
];

/// Draws curves over a common axis of steps and one of values from 0 on, with a legend. Values above `top` are cut off.
///
/// # Errors
/// When the drawing library fails; gives its words.
pub fn curves(title: &str, curves: &[Curve], top: f64) -> Result<String, String> {
    let mut svg = String::new();
    draw(&mut svg, title, curves, top).map_err(|error| error.to_string())?;
    Ok(svg)
}

fn draw(
    svg: &mut String,
    title: &str,
    curves: &[Curve],
    top: f64,
) -> Result<(), Box<dyn std::error::Error>> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let last = points().map(|p| p.0).fold(1.0, f64::max);
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d(0.0..last, 0.0..top)?;
    chart
        .configure_mesh()
        .x_desc("step")
        .x_label_formatter(&|step| format!("{step:.0}"))
        .light_line_style(WHITE)
        .draw()?;
    for (curve, color) in curves.iter().zip(COLORS.iter().cycle()) {
        let line = curve.points.iter().map(|&(x, y)| (x, y.min(top)));
        chart
            .draw_series(LineSeries::new(line, color.stroke_width(2)))?
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_drawn_with_its_names_and_a_run_without_steps_is_no_error() {
        let line = |name: &str| Curve {
            name: name.into(),
            points: vec![(10.0, 0.9), (20.0, 0.5), (30.0, 7.0)],
        };
        let svg = curves("a run", &[line("loss"), line("Dice")], 1.5).unwrap();
        for word in ["a run", "loss", "Dice", "polyline"] {
            assert!(svg.contains(word), "{word}");
        }
        let empty = Curve {
            name: "loss".into(),
            points: Vec::new(),
        };
        assert!(curves("none", &[empty], 1.5).unwrap().contains("<svg"));
    }
}
