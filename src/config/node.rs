//! `[node]`: the node itself.

use super::problem::Problem;
use super::section::{Complaint, Section};
use super::value;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeValue;

/// `[node]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// AE title the node answers to.
    pub ae_title: String,
    /// Address of the DICOM listener.
    pub listen: SocketAddr,
    /// Folder of everything the node keeps: instances, index, results.
    pub data_dir: PathBuf,
    /// Folder of the task library.
    pub task_dir: PathBuf,
    /// Weights of the network, safetensors.
    pub weights: PathBuf,
    /// What the network runs on.
    pub device: Device,
    /// Accept associations from AE titles that are no `[[peer]]`.
    pub accept_unknown_callers: bool,
    /// A series is complete when no instance has arrived for this long.
    pub quiet_time: Duration,
    /// The same, once every association that brought the series was released; where `quiet_time` is shorter, that holds.
    pub quiet_after_release: Duration,
    /// Series whose last instance came longer ago are removed, once answered; `None` keeps them.
    pub keep_for: Option<Duration>,
    /// The oldest answered series are removed while instances take more than this, bytes; `None` for no limit.
    pub max_archive_bytes: Option<u64>,
    /// Refuse instances (A700) when less than this is free on the data folder's disk, bytes.
    pub min_free_bytes: u64,
    /// Associations held at once.
    pub max_associations: usize,
    /// A connection that has no association after this long, the TLS handshake included, is closed.
    pub association_timeout: Duration,
    /// An association that says nothing for this long is aborted.
    pub idle_timeout: Duration,
}

impl Default for NodeConfig {
    /// Listens on this machine only and hears known peers only: opening up is a decision of the administrator.
    fn default() -> Self {
        let data_dir = PathBuf::from("irisnode-data");
        Self {
            ae_title: "IRISNODE".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 11112)),
            task_dir: data_dir.join("tasks"),
            data_dir,
            weights: PathBuf::from(WEIGHTS),
            device: Device::Auto,
            accept_unknown_callers: false,
            quiet_time: Duration::from_secs(10),
            quiet_after_release: Duration::from_secs(2),
            keep_for: None,
            max_archive_bytes: None,
            min_free_bytes: 1 << 30,
            max_associations: 32,
            association_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// What the network runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The first GPU when there is one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU with this number, from 0.
    Cuda(usize),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl std::str::FromStr for Device {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Self, UnknownDevice> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or(UnknownDevice),
        }
    }
}

/// The text names no device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a device: write auto, cpu, cuda or cuda:N")]
pub struct UnknownDevice;

fn device(value: &DeValue<'_>) -> Result<Device, Complaint> {
    value::text(value)?.parse().map_err(|UnknownDevice| {
        Complaint::new("is not a device", "not a device")
            .with_help("write \"auto\" (a GPU when there is one), \"cpu\", or \"cuda:0\"")
    })
}

/// Where the network's weights are when nobody says: `weights/iris.safetensors` in `base` (the folder of the
/// configuration), else in a folder above the program (a checkout), else in `share/irisnode/` above it (a package).
///
/// The first that exists; when none does, the one in `base`.
pub fn default_weights(base: &Path) -> PathBuf {
    let beside = base.join(WEIGHTS);
    let elsewhere = above_program().into_iter().flat_map(|folder| {
        [
            folder.join(WEIGHTS),
            folder.join("share/irisnode").join(WEIGHTS),
        ]
    });
    std::iter::once(beside.clone())
        .chain(elsewhere)
        .find(|path| path.is_file())
        .unwrap_or(beside)
}

/// The folders above the program, the nearest first: a checkout or a package is among them.
pub fn above_program() -> Vec<PathBuf> {
    let program = std::env::current_exe()
        .and_then(std::fs::canonicalize)
        .unwrap_or_default();
    program.ancestors().skip(1).map(Path::to_owned).collect()
}

const WEIGHTS: &str = "weights/iris.safetensors";

/// Reads `[node]`; returns it with the place of `weights` when it is written out.
pub(super) fn read(
    mut section: Section<'_, '_>,
    base: &Path,
) -> (NodeConfig, Option<std::ops::Range<usize>>) {
    let default = NodeConfig::default();
    let data_dir = section.or("data_dir", base.join(&default.data_dir), value::path(base));
    let weights = section.optional("weights", value::path(base));
    let listen = section.optional("listen", value::socket_address);
    if let Some(placed) = listen.as_ref().filter(|placed| placed.value.port() == 0) {
        section.problems().push(
            Problem::warning(
                placed.span.clone(),
                "`listen` has port 0",
                "the system picks a free port at every start",
            )
            .with_help("a peer must know the port: write one, usually 104 or 11112"),
        );
    }
    let config = NodeConfig {
        ae_title: section.or("ae_title", default.ae_title, value::ae_title),
        listen: listen.map_or(default.listen, |placed| placed.value),
        task_dir: section.or("task_dir", data_dir.join("tasks"), value::path(base)),
        data_dir,
        weights: weights
            .as_ref()
            .map_or_else(|| default_weights(base), |placed| placed.value.clone()),
        device: section.or("device", default.device, device),
        accept_unknown_callers: section.or(
            "accept_unknown_callers",
            default.accept_unknown_callers,
            value::boolean,
        ),
        quiet_time: section.or("quiet_time", default.quiet_time, value::duration),
        quiet_after_release: section.or(
            "quiet_after_release",
            default.quiet_after_release,
            value::duration,
        ),
        keep_for: section
            .optional("keep_for", value::duration)
            .map(|placed| placed.value),
        max_archive_bytes: section
            .optional("max_archive", value::size)
            .map(|placed| placed.value),
        min_free_bytes: section.or("min_free", default.min_free_bytes, value::size),
        max_associations: section.or("max_associations", default.max_associations, |value| {
            let most = value::integer(value, 1, 10_000)?;
            Ok(usize::try_from(most).unwrap_or(default.max_associations))
        }),
        association_timeout: section.or(
            "association_timeout",
            default.association_timeout,
            value::duration,
        ),
        idle_timeout: section.or("idle_timeout", default.idle_timeout, value::duration),
    };
    section.finish();
    (config, weights.map(|placed| placed.span))
}
