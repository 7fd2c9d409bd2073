//! `[[notify]]`: who is told when something needs a person.

use super::problem::Problem;
use super::secret::{self, Secret};
use super::section::{Complaint, Placed, Section};
use super::suggest::did_you_mean;
use super::{url, value};
use std::path::{Path, PathBuf};
use toml::de::DeValue;

/// Something that a person may have to see to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A series got no result.
    Failed,
    /// A result was given up for a destination, or refused by it.
    Undelivered,
    /// A result waits for review.
    Held,
    /// Labels that were sent to teach wait for approval.
    Proposed,
    /// Instances are refused: the disk is low, or the index cannot be written; and that they are taken again.
    NotReady,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Failed,
        Self::Undelivered,
        Self::Held,
        Self::Proposed,
        Self::NotReady,
    ];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Undelivered => "undelivered",
            Self::Held => "held",
            Self::Proposed => "proposed",
            Self::NotReady => "not-ready",
        }
    }
}

/// `[[notify]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Its name.
    pub name: String,
    /// What is told.
    pub on: Vec<Event>,
    /// Messages in an hour; what happens between two is told in one.
    pub at_most: u32,
    /// How it is told.
    pub by: NotifyBy,
}

/// How somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyBy {
    /// By a POST of JSON.
    Webhook(Webhook),
    /// By e-mail.
    Email(Email),
}

/// A server that takes JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// `http://` or `https://`.
    pub url: String,
    /// Sent as `Authorization: Bearer`.
    pub bearer: Option<Secret>,
    /// PEM file of authorities that are trusted besides the system's.
    pub authorities: Option<PathBuf>,
}

/// People, and the server that takes mail for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// Who is told.
    pub to: Vec<String>,
    /// Sender.
    pub from: String,
    /// Host of the SMTP server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// Who signs in, and the password.
    pub login: Option<(String, Secret)>,
    /// PEM file of authorities that are trusted besides the system's.
    pub authorities: Option<PathBuf>,
}

/// How a connection to an SMTP server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS after STARTTLS, or not at all.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Nothing.
    None,
}

/// A `[[notify]]` with the places of what must be unique or there.
pub(super) struct PlacedNotify {
    pub(super) name: Option<Placed<String>>,
    /// `None` when something is absent or wrong, which is a problem already.
    pub(super) notify: Option<Notify>,
    /// Secrets and authorities.
    pub(super) files: Vec<Placed<PathBuf>>,
}

/// Reads one `[[notify]]`.
pub(super) fn read(mut section: Section<'_, '_>, base: &Path) -> PlacedNotify {
    let name = section.required("name", "\"pacs team\"", value::text);
    let on = section.or(
        "on",
        vec![Event::Failed, Event::Undelivered, Event::NotReady],
        events,
    );
    let at_most = section.or("at_most", 6, |value| value::integer(value, 1, 3600));
    let authorities = section.optional("authorities", value::path(base));
    let mut files: Vec<Placed<PathBuf>> = authorities.iter().cloned().collect();
    let authorities = authorities.map(|placed| placed.value);
    let webhook = section.optional("webhook", url::read);
    let email = section.optional("email", addresses);
    let by = match (webhook, email) {
        (Some(url), None) => webhook_of(&mut section, base, url, authorities, &mut files),
        (None, Some(to)) => email_of(&mut section, base, to.value, authorities, &mut files),
        (webhook, email) => {
            // These are options, whichever was meant.
            for key in [
                "bearer_file",
                "bearer_env",
                "from",
                "smtp",
                "security",
                "port",
                "user",
                "password_file",
                "password_env",
            ] {
                section.raw(key);
            }
            let (what, span) = match (webhook, email) {
                (Some(_), Some(email)) => ("both a webhook and an e-mail address", email.span),
                _ => ("neither a webhook nor an e-mail address", section.span()),
            };
            // Only one of them can have been misspelt so badly that it is not there.
            let help = "write webhook = \"https://...\", or email = [\"somebody@example.org\"]; one [[notify]] for each";
            if section
                .problems()
                .iter()
                .all(|problem| problem.span != span)
            {
                section.problems().push(
                    Problem::error(span, format!("[[notify]] has {what}"), "who is told?")
                        .with_help(help),
                );
            }
            None
        }
    };
    section.finish();
    let notify = match (&name, by) {
        (Some(name), Some(by)) => Some(Notify {
            name: name.value.clone(),
            on,
            at_most: u32::try_from(at_most).unwrap_or(1),
            by,
        }),
        _ => None,
    };
    PlacedNotify {
        name,
        notify,
        files,
    }
}

