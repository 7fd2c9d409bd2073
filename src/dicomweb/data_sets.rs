//! Answers of data sets, as a client wants them written.

use super::body::{Boundary, typed};
use super::media::{Written, XML};
use super::xml;
use axum::body::Body;
use axum::response::Response;
use serde_json::Value;
use std::io;

/// An answer of any number of data sets, written one after the other.
#[derive(Debug, Clone)]
pub(super) enum DataSets {
    /// Elements of an array.
    Json {
        content_type: &'static str,
        /// What stands before the next.
        before: &'static str,
    },
    /// Parts, a document each.
    Xml(Boundary),
}

impl DataSets {
    pub(super) fn new(written: Written) -> Self {
        match written {
            Written::Json(content_type) => Self::Json {
                content_type,
                before: "[",
            },
            Written::Xml => Self::Xml(Boundary::new()),
        }
    }

    /// The next one.
    pub(super) fn one(&mut self, data_set: &Value) -> io::Result<Vec<u8>> {
        match self {
            Self::Json { before, .. } => {
                let before = std::mem::replace(before, ",");
                Ok(format!("{before}{data_set}").into_bytes())
            }
            Self::Xml(boundary) => {
                let mut part = boundary.part(XML, None).into_bytes();
                part.extend(xml::document(data_set)?);
                Ok(part)
            }
        }
    }

    /// What stands after the last.
    pub(super) fn end(&self) -> String {
        match self {
            Self::Json { before: "[", .. } => "[]".to_owned(),
            Self::Json { .. } => "]".to_owned(),
            Self::Xml(boundary) => boundary.end(),
        }
    }

    /// The answer that has this body.
    pub(super) fn answer(&self, body: Body) -> Response {
        match self {
            Self::Json { content_type, .. } => typed(content_type, body),
            Self::Xml(boundary) => boundary.answer(XML, body),
        }
    }

    /// The answer that has these.
    pub(super) fn all(mut self, data_sets: &[Value]) -> io::Result<Response> {
        let mut body = Vec::new();
        for data_set in data_sets {
            body.extend(self.one(data_set)?);
        }
        body.extend(self.end().into_bytes());
        Ok(self.answer(Body::from(body)))
    }
}
