//! The administrator's TOML file: types, defaults, and validation that points at the line.
//!
//! [`ConfigFile::read`] checks what a file says; [`Config::load`] requires what it names (weights, tasks) as well. Every problem of a file is reported in one run.

mod attribute;
mod compression;
mod condition;
mod current;
mod delivery;
mod dicomweb;
mod difference;
mod explained;
mod file;
mod node;
mod notify;
mod peer;
mod peer_dicomweb;
mod problem;
mod rule;
mod secret;
mod section;
mod segmentation;
mod starter;
mod strategy;
mod suggest;
mod teach;
mod telemetry;
mod tls;
mod url;
mod value;
mod volume;
mod web;
mod when;

pub use compression::Compression;
pub use condition::{Condition, Subject, Test};
pub use current::{Current, Keeper};
pub use delivery::Delivery;
pub use dicomweb::Dicomweb;
pub use difference::Difference;
pub use file::{Config, ConfigFile};
pub use node::{Device, NodeConfig, UnknownDevice, above_program, default_weights};
pub use notify::{Email, Event, Notify, NotifyBy, Security, Webhook};
pub use peer::Peer;
pub use peer_dicomweb::PeerDicomweb;
pub use problem::{ConfigError, Findings, Problem};
pub use rule::{ALL_TAUGHT, Rule};
pub use secret::Secret;
pub use segmentation::Segmentation;
pub use starter::{Starter, StarterPeer};
pub use strategy::Strategy;
pub use teach::Teach;
pub use telemetry::Telemetry;
pub use tls::{PeerTls, Tls, TlsIdentity};
pub use value::size_in_words;
pub use volume::Volume;
pub use web::Web;