fn webhook_of(
    section: &mut Section<'_, '_>,
    base: &Path,
    url: Placed<String>,
    authorities: Option<PathBuf>,
    files: &mut Vec<Placed<PathBuf>>,
) -> Option<NotifyBy> {
    let bearer = secret::read(section, base, ["bearer_file", "bearer_env"], files);
    if bearer.is_some() && url.value.starts_with("http:") && !url::is_here(&url.value) {
        section.problems().push(
            Problem::warning(
                url.span,
                "a secret crosses the network in the clear",
                "not https",
            )
            .with_help("use https:, or leave the bearer out"),
        );
    }
    Some(NotifyBy::Webhook(Webhook {
        url: url.value,
        bearer,
        authorities,
    }))
}

fn email_of(
    section: &mut Section<'_, '_>,
    base: &Path,
    to: Vec<String>,
    authorities: Option<PathBuf>,
    files: &mut Vec<Placed<PathBuf>>,
) -> Option<NotifyBy> {
    let from = section.required("from", "\"irisnode@example.org\"", address);
    let host = section.required("smtp", "\"smtp.example.org\"", value::text);
    let security = section.or("security", Security::StartTls, security);
    let port = section.or("port", default_port(security), value::port);
    let keys = ["user", "password_file", "password_env"];
    let login = secret::login(section, base, keys, files);
    let host = host?.value;
    if let Some((user, _)) = &login
        && security == Security::None
        && !url::is_here(&host)
    {
        section.problems().push(
            Problem::error(
                user.span.clone(),
                "a password would cross the network in the clear",
                "security is \"none\"",
            )
            .with_help("use security = \"starttls\" or \"tls\""),
        );
        return None;
    }
    Some(NotifyBy::Email(Email {
        to,
        from: from?.value,
        host,
        port,
        security,
        login: login.map(|(user, password)| (user.value, password)),
        authorities,
    }))
}

fn default_port(security: Security) -> u16 {
    match security {
        Security::StartTls => 587,
        Security::Tls => 465,
        Security::None => 25,
    }
}

fn events(value: &DeValue<'_>) -> Result<Vec<Event>, Complaint> {
    let names = Event::ALL.map(Event::name);
    let all = names.map(|name| format!("\"{name}\"")).join(", ");
    let help = format!("some of [{all}]");
    let texts = value::texts(value).map_err(|complaint| complaint.with_help(help.clone()))?;
    let named = texts.into_iter().map(|placed| {
        let found = Event::ALL
            .into_iter()
            .find(|event| event.name() == placed.value);
        found.ok_or_else(|| {
            let help = did_you_mean(&placed.value, names).unwrap_or_else(|| help.clone());
            Complaint::new(
                "holds an item that is no event",
                format!("{:?} is none", placed.value),
            )
            .with_help(help)
        })
    });
    named.collect()
}

fn security(value: &DeValue<'_>) -> Result<Security, Complaint> {
    match value::text(value)?.as_str() {
        "starttls" => Ok(Security::StartTls),
        "tls" => Ok(Security::Tls),
        "none" => Ok(Security::None),
        _ => Err(Complaint::new("is no kind of protection", "not known").with_help(
            "\"starttls\" (port 587), \"tls\" (port 465) or \"none\" (port 25, for a mail server on this machine)",
        )),
    }
}

fn address(value: &DeValue<'_>) -> Result<String, Complaint> {
    let text = value::text(value)?;
    let is_one = text
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    if is_one
        && text.is_ascii()
        && !text.contains(|c: char| c.is_ascii_control() || " <>,;\"".contains(c))
    {
        return Ok(text);
    }
    Err(
        Complaint::new("is not an e-mail address", "not an e-mail address")
            .with_help("write \"somebody@example.org\", without a name around it"),
    )
}

fn addresses(value: &DeValue<'_>) -> Result<Vec<String>, Complaint> {
    let Some(list) = value.as_array() else {
        return address(value).map(|one| vec![one]);
    };
    if list.is_empty() {
        return Err(Complaint::new("names nobody", "empty").with_help("name at least one address"));
    }
    list.iter().map(|item| address(item.get_ref())).collect()
}
