//! What a URL names: a study, a series, an instance.

use super::Shared;
use super::refused::Refused;
use crate::archive::StoredInstance;
use axum::http::{HeaderMap, header};

/// The longest UID (PS3.5 section 9.1).
const LONGEST_UID: usize = 64;

/// UIDs in a URL; what is absent means all.
#[derive(Debug, Clone, Default, serde::Deserialize)]
pub(super) struct Named {
    pub(super) study: Option<String>,
    pub(super) series: Option<String>,
    pub(super) instance: Option<String>,
}

impl Named {
    /// Nothing but UIDs.
    pub(super) fn check(&self) -> Result<(), Refused> {
        let named = [&self.study, &self.series, &self.instance];
        match named.into_iter().flatten().all(|uid| is_uid(uid)) {
            true => Ok(()),
            false => Err(Refused::bad_request(
                "the URL names something that is no UID (PS3.5 section 9.1)",
            )),
        }
    }

    /// The instances that are named, at least one.
    pub(super) async fn stored(&self, shared: &Shared) -> Result<Vec<StoredInstance>, Refused> {
        self.check()?;
        let study = self.study.as_deref().unwrap_or("");
        let (series, instance) = (self.series.as_deref(), self.instance.as_deref());
        let stored = shared.archive.instances_of(study, series, instance).await?;
        match stored.is_empty() {
            true => Err(Refused::not_found(self.what())),
            false => Ok(stored),
        }
    }

    /// The instance that is named.
    pub(super) async fn one(&self, shared: &Shared) -> Result<StoredInstance, Refused> {
        let stored = self.stored(shared).await?;
        stored
            .into_iter()
            .next()
            .ok_or_else(|| Refused::not_found(self.what()))
    }

    fn what(&self) -> &'static str {
        match (&self.instance, &self.series) {
            (Some(_), _) => "instance",
            (None, Some(_)) => "series",
            (None, None) => "study",
        }
    }
}

/// Whether a text can be a UID; that components do not begin with a zero is not asked for, since many do.
pub(super) fn is_uid(text: &str) -> bool {
    (1..=LONGEST_UID).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

impl Shared {
    /// Where clients find the service.
    pub(super) fn base(&self, headers: &HeaderMap) -> String {
        if let Some(url) = &self.url {
            return url.trim_end_matches('/').to_owned();
        }
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let plain = |host: &&str| {
            host.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
        };
        let host = host.filter(plain).unwrap_or("localhost");
        // Some clients leave the port out of Host. A server before this one speaks for a name of its own.
        let (scheme, root) = (self.scheme, super::ROOT);
        match ["localhost", "127.0.0.1", "[::1]"].contains(&host) {
            true => format!("{scheme}://{host}:{}{root}", self.port),
            false => format!("{scheme}://{host}{root}"),
        }
    }
}

/// The URL of an instance.
pub(super) fn url_of(base: &str, one: &StoredInstance) -> String {
    format!(
        "{base}/studies/{}/series/{}/instances/{}",
        one.study_uid, one.series_uid, one.sop_instance_uid
    )
}
