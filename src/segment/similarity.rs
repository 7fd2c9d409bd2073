//! How like a query's embedding is to those of references, and how much each then counts.

/// Similarities that differ by this much differ e-fold in weight.
///
/// Foreground embeddings of one organ in different subjects have cosine similarities that lie a few hundredths
/// apart; a temperature of that size lets the nearest count most and the others still count. A much greater one
/// gives the plain mean, a much smaller one the nearest alone.
const TEMPERATURE: f64 = 0.05;

/// Cosine similarity of two vectors of one length; 0 when one of them is zero.
pub(super) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 {
        dot(a, b) / lengths
    } else {
        0.0
    }
}

/// Weights of the `most` most similar references, `softmax(similarity / temperature)`; 0 for all others.
///
/// `similarities` is `None` for references that are out of question. Of equals the one with the lesser `names`
/// entry goes first, so that the order of references does not matter. `None` when no reference is left.
pub(super) fn nearest(
    similarities: &[Option<f64>],
    names: &[&str],
    most: usize,
) -> Option<Vec<f64>> {
    let mut ranked: Vec<(usize, f64)> = similarities
        .iter()
        .enumerate()
        .filter_map(|(at, similarity)| similarity.map(|similarity| (at, similarity)))
        .collect();
    ranked.sort_by(|(a, one), (b, other)| {
        other.total_cmp(one).then_with(|| names[*a].cmp(names[*b]))
    });
    ranked.truncate(most.max(1));
    let &(_, best) = ranked.first()?;
    let mut weights = vec![0.0; similarities.len()];
    for &(at, similarity) in &ranked {
        weights[at] = ((similarity - best) / TEMPERATURE).exp();
    }
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    Some(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_of_known_vectors() {
        assert_eq!(cosine(&[3.0, 4.0], &[6.0, 8.0]), 1.0);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), 0.0);
        assert!((cosine(&[1.0, 0.0], &[-1.0, -1.0]) + 0.5f64.sqrt()).abs() < 1e-12);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 1.0]), 0.0);
    }

    #[test]
    fn the_nearest_are_weighted_by_softmax_over_the_temperature() {
        // 0.05 apart is one temperature, 0.1 two: e^0, e^-1, e^-2 over their sum 1.5032.
        let similarities = [Some(0.80), Some(0.90), None, Some(0.85), Some(0.10)];
        let names = ["a", "b", "c", "d", "e"];
        let weights = nearest(&similarities, &names, 3).unwrap();
        for (weight, expected) in weights.iter().zip([0.0900, 0.6652, 0.0, 0.2447, 0.0]) {
            assert!((weight - expected).abs() < 1e-4, "{weights:?}");
        }
        assert_eq!(
            nearest(&similarities, &names, 1),
            Some(vec![0.0, 1.0, 0.0, 0.0, 0.0])
        );
        assert_eq!(nearest(&[None, None], &names[..2], 3), None);
    }

    #[test]
    fn of_equally_similar_references_the_name_decides_not_the_order() {
        let equal = [Some(0.5), Some(0.5)];
        assert_eq!(nearest(&equal, &["x", "y"], 1), Some(vec![1.0, 0.0]));
        assert_eq!(nearest(&equal, &["y", "x"], 1), Some(vec![0.0, 1.0]));
    }
}
