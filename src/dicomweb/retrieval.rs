//! WADO-RS as a client (PS3.18 section 10.4): a series of another system's, into the archive as if it had been sent.

use super::media::MediaType;
use super::multipart::Multipart;
use super::reception::Reception;
use super::resource::is_uid;
use crate::archive::{Acceptance, Archive};
use crate::http_client::{HttpError, Target, get, host};
use std::io::Read;
use std::sync::Arc;
use tokio::runtime::Handle;

/// As they are stored, whatever that is: nothing need be decoded on the way.
const ACCEPT: &str = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
/// Bytes of a body that are read at once.
const PIECE: usize = 64 << 10;

/// What came of a series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retrieved {
    /// Instances that are durable here.
    pub completed: usize,
    /// Instances that are not.
    pub failed: usize,
}

/// Why a series did not come.
#[derive(Debug, thiserror::Error)]
pub enum RetrievalError {
    /// The server was not reached, or did not give it.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// What it gave cannot be read; what came before is kept.
    #[error("what {host} gave cannot be read: {reason}")]
    Unreadable {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// Nothing can be asked for by this UID.
    #[error("the UID of the series is none (PS3.5 section 9.1)")]
    NoUid,
    /// Ours.
    #[error("retrieving failed; the node's log says where")]
    Failed,
}

impl RetrievalError {
    /// Whether it may go better later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Http(HttpError::Unreachable { .. }) | Self::Unreadable { .. } => true,
            Self::Http(HttpError::Answered { status, .. }) => *status >= 500 || *status == 429,
            Self::Http(HttpError::Authorities { .. }) | Self::NoUid | Self::Failed => false,
        }
    }
}

/// Asks a service for one study, whatever it is: that it answers, and lets one in.
///
/// # Errors
/// Why it does not.
pub async fn query_any(service: Target) -> Result<(), RetrievalError> {
    let target = Target {
        url: format!("{}/studies?limit=1", service.url),
        ..service
    };
    let asking = tokio::task::spawn_blocking(move || get(&target, "application/dicom+json"));
    asking.await.map_err(|_| RetrievalError::Failed)??;
    Ok(())
}

/// Asks the service at `service` for a series, and keeps what comes by `acceptance`. A service that has no such series
/// gives nothing, which is no error.
///
/// # Errors
/// Why it did not come, or not whole.
pub async fn retrieve_series(
    service: Target,
    study_uid: &str,
    series_uid: &str,
    archive: Arc<Archive>,
    acceptance: Acceptance,
) -> Result<Retrieved, RetrievalError> {
    // They come out of a file that somebody sent, and go into a URL.
    if !is_uid(study_uid) || !is_uid(series_uid) {
        return Err(RetrievalError::NoUid);
    }
    let target = Target {
        url: format!("{}/studies/{study_uid}/series/{series_uid}", service.url),
        ..service
    };
    let runtime = Handle::current();
    let retrieving =
        tokio::task::spawn_blocking(move || retrieve(&target, archive, acceptance, runtime));
    retrieving.await.map_err(|_| RetrievalError::Failed)?
}

fn retrieve(
    target: &Target,
    archive: Arc<Archive>,
    acceptance: Acceptance,
    runtime: Handle,
) -> Result<Retrieved, RetrievalError> {
    let answer = match get(target, ACCEPT) {
        Ok(answer) => answer,
        // Nothing of that name, here or any more.
        Err(HttpError::Answered {
            status: 404 | 410, ..
        }) => return Ok(Retrieved::default()),
        Err(error) => return Err(error.into()),
    };
    let unreadable = |reason: String| RetrievalError::Unreadable {
        host: host(&target.url),
        reason,
    };
    let media_type = MediaType::parse(&answer.content_type);
    let boundary = media_type
        .as_ref()
        .filter(|media_type| media_type.name == "multipart/related")
        .and_then(|media_type| media_type.parameter("boundary"))
        .ok_or_else(|| unreadable("it is not multipart/related".to_owned()))?;
    let parser = Multipart::new(boundary).map_err(|error| unreadable(error.to_string()))?;
    let mut reception = Reception::new(archive, Arc::new(acceptance), None, parser, runtime);
    let mut body = answer.body;
    let mut piece = vec![0; PIECE];
    loop {
        let length = body
            .read(&mut piece)
            .map_err(|error| unreadable(error.to_string()))?;
        if length == 0 {
            break;
        }
        reception
            .push(&piece[..length])
            .map_err(|malformed| unreadable(malformed.to_string()))?;
    }
    let (received, whole) = reception.finish();
    whole.map_err(|malformed| unreadable(malformed.to_string()))?;
    Ok(Retrieved {
        completed: received.stored.len(),
        failed: received.failed.len() + received.others.len(),
    })
}
