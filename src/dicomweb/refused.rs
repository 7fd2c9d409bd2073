//! Why a request is not answered: a status as PS3.18 has it, and a sentence for whoever asked.

use crate::archive::ArchiveError;
use crate::assemble::FrameError;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Status and sentence; no word of a patient in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) sentence: String,
    header: Option<(HeaderName, String)>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
            header: None,
        }
    }

    /// With a header besides.
    pub(super) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.header = Some((name, value.into()));
        self
    }

    pub(super) fn bad_request(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }

    pub(super) fn not_found(what: &str) -> Self {
        let sentence = format!("there is no such {what} here, or nothing of it is released");
        Self::new(StatusCode::NOT_FOUND, sentence)
    }

    /// What was asked for cannot be made of this instance, or is not made here at all.
    pub(super) fn not_acceptable(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, sentence)
    }

    /// Too many ask at the same time.
    pub(super) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests at the same time; try again in a moment",
        )
        .with(header::RETRY_AFTER, "5")
    }
}

impl From<ArchiveError> for Refused {
    fn from(error: ArchiveError) -> Self {
        tracing::error!(%error, "a DICOMweb request could not be answered");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the archive failed; the node's log says why",
        )
    }
}

impl From<FrameError> for Refused {
    fn from(error: FrameError) -> Self {
        let status = match error {
            FrameError::NoPixelData | FrameError::NoSuchFrame(_) => StatusCode::NOT_FOUND,
            FrameError::Unreadable(_) => StatusCode::NOT_ACCEPTABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let head = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        let body = format!("{}\n", self.sentence);
        let mut answer = (self.status, head, body).into_response();
        if let Some((name, value)) = self.header
            && let Ok(value) = value.parse()
        {
            answer.headers_mut().insert(name, value);
        }
        answer
    }
}
