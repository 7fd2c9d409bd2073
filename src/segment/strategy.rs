//! Which of a task's references a query meets, and how they become one embedding (paper section 3.4).

use serde::{Deserialize, Serialize};

/// A reference strategy: what the embedding of a segment is made of, and what that costs.
///
/// A segment that only one reference shows has the embedding of that reference by every strategy but
/// [`Strategy::Tuned`].
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The first reference that shows a segment, and no other: one pass.
    OneShot,
    /// The mean of all references' embeddings (context ensemble): one pass.
    Ensemble,
    /// For the whole image, the references whose body is most like the query's: an encoder pass and one pass.
    ///
    /// The same references for every segment: the paper's comparison for [`Strategy::Retrieval`], which it finds
    /// better.
    ImageRetrieval,
    /// For each segment, the references whose object is most like the one that a first pass by the ensemble finds
    /// in the query (object-level context retrieval): two passes and an encoder pass.
    ///
    /// A segment that the first pass does not find keeps the ensemble.
    Retrieval,
    /// What `irisnode task tune` made of the task's embedding (in-context tuning); the ensemble where it was not
    /// tuned: one pass.
    #[default]
    Tuned,
}

impl Strategy {
    /// Its name, as the command line, rules and results say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneShot => "one-shot",
            Self::Ensemble => "ensemble",
            Self::ImageRetrieval => "image-retrieval",
            Self::Retrieval => "retrieval",
            Self::Tuned => "tuned",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn a_strategy_has_one_name_everywhere() {
        for strategy in Strategy::value_variants() {
            let by_clap = strategy.to_possible_value().unwrap();
            assert_eq!(by_clap.get_name(), strategy.name());
            let by_serde = serde_json::to_value(strategy).unwrap();
            assert_eq!(by_serde, strategy.name());
        }
    }
}
