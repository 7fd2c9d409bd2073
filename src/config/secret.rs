//! Secrets, which stand in files or environment variables and never in the configuration.

use super::problem::Problem;
use super::section::{Placed, Section};
use super::value;
use std::fmt;
use std::path::{Path, PathBuf};

/// A secret that is not written in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// The first line of a file.
    File(PathBuf),
    /// An environment variable of the node.
    Variable(String),
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
        }
    }
}

impl Secret {
    /// The secret as it is now: a file may have been changed.
    ///
    /// # Errors
    /// A sentence why there is none.
    pub fn read(&self) -> Result<String, String> {
        let text = match self {
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("{self} cannot be read: {error}"))?,
            Self::Variable(name) => {
                std::env::var(name).map_err(|_| format!("{self} is not set"))?
            }
        };
        match text
            .lines()
            .next()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            Some(line) => Ok(line.to_owned()),
            None => Err(format!("{self} is empty")),
        }
    }
}

/// A secret in a file, or in a variable.
pub(super) fn read(
    section: &mut Section<'_, '_>,
    base: &Path,
    [file, variable]: [&'static str; 2],
    files: &mut Vec<Placed<PathBuf>>,
) -> Option<Secret> {
    let file = section.optional(file, value::path(base));
    let variable = section.optional(variable, value::text);
    match (file, variable) {
        (Some(_), Some(variable)) => {
            section.problems().push(
                Problem::error(
                    variable.span,
                    "the same secret is named twice",
                    "a file is named too",
                )
                .with_help("keep one of them"),
            );
            None
        }
        (Some(file), None) => {
            files.push(file.clone());
            Some(Secret::File(file.value))
        }
        (None, variable) => variable.map(|placed| Secret::Variable(placed.value)),
    }
}

/// A name to sign in by and its password, of the keys for the name, the password's file and its variable. A name without
/// a password, or the other way about, is a problem.
pub(super) fn login(
    section: &mut Section<'_, '_>,
    base: &Path,
    [user_key, file_key, variable_key]: [&'static str; 3],
    files: &mut Vec<Placed<PathBuf>>,
) -> Option<(Placed<String>, Secret)> {
    let user = section.optional(user_key, value::text);
    let password = read(section, base, [file_key, variable_key], files);
    let (span, message, label, help) = match (user, password) {
        (Some(user), Some(password)) => return Some((user, password)),
        (None, None) => return None,
        (Some(user), None) => (
            user.span,
            format!("`{}` signs in without a password", user.value),
            "where is the password?",
            format!("add {file_key} or {variable_key}"),
        ),
        (None, Some(_)) => (
            section.span(),
            format!("there is a password and no `{user_key}`"),
            "who signs in?",
            format!("add {user_key} = \"...\""),
        ),
    };
    section
        .problems()
        .push(Problem::error(span, message, label).with_help(help));
    None
}
