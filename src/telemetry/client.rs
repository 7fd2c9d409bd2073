//! The exporter's way out: the same as that of notifications.

use crate::config::Telemetry;
use crate::http_client::{Credentials, HttpError as NotAnswered, Target, post};
use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};

/// Posts what the exporter hands it. It may block: the exporter has a thread of its own.
#[derive(Debug)]
pub(super) struct Client {
    bearer: Option<String>,
    authorities: Option<std::path::PathBuf>,
}

impl Client {
    pub(super) fn new(telemetry: &Telemetry) -> Result<Self, String> {
        let bearer = telemetry.bearer.as_ref().map(|secret| secret.read());
        Ok(Self {
            bearer: bearer.transpose()?,
            authorities: telemetry.authorities.clone(),
        })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let target = Target {
            url: request.uri().to_string(),
            credentials: self.bearer.clone().map(Credentials::Bearer),
            authorities: self.authorities.clone(),
        };
        let status = match post(&target, "application/x-protobuf", request.body()) {
            Ok(()) => 200,
            Err(NotAnswered::Answered { status, host }) => {
                tracing::warn!(host, status, "the collector did not take the traces");
                status
            }
            Err(error) => {
                tracing::warn!(%error, "the collector did not take the traces");
                return Err(Box::new(error));
            }
        };
        Ok(Response::builder().status(status).body(Bytes::new())?)
    }
}
