//! Slices read while their series still arrives, so that reading them is not what a result waits for: of slices that are
//! compressed it would be the most of the wait.
//!
//! Nothing hangs on it. A slice that was not read ahead is read when its job comes, and gives the same.

use super::Rooms;
use super::decision::{Decision, decision_on};
use crate::archive::InPlace;
use crate::assemble::LoneSlice;
use crate::preprocess::LoneInput;
use rayon::prelude::*;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Bytes of slices that are kept for their jobs: some 700 slices of a CT of the trunk.
const MOST_BYTES: usize = 64 << 20;
/// Files that may wait to be read, and that were read.
const MOST_FILES: usize = 16_384;
/// What no job has asked for in so long gives its room to others: its job failed, or the series did not come whole.
const STALE: Duration = Duration::from_secs(600);
/// Series of which it is remembered whether anything is to be done with them.
const MOST_SERIES: usize = 256;

/// Slices that were read ahead.
#[derive(Debug, Default)]
pub struct SlicesAhead(HashMap<PathBuf, Slice>);

impl SlicesAhead {
    /// What was read of a file, if it is that file still: an instance that is sent again takes the place of the first.
    pub(super) fn take(&mut self, file: &Path) -> Option<LoneInput> {
        let slice = self.0.remove(file)?;
        (Version::of(file)? == slice.version).then_some(slice.input)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A slice as the network will see it, and the file that it was read of.
#[derive(Debug)]
struct Slice {
    version: Version,
    input: LoneInput,
}

impl Slice {
    fn of(file: &Path, spacing: [f64; 3]) -> Option<Self> {
        // Before the file is read: one that takes its place meanwhile is another then.
        let version = Version::of(file)?;
        let slice = LoneSlice::of(file).ok()??;
        let input = LoneInput::of(slice.geometry(), &slice.voxels().ok()?, spacing)?;
        Some(Self { version, input })
    }
}

/// What tells a file from another one that took its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl Version {
    fn of(file: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(file).ok()?;
        Some(Self {
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// Reads slices, and keeps them for their jobs.
#[derive(Debug)]
pub struct ReadAhead {
    /// Of the network's grid, mm.
    spacing: [f64; 3],
    files: Mutex<Files>,
}

#[derive(Debug, Default)]
struct Files {
    known: HashMap<PathBuf, (Instant, State)>,
    /// Of those that were read.
    bytes: usize,
}

#[derive(Debug)]
enum State {
    /// To be read.
    Awaited,
    Read(Slice),
}

impl ReadAhead {
    /// For a network whose grid has that spacing, mm.
    pub fn new(spacing: [f64; 3]) -> Self {
        Self {
            spacing,
            files: Mutex::default(),
        }
    }

    /// Announces files to be read, by whoever calls [`ReadAhead::read`]; what was read of them before is forgotten.
    pub fn announce(&self, announced: &[PathBuf]) {
        let mut files = self.lock();
        for file in announced {
            files.forget(file);
            if files.known.len() < MOST_FILES {
                let awaited = (Instant::now(), State::Awaited);
                files.known.insert(file.clone(), awaited);
            }
        }
    }

    /// Reads a file that was announced and that nobody asked for meanwhile, if it is one slice and there is room for it.
    pub fn read(&self, file: &Path) {
        if !self.lock().may_read(file) {
            return;
        }
        // A decoder's panic costs no more than this; the job will say what it comes to.
        let slice = catch_unwind(AssertUnwindSafe(|| Slice::of(file, self.spacing)));
        let mut files = self.lock();
        if !files.is_awaited(file) {
            return;
        }
        files.forget(file);
        if let Some(slice) = slice.ok().flatten() {
            files.bytes += slice.input.bytes();
            let read = (Instant::now(), State::Read(slice));
            files.known.insert(file.to_owned(), read);
        }
    }

    /// What was read of some files; the rest of them is not read ahead any more.
    pub fn take(&self, asked: &[PathBuf]) -> SlicesAhead {
        let mut files = self.lock();
        let taken = asked.iter().filter_map(|file| {
            let slice = files.forget(file)?;
            Some((file.clone(), slice))
        });
        SlicesAhead(taken.collect())
    }

    fn clear(&self) {
        *self.lock() = Files::default();
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn is_awaited(&self, file: &Path) -> bool {
        matches!(self.known.get(file), Some((_, State::Awaited)))
    }

    /// Whether it is awaited, and there is room.
    fn may_read(&mut self, file: &Path) -> bool {
        if !self.is_awaited(file) {
            return false;
        }
        if self.bytes >= MOST_BYTES {
            self.forget_stale();
        }
        let has_room = self.bytes < MOST_BYTES;
        if !has_room {
            self.forget(file);
        }
        has_room
    }

    fn forget_stale(&mut self) {
        let stale = self
            .known
            .iter()
            .filter(|(_, (at, _))| at.elapsed() >= STALE);
        let stale: Vec<PathBuf> = stale.map(|(file, _)| file.clone()).collect();
        for file in stale {
            self.forget(&file);
        }
    }

    /// What was read of a file.
    fn forget(&mut self, file: &Path) -> Option<Slice> {
        match self.known.remove(file)? {
            (_, State::Awaited) => None,
            (_, State::Read(slice)) => {
                self.bytes -= slice.input.bytes();
                Some(slice)
            }
        }
    }
}

/// Reads instances as they come into their place, where their series is to be segmented.
pub(super) async fn run(
    rooms: Arc<Rooms>,
    mut in_place: tokio::sync::mpsc::Receiver<Vec<InPlace>>,
    shutdown: CancellationToken,
) {
    let (queue, queued) = mpsc::channel();
    let ahead = Arc::clone(&rooms.ahead);
    let reader = tokio::task::spawn_blocking(move || read_all(&ahead, &queued));
    let mut series = SeriesToCome::default();
    loop {
        let batch = tokio::select! {
            batch = in_place.recv() => batch,
            () = shutdown.cancelled() => None,
        };
        let Some(batch) = batch else {
            break;
        };
        let mut files = Vec::new();
        for instance in batch {
            if series.is_worth_it(&rooms, &instance).await {
                files.push(instance.file);
            }
        }
        rooms.ahead.announce(&files);
        if queue.send(files).is_err() {
            break;
        }
    }
    rooms.ahead.clear();
    drop(queue);
    let _ = reader.await;
}

/// Reads what is queued, on half of the processors: what is received and segmented now comes first.
fn read_all(ahead: &ReadAhead, queued: &mpsc::Receiver<Vec<PathBuf>>) {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(processors.div_ceil(2));
    match pool.build() {
        Ok(pool) => {
            for files in queued {
                pool.install(|| files.par_iter().for_each(|file| ahead.read(file)));
            }
        }
        Err(error) => tracing::warn!(%error, "nothing is read ahead"),
    }
}

/// Series that arrive, and whether anything will be done with them.
#[derive(Debug, Default)]
struct SeriesToCome(HashMap<(String, String, String), bool>);

impl SeriesToCome {
    async fn is_worth_it(&mut self, rooms: &Rooms, instance: &InPlace) -> bool {
        let key = (
            instance.series_uid.clone(),
            instance.calling_ae.clone(),
            instance.called_ae.clone(),
        );
        if let Some(known) = self.0.get(&key) {
            return *known;
        }
        let config = rooms.config();
        let (calling, called) = (instance.calling_ae.as_str(), instance.called_ae.as_str());
        let teaches = config.teach.ae_title.as_deref() == Some(called);
        let is_worth_it = !teaches && !config.rules.is_empty() && {
            let file = vec![instance.file.clone()];
            let decision = decision_on(&config, file, (calling, called)).await;
            matches!(decision, Decision::Routed { .. })
        };
        if self.0.len() >= MOST_SERIES {
            self.0.clear();
        }
        self.0.insert(key, is_worth_it);
        is_worth_it
    }
}
