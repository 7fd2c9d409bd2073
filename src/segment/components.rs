//! Connected components on the network's grid.

/// Sizes of the 26-connected components of a mask, and the component of each voxel (0 outside).
///
/// `size` is the number of voxels along the fastest, middle and slowest axis.
fn components(mask: &[bool], size: [usize; 3]) -> (Vec<u32>, Vec<usize>) {
    let [nx, ny, nz] = size;
    let mut component = vec![0u32; mask.len()];
    let mut sizes = vec![0usize];
    let mut stack = Vec::new();
    for seed in 0..mask.len() {
        if !mask[seed] || component[seed] != 0 {
            continue;
        }
        let number = sizes.len() as u32;
        sizes.push(0);
        component[seed] = number;
        stack.push(seed);
        while let Some(at) = stack.pop() {
            sizes[number as usize] += 1;
            let (x, y, z) = (at % nx, at / nx % ny, at / (nx * ny));
            for z in z.saturating_sub(1)..(z + 2).min(nz) {
                for y in y.saturating_sub(1)..(y + 2).min(ny) {
                    for x in x.saturating_sub(1)..(x + 2).min(nx) {
                        let next = x + nx * (y + ny * z);
                        if mask[next] && component[next] == 0 {
                            component[next] = number;
                            stack.push(next);
                        }
                    }
                }
            }
        }
    }
    (component, sizes)
}

/// Voxels of components smaller than `share` of the largest.
pub(super) fn specks(mask: &[bool], size: [usize; 3], share: f64) -> Vec<usize> {
    let (component, sizes) = components(mask, size);
    let largest = sizes.iter().copied().max().unwrap_or(0);
    let least = share * largest as f64;
    (0..mask.len())
        .filter(|&at| component[at] != 0 && (sizes[component[at] as usize] as f64) < least)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_components_below_the_share_are_specks() {
        // A bar of 6, a diagonal pair that counts as one of 2, and a single voxel.
        let size = [10, 3, 2];
        let mut mask = vec![false; 60];
        for at in [0, 1, 2, 3, 4, 5] {
            mask[at] = true;
        }
        let pair = [7 + 10, 8 + 10 * 2 + 30];
        for at in pair {
            mask[at] = true;
        }
        let single = 1 + 20 + 30;
        mask[single] = true;
        assert_eq!(specks(&mask, size, 0.3), vec![single]);
        assert_eq!(specks(&mask, size, 0.5), vec![pair[0], single, pair[1]]);
        assert!(specks(&mask, size, 0.0).is_empty());
    }
}
