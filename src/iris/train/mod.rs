//! Training: episodes, loss, optimiser, schedule, checkpoints (paper section 3.4).

mod augment;
mod checkpoint;
mod config;
mod episode;
mod loss;
mod noise;
mod optimiser;
mod schedule;
mod trainer;

pub use augment::Augmentation;
pub use checkpoint::CheckpointError;
pub use config::{Precision, TrainConfig};
pub use episode::{Episode, EpisodeSource, Episodes};
pub use loss::{dice_cross_entropy, hard_dice};
pub(crate) use noise::add_noise;
pub use optimiser::{Optimiser, UpdateRule};
pub use schedule::Schedule;
pub use trainer::{Progress, TrainError, Trainer};
