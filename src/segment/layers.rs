//! Which segments may share a layer of the label volume.

/// Spreads groups of segments over as few layers as a greedy pass finds, so that groups that meet anywhere
/// lie on different layers: a result of twenty far-apart structures needs one layer, not twenty.
///
/// `meet[a]` is the set (bit `b`) of groups that `a` meets. Returns each group's layer.
pub(super) fn spread(meet: &[Vec<bool>]) -> Vec<usize> {
    let mut layer_of: Vec<usize> = Vec::with_capacity(meet.len());
    for group in meet {
        let mut layer = 0;
        while layer_of
            .iter()
            .enumerate()
            .any(|(other, &taken)| taken == layer && group[other])
        {
            layer += 1;
        }
        layer_of.push(layer);
    }
    layer_of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_meet_are_kept_apart() {
        let mut meet = vec![vec![false; 4]; 4];
        for (a, b) in [(0, 1), (1, 2)] {
            meet[a][b] = true;
            meet[b][a] = true;
        }
        assert_eq!(spread(&meet), vec![0, 1, 0, 0]);
        assert!(spread(&[]).is_empty());
    }
}
