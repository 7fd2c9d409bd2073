//! The certificates, keys and authorities that a configuration names: whether they can be used, and for how long.

use crate::config::{ConfigError, ConfigFile, Problem, Tls, TlsIdentity};
use crate::tls::{
    Certificate, EXPIRES_SOON, Identity, RevocationList, TlsError, check_authorities,
    check_revocation_lists,
};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

/// Reads a configuration and requires what it names to be there, and certificates to be of use: for a node that is to
/// run by it.
///
/// # Errors
/// Every problem, at its line.
pub fn read_complete(path: &Path) -> Result<ConfigFile, ConfigError> {
    let file = ConfigFile::read_complete(path)?;
    let problems = problems(&file);
    file.with_findings(problems)
}

/// What is wrong with them, or doubtful, at the lines that name them.
fn problems(file: &ConfigFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    let cannot = |error: &TlsError| {
        let help = "a PEM file, `-----BEGIN ...`: the node's certificate with its issuers' after it, its key without a password, authorities, or lists of revoked certificates; a relative path starts at the folder of this file";
        file.problems_with_tls_file(error.path(), &error.to_string(), help)
    };
    for authorities in file.authorities() {
        if let Err(error) = check_authorities(&authorities) {
            problems.extend(cannot(&error));
        }
    }
    for identity in file.identities() {
        match files_of(identity).check() {
            Err(error) => problems.extend(cannot(&error)),
            Ok(certificate) => problems.extend(validity(file, &identity.certificate, &certificate)),
        }
        problems.extend(is_read_by_others(file, &identity.key));
    }
    let Some(revoked) = file
        .config()
        .tls
        .as_ref()
        .and_then(|tls| tls.revoked.as_ref())
    else {
        return problems;
    };
    match check_revocation_lists(revoked) {
        Err(error) => problems.extend(cannot(&error)),
        Ok(lists) => problems.extend(lists.iter().flat_map(|list| overdue(file, revoked, list))),
    }
    problems
}

/// The node's certificate in words: whose, and until when.
pub fn certificate_in_words(identity: &TlsIdentity) -> String {
    match files_of(identity).check() {
        Ok(certificate) => format!(
            "{}, until {}",
            certificate.subject,
            day(certificate.not_after)
        ),
        Err(error) => error.to_string(),
    }
}

/// The lists of revoked certificates in words, where there are any.
pub fn revoked_in_words(tls: &Tls) -> Option<String> {
    let lists = match check_revocation_lists(tls.revoked.as_ref()?) {
        Ok(lists) => lists,
        Err(error) => return Some(error.to_string()),
    };
    let words = lists.iter().map(|list| {
        let until = list
            .next_update
            .map(|next| format!(", until {}", day(next)));
        format!(
            "{} of {}{}",
            list.revoked,
            list.issuer,
            until.unwrap_or_default()
        )
    });
    Some(words.collect::<Vec<_>>().join("; "))
}

/// The files of an identity, as TLS reads them.
pub(super) fn files_of(identity: &TlsIdentity) -> Identity {
    Identity {
        certificate: identity.certificate.clone(),
        key: identity.key.clone(),
    }
}

fn is_read_by_others(file: &ConfigFile, key: &Path) -> Vec<Problem> {
    let mode = std::fs::metadata(key).map(|file| file.permissions().mode());
    if !mode.is_ok_and(|mode| mode & 0o077 != 0) {
        return Vec::new();
    }
    let warned = file.problems_with_tls_file(
        key,
        "others than its owner can read the private key",
        "chmod 600, and let the node's user own it",
    );
    warned.into_iter().map(warning).collect()
}

fn validity(file: &ConfigFile, path: &Path, certificate: &Certificate) -> Vec<Problem> {
    let now = SystemTime::now();
    let say = |message: String| {
        let help = "put a new certificate (and key) in its place; a running node takes it without a restart";
        file.problems_with_tls_file(path, &message, help)
    };
    let until = day(certificate.not_after);
    if now > certificate.not_after {
        say(format!("the certificate has expired on {until}"))
    } else if now < certificate.not_before {
        let from = day(certificate.not_before);
        say(format!("the certificate is not valid before {from}"))
    } else if now + EXPIRES_SOON > certificate.not_after {
        let said = say(format!("the certificate expires on {until}"));
        said.into_iter().map(warning).collect()
    } else {
        Vec::new()
    }
}

/// What is doubtful of a list of revoked certificates: its time may be over.
fn overdue(file: &ConfigFile, path: &Path, list: &RevocationList) -> Vec<Problem> {
    let Some(next) = list.next_update.filter(|_| list.is_over()) else {
        return Vec::new();
    };
    let message = format!(
        "the list of revoked certificates of {} should have been replaced on {}",
        list.issuer,
        day(next)
    );
    let help = "put the authority's newest list in its place; a running node takes it without a restart, and until then this one stays in force";
    let said = file.problems_with_tls_file(path, &message, help);
    said.into_iter().map(warning).collect()
}

fn warning(problem: Problem) -> Problem {
    Problem {
        is_warning: true,
        ..problem
    }
}

fn day(time: SystemTime) -> impl std::fmt::Display {
    chrono::DateTime::<chrono::Utc>::from(time).format("%Y-%m-%d")
}
