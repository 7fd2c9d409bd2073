//! The images that labels were drawn on, where they are held.

use crate::archive::{Archive, ArchiveError};
use crate::encode::DrawnOn;
use std::path::PathBuf;

/// What is held of a series that labels refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Images {
    /// Every image that the labels name.
    Held(Vec<PathBuf>),
    /// The series, and more of it may come.
    Arriving,
    /// Only some of the images that the labels name.
    Part {
        /// How many of them.
        held: usize,
        /// How many are named.
        named: usize,
    },
    /// Nothing.
    Absent,
}

/// Looks for the images in the archive's index; who sent them, and to which AE title, does not matter.
///
/// # Errors
/// When the index cannot be read.
pub async fn find_images(archive: &Archive, drawn_on: &DrawnOn) -> Result<Images, ArchiveError> {
    let held = archive.held_series(&drawn_on.series_uid).await?;
    let named = &drawn_on.instance_uids;
    let of_named = |uids: &[String]| named.iter().filter(|uid| uids.contains(uid)).count();
    let whole = held
        .iter()
        .filter(|series| !series.is_arriving && !series.instance_uids.is_empty())
        .filter(|series| of_named(&series.instance_uids) == named.len())
        .max_by_key(|series| series.instance_uids.len());
    if let Some(series) = whole {
        return Ok(Images::Held(archive.instances(series.id).await?));
    }
    if held.iter().any(|series| series.is_arriving) {
        return Ok(Images::Arriving);
    }
    let most = held
        .iter()
        .map(|series| of_named(&series.instance_uids))
        .max();
    Ok(match most {
        None => Images::Absent,
        Some(held) => Images::Part {
            held,
            named: named.len(),
        },
    })
}
