//! What is looked at: a volume with its segments, read once and kept while somebody goes through it.

use crate::encode::drawn_on;
use crate::picture::{Drawn, Plane, Slices, Window};
use crate::teach::Material;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use image::RgbImage;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The volume that was looked at last, and which it is.
#[derive(Debug, Default)]
pub(super) struct Viewed {
    last: Mutex<Option<(PathBuf, Arc<Slices>)>>,
}

impl Viewed {
    /// A DICOM-SEG over the images that it was made from; the error is a sentence.
    pub(super) async fn of(
        &self,
        seg: PathBuf,
        images: Vec<PathBuf>,
    ) -> Result<Arc<Slices>, String> {
        // Held while reading: whoever moves the slider meanwhile waits for this one, and does not read it again.
        let mut last = self.last.lock().await;
        if let Some((_, slices)) = last.as_ref().filter(|(of, _)| *of == seg) {
            return Ok(Arc::clone(slices));
        }
        // One volume at a time is in memory.
        *last = None;
        let path = seg.clone();
        let slices = tokio::task::spawn_blocking(move || read(&path, &images))
            .await
            .map_err(|_| "reading the images failed".to_owned())??;
        let slices = Arc::new(slices);
        *last = Some((seg, Arc::clone(&slices)));
        Ok(slices)
    }
}

fn read(seg: &std::path::Path, images: &[PathBuf]) -> Result<Slices, String> {
    let of = drawn_on(seg).map_err(|error| error.to_string())?;
    let material = Material::read(seg, images, &of, &[]).map_err(|error| error.to_string())?;
    let segments = material.segments.into_iter().map(|(number, what)| Drawn {
        number,
        name: what.label,
        note: String::new(),
        color: what.color,
    });
    let segments = segments.collect();
    let window = Window::for_modality(&material.image, &material.modality);
    Slices::new(material.image, material.labels, segments, window)
        .ok_or_else(|| "the labels do not lie on the images' grid".to_owned())
}

/// A plane by its word in a query; axial where it is none.
pub(super) fn plane(word: &str) -> Plane {
    match word {
        "coronal" => Plane::Coronal,
        "sagittal" => Plane::Sagittal,
        _ => Plane::Axial,
    }
}

/// A picture as an answer.
pub(super) fn png(image: &RgbImage) -> Response {
    let mut bytes = Cursor::new(Vec::new());
    match image.write_to(&mut bytes, image::ImageFormat::Png) {
        Ok(()) => ([(header::CONTENT_TYPE, "image/png")], bytes.into_inner()).into_response(),
        Err(error) => {
            tracing::error!(%error, "a picture cannot be encoded");
            axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
