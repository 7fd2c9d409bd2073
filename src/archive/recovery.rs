//! After a crash: what was sealed is taken in, what was still arriving is cleared away.

use super::files::Files;
use super::header::read_header;
use super::indexing::{Again, index};
use super::seal::{Whole, verify};
use super::spool::Spooled;
use super::{ArchiveError, NewInstance};
use dicom_dictionary_std::tags;
use dicom_object::FileMetaTable;
use sqlx::SqlitePool;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// Takes in what lies sealed in the spool and removes the rest: nothing else in it was acknowledged. How many.
pub(super) async fn empty_spool(pool: &SqlitePool, files: &Files) -> Result<usize, ArchiveError> {
    let folder = files.spool_folder();
    let sealed: Arc<[NewInstance]> = super::blocking(move || {
        let entries = std::fs::read_dir(&folder)
            .map_err(ArchiveError::file("cannot read the folder", &folder))?;
        let mut sealed = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            match instance(&path) {
                Ok(Some(instance)) => sealed.push(instance),
                Ok(None) => {
                    let _ = std::fs::remove_file(&path);
                }
                // Not readable now is no reason to remove what may be somebody's only copy.
                Err(error) => {
                    return Err(ArchiveError::file("cannot read", &path)(error));
                }
            }
        }
        Ok(sealed)
    })
    .await?
    .into();
    index(pool, files, &sealed, Again::UnlessIndexed).await?;
    Ok(sealed.len())
}

/// The instance in a sealed file, by what the file says; `None` when the file is not whole.
pub(super) fn instance(path: &Path) -> std::io::Result<Option<NewInstance>> {
    Ok(match verify(path)? {
        Some(whole) => read(path, &whole)?,
        None => None,
    })
}

fn read(path: &Path, whole: &Whole) -> std::io::Result<Option<NewInstance>> {
    let mut file = BufReader::new(File::open(path)?);
    file.seek(SeekFrom::Start(128))?;
    let Ok(meta) = FileMetaTable::from_reader(&mut file) else {
        return Ok(None);
    };
    let transfer_syntax = meta.transfer_syntax().trim_end_matches(['\0', ' ']);
    let Ok(found) = read_header(path, whole.data_offset, transfer_syntax) else {
        return Ok(None);
    };
    let ae_title = |title: Option<&str>| title.unwrap_or_default().trim().to_owned();
    let (Some(sop_class), Some(sop_instance), Some(study), Some(series)) = (
        found.get(&tags::SOP_CLASS_UID),
        found.get(&tags::SOP_INSTANCE_UID),
        found.get(&tags::STUDY_INSTANCE_UID),
        found.get(&tags::SERIES_INSTANCE_UID),
    ) else {
        return Ok(None);
    };
    Ok(Some(NewInstance {
        sop_class_uid: sop_class.clone(),
        sop_instance_uid: sop_instance.clone(),
        transfer_syntax: transfer_syntax.to_owned(),
        study_uid: study.clone(),
        series_uid: series.clone(),
        modality: found.get(&tags::MODALITY).cloned().unwrap_or_default(),
        calling_ae: ae_title(meta.source_application_entity_title()),
        called_ae: ae_title(meta.receiving_application_entity_title()),
        header: found,
        bytes: Spooled {
            path: path.to_owned(),
            received_at: whole.seal.received_at,
            length: whole.seal.length,
        },
    }))
}
