//! Who may ask: users with their password (HTTP Basic), holders of a token (Bearer), or, where neither is configured,
//! whoever is on this machine.

use super::Shared;
use super::refused::Refused;
use crate::users::{Role, Throttle, Users, is_for_loopback};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A password that was right is not hashed anew for so long: a viewer asks hundreds of times.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Passwords remembered at a time.
const MOST_REMEMBERED: usize = 256;

/// What the holder of a credential may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Right {
    /// Query and retrieve.
    Read,
    /// Store, too.
    Store,
}

/// What is asked for at the door.
#[derive(Debug)]
pub(super) struct Access {
    /// The file of users, where users are let in.
    users: Option<PathBuf>,
    /// The file of tokens, one a line, where tokens are.
    tokens: Option<PathBuf>,
    throttle: Throttle,
    /// Held while a password is verified: argon2 takes memory.
    verifying: Mutex<()>,
    /// Digests of names, passwords and what the file of users says, that were right a while ago.
    remembered: StdMutex<HashMap<[u8; 32], Instant>>,
}

impl Access {
    pub(super) fn new(users: Option<PathBuf>, tokens: Option<PathBuf>) -> Self {
        Self {
            users,
            tokens,
            throttle: Throttle::default(),
            verifying: Mutex::default(),
            remembered: StdMutex::default(),
        }
    }

    /// What whoever sent these headers may do.
    async fn right(&self, headers: &HeaderMap) -> Result<Right, Refused> {
        if self.users.is_none() && self.tokens.is_none() {
            return match is_for_loopback(headers) {
                true => Ok(Right::Store),
                false => Err(Refused::new(
                    StatusCode::MISDIRECTED_REQUEST,
                    "without users or tokens this is for this machine only: ask for it as 127.0.0.1 or localhost",
                )),
            };
        }
        let said = headers.get(header::AUTHORIZATION);
        let said = said.and_then(|value| value.to_str().ok()).unwrap_or("");
        let (scheme, credentials) = said.split_once(' ').unwrap_or((said, ""));
        let credentials = credentials.trim();
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => self.user(credentials).await,
            "bearer" => self.holder(credentials).await,
            _ => Err(self.unknown("say who you are")),
        }
    }

    async fn holder(&self, token: &str) -> Result<Right, Refused> {
        let Some(file) = self.tokens.clone() else {
            return Err(self.unknown("tokens are not taken here"));
        };
        let text = tokio::fs::read_to_string(&file).await.map_err(|error| {
            tracing::error!(%error, file = %file.display(), "the file of tokens cannot be read");
            closed("the file of tokens cannot be read; the node's log says why")
        })?;
        let shown = Sha256::digest(token);
        let lines = text.lines().map(str::trim);
        let mut known = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        // Of digests it is no secret how far they agree.
        match known.any(|line| Sha256::digest(line) == shown) {
            true => Ok(Right::Store),
            false => {
                tracing::warn!("DICOMweb: a wrong token");
                Err(self.unknown("the token is wrong"))
            }
        }
    }

    async fn user(&self, credentials: &str) -> Result<Right, Refused> {
        let Some(file) = self.users.clone() else {
            return Err(self.unknown("users are not known here"));
        };
        let decoded = STANDARD
            .decode(credentials)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
        let Some((name, password)) = pair else {
            return Err(self.unknown("the name and the password cannot be read"));
        };
        let users = Users::read(&file).map_err(|error| {
            tracing::error!(%error, "the file of users cannot be read");
            closed("the file of users cannot be read; the node's log says why")
        })?;
        let right = |role| match role {
            Role::Admin => Right::Store,
            Role::Viewer => Right::Read,
        };
        // The file's word is part of it: a password that was changed is not remembered.
        let user = users.named(name);
        let digest = digest(&format!("{user:?}\0{name}\0{password}"));
        if let Some(user) = user.filter(|_| self.remembers(&digest)) {
            return Ok(right(user.role));
        }
        self.may_guess(name)?;
        let _one = self.verifying.lock().await;
        // A viewer asks many things at once: the first of them may have been verified meanwhile, or others were wrong.
        if let Some(user) = user.filter(|_| self.remembers(&digest)) {
            return Ok(right(user.role));
        }
        self.may_guess(name)?;
        let (known, guessed, password) = (users.clone(), name.to_owned(), password.to_owned());
        let verified = tokio::task::spawn_blocking(move || {
            known.verify(&guessed, &password).map(|user| user.role)
        })
        .await;
        match verified {
            Ok(Some(role)) => {
                self.throttle.succeeded(name);
                self.remember(digest);
                Ok(right(role))
            }
            Ok(None) => {
                self.throttle.failed(name, Instant::now());
                // The name may be a password typed into the wrong field.
                tracing::warn!("DICOMweb: a wrong name or password");
                Err(self.unknown("the name or the password is wrong"))
            }
            Err(_) => Err(closed("verifying the password failed")),
        }
    }

    /// Refuses where too many wrong passwords were said for a name.
    fn may_guess(&self, name: &str) -> Result<(), Refused> {
        let Err(wait) = self.throttle.may_guess(name, Instant::now()) else {
            return Ok(());
        };
        tracing::warn!("DICOMweb: signing in is slowed down, too many wrong passwords");
        let seconds = wait.as_secs() + 1;
        let sentence = format!("too many wrong passwords; wait {seconds} seconds");
        Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, sentence)
            .with(header::RETRY_AFTER, seconds.to_string()))
    }

    fn remembers(&self, digest: &[u8; 32]) -> bool {
        let remembered = self.remembered.lock();
        let remembered = remembered.unwrap_or_else(PoisonError::into_inner);
        remembered
            .get(digest)
            .is_some_and(|since| since.elapsed() < REMEMBERED)
    }

    fn remember(&self, digest: [u8; 32]) {
        let remembered = self.remembered.lock();
        let mut remembered = remembered.unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST_REMEMBERED {
            remembered.retain(|_, since| since.elapsed() < REMEMBERED);
        }
        if remembered.len() < MOST_REMEMBERED {
            remembered.insert(digest, Instant::now());
        }
    }

    /// Nobody that is known, and how to say who one is (RFC 9110 section 11.6.1).
    fn unknown(&self, sentence: &str) -> Refused {
        let mut schemes = Vec::new();
        if self.users.is_some() {
            schemes.push("Basic realm=\"irisnode\", charset=\"UTF-8\"");
        }
        if self.tokens.is_some() {
            schemes.push("Bearer realm=\"irisnode\"");
        }
        Refused::new(StatusCode::UNAUTHORIZED, sentence)
            .with(header::WWW_AUTHENTICATE, schemes.join(", "))
    }
}

fn closed(sentence: &str) -> Refused {
    Refused::new(StatusCode::INTERNAL_SERVER_ERROR, sentence)
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Lets those in that may, and gives every answer the headers that patients' data needs.
pub(super) async fn guard(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let wants = match request.method().as_str() {
        "GET" | "HEAD" => Right::Read,
        _ => Right::Store,
    };
    let mut answer = match shared.access.right(request.headers()).await {
        Ok(right) if right >= wants => next.run(request).await,
        Ok(_) => Refused::new(
            StatusCode::FORBIDDEN,
            "a viewer may query and retrieve, and not store; ask an admin",
        )
        .into_response(),
        Err(refused) => refused.into_response(),
    };
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "private, no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ] {
        // The viewer has its own.
        headers
            .entry(name)
            .or_insert(header::HeaderValue::from_static(value));
    }
    answer
}
