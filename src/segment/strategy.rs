//! Which of a task's references a query meets, and how they become one embedding (paper section 3.4).

use serde::{Deserialize, Serialize};

/// A reference strategy.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The first reference that shows a segment, and no other.
    OneShot,
    /// The mean of all references' embeddings (context ensemble).
    Ensemble,
    /// For the whole image, the references whose image is most like it.
    ImageRetrieval,
    /// For each segment, the references whose object is most like the one a first pass finds in the query.
    Retrieval,
    /// What `irisnode task tune` made of the task's embedding; the ensemble where it was not tuned.
    #[default]
    Tuned,
}
