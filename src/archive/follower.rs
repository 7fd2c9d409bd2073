//! Who hears of instances as they come into their place.

use super::NewInstance;
use super::files::Files;
use super::indexing::name;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Batches that may wait to be heard of.
const MOST_WAITING: usize = 64;

/// An instance that has its row and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InPlace {
    /// Its file.
    pub file: PathBuf,
    /// Series Instance UID (0020,000E).
    pub series_uid: String,
    /// AE title that sent it.
    pub calling_ae: String,
    /// AE title it was sent to.
    pub called_ae: String,
}

/// Who hears of them, if anybody.
#[derive(Debug, Clone, Default)]
pub(super) struct Follower(Arc<Mutex<Option<mpsc::Sender<Vec<InPlace>>>>>);

impl Follower {
    /// Takes the place of who followed before.
    pub(super) fn set(&self) -> mpsc::Receiver<Vec<InPlace>> {
        let (told, hears) = mpsc::channel(MOST_WAITING);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
        hears
    }

    /// Tells of instances, and waits for nobody.
    pub(super) fn tell(&self, files: &Files, instances: &[NewInstance]) {
        let follower = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(told) = &*follower else {
            return;
        };
        let in_place = instances.iter().map(|instance| InPlace {
            file: files.instance(&name(instance)),
            series_uid: instance.series_uid.clone(),
            calling_ae: instance.calling_ae.clone(),
            called_ae: instance.called_ae.clone(),
        });
        let _ = told.try_send(in_place.collect());
    }
}
