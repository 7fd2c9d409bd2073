//! `--config FILE`, the same for every command that reads the node's configuration.

use crate::config::{ConfigError, ConfigFile, NodeConfig};
use crate::node::read_complete;
use std::path::{Path, PathBuf};

/// `--config FILE`.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArg {
    /// The node's configuration. Default: irisnode.toml in this folder, else /etc/irisnode/irisnode.toml.
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        env = "IRISNODE_CONFIG",
        default_value_os_t = usual_place(),
        hide_default_value = true
    )]
    config: PathBuf,
}

/// Where the configuration lies when nobody says: in this folder; else where the package puts it.
pub(super) fn usual_place() -> PathBuf {
    let here = PathBuf::from("irisnode.toml");
    let installed = Path::new("/etc/irisnode/irisnode.toml");
    if !here.exists() && installed.exists() {
        return installed.to_owned();
    }
    here
}

impl ConfigArg {
    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.config
    }

    /// Reads it; what it names (weights, tasks) may be absent.
    pub(super) fn read(&self) -> Result<ConfigFile, ConfigError> {
        ConfigFile::read(&self.config)
    }

    /// Reads what it says of the node; mistakes elsewhere are no hindrance.
    pub(super) fn read_node(&self) -> Result<NodeConfig, ConfigError> {
        ConfigFile::read_node(&self.config)
    }

    /// Reads it and requires what it names to be there, and certificates to be of use.
    pub(super) fn read_complete(&self) -> Result<ConfigFile, ConfigError> {
        read_complete(&self.config)
    }
}
