//! Whether an instance that is sent now would be kept.

use super::Archive;

impl Archive {
    /// Why an instance sent now would be refused, in a sentence; nothing while it would be kept.
    pub async fn obstacle(&self, min_free_bytes: u64) -> Option<String> {
        if let Err(error) = self.counts().await {
            tracing::warn!(%error, "not ready: the index cannot be read");
            return Some("the index cannot be read; the log says why".to_owned());
        }
        if self.is_in_trouble() {
            return Some("the index cannot be written: instances are refused".to_owned());
        }
        match self.free_bytes() {
            Ok(free) if free < min_free_bytes => Some(format!(
                "{} MiB are free for data, less than min_free ({} MiB): instances are refused",
                free >> 20,
                min_free_bytes >> 20
            )),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(%error, "not ready: the data folder's disk cannot be read");
                Some("the data folder's disk cannot be read; the log says why".to_owned())
            }
        }
    }
}
