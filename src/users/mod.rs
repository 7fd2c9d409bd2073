//! Who may look and who may act: a local file of users, with passwords as argon2id makes of them.

mod loopback;
mod throttle;

pub use loopback::{asked_name, is_for_loopback, is_loopback};
pub use throttle::Throttle;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Shortest password, characters; length is what makes one hard to guess (NIST SP 800-63B, section 5.1.1).
pub const SHORTEST_PASSWORD: usize = 12;

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything, pictures and names of patients too.
    Viewer,
    /// Act too: retry, cancel, release, approve.
    Admin,
}

impl Role {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Admin => "admin",
        }
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The name to sign in by.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// The password as argon2id makes of it, in PHC's format.
    password: String,
}

/// The users of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Users {
    #[serde(default, rename = "user")]
    users: Vec<User>,
}

/// What is wrong with users or their file.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what this module writes.
    #[error("{} is no file of users: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A name that cannot be one.
    #[error("a user's name has 1 to 64 letters, digits, `.`, `-`, `_` or `@`")]
    BadName,
    /// A password that is guessed too easily.
    #[error("a password has at least {SHORTEST_PASSWORD} characters")]
    ShortPassword,
    /// argon2 failed.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

impl Users {
    /// Reads a file; one that is not there holds nobody.
    ///
    /// # Errors
    /// When it cannot be read, or is something else.
    pub fn read(path: &Path) -> Result<Self, UsersError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(source) => {
                return Err(UsersError::File {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        toml::from_str(&text).map_err(|error| UsersError::Damaged {
            path: path.to_owned(),
            reason: error.message().to_owned(),
        })
    }

    /// Writes the file, whole or not at all, for its owner only.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), UsersError> {
        let failed = |source| UsersError::File {
            path: path.to_owned(),
            source,
        };
        let text = toml::to_string_pretty(self).map_err(|error| UsersError::Damaged {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(folder)
            .map_err(failed)?;
        writeln!(file, "# Kept by `irisnode web user`.\n\n{text}").map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Everybody, in the order they were added.
    pub fn all(&self) -> &[User] {
        &self.users
    }

    /// The user of that name.
    pub fn named(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// Adds a user, or gives one that is there another role and password.
    ///
    /// # Errors
    /// When the name cannot be one, or the password is too short.
    pub fn set(&mut self, name: &str, role: Role, password: &str) -> Result<(), UsersError> {
        let good = |c: char| c.is_ascii_alphanumeric() || ".-_@".contains(c);
        if !(1..=64).contains(&name.len()) || !name.chars().all(good) {
            return Err(UsersError::BadName);
        }
        if password.chars().count() < SHORTEST_PASSWORD {
            return Err(UsersError::ShortPassword);
        }
        let user = User {
            name: name.to_owned(),
            role,
            password: hashed(password)?,
        };
        self.users.retain(|known| known.name != name);
        self.users.push(user);
        Ok(())
    }

    /// Removes a user; `false` when there is none of that name.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.users.len();
        self.users.retain(|user| user.name != name);
        self.users.len() < before
    }

    /// The user whose name and password these are. A name that nobody has takes as long as a wrong password.
    ///
    /// Blocking work: argon2 takes time and memory by design.
    pub fn verify(&self, name: &str, password: &str) -> Option<&User> {
        let user = self.named(name);
        let nobody = NOBODY.to_owned();
        let kept = user.map_or(&nobody, |user| &user.password);
        let parsed = PasswordHash::new(kept).ok()?;
        let fits = Argon2::default().verify_password(password.as_bytes(), &parsed);
        fits.ok().and(user)
    }
}

/// A hash that no password is known to have, with argon2's default cost.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$aXJpc25vZGUtbm9ib2R5$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn hashed(password: &str) -> Result<String, UsersError> {
    let salt = SaltString::generate(&mut OsRng);
    Argon2::default()
        .hash_password(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|error| UsersError::Hash(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_known_by_name_and_password_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.toml");
        let mut users = Users::read(&file).unwrap();
        assert!(users.all().is_empty());
        users
            .set("ada", Role::Admin, "correct horse battery")
            .unwrap();
        users.write(&file).unwrap();
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
        assert!(!fs::read_to_string(&file).unwrap().contains("horse"));

        let users = Users::read(&file).unwrap();
        let known = users.verify("ada", "correct horse battery").unwrap();
        assert_eq!(known.role, Role::Admin);
        assert!(users.verify("ada", "correct horse batterY").is_none());
        assert!(users.verify("eve", "correct horse battery").is_none());
        assert!(
            PasswordHash::new(NOBODY).is_ok(),
            "else a missing name is told by its speed"
        );
    }

    #[test]
    fn short_passwords_and_odd_names_are_refused() {
        let mut users = Users::default();
        assert!(users.set("ada", Role::Viewer, "short").is_err());
        assert!(
            users
                .set("a b", Role::Viewer, "correct horse battery")
                .is_err()
        );
    }
}
