//! `/metrics`, in Prometheus' text format.
//!
//! What happens is counted where it happens, by the `metrics` crate's macros; what there is, is read from the archive at
//! each scrape. README.md lists every name. No label holds anything of a patient or a series.

use super::Shared;
use crate::archive::JobState;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::Arc;

/// Upper bounds of the histograms' buckets, seconds.
const SECONDS: [f64; 10] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0];

/// The process's recorder of what is counted.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Makes the recorder the process's own; once.
    ///
    /// # Errors
    /// When there is one already.
    pub fn install() -> Result<Self, BuildError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .install_recorder()?;
        describe_counter!(
            "irisnode_instances_received_total",
            "Instances acknowledged with success"
        );
        describe_counter!(
            "irisnode_requests_refused_total",
            "Instances and requests for commitment answered with a failure"
        );
        describe_counter!(
            "irisnode_associations_total",
            "Associations accepted, by how they ended"
        );
        describe_counter!(
            "irisnode_deliveries_total",
            "Attempts to send a result, by outcome"
        );
        describe_counter!(
            "irisnode_commitments_total",
            "Results asked about by storage commitment, by outcome"
        );
        describe_histogram!(
            "irisnode_segmenting_seconds",
            "From the start of reading a series to its results on disk"
        );
        describe_histogram!(
            "irisnode_network_seconds",
            "What of that the network itself took"
        );
        describe_gauge!("irisnode_jobs", "Jobs in the index, by state");
        describe_gauge!(
            "irisnode_deliveries",
            "Results that wait to be sent, to be committed to, or for review"
        );
        describe_counter!(
            "irisnode_config_reloads_total",
            "Changes of the configuration file, by outcome"
        );
        describe_counter!(
            "irisnode_notifications_total",
            "Messages to people, by outcome"
        );
        describe_gauge!(
            "irisnode_config_in_force",
            "Whether the configuration on disk is what runs (1) or is refused (0)"
        );
        describe_gauge!("irisnode_data_free_bytes", "Free on the data folder's disk");
        describe_gauge!("irisnode_info", "Always 1; its labels tell what runs");
        Ok(Self { handle })
    }
}

/// The numbers of this moment.
pub(super) async fn scrape(State(shared): State<Arc<Shared>>) -> Response {
    let counts = match shared.archive.counts().await {
        Ok(counts) => counts,
        Err(error) => {
            tracing::warn!(%error, "no metrics: the index cannot be read");
            let why = "the index cannot be read; the log says why\n";
            return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
        }
    };
    // A state without jobs is 0, not absent.
    for state in JobState::ALL.map(JobState::as_str) {
        let found = counts.jobs.iter().find(|(word, _)| word == state);
        gauge!("irisnode_jobs", "state" => state).set(found.map_or(0.0, |(_, n)| *n as f64));
    }
    let in_force = shared.current.refused().is_empty();
    gauge!("irisnode_config_in_force").set(if in_force { 1.0 } else { 0.0 });
    gauge!("irisnode_deliveries", "state" => "waiting").set(counts.deliveries_waiting as f64);
    gauge!("irisnode_deliveries", "state" => "stored").set(counts.deliveries_stored as f64);
    gauge!("irisnode_deliveries", "state" => "held").set(counts.deliveries_held as f64);
    if let Ok(free) = shared.archive.free_bytes() {
        gauge!("irisnode_data_free_bytes").set(free as f64);
    }
    let weights = shared
        .about
        .weights
        .get(..12)
        .unwrap_or_default()
        .to_owned();
    gauge!("irisnode_info", "version" => env!("CARGO_PKG_VERSION"), "weights" => weights).set(1.0);
    let text = shared.metrics.handle.render();
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
