//! Who asks: nobody in particular, or a user that has signed in.

use super::Shared;
use crate::users::{Role, Users};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tower_sessions::Session;

/// Where a session keeps who it is.
const SIGNED_IN: &str = "user";

/// Where a session keeps when a person last used it, seconds since 1970; not written anew within [`A_WHILE`].
const USED: &str = "used";
/// Seconds.
const A_WHILE: i64 = 60;
/// What `live.js` sends along when it keeps an open page up to date: nobody may be sitting before it.
const LIVE: &str = "x-live";

/// Who a session is.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SignedIn {
    name: String,
    /// What every form of the session carries (OWASP: synchronizer token).
    token: String,
}

/// A user that has signed in.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) token: String,
}

impl Person {
    pub(super) fn may_act(&self) -> bool {
        self.role == Role::Admin
    }
}

/// Whoever may look at a page: a user; or, where no users are configured and no other machine gets here, anyone.
#[derive(Debug, Clone)]
pub(super) struct Reader(pub(super) Option<Person>);

/// Why not, in a line.
pub(super) type Denied = (StatusCode, &'static str);

/// A user that may act.
pub(super) struct Admin(Person);

impl Admin {
    /// Whether a form comes from a page of this session.
    pub(super) fn sent(&self, token: &str) -> Result<(), Denied> {
        if !self.0.token.is_empty() && self.0.token == token {
            return Ok(());
        }
        let why =
            "this form is not from a page of yours; go back, reload the page, and try again\n";
        Err((StatusCode::FORBIDDEN, why))
    }

    pub(super) fn name(&self) -> &str {
        &self.0.name
    }
}

/// That a person has used the session: it is counted from what was last written to it how long nobody has.
async fn used(session: &Session) -> Result<(), tower_sessions::session::Error> {
    let now = Utc::now().timestamp();
    let noted: Option<i64> = session.get(USED).await?;
    if noted.is_none_or(|noted| (now - noted).abs() >= A_WHILE) {
        session.insert(USED, now).await?;
    }
    Ok(())
}

/// Begins a session of a user; the session gets another name, so that one planted before is worth nothing.
pub(super) async fn sign_in(session: &Session, name: &str) -> Result<(), Response> {
    let signed_in = SignedIn {
        name: name.to_owned(),
        token: format!("{:032x}", rand::random::<u128>()),
    };
    let begun = async {
        session.cycle_id().await?;
        session.insert(SIGNED_IN, signed_in).await
    };
    begun.await.map_err(failed)
}

/// The users there are now: a role taken away counts at once, in sessions too.
fn users(shared: &Shared) -> Result<Users, Denied> {
    Users::read(&shared.users).map_err(|error| {
        tracing::error!(%error, "the file of users cannot be read");
        let why = "the file of users cannot be read; the log says why\n";
        (StatusCode::INTERNAL_SERVER_ERROR, why)
    })
}

fn failed(error: impl std::fmt::Display) -> Response {
    tracing::error!(%error, "a session failed");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "the session failed; sign in again\n",
    )
        .into_response()
}

impl FromRequestParts<Arc<Shared>> for Reader {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Response> {
        let users = users(shared).map_err(IntoResponse::into_response)?;
        if users.all().is_empty() {
            if shared.is_open {
                let why = "other machines reach this page, and there are no users yet: `irisnode web user add NAME --role admin`\n";
                return Err((StatusCode::FORBIDDEN, why).into_response());
            }
            return Ok(Self(None));
        }
        let session = Session::from_request_parts(parts, shared)
            .await
            .map_err(IntoResponse::into_response)?;
        let signed_in: Option<SignedIn> = session.get(SIGNED_IN).await.map_err(failed)?;
        if signed_in.is_some() && !parts.headers.contains_key(LIVE) {
            used(&session).await.map_err(failed)?;
        }
        let person = signed_in.and_then(|signed_in| {
            let user = users.named(&signed_in.name)?;
            Some(Person {
                name: signed_in.name,
                role: user.role,
                token: signed_in.token,
            })
        });
        match person {
            Some(person) => Ok(Self(Some(person))),
            None => Err(Redirect::to("/login").into_response()),
        }
    }
}

impl FromRequestParts<Arc<Shared>> for Person {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Response> {
        let Reader(person) = Reader::from_request_parts(parts, shared).await?;
        person.ok_or_else(|| {
            let why =
                "only for users, and there are none: `irisnode web user add NAME --role admin`\n";
            (StatusCode::FORBIDDEN, why).into_response()
        })
    }
}

impl FromRequestParts<Arc<Shared>> for Admin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Response> {
        let person = Person::from_request_parts(parts, shared).await?;
        if person.may_act() {
            return Ok(Self(person));
        }
        let why = "a viewer may look, and not act; ask an admin\n";
        Err((StatusCode::FORBIDDEN, why).into_response())
    }
}
