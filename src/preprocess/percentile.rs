//! Values at given places in the order of many, without putting these into order.

/// Leading bits of a value by which it is counted: the sign, the exponent and the first three of the fraction.
const COUNTED: u32 = 12;

/// How many of some values there are of about each size; those that are not finite are left out.
pub(super) struct Counted<'v> {
    values: &'v [f32],
    /// By the leading bits of [`key`].
    counts: Vec<u32>,
    finite: usize,
}

impl<'v> Counted<'v> {
    pub(super) fn new(values: &'v [f32]) -> Self {
        let mut counts = vec![0; 1 << COUNTED];
        for &value in values {
            counts[bin(value)] += 1;
        }
        // Of what is not finite every leading bit of the exponent is set, and of nothing else.
        let last = counts.len() - 1;
        for not_finite in [0..=bin(f32::NEG_INFINITY), bin(f32::INFINITY)..=last] {
            counts[not_finite].fill(0);
        }
        let finite = counts.iter().map(|&held| held as usize).sum();
        Self {
            values,
            counts,
            finite,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.finite
    }

    /// How many are greater.
    pub(super) fn above(&self, threshold: f32) -> usize {
        let greater = self
            .values
            .iter()
            .filter(|v| v.is_finite() && **v > threshold);
        greater.count()
    }

    /// The values that stand at these shares of the way through the greatest `count` of them in their order; `None`
    /// where there are none.
    pub(super) fn percentiles(&self, count: usize, shares: [f64; 2]) -> Option<[f32; 2]> {
        let count = count.min(self.finite);
        let last = count.checked_sub(1)?;
        let wanted = shares.map(|share| {
            let place = (share * last as f64).round() as usize;
            self.bin_at(self.finite - count + place)
        });
        let mut held = wanted.map(|(bin, _)| vec![0.0; self.counts[bin] as usize + 1]);
        let mut counts = [0; 2];
        for &value in self.values {
            let own = bin(value);
            for ((held, count), (bin, _)) in held.iter_mut().zip(&mut counts).zip(wanted) {
                // Always written and not always kept: which it will be no processor can foresee.
                held[*count] = value;
                *count += usize::from(own == bin);
            }
        }
        let mut found = [0.0; 2];
        for (number, held) in held.iter_mut().enumerate() {
            let (place, held) = (wanted[number].1, &mut held[..counts[number]]);
            found[number] = *held.select_nth_unstable_by(place, f32::total_cmp).1;
        }
        Some(found)
    }

    /// The bin that holds the value at a place in the order of all, and its place in the order of the bin's.
    fn bin_at(&self, mut place: usize) -> (usize, usize) {
        let mut bin = 0;
        while place >= self.counts[bin] as usize {
            place -= self.counts[bin] as usize;
            bin += 1;
        }
        (bin, place)
    }
}

/// Which values come together; a greater one never before a smaller.
fn bin(value: f32) -> usize {
    (key(value) >> (u32::BITS - COUNTED)) as usize
}

/// Numbers in the order of their values, as [`f32::total_cmp`] has it.
fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    // All bits of what is negative are turned, of what is not the sign alone.
    bits ^ ((bits as i32 >> 31) as u32 | 1 << 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of one size, of all sizes, and none at all.
    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![
            4 => -2.0f32..2.0,
            2 => (0u8..6).prop_map(f32::from),
            1 => any::<f32>(),
            1 => prop::sample::select(vec![0.0, -0.0, f32::NAN, f32::INFINITY, f32::MAX]),
        ]
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_values_in_their_order(
            values in prop::collection::vec(value(), 0..200),
            threshold in value(),
            shares in prop::array::uniform2(0.0f64..=1.0),
        ) {
            let counted = Counted::new(&values);
            let mut ordered: Vec<f32> =
                values.iter().copied().filter(|v| v.is_finite()).collect();
            ordered.sort_by(f32::total_cmp);
            prop_assert_eq!(counted.len(), ordered.len());
            let above: Vec<f32> = ordered.iter().copied().filter(|&v| v > threshold).collect();
            prop_assert_eq!(counted.above(threshold), above.len());
            for some in [ordered, above] {
                let at = |share: f64| some[(share * (some.len() - 1) as f64).round() as usize];
                let expected = (!some.is_empty()).then(|| shares.map(at));
                let found = counted.percentiles(some.len(), shares);
                prop_assert_eq!(found.map(|f| f.map(f32::to_bits)), expected.map(|e| e.map(f32::to_bits)));
            }
        }
    }
}
