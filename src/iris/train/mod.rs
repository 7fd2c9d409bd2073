//! Training: episodes, loss, optimiser, schedule, checkpoints (paper section 3.4).

mod adamw;
mod checkpoint;
mod episode;
mod loss;
mod schedule;
mod trainer;

pub use adamw::AdamW;
pub use checkpoint::CheckpointError;
pub use episode::{Episode, EpisodeSource, Episodes};
pub use loss::{dice_cross_entropy, hard_dice};
pub use schedule::Schedule;
pub use trainer::{Precision, Progress, TrainConfig, TrainError, Trainer};
