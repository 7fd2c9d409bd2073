//! "Did you mean": the names closest to what was written.

/// A sentence naming the closest candidates, or `None` when nothing is near.
pub(super) fn did_you_mean<'n>(
    written: &str,
    candidates: impl IntoIterator<Item = &'n str>,
) -> Option<String> {
    let folded = fold(written);
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let length = folded.chars().count();
    let allowed = 1 + length / 4;
    // One that is longer or shorter by more is farther off than that; there are thousands, the DICOM dictionary's.
    let mut near: Vec<(usize, &str)> = candidates
        .iter()
        .filter(|candidate| letters(candidate).count().abs_diff(length) <= allowed)
        .map(|candidate| (strsim::osa_distance(&folded, &fold(candidate)), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .collect();
    near.sort();
    let Some(&(best, _)) = near.first() else {
        return begins_like(&folded, &candidates);
    };
    let closest = near.iter().take_while(|(distance, _)| *distance == best);
    Some(question(closest.map(|(_, name)| *name)))
}

/// The shortest names that start with what was written: `BodyPart` for `BodyPartExamined`.
fn begins_like(folded: &str, candidates: &[&str]) -> Option<String> {
    let first = folded.chars().next()?;
    if folded.chars().count() < 4 {
        return None;
    }
    let mut longer: Vec<&str> = candidates
        .iter()
        .copied()
        .filter(|candidate| letters(candidate).flat_map(char::to_lowercase).next() == Some(first))
        .filter(|candidate| fold(candidate).starts_with(folded))
        .collect();
    longer.sort_by_key(|name| name.len());
    (!longer.is_empty()).then(|| question(longer.into_iter()))
}

fn question<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.take(3).map(|name| format!("`{name}`")).collect();
    format!("did you mean {}?", names.join(" or "))
}

/// Case, spaces, `-` and `_` are what people get wrong most.
fn fold(name: &str) -> String {
    letters(name).flat_map(char::to_lowercase).collect()
}

fn letters(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| !matches!(c, ' ' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn the_closest_name_is_offered_whatever_its_case_or_spacing() {
        let known = ["Modality", "BodyPartExamined", "SliceThickness"];
        assert_eq!(
            did_you_mean("Modalty", known).as_deref(),
            Some("did you mean `Modality`?")
        );
        assert_eq!(
            did_you_mean("body part examined", known).as_deref(),
            Some("did you mean `BodyPartExamined`?")
        );
        assert_eq!(did_you_mean("Colour", known), None);
        assert_eq!(did_you_mean("", known), None);
    }
}
