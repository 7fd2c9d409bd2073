//! Conditions of rules: what they are, and what they say in words.

use std::fmt;

/// A condition of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Every one holds (an empty list holds).
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A test of one attribute, or of the association.
    Test {
        /// What is looked at.
        subject: Subject,
        /// What it must be.
        test: Test,
    },
}

impl Condition {
    /// Whether it holds for every series, because nothing is asked.
    pub fn asks_nothing(&self) -> bool {
        matches!(self, Self::All(parts) if parts.is_empty())
    }
}

/// What a [`Condition::Test`] looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A DICOM attribute at the top level of the data set.
    Attribute {
        /// As the administrator wrote it: a keyword or `gggg,eeee`.
        name: String,
        /// Its tag.
        tag: dicom_core::Tag,
    },
    /// AE title of the caller that sent the series.
    CallingAe,
    /// AE title it called.
    CalledAe,
}

/// What a subject must be. Texts are compared without outer spaces, case as
/// written; where the attribute holds numbers, `5` equals `5.0`.
#[derive(Debug, Clone)]
pub enum Test {
    /// Any of the attribute's values equals this.
    Equals(String),
    /// Any of the values equals one of these.
    OneOf(Vec<String>),
    /// Any of the values matches this glob.
    Glob(globset::GlobMatcher),
    /// Any of the values matches this regular expression.
    Regex(regex::Regex),
    /// Every value is a number within these bounds, inclusive.
    Range {
        /// Lower bound.
        min: Option<f64>,
        /// Upper bound.
        max: Option<f64>,
    },
    /// The attribute is there with a value (`true`) or is not (`false`).
    Present(bool),
}

impl PartialEq for Test {
    /// Whether they were written alike.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Equals(a), Self::Equals(b)) => a == b,
            (Self::OneOf(a), Self::OneOf(b)) => a == b,
            (Self::Glob(a), Self::Glob(b)) => a.glob() == b.glob(),
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            (Self::Range { min: a, max: b }, Self::Range { min: c, max: d }) => a == c && b == d,
            (Self::Present(a), Self::Present(b)) => a == b,
            _ => false,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attribute { name, .. } => name,
            Self::CallingAe => "calling AE title",
            Self::CalledAe => "called AE title",
        })
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(text) => write!(f, "is {text}"),
            Self::OneOf(texts) => write!(f, "is one of {}", texts.join(", ")),
            Self::Glob(glob) => write!(f, "is like {}", glob.glob().glob()),
            Self::Regex(regex) => write!(f, "matches /{regex}/"),
            Self::Range {
                min: Some(min),
                max: Some(max),
            } => write!(f, "is from {min} to {max}"),
            Self::Range {
                min: Some(min),
                max: None,
            } => write!(f, "is at least {min}"),
            Self::Range {
                min: None,
                max: Some(max),
            } => write!(f, "is at most {max}"),
            Self::Range {
                min: None,
                max: None,
            } => f.write_str("is a number"),
            Self::Present(true) => f.write_str("is present"),
            Self::Present(false) => f.write_str("is absent"),
        }
    }
}

impl fmt::Display for Condition {
    /// One sentence: `Modality is CT and (A is 1 or B is 2) and not C is 3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(parts) if parts.is_empty() => f.write_str("every series"),
            Self::Any(parts) if parts.is_empty() => f.write_str("no series"),
            Self::All(parts) => joined(f, parts, " and "),
            Self::Any(parts) => joined(f, parts, " or "),
            Self::Not(part) => {
                f.write_str("not ")?;
                nested(f, part)
            }
            Self::Test { subject, test } => write!(f, "{subject} {test}"),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Condition], word: &str) -> fmt::Result {
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            f.write_str(word)?;
        }
        if parts.len() == 1 {
            write!(f, "{part}")?
        } else {
            nested(f, part)?
        }
    }
    Ok(())
}

fn nested(f: &mut fmt::Formatter<'_>, part: &Condition) -> fmt::Result {
    match part {
        Condition::All(parts) | Condition::Any(parts) if parts.len() > 1 => write!(f, "({part})"),
        part => write!(f, "{part}"),
    }
}
