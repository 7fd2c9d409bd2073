//! Reading a TOML table key by key, gathering every problem instead of stopping at the first.

use super::problem::Problem;
use super::suggest::did_you_mean;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Why one value is not what its key needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) message: String,
    pub(super) label: String,
    pub(super) help: Option<String>,
}

impl Complaint {
    pub(super) fn new(message: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            label: label.into(),
            help: None,
        }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn at(self, span: Range<usize>) -> Problem {
        Problem {
            help: self.help,
            ..Problem::error(span, self.message, self.label)
        }
    }
}

/// A value and the place it was written at.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A table being read. [`Section::finish`] complains about every key nobody asked for.
pub(super) struct Section<'t, 'p> {
    title: &'static str,
    span: Range<usize>,
    table: &'t DeTable<'t>,
    known: Vec<&'static str>,
    problems: &'p mut Vec<Problem>,
}

impl<'t, 'p> Section<'t, 'p> {
    pub(super) fn new(
        title: &'static str,
        span: Range<usize>,
        table: &'t DeTable<'t>,
        problems: &'p mut Vec<Problem>,
    ) -> Self {
        Self {
            title,
            span,
            table,
            known: Vec::new(),
            problems,
        }
    }

    /// Where the table starts.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub(super) fn problems(&mut self) -> &mut Vec<Problem> {
        self.problems
    }

    /// The raw value of a key.
    pub(super) fn raw(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.push(key);
        self.table.get(key)
    }

    /// The value of a key if it is there and right.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Complaint>,
    ) -> Option<Placed<T>> {
        let value = self.raw(key)?;
        match read(value.get_ref()) {
            Ok(read) => Some(Placed {
                value: read,
                span: value.span(),
            }),
            Err(complaint) => {
                let complaint = Complaint {
                    message: format!("`{key}` {}", complaint.message),
                    ..complaint
                };
                self.problems.push(complaint.at(value.span()));
                None
            }
        }
    }

    /// As [`Section::optional`]; the key being absent is a problem too.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Complaint>,
    ) -> Option<Placed<T>> {
        if !self.table.contains_key(key) {
            self.known.push(key);
            self.problems.push(
                Problem::error(
                    self.span(),
                    format!("{} has no `{key}`", self.title),
                    format!("`{key}` is missing"),
                )
                .with_help(format!("add {key} = {example}")),
            );
            return None;
        }
        self.optional(key, read)
    }

    /// The value of a key, or what stands for it when absent (or wrong, which is already a problem).
    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Complaint>,
    ) -> T {
        self.optional(key, read)
            .map_or(default, |placed| placed.value)
    }

    /// Complains about unknown keys.
    pub(super) fn finish(self) {
        for key in self
            .table
            .keys()
            .filter(|key| !self.known.contains(&key.get_ref().as_ref()))
        {
            let help = match did_you_mean(key.get_ref(), self.known.iter().copied()) {
                Some(help) => help,
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.problems.push(
                Problem::error(
                    key.span(),
                    format!("{} has no key `{}`", self.title, key.get_ref()),
                    "unknown key",
                )
                .with_help(help),
            );
        }
    }
}
