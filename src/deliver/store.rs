//! Storage (C-STORE) of a set of files: one attempt.

use super::association::Association;
use super::command::{Request, Response};
use super::compression::targets;
use super::contexts::{Batch, choose};
use super::error::{DeliverError, describe};
use super::instance::{Instance, sop_class_name, transfer_syntax_name};
use super::status::StoreStatus;
use crate::config::{Compression, Delivery, Peer};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// So much of a file is read at once, bytes.
const READ_AHEAD: usize = 1 << 20;

/// What became of a file.
#[derive(Debug, Clone)]
pub struct FileOutcome {
    /// The file.
    pub path: PathBuf,
    /// The peer's acknowledgement, or why there is none.
    pub result: Result<Stored, DeliverError>,
}

/// A peer's acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Success or a warning.
    pub status: StoreStatus,
    /// Name of the transfer syntax it went out in.
    pub transfer_syntax: String,
    /// It went out in another transfer syntax than the file's: the peer did not take that, or it was compressed.
    pub transcoded: bool,
    /// Length of the data set on the wire, bytes.
    pub bytes: u64,
}

/// Sends files to a peer once, as `calling_ae`, over one association where the number of presentation contexts allows it.
///
/// Gives one outcome for each file, unreadable ones first, and tells each to `progress` as it is known. When the
/// association fails, every file not yet acknowledged gets that error.
pub async fn store<P: AsRef<Path>>(
    peer: &Peer,
    calling_ae: &str,
    files: &[P],
    delivery: &Delivery,
    mut progress: impl FnMut(&FileOutcome),
) -> Vec<FileOutcome> {
    let mut outcomes = Vec::with_capacity(files.len());
    let mut note = |path: PathBuf, result| {
        let outcome = FileOutcome { path, result };
        progress(&outcome);
        outcomes.push(outcome);
    };
    let mut instances = Vec::with_capacity(files.len());
    for file in files {
        match read_instance(file.as_ref(), &peer.compress).await {
            Ok(instance) => instances.push(instance),
            Err(error) => note(file.as_ref().to_owned(), Err(error)),
        }
    }
    for batch in Batch::divide(instances) {
        let opened = Association::open(peer, calling_ae, batch.proposals(), delivery).await;
        let (mut association, mut broken) = match opened {
            Ok(association) => (association, None),
            Err(error) => (None, Some(error)),
        };
        for instance in batch.instances {
            let result = match (&broken, &mut association) {
                (Some(error), _) => Err(error.clone()),
                (None, Some(association)) => store_one(association, peer, &instance).await,
                (None, None) => Err(refused(peer, &instance)),
            };
            if let Err(error) = &result
                && broken.is_none()
                && error.ends_association()
            {
                broken = Some(error.clone());
            }
            note(instance.path, result);
        }
        match (association, broken) {
            (Some(association), None) => association.release().await,
            (Some(association), Some(_)) => association.abort().await,
            (None, _) => {}
        }
    }
    outcomes
}

async fn store_one(
    association: &mut Association,
    peer: &Peer,
    instance: &Instance,
) -> Result<Stored, DeliverError> {
    let context =
        choose(association.contexts(), instance).ok_or_else(|| refused(peer, instance))?;
    let (id, transfer_syntax) = (context.id, context.transfer_syntax.clone());
    let request = Request::Store {
        sop_class: &instance.sop_class,
        sop_instance: &instance.sop_instance,
    };
    let transcoded = transfer_syntax != instance.transfer_syntax;
    let (response, bytes) = if transcoded {
        let data_set = transcode(instance.clone(), transfer_syntax.clone()).await?;
        let response = association
            .exchange(id, request, Some(data_set.as_slice()))
            .await?;
        (response, data_set.len() as u64)
    } else {
        let data_set = open_data_set(instance).await?;
        let response = association.exchange(id, request, Some(data_set)).await?;
        (response, instance.data_set_length)
    };
    let Response {
        status,
        offending_elements,
        ..
    } = response;
    let status = StoreStatus(status);
    if status.is_stored() {
        Ok(Stored {
            status,
            transfer_syntax: transfer_syntax_name(&transfer_syntax),
            transcoded,
            bytes,
        })
    } else {
        Err(DeliverError::Failed {
            peer: describe(peer),
            status,
            offending_elements,
        })
    }
}

fn refused(peer: &Peer, instance: &Instance) -> DeliverError {
    DeliverError::SopClassRefused {
        peer: describe(peer),
        sop_class: sop_class_name(&instance.sop_class),
        transfer_syntax: transfer_syntax_name(&instance.transfer_syntax),
    }
}

async fn read_instance(path: &Path, compress: &[Compression]) -> Result<Instance, DeliverError> {
    let (owned, compress) = (path.to_owned(), compress.to_vec());
    let read = move || {
        let instance = Instance::read(&owned)?;
        let targets = targets(&instance, &compress);
        Ok(Instance {
            targets,
            ..instance
        })
    };
    tokio::task::spawn_blocking(read)
        .await
        .unwrap_or_else(|_| Err(unreadable(path, "its file meta information cannot be read")))
}

async fn transcode(instance: Instance, transfer_syntax: String) -> Result<Vec<u8>, DeliverError> {
    let path = instance.path.clone();
    // A codec that panics on a damaged image costs this file, not the association.
    tokio::task::spawn_blocking(move || instance.transcoded(&transfer_syntax))
        .await
        .unwrap_or_else(|_| Err(unreadable(&path, "its pixel data cannot be decoded")))
}

/// The data set as it lies in the file, read as it is sent.
async fn open_data_set(
    instance: &Instance,
) -> Result<impl tokio::io::AsyncRead + Unpin, DeliverError> {
    let failed = |e: std::io::Error| unreadable(&instance.path, &e.to_string());
    let mut file = tokio::fs::File::open(&instance.path)
        .await
        .map_err(failed)?;
    file.seek(std::io::SeekFrom::Start(instance.data_set_offset))
        .await
        .map_err(failed)?;
    // Every read of a file is a call to another thread, and a fragment is often no more than 16 KiB.
    let data_set = file.take(instance.data_set_length);
    Ok(tokio::io::BufReader::with_capacity(READ_AHEAD, data_set))
}

fn unreadable(path: &Path, reason: &str) -> DeliverError {
    DeliverError::Unreadable {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}
