//! Connected components of a mask.

/// The 26-connected components of a mask: voxels that share a face, an edge or a corner are connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Components {
    /// The component of each voxel, from 1; 0 outside of the mask.
    pub of_voxel: Vec<u32>,
    /// Voxels of each component, by its number; the first entry, of no component, is 0.
    pub sizes: Vec<usize>,
}

impl Components {
    /// Of a mask of `size` voxels along the fastest, middle and slowest axis.
    pub fn of(mask: &[bool], size: [usize; 3]) -> Self {
        let [nx, ny, nz] = size;
        let mut of_voxel = vec![0u32; mask.len()];
        let mut sizes = vec![0usize];
        let mut stack = Vec::new();
        for seed in 0..mask.len() {
            if !mask[seed] || of_voxel[seed] != 0 {
                continue;
            }
            let number = sizes.len() as u32;
            let mut found = 0;
            of_voxel[seed] = number;
            stack.push(seed);
            while let Some(at) = stack.pop() {
                found += 1;
                let (x, y, z) = (at % nx, at / nx % ny, at / (nx * ny));
                for z in z.saturating_sub(1)..(z + 2).min(nz) {
                    for y in y.saturating_sub(1)..(y + 2).min(ny) {
                        for x in x.saturating_sub(1)..(x + 2).min(nx) {
                            let next = x + nx * (y + ny * z);
                            if mask[next] && of_voxel[next] == 0 {
                                of_voxel[next] = number;
                                stack.push(next);
                            }
                        }
                    }
                }
            }
            sizes.push(found);
        }
        Self { of_voxel, sizes }
    }

    /// Voxels of the largest; 0 where there is none.
    pub fn largest(&self) -> usize {
        self.sizes.iter().copied().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voxels_that_meet_at_a_corner_are_one_component() {
        // A bar of 3, a pair that meets at a corner, and a single voxel.
        let size = [10, 3, 2];
        let mut mask = vec![false; 60];
        let pair = [7 + 10, 8 + 10 * 2 + 30];
        for at in [0, 1, 2, pair[0], pair[1], 1 + 20 + 30] {
            mask[at] = true;
        }
        let components = Components::of(&mask, size);
        assert_eq!(components.sizes, [0, 3, 2, 1]);
        assert_eq!(components.of_voxel[pair[0]], components.of_voxel[pair[1]]);
        assert_eq!(components.largest(), 3);
        let in_none = components.of_voxel.iter().filter(|&&c| c == 0).count();
        assert_eq!(in_none, 54);
        assert_eq!(Components::of(&[false; 8], [2; 3]).largest(), 0);
    }
}
