//! `/login` and `/logout`.

use super::access::{Reader, sign_in};
use super::{Shared, layout};
use crate::users::Users;
use axum::Form;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tower_sessions::Session;

/// What the form says.
#[derive(serde::Deserialize)]
pub(super) struct SignIn {
    name: String,
    password: String,
}

/// The form.
pub(super) async fn form(State(shared): State<Arc<Shared>>) -> Markup {
    page(&shared, None)
}

fn page(shared: &Shared, wrong: Option<&str>) -> Markup {
    let main = html! {
        h1 { "Sign in" }
        @if let Some(wrong) = wrong { p role="alert" { (wrong) } }
        form.card method="post" action="/login" {
            label { "Name" input name="name" autocomplete="username" required autofocus; }
            label { "Password" input name="password" type="password" autocomplete="current-password" required; }
            button { "Sign in" }
        }
    };
    layout::page("Sign in", shared, &Reader(None), &main)
}

/// Signs in, or says why not. Argon2 runs for one at a time.
pub(super) async fn enter(
    State(shared): State<Arc<Shared>>,
    session: Session,
    Form(form): Form<SignIn>,
) -> Response {
    if let Err(wait) = shared.throttle.may_guess(&form.name, Instant::now()) {
        return slowed_down(&shared, wait);
    }
    let _one = shared.verifying.lock().await;
    // Others may have guessed meanwhile.
    if let Err(wait) = shared.throttle.may_guess(&form.name, Instant::now()) {
        return slowed_down(&shared, wait);
    }
    let (file, guess) = (shared.users.clone(), (form.name.clone(), form.password));
    let verified = tokio::task::spawn_blocking(move || {
        Users::read(&file).map(|users| users.verify(&guess.0, &guess.1).is_some())
    })
    .await;
    match verified {
        Ok(Ok(true)) => {
            shared.throttle.succeeded(&form.name);
            tracing::info!(user = form.name, "signed in");
            match sign_in(&session, &form.name).await {
                Ok(()) => Redirect::to("/").into_response(),
                Err(failed) => failed,
            }
        }
        Ok(Ok(false)) => {
            shared.throttle.failed(&form.name, Instant::now());
            // The name may be a password typed into the wrong field.
            tracing::warn!("a wrong name or password");
            let page = page(&shared, Some("The name or the password is wrong."));
            (StatusCode::UNAUTHORIZED, page).into_response()
        }
        Ok(Err(_)) | Err(_) => {
            let page = page(
                &shared,
                Some("The file of users cannot be read; the log says why."),
            );
            (StatusCode::INTERNAL_SERVER_ERROR, page).into_response()
        }
    }
}

fn slowed_down(shared: &Shared, wait: Duration) -> Response {
    tracing::warn!("signing in is slowed down: too many wrong passwords");
    let seconds = wait.as_secs() + 1;
    let why = format!("Too many wrong passwords; wait {seconds} seconds.");
    let retry = [(header::RETRY_AFTER, seconds.to_string())];
    let page = page(shared, Some(&why));
    (StatusCode::TOO_MANY_REQUESTS, retry, page).into_response()
}

/// Ends the session. `SameSite=Strict` keeps other sites from doing it.
pub(super) async fn leave(session: Session) -> Response {
    let _ = session.flush().await;
    Redirect::to("/login").into_response()
}
