//! How an episode is chosen: its contrasts, the structures asked for, where its patches lie.

use super::Contrast;
use rand::{Rng, RngExt};

/// Contrasts of reference and query: alike (CT, or one random law) or `unlike`, that share of the time. What is no body
/// has no CT numbers of its own, and gets a law more often.
pub(super) fn contrasts(body: bool, unlike: f64, rng: &mut impl Rng) -> (Contrast, Contrast) {
    let law = Contrast::Random { law: rng.random() };
    let other = Contrast::Random { law: rng.random() };
    if rng.random_bool(unlike.clamp(0.0, 1.0)) {
        return match rng.random_range(0..4) {
            0 => (Contrast::Ct, law),
            1 => (law, Contrast::Ct),
            _ => (law, other),
        };
    }
    match rng.random_bool(if body { 0.7 } else { 0.5 }) {
        true => (Contrast::Ct, Contrast::Ct),
        false => (law, law),
    }
}

/// How often a structure is asked for, relative to others.
pub(super) fn interest(name: &str) -> f64 {
    match name {
        "liver" | "spleen" | "stomach" | "aorta" | "kidney_left" | "kidney_right" => 1.6,
        name if name.starts_with("adrenal") || name.starts_with("portal") => 0.4,
        _ => 1.0,
    }
}

/// Where a patch lies: the body's axis for patches that span it, off it for smaller ones.
pub(super) fn place(
    shape: [usize; 3],
    spacing_mm: [f64; 3],
    body: bool,
    heights: std::ops::Range<f64>,
    rng: &mut impl Rng,
) -> [f64; 3] {
    let half = if body { [150.0, 100.0] } else { [80.0, 60.0] };
    let room = |a: usize| (half[a] - shape[a] as f64 * spacing_mm[a] / 2.0).max(0.0) + 12.0;
    [
        rng.random_range(-room(0)..room(0)),
        rng.random_range(-room(1)..room(1)),
        rng.random_range(heights),
    ]
}
