//! irisnode: a DICOM node that segments CT and MR series *by example*.
//!
//! A study flows one way through the rooms of this crate and never turns back:
//!
//! ```text
//! receive → archive → assemble → route → segment → encode → deliver
//! ```
//!
//! [`node`] alone knows the whole road. [`volume`], [`iris`], [`archive`],
//! [`config`], [`terminology`], [`dimse`], [`http_client`], [`tls`] and [`users`] are the ground floor
//! and import nothing of ours ([`http_server`] takes its TLS from [`tls`]). CONTRIBUTING.md draws the map.

pub mod archive;
pub mod assemble;
pub mod cli;
pub mod config;
pub mod deliver;
pub mod dicomweb;
pub mod dimse;
pub mod encode;
pub mod evaluate;
pub mod http_client;
pub mod http_server;
pub mod iris;
pub mod node;
pub mod notify;
pub mod phantom;
pub mod picture;
pub mod preprocess;
pub mod receive;
pub mod route;
pub mod segment;
pub mod tasks;
pub mod teach;
pub mod telemetry;
pub mod terminology;
pub mod tls;
pub mod users;
pub mod volume;
pub mod web;
