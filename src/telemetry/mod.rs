//! Traces of OpenTelemetry: one for each job, over a series' whole life, sent to a collector by OTLP over HTTP.
//!
//! A life is longer than a process: the identifiers of a trace and of its root follow from the job, so that steps before
//! and after a restart are in one trace. Steps carry numbers of jobs, names of rules and peers and the like; nothing of a
//! patient, and no UID. What the collector does not take within its time is dropped, and holds up nothing.

mod client;
mod life;

pub use life::{Life, Step};

use crate::config::Telemetry;
use client::Client;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor,
};
use std::time::Duration;

/// How long steps are gathered before they are sent.
const GATHERED: Duration = Duration::from_secs(1);
/// Longest wait for the collector when the node stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// Where steps are told.
#[derive(Debug)]
pub struct Traces {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
}

impl Traces {
    /// Starts to tell a collector; a thread of its own does the sending.
    ///
    /// # Errors
    /// A sentence why it cannot be.
    pub fn start(telemetry: &Telemetry, ae_title: &str) -> Result<Self, String> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", telemetry.otlp))
            .with_http_client(Client::new(telemetry)?)
            .build()
            .map_err(|error| error.to_string())?;
        let batches = BatchConfigBuilder::default().with_scheduled_delay(GATHERED);
        let mut processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(batches.build())
            .build();
        let resource = Resource::builder_empty()
            .with_service_name("irisnode")
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", ae_title.to_owned()),
            ]);
        processor.set_resource(&resource.build());
        Ok(Self {
            processor,
            scope: InstrumentationScope::builder("irisnode").build(),
        })
    }

    /// Tells of a step of a life, of the steps that it was made of, and, where it is the whole of it, of its end.
    pub fn tell(&self, life: &Life, step: Step) {
        self.tell_below(life, life.root, step);
    }

    /// Tells of a whole life, from its beginning to its end.
    pub fn tell_whole(&self, life: &Life, step: Step) {
        self.end(life, life.root, SpanId::INVALID, step);
    }

    fn tell_below(&self, life: &Life, parent: SpanId, mut step: Step) {
        let id = SpanId::from_bytes(rand::random());
        for part in std::mem::take(&mut step.parts) {
            self.tell_below(life, id, part);
        }
        self.end(life, id, parent, step);
    }

    fn end(&self, life: &Life, id: SpanId, parent: SpanId, step: Step) {
        let context = SpanContext::new(
            life.trace,
            id,
            TraceFlags::SAMPLED,
            false,
            TraceState::default(),
        );
        self.processor.on_end(SpanData {
            span_context: context,
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: step.name.into(),
            start_time: step.start,
            // Clocks may be set back.
            end_time: step.end.max(step.start),
            attributes: step.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: match step.failed {
                Some(reason) => Status::error(reason),
                None => Status::Unset,
            },
            instrumentation_scope: self.scope.clone(),
        });
    }

    /// Sends what is gathered, and ends: blocks for a moment.
    pub fn shut_down(&self) {
        if let Err(error) = self.processor.shutdown_with_timeout(FAREWELL) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}
