//! Ways of finding the segments of a query: the columns of the report.

use super::relation::Relation;

/// A way of finding the segments of a query.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The network, shown the first reference.
    OneShot,
    /// The network, shown the mean of all references' embeddings.
    Ensemble,
    /// The network, shown the references whose image is most like the query (--retrieve).
    ImageRetrieval,
    /// The network, shown for each structure the references whose object is most like it (--retrieve).
    Retrieval,
    /// The network, its embedding tuned on all references (--tune-steps).
    Tuned,
    /// The ensemble, every reference encoded anew for the query, as UniverSeg and Tyche do.
    ReEncoded,
    /// The network, shown the first reference; structures of one piece keep every part that is found.
    EveryPart,
    /// The network, shown the first reference; segments may be anywhere, whatever the places of the others.
    Anywhere,
    /// The network, shown the first reference, one pass for each class.
    ClassByClass,
    /// The network, shown the first reference, its masks down-sampled in the foreground branch.
    DownSampled,
    /// No network: the first reference's label at the same place of the body's bounding box.
    Copied,
    /// No network: the first reference's range of intensities around that place.
    Threshold,
    /// No network: the first reference's label, moved by an affine registration of the intensities.
    Registered,
}

impl Method {
    /// What is measured unless other methods are asked for: all but tuning and a pass for each class, which take
    /// minutes a case.
    pub const DEFAULT: [Self; 11] = [
        Self::OneShot,
        Self::Ensemble,
        Self::ImageRetrieval,
        Self::Retrieval,
        Self::ReEncoded,
        Self::DownSampled,
        Self::EveryPart,
        Self::Anywhere,
        Self::Copied,
        Self::Threshold,
        Self::Registered,
    ];

    /// Its name in tables; the one of JSON and of the command line with `-` for spaces.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneShot => "one-shot",
            Self::Ensemble => "ensemble",
            Self::ImageRetrieval => "image-retrieval",
            Self::Retrieval => "retrieval",
            Self::Tuned => "tuned",
            Self::ReEncoded => "re-encoded",
            Self::EveryPart => "every-part",
            Self::Anywhere => "anywhere",
            Self::ClassByClass => "class-by-class",
            Self::DownSampled => "down-sampled",
            Self::Copied => "copied",
            Self::Threshold => "threshold",
            Self::Registered => "registered",
        }
    }

    /// Whether it says something else than one-shot only where a case has several references.
    pub fn needs_several_references(self) -> bool {
        matches!(
            self,
            Self::Ensemble | Self::ImageRetrieval | Self::Retrieval | Self::ReEncoded
        )
    }
}

/// What the paper says of its parts, as differences of Dice that can be measured.
pub const RELATIONS: [Relation; 6] = [
    Relation {
        claim: "ensemble > one-shot",
        better: Method::Ensemble,
        worse: Method::OneShot,
    },
    Relation {
        claim: "object-level > image-level retrieval",
        better: Method::Retrieval,
        worse: Method::ImageRetrieval,
    },
    Relation {
        claim: "tuned > ensemble",
        better: Method::Tuned,
        worse: Method::Ensemble,
    },
    Relation {
        claim: "full-resolution > down-sampled masks",
        better: Method::OneShot,
        worse: Method::DownSampled,
    },
    // The paper says nothing of it; ours to know whether it is worth its time.
    Relation {
        claim: "one piece > every part",
        better: Method::OneShot,
        worse: Method::EveryPart,
    },
    Relation {
        claim: "by place > anywhere",
        better: Method::OneShot,
        worse: Method::Anywhere,
    },
];
