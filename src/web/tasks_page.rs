//! `/tasks`: the tasks with their segments and references.

use super::access::{Person, Reader};
use super::viewed::png;
use super::{Shared, layout};
use crate::config::Rule;
use crate::picture::{Drawn, Sheet, Window};
use crate::tasks::{Task, TaskError, TaskLibrary};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use image::RgbImage;
use maud::{Markup, html};
use std::sync::Arc;

/// The page.
pub(super) async fn page(State(shared): State<Arc<Shared>>, person: Person) -> Response {
    let library = shared.library.clone();
    let tasks = tokio::task::spawn_blocking(move || library.list()).await;
    let tasks = match tasks {
        Ok(Ok(tasks)) => tasks,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the tasks cannot be read");
            let why = "the tasks cannot be read; the log says why\n";
            return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
        }
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let main = html! {
        h1 { "Tasks" }
        @if tasks.is_empty() { p { "There is none yet: " code { "irisnode task add" } ", or send a segmentation to teach." } }
        @for task in &tasks { (card(task, &shared.current.get().rules)) }
    };
    layout::page("Tasks", &shared, &Reader(Some(person)), &main).into_response()
}

/// Which rules run a task, in a sentence.
pub(super) fn run_by(rules: &[Rule], task: &str, is_taught: bool) -> Markup {
    let names = rules.iter().filter(|rule| rule.runs(task, is_taught));
    let names: Vec<&str> = names.map(|rule| rule.name.as_str()).collect();
    html! {
        @match names.as_slice() {
            [] => {
                "No rule runs it: add " code { (task) } " to the tasks of one, or "
                code { "*taught" } " for whatever is taught over DICOM."
            },
            [one] => { "Run by the rule " strong { (one) } "." },
            several => {
                "Run by the rules "
                @for (at, name) in several.iter().enumerate() {
                    @if at > 0 { ", " }
                    strong { (name) }
                }
                "."
            },
        }
    }
}

fn card(task: &Task, rules: &[Rule]) -> Markup {
    let origin = match task.taught {
        true => "taught over DICOM",
        false => "added by hand",
    };
    html! {
        article.card {
            h2 { (task.name) }
            p.soft {
                (origin) ", version " (task.version()) ", " (task.created.format("%F"))
            }
            p { (run_by(rules, &task.name, task.taught)) }
            ul { @for segment in &task.segments {
                @let code = &segment.description.property_type;
                li {
                    (layout::swatch(segment.description.color))
                    (segment.description.label) " (" (code.meaning) ", " (code.scheme) " " (code.value) ")"
                }
            } }
            @for (at, reference) in task.references.iter().enumerate() {
                @let [columns, rows, slices] = reference.size;
                details {
                    summary {
                        "Reference " (at + 1) ": " (reference.modality) ", "
                        (columns) " × " (rows) " × " (slices) ", added " (reference.added.format("%F"))
                    }
                    ul { @for (segment, ml) in task.segments.iter().zip(reference.volumes_ml()) {
                        li { (segment.description.label) ", " (format!("{ml:.1} ml")) }
                    } }
                    img.sheet loading="lazy" src=(format!("/tasks/{}/{}/picture.png", task.name, at + 1))
                        alt=(format!("Slices of reference {} of {}", at + 1, task.name));
                }
            }
        }
    }
}

/// Slices of a reference, as a PNG.
pub(super) async fn sheet(
    State(shared): State<Arc<Shared>>,
    _person: Person,
    Path((name, number)): Path<(String, usize)>,
) -> Response {
    let library = shared.library.clone();
    let drawn = tokio::task::spawn_blocking(move || draw(&library, &name, number)).await;
    match drawn {
        Ok(Ok(Some(image))) => png(&image),
        _ => layout::not_found().await.into_response(),
    }
}

fn draw(library: &TaskLibrary, name: &str, number: usize) -> Result<Option<RgbImage>, TaskError> {
    let task = library.show(name)?;
    let Some(reference) = library.reference(name, number.wrapping_sub(1))? else {
        return Ok(None);
    };
    let segments: Vec<Drawn> = (1u16..)
        .zip(&task.segments)
        .map(|(number, segment)| Drawn {
            number,
            name: segment.description.label.clone(),
            note: format!("{:.1} ml", reference.labels.volume_ml(number)),
            color: segment.description.color,
        })
        .collect();
    let heading = format!("{}, reference {number} of {name}", reference.modality);
    let sheet = Sheet {
        volume: &reference.image,
        labels: &reference.labels,
        compared: None,
        segments: &segments,
        window: Window::for_modality(&reference.image, &reference.modality),
        heading: &heading,
        axial_slices: 6,
    };
    Ok(sheet.draw())
}
