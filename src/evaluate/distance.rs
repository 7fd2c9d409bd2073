//! The exact Euclidean distance transform on a grid whose axes may have different spacings.

/// Squared distance of each voxel to the nearest of `sites`, mm²; infinite where there is no site.
///
/// `size` and `spacing` (mm) are along the fastest, middle and slowest axis. Exact, by lower envelopes of parabolas
/// along one axis after the other (Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions", 2012).
pub(super) fn squared_distances(sites: &[bool], size: [usize; 3], spacing: [f64; 3]) -> Vec<f64> {
    let mut distances: Vec<f64> = sites
        .iter()
        .map(|&site| if site { 0.0 } else { f64::INFINITY })
        .collect();
    let mut stride = 1;
    for (length, spacing) in size.into_iter().zip(spacing) {
        let mut line = vec![0.0; length];
        let mut parabolas = Vec::with_capacity(length);
        let block = stride * length;
        for start in (0..distances.len()).step_by(block.max(1)) {
            for first in start..start + stride {
                for (i, value) in line.iter_mut().enumerate() {
                    *value = distances[first + i * stride];
                }
                lower_envelope(&line, spacing * spacing, &mut parabolas);
                let mut lowest = 0;
                for i in 0..length {
                    while parabolas
                        .get(lowest + 1)
                        .is_some_and(|next| next.from < i as f64)
                    {
                        lowest += 1;
                    }
                    if let Some(parabola) = parabolas.get(lowest) {
                        let steps = i as f64 - parabola.apex as f64;
                        distances[first + i * stride] =
                            spacing * spacing * steps * steps + line[parabola.apex];
                    }
                }
            }
        }
        stride = block;
    }
    distances
}

/// A parabola over a line, and the position from which it is the lowest.
struct Parabola {
    apex: usize,
    from: f64,
}

/// The parabolas `line[apex] + squared_spacing * (i - apex)²` that are lowest somewhere, from left to right.
fn lower_envelope(line: &[f64], squared_spacing: f64, envelope: &mut Vec<Parabola>) {
    envelope.clear();
    for (apex, &height) in line.iter().enumerate() {
        if height.is_infinite() {
            continue;
        }
        let mut from = f64::NEG_INFINITY;
        while let Some(last) = envelope.last() {
            let (q, v) = (apex as f64, last.apex as f64);
            let crossing =
                ((height - line[last.apex]) / squared_spacing + q * q - v * v) / (2.0 * (q - v));
            if crossing > last.from {
                from = crossing;
                break;
            }
            envelope.pop();
        }
        envelope.push(Parabola { apex, from });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_voxel_is_as_far_as_its_nearest_site(
            size in prop::array::uniform3(1usize..7),
            spacing in prop::array::uniform3(0.3..6.0f64),
            bits in prop::collection::vec(prop::bool::weighted(0.05), 6 * 6 * 6),
        ) {
            let count = size.iter().product();
            let sites = &bits[..count];
            let at = |n: usize| [n % size[0], n / size[0] % size[1], n / (size[0] * size[1])];
            for (n, found) in squared_distances(sites, size, spacing).into_iter().enumerate() {
                let nearest = (0..count)
                    .filter(|&site| sites[site])
                    .map(|site| (0..3).map(|a| ((at(n)[a] as f64 - at(site)[a] as f64) * spacing[a]).powi(2)).sum())
                    .fold(f64::INFINITY, f64::min);
                prop_assert!(found == nearest || (found - nearest).abs() < 1e-9, "{found}, not {nearest}");
            }
        }
    }
}
