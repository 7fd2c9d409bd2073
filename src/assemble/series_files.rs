//! Which files make which series.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dicom_dictionary_std::{tags, uids};
use rayon::prelude::*;

use super::AssembleError;
use super::dicom_file::read_header;
use super::slice_header::text;

/// The files of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesFiles {
    /// Study Instance UID (0020,000D).
    pub study_instance_uid: String,
    /// Series Instance UID (0020,000E); empty for images that name none, which are taken as one series.
    pub series_instance_uid: String,
    /// Modality (0008,0060).
    pub modality: String,
    /// Series Description (0008,103E); may be empty.
    pub description: String,
    /// The files, in the order of their paths.
    pub files: Vec<PathBuf>,
}

/// What lies under some paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeriesGroups {
    /// Series in the order of their UIDs.
    pub series: Vec<SeriesFiles>,
    /// Files that are not DICOM, or neither name a series nor hold an image (a DICOMDIR).
    pub left_out: Vec<PathBuf>,
}

/// Finds the DICOM files among `paths` (files, and folders with all below them) and sorts them by series.
///
/// Files are known by their content, never by their name; headers are read and pixel data is not.
///
/// # Errors
/// When a path cannot be read, or a DICOM file is damaged.
pub fn group_by_series(paths: &[PathBuf]) -> Result<SeriesGroups, AssembleError> {
    let mut files = Vec::new();
    for path in paths {
        for entry in walkdir::WalkDir::new(path)
            .follow_links(true)
            .sort_by_file_name()
        {
            let entry = entry.map_err(|e| AssembleError::Unreadable {
                path: path.clone(),
                reason: e.to_string(),
            })?;
            if entry.file_type().is_file() {
                files.push(entry.into_path());
            }
        }
    }
    let found: Vec<Option<SeriesFiles>> = files
        .par_iter()
        .map(|file| series_of(file))
        .collect::<Result<_, _>>()?;
    let mut groups = SeriesGroups::default();
    let mut series: BTreeMap<(String, String), SeriesFiles> = BTreeMap::new();
    for (file, found) in files.into_iter().zip(found) {
        match found {
            None => groups.left_out.push(file),
            Some(one) => {
                let key = (
                    one.study_instance_uid.clone(),
                    one.series_instance_uid.clone(),
                );
                series.entry(key).or_insert(one).files.push(file);
            }
        }
    }
    groups.series = series.into_values().collect();
    Ok(groups)
}

fn series_of(file: &Path) -> Result<Option<SeriesFiles>, AssembleError> {
    let Some(object) = read_header(file)? else {
        return Ok(None);
    };
    let series_instance_uid = text(&object, tags::SERIES_INSTANCE_UID);
    let directory =
        object.meta().media_storage_sop_class_uid() == uids::MEDIA_STORAGE_DIRECTORY_STORAGE;
    // Anonymised images may have lost their UIDs: they are images all the same.
    let nameless = series_instance_uid.is_empty() && object.get(tags::ROWS).is_none();
    if directory || nameless {
        return Ok(None);
    }
    Ok(Some(SeriesFiles {
        study_instance_uid: text(&object, tags::STUDY_INSTANCE_UID),
        series_instance_uid,
        modality: text(&object, tags::MODALITY),
        description: text(&object, tags::SERIES_DESCRIPTION),
        files: Vec::new(),
    }))
}
