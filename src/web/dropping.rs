//! Labels dropped on `/teach`: kept as if they had been sent to the teaching AE title, by the node itself, which nobody
//! can call as over the network ([`crate::receive`] asks who may teach).

use super::access::Admin;
use super::{Shared, layout};
use crate::archive::{Acceptance, Fault, IncomingFile, NewInstance, NotKept, NotTaken, Sender};
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, post};
use maud::{Markup, html};
use std::sync::Arc;

/// Where labels are dropped.
pub(super) fn form(token: &str) -> Markup {
    html! {
        form.card.drop method="post" action=(super::FILES) enctype="multipart/form-data" {
            (super::actions::hidden(token))
            label {
                "Labels from this computer: DICOM-SEG or RTSTRUCT, and the images when no peer has them"
                input type="file" name="files" multiple required;
            }
            button { "Teach" }
        }
    }
}

/// `POST`: a token and files.
pub(super) fn files() -> MethodRouter<Arc<Shared>> {
    // Each file has a limit of its own; the disk has the last word.
    post(drop).layer(DefaultBodyLimit::disable())
}

async fn drop(State(shared): State<Arc<Shared>>, admin: Admin, mut form: Multipart) -> Response {
    let token = match form.next_field().await {
        Ok(Some(field)) if field.name() == Some("token") => field.text().await.unwrap_or_default(),
        Ok(_) => String::new(),
        Err(error) => return cut_short(&error),
    };
    if let Err(refusal) = admin.sent(&token) {
        return refusal.into_response();
    }
    let Some(title) = shared.current.get().teach.ae_title.clone() else {
        let why = "nobody can teach: [teach] has no ae_title in the configuration\n";
        return (StatusCode::CONFLICT, why).into_response();
    };
    let acceptance = Arc::new(Acceptance {
        sender: Sender {
            called_ae: title,
            ..shared.acceptance.sender.clone()
        },
        ..shared.acceptance.clone()
    });
    // While it lasts, what it brought is not taken for complete.
    let mut bringing = shared.archive.association();
    let (mut taken, mut problems) = (0, Vec::new());
    loop {
        let field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => {
                bringing.released();
                break;
            }
            Err(error) => return cut_short(&error),
        };
        let name = field.file_name().unwrap_or("a file").to_owned();
        let file = IncomingFile::new(Arc::clone(&shared.archive), Arc::clone(&acceptance));
        let instance = match arrive(file, field).await {
            Ok(Ok(instance)) => instance,
            Ok(Err(not_taken)) => {
                problems.push(format!("{name}: {not_taken}"));
                continue;
            }
            Err(error) => return cut_short(&error),
        };
        bringing.brought(&instance);
        if let Err(error) = shared.archive.store(instance).await {
            return layout::index_unreadable(&error);
        }
        taken += 1;
    }
    metrics::counter!("irisnode_instances_received_total").increment(taken);
    tracing::info!(
        taken,
        refused = problems.len(),
        user = admin.name(),
        "files were dropped to teach"
    );
    if problems.is_empty() {
        return Redirect::to(&format!("/teach?taken={taken}")).into_response();
    }
    let problems = problems.join("\n");
    let said = format!("{taken} taken, but not these; go back:\n{problems}\n");
    (StatusCode::UNPROCESSABLE_ENTITY, said).into_response()
}

/// Takes a file as it comes, and makes it durable.
async fn arrive(
    mut file: IncomingFile,
    mut field: Field<'_>,
) -> Result<Result<NewInstance, NotTaken>, MultipartError> {
    while let Some(piece) = field.chunk().await? {
        let pushed = tokio::task::spawn_blocking(move || {
            file.push(&piece);
            file
        });
        file = match pushed.await {
            Ok(file) => file,
            Err(_) => return Ok(Err(failed())),
        };
    }
    let finished = tokio::task::spawn_blocking(move || file.finish(|_| Ok(())));
    Ok(finished.await.unwrap_or_else(|_| Err(failed())))
}

fn failed() -> NotTaken {
    NotTaken::NotKept(NotKept {
        fault: Fault::ProcessingFailure,
        reason: "keeping it failed; the log says where".to_owned(),
    })
}

fn cut_short(error: &MultipartError) -> Response {
    let why = format!("the files did not come whole: {error}; go back\n");
    (StatusCode::BAD_REQUEST, why).into_response()
}
