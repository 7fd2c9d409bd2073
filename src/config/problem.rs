//! What is wrong with a configuration, at which line, and what to do about it.

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One thing that is wrong (or doubtful) at one place of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What happened, as one sentence without a full stop.
    pub message: String,
    /// What stands at the place pointed at.
    pub label: String,
    /// Byte range in the text of the file.
    pub span: Range<usize>,
    /// What to do.
    pub help: Option<String>,
    /// A warning does not keep the node from starting.
    pub is_warning: bool,
}

impl Problem {
    /// An error at a place.
    pub fn error(span: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            label: label.into(),
            span,
            help: None,
            is_warning: false,
        }
    }

    /// A warning at a place.
    pub fn warning(
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self {
            is_warning: true,
            ..Self::error(span, message, label)
        }
    }

    /// Says what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn severity(&self) -> Option<Severity> {
        Some(if self.is_warning {
            Severity::Warning
        } else {
            Severity::Error
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_primary_with_span(Some(self.label.clone()), self.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// Everything found in one file, with the text it points into.
#[derive(Debug, Clone)]
pub struct Findings {
    source: NamedSource<String>,
    problems: Vec<Problem>,
}

impl Findings {
    /// Findings about the text of a file, sorted by their place in it.
    pub fn new(path: &Path, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        let source =
            NamedSource::new(path.display().to_string(), text.to_owned()).with_language("TOML");
        Self { source, problems }
    }

    /// The findings in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| !problem.is_warning)
    }

    /// `path:line: message; what to do`, one line per finding, for a log.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.problems.iter().map(|problem| {
            let before = self
                .source
                .inner()
                .get(..problem.span.start)
                .unwrap_or_default();
            let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
            let help = problem.help.as_deref().map(|help| format!("; {help}"));
            let help = help.unwrap_or_default();
            format!("{}:{line}: {}{help}", self.source.name(), problem.message)
        })
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warnings = self
            .problems
            .iter()
            .filter(|problem| problem.is_warning)
            .count();
        let errors = self.problems.len() - warnings;
        let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        match (errors, warnings) {
            (errors, 0) => f.write_str(&count(errors, "problem"))?,
            (0, warnings) => f.write_str(&count(warnings, "warning"))?,
            (errors, warnings) => {
                write!(
                    f,
                    "{} and {}",
                    count(errors, "problem"),
                    count(warnings, "warning")
                )?;
            }
        }
        write!(f, " in {}", self.source.name())
    }
}

impl std::error::Error for Findings {}

impl Diagnostic for Findings {
    fn severity(&self) -> Option<Severity> {
        Some(if self.has_errors() {
            Severity::Error
        } else {
            Severity::Warning
        })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(
            self.problems
                .iter()
                .map(|problem| problem as &dyn Diagnostic),
        ))
    }
}

/// Bytes of a line; beyond 65,535 columns miette panics.
const LONGEST_LINE: usize = 10_000;

impl ConfigError {
    /// What is wrong, for a log: one line for each problem, with its place in the file and what to do.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Invalid(findings) => findings.lines().collect(),
            Self::Unreadable { source, .. } => vec![format!("{self}: {source}")],
            Self::LongLine { .. } => vec![self.to_string()],
        }
    }

    /// The first line that is too long to be pointed into.
    pub(super) fn long_line(path: &Path, text: &str) -> Option<Self> {
        let line = text.lines().position(|line| line.len() > LONGEST_LINE)?;
        Some(Self::LongLine {
            path: path.to_owned(),
            line: line + 1,
        })
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration {}", path.display())]
    #[diagnostic(help(
        "give the path of an irisnode configuration with --config; a commented one is plugin-config/irisnode.toml"
    ))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no text that a person wrote: to point into a line so long is no help, and drawing it fails.
    #[error("line {line} of the configuration {} has more than {LONGEST_LINE} bytes", path.display())]
    #[diagnostic(help("break it into several lines; lists may go over many"))]
    LongLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The file was read and is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Invalid(Box<Findings>),
}
