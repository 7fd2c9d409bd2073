//! The administrator's TOML file: types, defaults, and validation that points at the line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A whole, valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The node itself.
    pub node: NodeConfig,
    /// Application entities the node talks to.
    pub peers: Vec<Peer>,
    /// Rules in the order of the file.
    pub rules: Vec<Rule>,
}

/// `[node]`.
#[derive(Debug, Clone)]
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
    /// Accept associations from AE titles that are no `[[peer]]`.
    pub accept_unknown_callers: bool,
    /// A series is complete when no instance has arrived for this long.
    pub quiet_time: Duration,
    /// Refuse instances (A700) when less than this is free on the data folder's disk, bytes.
    pub min_free_bytes: u64,
    /// Associations held at once.
    pub max_associations: usize,
    /// An association that says nothing for this long is aborted.
    pub idle_timeout: Duration,
}

/// `[[peer]]`: a remote application entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The name rules use.
    pub name: String,
    /// Its AE title.
    pub ae_title: String,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// `[[rule]]`: which series get which tasks, and where results go.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Unique name.
    pub name: String,
    /// The condition on the series.
    pub when: Condition,
    /// Names of tasks to run.
    pub tasks: Vec<String>,
    /// Names of peers that get the result; empty means the peer it came from.
    pub destinations: Vec<String>,
    /// Higher runs first.
    pub priority: i32,
}

/// A condition of a rule.
#[derive(Debug, Clone)]
pub enum Condition {
    /// Every one holds (an empty list holds).
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A test of one attribute, or of the association.
    Test {
        /// What is looked at.
        subject: Subject,
        /// What it must be.
        test: Test,
    },
}

/// What a [`Condition::Test`] looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A DICOM attribute at the top level of the data set.
    Attribute {
        /// As the administrator wrote it: a keyword or `gggg,eeee`.
        name: String,
        /// Its tag.
        tag: dicom_core::Tag,
    },
    /// AE title of the caller that sent the series.
    CallingAe,
    /// AE title it called.
    CalledAe,
}

/// What a subject must be. Texts are compared without trailing spaces, case as written.
#[derive(Debug, Clone)]
pub enum Test {
    /// Any of the attribute's values equals this.
    Equals(String),
    /// Any of the values equals one of these.
    OneOf(Vec<String>),
    /// Any of the values matches this glob.
    Glob(globset::GlobMatcher),
    /// Any of the values matches this regular expression.
    Regex(regex::Regex),
    /// Every value is a number within these bounds, inclusive.
    Range {
        /// Lower bound.
        min: Option<f64>,
        /// Upper bound.
        max: Option<f64>,
    },
    /// The attribute is there with a value (`true`) or is not (`false`).
    Present(bool),
}
