//! `--config FILE`, the same for every command that reads the node's configuration.

use super::certificates;
use crate::config::{ConfigError, ConfigFile};
use std::path::{Path, PathBuf};

/// `--config FILE`.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArg {
    /// The node's configuration.
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        env = "IRISNODE_CONFIG",
        default_value = "irisnode.toml"
    )]
    config: PathBuf,
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

    /// Reads it and requires what it names to be there, and certificates to be of use.
    pub(super) fn read_complete(&self) -> Result<ConfigFile, ConfigError> {
        let file = ConfigFile::read_complete(&self.config)?;
        let problems = certificates::problems(&file);
        file.with_findings(problems)
    }
}
