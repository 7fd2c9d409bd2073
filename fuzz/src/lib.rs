//! irisnode's rooms that read what strangers send, compiled for libFuzzer, and the entries to them.
//!
//! The rooms are taken as they lie in `src/`, one by one, and not as the crate: the network, and libtorch with it, is no
//! part of a fuzz target, and need not be built with its instrumentation.

#![allow(
    dead_code,
    unused_imports,
    reason = "a room has more than the entries use"
)]

// What the entries call `irisnode` is this.
extern crate self as irisnode;

#[path = "../../src/assemble/mod.rs"]
pub mod assemble;
#[path = "../../src/config/mod.rs"]
pub mod config;
#[path = "../../src/dimse/mod.rs"]
pub mod dimse;
#[path = "../../src/encode/mod.rs"]
pub mod encode;
#[path = "../../src/route/mod.rs"]
pub mod route;
#[path = "../../src/terminology/mod.rs"]
pub mod terminology;
#[path = "../../src/tls/mod.rs"]
pub mod tls;
#[path = "../../src/volume/mod.rs"]
pub mod volume;

/// Of the archive, what reads a data set as it comes.
pub mod archive;
/// Of delivery, the requests and what peers respond.
pub mod deliver;
/// Of DICOMweb, what takes a body apart.
pub mod dicomweb;
/// Of receiving, what is answered to a request for an association.
pub mod receive;

mod entries;
pub use entries::*;

/// Panics that irisnode catches are part of what it does: libFuzzer's own hook would end the process at each. One that
/// is not caught still ends it.
pub fn let_panics_unwind() {
    if std::env::var_os("FUZZ_PANICS").is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
}
