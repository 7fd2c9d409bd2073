//! What a person does by a button: each a form that is posted with the session's token.

use super::Shared;
use super::access::Admin;
use crate::archive::{JobSummary, Refused, Undecidable};
use crate::teach::{TeachError, approve};
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use std::sync::Arc;

/// What can be done about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Retry,
    Cancel,
    Release,
    Discard,
}

impl Act {
    const ALL: [Self; 4] = [Self::Retry, Self::Cancel, Self::Release, Self::Discard];

    fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Release => "release",
            Self::Discard => "discard",
        }
    }

    /// What the button says.
    fn words(self) -> &'static str {
        match self {
            Self::Retry => "Do it again",
            Self::Cancel => "Call it off",
            Self::Release => "Send what is held",
            Self::Discard => "Never send what is held",
        }
    }

    fn needs_reason(self) -> bool {
        matches!(self, Self::Cancel | Self::Discard)
    }

    /// What can be done about a job in a state.
    fn on(state: &str) -> &'static [Self] {
        match state {
            "failed" | "skipped" | "discarded" => &[Self::Retry],
            "received" | "complete" | "routed" | "segmented" => &[Self::Cancel],
            "held" => &[Self::Release, Self::Discard],
            _ => &[],
        }
    }
}

/// What a form says.
#[derive(serde::Deserialize)]
pub(super) struct Posted {
    token: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    task: String,
}

/// Buttons for a job.
pub(super) fn of_job(job: &JobSummary, token: &str) -> Markup {
    html! {
        div.actions { @for act in Act::on(&job.state) {
            form method="post" action=(format!("/jobs/{}/{}", job.id, act.word())) {
                (hidden(token))
                @if act.needs_reason() { (reason()) }
                button { (act.words()) }
            }
        } }
    }
}

/// The token of a form.
pub(super) fn hidden(token: &str) -> Markup {
    html! { input type="hidden" name="token" value=(token); }
}

/// Where a reason is typed.
pub(super) fn reason() -> Markup {
    html! { label { "Why (no patient's name)" input name="reason" required maxlength="200"; } }
}

/// Does something about a job.
pub(super) async fn job(
    State(shared): State<Arc<Shared>>,
    admin: Admin,
    Path((id, word)): Path<(i64, String)>,
    Form(posted): Form<Posted>,
) -> Response {
    if let Err(refusal) = admin.sent(&posted.token) {
        return refusal.into_response();
    }
    let Some(act) = Act::ALL.into_iter().find(|act| act.word() == word) else {
        return (StatusCode::NOT_FOUND, "there is no such action\n").into_response();
    };
    if act.needs_reason() && posted.reason.trim().is_empty() {
        return (StatusCode::BAD_REQUEST, "say why; go back\n").into_response();
    }
    let archive = &shared.archive;
    let nothing_held = |count: u64| match count {
        0 => Err(Refused::State("not held".into())),
        _ => Ok(()),
    };
    let done = match act {
        Act::Retry => archive.retry(id).await,
        Act::Cancel => archive.cancel(id, posted.reason.trim()).await,
        Act::Release => archive.release(id, None).await.map(nothing_held),
        Act::Discard => {
            let discarded = archive.discard(id, None, posted.reason.trim()).await;
            discarded.map(nothing_held)
        }
    };
    match done {
        Ok(Ok(())) => {
            tracing::info!(
                job = id,
                act = act.word(),
                user = admin.name(),
                "a user acted"
            );
            Redirect::to(&format!("/jobs/{id}")).into_response()
        }
        Ok(Err(refused)) => {
            let why = match refused {
                Refused::NoSuchJob => format!("there is no job {id}\n"),
                Refused::State(state) => format!("job {id} is {state}; go back and reload\n"),
                Refused::NotTheLatest(latest) => format!("job {latest} does this series now\n"),
            };
            (StatusCode::CONFLICT, why).into_response()
        }
        Err(error) => super::layout::index_unreadable(&error),
    }
}

/// Decides on a proposal.
pub(super) async fn proposal(
    State(shared): State<Arc<Shared>>,
    admin: Admin,
    Path((id, word)): Path<(i64, String)>,
    Form(posted): Form<Posted>,
) -> Response {
    if let Err(refusal) = admin.sent(&posted.token) {
        return refusal.into_response();
    }
    let archive = &shared.archive;
    let done = match word.as_str() {
        "approve" => {
            let name = Some(posted.task.trim()).filter(|name| !name.is_empty());
            match approve(archive, &shared.library, id, name).await {
                Ok(_) => Ok(Ok(())),
                Err(TeachError::Archive(error)) => Err(error),
                Err(error) => return (StatusCode::CONFLICT, format!("{error}\n")).into_response(),
            }
        }
        "reject" if posted.reason.trim().is_empty() => {
            return (StatusCode::BAD_REQUEST, "say why; go back\n").into_response();
        }
        "reject" => archive.rejected(id, posted.reason.trim()).await,
        "retry" => archive.retry_proposal(id).await,
        _ => return (StatusCode::NOT_FOUND, "there is no such action\n").into_response(),
    };
    match done {
        Ok(Ok(())) => {
            tracing::info!(
                proposal = id,
                act = word,
                user = admin.name(),
                "a user decided"
            );
            Redirect::to("/teach").into_response()
        }
        Ok(Err(Undecidable::NoSuchProposal)) => {
            (StatusCode::NOT_FOUND, "there is no such proposal\n").into_response()
        }
        Ok(Err(Undecidable::State(state))) => {
            let why = format!("proposal {id} is {state}; go back and reload\n");
            (StatusCode::CONFLICT, why).into_response()
        }
        Err(error) => super::layout::index_unreadable(&error),
    }
}
