//! Check marks, coloured where somebody looks.

use std::fmt;
use std::io::IsTerminal;

/// How something turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Well.
    Good,
    /// Not.
    Bad,
    /// Nobody knows.
    Open,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, color) = match self {
            Self::Good => ("✔", 32),
            Self::Bad => ("✘", 31),
            Self::Open => ("?", 33),
        };
        if in_color() {
            write!(f, "\x1b[{color}m{sign}\x1b[0m")
        } else {
            f.write_str(sign)
        }
    }
}

/// Colour is for terminals, unless NO_COLOR (no-color.org) says otherwise.
fn in_color() -> bool {
    let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !declined
}
