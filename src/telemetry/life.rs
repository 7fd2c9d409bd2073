//! A job's life, and the steps that it is made of.

use crate::http_client::without_uids;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry::{KeyValue, Value};
use sha2::{Digest, Sha256};
use std::time::SystemTime;

/// The trace of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    pub(super) trace: TraceId,
    pub(super) root: SpanId,
}

impl Life {
    /// That of a node's job, which began at a time (milliseconds since 1970): the same whoever asks, and whenever.
    pub fn of(ae_title: &str, job: i64, began: i64) -> Self {
        let hash = Sha256::digest(format!("irisnode {ae_title} {job} {began}"));
        let (mut trace, mut root) = ([0; 16], [0; 8]);
        trace.copy_from_slice(&hash[..16]);
        root.copy_from_slice(&hash[16..24]);
        Self {
            trace: TraceId::from_bytes(trace),
            root: SpanId::from_bytes(root),
        }
    }
}

/// Something that took its time.
#[derive(Debug, Clone)]
pub struct Step {
    pub(super) name: &'static str,
    pub(super) start: SystemTime,
    pub(super) end: SystemTime,
    pub(super) attributes: Vec<KeyValue>,
    pub(super) failed: Option<String>,
    pub(super) parts: Vec<Step>,
}

impl Step {
    /// A step from `start` until now.
    pub fn since(name: &'static str, start: SystemTime) -> Self {
        Self::between(name, start, SystemTime::now())
    }

    /// A step that is over.
    pub fn between(name: &'static str, start: SystemTime, end: SystemTime) -> Self {
        Self {
            name,
            start,
            end,
            attributes: Vec::new(),
            failed: None,
            parts: Vec::new(),
        }
    }

    /// Says something of it: nothing of a patient. Texts lose their UIDs.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::String(text) => Value::from(without_uids(text.as_str())),
            other => other,
        };
        self.attributes.push(KeyValue::new(key, value));
        self
    }

    /// Says that it failed, and why.
    #[must_use]
    pub fn failed(mut self, reason: Option<&str>) -> Self {
        self.failed = reason.map(without_uids);
        self
    }

    /// What it was made of.
    #[must_use]
    pub fn of_parts(mut self, parts: Vec<Step>) -> Self {
        self.parts = parts;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_known_by_its_job_alone() {
        let life = Life::of("IRISNODE", 7, 1_764_000_000_000);
        assert_eq!(life, Life::of("IRISNODE", 7, 1_764_000_000_000));
        for other in [
            Life::of("OTHER", 7, 1_764_000_000_000),
            Life::of("IRISNODE", 8, 1_764_000_000_000),
        ] {
            assert!(other.trace != life.trace && other.root != life.root);
        }
    }
}
