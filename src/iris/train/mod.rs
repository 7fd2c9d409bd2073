//! Training: episodes, loss, optimiser, checkpoints.
