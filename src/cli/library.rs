//! Options that say where tasks and weights are.

use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, miette};

use super::config_arg::usual_place;
use crate::config::{ConfigFile, Device, NodeConfig, Rule, default_weights};
use crate::iris::{Iris, choose_device};
use crate::tasks::TaskLibrary;

/// Where tasks and weights are; a node's configuration says so, or these options do.
#[derive(Debug, clap::Args)]
pub struct LibraryArgs {
    /// A node's configuration, for its tasks, weights and device. Default, where there is one: irisnode.toml in this
    /// folder, else /etc/irisnode/irisnode.toml.
    #[arg(long, short, value_name = "FILE", env = "IRISNODE_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of the tasks, instead of the configuration's.
    #[arg(long, value_name = "DIR", env = "IRISNODE_TASKS")]
    tasks_dir: Option<PathBuf>,
    /// Weights of the network, instead of the configuration's.
    #[arg(long, value_name = "FILE", env = "IRISNODE_WEIGHTS")]
    weights: Option<PathBuf>,
    /// What the network runs on: auto, cpu or cuda:N.
    #[arg(long, value_name = "DEVICE")]
    device: Option<Device>,
}

/// Where tasks and weights are.
#[derive(Debug)]
pub struct Places {
    tasks: PathBuf,
    /// Weights of the network; the file may be absent.
    pub weights: PathBuf,
    device: Device,
    /// The configuration's rules.
    rules: Vec<Rule>,
}

impl LibraryArgs {
    /// Options first, then the configuration, then defaults.
    pub fn places(&self) -> miette::Result<Places> {
        let implied = usual_place();
        let config = match &self.config {
            Some(path) => Some(path.as_path()),
            None => implied.is_file().then_some(implied.as_path()),
        };
        let (node, rules) = match config {
            // A task that a rule names may be the very one that is being added: it need not be there yet.
            Some(path) => {
                let config = ConfigFile::read(path)?.into_config();
                (config.node, config.rules)
            }
            None => {
                let weights = default_weights(Path::new(""));
                let node = NodeConfig {
                    weights,
                    ..NodeConfig::default()
                };
                (node, Vec::new())
            }
        };
        Ok(Places {
            tasks: self.tasks_dir.clone().unwrap_or(node.task_dir),
            weights: self.weights.clone().unwrap_or(node.weights),
            device: self.device.unwrap_or(node.device),
            rules,
        })
    }
}

impl Places {
    /// Whether there are rules, and none of them names a task.
    pub fn no_rule_runs(&self, task: &str) -> bool {
        !self.rules.is_empty() && !self.rules.iter().any(|rule| rule.runs(task, false))
    }

    /// The task library.
    pub fn library(&self) -> miette::Result<TaskLibrary> {
        TaskLibrary::open(&self.tasks).into_diagnostic()
    }

    /// The network.
    pub fn network(&self) -> miette::Result<Iris> {
        let device = match self.device {
            Device::Auto => choose_device("cuda").or_else(|_| choose_device("cpu")),
            named => choose_device(&named.to_string()),
        };
        Iris::load(&self.weights, device.into_diagnostic()?).map_err(|error| {
            miette!(
                help = "name the network's weights with --weights FILE, or `weights` in the configuration",
                "{error}"
            )
        })
    }
}
