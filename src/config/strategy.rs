//! The reference strategies that a rule may name.

use super::section::Complaint;
use super::suggest::did_you_mean;
use super::value;
use std::fmt;
use toml::de::DeValue;

/// Which of a task's references a series meets; `irisnode segment --help` says what each does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strategy {
    /// The first reference that shows a segment.
    OneShot,
    /// The mean of all references.
    Ensemble,
    /// The references whose body is most like that of the series.
    ImageRetrieval,
    /// For each segment, the references whose object is most like the one in the series.
    Retrieval,
    /// What `irisnode task tune` made of the task; the mean where it was not tuned.
    #[default]
    Tuned,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::OneShot,
        Self::Ensemble,
        Self::ImageRetrieval,
        Self::Retrieval,
        Self::Tuned,
    ];

    /// Its word in a rule.
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

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

pub(super) fn read(value: &DeValue<'_>) -> Result<Strategy, Complaint> {
    let names = Strategy::ALL.map(Strategy::name);
    let all = names.map(|name| format!("\"{name}\"")).join(", ");
    let text = value::text(value).map_err(|complaint| {
        complaint.with_help(format!("one of {all}; leave it out for \"tuned\""))
    })?;
    let found = Strategy::ALL.into_iter().find(|s| s.name() == text);
    found.ok_or_else(|| {
        let help = did_you_mean(&text, names).unwrap_or_else(|| format!("one of {all}"));
        Complaint::new("is no reference strategy", "unknown strategy").with_help(help)
    })
}
