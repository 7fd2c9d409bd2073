//! Episodes, and the threads that draw them ahead of the optimiser.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use tch::{Device, Tensor};

/// One episode: a reference and a query of the same classes from different subjects.
#[derive(Debug)]
pub struct Episode {
    /// `[1, 1, D, H, W]`, preprocessed.
    pub reference: Tensor,
    /// `[1, K, D, H, W]`, 0 and 1. Of bytes, since most of what goes to the device are masks.
    pub reference_masks: Tensor,
    /// `[1, 1, D', H', W']`, preprocessed.
    pub query: Tensor,
    /// `[1, K, D', H', W']`, likewise.
    pub query_masks: Tensor,
}

impl Episode {
    /// The same where the network computes.
    pub(super) fn on(self, device: Device) -> Self {
        let there = |tensor: Tensor| tensor.to_device(device);
        Self {
            reference: there(self.reference),
            reference_masks: there(self.reference_masks),
            query: there(self.query),
            query_masks: there(self.query_masks),
        }
    }

    /// Whether they can go through the network as one batch.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let sizes = |episode: &Self| {
            [
                &episode.reference,
                &episode.reference_masks,
                &episode.query,
                &episode.query_masks,
            ]
            .map(Tensor::size)
        };
        sizes(self) == sizes(other)
    }
}

/// Draws episodes by number: the same number gives the same episode.
pub trait EpisodeSource: Send + Sync + 'static {
    /// Episode number `index`.
    fn episode(&self, index: u64) -> Episode;
}

/// Episodes `start, start + 1, …` in order, drawn by threads ahead of their use.
///
/// Thread `t` of `n` draws every `n`-th episode into a channel of its own, so
/// the order does not depend on which thread is faster.
#[derive(Debug)]
pub struct Episodes {
    channels: Vec<Receiver<Episode>>,
    threads: Vec<JoinHandle<()>>,
    next: usize,
}

impl Episodes {
    /// Starts `threads` threads that stay at most `ahead` episodes ahead each, and bring them to the device.
    pub fn start(
        source: Arc<dyn EpisodeSource>,
        start: u64,
        threads: usize,
        ahead: usize,
        device: Device,
    ) -> Self {
        let threads = threads.max(1);
        let (channels, threads) = (0..threads as u64)
            .map(|thread| {
                let (sender, receiver) = sync_channel(ahead.max(1));
                let source = Arc::clone(&source);
                let drawing = std::thread::spawn(move || {
                    // It draws alone: what rayon would share among all processors keeps these busy as it is.
                    let _alone = rayon::ThreadPoolBuilder::new()
                        .num_threads(1)
                        .use_current_thread()
                        .build();
                    let mut index = start + thread;
                    while sender.send(source.episode(index).on(device)).is_ok() {
                        index += threads as u64;
                    }
                });
                (receiver, drawing)
            })
            .unzip();
        Self {
            channels,
            threads,
            next: 0,
        }
    }
}

impl Drop for Episodes {
    /// Waits for the episodes that are being drawn: a thread that was still busy with tensors when the program ends, and
    /// libtorch with it, would panic.
    fn drop(&mut self) {
        self.channels.clear();
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Iterator for Episodes {
    type Item = Episode;

    /// The next episode; `None` if the thread that should draw it has died.
    fn next(&mut self) -> Option<Episode> {
        let channel = self.channels.get(self.next)?;
        self.next = (self.next + 1) % self.channels.len();
        channel.recv().ok()
    }
}
